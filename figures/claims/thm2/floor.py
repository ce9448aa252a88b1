"""Theorem 2: L² errors over the Schmidt floor, and sup errors along growing heads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record
from verify.studies.rows import errors_by_dimension

WIDTHS = (8, 64)
"""The hidden units of the heads shown."""


_COLORS, _MARKERS = (*plotting.COLORS, "0.5"), (*plotting.MARKERS, "*")


def _sup_panel(axis: Axes, rows: list[dict[str, Any]]) -> None:
    names = dict.fromkeys(row["target"] for row in rows)
    for name, color, marker in zip(names, _COLORS, _MARKERS, strict=True):
        mine = [row for row in rows if row["target"] == name]
        first = [row for row in mine if row["seed"] == mine[0]["seed"]]
        axis.plot([r["d"] for r in first], [r["sup"] for r in first], color=color, label=name)
        axis.plot([r["d"] for r in mine], [r["sup"] for r in mine], marker, color=color, alpha=0.6)
    ticks = sorted({(row["d"], row["width"]) for row in rows})
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="d, and below it m",
        ylabel="sup error (grid maximum)",
    )
    axis.set_xticks([d for d, _ in ticks], [f"{d}\n{m}" for d, m in ticks])
    axis.set_xticks([], minor=True)
    axis.set_title("random hidden layers, growing heads")
    axis.legend(fontsize=6)


def draw(folder: Path) -> Figure:
    """A panel per target, and one of sup errors."""
    ids = ("thm2.floor", "thm2.constructive", "thm2.density")
    floor, constructive, density = (load_record(i, folder).evidence.data for i in ids)
    figure = Figure(figsize=(9.4, 8.1))
    axes = figure.subplots(3, 3)
    for axis, (name, curve) in zip(axes.flat, floor["curves"].items(), strict=False):
        heads = {
            f"random hidden layers, m = {m}": errors_by_dimension(constructive["rows"], name, m)
            for m in WIDTHS
        }
        plotting.error_against_dimension(
            axis, (curve["d"], curve["floor"]), curve["rounding"], heads
        )
        axis.set_title(f"F = {floor['formulas'][name]}", fontsize=8)
        axis.set(xlabel="head dimension d", ylabel="L² error")
    _sup_panel(axes.flat[len(floor["curves"])], density["rows"])
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
