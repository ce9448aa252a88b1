"""Classifiers of film reviews: errors by kernel, declared hypotheses, losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("sec5.sst",)
CAPTION = (
    "Film reviews, two classes and five: errors on test of encoders that differ in the kernel "
    "alone, a thin line for each seed and a bar at the mean; horizontal lines are logistic "
    "regression on words and pairs of words and a published recursive tensor network; the most "
    "frequent class is beyond the scale. Below: the hypotheses that were declared beforehand, that "
    "uniform attention errs more often than EDP and that the two differ by less than the gray "
    "margin, with t intervals over seeds and p by Holm; the same difference with its interval over "
    "sentences; and the losses in training."
)

ORDER = ("uniform", "EDP")
LINES = {
    "words": ("words and pairs of words", {"color": plotting.COLORS[2], "ls": "-."}),
    "published": ("recursive tensor network", {**plotting.LIMIT}),
}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Errors of each task, and what was found of the hypotheses."""
    tasks = found["sec5.sst"].data["tasks"]
    figure = Figure(figsize=(plotting.PAGE, 5.2))
    top, bottom = figure.subfigures(2, 1)
    panels = top.subplots(1, len(tasks), squeeze=False)[0]
    for axis, (task, data) in zip(panels, tasks.items(), strict=True):
        _errors(axis, data)
        axis.set(title=task, ylabel="errors on test, %")
        axis.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1, 0.08))
    declared, curves = bottom.subplots(1, 2, width_ratios=(0.75, 1))
    data = tasks["SST-2"]
    plotting.declared_differences(
        declared, data["hypotheses"], "difference of errors, points", data["margin"]
    )
    if data["hypotheses"]:
        _over_sentences(declared, data["over_sentences"])
    for curve in data["curves"]:
        steps = [(k + 0.5) / len(curve["loss"]) for k in range(len(curve["loss"]))]
        name = curve["kernel"]
        curves.plot(steps, curve["loss"], label=name, markevery=3, **plotting.looks(ORDER)[name])
    curves.set(xlabel="share of the training", ylabel="loss on SST-2, nats")
    curves.legend()
    return figure


def _over_sentences(axis: Axes, ends: Sequence[float]) -> None:
    """One more line below the hypotheses, of the same difference."""
    places, labels = list(axis.get_yticks()), [t.get_text() for t in axis.get_yticklabels()]
    below = len(places)
    axis.hlines(below, *ends, color="0.4", lw=1)
    axis.plot([sum(ends) / 2], [below], "x", color="0.4")
    axis.set_yticks([*places, below], [*labels, "uniform − EDP,\nover sentences"], fontsize=7)
    axis.set_ylim(below + 0.6, -0.6)


def _errors(axis: Axes, data: Mapping[str, Any]) -> None:
    """A line from kernel to kernel for each seed; baselines across."""
    rows = {row["kernel"]: row for row in data["kernels"]}
    for pair in zip(*(rows[name]["errors"] for name in ORDER), strict=True):
        axis.plot(range(len(ORDER)), pair, color="0.7", lw=0.8, zorder=1)
    for place, (name, look) in enumerate(plotting.looks(ORDER).items()):
        row = rows[name]
        axis.plot([place] * len(row["errors"]), row["errors"], ls="none", alpha=0.6, **look)
        axis.hlines(row["mean"], place - 0.15, place + 0.15, color=look["color"], lw=2)
    for what, (label, look) in LINES.items():
        axis.axhline(data[what], **look, label=f"{label}, {data[what]:.1f}")
    axis.plot([], [], " ", label=f"most frequent class, {data['majority']:.1f}")
    axis.set_xticks(range(len(ORDER)), ORDER)
    axis.set_xlim(-0.5, len(ORDER) - 0.5)
