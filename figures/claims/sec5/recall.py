"""Associative recall: accuracy against self-weight, and against the dimension of the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.recall",)
CAPTION = (
    "Accuracy of trained heads on associative recall of one of eight values, against their self- "
    "weight and against the kernel's feature dimension D, infinite at the right end; the gray "
    "line is chance. Dark: sixteen keys of the plane, mean of the seeds; hollow: the arrangements "
    "that theory knows, without training; faint: other d and n. Dimension does not order the "
    "kernels: blunt ones of infinite dimension recall less than short Taylor cuts, and a long cut "
    "as much as EDP. Recall asks for the self-weight itself, so that the left panel proves "
    "nothing about text."
)

N, D = 16, 2
SHORT = {"EDP, key-norm bias": "EDP + key-norm bias", "learned features": "learned"}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """The same accuracies against two predictors."""
    data = found["sec5.recall"].data
    figure = Figure(figsize=(plotting.PAGE, 3.4))
    left, right = figure.subplots(1, 2, sharey=True)
    rows = data["rows"]
    widest = max(row["features"] or 0 for row in rows)
    infinite = 8 * widest
    _panel(left, rows, lambda row: mean(row["self_weight"]))
    _panel(right, rows, lambda row: row["features"] or infinite)
    known = data["arrangements"]
    hollow = {"color": "0.4", "marker": "D", "mfc": "white", "ls": "none", "ms": 4, "zorder": 1}
    table = [row for row in rows if _dark(row)]
    accuracies = [known[row["kernel"]]["accuracy"] for row in table]
    weights = [known[row["kernel"]]["self_weight"] for row in table]
    left.plot(weights, accuracies, **hollow)
    dimensions = [row["features"] or infinite for row in table]
    right.plot(dimensions, accuracies, **hollow, label="arrangement, not trained")
    told = data["correlations"]
    left.set(xlabel=f"self-weight (rank correlation {told['self_weight']:.2f})", ylabel="accuracy")
    left.axhline(1 / 8, color="0.8", lw=0.8, zorder=0)
    right.axhline(1 / 8, color="0.8", lw=0.8, zorder=0)
    right.set(xscale="log", xlabel=f"feature dimension D (rank correlation {told['features']:.2f})")
    places = [place for place in (1, 10, 100, 1000) if place <= widest]
    right.set_xticks([*places, infinite], [*map(str, places), "∞"])
    right.set_xticks([], minor=True)
    _labels(left, rows, lambda row: mean(row["self_weight"]))
    _labels(right, rows, lambda row: row["features"] or infinite)
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 0.06))
    return figure


def _dark(row: Mapping[str, Any]) -> bool:
    return (row["d"], row["n"]) == (D, N)


def _panel(axis: Axes, rows: list[dict[str, Any]], place: Any) -> None:
    faint = [row for row in rows if not _dark(row)]
    accuracies = [mean(row["accuracy"]) for row in faint]
    axis.plot([place(row) for row in faint], accuracies, ".", color="0.8", ms=3, zorder=1)
    looks = plotting.looks(("finite", "infinite"))
    for kind, look in looks.items():
        some = [row for row in rows if _dark(row) and bool(row["features"]) == (kind == "finite")]
        accuracies = [mean(row["accuracy"]) for row in some]
        axis.plot([place(row) for row in some], accuracies, ls="none", label=f"D {kind}", **look)


def _labels(axis: Axes, rows: list[dict[str, Any]], place: Any) -> None:
    """Names beside the dark markers, those that coincide in one line."""
    groups: dict[tuple, list[str]] = {}
    for row in (row for row in rows if _dark(row)):
        point = place(row), mean(row["accuracy"])
        near = next((p for p in groups if _close(axis, p, point)), point)
        groups.setdefault(near, []).append(SHORT.get(row["kernel"], row["kernel"]))
    middle = axis.bbox.x0 + axis.bbox.width / 2
    for (x, y), names in groups.items():
        side = axis.transData.transform((x, y))[0] > middle
        if many := len(names) > 2:
            names = sorted(names, key=len, reverse=y < 0.9)  # the shortest nearest
        axis.annotate(
            (",\n" if many else ", ").join(names),
            (x, y),
            xytext=(-8 if side else 8, 0),
            textcoords="offset points",
            ha="right" if side else "left",
            va="top" if y > 0.9 else "bottom" if many else "center",
            fontsize=7,
        )


def _close(axis: Axes, first: tuple[float, float], second: tuple[float, float]) -> bool:
    """Whether the names of two points would lie upon each other."""
    (a, b), (c, d) = axis.transData.transform([first, second]) * 72 / axis.figure.dpi
    return abs(a - c) < 16 and abs(b - d) < 9
