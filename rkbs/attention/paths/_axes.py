"""Tensors in the four axes that torch's fused attention takes."""

from __future__ import annotations

from torch import Tensor


def of_four_axes(x: Tensor, batch: tuple[int, ...], expanded: bool = True) -> Tensor:
    """(..., n, d) as (B, H, n, d); unless ``expanded`` axes of 1 stay where they are views."""
    if x.shape[:-2] != batch and (expanded or len(batch) > 2):
        x = x.expand(*batch, *x.shape[-2:])
    if x.ndim == 4:
        return x
    return x.flatten(0, -4) if x.ndim > 3 else x[(None,) * (4 - x.ndim)]
