"""How many of the keys a trained Transformer attends to: what its kernel selects in fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rkbs.attention.module import KernelAttention


def attended(model: nn.Module, inputs: Sequence[tuple[Sequence[int], ...]]) -> dict[str, float]:
    """Share of the keys: exp(entropy of a row of weights)/(keys that it sees), a mean over rows.

    1 where attention is uniform, 1/n where one of n keys has all the weight. Of the attention in
    the ``encoder`` and the ``decoder``, and from this to that (``cross``), as far as the model has
    them: a mean over its layers and heads.

    Parameters
    ----------
    model : Transformer
    inputs : sequence of tuples
        What the model is called with, sequences of tokens: one by one, so that nothing is padding.
    """
    shares: dict[str, list[float]] = {}
    device, training = next(model.parameters()).device, model.training
    hooks = [
        module.register_forward_pre_hook(_Listener(shares, name), with_kwargs=True)
        for name, module in model.named_modules()
        if isinstance(module, KernelAttention)
    ]
    model.eval()
    try:
        with torch.no_grad():
            for tokens in inputs:
                model(*(torch.tensor([row], device=device) for row in tokens))
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return {part: float(np.mean(found)) for part, found in shares.items()}


class _Listener:
    """Notes the shares of what a module of attention is called with."""

    def __init__(self, shares: dict[str, list[float]], name: str) -> None:
        side, *_ = name.split(".")
        self.found = shares.setdefault("cross" if ".cross." in name else side, [])

    def __call__(
        self, module: KernelAttention, args: tuple[Tensor, ...], options: dict[str, Any]
    ) -> None:
        _, weights = module.forward(*args, **options, return_weights=True)  # (1, H, n, m)
        n, m = weights.shape[-2:]
        seen = torch.full((n,), m, device=weights.device)
        if options.get("is_causal"):
            seen = torch.arange(1, n + 1, device=weights.device)
        share = torch.special.entr(weights.double()).sum(-1).exp() / seen  # (1, H, n)
        self.found.append(float(share.mean()))
