"""Sums over coordinates on tensors, with gradients of every order.

Σ_l f(x_il, y_jl) for functions f of one coordinate, and log Σ_l exp(x_il + y_jl).

Differences are formed coordinate by coordinate, never by expanding a square: what cancels there
is most of a distance between points that are far from the origin or from each other. The module
imports torch, and is imported when a tensor arrives.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from rkbs.kernels._pairwise import largest, saturated

_TERMS = {  # c and s, c s = f
    # Halves cannot overflow in the difference: a pair without a gradient must not give 0 · inf.
    "square": (4, lambda x, y: (x / 2 - y / 2).pow_(2)),
    "abs": (1, lambda x, y: (x - y).abs_()),
    "min": (1, torch.minimum),
}
_SLOPES = {  # c and s, c s = ∂f/∂x; ∂f/∂y is the same with x and y exchanged
    "square": (4, lambda x, y: x / 2 - y / 2),
    "abs": (1, lambda x, y: (x - y).sign_()),
    "min": (0.5, lambda x, y: (y - x).sign_().add_(1)),  # as torch: a tie is shared
}
_CACHED, _LAUNCHED = 1 << 18, 1 << 24
"""Numbers in a block: what a processor's cache holds; what makes a GPU's launches worth it."""


def coordinate_sum(x: Tensor, y: Tensor, kind: str) -> Tensor:
    """Σ_l f(x_il, y_jl), shape (..., n, m), f one of (x − y)², |x − y| and min(x, y).

    Forward and backward need no n × m × d array; a compiler fuses it away.
    """
    if torch.compiler.is_compiling():  # which cannot trace a formula for forward mode
        factor, terms = _TERMS[kind]
        return factor * terms(x.mT[..., :, None], y.mT[..., None, :]).sum(-3)
    return _CoordinateSum.apply(x, y, kind)


class _CoordinateSum(torch.autograd.Function):
    """The backward consists of differentiable operations, which serve gradients of gradients."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, y: Tensor, kind: str) -> Tensor:
        batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        count = _block(x, batch.numel() * x.shape[-2] * y.shape[-2])
        total = x.new_zeros(*batch, x.shape[-2], y.shape[-2])
        factor, function = _TERMS[kind]
        parts = (z.mT.contiguous().split(count, -2) for z in (x, y))
        for xs, ys in zip(*parts, strict=True):
            terms = function(xs[..., :, None], ys[..., None, :])  # (..., count, n, m)
            total += terms.squeeze(-3) if count == 1 else terms.sum(-3)
        return total if factor == 1 else total.mul_(factor)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:  # noqa: ANN001 - torch's own
        x, y, ctx.kind = inputs
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple:  # noqa: ANN001
        x, y = ctx.saved_tensors
        need_x, need_y, _ = ctx.needs_input_grad
        return (
            _pulled_back(gradient, x, y, ctx.kind) if need_x else None,
            _pulled_back(gradient.mT.contiguous(), y, x, ctx.kind) if need_y else None,
            None,
        )

    @staticmethod
    def jvp(ctx, change_x: Tensor, change_y: Tensor, _: None) -> Tensor:  # noqa: ANN001
        x, y = ctx.saved_tensors
        factor, slope = _SLOPES[ctx.kind]
        x, y = x[..., :, None, :], y[..., None, :, :]
        by_x = change_x[..., :, None, :] * slope(x, y)  # (..., n, m, d)
        return factor * (by_x + change_y[..., None, :, :] * slope(y, x)).sum(-1)


def _pulled_back(gradient: Tensor, x: Tensor, y: Tensor, kind: str) -> Tensor:
    """Σ_j g_ij ∂f/∂x(x_il, y_jl), of the shape of x, a few rows of x at a time."""
    factor, slope = _SLOPES[kind]
    rows = 4 * _block(x, gradient.shape[:-2].numel() * y.shape[-2] * y.shape[-1])
    parts = [
        g[..., None, :] @ slope(some[..., None, :], y[..., None, :, :])  # (..., rows, 1, d)
        for some, g in zip(x.split(rows, -2), gradient.split(rows, -2), strict=True)
    ]
    return (factor * torch.cat(parts, -3)[..., 0, :]).sum_to_size(x.shape)


def _block(x: Tensor, size: int) -> int:
    """How many arrays of a size are computed at once."""
    return max(1, (_CACHED if x.device.type == "cpu" else _LAUNCHED) // size)


# ---- log Σ_l exp(x_il + y_jl)


def log_dot(x: Tensor, y: Tensor) -> Tensor:
    """log Σ_l exp(x_il + y_jl), shape (..., n, m), of x (..., n, D) and y (..., m, D).

    Forward and backward need no n × m × D array; a compiler fuses it away. What overflows is
    saturated, and passes no gradient.
    """
    if torch.compiler.is_compiling():  # which cannot trace a formula for forward mode
        return _logarithm(*_scaled_sum([(x.mT, y.mT)]))
    return _LogDot.apply(x, y)


def _blocks(x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """x (..., n, D) and y (..., m, D) as some of their coordinates, (..., c, n) and (..., c, m)."""
    batch = torch.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    count = _block(x, batch.numel() * x.shape[-2] * y.shape[-2])
    parts = (z.mT.contiguous().split(count, -2) for z in (x, y))
    return list(zip(*parts, strict=True))


def _exponents(x: Tensor, y: Tensor) -> Tensor:
    """x_li + y_lj, shape (..., c, n, m), saturated."""
    return saturated(x[..., :, None] + y[..., None, :])


def _scaled_sum(blocks: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The largest exponent, a constant, and Σ_l exp(exponent − largest), both (..., n, m)."""
    tops = [_exponents(*block).amax(-3).detach() for block in blocks]
    top = functools.reduce(torch.maximum, tops)
    return top, sum((_exponents(*block) - top[..., None, :, :]).exp().sum(-3) for block in blocks)


def _logarithm(top: Tensor, total: Tensor) -> Tensor:
    """top + log total, where that is not saturated; else the end of the range."""
    return torch.where(abs(top) < largest(top), saturated(top + total.log()), top)


class _LogDot(torch.autograd.Function):
    """The backward consists of differentiable operations, which serve gradients of gradients."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, y: Tensor) -> Tensor:
        return _logarithm(*_scaled_sum(_blocks(x, y)))

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:  # noqa: ANN001 - torch's own
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple:  # noqa: ANN001
        x, y = ctx.saved_tensors
        blocks = _blocks(x, y)
        top, total = _scaled_sum(blocks)
        part = (gradient / total).masked_fill(abs(top) >= largest(top), 0)[..., None, :, :]
        by_x, by_y = [], []
        for block in blocks:
            shares = part * (_exponents(*block) - top[..., None, :, :]).exp()  # (..., c, n, m)
            by_x.append(shares.sum(-1))
            by_y.append(shares.sum(-2))
        both = ((by_x, x), (by_y, y))
        return tuple(torch.cat(parts, -2).mT.sum_to_size(z.shape) for parts, z in both)

    @staticmethod
    def jvp(ctx, change_x: Tensor, change_y: Tensor) -> Tensor:  # noqa: ANN001
        exponents = _exponents(*(z.mT for z in ctx.saved_tensors))  # (..., D, n, m)
        change = change_x.mT[..., :, None] + change_y.mT[..., None, :]
        beyond = abs(exponents.amax(-3)) >= largest(exponents)
        return (exponents.softmax(-3) * change).sum(-3).masked_fill(beyond, 0)
