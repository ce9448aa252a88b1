"""Attention with any kernel: rows of weights that sum to 1, applied to the values."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rkbs.kernels._pairwise import at_least_single, largest, matmul, saturated
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP

_EDP = EDP()


def attention(
    q: Tensor, k: Tensor, v: Tensor, kernel: Kernel = _EDP, mask: Tensor | None = None
) -> Tensor:
    """out_i = Σ_j κ(q_i, k_j) v_j / Σ_j κ(q_i, k_j).

    A positive kernel goes through the softmax of its logit log κ, which does not overflow. Other
    kernels must be known to be non-negative and are divided by their row sums. With ``EDP()`` this
    is ``torch.nn.functional.scaled_dot_product_attention``. Half precision is computed in float32
    from the logits to the weighted sums, and rounded once.

    Parameters
    ----------
    q : tensor of shape (..., n, d)
        Queries. Leading axes (batch, heads) broadcast.
    k : tensor of shape (..., m, d)
        Keys; a kernel that is a pullback may take another last axis than that of ``q``.
    v : tensor of shape (..., m, d_v)
        Values.
    kernel : Kernel
        Parameters may be tensors that require a gradient, 0-d or of shape (H,): a value for each
        index of axis −3 of ``q`` and ``k``, the heads of (..., H, n, d).
    mask : tensor or None
        Broadcasts to (..., n, m). Boolean: True where a query may attend to a key. Of the dtype
        of ``q`` (or float32, where that is half precision): added to the logits, for positive
        kernels only; −∞ hides. Keys that are hidden from all queries of their batch and head may
        hold anything in ``k`` and ``v``, also NaN, and get gradients of 0; keys that are hidden
        from some, any finite numbers.

    Returns
    -------
    tensor of shape (..., n, d_v)
        A row is 0 where its weights are all 0: where a mask hides every key (as torch does), or
        where a non-negative kernel vanishes on all keys (``L2Distance`` of one key equal to the
        query). It is NaN, and passes no gradient, where a kernel without a logit overflows on a
        key that the query sees. NaN and infinity that are not hidden are not detected: reading
        them would force a device to synchronize. NaN is passed on.

    Raises
    ------
    TypeError
        For a kernel that may be negative or is unknown to be non-negative, an additive mask with
        a kernel that has no logit, and for wrong or unequal dtypes.
    ValueError
        For shapes that do not fit or devices that differ.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF
    >>> from rkbs.attention import attention
    >>> q, k, v = torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.eye(2)
    >>> attention(q, k, v), attention(q, k, v, RBF(1.0))
    (tensor([[0.5000, 0.5000]]), tensor([[1., 0.]]))
    """
    _check_inputs(q, k, v, kernel, mask)
    bias = allowed = lost = None
    if mask is not None:
        mask = mask.expand(torch.broadcast_shapes(mask.shape, (1, 1)))
        allowed = mask if mask.dtype == torch.bool else mask != -math.inf  # (..., n, m)
        bias = None if mask is allowed else mask.masked_fill(~allowed, 0)
        q, k = _seen(q, allowed.any(-1)), _seen(k, allowed.any(-2))
        v = torch.where(allowed.any(-2)[..., None], v, 0)
    if kernel.is_positive is True:
        logits = _evaluate(kernel, kernel.log_formula, q, k)  # (..., n, m)
        weights = _softmax(logits, bias, allowed)
    elif bias is not None:
        raise TypeError(f"mask must be boolean for {kernel!r}: it has no logit to add a mask to")
    else:
        weights, lost = _normalize(_evaluate(kernel, kernel.formula, q, k), allowed)  # (..., n, m)
    if allowed is not None:  # also for the gradients: those by hidden weights are products with v
        weights = weights.masked_fill(~allowed, 0)
    out = matmul(weights, at_least_single(v))  # (..., n, d_v)
    return (out if lost is None else out.masked_fill(lost, math.nan)).to(v.dtype)


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


def _softmax(logits: Tensor, bias: Tensor | None, allowed: Tensor | None) -> Tensor:
    """Row softmax of (..., n, m); finite in a fully masked row."""
    if bias is not None:
        logits = saturated(logits + bias)
    if allowed is None:
        return logits.softmax(-1)
    hidden = ~allowed & allowed.any(-1, keepdim=True)  # a row of −inf alone would give NaN
    return logits.masked_fill(hidden, -math.inf).softmax(-1)


def _normalize(weights: Tensor, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    """Rows of (..., n, m) divided by their sums; a row of zeros stays 0.

    And (..., n, 1), where a row is saturated: its ratios are lost.
    """
    if allowed is not None:
        weights = weights.masked_fill(~allowed, 0)
    top = weights.detach().amax(-1, keepdim=True)  # (..., n, 1)
    weights = weights / top.masked_fill(top == 0, 1)  # sums of these do not overflow
    total = weights.sum(-1, keepdim=True)  # (..., n, 1)
    return weights / total.masked_fill(total == 0, 1), top >= largest(top)


def _evaluate(kernel: Kernel, formula: Callable, q: Tensor, k: Tensor) -> Tensor:
    """A kernel's formula unrounded, (..., n, m), its argument errors told in attention's names."""
    try:
        return saturated(at_least_single(formula(q, k)))
    except ValueError as error:
        raise ValueError(
            f"q and k do not fit the kernel, whose x and y they are: {error}"
        ) from None


def _check_inputs(q: Tensor, k: Tensor, v: Tensor, kernel: Kernel, mask: Tensor | None) -> None:
    for name, value in (("q", q), ("k", k), ("v", v)):
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise TypeError(
                f"{name} must be a floating torch tensor, got {_describe(value)}"
                + _advice(value, name)
            )
        if value.ndim < 2 or 0 in value.shape:
            raise ValueError(
                f"{name} must be non-empty with shape (..., points, dimension), got shape "
                f"{tuple(value.shape)}"
            )
        if value.dtype != q.dtype:
            raise TypeError(
                f"q, k and v must have one dtype; q has {q.dtype}, {name} {value.dtype}"
                + _advice(value, name)
            )
        if value.device != q.device:
            raise ValueError(
                f"q, k and v must be on one device; q: {q.device}, {name}: {value.device}"
            )
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"k and v must have one row per source: k has {k.shape[-2]}, v has {v.shape[-2]}"
        )
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, such as EDP(), got {kernel!r}")
    if kernel.is_nonnegative is not True:
        told = "is not" if kernel.is_nonnegative is False else "does not say: set is_nonnegative"
        raise TypeError(
            f"kernel must be known to be non-negative so that rows of weights can be normalized; "
            f"{kernel!r} {told}"
        )
    try:
        batch = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except RuntimeError as error:
        raise ValueError(
            f"the leading axes of q, k and v must broadcast, got shapes {tuple(q.shape)}, "
            f"{tuple(k.shape)} and {tuple(v.shape)}"
        ) from error
    if mask is not None:
        _check_mask(mask, q, (*batch, q.shape[-2], k.shape[-2]))


def _check_mask(mask: Tensor, q: Tensor, shape: tuple[int, ...]) -> None:
    added = dict.fromkeys((q.dtype, torch.promote_types(q.dtype, torch.float32)))
    if not isinstance(mask, Tensor) or mask.dtype not in (torch.bool, *added):
        raise TypeError(
            f"mask must be a boolean tensor or one of {' or '.join(map(str, added))}, got "
            f"{_describe(mask)}" + _advice(mask, "mask")
        )
    if mask.device != q.device:
        raise ValueError(f"mask must be on the device of q, {q.device}; it is on {mask.device}")
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask must broadcast to (..., n, m) = {shape}, got shape {tuple(mask.shape)}"
        )


def _describe(value: object) -> str:
    return str(value.dtype) if isinstance(value, Tensor) else type(value).__name__


def _advice(value: object, name: str) -> str:
    """What makes a tensor that fits, of whatever layout an array is."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        logical = value.dtype.kind == "b"  # torch reads no long double and no swapped bytes
        call = f"torch.tensor({name}{'' if logical else '.astype(float)'})"
        whole = value.dtype.kind != "f"
    elif isinstance(value, Tensor) and not value.is_complex():
        logical, whole = value.dtype == torch.bool, not value.is_floating_point()
        call = name
    else:
        return ""
    if name == "mask" and whole:
        return f": pass {call}" + ".bool()" * (not logical)
    if name == "q":
        return f": pass {call}" + ".float()" * isinstance(value, Tensor)
    return f": pass {call}.to(q.dtype)"
