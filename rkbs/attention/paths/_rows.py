"""Rows of weights of a form, a block of heads and queries at a time, computed again for gradients.

No array of n × m is kept: forward and backward hold a block.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rkbs.attention.paths._forms import Form
from rkbs.attention.paths._second import gradients_of


@dataclass(frozen=True, eq=False)
class Blocks:
    """How (B, n, m) weights are cut, and which of them are hidden.

    Attributes
    ----------
    batch : tuple of int
        The leading axes, of product B.
    allowed : boolean tensor that broadcasts to (*batch, n, m), or None
    is_causal : bool
    numbers : int
        About so many weights are in a block.
    device : torch.device
    """

    batch: tuple[int, ...]
    n: int
    m: int
    allowed: Tensor | None
    is_causal: bool
    numbers: int
    device: torch.device

    def __iter__(self) -> Iterator[tuple[slice, slice, slice]]:
        """Slices of B, of the queries, and of the keys that these may see."""
        count = math.prod(self.batch)
        heads = max(1, self.numbers // (self.n * self.m))
        rows = self.n if heads > 1 else min(self.n, rows_of(self.numbers, self.m))
        for h in range(0, count, heads):
            for i in range(0, self.n, rows):
                end = min(i + rows, self.n)
                seen = min(end, self.m) if self.is_causal else self.m
                yield slice(h, min(h + heads, count)), slice(i, end), slice(0, seen)

    def hidden(self, heads: slice, rows: slice, keys: slice) -> Tensor | None:
        """Where a block's weights are hidden, or None."""
        if self.is_causal:
            i, j = (torch.arange(s.start, s.stop, device=self.device) for s in (rows, keys))
            return i[:, None] < j if keys.stop > rows.start + 1 else None
        if self.allowed is None:
            return None
        shape = (*self.batch, *self.allowed.shape[-2:])
        some = self.allowed.expand(shape)
        some = some if some.shape[-2] == 1 else some[..., rows, :]
        if all(size == 1 for size in self.allowed.shape[:-2]):  # of all heads alike
            return ~some[(0,) * len(self.batch)]
        numbers = torch.arange(heads.start, heads.stop, device=self.device)
        index = torch.unravel_index(numbers, self.batch)
        return ~some[index]


def rows_of(numbers: int, row: int) -> int:
    """Rows of a block of so many numbers; not so few that calls cost more than what they do."""
    return max(1, numbers // row, min(32, numbers // 1024))


def flattened(x: Tensor, batch: Sequence[int]) -> Tensor:
    """Points (..., n, d) of all leading axes, (B, n, d)."""
    return x.expand(*batch, *x.shape[-2:]).reshape(-1, *x.shape[-2:])


def normalized(form: Form, s: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """f(s), the weights, and what they are still to be divided by, (..., n, 1)."""
    value = form.value(s)
    if not form.is_logit:
        weights = value if hidden is None else value.masked_fill(hidden, 0)
        total = weights.sum(-1, keepdim=True)
        return value, weights, total.masked_fill(total == 0, 1)
    if hidden is None:
        weights = value.softmax(-1)
    else:
        blind = hidden.all(-1, keepdim=True)  # a row of −inf alone would give NaN
        weights = value.masked_fill(hidden & ~blind, -math.inf).softmax(-1).masked_fill(hidden, 0)
    return value, weights, weights.new_ones(())


def forward_rows(q: Tensor, k: Tensor, v: Tensor, form: Form, blocks: Blocks) -> Tensor:
    """Attention (B, n, d_v) by a form, of points (B, n, d) and (B, m, d), values (B, m, d_v)."""
    out = v.new_empty(*q.shape[:-1], v.shape[-1])
    for heads, rows, keys in blocks:
        s = form.core(q[heads, rows], k[heads, keys])
        _, weights, total = normalized(form, s, blocks.hidden(heads, rows, keys))
        out[heads, rows] = (weights @ v[heads, keys]) / total
    return out


def backward_rows(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, gradient: Tensor, form: Form, blocks: Blocks
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by q, k and v, of that by the output."""
    by_q, by_k, by_v = (torch.zeros_like(x) for x in (q, k, v))
    for heads, rows, keys in blocks:
        hidden = blocks.hidden(heads, rows, keys)
        some_q, some_k = q[heads, rows], k[heads, keys]
        s = form.core(some_q, some_k)
        value, weights, total = normalized(form, s, hidden)
        g = gradient[heads, rows] / total  # (..., rows, d_v)
        by_v[heads, keys] += weights.mT @ g
        mean = (g * out[heads, rows]).sum(-1, keepdim=True)
        slope = torch.baddbmm(-mean, g, v[heads, keys].mT)  # by the weights
        if form.is_logit:
            slope.mul_(weights)
        elif hidden is not None:
            slope.masked_fill_(hidden, 0)
        slope.mul_(form.slope(s, value))
        found_q, found_k = form.core.backward(slope, s, some_q, some_k)
        by_q[heads, rows] = found_q
        by_k[heads, keys] += found_k
    return by_q, by_k, by_v


class Rows(torch.autograd.Function):
    """``forward_rows`` and ``backward_rows``, and the plain formula for gradients of gradients."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, form: Form, blocks: Blocks) -> Tensor:
        out = forward_rows(q, k, v, form, blocks)
        ctx.form, ctx.blocks = form, blocks
        ctx.save_for_backward(q, k, v, out)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        *points, out = ctx.saved_tensors
        form, blocks = ctx.form, ctx.blocks
        if torch.is_grad_enabled():
            formula = lambda q, k, v: _plainly(q, k, v, form, blocks)  # noqa: E731
            return *gradients_of(formula, points, ctx.needs_input_grad[:3], gradient), None, None
        return *backward_rows(*points, out, gradient, form, blocks), None, None


def _plainly(q: Tensor, k: Tensor, v: Tensor, form: Form, blocks: Blocks) -> Tensor:
    """The same at once, with gradients of every order."""
    whole = slice(0, q.shape[0]), slice(0, blocks.n), slice(0, blocks.m)
    _, weights, total = normalized(form, form.core.plainly(q, k), blocks.hidden(*whole))
    return (weights @ v) / total
