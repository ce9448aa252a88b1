"""How far heads are from being expansions over cross-domain pairs, by kind of network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("deep.expansion",)
CAPTION = (
    "Left: for each head that is not zero, the residual of its expansion, at the decay that suits "
    "it best. At stationary points it is rounding and what is left of the gradient, in the form "
    "that the kind of head has (filled); as two free maps (hollow) heads with another form are far "
    "off, and so are those of AdamW and of ordinary training in minibatches. Right: how far the "
    "maps of each head are from balance. Of an undecayed query bias it stays, and the expansion "
    "goes."
)
NAMES = {
    "plain": "all conditions",
    "unequal": r"$\lambda_Q \neq \lambda_K$",
    "quartic": "quartic kernel",
    "maps alone": "maps trained alone",
    "decayed query bias": "decayed bias",
    "shared keys": "shared keys",
    "tied": "tied maps",
    "rbf": "RBF, with ‖k‖²",
    "not at rest": "not at rest",
    "query bias": "undecayed bias",
    "small eps": "LayerNorm’s small ε",
    "decoupled": "AdamW, to its end",
    "practice": "AdamW, in practice",
}
FIELDS = ("residual", "balance")
"""What a record has first of each head."""
AT_REST = 1e-6


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A row a kind of network, a mark a head."""
    networks = [_named(row) for row in found["deep.expansion"].data["networks"]]
    figure = Figure(figsize=(plotting.PAGE, 3.4))
    left, right = figure.subplots(1, 2, sharey=True)
    kinds = [kind for kind in NAMES if any(row["kind"] == kind for row in networks)]
    for place, kind in enumerate(kinds):
        rows = [row for row in networks if row["kind"] == kind]
        _marks(left, place, _of(rows, "residual"), mfc=plotting.COLORS[0])
        _marks(left, place, [x for row in rows for x in row["as two maps"]], mfc="white")
        _marks(right, place, _of(rows, "balance"), mfc=plotting.COLORS[0])
    left.set_yticks(range(len(kinds)), [NAMES[kind] for kind in kinds])
    left.set_ylim(len(kinds) - 0.5, -0.5)
    left.set(xscale="log", xlabel="residual of the expansion", xlim=(1e-11, 10))
    right.set(xscale="log", xlabel="imbalance of both maps, relative", xlim=(1e-13, 10))
    for axis in (left, right):
        axis.grid(axis="y", lw=0.3, color="0.85")
    return figure


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """A network with all conditions but that its training came to an end, as a kind of its own."""
    late = row["kind"] == "plain" and row["off"] > AT_REST
    return row | ({"kind": "not at rest"} if late else {})


def _of(rows: list[dict[str, Any]], name: str) -> list[float]:
    return [head[FIELDS.index(name)] for row in rows for head in row["heads"]]


def _marks(axis: Axes, place: int, values: list[float], mfc: str) -> None:
    spread = 0.5 * (np.arange(len(values)) % 5 - 2) / 5
    color = plotting.COLORS[0]
    axis.plot(values, place + spread, ls="none", marker="o", ms=3, mec=color, mfc=mfc, mew=0.7)
