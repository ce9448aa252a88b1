"""Gradients of gradients: those of a plain formula of the same function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def gradients_of(
    formula: Callable[..., Tensor],
    tensors: Sequence[Tensor],
    needed: Sequence[bool],
    gradient: Tensor,
) -> list[Tensor | None]:
    """The gradients of ⟨gradient, formula(*tensors)⟩, which can be differentiated again."""
    wanted = [x for x, need in zip(tensors, needed, strict=True) if need]
    with torch.enable_grad():
        out = formula(*tensors)
        found = iter(torch.autograd.grad(out, wanted, gradient, create_graph=True))
    return [next(found) if need else None for need in needed]
