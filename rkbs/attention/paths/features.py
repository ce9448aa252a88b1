"""Sums over keys by the features of a polynomial kernel: time and memory linear in n and m."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rkbs.attention._task import Task
from rkbs.attention.paths._products import squared_product, with_last
from rkbs.attention.paths.base import Path
from rkbs.attention.reference import in_words_of_attention
from rkbs.kernels._pairwise import at_least_single
from rkbs.kernels.dot_product import DotProductKernel, Quadratic, TaylorEDP
from rkbs.kernels.features import PowerFeatures

MOST = 1 << 16
"""More features than this are refused."""
_NUMBERS = 1 << 20


@final
@dataclass(frozen=True, repr=False)
class Features(Path):
    """Σ_j κ(q, k_j) v_j = φ(q)·Σ_j φ(k_j) v_j: for polynomial kernels, whose φ is finite.

    ``Quadratic``, ``TaylorEDP`` and ``Linear``, with C(d + N, N) features for degree N; worth it
    where there are more keys than that. A mask may hide keys from all queries, or be causal.
    Rounding is relative to ‖φ(q)‖ ‖φ(k)‖, which is more than κ(q, k).

    Examples
    --------
    >>> import torch
    >>> from rkbs import Quadratic
    >>> from rkbs.attention import Dense, Features, kernel_attention
    >>> q, k, v = torch.randn(3, 50, 4, dtype=torch.float64)
    >>> paths = Features(), Dense()
    >>> torch.allclose(*(kernel_attention(q, k, v, Quadratic(), path=path) for path in paths))
    True
    """

    def refuses(self, task: Task) -> str | None:
        """Kernels without a finite φ, dropout, and masks that differ between queries."""
        name = type(task.kernel).__name__  # a compiler cannot trace a kernel's repr
        if (count := feature_count(task)) is None:
            return f"{name} is no polynomial in q·k, or q and k differ in dimension"
        if count > MOST:
            return f"{name} has {count} features in dimension {task.q.shape[-1]}"
        if task.dropout_p:
            return "single weights are not formed, so dropout_p must be 0"
        if task.bias is not None or (task.allowed is not None and task.allowed.shape[-2] > 1):
            return "attn_mask must be boolean and hide a key from all queries or none, (..., 1, m)"
        return None

    def run(self, task: Task) -> Tensor:
        with torch.autocast(task.q.device.type, enabled=False), in_words_of_attention():
            q, k, phi, weights = _prepared(task)
            v = at_least_single(task.v)
            v = torch.cat([v, v.new_ones(*v.shape[:-1], 1)], -1)  # (..., m, d_v + 1)
            if task.allowed is not None:
                v = v * task.allowed.mT
            sums = _causal(q, k, v, phi, weights) if task.is_causal else _sums(q, k, v, phi)
        return _normalized(sums, task)


def feature_count(task: Task) -> int | None:
    """How many features the kernel has, None where it has none."""
    d, kernel = task.q.shape[-1], task.kernel
    if not isinstance(kernel, DotProductKernel) or task.k.shape[-1] != d:
        return None
    return math.comb(d + int(kernel.degree), d) if kernel.degree < math.inf else None


def _prepared(task: Task) -> tuple[Tensor, Tensor, Callable, Callable]:
    """q and k as φ takes them, φ, and κ of a block of both."""
    q, k, kernel = at_least_single(task.queries), at_least_single(task.k), task.kernel
    d = q.shape[-1]
    if isinstance(kernel, Quadratic):
        return *squared_product(kernel, q, k), _squares, lambda q, k: (q @ k.mT).square()
    if isinstance(kernel, TaylorEDP) and kernel.order == 2:  # ((1 + a)² + 1)/2
        q, k = (with_last(x / d**0.25, x.new_ones(())) for x in (q, k))
        return q, k, _halved_squares, lambda q, k: ((q @ k.mT).square() + 1) / 2
    return q, k, _powers(kernel, d), kernel.formula


@functools.lru_cache(maxsize=8)
def _powers(kernel: DotProductKernel, d: int) -> PowerFeatures:
    return PowerFeatures(kernel, d, int(kernel.degree))


def _squares(x: Tensor) -> Tensor:
    """The products x_i x_j, i ≤ j, those of two by √2: (x·y)² is a product of these."""
    i, j = torch.triu_indices(x.shape[-1], x.shape[-1], device=x.device)
    scale = x.new_full(i.shape, math.sqrt(2.0)).masked_fill(i == j, 1)
    return x[..., i] * (x[..., j] * scale)


def _halved_squares(x: Tensor) -> Tensor:
    return with_last(_squares(x), x.new_ones(())) * math.sqrt(0.5)


def _again(function: Callable, *inputs: Any) -> Any:
    """A function's value; what it holds inside is computed again for gradients."""
    if not torch.is_grad_enabled():
        return function(*inputs)
    return checkpoint(function, *inputs, use_reentrant=False)


def _rows(x: Tensor) -> int:
    """Points in a block, of which all features are formed."""
    heads = max(1, math.prod(x.shape[:-2]))
    return max(16, _NUMBERS // (heads * x.shape[-1] ** 2))


def _sums(q: Tensor, k: Tensor, v: Tensor, phi: Callable) -> Tensor:
    """Σ_j κ(q_i, k_j) v_j, (..., n, d_v + 1)."""
    parts = zip(k.split(_rows(k), -2), v.split(_rows(k), -2), strict=True)
    total = sum(_again(lambda k, v: phi(k).mT @ v, *part) for part in parts)  # (..., D, d_v + 1)
    split = q.split(_rows(q), -2)
    return torch.cat([_again(lambda q, s: phi(q) @ s, some, total) for some in split], -2)


def _causal(q: Tensor, k: Tensor, v: Tensor, phi: Callable, weights: Callable) -> Tensor:
    """The same over j ≤ i: by features over the blocks before, and by κ within one."""

    def block(q: Tensor, k: Tensor, v: Tensor, before: Tensor | None) -> Tensor:
        within = weights(q, k).tril() @ v
        return within if before is None else within + phi(q) @ before

    rows, parts, before = min(_rows(q), max(64, q.shape[-1] ** 2)), [], None
    for i in range(0, q.shape[-2], rows):
        some = tuple(x[..., i : i + rows, :] for x in (q, k, v))
        parts.append(_again(block, *some, before))
        if i + rows < q.shape[-2]:
            added = _again(lambda k, v: phi(k).mT @ v, *some[1:])
            before = added if before is None else before + added
    return torch.cat(parts, -2)


def _normalized(sums: Tensor, task: Task) -> Tensor:
    out, total = sums[..., :-1], sums[..., -1:]
    if task.normalize in ("rows", "absolute"):
        return out / total.masked_fill(total == 0, 1)
    if task.normalize is None:
        return out
    if task.is_causal:
        count = torch.arange(1, task.shape[-2] + 1, device=out.device).clamp_max(task.shape[-1])
        return out / count[:, None]
    if task.allowed is None:
        return out / task.shape[-1]
    seen = task.allowed.expand(*task.allowed.shape[:-1], task.shape[-1])
    return out / seen.sum(-1, keepdim=True).clamp_min(1)
