"""Shares of what was counted, with an interval that is valid at any count."""

from __future__ import annotations

from scipy import stats


def clopper_pearson(right: int, count: int, level: float) -> tuple[float, float]:
    """The exact interval of a share, at confidence 1 − ``level``; (0, 1) of nothing."""
    if not count:
        return 0.0, 1.0
    low = stats.beta.ppf(level / 2, right, count - right + 1) if right else 0.0
    high = stats.beta.ppf(1 - level / 2, right + 1, count - right) if right < count else 1.0
    return float(low), float(high)
