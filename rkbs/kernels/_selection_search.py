"""The search for what a kernel attains: arrangements, scaled, then an ascent from the best."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rkbs.kernels._arrangements import Pair, arrangements
from rkbs.kernels._own_weights import Goal, OwnWeights, mean, smooth_least

MOST_KEYS = 256
"""So many keys are tried at most."""
MOST_COORDINATES = 200
"""Up to as many n d queries and keys ascend."""
STARTS = (1.0, 1.0, 3.0, 10.0)
"""Scales of the random starts."""
HALF = math.log(0.5) + 1e-9
"""A log A_ii above counts as selected; below, rounding could have lifted it over ½."""


def selected_pair(weights: OwnWeights, n: int, d: int) -> Pair | None:
    """Queries and keys of a scaled arrangement that selects all n; None if none does."""
    for pair in arrangements(n, d):
        _, found = weights.scaled(smooth_least, *pair)
        if _selects(weights, *found):
            return found
    return None


def largest_selected(weights: OwnWeights, d: int, bound: float | None) -> Pair:
    """Of the most keys that are found to be selected; one above the bound is tried, too."""
    most = MOST_KEYS if bound is None else min(bound, MOST_KEYS)
    found = selected_pair(weights, most, d) if most < MOST_KEYS else None
    if found is not None:
        more = selected_pair(weights, most + 1, d)
        return found if more is None else more
    best = _by_arrangements(weights, d, most)
    while len(best[1]) < most and (len(best[1]) + 1) * d <= MOST_COORDINATES:
        found = _by_ascent(weights, best, d)
        if found is None:
            break
        best = found
    return best


def _by_arrangements(weights: OwnWeights, d: int, most: int) -> Pair:
    """Of the most keys by arrangements alone: doubling, halving, then two steps more.

    Of fewer keys more are selected; arrangements may miss some n, hence the steps.
    """
    best = np.zeros((0, d)), np.zeros((0, d))
    low, high = 0, 1
    while high <= most and (found := selected_pair(weights, high, d)) is not None:
        best, low, high = found, high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        found = selected_pair(weights, middle, d)
        if found is None:
            high = middle
        else:
            best, low = found, middle
    for n in (low + 2, low + 3):
        if n <= most and (found := selected_pair(weights, n, d)) is not None:
            best = found
    return best


def _by_ascent(weights: OwnWeights, best: Pair, d: int) -> Pair | None:
    """Of one key more than ``best`` has."""
    n = len(best[1]) + 1
    for start in _starts(weights, smooth_least, n, d):
        found = weights.ascent(smooth_least, *start, steps=100)
        if _selects(weights, *found):
            return found
    return None


def best_pair(weights: OwnWeights, n: int, d: int, bound: float | None) -> Pair:
    """Queries and keys of the largest geometric mean that is found."""
    goal = math.inf if bound is None else math.log(bound) - 1e-12
    starts = _starts(weights, mean, n, d)
    best = next(starts)
    top = weights.score(mean, *best)
    if n * d > MOST_COORDINATES:
        return best
    for start in (best, *starts):
        if top >= goal:
            break
        found = weights.ascent(mean, *start, steps=100)
        if (score := weights.score(mean, *found)) > top:
            best, top = found, score
    return best


def _starts(weights: OwnWeights, goal: Goal, n: int, d: int) -> Iterator[Pair]:
    """The two best arrangements, the best first, and random queries and keys."""
    scaled = [weights.scaled(goal, *pair) for pair in arrangements(n, d)]
    scaled.sort(key=lambda found: -found[0])
    for _, pair in scaled[:2]:
        yield pair
    rng = np.random.default_rng(n)
    for scale in STARTS:
        queries, keys = scale * rng.normal(size=(2, n, d))
        yield queries, keys


def _selects(weights: OwnWeights, queries: np.ndarray, keys: np.ndarray) -> bool:
    try:
        return bool((weights.logs(weights.values(queries, keys)) > HALF).all())
    except OverflowError:
        return False
