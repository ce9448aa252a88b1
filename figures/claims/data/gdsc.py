"""Real data: held-out error of the predictors on GDSC, fold by fold, in the three settings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.harness.records import load_record


def draw(folder: Path) -> Figure:
    """A panel per setting: RMSE over that of the shrunken means, which every fold has at 1."""
    cold = load_record("data.gdsc_cold", folder).evidence.data
    settings = {
        "known pairs": load_record("data.gdsc", folder).evidence.data,
        **{name: cold[name] for name in ("new drugs", "new cell lines")},
    }
    figure = Figure(figsize=(9.5, 3.2))
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (name, found) in zip(axes, settings.items(), strict=True):
        errors = {one: np.array(scores, float)[:, 0] for one, scores in found["folds"].items()}
        means = errors.pop(found["baseline"])
        del errors["mean"]  # off the scale
        axis.axvline(1, color="0.6", lw=1, zorder=0)
        ratios = {one: values / means for one, values in errors.items()}
        plotting.scores_by_fold(axis, ratios, found["features"])
        axis.set(title=f"{name}\n(RMSE of means {means.mean():.2f})", xlabel="RMSE / that of means")
    figure.suptitle(
        "GDSC, 124 drugs × 124 cell lines: a marker per fold, bar at the mean; what sees features "
        "is set apart.\nGray: row + column means, shrunken, of the same fold",
        fontsize=9,
    )
    return figure


if __name__ == "__main__":
    from verify.harness.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
