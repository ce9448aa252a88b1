"""The geometry matrix: how far each optimizer's end is from each norm; AdamW's β₂ and ε."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("deep.geometry",)
CAPTION = (
    "Top: how far the maps where each optimizer ends are from the optimality conditions of each "
    "norm's ball, in powers of ten, the largest gap of all seeds; framed is the norm that theory "
    "names. One seed's polar descent was not at rest. Bottom left: AdamW's gap in ℓ^∞ by its "
    "memory, after the steps that are enough for the shortest one, and after steps that are the "
    "smaller, the longer it is; bars span the seeds. Bottom right: AdamW's ε, which takes it from "
    "ℓ^∞ to Hilbert space, with ελ fixed from the dotted line on."
)
NORMS = ("Frobenius", "entrywise ℓ^∞", "entrywise ℓ¹", "spectral", "nuclear")
SHORT = {"entrywise ℓ^∞": r"$\ell^\infty$", "entrywise ℓ¹": r"$\ell^1$"}
LEAST = 1e-16
"""Below it gaps are rounding."""
EACH_SEED = {"capsize": 2, "ms": 4}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """The matrix, β₂ and ε."""
    rows = found["deep.geometry"].data["rows"]
    figure = Figure(figsize=(plotting.PAGE, 5.4))
    axes = figure.subplot_mosaic(
        [["matrix", "matrix"], ["memory", "epsilon"]], height_ratios=(3, 2)
    )
    _matrix(axes["matrix"], [row for row in rows if row["d"] == rows[0]["d"]])
    _memory(axes["memory"], rows)
    _epsilon(axes["epsilon"], rows)
    return figure


def _matrix(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    mine = [row for row in rows if not any(x in row["recipe"] for x in ("ε", "steps", ", λ ="))]
    gaps = np.array([[row["gaps"][name][1] for name in NORMS] for row in mine])
    powers = np.log10(np.maximum(gaps, LEAST))
    image = axis.imshow(powers, cmap=plotting.POSITIVE_MAP, vmin=-16, vmax=0, aspect="auto")
    for (i, j), power in np.ndenumerate(powers):
        color = "black" if power > -5 else "white"
        axis.text(j, i, f"{power:.1f}".replace("-", "−"), ha="center", va="center", color=color)
    for i, row in enumerate(mine):
        corner = NORMS.index(row["norm"]) - 0.5, i - 0.5
        axis.add_patch(Rectangle(corner, 1, 1, fill=False, ec="tab:red", lw=2, clip_on=False))
    axis.set_xticks(range(len(NORMS)), [SHORT.get(name, name) for name in NORMS])
    axis.set_yticks(range(len(mine)), [row["recipe"] for row in mine])
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.figure.colorbar(image, ax=axis, label="log₁₀ of the gap")


def _memory(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    names = {"usual steps": "equally many steps", "slow steps": "steps small against 1 − β₂"}
    for (kind, label), look in zip(names.items(), plotting.looks(names).values(), strict=True):
        mine = [row for row in rows if kind in row["recipe"]]
        if not mine:  # a quick run has no slow steps
            continue
        memory = [1 / (1 - _number(row["recipe"], "β₂ = ")) for row in mine]
        _spans(axis, memory, [row["gaps"]["entrywise ℓ^∞"] for row in mine], label, look)
    axis.set(xscale="log", yscale="log", ylim=(1e-10, 1e4))
    axis.set(xlabel="memory 1/(1 − β₂), in steps", ylabel=r"gap in $\ell^\infty$")
    axis.legend(loc="upper left")


def _epsilon(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    mine = [row for row in rows if "ε = " in row["recipe"]]
    epsilon = [_number(row["recipe"], "ε = ") for row in mine]
    names = ("entrywise ℓ^∞", "Frobenius")
    for name, look in plotting.looks(names).items():
        label = SHORT.get(str(name), str(name))
        _spans(axis, epsilon, [row["gaps"][name] for row in mine], label, look)
    axis.axvline(0.03, **plotting.LIMIT, ls=":")  # from here on recipes keep ελ
    axis.set(xscale="log", yscale="log", ylim=(1e-8, 3), xlabel="AdamW's ε", ylabel="gap")
    axis.legend(loc="lower left", fontsize=8)  # it has a superscript


def _spans(
    axis: Axes, x: Sequence[float], spans: Sequence[Sequence[float]], label: str, look: Any
) -> None:
    """The least and the largest of the seeds, from the geometric mean of both."""
    low, high = np.maximum(np.array(spans, dtype=float).T, LEAST)
    middle = np.sqrt(low * high)
    axis.errorbar(x, middle, [middle - low, high - middle], label=label, **EACH_SEED, **look)


def _number(recipe: str, before: str) -> float:
    """The number in a recipe's name."""
    return float(recipe.partition(before)[2].partition(",")[0])
