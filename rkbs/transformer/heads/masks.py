"""What attention modules are told beside their points: added to logits, whatever convention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rkbs.transformer.heads.maps import AttentionMaps

_LEAST = -1e30
"""A logit with less than this added is of a key that is hidden; models add −∞ or their least."""


def added_to_logits(maps: AttentionMaps, given: Mapping[str, Any], x: Tensor, y: Tensor) -> Any:
    """What is added to logits, broadcastable to (B, H, n, m); None where nothing is.

    ``given`` are the arguments of the module's forward pass by name.
    """
    read = {"rkbs": _ours, "torch": _of_torch, "other": _of_others}[maps.kind]
    parts = [part for part in read(maps, given, x, y) if part is not None]
    return sum(parts[1:], parts[0]) if parts else None


def seen_by(mask: Tensor | None, y: Tensor) -> Tensor:
    """Which of the keys (B, m) any query sees."""
    if mask is None:
        return torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return (mask > _LEAST).flatten(1, 2).any(1).expand(y.shape[:2])


def _ours(maps: AttentionMaps, given: Mapping[str, Any], x: Tensor, y: Tensor) -> list[Any]:
    seen = given.get("seen")  # (B, m), True where a key is seen
    hidden = None if seen is None else _hidden(~seen[:, None, None, :], x)
    return [hidden, _causal(x, y) if given.get("is_causal") else None]


def _of_torch(maps: AttentionMaps, given: Mapping[str, Any], x: Tensor, y: Tensor) -> list[Any]:
    padding, mask = given.get("key_padding_mask"), given.get("attn_mask")
    if padding is not None:  # (B, m), or (m,) without a batch; True hides
        padding = padding.reshape(-1, 1, 1, padding.shape[-1])
    if mask is not None:  # (n, m) or (B · H, n, m)
        mask = mask[None, None] if mask.ndim == 2 else mask.unflatten(0, (-1, maps.heads))
    causal = _causal(x, y) if given.get("is_causal") and mask is None else None
    return [_hidden(padding, x), _hidden(mask, x), causal]


def _of_others(maps: AttentionMaps, given: Mapping[str, Any], x: Tensor, y: Tensor) -> list[Any]:
    """As Hugging Face: True where a key is seen, or added to logits."""
    mask = next((given[k] for k in ("attention_mask", "mask") if given.get(k) is not None), None)
    if mask is not None and not isinstance(mask, Tensor):
        mask = None  # blocks of some fast implementation: outputs will tell that they are missed
    if mask is not None and mask.ndim == 2:
        mask = mask[:, None, None, :].bool()
    if mask is not None and not mask.is_floating_point():
        mask = ~mask.bool()
    known_causal = getattr(maps.module, "is_causal", False) is True and x.shape[1] > 1
    causal = _causal(x, y) if mask is None and known_causal else None
    return [_hidden(mask, x), causal, _positions(maps, given, x, y)]


def _positions(maps: AttentionMaps, given: Mapping[str, Any], x: Tensor, y: Tensor) -> Any:
    """A bias of pairs of positions: T5's, which its first layer makes, or ALiBi's."""
    bias, alibi = given.get("position_bias"), given.get("alibi")
    if bias is None and getattr(maps.module, "has_relative_attention_bias", False):
        with torch.no_grad():
            bias = maps.module.compute_bias(x.shape[1], y.shape[1])
    if isinstance(alibi, Tensor) and alibi.ndim == 3:  # (B · H, 1, m)
        bias = alibi.unflatten(0, (-1, maps.heads))
    return bias.detach() if isinstance(bias, Tensor) and bias.ndim == 4 else None


def _hidden(mask: Tensor | None, x: Tensor) -> Tensor | None:
    """What a mask adds, where True hides."""
    if mask is None:
        return None
    if mask.dtype != torch.bool:
        return mask.detach().to(torch.promote_types(x.dtype, torch.float32))
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask, -torch.inf)


def _causal(x: Tensor, y: Tensor) -> Tensor:
    n, m = x.shape[1], y.shape[1]
    later = torch.ones(n, m, dtype=torch.bool, device=x.device).triu(1 + m - n)
    return torch.zeros(n, m, device=x.device).masked_fill(later, -torch.inf)[None, None]
