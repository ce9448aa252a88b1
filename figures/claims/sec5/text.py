"""Language models: NLL by kernel, declared differences, and NLL against two predictors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.text",)
CAPTION = (
    "Language models that differ in the kernel alone: how far the NLL of a token is above that of "
    "EDP with the same seed, which is the line at zero; bars are t intervals of the paired "
    "differences (of a quick run, the range of its seeds), colored lines with bands those of "
    "uniform attention. Top: uniform attention and Taylor cuts up to EDP, and two kernels of "
    "another kind; beside them the differences that were declared beforehand, the first kernel "
    "said to be the worse, with p by Holm, squares being those that were said to be within the "
    "gray margin. Middle: losses in training above EDP's on the same batches, means over seeds and "
    "a twentieth of the steps. Below: the same NLL against attainable self-weight and against "
    "feature dimension, infinite at the right end; six kernels can rank these two, and prove "
    "neither."
)

ORDER = ("uniform", "T2", "T4", "EDP", "quadratic", "L2")
"""Cuts of EDP's series, uniform attention being that of order zero, and then the others."""
WORDS = {
    "holds": "as declared",
    "reversed": "reversed",
    "different": "beyond the margin",
    "undecided": "undecided",
}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """One outcome by kernel, by hypothesis, and against each predictor."""
    data = found["sec5.text"].data
    rows = data["kernels"]
    figure = Figure(figsize=(plotting.PAGE, 7.8))
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(1.15, 0.9, 1))
    by_name, declared = top.subplots(1, 2, width_ratios=(1, 0.75))
    left, right = bottom.subplots(1, 2, sharey=True)
    names = [name for name in ORDER if any(row["kernel"] == name for row in rows)]
    _panel(by_name, rows, lambda row: names.index(row["kernel"]), shift=0.15)
    by_name.set_xticks(range(len(names)), names, fontsize=7)
    by_name.set(ylabel="NLL − EDP's, nats", xlabel="kernel")
    by_name.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    _forest(declared, data["hypotheses"], data["margin"])
    _learning(middle, data["curves"])
    infinite = 8 * max(row["features"] or 0 for row in rows)

    def dimension(row: Mapping[str, Any]) -> float:
        return row["features"] or infinite

    _panel(left, rows, _weight)
    left.set(
        xlabel=_told(data, "self-weight, logits ±8", "self-weight"), ylabel="NLL − EDP's, nats"
    )
    _panel(right, rows, dimension)
    right.set(xscale="log", xlabel=_told(data, "feature dimension", "feature dimension D"))
    places = [place for place in (1, 10, 100, 1000) if 8 * place <= infinite]
    right.set_xticks([*places, infinite], [*map(str, places), "∞"])
    right.set_xticks([], minor=True)
    for axis, place in ((left, _weight), (right, dimension)):
        widest = max(row["d"] for row in rows)
        mine = (row for row in rows if row["d"] == widest)
        plotting.name_points(axis, {row["kernel"]: (place(row), row["excess"]) for row in mine})
    return figure


def _learning(figure: SubFigure, curves: list[dict[str, Any]]) -> None:
    """Losses in training above EDP's on the same batches, at each head dimension."""
    dims = sorted({curve["d"] for curve in curves})
    looks = plotting.looks(name for name in ORDER if name != "EDP")
    axes = figure.subplots(1, len(dims), sharey=True, squeeze=False)[0]
    for axis, d in zip(axes, dims, strict=True):
        losses = {c["kernel"]: np.asarray(c["loss"]) for c in curves if c["d"] == d}
        shares = (np.arange(len(losses["EDP"])) + 0.5) / len(losses["EDP"])
        axis.axhline(0, **plotting.LIMIT, zorder=1)
        for name, look in looks.items():
            if name in losses:
                axis.plot(shares, losses[name] - losses["EDP"], label=name, **look, ms=2.5, lw=0.9)
        axis.set(xlabel="share of the steps", title=f"in training, d = {d}")
    axes[0].set_ylabel("loss − EDP's, nats")
    axes[0].legend(ncols=2, fontsize=7)


def _weight(row: Mapping[str, Any]) -> float:
    return row["self_weight"]


def _told(data: Mapping[str, Any], predictor: str, name: str) -> str:
    """An axis's label, with the rank correlation at each head dimension."""
    ranks = data["rank_correlations"]
    told = ", ".join(f"{ranked[predictor][0]:.2f} at d = {d}" for d, ranked in ranks.items())
    return f"{name}\n(rank correlation {told.replace('-', '−')})"


def _panel(
    axis: Axes,
    rows: list[dict[str, Any]],
    place: Callable[[Mapping[str, Any]], float],
    shift: float = 0.0,
) -> None:
    dims = sorted({row["d"] for row in rows})
    axis.axhline(0, **plotting.LIMIT, zorder=1)
    for number, (d, look) in enumerate(plotting.looks(dims).items()):
        mine = [row for row in rows if row["d"] == d]
        face = {"mfc": "white"} if number else {}
        for row in mine:
            x = place(row) + shift * (number - (len(dims) - 1) / 2)
            axis.vlines(x, *row["interval"], color=look["color"], lw=1)
            axis.plot([x], [row["excess"]], ls="none", **look, **face, zorder=3)
        axis.plot([], [], ls="none", label=f"d = {d}", **look, **face)
        uniform = next(row for row in mine if row["kernel"] == "uniform")
        style = ("--", ":")[number % 2]
        axis.axhline(uniform["excess"], color=look["color"], ls=style, lw=1, zorder=0)
        axis.axhspan(*uniform["interval"], color=look["color"], alpha=0.12, lw=0, zorder=0)


def _forest(axis: Axes, hypotheses: list[dict[str, Any]], margin: float) -> None:
    """Each declared difference with its interval; what was not tested is said to be so."""
    tested = [row for row in hypotheses if "interval" in row]
    if not tested:
        axis.axis("off")
        axis.text(0.5, 0.5, "declared differences:\nof a full run only", ha="center", va="center")
        return
    looks = plotting.looks(("differences", "equivalences"))
    axis.axvline(0, **plotting.LIMIT, zorder=1)
    axis.axvspan(-margin, margin, **plotting.OUT_OF_REACH, zorder=0)
    for height, row in enumerate(tested):
        look = looks[row["kind"]]
        axis.hlines(height, *row["interval"], color=look["color"], lw=1)
        axis.plot([row["mean"]], [height], ls="none", **look)
    names = [
        f"{row['name']}\n{WORDS[row['verdict']]}, p {'<' if row['p'] < 0.001 else '='} "
        f"{max(row['p'], 0.001):.1g}"
        for row in tested
    ]
    axis.set_yticks(range(len(tested)), names, fontsize=7)
    axis.set_ylim(len(tested) - 0.4, -0.6)
    axis.set_xlabel("difference of NLL, nats")
