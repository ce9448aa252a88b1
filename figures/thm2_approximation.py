"""Theorem 2: L² errors over the Schmidt floor, and sup errors along growing heads."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from rkbs.targets import TARGETS
from verify.ledger import load_record

WIDTH = 64
"""The hidden units of the heads shown."""


def _errors(rows: Iterable[dict[str, Any]], target: str) -> dict[int, list[float]]:
    """Errors by dimension of a target's heads of the width shown."""
    errors: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row["target"] == target and row["width"] == WIDTH:
            errors[row["d"]].append(row["error"])
    return dict(sorted(errors.items()))


def _sup_panel(axis: Axes, rows: list[dict[str, Any]]) -> None:
    names = dict.fromkeys(row["target"] for row in rows)
    for name, color, marker in zip(names, plotting.COLORS, plotting.MARKERS, strict=False):
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
    axis.legend(fontsize=7)


def draw(folder: Path) -> Figure:
    """A panel per trained target, and one of sup errors."""
    ids = ("thm2.floor", "thm2.constructive", "thm2.trained", "thm2.density")
    floor, constructive, trained, density = (load_record(i, folder).evidence.data for i in ids)
    budget = trained["rows"][0]["steps"], trained["rows"][0]["lr"]
    runs = [row for row in trained["rows"] if (row["steps"], row["lr"]) == budget]
    names = list(dict.fromkeys(row["target"] for row in runs))
    columns = 2 if len(names) < 4 else 4
    lines = -(-(len(names) + 1) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.6 * lines + 0.3))
    axes = figure.subplots(lines, columns)
    for axis, name in zip(axes.flat, names, strict=False):
        curve = floor["curves"][name]
        heads = {
            f"random hidden layers, m = {WIDTH}": _errors(constructive["rows"], name),
            f"trained by Adam, {budget[0]} steps": _errors(runs, name),
        }
        plotting.error_against_dimension(
            axis, (curve["d"], curve["floor"]), curve["rounding"], heads
        )
        axis.set_title(f"F = {TARGETS[name].formula}")
        axis.set(xlabel="head dimension d", ylabel="L² error")
    _sup_panel(axes.flat[len(names)], density["rows"])
    for axis in axes.flat[len(names) + 1 :]:
        axis.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if columns < 4 else 4)
    return figure


if __name__ == "__main__":
    from verify.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
