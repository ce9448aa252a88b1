"""Theorem 1, operator reading: one operator, many coefficients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm1.operator_unique",)
CAPTION = (
    "Two sets of coefficients A of the same problem, whose kernel has fewer features than there "
    "are points: the second is the first, moved along the null space of the Gram matrices. Right: "
    "by how much that moves the coefficients, the operator T* and its predictions. The "
    "coefficients are others altogether; operator and predictions stay the same to rounding, below "
    "the tolerance, the black line."
)

MOVED = {
    "coefficients": "coefficients moved by, relative",
    "operator T*": "T* moved by, relative",
    "predictions": "predictions moved by, relative",
}


def _coefficients(axis: Axes, A: list[list[float]], size: float, title: str) -> AxesImage:
    image = axis.imshow(A, cmap=plotting.SIGNED_MAP, vmin=-size, vmax=size)
    axis.spines[:].set_visible(True)
    rows, columns = len(A), len(A[0])
    axis.set_xticks(range(columns), range(1, columns + 1))
    axis.set_yticks(range(rows), range(1, rows + 1))
    axis.set(title=title, xlabel="source j", ylabel="target i")
    return image


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Both sets of coefficients; what the move changes."""
    evidence = found["thm1.operator_unique"]
    first, second = (evidence.data[name] for name in ("coefficients", "moved coefficients"))
    size = float(np.max(np.abs([first, second])))
    figure = Figure(figsize=(plotting.PAGE, 2.5))
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
    _coefficients(axes[0], first, size, "coefficients A")
    image = _coefficients(axes[1], second, size, "moved coefficients")
    figure.colorbar(image, ax=axes[:2], label="$A_{ij}$", pad=0.02)
    checks = {check.name: check for check in evidence.checks}
    look = plotting.looks(MOVED)["coefficients"]
    moves = [checks[name].value for name in MOVED.values()]
    axes[2].plot(range(len(MOVED)), moves, ls="none", ms=6, **look)
    tolerance = checks[MOVED["operator T*"]].bound
    axes[2].axhline(tolerance, **plotting.TOLERANCE)
    note = f"tolerance $10^{{{round(np.log10(tolerance))}}}$"
    axes[2].annotate(note, (2.4, tolerance), (0, 2), textcoords="offset points", ha="right")
    axes[2].set_xticks(range(len(MOVED)), [name.replace(" ", "\n") for name in MOVED])
    axes[2].tick_params("x", labelsize=7)
    axes[2].set(yscale="log", ylim=(1e-15, 30), xlim=(-0.6, 2.6), ylabel="moved by, relative")
    axes[2].set_title("what the move changes")
    return figure
