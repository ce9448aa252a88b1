"""Theorem 1: attention logits with weight decay against the convex nuclear-norm optimum."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

FLOOR = 1e-13
"""Smaller numbers, and negative ones, are rounding and drawn here."""


def _by_dimension(axis: Axes, rows: list[dict[str, Any]], key: str, tolerance: float) -> None:
    """A number of every trained head against d − rank T*: settings side by side at each d."""
    for k, row in enumerate(rows):
        style = {"color": plotting.COLORS[k], "marker": plotting.MARKERS[k]}
        shift = 0.09 * (k - (len(rows) - 1) / 2)
        beyond = [head["d"] - row["rank"] + shift for head in row["heads"]]
        medians = [max(np.median(head[key]), FLOOR) for head in row["heads"]]
        label = f"{row['loss'].split('(')[0].lower()}, rank {row['rank']}"
        axis.plot(beyond, medians, ms=4, lw=1, label=label, **style)
        for x, head in zip(beyond, row["heads"], strict=True):
            values = np.maximum(head[key], FLOOR)
            axis.plot([x] * len(values), values, ls="", ms=4, alpha=0.4, **style)
    axis.axhline(tolerance, color="black", lw=0.8, ls="--")
    axis.annotate(
        "tolerance of the claim", (2.2, tolerance), (0, 2), textcoords="offset points", ha="right"
    )
    axis.axvline(0, color="0.7", lw=0.8, zorder=0)
    least = min(row["rank"] for row in rows) - max(row["rank"] for row in rows)
    axis.set(
        yscale="log",
        ylim=(FLOOR / 10, 100),
        xticks=range(least - 1, 3),
        xlabel="head dimension d − rank T*",
    )


def _gap_band(axis: Axes, place: float) -> None:
    """Excesses that the convex solution, certified to a gap of 1e-10, cannot tell from 0."""
    axis.axhspan(FLOOR / 10, 1e-10, color="0.88", lw=0, zorder=0)
    axis.annotate("gap of the convex solver", (place, 1.8e-14), xycoords=("axes fraction", "data"))


def _largest_own_gap(row: dict[str, Any]) -> float:
    """Of the heads with d ≥ rank T*."""
    return max(max(head["own gap"]) for head in row["heads"] if head["d"] >= row["rank"])


def _curve_panel(axis: Axes, row: dict[str, Any]) -> None:
    """Adam's way to the optimum, by d."""
    for head, color, marker in zip(row["heads"], plotting.COLORS, plotting.MARKERS, strict=False):
        curve = np.maximum(np.median(head["curve"], axis=1), FLOOR)
        axis.plot(
            head["steps"], curve, color=color, marker=marker, markevery=12, label=f"d = {head['d']}"
        )
    _gap_band(axis, 0.3)
    axis.set(
        yscale="log",
        ylim=(FLOOR / 10, 100),
        xlabel="steps of Adam",
        ylabel="(objective − convex optimum) / optimum",
        title=f"{row['loss'].split('(')[0].lower()} loss, rank T* = {row['rank']}",
    )
    axis.legend(loc="center right", ncols=2)


def draw(folder: Path) -> Figure:
    """All settings by d: excess, and the gap by the head itself; training curves of one."""
    data = load_record("thm1.attention_factorized", folder).evidence.data
    rows = data["rows"]
    richest = max(rows, key=lambda row: (row["rank"], row["loss"]))
    lowest: dict[str, dict[str, Any]] = {}
    # One setting for each loss and rank, that of the largest own gap: more would hide each other.
    for row in sorted(rows, key=_largest_own_gap, reverse=True):
        lowest.setdefault(f"{row['loss']} {row['rank']}", row)
    shown = [row for row in lowest.values() if row["rank"] > 1]
    shown.sort(key=lambda row: (row["loss"], row["rank"]))
    figure = Figure(figsize=(11.4, 3.6))
    left, middle, right = figure.subplots(1, 3)
    _by_dimension(left, shown, "excess", data["tolerance"])
    _gap_band(left, 0.02)
    left.set(
        ylabel="(trained − convex optimum) / optimum",
        title="stuck below the rank, optimal from it on",
    )
    left.legend(loc="upper right")
    _by_dimension(middle, shown, "own gap", data["tolerance"])
    middle.set(
        ylabel="(trained − own lower bound) / trained",
        title="certified by the head's own residuals",
    )
    _curve_panel(right, richest)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
