"""Taylor cuts on the circle: how many keys they select, and with what weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.sharpness",)
CAPTION = (
    "Left: the number of keys of the plane that a Taylor cut selects, on the circle (exact) and "
    "by trained heads (full markers: all keys selected; hollow, one key more: none), under the "
    "bounds of dimension and of half degree. Right: self-weights against the number of keys, on "
    "the circle (lines) and trained for the geometric mean (markers), under D/n (dashed) and M/n "
    "(dotted). With more keys than the order nothing better than the circle was found, far below "
    "what is proved. Markers above their line are better arrangements of fewer keys; of the "
    "arithmetic mean (stars) there are better ones, too."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Capacity against N, self-weight against n."""
    data = found["sec5.sharpness"].data
    figure = Figure(figsize=(plotting.PAGE, 3.1))
    left, right = figure.subplots(1, 2)
    _capacities(left, data)
    _self_weights(right, data)
    return figure


def _capacities(axis: Axes, data: Mapping[str, Any]) -> None:
    curve = data["curves"]["capacity"]
    orders = [row["order"] for row in curve]
    axis.plot(orders, [row["features"] for row in curve], color="0.5", ls="--", label="L1: D")
    bound = [row["half_degree"] for row in curve]
    axis.plot(orders, bound, **plotting.LIMIT, label="L1′: 2M − 1")
    circle = [row["circle"] for row in curve]
    axis.plot(orders, circle, color=plotting.COLORS[0], label="circle, exact")
    trained = [row for row in data["searches"] if row["objective"] == "geometric"]
    ends = {row["order"]: row["circle"] for row in curve}
    for full, label in ((True, "trained, R = n"), (False, "trained, R = 0")):
        some = [
            row
            for row in trained
            if row["n"] == ends.get(row["order"], 0) + (not full)
            and row["selected"] == (row["n"] if full else 0)
        ]
        face = {} if full else {"mfc": "white"}
        places, sizes = [row["order"] for row in some], [row["n"] for row in some]
        axis.plot(places, sizes, "o", color=plotting.COLORS[1], label=label, **face)
    axis.set(yscale="log", xlabel="order N of the cut", ylabel="keys selected, d = 2")
    axis.set_xticks(range(2, 18, 2))
    plotting.set_ticks(axis.yaxis, (5, 10, 20, 50, 100))
    axis.legend(loc="upper left")


def _self_weights(axis: Axes, data: Mapping[str, Any]) -> None:
    curves = data["curves"]
    laws = {str(row["order"]): row for row in curves["capacity"]}
    looks = plotting.looks(curves["weights"])
    handles = []
    for order, weights in curves["weights"].items():
        look = looks[order]
        color = look["color"]
        axis.plot(curves["n"], weights, color=color)
        squares = (laws[order]["half_degree"] + 1) / 2
        for most, style in ((laws[order]["features"], "--"), (squares, ":")):
            bounds = [most / n for n in curves["n"]]
            axis.plot(curves["n"], bounds, color=color, ls=style, lw=0.8)
        rows = [
            row
            for row in data["searches"]
            if str(row["order"]) == order and row["objective"] == "geometric"
        ]
        axis.plot([r["n"] for r in rows], [r["score"] for r in rows], ls="none", **look)
        handles.append(Line2D([], [], label=f"T{order}", **look))
    loose = [r for r in data["searches"] if r["objective"] == "arithmetic"]
    axis.plot([r["n"] for r in loose], [r["score"] for r in loose], "*", color="0.3", ms=8)
    handles.append(Line2D([], [], ls="none", marker="*", color="0.3", label="arithmetic mean"))
    axis.axhline(0.5, color="0.8", lw=0.8, zorder=0)
    axis.set(ylim=(0, 1.03), xlabel="keys n", ylabel="self-weight, d = 2")
    axis.legend(handles=handles, loc="upper right", frameon=True, edgecolor="none", framealpha=1)
