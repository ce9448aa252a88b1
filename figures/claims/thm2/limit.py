"""Theorem 2 at a glance: the floor, heads trained to it, and heads that plain Adam leaves above."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence
from verify.studies.rows import MIDDLE, at_a_glance

RECORDS = ("thm2.floor", "thm2.limit", "thm2.trained", "thm2.constructive")
CAPTION = (
    "How close an attention logit of dimension d can come to a response surface F(t, s). None can "
    "be in the gray, below the Schmidt floor. Markers are heads from several seeds, lines go "
    "through their medians. Heads trained by variable projection follow the floor farthest down, "
    "heads with random hidden layers leave it earlier, and plain Adam stays far above it, however "
    "large d is."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """Three targets, heads of one width."""
    data = {claim: evidence.data for claim, evidence in found.items()}
    panels = at_a_glance(data)
    figure = Figure(figsize=(plotting.PAGE, 2.6))
    axes = figure.subplots(1, len(panels))
    for axis, (name, panel) in zip(axes, panels.items(), strict=True):
        curve = panel["curve"]
        floor = (curve["d"], curve["floor"])
        plotting.error_against_dimension(axis, floor, curve["rounding"], panel["heads"])
        axis.set_title(f"F = {data['thm2.floor']['formulas'][name]}, m = {MIDDLE}")
        axis.set_xlabel("head dimension d")
    axes[0].set_ylabel("L² error")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, columnspacing=1
    )
    return figure
