"""Theorem 1, operator reading: the finite expansion is the minimizer over all operators."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.operator_expansion",)
CAPTION = (
    "How far rkbs's finite expansion is from the minimizer over all operators, which a "
    "least-squares solve for every entry finds without assuming any expansion. Each kernel is "
    "indefinite (in brackets, the least eigenvalue of its symmetric part over its largest value), "
    "and each is solved on a complete and on an incomplete grid. All markers are at rounding, far "
    "to the left of the tolerance, the black line."
)

TOLERANCE = "worst |T_expansion − T_whole| / max|T|"
SOLVERS = {
    "Spectral": "closed form, all pairs",
    "Cholesky": "Cholesky, some pairs",
    "ConjugateGradient": "conjugate gradients, some pairs",
}


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A line per kernel, a marker per solver; full: the operator, hollow: its predictions."""
    evidence = found["thm1.operator_expansion"]
    rows = evidence.data["table"]
    spaces = list(dict.fromkeys(row["space"] for row in rows))
    figure = Figure(figsize=(plotting.COLUMN, 3.0))
    axis = figure.subplots()
    for row in range(1, len(spaces)):
        axis.axhline(row - 0.5, color="0.85", lw=0.6, zorder=0)
    for shift, (solver, look) in enumerate(plotting.looks(SOLVERS).items()):
        mine = [row for row in rows if row["solver"] == solver]
        places = [spaces.index(row["space"]) + 0.22 * (shift - 1) for row in mine]
        axis.plot([row["operator"] for row in mine], places, ls="none", **look)
        axis.plot([row["new points"] for row in mine], places, ls="none", mfc="white", **look)
        axis.plot([], [], ls="none", label=SOLVERS[solver], **look)
    axis.plot([], [], "o", color="0.3", label="full: the operator")
    axis.plot([], [], "o", color="0.3", mfc="white", label="hollow: predictions at new points")
    axis.axvline(bound(evidence, TOLERANCE), **plotting.TOLERANCE)
    lowest = {row["space"]: row["lowest"] for row in rows}
    labels = [f"{space} ({lowest[space]:.2f})".replace("-", "−") for space in spaces]
    axis.set_yticks(range(len(spaces)), labels)
    axis.set(xscale="log", xlim=(1e-15, 1e-7), ylim=(len(spaces) - 0.5, -0.5))
    axis.set_xlabel("largest difference from the minimizer, over the largest value")
    axis.set_ylabel("kernel\n(least eigenvalue, relative)")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
