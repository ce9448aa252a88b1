"""The folds of the drug-response contests, their scores, and what is asked of every fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import stdtr

from rkbs.data.gdsc import DrugResponse
from rkbs.data.pairs import Pairs
from verify.harness.evidence import Check, greatest
from verify.harness.run import Run
from verify.studies.drug_response import (
    BY_HAND,
    CONTESTANTS,
    GAP,
    KKT,
    MEAN,
    MEANS,
    NUCLEAR,
    RIDGE,
    Arena,
    Split,
)

PARTS = 10
"""Outer folds: published over pairs, and as many parts of the drugs and of the cell lines."""
QUICK_FOLDS = 4
_P_VALUE = 0.05


# ---- splits


def known_pairs(fold: np.ndarray, k: int) -> Split:
    """The published outer fold k is predicted; the next one is held out to tune."""
    return Split(fold != k, fold == k, fold == (k + 1) % (fold.max() + 1))


def cold(units: np.ndarray, k: int, rng: np.random.Generator) -> Split:
    """All pairs of a tenth of the units are predicted, those of the next tenth held out to tune.

    Parameters
    ----------
    units : int array
        The row, or the column, of each pair.
    k : int
        Which tenth of a permutation.
    rng : numpy Generator
        The same for every k.
    """
    part = (rng.permutation(units.max() + 1) % PARTS)[units]
    return Split(part != k, part == k, part == (k + 1) % PARTS)


# ---- scores


def scores(predicted: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """RMSE and Pearson correlation (NaN for a constant prediction, which has none)."""
    constant = np.ptp(predicted) == 0
    pearson = float("nan") if constant else float(np.corrcoef(predicted, z)[0, 1])
    return float(np.sqrt(np.mean((predicted - z) ** 2))), pearson


def corrected_p(margins: np.ndarray, tested: float) -> float:
    """One-sided p-value of the mean of paired margins > 0 over folds, of which ``tested`` is left.

    The training parts overlap: Nadeau & Bengio (2003) put 1/k + n_test/n_train for 1/k.
    """
    k, spread = len(margins), margins.std(ddof=1)
    t = margins.mean() / (spread * np.sqrt(1 / k + tested / (1 - tested)))
    return float(stdtr(k - 1, -t))


def arena_of(run: Run, data: DrugResponse, quick_size: int | None = None) -> Arena:
    """All drugs and cell lines; at the quick profile so many of each, drawn by the seed."""
    rng = run.rng
    some = (np.sort(rng.permutation(n)[: run.pick(quick_size, n)]) for n in data.z.shape)
    return Arena(data, *some, rng)


def contest(run: Run, arena: Arena, split_of: Callable[[int], Split], label: str) -> dict[str, Any]:
    """All contestants on all splits: scores by fold, and how each fit came about."""
    folds: dict[str, list[tuple[float, float]]] = {name: [] for name in (MEAN, MEANS, *CONTESTANTS)}
    fits: dict[str, list[dict[str, Any]]] = {name: [] for name in folds}
    leaked = []
    for split in run.progress(map(split_of, range(run.pick(QUICK_FOLDS, PARTS))), label):
        leaked.append(leaks(arena.grid, split))
        for name, found in arena.predict_all(split).items():
            predicted = found.pop("predicted")
            folds[name].append(scores(predicted, arena.z[split.test]))
            fits[name].append(found)
    return {
        "table": [_row(name, np.array(values)) for name, values in folds.items()],
        "folds": folds,
        "fits": {name: rows for name, rows in fits.items() if rows[0]},
        "leaks": leaked,
        "baseline": MEANS,
        "features": [name for name, one in CONTESTANTS.items() if one.sees_features],
    }


def leaks(grid: Pairs, split: Split) -> dict[str, int]:
    """How many of the pairs, rows and columns to predict are also fitted."""
    train, test = grid[split.train], grid[split.test]
    pairs = [set(zip(part.i.tolist(), part.j.tolist(), strict=True)) for part in (train, test)]
    return {
        "pairs": len(pairs[0] & pairs[1]),
        "rows": len(np.intersect1d(train.i, test.i)),
        "columns": len(np.intersect1d(train.j, test.j)),
    }


def _row(name: str, values: np.ndarray) -> dict[str, float | str]:
    return {
        "predictor": name,
        "RMSE (ln IC50)": float(values[:, 0].mean()),
        "sd over folds": float(values[:, 0].std(ddof=1)),
        "Pearson": float(values[:, 1].mean()),
    }


def soundness(found: dict[str, Any], apart: str) -> list[Check]:
    """Every final fit is certified by hand, and nothing that is predicted was fitted."""
    fits = found["fits"]
    nuclear = [row for name in NUCLEAR for row in fits[name]]
    asked = (
        ("worst duality gap of the nuclear norm", greatest(nuclear, key="residual"), GAP),
        ("worst residual of the ridge equation", greatest(fits[RIDGE], key="residual"), KKT),
        (
            "worst prediction against Σ A k_X k_Y",
            greatest([*nuclear, *fits[RIDGE]], key="by_hand"),
            BY_HAND,
        ),
    )
    leaked = greatest(found["leaks"], key=apart)
    return [
        *(Check(name, value, "<=", bound) for name, value, bound in asked),
        Check(f"{apart} that are fitted and predicted", leaked, "==", 0),
    ]


def margins(found: dict[str, Any], better: str, worse: str) -> np.ndarray:
    """By how much the RMSE of ``better`` is less, fold by fold."""
    return np.array(found["folds"][worse])[:, 0] - np.array(found["folds"][better])[:, 0]


def mean_margin(run: Run, found: dict[str, Any], better: str, worse: str) -> list[Check]:
    """The mean margin over the folds is positive; at the full profile also beyond chance.

    The p-value's bound is the customary 0.05, one-sided, since the direction is claimed; the four
    folds of the quick profile have no power for it.
    """
    margin, names = margins(found, better, worse), f"{better}, over {worse}"
    checks = [Check(f"mean RMSE margin of {names}", margin.mean(), ">", 0)]
    if run.profile == "full":
        p, name = corrected_p(margin, 1 / PARTS), f"p-value of the margin of {names}"
        checks.append(Check(name, p, "<", _P_VALUE))
    return checks
