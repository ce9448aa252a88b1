"""Kernels as exp of one product: exp(scale · q̃·k̃), up to a factor for each query.

EDP is one as it stands. −τ‖q − k‖²/√d is 2τ(q − c)·(k − c)/√d − τ‖k − c‖²/√d and a term of the
query alone, which rows of weights divide by: a coordinate more on both sides, and RBF is one, too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from rkbs.attention._task import Task
from rkbs.kernels._pairwise import at_least_single, largest
from rkbs.kernels._parameters import numbers, per_head
from rkbs.kernels.base import Kernel
from rkbs.kernels.distance import RBF
from rkbs.kernels.dot_product import EDP, Quadratic
from rkbs.kernels.key_norm import KeyNormBias

_MULTIPLE = 8
"""Widths of fused kernels: a vector register of single precision."""


class Products(NamedTuple):
    """q̃ (..., n, w), k̃ (..., m, w) and the scale of their products."""

    q: Tensor
    k: Tensor
    scale: float


def is_a_product(kernel: Kernel) -> bool:
    """Whether ``products`` knows the kernel."""
    return isinstance(kernel, (EDP, RBF)) or (
        isinstance(kernel, KeyNormBias) and isinstance(kernel.kernel, EDP)
    )


def products(task: Task, centered: bool) -> Products:
    """q̃ and k̃ of a task whose kernel is a product; for RBF from the centre of the keys or 0."""
    q, k, kernel = at_least_single(task.q), at_least_single(task.k), task.kernel
    root = math.sqrt(q.shape[-1])
    if isinstance(kernel, EDP):
        return Products(q, k, 1 / root if task.scale is None else task.scale)
    tau = per_head(kernel, "tau", q, k)
    if isinstance(kernel, RBF):
        if centered:
            center = centre(k)
            q, k = q - center, k - center
        q = q * (2 * tau / root)
    else:
        q = q * (1 / root if task.scale is None else task.scale)
    norms = k.square().sum(-1, keepdim=True) * (-tau / root)
    return Products(_extended(q, q.new_ones(())), _extended(k, norms), 1.0)


def squared_product(kernel: Quadratic, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """Points with κ(q, k) = (q̃·k̃)²: γ is a coordinate more."""
    gamma = torch.as_tensor(per_head(kernel, "gamma", q, k), dtype=q.dtype, device=q.device)
    return with_last(q / math.sqrt(q.shape[-1]), gamma), with_last(k, k.new_ones(()))


def with_last(points: Tensor, last: Tensor) -> Tensor:
    """Points (..., n, d) with one coordinate more."""
    return torch.cat([points, last.expand(*points.shape[:-1], 1)], -1)


def centre(k: Tensor) -> Tensor:
    """A point amid the keys, (..., 1, d), a constant: which one does not matter for the result."""
    return k.detach().mean(-2, keepdim=True)


def _extended(points: Tensor, last: Tensor) -> Tensor:
    """Points with one coordinate more, and zeros up to the width of a fused kernel."""
    points = with_last(points, last)
    return pad(points, (0, -points.shape[-1] % _MULTIPLE))


def rounding(task: Task, centered: bool) -> float:
    """A bound of what rounding does to the logits of the product; reads numbers of the points.

    Infinite where a product may leave the range of the dtype, or a point is not finite. For RBF it
    is 4ε max(‖q − c‖², ‖k − c‖²) τ/√d, of what cancels. Of EDP and its bias of keys nothing does
    that the kernel's own formula keeps: 0.
    """
    q, k, kernel = at_least_single(task.q.detach()), at_least_single(task.k.detach()), task.kernel
    if not isinstance(kernel, RBF):
        scale = max(1.0, abs(task.scale or 1.0))
        sizes = [float(torch.linalg.vector_norm(x)) for x in (q, k)]
        bias = sizes[1] * _bias(kernel)
        most = (scale * sizes[0] + bias) * sizes[1]
        return 0.0 if most < largest(q) / 4 else math.inf
    if centered:
        center = centre(k)
        q, k = q - center, k - center
    reach = max(float(torch.linalg.vector_norm(x, dim=-1).amax()) for x in (q, k)) ** 2
    taus = numbers(kernel.tau)
    if not (math.isfinite(reach) and min(taus) > 0):
        return math.inf
    return 4 * torch.finfo(q.dtype).eps * reach * max(taus) / math.sqrt(q.shape[-1])


def _bias(kernel: Kernel) -> float:
    """The largest |τ| of a bias of keys, 0 without one."""
    return max(map(abs, numbers(kernel.tau))) if isinstance(kernel, KeyNormBias) else 0.0
