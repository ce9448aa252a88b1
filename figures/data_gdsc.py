"""Real data: held-out error and correlation of the predictors on GDSC, fold by fold."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rkbs import plotting
from verify.ledger import load_record

OURS = ("BinaryKernelMachine, nuclear norm", "BinaryKernelRidge")


def draw(folder: Path) -> Figure:
    """Two panels: RMSE with the mean predictor's error as the limit, and Pearson correlation."""
    folds = load_record("data.gdsc", folder).evidence.data["folds"]
    scores = {name: np.array(values, dtype=float) for name, values in folds.items()}
    mean = scores.pop("mean")[:, 0].mean()
    figure = Figure(figsize=(7.2, 2.8))
    left, right = figure.subplots(1, 2, sharey=True)
    plotting.scores_by_fold(left, {name: v[:, 0] for name, v in scores.items()}, OURS)
    left.set(xlabel="RMSE on held-out pairs (ln IC50)")
    plotting.scores_by_fold(right, {name: v[:, 1] for name, v in scores.items()}, OURS)
    right.set(xlabel="Pearson correlation on held-out pairs")
    figure.suptitle(
        "GDSC, 124 drugs × 124 cell lines: a marker per outer fold, bar at the mean\n"
        f"(the mean predictor is off the scale: RMSE {mean:.2f})",
        fontsize=9,
    )
    return figure


if __name__ == "__main__":
    from verify.figures import main

    raise SystemExit(main([Path(__file__).stem, *sys.argv[1:]]))
