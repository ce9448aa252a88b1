"""Theorem 1 at p = 1 and p = ∞: the duality map's corners, segments of minimizers, freedom."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record

EXPONENTS = (1.0, 1.25, 2.0, 4.0, math.inf)
PANELS = {
    "tie, p = 1": ("p → 1", "all at p = 1", "their limit: largest entropy"),
    "zero, p = ∞": ("p → ∞", "all at p = ∞", "their limit: least |largest|"),
}


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
        outline = _sphere(p, angles) + shift
        axis.plot(*outline.T, color=color)
        for v, s in _arrows(p):
            axis.annotate(
                "",
                v + shift + 0.8 * s,
                v + shift,
                arrowprops={
                    "arrowstyle": "->",
                    "color": "0.25",
                    "lw": 0.8,
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
        where = shift - [0, 1.15]
        axis.annotate(f"p = {_name(p)}", where, ha="center", va="top", color=color)
    axis.set(aspect="equal", xticks=[], yticks=[], title="unit spheres with ι(v), drawn at v")
    axis.set(xlim=(-1.3, 11.0), ylim=(-6.0, 2.2))
    axis.spines[:].set_visible(False)


def _name(p: float) -> str:
    return "∞" if p == math.inf else f"{p:g}"


def _minimizers(axis: Axes, case: dict[str, Any], words: tuple[str, ...], color: str) -> None:
    """The segment of minimizers in the plane of two coordinates, and the unique ones on the way."""
    title, all_of_them, limit = words
    # Coordinates 1 and 2 are the features u_2 and u_1.
    ends = np.array(case["segment"]["ends"])[:, 2:0:-1]
    rows = case["approach"]["rows"]
    path = np.array([row["v"] for row in rows])[:, 2:0:-1]
    axis.plot(*ends.T, color=color, lw=4, alpha=0.45, solid_capstyle="butt", label=all_of_them)
    axis.plot(*path.T, color="black", marker="o", ms=3, lw=0.8, label="the one at each p")
    axis.plot(
        *case["approach"]["limit v"][2:0:-1], "*", color=plotting.COLORS[3], ms=9, label=limit
    )
    axis.annotate(
        f"p = {rows[0]['p']:g}", path[0], (-5, -4), textcoords="offset points", ha="right"
    )
    axis.set(xlabel="coefficient of $u_1$", ylabel="coefficient of $u_2$", title=title)
    low, high = ends[:, 1].min(), ends[:, 1].max()
    axis.set_ylim(low - 0.05 * (high - low), high + 0.45 * (high - low))
    axis.legend(loc="upper center")


def _freedom(axis: Axes, cases: dict[str, Any], slack: float) -> None:
    """How far one can move along the segment at a relative excess of ``slack``."""
    curves = zip(cases.values(), plotting.COLORS, plotting.MARKERS, strict=False)
    for case, color, marker in curves:
        rows = case["approach"]["rows"]
        rates, widths = [r["rate"] for r in rows], [r["freedom"] for r in rows]
        label = "p → 1, against p − 1" if case["segment"]["p"] == 1 else "p → ∞, against 1/p"
        axis.plot(rates, widths, color=color, marker=marker, label=label)
    axis.axhline(1, color="black", lw=1, ls="--")
    axis.annotate("the whole segment", (1, 1), (0, 3), textcoords="offset points", ha="right")
    axis.set(
        xscale="log",
        yscale="log",
        xlabel="p − 1, or 1/p",
        ylabel="movable length / segment's length",
        ylim=(None, 2.5),
        title=f"freedom at a relative excess of $10^{{{round(math.log10(slack))}}}$",
    )
    axis.legend(loc="lower left")


def draw(folder: Path) -> Figure:
    """Unit balls; minimizers on the way to both ends; freedom against the exponent."""
    data = load_record("thm1.exponents", folder).evidence.data
    figure = Figure(figsize=(9.0, 7.0))
    axes = figure.subplots(2, 2).ravel()
    _balls(axes[0])
    for axis, (name, words), color in zip(axes[1:3], PANELS.items(), plotting.COLORS, strict=False):
        _minimizers(axis, data["cases"][name], words, color)
    _freedom(axes[3], data["cases"], data["slack"])
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
