"""Theorem 1: attention logits with weight decay against the convex nuclear-norm optimum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm1.attention_factorized",)
CAPTION = (
    "Heads trained by Adam with weight decay, over the optimum of the convex nuclear-norm problem; "
    "in the gray the certificate of the convex solver cannot tell two objectives apart. Left: from "
    "the rank of the optimum on, every head reaches it; below the rank none does. Middle: the same "
    "along the steps of one problem. Right: the counterexample, two pairs of points, where from "
    "some starts a head of just the rank stays in a local minimum, and with one dimension more it "
    "comes down from all of them."
)

FLOOR = 1e-13
"""Smaller numbers, and negative ones, are rounding and drawn here."""


def _name(row: dict[str, Any]) -> str:
    return f"{row['loss'].split('(')[0].lower()}, rank {row['rank']}"


def _shown(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """One setting for each loss and rank, that of the largest own gap: more would hide each other.

    At rank 1 there is nothing below the rank.
    """

    def largest_own_gap(row: dict[str, Any]) -> float:
        return max(max(head["own gap"]) for head in row["heads"] if head["d"] >= row["rank"])

    found: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=largest_own_gap, reverse=True):
        if row["rank"] > 1:
            found.setdefault(_name(row), row)
    return dict(sorted(found.items()))


def _excess(axis: Axes, rows: list[dict[str, Any]]) -> None:
    """Median excess of the seeds against d − rank T*, with a bar over all of them."""
    shown = _shown(rows)
    for label, look in plotting.looks(shown).items():
        row = shown[label]
        beyond = [head["d"] - row["rank"] for head in row["heads"]]
        values = [np.maximum(head["excess"], FLOOR) for head in row["heads"]]
        axis.vlines(beyond, [v.min() for v in values], [v.max() for v in values], look["color"])
        axis.plot(beyond, [np.median(v) for v in values], label=label, **look)
    axis.axvline(0, color="0.6", lw=0.8, ls=":", zorder=0)
    axis.set(xlabel="d − rank T*", title="all settings, at the end")
    axis.legend(loc="upper right", handlelength=1.2)


def _curves(axis: Axes, row: dict[str, Any]) -> None:
    """Adam's way to the optimum, by d."""
    heads = {head["d"]: head for head in row["heads"]}
    for d, look in plotting.looks(heads).items():
        curve = np.maximum(np.median(heads[d]["curve"], axis=1), FLOOR)
        axis.plot(heads[d]["steps"], curve, markevery=20, label=f"d = {d}", **look)
    axis.set(xlabel="steps of Adam", title=_name(row))
    axis.legend(loc="upper right", ncols=2, handlelength=1.2, columnspacing=0.8)


def _two_pairs(axis: Axes, data: dict[str, Any]) -> None:
    for (d, look), size in zip(plotting.looks(data).items(), (7.5, 4), strict=True):
        found = np.maximum(data[d]["excess"], FLOOR)
        label = f"d = {d}" + (" = rank T*" if data[d]["rank"] == int(d) else "")
        axis.plot(range(1, len(found) + 1), found, ls="none", ms=size, label=label, **look)
    axis.set(xticks=range(1, len(found) + 1), xlabel="start", title="two pairs of points")
    axis.legend(loc="upper right")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Excess of all settings by d; training curves of one; the counterexample by start."""
    data = found["thm1.attention_factorized"].data
    rows = data["rows"]
    figure = Figure(figsize=(plotting.PAGE, 2.7))
    axes = figure.subplots(1, 3, sharey=True)
    _excess(axes[0], rows)
    _curves(axes[1], max(rows, key=lambda row: (row["rank"], row["loss"])))
    _two_pairs(axes[2], data["two pairs"])
    gap = max(row["gap"] for row in rows)
    for axis in axes:
        axis.axhspan(FLOOR / 10, gap, **plotting.OUT_OF_REACH, zorder=0)
        axis.axhline(gap, **plotting.LIMIT, zorder=0)
        axis.set(yscale="log", ylim=(FLOOR / 10, 1e9))
    axes[0].annotate("gap of the convex solver", (0.03, 2e-14), xycoords=("axes fraction", "data"))
    axes[0].set_ylabel("(objective − convex optimum) / optimum")
    return figure
