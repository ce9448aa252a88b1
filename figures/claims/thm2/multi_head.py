"""Several heads: two exp heads come as near as their logit, two softmax heads keep row sums."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.records import load_record

SHOWN = 8
"""The d whose ε are drawn."""


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["target"] for row in rows))


def _looks(rows: list[dict[str, Any]]) -> zip:
    return zip(_names(rows), plotting.COLORS, plotting.MARKERS, strict=False)


def _curve(rows: list[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    """The least y/‖F‖ over seeds, by x."""
    places = sorted({row[x] for row in rows})
    return places, [min(r[y] / r["norm"] for r in rows if r[x] == place) for place in places]


def _epsilons(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for name, color, marker in _looks(rows):
        mine = [row for row in rows if (row["target"], row["d"]) == (name, SHOWN)]
        axis.plot(*_curve(mine, "epsilon", "error"), color=color, marker=marker, label=name)
        axis.axhline(mine[0]["linear"] / mine[0]["norm"], color=color, ls="--", lw=0.8)
        axis.axhline(mine[0]["one head"] / mine[0]["norm"], color=color, ls=":", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="ε", ylabel="L² error / ‖F‖")
    axis.set_title(f"$(e^{{εG}} - 1)/ε$, d = {SHOWN}")
    axis.legend(loc="center right", fontsize=7, bbox_to_anchor=(1, 0.3))


def _dimensions(axis: Axes, rows: list[dict[str, Any]]) -> None:
    least = min(row["epsilon"] for row in rows)
    for name, color, marker in _looks(rows):
        mine = [row for row in rows if (row["target"], row["epsilon"]) == (name, least)]
        axis.plot(*_curve(mine, "d", "error"), color=color, marker=marker)
        axis.plot(*_curve(mine, "d", "one head"), color=color, ls=":", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="d", ylabel="L² error / ‖F‖")
    axis.set_xticks([1, 2, 4, 8, 16], [1, 2, 4, 8, 16])
    axis.set_xticks([], minor=True)
    axis.set_title("two exp heads, the least ε")
    lines = [
        Line2D([], [], color="0.3", label="two heads"),
        Line2D([], [], color="0.3", ls="--", lw=0.8, label="the logit G itself (left)"),
        Line2D([], [], color="0.3", ls=":", lw=1, label="floor of one exp head"),
    ]
    axis.legend(handles=lines, loc="lower left", fontsize=7)


def _softmax(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for name, color, marker in _looks(rows):
        mine = [row for row in rows if row["target"] == name]
        axis.plot(*_curve(mine, "d", "error"), color=color, marker=marker)
        level = _curve(mine, "d", "to the level surface")
        axis.plot(*level, color=color, marker=marker, fillstyle="none", ls="--")
        axis.axhline(mine[0]["distance"] / mine[0]["norm"], color=color, ls=":", lw=1)
    axis.set(xscale="log", yscale="log", xlabel="d", ylabel="L² error / ‖F‖")
    axis.set_xticks([1, 2, 4, 8, 16], [1, 2, 4, 8, 16])
    axis.set_xticks([], minor=True)
    axis.set_title("two softmax heads")
    lines = [
        Line2D([], [], color="0.3", label="to F"),
        Line2D([], [], color="0.3", ls="--", label="to F of level rows"),
        Line2D([], [], color="0.3", ls=":", lw=1, label="distance of F's row means"),
    ]
    axis.legend(handles=lines, loc="lower left", fontsize=7)


def draw(folder: Path) -> Figure:
    """By ε and by d through exp, by d through softmax."""
    exp, softmax = (
        load_record(name, folder).evidence.data["rows"]
        for name in ("thm2.multi_head", "thm2.multi_head_softmax")
    )
    figure = Figure(figsize=(9.6, 3.3))
    axes = figure.subplots(1, 3)
    _epsilons(axes[0], exp)
    _dimensions(axes[1], exp)
    _softmax(axes[2], softmax)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
