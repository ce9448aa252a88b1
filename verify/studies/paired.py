"""Paired comparisons of a few runs each: t intervals, Holm, equivalence with its power, ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import integrate, stats


def interval(differences: Sequence[float], level: float) -> tuple[float, float]:
    """The t interval of the mean of paired differences, at confidence 1 − ``level``."""
    x = _checked(differences)
    half = stats.t.ppf(1 - level / 2, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x))
    return float(x.mean() - half), float(x.mean() + half)


def p_difference(differences: Sequence[float]) -> float:
    """Of the two-sided t test that the mean is 0; 1 where all differences are 0."""
    return 2 * min(_p_above(differences, 0.0), _p_above(-_checked(differences), 0.0), 0.5)


def p_equivalence(differences: Sequence[float], margin: float) -> float:
    """Of two one-sided t tests that the mean is beyond ±``margin``: the larger of both."""
    x = _checked(differences)
    return max(_p_above(x, -margin), _p_above(-x, -margin))


def _p_above(differences: Sequence[float], least: float) -> float:
    """Of the one-sided test that the mean is at most ``least``: small where it is above."""
    x = _checked(differences) - least
    error = x.std(ddof=1) / math.sqrt(len(x))
    if error == 0:
        return 0.0 if x.mean() > 0 else 1.0
    return float(stats.t.sf(x.mean() / error, len(x) - 1))


def equivalence_power(deviation: float, count: int, margin: float, level: float) -> float:
    """How often ``count`` pairs with no difference are found equivalent, at a true deviation.

    The mean is normal of deviation σ/√n, the estimate s of σ independent of it: equivalence is
    found where |mean| < margin − t s/√n, and the probability of that is averaged over s.
    """
    if count < 2:
        raise ValueError(f"count must be at least 2, got {count}")
    if deviation == 0:
        return 1.0
    freedom = count - 1
    quantile, error = stats.t.ppf(1 - level, freedom), deviation / math.sqrt(count)
    most = freedom * (margin / (quantile * error)) ** 2  # of s²/σ² · freedom, where room is left

    def share(square: float) -> float:
        room = margin / error - quantile * math.sqrt(square / freedom)
        return (2 * stats.norm.cdf(room) - 1) * stats.chi2.pdf(square, freedom)

    most = min(most, stats.chi2.isf(1e-12, freedom))
    return float(integrate.quad(share, 0, most, limit=200)[0])


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's adjusted p values: what is below a level holds for all of them at that level."""
    adjusted, largest = {}, 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Spearman's ρ, ties sharing their mean rank; 0 where one side is constant."""
    ranks = [stats.rankdata(z) - (len(z) + 1) / 2 for z in (x, y)]
    norms = [float(np.linalg.norm(r)) for r in ranks]
    return float(ranks[0] @ ranks[1] / math.prod(norms)) if min(norms) > 0 else 0.0


def _checked(differences: Sequence[float]) -> np.ndarray:
    x = np.asarray(differences, dtype=float)
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"differences must be two finite numbers or more, got {differences!r}")
    return x
