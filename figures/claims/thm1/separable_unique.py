"""Theorem 1, separable reading: segments of minimizers where R is not strictly convex."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.separable_unique",)
CAPTION = (
    "Top: segments of minimizers for R(t) = t, the counterexamples, by exponent and loss: they are "
    "long, the objective rises beyond their ends, and with R(t) = t²/2 in its place it changes "
    "along them, too. Bottom: on them the objective exceeds the lower bound of the dual by "
    "rounding only, so that all their points are minimizers; with R(t) = t²/2 all starts end in "
    "one point. The dashed lines are the tolerances of these two, in their colors."
)

TOP = {
    "length of the segment": "length",
    "rise of the objective beyond its ends": "beyond",
    "change along it, R(t) = t²/2": "range for R = t²/2",
}
BOTTOM = {
    "excess over the dual bound on it": ("segments", "excess", "worst excess over the dual bound"),
    "spread over starts, R(t) = t²/2": (
        "table",
        "spread",
        "worst spread of the minimizers, R = t²/2",
    ),
}
"""By label: the table, its column, and the check whose bound is drawn."""


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A column for each loss."""
    evidence = found["thm1.separable_unique"]
    looks = plotting.looks((*TOP, *BOTTOM))
    figure = Figure(figsize=(plotting.PAGE, 3.8))
    axes = figure.subplots(2, 2, sharex=True, sharey="row")
    for (above, below), loss in zip(axes.T, ("Hinge()", "Squared()"), strict=True):
        segments = [row for row in evidence.data["segments"] if row["loss"] == loss]
        p = [row["p"] for row in segments]
        for label, key in TOP.items():
            above.plot(p, [row[key] for row in segments], label=label, **looks[label])
        for label, (table, key, check) in BOTTOM.items():
            rows = [row for row in evidence.data[table] if row["loss"] == loss]
            numbers = [row[key] for row in rows]
            below.plot([row["p"] for row in rows], numbers, label=label, **looks[label])
            below.axhline(bound(evidence, check), color=looks[label]["color"], ls="--", lw=0.9)
        above.set(title=f"{loss.split('(')[0].lower()} loss", ylim=(0, 1.1))
        below.set(yscale="log", ylim=(1e-17, 1e-6), xlabel="exponent p")
        plotting.set_ticks(below.xaxis, p)
    axes[0, 0].set_ylabel("norm, or objective")
    axes[1, 0].set_ylabel("objective, or norm")
    (handles, labels), (more, names) = (a.get_legend_handles_labels() for a in axes[:, 0])
    figure.legend([*handles, *more], [*labels, *names], loc="outside lower center", ncols=2)
    return figure
