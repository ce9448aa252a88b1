"""Theorem 2: floors in more dimensions, bracketed by samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.studies.rows import WIDE, errors_by_dimension

RECORDS = ("thm2.floor_sampled", "thm2.limit")
CAPTION = (
    "Left: brackets of the Schmidt floor in two and four dimensions, from samples of both domains, "
    "with trained heads as markers: they are on the floor, and none is below its bracket. Right: "
    "both ends of the bracket over the floor itself, the black line, where that is known in closed "
    "form or by quadrature: the line is inside every bracket, and no bracket is wide."
)


def _floor(row: dict[str, Any]) -> list[float] | None:
    """The floor by closed form or quadrature, where there is one."""
    return row.get("known") or row.get("quadrature")


def _brackets(axis: Axes, floors: list[dict[str, Any]], heads: list[dict[str, Any]]) -> None:
    """A band per target; markers: the best trained head."""
    looks = plotting.looks(row["target"] for row in floors)
    for row in floors:
        look = looks[row["target"]]
        axis.fill_between(row["d"], row["lower"], row["upper"], color=look["color"], alpha=0.35)
        errors = errors_by_dimension(heads, row["target"], WIDE)
        axis.plot(list(errors), [min(e) for e in errors.values()], ls="none", ms=5, **look)
        marker = look["marker"] if errors else ""
        label = row["target"].replace("_", " ")
        axis.plot([], [], color=look["color"], marker=marker, lw=3, alpha=0.7, label=label)
    axis.set(yscale="log", xlabel="head dimension d", ylabel="L² error")
    plotting.set_ticks(axis.xaxis, floors[0]["d"])
    axis.set_title("floors (bands) and heads (markers)")
    axis.legend(loc="lower left")


def _ratios(axis: Axes, floors: list[dict[str, Any]]) -> None:
    """Both ends over the floor, side by side at each d."""
    looks = plotting.looks(row["target"] for row in floors)
    known = [row for row in floors if _floor(row)]
    for shift, row in enumerate(known):
        look, floor = looks[row["target"]], np.array(_floor(row))
        places = np.arange(len(row["d"])) + 0.18 * (shift - (len(known) - 1) / 2)
        low, high = np.array(row["lower"]) / floor, np.array(row["upper"]) / floor
        axis.vlines(places, low, high, look["color"], lw=1.5)
        axis.plot(np.repeat(places, 2), np.ravel([low, high], order="F"), ls="none", **look)
    axis.axhline(1, **plotting.LIMIT, zorder=0)
    axis.set_xticks(range(len(known[0]["d"])), known[0]["d"])
    axis.set(xlabel="head dimension d (side by side)", ylabel="end of the bracket / floor")
    axis.set_title("brackets where the floor is known")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Brackets with heads, and brackets over known floors."""
    floors, heads = (found[name].data["rows"] for name in RECORDS)
    figure = Figure(figsize=(plotting.PAGE, 2.9))
    left, right = figure.subplots(1, 2)
    _brackets(left, floors, [row for row in heads if row["start"] == "constructive"])
    _ratios(right, floors)
    return figure
