"""Theorem 2: how far plain Adam falls behind the floor, and where its error comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.studies.rows import MIDDLE, WIDE, errors_by_dimension, like_the_first

RECORDS = ("thm2.trained", "thm2.limit")
CAPTION = (
    "Top left: the error of heads that plain Adam has trained, over the Schmidt floor, where that "
    "can be resolved; the black line is the floor. The ratio grows with d for every target. The "
    "other panels split the error of three of them, squared parts adding up to the whole: the "
    "floor of rank d in black, what more width would save, and what better optimization would. "
    "From a moderate d on nearly all of Adam's error is optimization."
)

Rows = list[dict[str, Any]]


def _ratios(axis: Axes, medians: dict[str, dict[str, float]]) -> None:
    for name, look in plotting.looks(medians).items():
        dims = [int(d) for d in medians[name]]
        axis.plot(dims, list(medians[name].values()), label=name.replace("_", " "), **look)
    axis.axhline(1, **plotting.LIMIT, zorder=0)
    axis.axhspan(1e-2, 1, **plotting.OUT_OF_REACH, zorder=0)
    axis.annotate("no logit can be here", (0.97, 0.02), xycoords="axes fraction", ha="right")
    places = sorted({int(d) for ratios in medians.values() for d in ratios})
    axis.set(yscale="log", ylim=(0.02, 1e13), xticks=places)
    axis.set(xlabel="head dimension d", ylabel="Adam's L² error / floor")
    axis.set_title(f"plain Adam, m = {WIDE}: median of the seeds")
    axis.legend(loc="upper left", ncols=2, labelspacing=0.2, columnspacing=0.8)


def _split(axis: Axes, name: str, projected: Rows, plain: Rows) -> None:
    """Rank, width and optimization error at one width: their squares add up to Adam's."""
    trained = {d: min(e) for d, e in errors_by_dimension(projected, name, MIDDLE).items()}
    adam = {d: min(e) for d, e in errors_by_dimension(plain, name, MIDDLE).items()}
    dims = [d for d in adam if d in trained]
    there = {row["d"]: row["floor_there"] for row in projected if row["target"] == name}
    width = [_part(trained[d], there[d]) for d in dims]
    optimization = [_part(adam[d], trained[d]) for d in dims]
    looks = plotting.looks(("optimization", "width"))
    axis.plot(dims, [there[d] for d in dims], **plotting.LIMIT, marker="x", label="rank: the floor")
    axis.plot(dims, width, label="width: best head of m units", **looks["width"])
    label = "optimization: Adam's best head"
    axis.plot(dims, optimization, label=label, **looks["optimization"])
    axis.set(yscale="log", xticks=dims, xlabel="head dimension d")
    axis.set(ylabel="part of the L² error", title=f"{name}, m = {MIDDLE}")


def _part(whole: float, rest: float) -> float:
    """What is left of an error without the rest, in squares; not drawn where that is rounding."""
    return float(np.sqrt(whole**2 - rest**2)) if whole > rest else np.nan


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Ratios to the floor of all targets; three splits of the error."""
    trained, limit = (found[name].data for name in RECORDS)
    projected = [row for row in limit["rows"] if row["start"] == "constructive"]
    middle = [row for row in like_the_first(trained["rows"]) if row["width"] == MIDDLE]
    names = list(dict.fromkeys(row["target"] for row in middle))[:3]
    figure = Figure(figsize=(plotting.PAGE, 4.8))
    axes = figure.subplots(2, 2)
    _ratios(axes[0, 0], trained["median_ratio"])
    for axis, name in zip(axes.flat[1:], names, strict=False):
        _split(axis, name, projected, middle)
    for axis in axes.flat[1 + len(names) :]:
        axis.axis("off")
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
