"""Theorem 2 through other kernels: what they reach, and what a distance cannot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

SHOWN = "sine"
"""The target of the first panel."""
KERNELS = ("quadratic", "RBF", "RBF, row-normalized")
LABELS = {"RBF": "$e^c$ RBF"}


def _reach(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for kernel, color, marker in zip(KERNELS, plotting.COLORS, plotting.MARKERS, strict=False):
        mine = [row for row in rows if (row["kernel"], row["target"]) == (kernel, SHOWN)]
        d, errors = [row["d"] for row in mine], [row["error"] for row in mine]
        axis.plot(d, errors, color=color, marker=marker, label=LABELS.get(kernel, kernel))
    axis.set(xscale="log", yscale="log", xlabel="d of the logit G", ylabel="sup error, relative")
    axis.set_xticks([1, 2, 4, 8, 16], [1, 2, 4, 8, 16])
    axis.set_xticks([], minor=True)
    axis.set_title(r"reached: κ* = $e^{\sin(2t+s+ts)}$")
    axis.legend(loc="lower left", fontsize=7)


def _intersections(axis: Axes, rows: list[dict[str, Any]]) -> None:
    mine = [row for row in rows if row["kernel"] == "EI" and row["d"] == 4]
    names = list(dict.fromkeys(row["target"] for row in mine))
    for name, color, marker in zip(names, plotting.COLORS, plotting.MARKERS, strict=False):
        some = [row for row in mine if row["target"] == name]
        knots = [row["knots"] for row in some]
        axis.plot(knots, [row["error"] for row in some], color=color, marker=marker, label=name)
    knots = np.array(sorted({row["knots"] for row in mine}))
    scale = max(row["error"] for row in mine) * 1.5
    axis.plot(knots, scale * ((knots[0] + 1) / (knots + 1)) ** 2, color="0.5", ls="--", lw=0.8)
    axis.annotate(
        "$(N+1)^{-2}$", (knots[1], scale * ((knots[0] + 1) / (knots[1] + 1)) ** 2), fontsize=7
    )
    axis.set(xscale="log", yscale="log", xlabel="minima N for each product")
    axis.set_xticks(knots, knots)
    axis.set_xticks([], minor=True)
    axis.set_title("EI, d = 4N + 2, of logits of d = 4")
    axis.legend(loc="lower left", fontsize=7)


def _obstruction(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for row, color, marker in zip(rows, plotting.COLORS, plotting.MARKERS, strict=False):
        axis.plot(row["dims"], row["descents"], marker, color=color, label=row["kernel"])
        axis.axhline(row["distance"], color=color, ls=":", lw=1)
    top = max(max(row["descents"]) for row in rows)
    axis.set(xscale="log", ylim=(0, 1.15 * top), xlabel="d", ylabel="sup error on the grid")
    dims = sorted(set(rows[0]["dims"]))
    axis.set_xticks(dims, dims)
    axis.set_xticks([], minor=True)
    axis.set_title("not reached (dotted: bounds)")
    axis.legend(loc="upper center", fontsize=7)


def draw(folder: Path) -> Figure:
    """What the quadratic and RBF kernels reach, what EI does, and what a distance cannot."""
    reach, obstruction = (
        load_record(name, folder).evidence.data["rows"]
        for name in ("thm2.kernels_reach", "thm2.kernels_obstruction")
    )
    figure = Figure(figsize=(9.6, 3.3))
    axes = figure.subplots(1, 3)
    _reach(axes[0], reach)
    _intersections(axes[1], reach)
    _obstruction(axes[2], obstruction)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
