"""Declared hypotheses, and kernels against what predicts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from rkbs.plotting.names import name_points
from rkbs.plotting.sheet import LIMIT, OUT_OF_REACH, looks

VERDICTS = {
    "holds": "as declared",
    "reversed": "reversed",
    "different": "beyond the margin",
    "undecided": "undecided",
}
"""Of hypotheses, in words."""


def declared_differences(
    axis: Axes, hypotheses: Iterable[Mapping[str, Any]], label: str, margin: float = 0.0
) -> None:
    """Draw what was found of hypotheses: a difference with its interval each, from top to bottom.

    Parameters
    ----------
    axis : Axes
    hypotheses : iterable of mappings
        With ``name``, ``kind`` ("differences" or "equivalences"), ``mean``, ``interval``, ``p`` and
        ``verdict``, one of ``VERDICTS``; those without an interval are left out.
    label : str
        Of the horizontal axis.
    margin : float
        Of equivalences: shaded on both sides of 0.
    """
    tested = [row for row in hypotheses if "interval" in row]
    if not tested:
        axis.axis("off")
        axis.text(0.5, 0.5, "declared differences:\nof a full run only", ha="center", va="center")
        return
    kinds = looks(("differences", "equivalences"))
    axis.axvline(0, **LIMIT, zorder=1)
    axis.axvspan(-margin, margin, **OUT_OF_REACH, zorder=0)
    for height, row in enumerate(tested):
        look = kinds[row["kind"]]
        axis.hlines(height, *row["interval"], color=look["color"], lw=1)
        axis.plot([row["mean"]], [height], ls="none", **look)
    names = [
        f"{row['name']}\n{VERDICTS[row['verdict']]}, p {'<' if row['p'] < 0.001 else '='} "
        f"{max(row['p'], 0.001):.1g}"
        for row in tested
    ]
    axis.set_yticks(range(len(tested)), names, fontsize=7)
    axis.set_ylim(len(tested) - 0.4, -0.6)
    axis.set_xlabel(label)


def excess_by_kernel(
    axis: Axes,
    rows: Sequence[Mapping[str, Any]],
    place: Callable[[Mapping[str, Any]], float],
    shift: float = 0.0,
) -> None:
    """Draw how far kernels are from the one at 0, each head dimension in a look of its own.

    Parameters
    ----------
    axis : Axes
    rows : sequence of mappings
        With ``kernel``, ``d``, ``excess`` and its ``interval``; the kernel ``"uniform"`` is
        drawn as a line with a band as well.
    place : callable
        Row → where it stands on the horizontal axis, whose scale is set before.
    shift : float
        Between head dimensions, where kernels stand at the same place in all of them.
    """
    dims = sorted({row["d"] for row in rows})
    axis.axhline(0, **LIMIT, zorder=1)
    for number, (d, look) in enumerate(looks(dims).items()):
        face = {"mfc": "white"} if number else {}
        for row in (row for row in rows if row["d"] == d):
            x = place(row) + shift * (number - (len(dims) - 1) / 2)
            axis.vlines(x, *row["interval"], color=look["color"], lw=1)
            axis.plot([x], [row["excess"]], ls="none", **look, **face, zorder=3)
            if row["kernel"] == "uniform":
                style = ("--", ":")[number % 2]
                axis.axhline(row["excess"], color=look["color"], ls=style, lw=1, zorder=0)
                axis.axhspan(*row["interval"], color=look["color"], alpha=0.12, lw=0, zorder=0)
        axis.plot([], [], ls="none", label=f"d = {d}", **look, **face)


def against_predictors(
    figure: Figure | SubFigure, data: Mapping[str, Any], predictors: Sequence[str], label: str
) -> None:
    """Draw the excess of kernels against attainable self-weight and against feature dimension.

    Parameters
    ----------
    figure : figure or subfigure
        That gets two panels.
    data : mapping
        With ``kernels``, rows as of ``excess_by_kernel`` that have ``self_weight`` and ``features``
        (None for infinity, which is drawn at the right end), too, and ``rank_correlations``: by
        head dimension, by predictor, the number of all seeds first.
    predictors : sequence of two str
        Names of self-weight and of feature dimension there.
    label : str
        Of the vertical axis.
    """
    rows = data["kernels"]
    left, right = axes = figure.subplots(1, 2, sharey=True)
    infinite, widest = 8 * max(row["features"] or 0 for row in rows), max(row["d"] for row in rows)
    right.set_xscale("log")
    places: tuple[Callable[[Mapping[str, Any]], float], ...] = (
        lambda row: row["self_weight"],
        lambda row: row["features"] or infinite,
    )
    words = "self-weight", "feature dimension D"
    for axis, place, predictor, word in zip(axes, places, predictors, words, strict=True):
        ranks = data["rank_correlations"].items()
        each = ", ".join(f"{ranked[predictor][0]:.2f} at d = {d}" for d, ranked in ranks)
        axis.set_xlabel(f"{word}\n(rank correlation {each.replace('-', '−')})")
        excess_by_kernel(axis, rows, place)
    left.set_ylabel(label)
    ticks = [tick for tick in (1, 10, 100, 1000) if 8 * tick <= infinite]
    right.set_xticks([*ticks, infinite], [*map(str, ticks), "∞"])
    right.set_xticks([], minor=True)
    for axis, place in zip(axes, places, strict=True):
        named = (row for row in rows if row["d"] == widest)
        name_points(axis, [(place(row), row["excess"], row["kernel"]) for row in named])


def learning_curves(
    figure: Figure | SubFigure,
    curves: Sequence[Mapping[str, Any]],
    names: Iterable[str],
    against: str,
    label: str,
) -> None:
    """Draw losses in training above those of one kernel, a panel for each head dimension.

    Parameters
    ----------
    figure : figure or subfigure
        That gets the panels.
    curves : sequence of mappings
        With ``kernel``, ``d`` and ``loss``, equally many numbers over equal shares of the steps.
    names : iterable of str
        Kernels in the order in which they are told.
    against : str
        The kernel whose losses are subtracted.
    label : str
        Of the vertical axis.
    """
    dims = sorted({curve["d"] for curve in curves})
    shown = looks(name for name in names if name != against)
    axes = figure.subplots(1, len(dims), sharey=True, squeeze=False)[0]
    for axis, d in zip(axes, dims, strict=True):
        losses = {c["kernel"]: np.asarray(c["loss"]) for c in curves if c["d"] == d}
        shares = (np.arange(len(losses[against])) + 0.5) / len(losses[against])
        axis.axhline(0, **LIMIT, zorder=1)
        for name, look in shown.items():
            if name in losses:
                excess = losses[name] - losses[against]
                axis.plot(shares, excess, label=name, **look, ms=2.5, lw=0.9)
        axis.set(xlabel="share of the steps", title=f"in training, d = {d}")
    axes[0].set_ylabel(label)
    axes[0].legend(ncols=2, fontsize=7)
