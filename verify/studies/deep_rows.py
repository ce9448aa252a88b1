"""Trained small networks as rows of a table: what was measured of each, and by whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from verify.studies.deep_heads import Head, off
from verify.studies.deep_measures import (
    Where,
    by_steps,
    coefficients,
    groups_of,
    heads_of,
    row_of,
    tied_forms,
    with_bias,
    with_norms,
)
from verify.studies.deep_networks import Network
from verify.studies.deep_training import network_of

FORMS: dict[str, Callable[[Network, np.ndarray], dict[Where, Head]]] = {
    "shared keys": groups_of,
    "decayed query bias": with_bias,
}
"""What a head is, of kinds of networks where it is not two maps by themselves."""
MORE = {"tied": tied_forms, "rbf": with_norms}
"""What else is measured of heads of a kind."""


def network_row(cell: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """A network and its heads in the form of its kind; beside it as if they were two free maps."""
    network, x, kind = network_of(cell), np.array(result["x"]), cell["kind"]
    free = heads_of(network, x)
    heads = FORMS[kind](network, x) if kind in FORMS else free
    more = MORE[kind](network, x) if kind in MORE else {}
    return {
        **cell,
        "off": result["off"],
        "excess": result["loss"] - result["entropy"],
        "embedding": np.linalg.norm(network.weights(x)["embedding.token.weight"]),
        "heads": [row_of(where, head) | more.get(where, {}) for where, head in heads.items()],
        "as two maps": [row_of(*one) for one in free.items()] if kind in FORMS else [],
    }


def checked(cell: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, float]:
    """How far the plain network is from rkbs's own, C from that by steps, and the audit from rows.

    Relative differences; of the audit those of its residuals and ratios, of heads that are not 0.
    """
    from verify.studies.deep_models import judged  # late: it loads torch

    network, x = network_of(cell), np.array(result["x"])
    weights = network.weights(x)
    loss, gradient, audit = judged(network, x)
    plain_loss, plain_gradient = network.slope(x)
    by_hand, stepped = coefficients(network, weights), by_steps(network, weights)
    residuals, ratios = [0.0], [0.0]
    for (where, head), audited in zip(heads_of(network, x).items(), audit.heads, strict=True):
        if head.rank:
            row, found = row_of(where, head), audited.certificate
            residuals.append(abs(row["query half"] - found.residual_query))
            residuals.append(abs(row["key half"] - found.residual_key))
            ratios.append(abs(row["ratio"] - found.ratio))
    return {
        "loss": abs(loss - plain_loss) / plain_loss,
        "gradient": off(plain_gradient, gradient),
        "coefficients": max(
            float(np.abs(by_hand[where] - stepped[where]).max()) for where in by_hand
        )
        / network.decays[f"{network.plain.blocks[0]}.attention.query.weight"],
        "audit's residual": max(residuals),
        "audit's ratio": max(ratios),
    }
