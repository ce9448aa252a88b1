"""A task of attention: arguments that are checked and prepared, in the form every path takes."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import Tensor

from rkbs.attention import _checks
from rkbs.kernels._pairwise import at_least_single
from rkbs.kernels.base import Kernel


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """What is to be computed, whichever way.

    What no query sees is no longer there: hidden keys and values, and queries that see nothing,
    hold numbers that can do no harm; keys behind all queries of a causal mask are cut off.

    Attributes
    ----------
    q, k, v : tensors (..., n, d), (..., m, d), (..., m, d_v)
    batch : tuple of int
        The leading axes, broadcast.
    kernel : Kernel
    allowed : boolean tensor that broadcasts to (..., n, m), or None
        Where a query sees a key. None where it sees all, or all up to its own index.
    bias : tensor that broadcasts to (..., n, m), or None
        Added to logits; 0 where hidden.
    is_causal : bool
    scale : float or None
        Of the products q·k, in place of 1/√d.
    dropout_p : float
    normalize : str or None
    """

    q: Tensor
    k: Tensor
    v: Tensor
    batch: tuple[int, ...]
    kernel: Kernel
    allowed: Tensor | None = None
    bias: Tensor | None = None
    is_causal: bool = False
    scale: float | None = None
    dropout_p: float = 0.0
    normalize: str | None = "rows"

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., n, m)."""
        return (*self.batch, self.q.shape[-2], self.k.shape[-2])

    @property
    def queries(self) -> Tensor:
        """The queries as the kernel takes them, which divides q·k by √d."""
        if self.scale is None:
            return self.q
        return at_least_single(self.q) * (self.scale * math.sqrt(self.q.shape[-1]))

    @property
    def visible(self) -> Tensor | None:
        """``allowed``, the causal mask included."""
        if not self.is_causal:
            return self.allowed
        n, m = self.shape[-2:]
        return torch.ones(n, m, dtype=torch.bool, device=self.q.device).tril()


def prepared(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    kernel: Kernel,
    attn_mask: Tensor | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
    enable_gqa: bool,
    normalize: str | None,
) -> Task:
    """The task of arguments of ``kernel_attention``; errors for those that do not fit."""
    _checks.check_points(q, k, v)
    _checks.check_kernel(kernel, normalize)
    _checks.check_options(dropout_p, is_causal, attn_mask is not None)
    _checks.check_scale(scale, kernel)
    if enable_gqa and (group := _checks.check_heads(q, k, v)) > 1:
        k, v = (x.repeat_interleave(group, -3) for x in (k, v))
    batch = _checks.check_batch(q, k, v)
    allowed = bias = None
    if attn_mask is not None:
        _checks.check_mask(attn_mask, q, (*batch, q.shape[-2], k.shape[-2]), kernel)
        q, k, v, allowed, bias = _without_the_hidden(q, k, v, attn_mask)
    if is_causal and k.shape[-2] > q.shape[-2]:
        k, v = (x[..., : q.shape[-2], :] for x in (k, v))
    return Task(
        q, k, v, batch, kernel, allowed, bias, is_causal, scale, float(dropout_p), normalize
    )


def _without_the_hidden(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    mask = mask.expand(torch.broadcast_shapes(mask.shape, (1, 1)))
    allowed = mask if mask.dtype == torch.bool else mask != -math.inf  # (..., n, m)
    bias = None if mask is allowed else mask.masked_fill(~allowed, 0)
    if 0 not in allowed.shape:
        q, k = _seen(q, allowed.any(-1)), _seen(k, allowed.any(-2))
        v = torch.where(allowed.any(-2)[..., None], v, 0)
    return q, k, v, allowed, bias


def _seen(points: Tensor, seen: Tensor) -> Tensor:
    """Points (..., n, d), those that nothing sees (..., n) replaced by the first that is seen.

    That one is in the domain of every map that a kernel may apply; 1 stands for it if there is
    none. What the others hold then reaches neither values nor gradients.
    """
    ndim = max(points.ndim, seen.ndim + 1)
    points = points.view(*[1] * (ndim - points.ndim), *points.shape)
    seen = seen.view(*[1] * (ndim - 1 - seen.ndim), *seen.shape)[..., None]  # (..., n, 1)
    first = seen.int().argmax(-2, keepdim=True)  # (..., 1, 1)
    batch = torch.broadcast_shapes(points.shape[:-2], first.shape[:-2])
    index = first.expand(*batch, 1, points.shape[-1])
    filler = points.detach().expand(*batch, *points.shape[-2:]).gather(-2, index)
    filler = torch.where(seen.any(-2, keepdim=True), filler, 1)  # (..., 1, d)
    return torch.where(seen, points, filler)
