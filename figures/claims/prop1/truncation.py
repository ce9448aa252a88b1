"""Proposition 1: error of the cut features against its bound, and how tight the bound is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.truncation",)
CAPTION = (
    "Left: how far products of rkbs's features, cut at order N, are from EDP, for four logits. "
    "Each line is the bound at that logit together with the rounding that is allowed: no marker is "
    "above its line, and markers follow it down. Right: the remainder over its bound, for all "
    "logits and some orders; the black line is the bound, which is met at the logit zero and "
    "nowhere passed."
)


def _error_panel(axis: Axes, curves: list[dict[str, Any]]) -> None:
    """Markers: rkbs's features; lines: the bound, down to the rounding allowed."""
    looks = plotting.looks(range(len(curves))).values()
    for curve, look in zip(curves, looks, strict=True):
        orders = np.arange(len(curve["error"]))
        error, bound, rounding = (np.array(curve[key]) for key in ("error", "bound", "rounding"))
        axis.plot(orders, bound + rounding, color=look["color"], lw=1)
        label = f"a = {curve['a']:g}".replace("-", "−")
        axis.plot(orders, np.maximum(error, 1e-18), ls="none", ms=3.5, label=label, **look)
    axis.set(
        yscale="log",
        ylim=(3e-19, None),
        xlabel="order N of the cut",
        ylabel="|Φ(q)·Φ(k) − exp(a)|, a = q·k/√d",
        title="error of rkbs's features, d = 2",
    )
    handles = [*axis.get_legend_handles_labels()[0]]
    handles.append(Line2D([], [], color="0.3", lw=1, label="bound + rounding"))
    axis.legend(handles=handles, loc="lower left")


def _tightness_panel(axis: Axes, grid: list[float], tightness: dict[str, list[float]]) -> None:
    """Remainder over bound along a; 1 is the limit, reached at a = 0."""
    axis.axhline(1, **plotting.LIMIT)
    axis.annotate("the bound", (29.5, 1), (0, 2), textcoords="offset points", ha="right")
    for order, look in plotting.looks(tightness).items():
        axis.plot(grid, tightness[order], markevery=16, label=f"N = {order}", **look)
    axis.set(
        yscale="log",
        ylim=(1e-5, 3),
        xlabel="logit a",
        ylabel="remainder / bound",
        title="certified below 1 on all of [−30, 30]",
    )
    axis.legend(loc="lower left", ncols=2)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Error against order; tightness against the logit."""
    data = found["prop1.truncation"].data
    figure = Figure(figsize=(plotting.PAGE, 2.8))
    left, right = figure.subplots(1, 2)
    _error_panel(left, data["curves"])
    _tightness_panel(right, data["grid"], data["tightness"])
    return figure
