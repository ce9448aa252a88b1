"""Theorem 2: heads with frozen random hidden layers, by width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.studies.rows import errors_by_dimension

RECORDS = ("thm2.constructive", "thm2.floor")
CAPTION = (
    "Heads whose hidden layers are drawn at random and never trained. Left: the part of the error "
    "that is due to the width m alone falls fast with m for all targets but the kinked one. Middle "
    "and right: the whole error of two targets. Above the gray, where no logit can be, a head "
    "follows the Schmidt floor until its width stops it: with enough hidden units nothing need be "
    "trained."
)

TARGETS = ("oscillating", "kink")
WIDTHS = (8, 16, 64)


def _widths(axis: Axes, rows: list[dict[str, Any]]) -> None:
    """Median width error over the seeds, relative to ‖F‖."""
    widths = sorted({row["width"] for row in rows})
    for name, look in plotting.looks(row["target"] for row in rows).items():
        mine = [row for row in rows if row["target"] == name]
        medians = [
            np.median([r["width_error"] / r["norm"] for r in mine if r["width"] == m])
            for m in widths
        ]
        axis.plot(widths, medians, label=name.replace("_", " "), **look)
    axis.set(xscale="log", yscale="log", xlabel="hidden units m", ylabel="width error / ‖F‖")
    plotting.set_ticks(axis.xaxis, widths)
    axis.set_title("width alone")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Width error of all targets; errors of two by d."""
    rows, floor = found["thm2.constructive"].data["rows"], found["thm2.floor"].data
    figure = Figure(figsize=(plotting.PAGE, 3.0))
    axes = figure.subplots(1, 3)
    _widths(axes[0], rows)
    for axis, name in zip(axes[1:], TARGETS, strict=True):
        curve = floor["curves"][name]
        heads = {f"m = {m}": errors_by_dimension(rows, name, m) for m in WIDTHS}
        line = (curve["d"], curve["floor"])
        plotting.error_against_dimension(axis, line, curve["rounding"], heads)
        axis.set(title=f"F = {floor['formulas'][name]}", xlabel="head dimension d")
    axes[1].set_ylabel("L² error")
    axes[0].set_ylim(1e-16, None)
    axes[0].legend(loc="lower left", ncols=2, handlelength=1.2, labelspacing=0.2)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower right", ncols=3)
    return figure
