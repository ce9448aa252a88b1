"""Theorem 1: solutions on cut features tend to the exact one of the tensor kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm1.tensor_limit",)
CAPTION = (
    "What it costs to cut the features of EDP at order N: the optimum on the cut features less the "
    "optimum in the whole, infinite-dimensional space, which the tensor kernel gives exactly. "
    "Lines are upper bounds from weak duality, computed on the cut alone. In the gray differences "
    "are rounding. The cost falls with N, for every p, until it is lost in rounding, and no marker "
    "is above its line."
)

FLOOR = 1e-13
"""Smaller differences of two optima of the order of one are drawn here: all is rounding."""
EXPONENTS = {1: "2", 2: "4/3", 3: "6/5"}


def _panel(axis: Axes, rows: list[dict[str, Any]], d: int) -> None:
    """Markers: what the cut costs; lines: the bound from weak duality."""
    looks = plotting.looks(row["m"] for row in rows)
    for row in rows:
        orders = [cut["N"] for cut in row["cuts"]]
        excess, bound = (
            np.array([max(cut[key], FLOOR) for cut in row["cuts"]]) for key in ("excess", "bound")
        )
        look = looks[row["m"]]
        axis.plot(orders, bound, color=look["color"], lw=1)
        label = f"p = {EXPONENTS[row['m']]} (m = {row['m']})"
        axis.plot(orders, excess, ls="none", label=label, **look)
    unresolved = max(2 * max(row["rounding"] for row in rows), 10 * FLOOR)
    axis.axhspan(FLOOR / 10, unresolved, **plotting.OUT_OF_REACH, zorder=0)
    axis.annotate("rounding", (1, 1.5e-14), va="bottom")
    axis.set(yscale="log", ylim=(FLOOR / 10, 30), title=f"EDP, d = {d}, squared loss")
    axis.set_xticks(range(0, 21, 5))
    axis.set_xlabel("order N of the cut features")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """One panel for each head dimension."""
    rows = found["thm1.tensor_limit"].data["rows"]
    figure = Figure(figsize=(plotting.PAGE, 2.8))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, d in zip(axes, (1, 2), strict=True):
        _panel(axis, [row for row in rows if row["d"] == d and row["loss"] == "Squared()"], d)
    axes[0].set_ylabel("optimum at N − optimum without cut")
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.3", lw=1))
    figure.legend(handles, [*labels, "bound by weak duality"], loc="outside lower center", ncols=4)
    return figure
