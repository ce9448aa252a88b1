"""Errors of heads by teacher and optimizer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("deep.geometry_errors",)
CAPTION = (
    "Heads trained on noisy pointers by teachers whose form suits one norm or another. Left: the "
    "share of wrong pointers of six optimizers, means over seeds with their intervals: the best "
    "one changes with the teacher. Normalized gradients, whose space is Hilbert's, are the "
    "baseline, which rank-one descent beats wherever the teacher has rank one. Right: the "
    "effective rank of what was learned."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Errors and ranks."""
    table = found["deep.geometry_errors"].data["table"]
    figure = Figure(figsize=(plotting.PAGE, 3.6))
    left, right = figure.subplots(1, 2, sharey=True)
    _dots(left, table, "error", "share of wrong pointers")
    _dots(right, table, "effective_rank", "effective rank of M")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _dots(axis: Axes, table: list[dict], key: str, label: str) -> None:
    teachers = list(dict.fromkeys(row["teacher"] for row in table))
    looks = plotting.looks(row["optimizer"] for row in table)
    for place, (name, look) in enumerate(looks.items()):
        rows = [row for row in table if row["optimizer"] == name]
        x = [row[key] for row in rows]
        y = [teachers.index(row["teacher"]) + (place - (len(looks) - 1) / 2) / 8 for row in rows]
        low, high = zip(*(row["interval"] for row in rows), strict=True)
        spans = [np.subtract(x, low), np.subtract(high, x)] if key == "error" else None
        axis.errorbar(x, y, xerr=spans, ls="none", ms=4, label=name, **look)
    axis.set_yticks(range(len(teachers)), teachers)
    axis.set(xlabel=label, ylim=(len(teachers) - 0.5, -0.5))
    axis.set_xlim(left=0)
