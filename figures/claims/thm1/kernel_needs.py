"""Theorem 1: what of κ the separable reading needs, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.kernel_needs",)
CAPTION = (
    "Left: what isometries of the feature spaces make of a symmetric, positive definite κ: "
    "indefinite, asymmetric and antisymmetric kernels. Right: how far the minimizers f*, g* move "
    "with them. Under isometries they stay the same functions to rounding, far below the tolerance "
    "in black; under a rotation, which is an isometry for p = 2 only, they do so there and nowhere "
    "else. So Theorem 1 needs the norms, and neither symmetry nor definiteness."
)

LABELS = {
    "identity": "κ itself",
    "signs": "signs",
    "permutation": "signs, permutation",
    "antisymmetric": "to antisymmetry",
    "rotation": "rotation",
}
TOLERANCE = "worst change of f*, g* at new points"
SMALL = 1e-17
"""A change of exactly 0 is drawn here."""


def _kernels(axis: Axes, rows: list[dict[str, Any]]) -> None:
    for name, look in plotting.looks(LABELS).items():
        mine = [row for row in rows if row["isometry"] == name and row["start"] == "W^Q = W^K"]
        x, y = [row["asymmetry"] for row in mine], [row["lowest"] for row in mine]
        axis.plot(x, y, ls="none", label=LABELS[name], alpha=0.8, clip_on=False, **look)
    axis.axhline(0, **plotting.LIMIT, zorder=0)
    axis.annotate("Mercer: 0 or above", (0.05, 0), (0, 3), textcoords="offset points")
    axis.set_yscale("symlog", linthresh=1e-2)
    axis.set(xlim=(-0.1, 2), ylim=(-30, 0.005), yticks=[-10, -1, -0.1, -0.01, 0])
    axis.set_yticks([], minor=True)
    axis.set(xlabel="asymmetry ‖K − Kᵀ‖ / ‖K‖", ylabel="least eigenvalue of κ")
    axis.set_title("what isometries make of κ")


def _changes(axis: Axes, rows: list[dict[str, Any]], rotated: list[dict[str, Any]]) -> None:
    looks = plotting.looks(LABELS)
    for name, look in looks.items():
        mine = [row for row in rows if row["isometry"] == name]
        changes = [max(row["change"], SMALL) for row in mine]
        axis.plot([row["p"] for row in mine], changes, ls="none", alpha=0.8, **look)
    p = [row["p"] for row in rotated]
    for key, fill in (("change of f", "full"), ("change of g", "none")):
        changes = [max(row[key], SMALL) for row in rotated]
        axis.plot(p, changes, ls="none", fillstyle=fill, **looks["rotation"])
    exponents = sorted({row["p"] for row in (*rows, *rotated)})
    axis.set(yscale="log", ylim=(SMALL / 3, 10), xlabel="exponent p", ylabel="relative change")
    plotting.set_ticks(axis.xaxis, exponents)
    axis.set_title("how far f*, g* move")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """The kernels by asymmetry and least eigenvalue; the changes of the solution by p."""
    evidence = found["thm1.kernel_needs"]
    tolerance = bound(evidence, TOLERANCE)
    figure = Figure(figsize=(plotting.PAGE, 2.9))
    left, right = figure.subplots(1, 2)
    _kernels(left, evidence.data["table"])
    _changes(right, evidence.data["table"], evidence.data["rotated"])
    right.axhline(tolerance, **plotting.TOLERANCE)
    note = f"tolerance $10^{{{round(np.log10(tolerance))}}}$"
    right.annotate(note, (4, tolerance), (0, 2), textcoords="offset points", ha="right")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
