"""A dimension more for each head of a trained network: what the objective does, and what grows.

``DECLARED`` was written before any network of the claim was grown. Seen before were nine networks
of seed 100, of these sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from verify.studies.declared import digest
from verify.studies.deep_heads import Head
from verify.studies.deep_measures import Where, heads_of
from verify.studies.deep_networks import Network, settle
from verify.studies.deep_training import DECLARED as TRAINING
from verify.studies.deep_training import network_of

DECLARED: dict[str, Any] = {
    # a of the rows along which the slope in a² is taken: a⁴ counts by a hundredth of it at 1e-2.
    "step": 1e-3,
    "drawn": 8,  # directions drawn beside it
    "start": 0.05,  # a of the rows that are trained on
    "slope": 0.05,  # of σ − λ
    # |σ/λ − 1| of heads that are counted apart, and σ/λ of heads that pull at nothing at all
    "undecided": 0.02,
    "idle": 1e-6,
    # Other heads grow, too, and may change what a head near λ was told.
    "right": 0.95,
    "lower end": 0.85,  # of its 95 % interval: of 54 heads with two wrong 0.87
    "level": 0.05,
}


def grow(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """What a dimension more does to a trained network: ``cell`` and its vector ``x``."""
    network, x = network_of(configuration["cell"]), np.array(configuration["x"])
    heads = heads_of(network, x)
    slopes = {where: slopes_of(network, x, where, head) for where, head in heads.items()}
    rows = _rows(network, x)
    for (block, number), head in heads.items():
        u, _, v = head.beyond
        rows[block][:, number] = DECLARED["start"] * np.array([u, v])
    longer = network.grown(x, rows)
    plan = TRAINING["evaluations"], TRAINING["newton"], TRAINING["off"]
    y = settle(longer, longer.vector(longer.start), *plan)
    grown = heads_of(longer, y)
    return {
        "declared": digest(DECLARED),
        "before": network.objective(x)[0],
        "after": longer.objective(y)[0],
        "off": longer.off(y),
        "heads": [
            {
                "layer": int(where[0].rpartition(".")[2]),
                "head": where[1],
                "ratio": head.beyond[1] / head.decay,
                "rank": head.rank,
                "dimension": len(head.query),
                "grown rank": grown[where].rank,
                "grown ratio": grown[where].beyond[1] / head.decay,
                "spectrum": pulls(head),
                "grown spectrum": pulls(grown[where]),
                **slopes[where],
            }
            for where, head in heads.items()
        ],
    }


def pulls(head: Head) -> list[float]:
    """Singular values of C over λ."""
    return (np.linalg.svd(head.pull, compute_uv=False) / head.decay).tolist()


def slopes_of(network: Network, x: np.ndarray, where: Where, head: Head) -> dict[str, Any]:
    """(J − J₀)/(a²λ) along the grown direction, and the least of those along drawn ones."""
    rng = np.random.default_rng([where[1], len(where[0]), len(x)])
    u, _, v = head.beyond
    drawn = rng.standard_normal((DECLARED["drawn"], 2, len(u)))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    start, a = network.objective(x)[0], DECLARED["step"]
    found = []
    for pair in (np.array([u, v]), *drawn):
        rows = _rows(network, x)
        rows[where[0]][:, where[1]] = a * pair
        longer = network.grown(x, rows)
        change = longer.objective(longer.vector(longer.start))[0] - start
        found.append(change / (a * a * head.decay))
    return {"slope": found[0], "least drawn": min(found[1:])}


def _rows(network: Network, x: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of zeros, (2, H, D) by block."""
    weights = network.weights(x)
    shape = (2, *np.shape(network.maps(weights, network.plain.blocks[0])[0])[::2])
    return {block: np.zeros(shape) for block in network.plain.blocks}


def told(head: Mapping[str, Any]) -> str:
    """What the certificate says of a head: "starved", "enough", "undecided" or "idle"."""
    ratio = head["ratio"]
    if ratio <= DECLARED["idle"]:
        return "idle"
    if abs(ratio - 1) <= DECLARED["undecided"]:
        return "undecided"
    return "starved" if ratio > 1 else "enough"


def grew(head: Mapping[str, Any]) -> bool:
    """Whether its rank is larger after training with a dimension more."""
    return head["grown rank"] > head["rank"]
