"""Real data: held-out error of the predictors on GDSC, fold by fold, in the three settings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.drug_response import BOTH, CONTESTANTS, KERNEL, MEANS, RIDGE
from verify.ledger import load_record

FEATURES = (KERNEL, BOTH, RIDGE)


def draw(folder: Path) -> Figure:
    """A panel per setting: RMSE over that of the shrunken means, which every fold has at 1."""
    cold = load_record("data.gdsc_cold", folder).evidence.data
    settings = {
        "known pairs": load_record("data.gdsc", folder).evidence.data["folds"],
        **{name: cold[name]["folds"] for name in ("new drugs", "new cell lines")},
    }
    figure = Figure(figsize=(9.5, 2.9))
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (name, folds) in zip(axes, settings.items(), strict=True):
        means = _errors(folds[MEANS])
        ratios = {one: _errors(folds[one]) / means for one in CONTESTANTS}
        axis.axvline(1, color="0.6", lw=1, zorder=0)
        plotting.scores_by_fold(axis, ratios, FEATURES)
        axis.set(title=f"{name} (means: RMSE {means.mean():.2f})", xlabel="RMSE / that of means")
    figure.suptitle(
        "GDSC, 124 drugs × 124 cell lines: a marker per fold, bar at the mean; what sees features "
        "is set apart.\nGray: row + column means, shrunken, of the same fold",
        fontsize=9,
    )
    return figure


def _errors(scores: list[list[float]]) -> np.ndarray:
    """The RMSE of each fold."""
    return np.array(scores, dtype=float)[:, 0]


if __name__ == "__main__":
    from verify.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
