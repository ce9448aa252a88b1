"""Predictors of an outcome over a few items: rank correlations, intervals and permutation tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata


def rank_correlations(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's ρ of each row with its other, ties sharing their mean rank; 0 for a constant."""
    one, other = (rankdata(z, axis=-1) - (z.shape[-1] + 1) / 2 for z in (x, y))
    norms = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return (one * other).sum(-1) / np.where(norms > 0, norms, np.inf)


def ranked(
    predicted: Mapping[str, Sequence[float]],
    outcome: Sequence[float],
    resamples: int,
    level: float,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Predictor ↦ its rank correlation with an outcome over items: ``rho``, ``interval``, ``p``.

    The interval, at confidence 1 − ``level``, is of items drawn anew with replacement; p of the
    one-sided permutation test that ρ is not negative. ``behind`` is the interval of the first
    predictor's ρ minus this one's, of the same draws: below 0, the first says more.
    """
    y = np.asarray(outcome, dtype=float)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(y), (resamples, len(y)))
    orders = rng.permuted(np.tile(np.arange(len(y)), (resamples, 1)), axis=1)
    first, found = None, {}
    for name, values in predicted.items():
        x = np.asarray(values, dtype=float)
        rho = float(rank_correlations(x, y))
        drawn = rank_correlations(x[draws], y[draws])
        mixed = rank_correlations(np.broadcast_to(x, orders.shape), y[orders])
        first = drawn if first is None else first
        found[name] = {
            "rho": rho,
            "interval": _ends(drawn, level),
            "p": float((1 + (mixed <= rho + 1e-12).sum()) / (1 + resamples)),  # but for rounding
            "behind": _ends(first - drawn, level),
        }
    return found


def _ends(values: np.ndarray, level: float) -> list[float]:
    return np.quantile(values, [level / 2, 1 - level / 2]).tolist()
