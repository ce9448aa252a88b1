"""Theorem 1 at p = 1 and p = ∞: the duality map's corners, segments of minimizers, freedom."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm1.exponents",)
CAPTION = (
    "Top left: unit spheres with the duality map as arrows; at the corners of the two extreme "
    "exponents there are many members, of which not each is an expansion. Then two problems whose "
    "minimizers at an extreme exponent fill a segment: the unique minimizers of the exponents "
    "between, the dots, lead to one point of it. Bottom right: how far one can move along the "
    "segment at a fixed small excess; the dashed line, all of it, is reached at both ends."
)

EXPONENTS = (1.0, 1.25, 2.0, 4.0, math.inf)
PANELS = {
    "tie, p = 1": ("p → 1", "all minimizers at p = 1", "limit: largest entropy"),
    "zero, p = ∞": ("p → ∞", "all minimizers at p = ∞", "limit: least |largest|"),
}
ARROW = {"arrowstyle": "->", "color": "0.25", "lw": 0.7, "shrinkA": 0, "shrinkB": 0}


def _sphere(p: float, angles: np.ndarray) -> np.ndarray:
    """Points of norm 1 in the plane, (n, 2)."""
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return points / np.linalg.norm(points, p, axis=-1, keepdims=True)


def _arrows(p: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points of the sphere with members of ∂‖·‖_p there: one, or several at a corner."""
    if p == 1:
        corners = [(np.array([1.0, 0.0]), np.array([1.0, s])) for s in np.linspace(-1, 1, 5)]
        return [*corners, (np.array([0.5, 0.5]), np.ones(2))]
    if p == math.inf:
        fans = [(np.ones(2), np.array([1 - s, s])) for s in np.linspace(0, 1, 5)]
        return [*fans, (np.array([1.0, 0.0]), np.array([1.0, 0.0]))]
    points = _sphere(p, np.linspace(0, np.pi / 2, 5))
    return [(v, np.sign(v) * np.abs(v) ** (p - 1)) for v in points]


def _balls(axis: Axes) -> None:
    """Unit spheres of ℓ^p, one beside the other, and ι or the members of ∂‖·‖_p as arrows."""
    angles = np.linspace(0, 2 * np.pi, 721)
    for k, (p, color) in enumerate(zip(EXPONENTS, plotting.COLORS, strict=False)):
        shift = np.array([4.4 * (k % 3) + 2.2 * (k // 3), -4.2 * (k // 3)])
        axis.plot(*(_sphere(p, angles) + shift).T, color=color)
        for v, s in _arrows(p):
            axis.annotate("", v + shift + 0.8 * s, v + shift, arrowprops=ARROW)
        name = "∞" if p == math.inf else f"{p:g}"
        axis.annotate(f"p = {name}", shift - [0, 1.15], ha="center", va="top", color=color)
    axis.set(aspect="equal", xticks=[], yticks=[], title="unit spheres with ι(v), drawn at v")
    axis.set(xlim=(-1.3, 11.0), ylim=(-6.0, 2.2))
    axis.spines[:].set_visible(False)


def _minimizers(axis: Axes, case: dict[str, Any], words: tuple[str, ...], color: str) -> None:
    """The segment of minimizers in the plane of two coordinates, and the unique ones on the way."""
    title, all_of_them, limit = words
    # Coordinates 1 and 2 are the features u_2 and u_1.
    ends = np.array(case["segment"]["ends"])[:, 2:0:-1]
    rows = case["approach"]["rows"]
    path = np.array([row["v"] for row in rows])[:, 2:0:-1]
    axis.plot(*ends.T, color=color, lw=4, alpha=0.45, solid_capstyle="butt", label=all_of_them)
    axis.plot(*path.T, color="black", marker="o", ms=3, lw=0.8, label="the minimizer at each p")
    star = {"color": plotting.COLORS[3], "ms": 9, "ls": "none"}
    axis.plot(*case["approach"]["limit v"][2:0:-1], marker="*", label=limit, **star)
    start = f"p = {rows[0]['p']:g}"
    axis.annotate(start, path[0], (-5, -4), textcoords="offset points", ha="right")
    axis.set(xlabel="coefficient of $u_1$", ylabel="coefficient of $u_2$", title=title)
    low, high = ends[:, 1].min(), ends[:, 1].max()
    axis.set_ylim(low - 0.05 * (high - low), high + 0.5 * (high - low))
    axis.legend(loc="upper center")


def _freedom(axis: Axes, cases: dict[str, Any], slack: float) -> None:
    """How far one can move along the segment at a relative excess of ``slack``."""
    for name, look in plotting.looks(cases).items():
        rows = cases[name]["approach"]["rows"]
        rates, widths = [r["rate"] for r in rows], [r["freedom"] for r in rows]
        toward_one = cases[name]["segment"]["p"] == 1
        label = "p → 1, against p − 1" if toward_one else "p → ∞, against 1/p"
        axis.plot(rates, widths, label=label, **look)
    axis.axhline(1, **plotting.LIMIT, ls="--")
    axis.annotate("the whole segment", (1, 1), (0, 2), textcoords="offset points", ha="right")
    axis.set(xscale="log", yscale="log", ylim=(None, 2.5))
    axis.set(xlabel="p − 1, or 1/p", ylabel="movable length / whole length")
    axis.set_title(f"freedom at a relative excess of $10^{{{round(math.log10(slack))}}}$")
    axis.legend(loc="lower left")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Unit balls; minimizers on the way to both ends; freedom against the exponent."""
    data = found["thm1.exponents"].data
    figure = Figure(figsize=(plotting.PAGE, 5.0))
    axes = figure.subplots(2, 2).ravel()
    _balls(axes[0])
    for axis, (name, words), color in zip(axes[1:3], PANELS.items(), plotting.COLORS, strict=False):
        _minimizers(axis, data["cases"][name], words, color)
    _freedom(axes[3], data["cases"], data["slack"])
    return figure
