"""Real data: held-out error of the predictors on GDSC, known pairs, fold by fold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.evidence import Evidence

RECORDS = ("data.gdsc",)
CAPTION = (
    "Held-out errors for pairs of known drugs and known cell lines, over those of the shrunken row "
    "and column means of the same fold, the gray line; a marker per fold, a bar at the mean. "
    "Predictors that see features have diamonds. Low rank gains most, also without any features; "
    "the published kernels beside the identity add little to it, and kernel ridge with the same "
    "kernels stays near the means."
)


def draw(found: Mapping[str, Evidence]) -> Figure:
    """RMSE over that of the shrunken means, which every fold has at 1."""
    data = found["data.gdsc"].data
    errors = {name: np.array(scores, float)[:, 0] for name, scores in data["folds"].items()}
    means = errors.pop(data["baseline"])
    del errors["mean"]  # off the scale
    figure = Figure(figsize=(plotting.COLUMN, 2.6))
    axis = figure.subplots()
    axis.axvline(1, color="0.5", lw=1, zorder=0)
    ratios = {name: values / means for name, values in errors.items()}
    plotting.scores_by_fold(axis, ratios, data["features"])
    axis.set_xlabel(f"RMSE / that of the means ({means.mean():.2f} ln IC50)")
    axis.set_title("GDSC, known drugs and known cell lines")
    return figure
