"""Section 5: self-weight and selected keys of trained heads against the dimension's law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.dimension",)
CAPTION = (
    "The best of trained heads of one kernel, queries and keys free: mean self-weight (left) and "
    "keys with more than half of their query's weight (right), against the number of keys. Lines "
    "are the law, D/n and D for a kernel of D features: no head is above its own, and learned "
    "features are on it, while two mixed heads can select one more than each has features "
    "(dotted). Taylor cuts stay far below theirs, for another reason (half the degree), and EDP, "
    "which has no such law, selects all."
)

SHOWN = {
    "4 features": "4 learned features",
    "8 features": "8 learned features",
    "T2": "T2, D = 6",
    "T4": "T4, D = 15",
    "EDP": "EDP",
}
MOST = 21


def _law(axis: Axes, rows: list[dict[str, Any]], value: str) -> None:
    """Markers of the heads, and the line of their law in the same color."""
    for name, look in plotting.looks(SHOWN).items():
        mine = [row for row in rows if row["case"] == name and row["kind"] == "trained"]
        n = [row["n"] for row in mine]
        values = [row["R"] if value == "R" else row["trace"] / row["n"] for row in mine]
        axis.plot(n, values, ls="none", zorder=3, **look)
        if D := mine[0]["D"]:
            places = [2 + i / 10 for i in range(10 * (MOST - 2) + 1)]
            law = [min(x, D) if value == "R" else min(1, D / x) for x in places]
            axis.plot(places, law, color=look["color"], lw=0.9, zorder=2)
    axis.set(xlabel="keys n", xlim=(1.5, MOST))
    plotting.set_ticks(axis.xaxis, (2, 4, 8, 12, 16, 20))


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Mean self-weight; R."""
    data = found["sec5.dimension"].data
    figure = Figure(figsize=(plotting.PAGE, 3.2))
    left, right = figure.subplots(1, 2)
    _law(left, data["rows"], "mean")
    left.set(ylabel="mean self-weight, tr A / n", ylim=(0, 1.05))
    _law(right, data["rows"], "R")
    two = data["mixtures"]
    look = {"color": "0.35", "marker": "x", "ls": "none"}
    right.plot([row["n"] for row in two], [row["R"] for row in two], zorder=4, **look)
    right.plot([3, MOST], [3, 3], color="0.35", lw=0.9, ls=":")
    right.set(ylabel="selected keys R", ylim=(0, MOST))
    plotting.set_ticks(right.yaxis, (0, 3, 4, 6, 8, 15, 20))
    handles = [
        Line2D([], [], ls="none", label=SHOWN[name], **look)
        for name, look in plotting.looks(SHOWN).items()
    ]
    handles.append(Line2D([], [], label="two mixed heads of D = 2", **look))
    handles.append(Line2D([], [], color="0.35", lw=0.9, label="law"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure
