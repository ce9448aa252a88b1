"""Real data: kinase binding on DeepDTA's test list and on new drugs and targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("data.davis",)
CAPTION = (
    "Kinase binding (Davis et al.), mean squared error of what no training pair has: pairs of "
    "DeepDTA's test list, new drugs, new targets, and both. Bars are t intervals over splits, "
    "corrected for their overlap; the gray line is the shrunken means. Published machines are on "
    "the same list by other choices; all other choices were made inside the training pairs. Leads "
    "are the errors of LightGBM less those of what was chosen, paired split by split."
)
PANELS = {
    "known pairs": "DeepDTA's test list",
    "new drugs": "new drugs",
    "new targets": "new targets",
    "both new": "both new",
}
LINE = "row + column means, shrunken"


def _panel(axis: Axes, rows: list[dict[str, Any]], published: Mapping[str, Any]) -> None:
    """Errors of a setting from top to bottom; published ones below."""
    errors = {row["predictor"]: row["mse"] for row in rows}
    bars = {row["predictor"]: row["mse interval"] for row in rows}
    axis.axvline(errors.pop(LINE), color="0.5", lw=1, zorder=0)
    errors |= {f"{name}, published": score["mse"] for name, score in published.items()}
    colors = plotting.COLORS
    for at, (name, error) in enumerate(errors.items()):
        color = colors[2] if "published" in name else colors[1] if name == "LightGBM" else colors[0]
        low, high = map(float, bars.get(name, (error, error)))
        axis.plot(error, at, "D" if name.startswith("chosen") else "o", color=color, ms=4.5)
        if math.isfinite(low):
            axis.plot([low, high], [at, at], color=color, lw=1.2)
    axis.set_yticks(range(len(errors)), list(errors))
    axis.set_ylim(len(errors) - 0.5, -0.5)


def _lead(margins: list[dict[str, Any]], setting: str) -> str:
    """The paired difference from LightGBM: bars of both tell of the splits, which they share."""
    mine = next((row for row in margins if row["setting"] == setting), None)
    if mine is None:
        return ""
    told = f"{mine['mean']:.3f} ({float(mine['low']):.3f}, {float(mine['high']):.3f})"
    return f"\nlead {told}".replace("-", "−")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel for each setting."""
    data = found["data.davis"].data
    figure = Figure(figsize=(plotting.PAGE, 4.0))
    axes = figure.subplots(2, 2).ravel()
    for axis, (setting, title) in zip(axes, PANELS.items(), strict=True):
        rows = [row for row in data["table"] if row["setting"] == setting]
        _panel(axis, rows, data["published"] if setting == "known pairs" else {})
        axis.set_title(title + _lead(data["margins"], setting))
        axis.set_xlabel("mean squared error of pK$_d$")
    return figure
