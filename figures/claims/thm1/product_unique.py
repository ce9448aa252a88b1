"""Theorem 1, product reading: minimizers come in pairs, and stationary points in many values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm1.product_unique",)
CAPTION = (
    "Left: the objective of the points where alternating solves end, over that of f = g = 0, the "
    "black line, which is the only point that is its own mirror image. All are below it, so the "
    "minimizer is another point, and its mirror image (−f, −g), which has the same objective, is a "
    "second one. Right: from different starts the solves end in stationary points of different "
    "objectives."
)


def _below_zero(axis: Axes, rows: list[dict[str, Any]]) -> None:
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    for loss, look in plotting.looks(losses).items():
        mine = [row for row in rows if row["loss"] == loss]
        shares = [row["of zero"] for row in mine]
        axis.plot([row["p"] for row in mine], shares, label=loss.split("(")[0], **look)
    axis.axhline(1, **plotting.LIMIT)
    axis.annotate("f = g = 0", (1.0, 1), (-3, 2), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right")  # fmt: skip
    plotting.set_ticks(axis.xaxis, sorted({row["p"] for row in rows}))
    axis.set(ylim=(0, 1.1), xlabel="exponent p", ylabel="objective / that of f = g = 0")
    axis.set_title("(f, g) and (−f, −g), the same")
    axis.legend(loc="lower right")


def _starts(axis: Axes, objectives: list[float]) -> None:
    look = plotting.looks(("objective",))["objective"]
    starts = range(1, len(objectives) + 1)
    axis.plot(starts, objectives, ls="none", ms=5, **look)
    axis.axhline(min(objectives), **plotting.LIMIT, ls="--", zorder=0)
    axis.annotate("least found", (1, min(objectives)), (0, 5), textcoords="offset points")
    axis.set(yscale="log", ylim=(min(objectives) / 3, 3 * max(objectives)))
    axis.set(xticks=starts, xlabel="start", ylabel="objective at the end")
    axis.set_title("one problem, by start")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Objectives against that of zero; stationary values of one problem."""
    data = found["thm1.product_unique"].data
    figure = Figure(figsize=(plotting.PAGE, 2.5))
    left, right = figure.subplots(1, 2)
    _below_zero(left, data["table"])
    _starts(right, data["local"]["objectives"])
    return figure
