"""Barriers of the domain of a conjugate: value, slope and curvature."""

from __future__ import annotations

import numpy as np

Jet = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A function's value, slope and curvature, elementwise."""


def add(first: Jet, second: Jet) -> Jet:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def outside(u: np.ndarray) -> Jet:
    return np.full_like(u, np.inf), np.zeros_like(u), np.ones_like(u)


def interval_barrier(
    u: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, mu: float
) -> Jet:
    """−μ (log(u − low) + log(high − u)) up to a constant; infinite unless low < u < high.

    The constant makes the value one of a share of the interval, whatever the unit of u.
    """
    a, b, width = u - low, high - u, high - low
    if not ((a > 0) & (b > 0)).all():
        return outside(u)
    value = -mu * (np.log(a / width) + np.log(b / width))
    return value, mu / b - mu / a, mu / a / a + mu / b / b
