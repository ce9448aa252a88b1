"""Heads cut and grown by the audit and in simpler ways: what the loss does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("deep.pruning",)
CAPTION = (
    "Each mark is a trained model; the rows of a panel spend the same total rank, or rows of maps. "
    "Left: heads trained with the decay in the objective, cut to the ranks that the audit "
    "certifies; where training has come to rest (hollow: it has not) that is free, and SVD over "
    "all heads and the largest entries are nearly so. Middle: after AdamW, about half of each "
    "head taken away, which SVD over all heads does at less cost. Right: how far the objective "
    "falls below that of a model that was not grown, after the same short training."
)
CUTS = {
    "audit": "audit",
    "SVD over heads": "SVD over heads",
    "weighted SVD over heads": "SVD over heads, by Σ",
    "entries by size": "largest entries",
    "even SVD": "SVD, even ranks",
    "rows by size": "largest rows",
    "ranks shuffled": "ranks shuffled",
}
GROWN = {
    "audit": "audit",
    "random directions": "its heads, random",
    "every head": "every head, its own",
    "every head, random directions": "every head, random",
}
LEAST = 1e-5


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Two panels of cuts and one of growth."""
    data = found["deep.pruning"].data
    models = [_named(model, data) for model in (*data["models"], *data["again"])]
    figure = Figure(figsize=(plotting.PAGE, 2.7))
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1))
    _cuts(left, models, "coupled", "cut, slack 0")
    _cuts(middle, models, "AdamW", "cut, slack -4")
    middle.set_yticklabels([])
    left.set(xlabel="rise of the loss, nats", title="decay in the objective")
    middle.set(xlabel="rise of the loss, nats", title="AdamW")
    _growth(right, [m for m in models if m["training"] == "coupled"])
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _named(model: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """A model with its losses by the names of ways, and whether it is hollow."""
    names = data["ways"][model["for"]]
    named = {where: dict(zip(names, x, strict=True)) for where, x in model["losses"].items()}
    far = model["for"] == "cut" and model.get("rest", 0.0) > data["at rest"]
    return {**model, "losses": named, "hollow": far}


def _cuts(axis: Axes, models: Sequence[Mapping[str, Any]], training: str, where: str) -> None:
    mine = [m for m in models if m["training"] == training and where in m["losses"]]
    values = {way: [(m, max(m["losses"][where][way], 0.0)) for m in mine] for way in CUTS}
    axis.set_xscale("symlog", linthresh=LEAST)
    _strips(axis, values, CUTS)
    axis.set_xlim(-LEAST / 3, 3)
    axis.set_xticks([0, 1e-4, 1e-2, 1], ["0", "$10^{-4}$", "$10^{-2}$", "1"])
    axis.minorticks_off()


def _growth(axis: Axes, models: Sequence[Mapping[str, Any]]) -> None:
    mine = [m for m in models if m["for"] == "grow"]
    values = {way: [(m, -m["losses"]["grow, 20"][way]) for m in mine] for way in GROWN}
    axis.set_xscale("symlog", linthresh=LEAST)
    _strips(axis, values, GROWN)
    axis.axvline(0, **plotting.LIMIT)
    axis.set_xticks([-1e-3, 0, 1e-3], ["$-10^{-3}$", "0", "$10^{-3}$"])
    axis.minorticks_off()
    axis.set(xlabel="fall by growing, nats", title="grown")


def _strips(
    axis: Axes,
    values: Mapping[str, list[tuple[Mapping[str, Any], float]]],
    names: Mapping[str, str],
) -> None:
    """A row for each way, a mark for each model, by its task."""
    tasks = dict.fromkeys(model["task"] for row in values.values() for model, _ in row)
    for number, (task, look) in enumerate(plotting.looks(tasks).items()):
        height = 0.22 * (number - (len(tasks) - 1) / 2)
        for hollow in (False, True):
            face = {"markerfacecolor": "none"} if hollow else {}
            marks = [
                (x, place + height)
                for place, row in enumerate(values.values())
                for model, x in row
                if (model["task"], model["hollow"]) == (task, hollow)
            ]
            label = None if hollow else task
            points = np.reshape(marks, (-1, 2)).T
            axis.plot(*points, ls="none", ms=3.5, alpha=0.7, label=label, **look, **face)
    axis.set_yticks(range(len(names)), list(names.values()))
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(names) - 0.5, -0.5)
