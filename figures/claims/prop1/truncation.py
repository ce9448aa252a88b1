"""Proposition 1: error of the cut features against its bound, and how tight the bound is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.records import load_record


def _error_panel(axis: Axes, curves: list[dict[str, Any]]) -> None:
    """Markers: rkbs's features; lines: the bound, down to the rounding allowed."""
    for curve, color, marker in zip(curves, plotting.COLORS, plotting.MARKERS, strict=False):
        orders = np.arange(len(curve["error"]))
        error, bound, rounding = (np.array(curve[key]) for key in ("error", "bound", "rounding"))
        axis.plot(orders, bound + rounding, color=color, lw=1)
        axis.plot(
            orders,
            np.maximum(error, 1e-18),
            marker,
            color=color,
            label=f"a = {curve['a']:g}".replace("-", "−"),
        )
    axis.set(
        yscale="log",
        ylim=(3e-19, None),
        xlabel="order N",
        ylabel="|Φ(q)·Φ(k) − exp(q·k/√d)|",
        title="error of rkbs's features, d = 2",
    )
    handles = [*axis.get_legend_handles_labels()[0]]
    handles.append(Line2D([], [], color="0.3", lw=1, label="bound + rounding allowed"))
    axis.legend(handles=handles)


def _tightness_panel(axis: Axes, grid: list[float], tightness: dict[str, list[float]]) -> None:
    """Remainder over bound along a; 1 is the limit, reached at a = 0."""
    axis.axhline(1, color="black", lw=1)
    axis.annotate("the bound", (29.5, 1), (0, 2), textcoords="offset points", ha="right")
    for (order, ratio), color, marker in zip(
        tightness.items(), plotting.COLORS, plotting.MARKERS, strict=False
    ):
        axis.plot(grid, ratio, color=color, marker=marker, markevery=12, label=f"N = {order}")
    axis.set(
        yscale="log",
        ylim=(1e-5, 3),
        xlabel="logit a = q·k/√d",
        ylabel="remainder / bound",
        title="certified below 1 on all of [−30, 30]",
    )
    axis.legend(loc="lower left", ncols=2)


def draw(folder: Path) -> Figure:
    """Error against order; tightness against the logit."""
    data = load_record("prop1.truncation", folder).evidence.data
    figure = Figure(figsize=(7.6, 3.2))
    left, right = figure.subplots(1, 2)
    _error_panel(left, data["curves"])
    _tightness_panel(right, data["grid"], data["tightness"])
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
