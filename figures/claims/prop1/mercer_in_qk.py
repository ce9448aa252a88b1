"""Proposition 1: spectra of the paper's kernels, W^Q = W^K and not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("prop1.mercer_in_qk",)
CAPTION = (
    "Left: eigenvalues of the Gram matrix of each kernel at points of a circle, of its symmetric "
    "part where it is not symmetric. The black line is zero, the limit of a Mercer kernel. With "
    "W^Q = W^K the paper's kernels have no negative eigenvalue, and with W^Q ≠ W^K all of them do; "
    "the two kernels below the gap have some in both cases. Right: the two Gram matrices of EDP, "
    "symmetric and not."
)

NAMES = {
    "edp": "EDP",
    "rbf": "RBF",
    "ei": "EI",
    "quadratic": "quadratic, γ = 1",
    "taylor-3": "Taylor, N = 3",
    "taylor-4": "Taylor, N = 4",
    "quadratic, γ = −1": "quadratic, γ = −1",
    "l2": "L2 distance",
}
NOT_MERCER = ("quadratic, γ = −1", "l2")
SMALL = 1e-10
"""Eigenvalues smaller than this share the linear part of the axis around 0."""
SIGNS = {
    "positive": {"color": plotting.COLORS[0], "marker": "|", "ms": 6},
    "negative": {"color": plotting.COLORS[1], "marker": "v", "ms": 4.5},
    "zero": {"color": "0.45", "marker": "x", "ms": 4.5},
}


def _spectra(axis: Axes, pictures: dict[str, Any]) -> None:
    """Two lines of eigenvalues a kernel: above, W^Q = W^K; below, W^Q ≠ W^K."""
    places, labels = [], []
    y = 0.0
    for name, title in NAMES.items():
        y += 0.7 if name == NOT_MERCER[0] else 0.0
        for key, relation, shift in (("same", "=", 0.0), ("different", "≠", 0.75)):
            _line(axis, np.array(pictures[name][f"spectrum_{key}"], dtype=float), y + shift)
            places.append(y + shift)
            labels.append(f"{title}  {relation}" if key == "same" else relation)
        y += 2.0
    axis.axvline(0, **plotting.LIMIT, zorder=0)
    axis.set_yticks(places, labels)
    axis.tick_params(axis="y", length=0)
    axis.set_xscale("symlog", linthresh=SMALL)
    axis.set(xlim=(-3e3, 3e3), ylim=(y - 0.6, -1.0), xticks=[-1e2, -1e-4, 0, 1e-4, 1e2])
    axis.set_xticks([], minor=True)
    axis.set_xlabel("eigenvalue λ (logarithmic on both sides of 0)")
    axis.set_ylabel("kernel, with $W^Q = W^K$ (=) and $W^Q \\neq W^K$ (≠)")
    axis.annotate("negative", (1.04, 1), xycoords="axes fraction", ha="center", fontsize=7)
    marks = [Line2D([], [], ls="none", label=label, **SIGNS[label]) for label in SIGNS]
    axis.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)


def _line(axis: Axes, values: np.ndarray, y: float) -> None:
    chosen = {"positive": values > 0, "negative": values < 0, "zero": values == 0}
    for sign, style in SIGNS.items():
        some = values[chosen[sign]]
        axis.plot(some, np.full(len(some), y), ls="none", **style)
    count = int(chosen["negative"].sum())
    color = SIGNS["negative"]["color"] if count else "0.35"
    axis.annotate(str(count), (1.04, y), xycoords=("axes fraction", "data"),
                  ha="center", va="center", color=color, fontsize=7)  # fmt: skip


def _gram(axis: Axes, matrix: list[list[float]], title: str) -> None:
    values = np.array(matrix, dtype=float)
    image = axis.imshow(values, cmap=plotting.POSITIVE_MAP, vmin=0)
    axis.spines[:].set_visible(True)
    axis.set(xticks=[], yticks=[], title=title, xlabel="source j", ylabel="target i")
    axis.figure.colorbar(image, ax=axis, shrink=0.9, pad=0.02, label="κ(x$_i$, x$_j$)")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Spectra of all kernels, beside the two Gram matrices of EDP."""
    pictures = found["prop1.mercer_in_qk"].data["pictures"]
    figure = Figure(figsize=(plotting.PAGE, 4.4))
    axes = figure.subplot_mosaic(
        [["spectra", "same"], ["spectra", "different"]], width_ratios=(2.5, 1)
    )
    _spectra(axes["spectra"], pictures)
    _gram(axes["same"], pictures["edp"]["gram_same"], "EDP, $W^Q = W^K$")
    _gram(axes["different"], pictures["edp"]["gram_different"], "EDP, $W^Q \\neq W^K$")
    return figure
