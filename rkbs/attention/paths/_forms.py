"""Weights, or logits, as functions of one number of each pair: κ = f(s), with f′."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from rkbs.attention.paths._cores import Core, Distance, Dot, Intersection, WideDot


class Form(abc.ABC):
    """f of numbers s that a core computes, elementwise; both differentiable by torch."""

    core: Core
    is_logit = False

    @abc.abstractmethod
    def value(self, s: Tensor) -> Tensor:
        """f(s): a weight ≥ 0, or a logit."""

    @abc.abstractmethod
    def slope(self, s: Tensor, value: Tensor) -> Tensor | float:
        """f′(s)."""


@final
class Square(Form):
    """s²: ``Quadratic``."""

    core = Dot()

    def value(self, s: Tensor) -> Tensor:
        return s.square()

    def slope(self, s: Tensor, value: Tensor) -> Tensor:
        return 2 * s


@final
@dataclass(frozen=True)
class Series(Form):
    """Σ_{n ≤ N} sⁿ/n!, by Horner: ``TaylorEDP``.

    The sum cancels for s < 0, by a factor p(|s|)/p(s) that is below 100 for even N ≤ 8.
    """

    order: int

    core = Dot()

    def value(self, s: Tensor) -> Tensor:
        return _horner(s, self.order)

    def slope(self, s: Tensor, value: Tensor) -> Tensor | float:
        return _horner(s, self.order - 1) if self.order else 0.0


def _horner(s: Tensor, order: int) -> Tensor:
    if order < 1:
        return torch.ones_like(s)
    inverse = [s.new_tensor(1 / math.factorial(n)) for n in range(order + 1)]
    total = inverse[-1] * s + inverse[-2]
    for n in range(order - 2, -1, -1):
        total = torch.addcmul(inverse[n], total, s)
    return total


@final
@dataclass(frozen=True)
class Root(Form):
    """√s of squared distances that come as products: ``L2Distance``."""

    core: Dot | WideDot = Dot()  # noqa: RUF009 - it has no state

    def value(self, s: Tensor) -> Tensor:
        return s.clamp_min(torch.finfo(s.dtype).tiny).sqrt()

    def slope(self, s: Tensor, value: Tensor) -> Tensor:
        return 0.5 / value


@final
class Length(Form):
    """s: ``L2Distance``."""

    core = Distance(2)

    def value(self, s: Tensor) -> Tensor:
        return s

    def slope(self, s: Tensor, value: Tensor) -> float:
        return 1.0


@final
class Bell(Form):
    """1/(1 + s²): ``Cauchy``."""

    core = Distance(2)

    def value(self, s: Tensor) -> Tensor:
        return 1 / (1 + s.square())

    def slope(self, s: Tensor, value: Tensor) -> Tensor:
        return -2 * s * value.square()


@final
class BellOfSquare(Form):
    """1/(1 + s) of squared distances that come as products: ``Cauchy``."""

    core = WideDot()

    def value(self, s: Tensor) -> Tensor:
        return 1 / (1 + s.clamp_min(0))

    def slope(self, s: Tensor, value: Tensor) -> Tensor:
        return -value.square()


@final
class GaussianOfSquare(Form):
    """−s of squared distances that come as products: ``RBF``."""

    core = WideDot()
    is_logit = True

    def value(self, s: Tensor) -> Tensor:
        return -s

    def slope(self, s: Tensor, value: Tensor) -> float:
        return -1.0


@final
class Gaussian(Form):
    """−s²: ``RBF``."""

    core = Distance(2)
    is_logit = True

    def value(self, s: Tensor) -> Tensor:
        return -s.square()

    def slope(self, s: Tensor, value: Tensor) -> Tensor:
        return -2 * s


@final
class Decay(Form):
    """−s: ``Laplace``."""

    core = Distance(1)
    is_logit = True

    def value(self, s: Tensor) -> Tensor:
        return -s

    def slope(self, s: Tensor, value: Tensor) -> float:
        return -1.0


@final
class Overlap(Form):
    """s: ``ExponentiatedIntersection``."""

    core = Intersection()
    is_logit = True

    def value(self, s: Tensor) -> Tensor:
        return s

    def slope(self, s: Tensor, value: Tensor) -> float:
        return 1.0
