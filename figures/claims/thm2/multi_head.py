"""Theorem 2 with several heads: two exp heads come as near as their logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.multi_head",)
CAPTION = (
    "Two heads through exp with output weights of opposite sign, on three kernels with negative "
    "values. Left: as their ε falls, the error comes down to that of the logit they are made of, "
    "the dashed line. Right: at the least ε it falls with d. A single head through exp cannot be "
    "below the dotted line of its target, the limit of the best one; two are below it by orders of "
    "magnitude."
)

SHOWN = 8
"""The d whose ε are drawn."""


def _least(rows: list[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    """The least y/‖F‖ over seeds, by x."""
    places = sorted({row[x] for row in rows})
    return places, [min(r[y] / r["norm"] for r in rows if r[x] == place) for place in places]


def _epsilons(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for name, look in plotting.looks(row["target"] for row in rows).items():
        mine = [row for row in rows if (row["target"], row["d"]) == (name, SHOWN)]
        axis.plot(*_least(mine, "epsilon", "error"), label=name, **look)
        level, floor = (mine[0][key] / mine[0]["norm"] for key in ("linear", "one head"))
        axis.axhline(level, color=look["color"], ls="--", lw=1)
        axis.axhline(floor, color=look["color"], ls=":", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="ε of the output weights ±1/ε")
    axis.set(ylabel="L² error / ‖F‖", title=f"d = {SHOWN}")


def _dimensions(axis: Axes, rows: list[dict[str, Any]]) -> None:
    least = min(row["epsilon"] for row in rows)
    dims = sorted({row["d"] for row in rows})
    for name, look in plotting.looks(row["target"] for row in rows).items():
        mine = [row for row in rows if (row["target"], row["epsilon"]) == (name, least)]
        axis.plot(*_least(mine, "d", "error"), **look)
        axis.plot(*_least(mine, "d", "linear"), color=look["color"], ls="--", lw=1)
        axis.plot(*_least(mine, "d", "one head"), color=look["color"], ls=":", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="head dimension d")
    axis.set(ylabel="L² error / ‖F‖", title="the least ε")
    plotting.set_ticks(axis.xaxis, dims)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """By ε and by d."""
    rows = found["thm2.multi_head"].data["rows"]
    figure = Figure(figsize=(plotting.PAGE, 2.9))
    left, right = figure.subplots(1, 2)
    _epsilons(left, rows)
    _dimensions(right, rows)
    handles, _ = left.get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.3", ls="--", lw=1, label="the logit itself"))
    handles.append(Line2D([], [], color="0.3", ls=":", lw=1, label="limit of one exp head"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
