"""Theorem 1: solutions on cut features tend to the exact one of the tensor kernel."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.records import load_record

FLOOR = 1e-13
"""Smaller differences of two optima of the order of one are drawn here: all is rounding."""
EXPONENTS = {1: "2", 2: "4/3", 3: "6/5"}


def _panel(axis: Axes, rows: list[dict[str, Any]], d: int) -> None:
    """Markers: what the cut costs; lines: the bound from weak duality."""
    for row, color, marker in zip(rows, plotting.COLORS, plotting.MARKERS, strict=False):
        orders = [cut["N"] for cut in row["cuts"]]
        excess, bound = (
            np.array([max(cut[key], FLOOR) for cut in row["cuts"]]) for key in ("excess", "bound")
        )
        axis.plot(orders, bound, color=color, lw=1)
        label = f"m = {row['m']}, p = {EXPONENTS[row['m']]}"
        axis.plot(orders, excess, marker, color=color, label=label)
    unresolved = max(2 * max(row["rounding"] for row in rows), 10 * FLOOR)
    axis.axhspan(FLOOR / 10, unresolved, color="0.88", lw=0, zorder=0)
    axis.annotate("rounding of the optimum without cut", (1, 1.3e-14), va="bottom")
    axis.set(
        yscale="log",
        ylim=(FLOOR / 10, 30),
        xlabel="order N of the cut features",
        ylabel="optimum at N − optimum without cut",
        title=f"EDP, d = {d}, squared loss",
    )
    handles = axis.get_legend_handles_labels()[0]
    handles.append(Line2D([], [], color="0.3", lw=1, label="bound by weak duality"))
    axis.legend(handles=handles)


def draw(folder: Path) -> Figure:
    """One panel for each head dimension."""
    rows = load_record("thm1.tensor_limit", folder).evidence.data["rows"]
    figure = Figure(figsize=(7.6, 3.2))
    for axis, d in zip(figure.subplots(1, 2, sharey=True), (1, 2), strict=True):
        _panel(axis, [row for row in rows if row["d"] == d and row["loss"] == "Squared()"], d)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
