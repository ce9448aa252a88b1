"""Proposition 1: rkbs's float features against exact ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.features",)
CAPTION = (
    "The largest relative error of the features that rkbs computes, against ball arithmetic, for "
    "the Taylor cuts of EDP by their order N and the dimension d. The black line is what the "
    "roundings of their operations allow, in the largest dimension; the dotted line holds features "
    "that are exact, which a logarithmic axis has no place for. All markers are below the black "
    "line, and the errors hardly grow with N: what is printed in Proposition 1 is what is "
    "computed."
)

UNIT = 2.0**-53
EXACT = UNIT / 8
"""Where errors of exactly 0 are drawn."""


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Relative error against the order, a marker for each dimension."""
    table = found["prop1.features"].data["table"]
    taylor = [row for row in table if row["kernel"].startswith("TaylorEDP")]
    dims = sorted({row["d"] for row in taylor})
    orders = np.array(sorted({row["order"] for row in taylor}))
    figure = Figure(figsize=(plotting.COLUMN, 2.6))
    axis = figure.subplots()
    # As many roundings as the features' operations, 6N + d + 2 units.
    allowed = (6 * orders + dims[-1] + 2) * UNIT
    axis.plot(orders, allowed, **plotting.LIMIT, label=f"allowed, d = {dims[-1]}")
    for d, look in plotting.looks(dims).items():
        rows = [row for row in taylor if row["d"] == d]
        errors = [row["error"] or EXACT for row in rows]
        axis.plot([row["order"] for row in rows], errors, ls="none", label=f"d = {d}", **look)
    axis.axhline(EXACT, color="0.6", lw=0.8, ls=":", zorder=0)
    axis.annotate("exact: error 0", (1, EXACT), (0, 3), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right", color="0.35")  # fmt: skip
    axis.set(yscale="log", ylim=(EXACT / 2, None), xticks=orders)
    axis.set(xlabel="order N of the cut", ylabel="largest relative error of a feature")
    figure.legend(loc="outside right center")
    return figure
