"""Checks of what is passed to ``kernel_attention``: errors that name the argument and a remedy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rkbs.kernels.algebra import Product, Scaled, Sum
from rkbs.kernels.base import Kernel
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.dot_product import DotProductKernel
from rkbs.kernels.entity import Constant
from rkbs.kernels.key_norm import KeyNormBias

NORMALIZATIONS = ("rows", "absolute", "mean", None)


def check_points(q: Tensor, k: Tensor, v: Tensor) -> None:
    """``TypeError`` or ``ValueError`` unless q, k and v are tensors that fit each other."""
    for name, value in (("q", q), ("k", k), ("v", v)):
        if not isinstance(value, Tensor) or not value.is_floating_point():
            raise TypeError(
                f"{name} must be a floating torch tensor, got {_describe(value)}"
                + _advice(value, name)
            )
        if value.ndim < 2 or value.shape[-1] == 0:
            raise ValueError(
                f"{name} must have shape (..., points, dimension) of a dimension of 1 or more, got "
                f"shape {tuple(value.shape)}"
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


def check_tensor(x: Any, name: str, like: Tensor, shape: str, fits: bool) -> Tensor:
    """A tensor of points where and in which precision the weights ``like`` are; else an error."""
    dtype, device = like.dtype, like.device
    if not isinstance(x, Tensor):
        array = isinstance(x, np.ndarray)
        call = (
            f"torch.tensor({name}{'.astype(float)' * array}, dtype={dtype}, device={str(device)!r})"
        )
        raise TypeError(f"{name} must be a tensor, got {type(x).__name__}: pass {call}")
    if (x.dtype, x.device) != (dtype, device):
        raise ValueError(
            f"{name} must be of {dtype} on {device}, as the weights are, got {x.dtype} on "
            f"{x.device}: pass {name}.to({dtype}).to({str(device)!r})"
        )
    if not fits:
        raise ValueError(f"{name} must have shape {shape}, got shape {tuple(x.shape)}")
    return x


def check_heads(q: Tensor, k: Tensor, v: Tensor) -> int:
    """How many heads of q share one of k and v; ``ValueError`` unless that is a whole number."""
    shapes = f"got shapes {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
    if min(q.ndim, k.ndim, v.ndim) < 3:
        raise ValueError(f"with enable_gqa q, k and v must have heads, (..., H, n, d), {shapes}")
    many, few = q.shape[-3], k.shape[-3]
    if v.shape[-3] != few or few == 0 or many % few:
        raise ValueError(
            "with enable_gqa k and v must have as many heads on axis −3, and q a multiple of "
            f"them, {shapes}"
        )
    return many // few


def check_batch(q: Tensor, k: Tensor, v: Tensor) -> tuple[int, ...]:
    """The leading axes; ``ValueError`` unless they broadcast."""
    if q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        return tuple(q.shape[:-2])
    try:
        return tuple(torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2]))
    except RuntimeError as error:
        raise ValueError(
            f"the leading axes of q, k and v must broadcast, got shapes {tuple(q.shape)}, "
            f"{tuple(k.shape)} and {tuple(v.shape)}; with enable_gqa=True q may have a multiple "
            "of the heads of k and v"
        ) from error


def check_kernel(kernel: Kernel, normalize: str | None) -> None:
    """``TypeError`` or ``ValueError`` unless rows of the kernel can be normalized so."""
    if not isinstance(kernel, Kernel):
        raise TypeError(f"kernel must be a Kernel, such as EDP(), got {kernel!r}")
    if normalize not in NORMALIZATIONS:
        raise ValueError(
            f"normalize must be one of {', '.join(map(repr, NORMALIZATIONS))}, got {normalize!r}"
        )
    if normalize == "rows" and kernel.is_nonnegative is not True:
        told = "is not" if kernel.is_nonnegative is False else "does not say: set is_nonnegative"
        raise TypeError(
            f"kernel must be known to be non-negative so that rows of weights can be normalized; "
            f"{kernel!r} {told}. Of a kernel that changes sign a row may sum to 0: name what its "
            "weights are to be by normalize='absolute' (κ/Σ|κ|), 'mean' (κ over the number of keys "
            "that are seen) or None (κ)"
        )


def check_mask(mask: Tensor, q: Tensor, shape: tuple[int, ...], kernel: Kernel) -> None:
    """``TypeError`` or ``ValueError`` unless it is a mask of the shape (..., n, m)."""
    added = dict.fromkeys((q.dtype, torch.promote_types(q.dtype, torch.float32)))
    if not isinstance(mask, Tensor) or mask.dtype not in (torch.bool, *added):
        raise TypeError(
            f"attn_mask must be a boolean tensor, True where a query sees a key, or one of "
            f"{' or '.join(map(str, added))}, which is added to logits, got "
            f"{_describe(mask)}" + _advice(mask, "attn_mask")
        )
    if mask.device != q.device:
        raise ValueError(
            f"attn_mask must be on the device of q, {q.device}; it is on {mask.device}"
        )
    try:
        fits = torch.broadcast_shapes(mask.shape, shape) == torch.Size(shape)
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            f"attn_mask must broadcast to (..., n, m) = {shape}, got shape {tuple(mask.shape)}"
        )
    if mask.dtype != torch.bool and kernel.is_positive is not True:
        raise TypeError(
            f"attn_mask must be boolean for {kernel!r}: it has no logit to add a mask to"
        )


def check_options(dropout_p: float, is_causal: bool, has_mask: bool) -> None:
    """``TypeError`` or ``ValueError`` for a probability that is none, or two masks."""
    if isinstance(dropout_p, bool) or not isinstance(dropout_p, (int, float)):
        raise TypeError(f"dropout_p must be a number, got {type(dropout_p).__name__}")
    if not 0 <= dropout_p < 1:
        raise ValueError(
            f"dropout_p must be a probability 0 ≤ p < 1, got {dropout_p}; for none, as in "
            "evaluation, pass 0.0"
        )
    if not isinstance(is_causal, bool):
        raise TypeError(f"is_causal must be True or False, got {is_causal!r}")
    if is_causal and has_mask:
        raise ValueError(
            "attn_mask must be None with is_causal=True, as for torch: pass the mask combined, "
            "attn_mask & torch.ones(n, m, dtype=torch.bool).tril()"
        )


def check_scale(scale: float | None, kernel: Kernel) -> None:
    """``TypeError`` or ``ValueError`` for a scale that is no number or has no meaning."""
    if scale is None:
        return
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise TypeError(f"scale must be a number or None, got {type(scale).__name__}")
    if not math.isfinite(scale):
        raise ValueError(f"scale must be finite, got {scale}")
    if not _is_of_dots(kernel):
        raise TypeError(
            f"scale must be None for {kernel!r}: it replaces the 1/√d of the logits q·k/√d of "
            "dot-product kernels; another kernel has parameters of its own, or scale q and k"
        )


def _is_of_dots(kernel: Kernel) -> bool:
    """Whether q enters by its products q·k/√d alone."""
    if isinstance(kernel, (Sum, Product)):
        return _is_of_dots(kernel.a) and _is_of_dots(kernel.b)
    if isinstance(kernel, (Scaled, KeyNormBias)):
        return _is_of_dots(kernel.kernel)
    return isinstance(kernel, (DotProductKernel, CappedEDP, Constant))


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
    if name == "attn_mask" and whole:
        return f": pass {call}" + ".bool()" * (not logical)
    if name == "q":
        return f": pass {call}" + ".float()" * isinstance(value, Tensor)
    return f": pass {call}.to(q.dtype)"
