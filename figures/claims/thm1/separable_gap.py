"""Theorem 1, separable reading: functions, coefficients and gaps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.records import load_record

SHOWN = (1.25, 2.0, 4.0)
"""The exponents whose gaps are drawn."""

FLOOR = 1e-16
"""Gaps below are rounding and drawn here."""

LOSSES = {
    "Squared": "-",
    "Logistic": (0, (5, 1)),
    "Huber": (0, (1, 1)),
    "Hinge": "-.",
    "EpsilonInsensitive": (0, (3, 1, 1, 1, 1, 1)),
}
"""Line styles: in this figure colors and markers are exponents."""


def _functions(axis: Axes, data: dict[str, Any], name: str, points: list[float]) -> None:
    """f* or g* by p, with what the data leave for it at p = 2 as ticks."""
    for picture, color, marker in zip(
        data["pictures"], plotting.COLORS, plotting.MARKERS, strict=False
    ):
        label = f"p = {picture['p']:g}"
        axis.plot(
            data["grid"], picture[name], color=color, marker=marker, markevery=20, label=label
        )
        if picture["p"] == 2:
            left = picture[f"partial {name}"]
            axis.plot(points, left, "_", color="0.3", ms=9, mew=1.5, label="data − rest, p = 2")
    variable = {"f": "x", "g": "y"}[name]
    axis.set(
        xticks=[-1, -0.5, 0, 0.5, 1],
        xlabel=variable,
        ylabel=f"{name}*({variable})",
        title=f"{name}* by the exponent p: squared loss, λ = {data['alpha']:g}",
    )


def _coefficients(axis: Axes, data: dict[str, Any], name: str) -> None:
    """ξ_i or ζ_j by p, side by side at each point."""
    symbol, index, points, sections = {
        "xi": ("ξ", "i", "target", "ι(f*) ∝ $\\Sigma$ ξ$_i$ κ(x$_i$, ·)"),
        "zeta": ("ζ", "j", "source", "ι(g*) ∝ $\\Sigma$ ζ$_j$ κ(·, y$_j$)"),
    }[name]
    count = len(data["pictures"])
    places = np.arange(len(data["pictures"][0][name]))
    axis.axhline(0, color="0.6", lw=0.8)
    for k, picture in enumerate(data["pictures"]):
        at = places + (k - (count - 1) / 2) * 0.14
        axis.vlines(at, 0, picture[name], color=plotting.COLORS[k], lw=1)
        axis.plot(at, picture[name], plotting.MARKERS[k], color=plotting.COLORS[k], ms=4)
    axis.set(
        xticks=places,
        xticklabels=range(1, len(places) + 1),
        xlabel=f"{points} {index}",
        ylabel=f"{symbol}$_{index}$",
        title=sections,
    )
    handles = [
        Line2D([], [], color=color, marker=marker, lw=1, label=f"{picture['p']:g}")
        for picture, color, marker in zip(
            data["pictures"], plotting.COLORS, plotting.MARKERS, strict=False
        )
    ]
    axis.set_ylim(None, _headroom(axis))
    axis.legend(handles=handles, title="p", ncols=count, loc="upper center", columnspacing=1)


def _headroom(axis: Axes) -> float:
    """The upper limit that leaves a quarter of the axis to a legend."""
    low, high = axis.get_ylim()
    return high + 0.35 * (high - low)


def _keys(exponents: list[float], tolerance: float, names: list[str]) -> list[Line2D]:
    """A legend's entries: exponents by color and marker, losses by line style."""
    handles = [
        Line2D(
            [], [], color=plotting.COLORS[k], marker=plotting.MARKERS[k], lw=1, label=f"p = {p:g}"
        )
        for k, p in enumerate(exponents)
        if p in SHOWN
    ]
    words = f"tolerance $10^{{{round(np.log10(tolerance))}}}$"
    handles.append(Line2D([], [], color="black", ls="--", lw=0.8, label=words))
    handles += [
        Line2D(
            [],
            [],
            color="0.3",
            ls=LOSSES[name],
            lw=1,
            label=name.replace("EpsilonI", "ε-i"),
        )
        for name in names
    ]
    return handles


def _gaps(axis: Axes, data: dict[str, Any], smooth: bool) -> None:
    """Relative gap after each stage against Newton steps, and the tolerance."""
    rows = data["table"]
    exponents = sorted({row["p"] for row in rows})
    shown = [row for row in rows if row["p"] in SHOWN and (row["tolerance"] < 1e-8) is smooth]
    names = []
    for row in shown:
        k, name = exponents.index(row["p"]), row["loss"].split("(")[0]
        steps, gaps = np.array(row["history"]).T
        axis.plot(
            steps,
            np.maximum(np.abs(gaps), FLOOR),
            color=plotting.COLORS[k],
            marker=plotting.MARKERS[k],
            ls=LOSSES[name],
            lw=1,
            ms=4,
        )
        names += [name] if name not in names else []
    (tolerance,) = {row["tolerance"] for row in shown}
    axis.axhline(tolerance, color="black", lw=0.8, ls="--")
    axis.set(
        yscale="log",
        ylim=(FLOOR / 10, 1e7) if smooth else (1e-8, 1e4),
        xlabel="Newton steps",
        ylabel="relative Fenchel gap",
        title=("smooth losses" if smooth else "losses with kinks") + f", λ = {data['alpha']:g}",
    )
    handles = _keys(exponents, tolerance, names)
    axis.legend(handles=handles, ncols=2, loc="upper right", labelspacing=0.25)


def draw(folder: Path) -> Figure:
    """f*, g*; ξ, ζ; the gap of smooth losses and of losses with kinks."""
    data = load_record("thm1.separable_gap", folder).evidence.data
    figure = Figure(figsize=(8.6, 9.0))
    axes = figure.subplots(3, 2)
    for axis, name, points in zip(axes[0], "fg", (data["x"], data["y"]), strict=True):
        _functions(axis, data, name, points)
        axis.set_ylim(None, _headroom(axis))
        handles = sorted(axis.lines, key=lambda line: line.get_label().startswith("data"))
        axis.legend(handles=handles, loc="upper center", ncols=2)
    for axis, name in zip(axes[1], ("xi", "zeta"), strict=True):
        _coefficients(axis, data, name)
    for axis, smooth in zip(axes[2], (True, False), strict=True):
        _gaps(axis, data, smooth)
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
