"""Section 5: the step of quadratic attention and T2 at 2d + 1 keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.half_degree",)
CAPTION = (
    "The best of trained heads, queries and keys free, in dimension d: geometric-mean self-weight "
    "(left) and keys with more than half of their query's weight (right), against the number of "
    "keys. Solid lines are the law; dashed is what the second-order Taylor cut attains on keys of "
    "one norm. The quadratic kernel is on its law and the Taylor cut on the dashed line; both "
    "select all keys up to the law's last number and never more, far from the features they have."
)

DIMS = (2, 3, 4)


def _looks(rows: list[dict[str, Any]]) -> dict[int, dict[str, str]]:
    """Of each d that was computed: the quick profile leaves the largest out."""
    there = {row["d"] for row in rows}
    return {d: look for d, look in plotting.looks(DIMS).items() if d in there}


def _heads(axis: Axes, rows: list[dict[str, Any]], value: str) -> None:
    """Quadratic filled, T2 hollow and larger; a color and a marker for each d."""
    for d, look in _looks(rows).items():
        for kernel, face in (("quadratic", {"ms": 4}), ("T2", {"mfc": "none", "ms": 8})):
            mine = [row for row in rows if (row["kernel"], row["d"]) == (kernel, d)]
            axis.plot(
                [r["n"] for r in mine],
                [r[value] for r in mine],
                ls="none",
                zorder=3,
                **look,
                **face,
            )
    axis.set(xlabel="keys n")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Self-weight; R."""
    rows = found["sec5.half_degree"].data["rows"]
    figure = Figure(figsize=(plotting.PAGE, 3.2))
    left, right = figure.subplots(1, 2)
    _heads(left, rows, "own")
    _heads(right, rows, "R")
    for d, look in _looks(rows).items():
        n = [row["n"] for row in rows if row["d"] == d and row["kernel"] == "T2"]
        places = [min(n) + i * (max(n) - min(n)) / 100 for i in range(101)]
        bound = [(d + 1) / x for x in places]
        attained = [(d + 1 + math.sqrt(d * d + 1)) / (2 * x) for x in places]
        left.plot(places, bound, color=look["color"], lw=0.9, zorder=1)
        left.plot(places, attained, color=look["color"], lw=0.9, ls="--", zorder=1)
        law = 2 * d + 1
        right.plot([0, law, max(n)], [0, law, law], color=look["color"], lw=0.9, zorder=1)
    left.axhline(0.5, color="black", lw=0.9, ls=":")
    left.set(ylabel="self-weight, geometric mean", ylim=(0.2, 1))
    right.set(ylabel="selected keys R", xlim=(3, None), ylim=(0, 10))
    plotting.set_ticks(right.yaxis, (0, 5, 7, 9))
    handles = [
        Line2D([], [], ls="none", label=f"d = {d}", **look) for d, look in _looks(rows).items()
    ]
    gray = {"color": "0.3", "marker": "o", "ls": "none"}
    handles += [
        Line2D([], [], label="quadratic", ms=4, **gray),
        Line2D([], [], label="T2", mfc="none", ms=8, **gray),
        Line2D([], [], color="0.3", lw=0.9, label="law"),
        Line2D([], [], color="0.3", lw=0.9, ls="--", label="T2, keys of one norm"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
