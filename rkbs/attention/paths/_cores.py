"""Numbers of all pairs of points, with their gradients: what weights are functions of."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from rkbs.kernels._pairwise import distance, intersection


class Core(abc.ABC):
    """s_ij of points (B, n, d) and (B, m, d), shape (B, n, m)."""

    of_products = False
    """Whether it is a product of matrices, fast on every device."""

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

    of_products = True

    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT

    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        return slope @ k, slope.mT @ q

    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.mT


@final
class WideDot(Core):
    """q·k of points in double precision, rounded to single when it is summed."""

    of_products = True

    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        return (q @ k.mT).float()

    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        wide = slope.double()
        return wide @ k, wide.mT @ q

    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        return (q @ k.mT).float()


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


_ONE = Distance(1)


@final
class Intersection(Core):
    """Σ_l min(q_l, k_l)."""

    def __call__(self, q: Tensor, k: Tensor) -> Tensor:
        rows, columns = q.mT.contiguous(), k.mT.contiguous()  # (B, d, n), (B, d, m)
        total = q.new_zeros(*q.shape[:-1], k.shape[-2])
        part = torch.empty_like(total)
        for l in range(q.shape[-1]):  # noqa: E741
            torch.minimum(rows[:, l, :, None], columns[:, l, None, :], out=part)
            total += part
        return total

    def backward(self, slope: Tensor, s: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        # ∂min(q, k)/∂q = (1 − sign(q − k))/2, and sign(q − k) is the slope of |q − k|.
        by_q, by_k = _ONE.backward(slope, s, q, k)
        sums = slope.sum(-1, keepdim=True), slope.sum(-2)[..., None]
        return (sums[0] - by_q) / 2, (sums[1] - by_k) / 2

    def plainly(self, q: Tensor, k: Tensor) -> Tensor:
        return intersection(q, k)
