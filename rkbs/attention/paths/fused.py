"""torch's fused kernel of attention, for kernels that are exp of a product."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from rkbs.attention._task import Task
from rkbs.attention.paths._axes import of_four_axes
from rkbs.attention.paths._products import is_a_product, products
from rkbs.attention.paths._second import gradients_of
from rkbs.attention.paths.base import Path
from rkbs.kernels._pairwise import at_least_single
from rkbs.kernels.dot_product import EDP


@final
@dataclass(frozen=True, repr=False)
class Fused(Path):
    """``scaled_dot_product_attention``, for EDP, RBF and ``KeyNormBias(EDP())``.

    RBF and the bias take one coordinate more on both sides, with q, k and v padded to one width.
    Half precision is computed in float32; of EDP on a device it is torch's own, products of halves
    summed in float32. The path reads no number of the points: named by a caller, it is taken even
    where the product of an RBF cancels, or overflows.

    Parameters
    ----------
    centered : bool
        Whether the products of an RBF are taken from the mean of the keys, or from 0, which is
        faster.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import Dense, Fused, kernel_attention
    >>> q, k, v = torch.randn(3, 8, 5, 4, dtype=torch.float64)
    >>> apart = [kernel_attention(q, k, v, RBF(), path=path) for path in (Fused(), Dense())]
    >>> torch.allclose(*apart)
    True
    """

    centered: bool = True

    def refuses(self, task: Task) -> str | None:
        """Kernels that are no product, other points, and weights that are not divided by sums."""
        if not is_a_product(task.kernel):
            return f"{type(task.kernel).__name__} is not EDP, RBF or KeyNormBias(EDP())"
        if task.q.shape[-1] != task.k.shape[-1]:
            return "q and k differ in dimension"
        if task.normalize not in ("rows", "absolute"):
            return f"normalize={task.normalize!r} leaves rows of weights as they are"
        return None

    def run(self, task: Task) -> Tensor:
        with torch.autocast(task.q.device.type, enabled=False):
            if _stays_half(task):
                q, k, v = task.q, task.k, task.v
                scale = 1 / math.sqrt(q.shape[-1]) if task.scale is None else task.scale
            else:
                q, k, scale = products(task, self.centered)
                v = at_least_single(task.v)
            width = v.shape[-1]
            if q.shape[-1] != task.q.shape[-1]:  # one width, or torch leaves its fused kernel
                wide = max(q.shape[-1], width)
                q, k, v = (pad(x, (0, wide - x.shape[-1])) for x in (q, k, v))
            mask, blind = _mask(task, q.dtype)
            out = _attend(q, k, v, mask, task, scale)[..., :width]
            return out if blind is None else out.masked_fill(blind, 0)


def _stays_half(task: Task) -> bool:
    """Whether torch's kernel takes half precision as it is: of EDP on a device, for its speed.

    It sums in float32. Norms, and biases in float32, would be rounded before they meet products.
    """
    on_device = task.q.device.type != "cpu" and isinstance(task.kernel, EDP)
    return on_device and (task.bias is None or task.bias.dtype == task.q.dtype)


def _mask(task: Task, dtype: torch.dtype) -> tuple[Tensor | None, Tensor | None]:
    """torch's mask, and the queries (..., n, 1) that see nothing, which it lets see everything."""
    if task.allowed is None:
        return None, None
    blind = ~task.allowed.any(-1, keepdim=True)
    mask = task.allowed | blind
    if task.bias is not None:
        mask = task.bias.to(dtype).masked_fill(~mask, -math.inf)
    return mask, blind


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, task: Task, scale: float
) -> Tensor:
    batch = task.batch

    def fused(q: Tensor, k: Tensor, v: Tensor, *mask: Tensor) -> Tensor:
        q, k, v, *four = (of_four_axes(x, batch) for x in (q, k, v, *mask))
        some = four[0] if four else None
        out = scaled_dot_product_attention(
            q, k, v, some, task.dropout_p, task.is_causal, scale=scale
        )
        return out if len(batch) == 2 else out.reshape(*batch, *out.shape[-2:])

    tensors = (q, k, v) if mask is None else (q, k, v, mask)
    if torch.compiler.is_compiling() or not any(x.requires_grad for x in tensors):
        return fused(*tensors)
    if not torch.is_grad_enabled():
        return fused(*tensors)

    def plainly(q: Tensor, k: Tensor, v: Tensor, *mask: Tensor) -> Tensor:
        if task.dropout_p:
            raise RuntimeError("gradients of gradients with dropout_p > 0 need path=Dense()")
        dtype, (q, k, v) = v.dtype, (at_least_single(x) for x in (q, k, v))
        logits = scale * (q @ k.mT)
        some = mask[0] if mask else task.visible
        if some is not None and some.dtype == torch.bool:
            logits = logits.masked_fill(~some, -math.inf)
        elif some is not None:
            logits = logits + some
        return (logits.softmax(-1) @ v).to(dtype)

    return _Kept.apply(fused, plainly, *tensors)


class _Kept(torch.autograd.Function):
    """torch's own graph for the gradient, and the plain formula for gradients of gradients."""

    @staticmethod
    def forward(ctx: Any, fused: Callable, plainly: Callable, *tensors: Tensor) -> Tensor:
        needed = ctx.needs_input_grad[2:]
        leaves = [x.detach().requires_grad_(n) for x, n in zip(tensors, needed, strict=True)]
        with torch.enable_grad():
            out = fused(*leaves)
        ctx.plainly, ctx.out, ctx.leaves = plainly, out, leaves
        ctx.save_for_backward(*tensors)
        return out.detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        tensors, needed = ctx.saved_tensors, ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():
            return None, None, *gradients_of(ctx.plainly, tensors, needed, gradient)
        wanted = [x for x, n in zip(ctx.leaves, needed, strict=True) if n]
        found = iter(torch.autograd.grad(ctx.out, wanted, gradient, retain_graph=True))
        return None, None, *(next(found) if n else None for n in needed)
