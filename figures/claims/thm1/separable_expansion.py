"""Theorem 1, separable reading: the functions, their coefficients, and where ι of them is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.separable_expansion", "thm1.separable_gap")
CAPTION = (
    "Top: f* and g* of one problem by the exponent p of the norm. Bottom left: the coefficients ξ "
    "of ι(f*) in the kernel sections at the targets. Bottom right: how far f*, g* and their images "
    "under the duality map ι are from the span of the sections, in problems with five losses; "
    "markers are medians, bars go from the least to the largest, and the black line is the "
    "tolerance. With ι the distance is rounding for every p; without it there is no expansion "
    "unless p = 2."
)

TOLERANCE = "worst distance of ι(f*), ι(g*) from the span"
KEYS = {"ι(f*), ι(g*)": "off span", "f*, g* themselves": "without ι"}


def _functions(axis: Axes, data: dict[str, Any], name: str, points: list[float]) -> None:
    """f* or g* by p; ticks at the bottom: the points of the data."""
    looks = plotting.looks(picture["p"] for picture in data["pictures"])
    for picture in data["pictures"]:
        label, look = f"p = {picture['p']:g}", looks[picture["p"]]
        axis.plot(data["grid"], picture[name], markevery=20, label=label, **look)
    transform = axis.get_xaxis_transform()
    axis.plot(points, [0.03] * len(points), "|", color="black", ms=7, transform=transform)
    variable, which = {"f": ("x", "targets"), "g": ("y", "sources")}[name]
    axis.set(xlabel=f"{variable} (ticks: the {which})", ylabel=f"{name}*({variable})")
    axis.set(xticks=[-1, -0.5, 0, 0.5, 1], title=f"{name}*, squared loss, λ = {data['alpha']:g}")


def _coefficients(axis: Axes, pictures: list[dict[str, Any]]) -> None:
    """ξ_i by p, side by side at each target."""
    looks = plotting.looks(picture["p"] for picture in pictures)
    places = np.arange(len(pictures[0]["xi"]))
    axis.axhline(0, color="0.6", lw=0.8)
    for k, picture in enumerate(pictures):
        look = looks[picture["p"]]
        at = places + (k - (len(pictures) - 1) / 2) * 0.15
        axis.vlines(at, 0, picture["xi"], color=look["color"], lw=1)
        axis.plot(at, picture["xi"], ls="none", ms=3, **look)
    axis.set(xticks=places, xticklabels=range(1, len(places) + 1))
    axis.set(xlabel="target i", ylabel="ξ$_i$", title="ι(f*) ∝ Σ ξ$_i$ κ(x$_i$, ·)")


def _distances(axis: Axes, evidence: Evidence) -> None:
    groups: dict[str, dict[float, list[float]]] = {label: defaultdict(list) for label in KEYS}
    for row in evidence.data["table"]:
        for label, key in KEYS.items():
            groups[label][row["p"]].append(row[key])
    plotting.ranges(axis, groups)
    tolerance = bound(evidence, TOLERANCE)
    axis.axhline(tolerance, **plotting.TOLERANCE)
    axis.set(yscale="log", ylim=(1e-17, 1e2), xlabel="exponent p")
    axis.set(ylabel="distance, relative", title="distance from the span of the sections")
    plotting.set_ticks(axis.xaxis, groups["f*, g* themselves"])
    axis.legend(loc="center right", bbox_to_anchor=(1, 0.31))


def draw(found: Mapping[str, Evidence]) -> Figure:
    """f*, g*; ξ; distances from the span."""
    data = found["thm1.separable_gap"].data
    figure = Figure(figsize=(plotting.PAGE, 4.6))
    axes = figure.subplots(2, 2)
    _functions(axes[0, 0], data, "f", data["x"])
    _functions(axes[0, 1], data, "g", data["y"])
    _coefficients(axes[1, 0], data["pictures"])
    _distances(axes[1, 1], found["thm1.separable_expansion"])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure
