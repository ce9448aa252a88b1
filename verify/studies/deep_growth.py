"""A dimension more for each head of a trained network: what the objective does, and what grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.studies.deep_heads import RANK, Head, pull
from verify.studies.deep_networks import Network, settle
from verify.studies.deep_training import DECLARED, network_of

STEP = 1e-2
"""a of the grown rows: a² of it is the change of M."""
DRAWN = 8
"""Directions that are drawn, of each head."""
Rows = dict[str, np.ndarray]


def heads_of(network: Network, x: np.ndarray) -> dict[tuple[str, int], Head]:
    """All heads, by block and number, with C by the plain backward pass."""
    weights, task = network.weights(x), network.task
    layers = network.plain.gradient(weights, task.tokens, task.frequencies)[2]
    found, lam = {}, (DECLARED["decay"], DECLARED["decay"])
    for block, (at, slopes) in zip(network.plain.blocks, layers, strict=True):
        for head, (query, key) in enumerate(zip(*network.maps(weights, block), strict=True)):
            C = pull(slopes[:, head], at.z, at.z, network.plain.dimension)
            found[block, head] = Head(query, key, C, *lam, 1.0)
    return sized(found)


def sized(heads: Mapping[Any, Head]) -> dict[Any, Head]:
    """The same, each with the largest singular value of M of all of them for scale."""
    from dataclasses import replace

    size = max(float(head.spectrum[1][0]) for head in heads.values())
    return {where: replace(head, size=size) for where, head in heads.items()}
