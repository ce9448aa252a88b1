"""Theorem 2 with several heads: softmax heads keep their row sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.multi_head_softmax",)
CAPTION = (
    "Two softmax heads with signed output weights, on three surfaces. Their row sums are the same "
    "in every row, so that no number of such heads comes nearer to the surface than the black "
    "line, the distance of its row means from their mean. The error to the surface comes down to "
    "that line and stays; the error to the same surface with level row means, hollow, falls on "
    "with d."
)


def _panel(axis: Axes, rows: list[dict[str, Any]]) -> None:
    norm = rows[0]["norm"]
    d, limit = [row["d"] for row in rows], rows[0]["distance"] / norm
    lines = {"to F": "error", "to F with level row means": "to the level surface"}
    for hollow, (label, look) in enumerate(plotting.looks(lines).items()):
        face = {"mfc": "white"} if hollow else {}
        errors = [row[lines[label]] / norm for row in rows]
        axis.plot(d, errors, label=label, **look, **face)
    axis.axhline(limit, **plotting.LIMIT, label="distance of F's row means", zorder=0)
    axis.set(xscale="log", yscale="log", ylim=(1e-11, 3), xlabel="head dimension d")
    plotting.set_ticks(axis.xaxis, d)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each surface."""
    rows = found["thm2.multi_head_softmax"].data["rows"]
    names = list(dict.fromkeys(row["target"] for row in rows))
    figure = Figure(figsize=(plotting.PAGE, 2.6))
    axes = figure.subplots(1, len(names), sharey=True)
    for axis, name in zip(axes, names, strict=True):
        _panel(axis, [row for row in rows if row["target"] == name])
        axis.set_title(name)
    axes[0].set_ylabel("L² error / ‖F‖")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
