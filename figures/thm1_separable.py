"""Theorem 1, separable reading: functions, coefficients and gaps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.ledger import load_record

SHOWN = 3.0
"""The exponent whose gaps are drawn."""

FLOOR = 1e-16
"""Gaps below are rounding and drawn here."""


def _functions(axis: Axes, data: dict[str, Any], name: str, points: list[float]) -> None:
    """f* or g* by p, with what the data leave for it at p = 2 as ticks."""
    for picture, color, marker in zip(
        data["pictures"], plotting.COLORS, plotting.MARKERS, strict=False
    ):
        label = f"p = {picture['p']:g}"
        axis.plot(
            data["grid"], picture[name], color=color, marker=marker, markevery=20, label=label
        )
        if picture["p"] == 2:
            left = picture[f"partial {name}"]
            axis.plot(points, left, "_", color="0.3", ms=9, mew=1.5, label="data − rest, p = 2")
    variable = {"f": "x", "g": "y"}[name]
    axis.set(
        xticks=[-1, -0.5, 0, 0.5, 1],
        xlabel=variable,
        ylabel=f"{name}*({variable})",
        title=f"{name}* by the exponent p",
    )


def _coefficients(axis: Axes, data: dict[str, Any]) -> None:
    """ξ_i by p, side by side at each target."""
    count = len(data["pictures"])
    places = np.arange(len(data["x"]))
    axis.axhline(0, color="0.6", lw=0.8)
    for k, picture in enumerate(data["pictures"]):
        at = places + (k - (count - 1) / 2) * 0.14
        axis.vlines(at, 0, picture["xi"], color=plotting.COLORS[k], lw=1)
        axis.plot(at, picture["xi"], plotting.MARKERS[k], color=plotting.COLORS[k])
    axis.set(
        xticks=places,
        xticklabels=range(1, len(places) + 1),
        xlabel="target i",
        ylabel="ξ_i",
        title="dual coefficients, ι(f*) ∝ Σ ξ_i κ(x_i, ·)",
    )


def _gaps(axis: Axes, rows: list[dict[str, Any]]) -> None:
    """Relative gap after each stage against Newton steps, and the two tolerances."""
    shown = [row for row in rows if row["p"] == SHOWN]
    for row, color, marker in zip(shown, plotting.COLORS, plotting.MARKERS, strict=False):
        steps, gaps = np.array(row["history"]).T
        label = row["loss"].split("(")[0].replace("EpsilonI", "ε-i")
        axis.plot(steps, np.maximum(np.abs(gaps), FLOOR), color=color, marker=marker, label=label)
    for tolerance in {row["tolerance"] for row in shown}:
        axis.axhline(tolerance, color="black", lw=0.8, ls="--")
    last = max(steps for row in shown for steps, _ in row["history"])
    axis.annotate("tolerances", (last, 1e-10), (0, 3), textcoords="offset points", ha="right")
    axis.set(
        yscale="log",
        ylim=(1e-18, 10),
        xlabel="Newton steps",
        ylabel="relative Fenchel gap",
        title=f"duality gap, p = {SHOWN:g}",
    )
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.02), labelspacing=0.25)


def draw(folder: Path) -> Figure:
    """f*, g*, ξ and the gap."""
    data = load_record("thm1.separable_gap", folder).evidence.data
    figure = Figure(figsize=(8.6, 6.0))
    axes = figure.subplots(2, 2)
    _functions(axes[0, 0], data, "f", data["x"])
    _functions(axes[0, 1], data, "g", data["y"])
    axes[0, 1].legend(loc="upper center")
    _coefficients(axes[1, 0], data)
    _gaps(axes[1, 1], data["table"])
    return figure


if __name__ == "__main__":
    from verify.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
