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
    """A column for each loss, a row for each kind of number, with its own legend."""
    evidence = found["thm1.separable_unique"]
    looks = plotting.looks((*TOP, *BOTTOM))
    figure = Figure(figsize=(plotting.PAGE, 4.4))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    tops, bottoms = (part.subplots(1, 2, sharey=True) for part in (upper, lower))
    for above, below, loss in zip(tops, bottoms, ("Hinge()", "Squared()"), strict=True):
        segments = [row for row in evidence.data["segments"] if row["loss"] == loss]
        p = [row["p"] for row in segments]
        for label, key in TOP.items():
            above.plot(p, [row[key] for row in segments], label=label, **looks[label])
        for label, (table, key, check) in BOTTOM.items():
            rows = [row for row in evidence.data[table] if row["loss"] == loss]
            numbers = [row[key] for row in rows]
            below.plot([row["p"] for row in rows], numbers, label=label, **looks[label])
            line = {"color": looks[label]["color"], "ls": "--", "lw": 0.9}
            below.axhline(bound(evidence, check), label=f"tolerance of the {key}", **line)
        above.set(title=f"{loss.split('(')[0].lower()} loss", ylim=(0, 1.1), xlabel="exponent p")
        below.set(yscale="log", ylim=(1e-17, 1e-6), xlabel="exponent p")
        for axis in (above, below):
            plotting.set_ticks(axis.xaxis, p)
    tops[0].set_ylabel("far from 0")
    bottoms[0].set_ylabel("0 but for rounding")
    upper.legend(*tops[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    lower.legend(*bottoms[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
