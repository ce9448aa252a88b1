"""log κ as a function of the score s = q·k/√d, for kernels that are functions of it.

Traced by compilers: elementwise, without a branch on numbers, and with gradients that are finite.
"""

from __future__ import annotations

import abc
import functools
import math
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from rkbs.kernels._parameters import Parameter, numbers
from rkbs.kernels.algebra import Product, Scaled, Sum
from rkbs.kernels.base import Kernel
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.dot_product import EDP, Quadratic, TaylorEDP

HORNER = 8
"""The highest order of a series that Horner's rule is accurate for in single precision."""
HIGHEST = 16
"""The highest order of a series: what is traced grows with it."""


class Logit(abc.ABC):
    """log κ(s) of a score, given the parameters of its head in the order of ``logit_of``."""

    @abc.abstractmethod
    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        """log κ, elementwise; −∞ where κ is 0, without a gradient."""


@final
@dataclass(frozen=True)
class Score(Logit):
    """s: ``EDP``."""

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        return s


@final
@dataclass(frozen=True)
class Cap(Logit):
    """c tanh(s/c): ``CappedEDP``."""

    at: int

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        cap = parameters[self.at]
        return cap * torch.tanh(s / cap)


@final
@dataclass(frozen=True)
class LogSquare(Logit):
    """log (s + γ)²: ``Quadratic``."""

    at: int

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        size = (s + parameters[self.at]).abs()
        zero = size < math.sqrt(torch.finfo(s.dtype).tiny)  # its square is 0, or denormal
        return torch.where(zero, -math.inf, 2 * torch.where(zero, 1.0, size).log())


@final
@dataclass(frozen=True)
class LogSeries(Logit):
    """log Σ_{n ≤ N} sⁿ/n! for even N from 2 to 8, by Horner: ``TaylorEDP``."""

    order: int

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        order = self.order
        # Where sᴺ would overflow, p(s) = sᴺ/N! · (1 + N/s + …) to rounding.
        log = math.lgamma(order + 1)
        most = math.exp((math.log(torch.finfo(s.dtype).max) + log) / order) / 2
        far = s.abs() > most
        near = torch.where(far, 0.0, s)
        total = near / order + 1.0
        for n in range(order - 1, 0, -1):
            total = total * near / n + 1.0
        beyond = torch.where(far, s, 1.0)
        return torch.where(far, order * beyond.abs().log() + order / beyond - log, total.log())


@final
@dataclass(frozen=True)
class LogNodes(Logit):
    """log Σ_i (g_i (t_i + s))ᴺ for even N, by the kernel's own rule: ``TaylorEDP``."""

    order: int
    nodes: tuple[tuple[float, float], ...]

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        tiny = torch.finfo(s.dtype).tiny
        # By logarithms: a compiler would write powers out, each base as often as it is multiplied.
        terms = [self.order * (g * (t + s)).abs().clamp_min(tiny).log() for t, g in self.nodes]
        top = functools.reduce(torch.maximum, terms).detach()  # any: the result is the same
        return top + functools.reduce(torch.add, [(term - top).exp() for term in terms]).log()


@final
@dataclass(frozen=True)
class Added(Logit):
    """log κ + log κ': a product of kernels."""

    a: Logit
    b: Logit

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        return self.a(s, parameters) + self.b(s, parameters)


@final
@dataclass(frozen=True)
class Shifted(Logit):
    """log κ + log c: a multiple of a kernel, the logarithm among the parameters."""

    a: Logit
    at: int

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        return self.a(s, parameters) + parameters[self.at]


@final
@dataclass(frozen=True)
class LogSum(Logit):
    """log (κ + κ'): a sum of kernels."""

    a: Logit
    b: Logit

    def __call__(self, s: Tensor, parameters: tuple[Tensor, ...]) -> Tensor:
        a, b = self.a(s, parameters), self.b(s, parameters)
        zero = torch.maximum(a, b) == -math.inf  # −∞ − −∞ would be NaN
        a, b = torch.where(zero, 0.0, a), torch.where(zero, 0.0, b)
        found = torch.maximum(a, b) + torch.log1p((-(a - b).abs()).exp())
        return torch.where(zero, -math.inf, found)


def logit_of(kernel: Kernel, found: list[Parameter]) -> Logit | None:
    """log κ of a kernel that is a function of the score and not negative; else None.

    The parameters that it takes are appended to ``found``; of a multiple its ``Log``.
    """

    def place(value: Parameter) -> int:
        found.append(value)
        return len(found) - 1

    if isinstance(kernel, EDP):
        return Score()
    if isinstance(kernel, CappedEDP):
        return Cap(place(kernel.cap))
    if isinstance(kernel, Quadratic):
        return LogSquare(place(kernel.gamma))
    if isinstance(kernel, TaylorEDP):
        if not kernel.is_positive or not 2 <= kernel.order <= HIGHEST:
            return None
        if kernel.order <= HORNER:
            return LogSeries(kernel.order)
        return LogNodes(kernel.order, kernel._nodes)
    if isinstance(kernel, (Sum, Product)):
        a, b = logit_of(kernel.a, found), logit_of(kernel.b, found)
        if a is None or b is None:
            return None
        return LogSum(a, b) if isinstance(kernel, Sum) else Added(a, b)
    if isinstance(kernel, Scaled) and kernel.kernel.is_nonnegative and kernel.is_nonnegative:
        a = logit_of(kernel.kernel, found)
        return None if a is None else Shifted(a, place(_logarithm(kernel.factor)))
    return None


def _logarithm(factor: Any) -> Parameter:
    """log c of numbers c ≥ 0, head by head."""
    if isinstance(factor, Tensor):
        return factor.log()
    logs = tuple(math.log(c) if c > 0 else -math.inf for c in numbers(factor))
    return logs if isinstance(factor, tuple) else logs[0]
