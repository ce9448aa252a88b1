"""A dimension more for one head of a trained network, and for no other."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.studies.deep_growth import DECLARED
from verify.studies.deep_measures import heads_of
from verify.studies.deep_networks import settle
from verify.studies.deep_training import DECLARED as TRAINING
from verify.studies.deep_training import network_of


def grow_alone(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """The head's rank after training: ``cell``, its vector ``x``, and ``layer`` and ``head``.

    The others have a row of zeros, which has no gradient and stays.
    """
    network, x = network_of(configuration["cell"]), np.array(configuration["x"])
    block, number = network.plain.blocks[configuration["layer"]], configuration["head"]
    found = heads_of(network, x)
    u, _, v = found[block, number].beyond
    shape = (2, network.plain.heads, len(u))
    rows = {name: np.zeros(shape) for name in network.plain.blocks}
    rows[block][:, number] = DECLARED["start"] * np.array([u, v])
    longer = network.grown(x, rows)
    plan = TRAINING["evaluations"], TRAINING["newton"], TRAINING["off"]
    y = settle(longer, longer.vector(longer.start), *plan)
    grown = heads_of(longer, y)[block, number]
    return {
        "ratio": found[block, number].beyond[1] / found[block, number].decay,
        "rank": found[block, number].rank,
        "dimension": network.plain.dimension,
        "grown rank": grown.rank,
        "grown ratio": grown.beyond[1] / grown.decay,
        "off": longer.off(y),
        "gain": network.objective(x)[0] - longer.objective(y)[0],
    }
