"""Theorem 1: the printed problem read literally, and losses of (f, g) in general."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.records import load_record


def _literal(axis: Axes, rows: list[dict[str, Any]]) -> None:
    places = range(len(rows))
    for key, label, color, marker in (
        ("printed: size", "as printed", plotting.COLORS[1], plotting.MARKERS[1]),
        ("separable: size", "f(x) + g(y) in its place", plotting.COLORS[0], plotting.MARKERS[0]),
    ):
        axis.plot(places, [row[key] for row in rows], marker, color=color, label=label)
    labels = [f"p = {row['p']:g}\n{row['loss'].split('(')[0].lower()}" for row in rows]
    axis.set(yscale="log", ylabel="‖(f*, g*)‖, largest found", ylim=(1e-9, 1e2))
    axis.set_xticks(places, labels, fontsize=6)
    axis.set_title("the literal reading: only (0, 0)")
    axis.legend(loc="center left", fontsize=7)


def _general(axis: Axes, rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(row["loss"] for row in rows))
    for name, color, marker in zip(names, plotting.COLORS, plotting.MARKERS, strict=False):
        mine = [row for row in rows if row["loss"] == name]
        p = [row["p"] for row in mine]
        axis.plot(p, [row["off span"] for row in mine], marker, color=color)
        axis.plot(p, [row["without ι"] for row in mine], marker, color=color, fillstyle="none")
    exponents = sorted({row["p"] for row in rows})
    axis.set(yscale="log", xlabel="p", ylabel="distance from the span, relative", ylim=(1e-17, 10))
    axis.set_xticks(exponents, [f"{p:g}" for p in exponents])
    axis.set_title("ι(f*), ι(g*) (full) and f*, g* (hollow)")
    marks = [
        Line2D([], [], color=color, marker=marker, lw=0, label=name)
        for name, color, marker in zip(names, plotting.COLORS, plotting.MARKERS, strict=False)
    ]
    axis.legend(handles=marks, loc="center right", fontsize=7)


def draw(folder: Path) -> Figure:
    """What the literal reading ends in, and where the expansions of general losses are."""
    literal, general = (
        load_record(name, folder).evidence.data["table"]
        for name in ("thm1.literal", "thm1.separable_general")
    )
    figure = Figure(figsize=(7.6, 3.2))
    axes = figure.subplots(1, 2)
    _literal(axes[0], literal)
    _general(axes[1], general)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
