"""Numbers of all pairs of points, with their gradients: what weights are functions of."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from rkbs.kernels._coordinates import coordinate_sum
from rkbs.kernels._pairwise import distance, intersection


class Core(abc.ABC):
    """s_ij of points (B, n, d) and (B, m, d), shape (B, n, m)."""

    @abc.abstractmethod
    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        """The s_ij, without a graph."""

    @abc.abstractmethod
    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients by q and by k, of that by s."""

    @abc.abstractmethod
    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        """The s_ij, with gradients of every order."""


@final
class Dot(Core):
    """q·k."""

    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT

    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        return slope @ k, slope.mT @ q

    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT


@final
@dataclass(frozen=True)
class Distance(Core):
    """‖q − k‖_p from differences, p = 1 or 2; at equal points the gradient is 0."""

    p: int

    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        return torch.cdist(q, k, float(self.p), "donot_use_mm_for_euclid_dist")

    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        pulled, p = torch.ops.aten._cdist_backward, float(self.p)
        turned = slope.mT.contiguous(), k, q, p, s.mT.contiguous()
        return pulled(slope.contiguous(), q, k, p, s), pulled(*turned)

    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        return distance(q, k, self.p)


@final
class Intersection(Core):
    """Σ_l min(q_l, k_l)."""

    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        return coordinate_sum(q, k, "min")

    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            q, k = (x.detach().requires_grad_() for x in (q, k))
            found = torch.autograd.grad(coordinate_sum(q, k, "min"), (q, k), slope)
        return found[0], found[1]

    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        return intersection(q, k)
