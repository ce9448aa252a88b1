"""What trained heads are: a cell a head, and where they stand between Mercer and random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("deep.non_mercer",)
CAPTION = (
    "Left: for each head, the share of pairs of its own inputs that attend to each other more than "
    "to themselves, of a trained sentence encoder (of the models trained here, where that is not "
    "at hand). No Mercer kernel has such a pair, whatever factors queries and keys have; a random "
    "form has one in two. Right: how much of each form is antisymmetric, and how much of its "
    "symmetric part is negative, with the inputs' covariance as weight. Mercer kernels are at the "
    "origin, where tied maps are; random forms lie around the dashed lines, where models start."
)
GROUPS = {
    "sentence encoder": ("trained encoder",),
    "trained here": ("causal", "encoder", "decoder"),
}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """The map and the scatter."""
    data = found["deep.non_mercer"].data
    heads = [*data["heads"], *data["encoder"]]
    figure = Figure(figsize=(plotting.PAGE, 2.7))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _map(left, heads)
    _scatter(right, heads)
    return figure


def _map(axis: Axes, heads: list[dict[str, Any]]) -> None:
    kind = "trained encoder" if _of(heads, ("trained encoder",)) else "causal"
    rows = _of(heads, (kind,))
    first = {(row["layer"], row["head"]): row for row in reversed(rows)}  # of the first seed
    table = [
        {"layer": row["layer"], "head": row["head"], "exchanged": row["exchanged"]}
        for row in first.values()
    ]
    table.sort(key=lambda row: (row["layer"], row["head"]))
    image = plotting.audit_map(axis, table, "exchanged", vmin=0, vmax=1, cmap=plotting.SIGNED_MAP)
    axis.figure.colorbar(image, ax=axis, label="share of exchanged pairs")


def _scatter(axis: Axes, heads: list[dict[str, Any]]) -> None:
    groups = {name: (_of(heads, kinds), "") for name, kinds in GROUPS.items()}
    groups = {name: (rows, "") for name, (rows, _) in groups.items() if rows}
    groups |= {"untrained": (_of(heads, GROUPS["trained here"]), "untrained ")}
    groups |= {"tied": (_of(heads, ("tied",)), "")}
    for (name, (rows, when)), look in zip(
        groups.items(), plotting.looks(groups).values(), strict=True
    ):
        x = np.array([row[f"{when}weighted_antisymmetric_share"] for row in rows])
        y = np.array([row[f"{when}weighted_negative_mass"] for row in rows])
        axis.plot(x, y, ls="none", ms=3, alpha=0.7, label=name, **look)
    axis.plot([0.5, 0.5], [-0.03, 0.8], **plotting.LIMIT, ls="--")
    axis.plot([-0.03, 0.8], [0.5, 0.5], **plotting.LIMIT, ls="--", label="random forms")
    axis.set(xlim=(-0.03, 0.8), ylim=(-0.03, 1.2), yticks=[0, 0.25, 0.5, 0.75])
    axis.set(xlabel="antisymmetric share, weighted", ylabel="negative mass, weighted")
    axis.legend(loc="upper left", ncols=2)


def _of(heads: list[dict[str, Any]], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    return [row for row in heads if row["kind"] in kinds]
