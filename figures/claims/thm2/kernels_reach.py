"""Theorem 2 through other kernels: what they reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.kernels_reach",)
CAPTION = (
    "Left: sup errors of the quadratic and RBF kernels, against the dimension of the logit that "
    "they are made of; lines are the bounds that the logit's error carries over to the kernel, and "
    "each marker is on or below its own. Right: EI takes sums of minima in place of products; with "
    "more minima the error falls as fast as the black line, until that of the logit itself is "
    "left."
)

SHOWN = "sine"
KERNELS = {
    "quadratic": "quadratic",
    "RBF": "$e^c$ RBF",
    "RBF, row-normalized": "RBF, row-normalized",
}
LOGIT = 4
"""The dimension of the logits whose products EI takes apart."""


def _reach(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for kernel, look in plotting.looks(KERNELS).items():
        mine = [row for row in rows if (row["kernel"], row["target"]) == (kernel, SHOWN)]
        d = [row["d"] for row in mine]
        axis.plot(d, [row["allowed"] for row in mine], color=look["color"], lw=0.9)
        axis.plot(d, [row["error"] for row in mine], ls="none", label=KERNELS[kernel], **look)
    axis.plot([], [], color="0.3", lw=0.9, label="bound from the logit")
    axis.set(xscale="log", yscale="log", xlabel="d of the logit G", ylabel="sup error, relative")
    plotting.set_ticks(axis.xaxis, d)
    axis.set_title(r"κ* = $e^{\sin(2t+s+ts)}$")
    axis.legend(loc="lower left", fontsize=8)


def _intersections(axis: Axes, rows: list[dict[str, Any]]) -> None:
    mine = [row for row in rows if row["kernel"] == "EI" and row["d"] == LOGIT]
    knots = np.array(sorted({row["knots"] for row in mine}))
    for name, look in plotting.looks(row["target"] for row in mine).items():
        errors = [row["error"] for row in mine if row["target"] == name]
        axis.plot(knots, errors, label=name, **look)
    level = 2 * max(row["error"] for row in mine) * ((knots[0] + 1) / (knots + 1)) ** 2
    axis.plot(knots, level, **plotting.LIMIT, ls="--", label="$(N+1)^{-2}$")
    axis.set(xscale="log", yscale="log", xlabel="minima N for each product")
    axis.set_ylabel("sup error, relative")
    plotting.set_ticks(axis.xaxis, knots)
    axis.set_title(f"EI, of logits of d = {LOGIT}")
    axis.legend(loc="lower left", fontsize=8)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """What the quadratic and RBF kernels reach, and what EI does."""
    rows = found["thm2.kernels_reach"].data["rows"]
    figure = Figure(figsize=(plotting.PAGE, 2.8))
    left, right = figure.subplots(1, 2)
    _reach(left, rows)
    _intersections(right, rows)
    return figure
