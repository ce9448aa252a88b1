"""Theorem 1: attention logits with weight decay against the convex nuclear-norm optimum."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.ledger import load_record

FLOOR = 1e-11


def _excess_panel(axis: Axes, rows: list[dict[str, Any]], tolerance: float) -> None:
    """Excess of every trained head against d − rank T*: all settings on one axis."""
    for row, color, marker in zip(rows, plotting.COLORS, plotting.MARKERS, strict=False):
        beyond = [head["d"] - row["rank"] for head in row["heads"]]
        medians = [max(np.median(head["excess"]), FLOOR) for head in row["heads"]]
        label = f"{row['loss'].split('(')[0].lower()}, rank {row['rank']}"
        axis.plot(beyond, medians, color=color, marker=marker, label=label)
        for x, head in zip(beyond, row["heads"], strict=True):
            values = np.maximum(head["excess"], FLOOR)
            axis.plot([x] * len(values), values, marker, color=color, alpha=0.4)
    axis.axhline(tolerance, color="black", lw=0.8, ls="--")
    axis.annotate(
        "tolerance of the claim", (2, tolerance), (0, 2), textcoords="offset points", ha="right"
    )
    axis.axhspan(FLOOR / 3, 1e-10, color="0.88", lw=0, zorder=0)
    axis.annotate("gap of the convex solver", (-3, 1.5e-11))
    axis.axvline(0, color="0.7", lw=0.8, zorder=0)
    axis.set(
        yscale="log",
        ylim=(FLOOR / 3, 10),
        xlabel="head dimension d − rank T*",
        ylabel="(trained − convex optimum) / optimum",
        title="stuck below the rank, optimal from it on",
    )
    axis.legend(loc="center right", bbox_to_anchor=(1, 0.42))


def _curve_panel(axis: Axes, row: dict[str, Any]) -> None:
    """Adam's way to the optimum, by d."""
    for head, color, marker in zip(row["heads"], plotting.COLORS, plotting.MARKERS, strict=False):
        curve = np.maximum(np.median(head["curve"], axis=1), FLOOR)
        axis.plot(
            head["steps"], curve, color=color, marker=marker, markevery=12, label=f"d = {head['d']}"
        )
    axis.set(
        yscale="log",
        ylim=(FLOOR / 3, None),
        xlabel="steps of Adam",
        ylabel="(objective − convex optimum) / optimum",
        title=f"{row['loss'].split('(')[0].lower()} loss, rank T* = {row['rank']}",
    )
    axis.legend(loc="center right", ncols=2)


def draw(folder: Path) -> Figure:
    """All settings by d; training curves of one of them."""
    data = load_record("thm1.attention_factorized", folder).evidence.data
    rows = data["rows"]
    richest = max(rows, key=lambda row: (row["rank"], row["loss"]))
    lowest: dict[str, dict[str, Any]] = {}
    for row in rows:  # one setting for each loss and rank: more would hide each other
        lowest.setdefault(f"{row['loss']} {row['rank']}", row)
    figure = Figure(figsize=(7.6, 3.4))
    left, right = figure.subplots(1, 2)
    _excess_panel(left, [row for row in lowest.values() if row["rank"] > 1], data["tolerance"])
    _curve_panel(right, richest)
    return figure


if __name__ == "__main__":
    from verify.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
