"""Masks in the words of ``torch.nn.MultiheadAttention``, where True hides, as one that shows."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from rkbs.kernels.base import Kernel


class Seen(NamedTuple):
    """``attn_mask`` and ``is_causal`` of ``kernel_attention``; not both."""

    attn_mask: Tensor | None = None
    is_causal: bool = False


def seen_through(
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
    is_causal: bool,
    shape: tuple[int, int, int, int],
    extra: int,
    kernel: Kernel,
    q: Tensor,
) -> Seen:
    """What queries see of (N, heads, n, m) and of ``extra`` keys behind, which nothing hides.

    Raises
    ------
    TypeError, ValueError
        For masks of other dtypes or shapes, for numbers to be added to logits of a kernel that has
        none, and for a padding mask that hides everything.
    """
    batch, heads, n, m = shape
    masks = []
    if key_padding_mask is not None:
        _check(key_padding_mask, "key_padding_mask", [(batch, m)], "(N, m)", q)
        _check_convention(key_padding_mask)
        masks.append(key_padding_mask[:, None, None, :])
    if attn_mask is not None:
        _check(
            attn_mask, "attn_mask", [(n, m), (batch * heads, n, m)], "(n, m) or (N·heads, n, m)", q
        )
        masks.append(attn_mask if attn_mask.ndim == 2 else attn_mask.view(batch, heads, n, m))
    elif is_causal:
        if not masks and not extra:
            return Seen(is_causal=True)
        masks.append(torch.ones(n, m, dtype=torch.bool, device=q.device).triu(1))
    if not masks:
        return Seen()
    hidden, bias = torch.zeros((), dtype=torch.bool, device=q.device), None
    for mask in masks:
        hides = mask if mask.dtype == torch.bool else mask == -math.inf
        hidden = hidden | hides
        if mask is not hides:
            added = mask.to(q.dtype).masked_fill(hides, 0)
            bias = added if bias is None else bias + added
    seen = pad(~hidden, (0, extra), value=True)
    if bias is None:
        return Seen(seen)
    bias = pad(bias, (0, extra))
    if kernel.is_positive is True:
        return Seen(torch.where(seen, bias, -math.inf))
    _refuse_numbers(bias, kernel)
    return Seen(seen)


def _check(mask: Tensor, name: str, shapes: list[tuple[int, ...]], said: str, q: Tensor) -> None:
    if not isinstance(mask, Tensor) or not (mask.dtype == torch.bool or mask.is_floating_point()):
        got = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(
            f"{name} must be a boolean tensor, True where a key is hidden, or a floating one that "
            f"is added to logits, got {got}: pass {name}.bool() if 1 hides"
        )
    if tuple(mask.shape) not in shapes:
        raise ValueError(
            f"{name} must have shape {said}, here {' or '.join(map(str, shapes))}, got "
            f"{tuple(mask.shape)}"
        )
    if mask.device != q.device:
        raise ValueError(
            f"{name} must be on the device of query, {q.device}; it is on {mask.device}"
        )


def _check_convention(mask: Tensor) -> None:
    """A mask that hides every key of every sequence is one of the other convention."""
    if torch.compiler.is_compiling() or mask.device.type != "cpu" or not mask.numel():
        return
    if (mask if mask.dtype == torch.bool else mask == -math.inf).all():
        raise ValueError(
            "key_padding_mask hides every key of every sequence: True hides here, as in "
            "torch.nn.MultiheadAttention; if True is for a key that is seen, pass ~key_padding_mask"
        )


def _refuse_numbers(bias: Tensor, kernel: Kernel) -> None:
    message = (
        "masks must hide (be boolean, or hold 0 and -inf alone) for "
        f"{type(kernel).__name__}: it has no logit to add other numbers to"
    )
    if torch.compiler.is_compiling() or bias.device.type != "cpu":
        torch._assert_async((bias == 0).all(), message)
    elif (bias != 0).any():
        raise TypeError(message)
