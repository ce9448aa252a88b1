"""Real data: held-out error of the predictors on GDSC, new drugs and new cell lines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("data.gdsc_cold",)
CAPTION = (
    "Held-out errors for drugs, and for cell lines, that no training pair has, over those of the "
    "shrunken means of the same fold, the gray line (GDSC); a marker per fold, a bar at the mean. "
    "Predictors that see features have diamonds, and only they are left of the line on average; "
    "with drugs and cell lines permuted in the kernels the gain is gone. Of new drugs the folds "
    "differ far more than the predictors."
)

SETTINGS = ("new drugs", "new cell lines")


def draw(found: Mapping[str, Evidence]) -> Figure:
    """A panel per setting: RMSE over that of the shrunken means, which every fold has at 1."""
    data = found["data.gdsc_cold"].data
    figure = Figure(figsize=(plotting.PAGE, 2.7))
    axes = figure.subplots(1, len(SETTINGS), sharey=True)
    for axis, name in zip(axes, SETTINGS, strict=True):
        setting = data[name]
        errors = {one: np.array(scores, float)[:, 0] for one, scores in setting["folds"].items()}
        means = errors.pop(setting["baseline"])
        del errors["mean"]  # off the scale
        axis.axvline(1, color="0.5", lw=1, zorder=0)
        ratios = {one: values / means for one, values in errors.items()}
        plotting.scores_by_fold(axis, ratios, setting["features"])
        axis.set_xlabel("RMSE / that of the means")
        axis.set_title(f"{name} (means: {means.mean():.2f} ln IC50)")
    return figure
