"""Theorem 2: heads through exp stay the negative part of κ* away from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("thm2.positive",)
CAPTION = (
    "The best L² error over seeds for three kernels with negative values, over the norm of their "
    "negative part. The black line is that norm: no positive G can be in the gray below it, and "
    "heads through exp are positive. Both kinds of them come down to the line and stop there, "
    "while a head without exp of the same dimension passes it on the way to zero."
)

KINDS = {
    "exp, softplus": "$e^h$, closed form",
    "exp, trained": "$e^h$, trained by Adam",
    "linear": "h itself",
}


def _panel(axis: Axes, rows: list[dict[str, Any]]) -> None:
    dims = sorted({row["d"] for row in rows})
    for kind, look in plotting.looks(KINDS).items():
        mine = [row for row in rows if row["kind"] == kind]
        there = [d for d in dims if any(row["d"] == d for row in mine)]
        best = [min(r["error"] / r["bound"] for r in mine if r["d"] == d) for d in there]
        axis.plot([dims.index(d) for d in there], best, label=KINDS[kind], **look)
    axis.axhline(1, **plotting.LIMIT, label=r"$\|\kappa^{*-}\|$", zorder=0)
    axis.axhspan(0, 1, **plotting.OUT_OF_REACH, zorder=0, label="no G > 0 can be here")
    axis.set(ylim=(0, 1.8), xlabel="head dimension d")
    axis.set_xticks(range(len(dims)), dims)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each signed target."""
    data = found["thm2.positive"].data
    figure = Figure(figsize=(plotting.PAGE, 2.6))
    axes = figure.subplots(1, len(data["signed"]), sharey=True)
    for axis, name in zip(axes, data["signed"], strict=True):
        _panel(axis, [row for row in data["rows"] if row["target"] == name])
        axis.set_title(f"κ* = {data['formulas'][name]}")
    axes[0].set_ylabel(r"least L² error / $\|\kappa^{*-}\|$")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=5
    )
    return figure
