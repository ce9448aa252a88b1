"""The logits of a trained encoder, and the orders of exp's series that they predict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from rkbs.transformer.sentence_encoder import batches_of_a_length
from verify.studies.encoder import DECLARED
from verify.studies.encoder_cut import encoder, logits, sentences, series

MODES = ("centered", "as they stand")


def collected(most: int) -> list[list[Tensor]]:
    """For each layer the logits (B, H, n, n) of the exact encoder, batch by batch."""
    bert = encoder().bert
    said = [s for text in ("sst", "multi30k") for s in sentences(text, "valid", most)]
    rows = encoder().tokens(said)
    found: list[list[Tensor]] = [[] for _ in bert.layers]
    with torch.no_grad():
        for places in batches_of_a_length(rows, 64):
            x = bert.embedding(torch.tensor([rows[k] for k in places]))
            for layer, mine in zip(bert.layers, found, strict=True):
                parts = (layer.attention.query(x), layer.attention.key(x))
                heads = (z.unflatten(-1, (bert.config.heads, -1)).transpose(1, 2) for z in parts)
                mine.append(logits(*heads, centered=False))
                x = layer(x)
    return found


def in_mode(batches: Sequence[Tensor], mode: str) -> list[Tensor]:
    """Logits centered in each row, or as they stand."""
    return [a - a.mean(-1, keepdim=True) if mode == "centered" else a for a in batches]


def distribution(batches: Sequence[Tensor]) -> dict[str, Any]:
    """Quantiles of a layer's logits, less the mean of their row; and how far a row spreads."""
    values = np.concatenate([a.flatten().numpy() for a in in_mode(batches, "centered")])
    spread = np.concatenate([(a.amax(-1) - a.amin(-1)).flatten().numpy() for a in batches])
    probabilities = [0, 0.001, 0.01, 0.25, 0.5, 0.75, 0.99, 0.999, 1]
    return {
        "probabilities": probabilities,
        "quantiles": np.quantile(values, probabilities).round(3).tolist(),
        "spread": np.quantile(spread, [0.5, 0.99, 1]).round(3).tolist(),
        "largest": round(float(max(a.max() for a in batches)), 3),
    }


def total_variation(batches: Sequence[Tensor], order: int) -> float:
    """½ Σ_j |w_j − softmax_j|, in the mean over all rows."""
    total, rows = 0.0, 0
    for a in batches:
        w = series(a, order)
        apart = (w / w.sum(-1, keepdim=True) - a.softmax(-1)).abs().sum(-1) / 2
        total, rows = total + float(apart.sum()), rows + apart.numel()
    return total / rows


def least_order(error: Callable[[int], float]) -> int:
    """The least even order at which an error is at most the one that was declared."""
    most = DECLARED["predicted"]["error"]
    return next(order for order in range(0, 256, 2) if error(order) <= most)


def predictions(layers: Sequence[Sequence[Tensor]]) -> dict[str, Any]:
    """The orders that two rules predict from logits, as ``DECLARED`` has them."""
    variation: dict[str, Any] = {}
    largest: dict[str, Any] = {}
    for mode in MODES:
        centered = [in_mode(batches, mode) for batches in layers]
        known = [cache(lambda order, a=a: total_variation(a, order)) for a in centered]
        tops = [max(float(a.max()) for a in batches) for batches in centered]
        of_layers = [least_order(error) for error in known]
        together = least_order(lambda order: math.hypot(*(error(order) for error in known)))  # noqa: B023
        variation[mode] = {"layers": of_layers, "all": together}
        of_layers = [least_order(lambda order, a=a: stats.poisson.sf(order, a)) for a in tops]
        largest[mode] = {"layers": of_layers, "all": max(of_layers)}
    return {"by total variation": variation, "by the largest logit": largest}
