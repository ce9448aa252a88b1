"""Theorem 1, separable reading: losses of (f, g) in general."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.harness.figures import bound

RECORDS = ("thm1.separable_general",)
CAPTION = (
    "How far the minimizers f*, g* and their images under the duality map ι are from the span of "
    "the kernel sections, for two losses that are no functions of f + g (left) and two that are "
    "(right); full markers have ι, hollow ones do not. The black line is the tolerance. Theorem 1 "
    "holds as well for the losses on the left: with ι all is at rounding, and without it only "
    "where p = 2."
)

TOLERANCE = "worst distance of ι(f*), ι(g*) from the span"
PANELS = {"not of f + g": ("three labels", "distance"), "of f + g": ("Poisson", "expectile")}


def _panel(axis: Axes, rows: list[dict[str, Any]], losses: tuple[str, ...]) -> None:
    for loss in losses:
        look = plotting.looks(name for names in PANELS.values() for name in names)[loss]
        mine = [row for row in rows if row["loss"] == loss]
        p = [row["p"] for row in mine]
        axis.plot(p, [row["off span"] for row in mine], ls="none", label=loss, **look)
        axis.plot(p, [row["without ι"] for row in mine], ls="none", mfc="white", **look)
    axis.set(yscale="log", ylim=(1e-17, 1e1), xlabel="exponent p")
    plotting.set_ticks(axis.xaxis, sorted({row["p"] for row in rows}))
    axis.legend(loc="center left", bbox_to_anchor=(0, 0.4))


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each kind of loss."""
    evidence = found["thm1.separable_general"]
    tolerance = bound(evidence, TOLERANCE)
    figure = Figure(figsize=(plotting.COLUMN, 2.8))
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (kind, losses) in zip(axes, PANELS.items(), strict=True):
        _panel(axis, evidence.data["table"], losses)
        axis.axhline(tolerance, **plotting.TOLERANCE)
        axis.set_title(f"losses {kind}")
    axes[0].set_ylabel("distance from the span, relative")
    handles = [
        Line2D([], [], color="0.3", ls="none", marker="o", label="ι(f*), ι(g*)"),
        Line2D([], [], color="0.3", ls="none", marker="o", mfc="white", label="f*, g* themselves"),
        Line2D([], [], **plotting.TOLERANCE),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure
