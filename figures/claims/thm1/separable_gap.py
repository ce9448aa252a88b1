"""Theorem 1, separable reading: Newton's method closes the Fenchel gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm1.separable_gap",)
CAPTION = (
    "The relative Fenchel gap, an upper bound on how far the objective is above its minimum, along "
    "the steps of Newton's method, by loss and exponent p. A marker is the end of a stage of the "
    "method; the black line is the tolerance, looser for losses with kinks (right of the gap), "
    "which are solved through a barrier. Every curve shown ends below its line."
)

SHOWN = (1.25, 2.0, 4.0)
FLOOR = 1e-16
"""Gaps below are rounding and drawn here."""
TITLES = {
    "Squared": "squared",
    "Logistic": "logistic",
    "Huber": "Huber",
    "Hinge": "hinge",
    "EpsilonInsensitive": "ε-insensitive",
}


def _panel(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for p, look in plotting.looks(SHOWN).items():
        (row,) = (row for row in rows if row["p"] == p)
        steps, gaps = np.array(row["history"]).T
        axis.plot(steps, np.maximum(np.abs(gaps), FLOOR), label=f"p = {p:g}", **look)
    (tolerance,) = {row["tolerance"] for row in rows}
    axis.axhline(tolerance, **plotting.LIMIT, ls="--", label="tolerance")
    axis.set(yscale="log", ylim=(FLOOR / 10, 1e2), xlim=(-2, None), xlabel="steps")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each loss: the gap after each stage against Newton steps."""
    rows = found["thm1.separable_gap"].data["table"]
    figure = Figure(figsize=(plotting.PAGE, 2.6))
    # An empty column sets the losses with kinks apart.
    grid = figure.add_gridspec(1, 6, width_ratios=(1, 1, 1, 0.05, 1, 1))
    first = figure.add_subplot(grid[0])
    axes = [first, *(figure.add_subplot(grid[k], sharey=first) for k in (1, 2, 4, 5))]
    for axis, (loss, title) in zip(axes, TITLES.items(), strict=True):
        _panel(axis, [row for row in rows if row["loss"].split("(")[0] == loss])
        axis.set_title(title)
        if axis is not first:
            axis.tick_params(labelleft=False)
    first.set_ylabel("relative Fenchel gap")
    figure.legend(*first.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
