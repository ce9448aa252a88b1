"""Theorem 1, operator reading: what is a sum over the observed pairs, and the rank at p = 1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.schatten_expansion",)
CAPTION = (
    "Left and middle: how far the minimizer T*, and the gradient of its penalty, are from sums "
    "over the observed pairs, by the exponent p. Markers are medians over the losses, bars go from "
    "the least to the largest, and the black line is the tolerance. The gradient is such a sum "
    "always; T* itself is one where all pairs were observed, and of some pairs only for p = 2. "
    "Right: singular values of T* at p = 1 against the regularization α: they vanish one by one, "
    "all of them from the black line on."
)

TOLERANCE = "worst |∇Ω(T*) − Σ c_n Φ ⊗ Φ/α|, relative"
KEYS = {"gradient of the penalty at T*": "ι", "T* itself": "off observed"}
SHOWN = 6
LOWEST = 1e-4


def _distances(axis: Axes, rows: list[dict[str, Any]], title: str, tolerance: float) -> None:
    groups: dict[str, dict[float, list[float]]] = {label: defaultdict(list) for label in KEYS}
    for row in rows:
        for label, key in KEYS.items():
            groups[label][row["p"]].append(row[key])
    plotting.ranges(axis, groups)
    axis.axhline(tolerance, **plotting.TOLERANCE)
    axis.set(yscale="log", ylim=(1e-16, 10), xlabel="exponent p", title=title)
    plotting.set_ticks(axis.xaxis, (1, 1.5, 2, 3, 4))


def _path(axis: Axes, path: dict[str, Any]) -> None:
    """The largest singular values against α.

    They need not be monotone in α: the singular vectors turn.
    """
    fractions, sigma = np.array(path["fractions"]), np.array(path["singular values"])
    scale = sigma.max()
    for k, look in plotting.looks(range(SHOWN)).items():
        values = sigma[:, k] / scale
        there = values > LOWEST
        label = rf"$\sigma_{k + 1}$"
        axis.plot(fractions[there], values[there], markevery=4, label=label, **look)
    axis.axvline(1, **plotting.LIMIT)
    axis.annotate("T* = 0", (1, 1.3), (-2, 0), textcoords="offset points", ha="right")
    axis.set(xscale="log", yscale="log", ylim=(LOWEST, 2), title="singular values, p = 1")
    axis.set(xlabel=r"$\alpha$ / $\alpha_{\max}$", ylabel=r"$\sigma_k$ / largest $\sigma_1$")
    axis.legend(loc="lower left", fontsize=8, ncols=2, handlelength=1.2, columnspacing=0.8)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Distances from sums over observed pairs, on both kinds of grid; the path at p = 1."""
    evidence = found["thm1.schatten_expansion"]
    rows = evidence.data["table"]
    tolerance = bound(evidence, TOLERANCE)
    figure = Figure(figsize=(plotting.PAGE, 2.8))
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.2))
    for axis, whole, title in ((axes[0], True, "all pairs"), (axes[1], False, "some pairs")):
        mine = [row for row in rows if row["complete"] is whole]
        _distances(axis, mine, f"{title} observed", tolerance)
    axes[0].set_ylabel("distance from such sums, relative")
    axes[1].tick_params(labelleft=False)
    _path(axes[2], next(path for path in evidence.data["paths"] if path["p"] == 1))
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=3
    )
    return figure
