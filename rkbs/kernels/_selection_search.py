"""The search for what a kernel attains: arrangements, scaled, then an ascent from the best."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from rkbs.kernels._arrangements import Pair, arrangements
from rkbs.kernels._own_weights import Goal, OwnWeights, Scales, mean, smooth_least

MOST_KEYS = 256
"""So many keys are tried at most."""
MOST_COORDINATES = 200
"""Up to as many n d queries and keys ascend."""
ARRANGEMENTS = 3
"""So many of the arrangements are scaled with care."""
RANDOM = (1.0, 3.0, 10.0)
"""Scales of the random starts."""
WORK = 500_000
"""About so many of the kernel's values are computed in one ascent, whatever n and d."""
HALF = math.log(0.5) + 1e-9
"""A log A_ii above counts as selected; below, rounding could have lifted it over ½."""


def selected_pair(weights: OwnWeights, n: int, d: int) -> Pair | None:
    """Queries and keys of a scaled arrangement that selects all n; None if none does."""
    tried = []
    for pair in arrangements(n, d):
        score, factors = weights.coarse(smooth_least, *pair)
        if score > HALF:
            return factors.query * pair[0], factors.key * pair[1]
        tried.append((score, factors, pair))
    for pair in _best_scaled(weights, smooth_least, tried):
        if _selects(weights, *pair):
            return pair
    return None


def _scaled(weights: OwnWeights, goal: Goal, n: int, d: int) -> Iterator[Pair]:
    """The arrangements that look best by coarse factors, by the best factors, one by one."""
    tried = [(*weights.coarse(goal, *pair), pair) for pair in arrangements(n, d)]
    yield from _best_scaled(weights, goal, tried)


def _best_scaled(
    weights: OwnWeights, goal: Goal, tried: list[tuple[float, Scales, Pair]]
) -> Iterator[Pair]:
    """The best of them, with their coarse factors, by fine ones."""
    for _, factors, pair in sorted(tried, key=lambda entry: -entry[0])[:ARRANGEMENTS]:
        yield weights.fine(goal, *pair, factors)


def largest_selected(weights: OwnWeights, d: int, bound: float | None) -> Pair:
    """Of the most keys that are found to be selected; one above the bound is tried, too."""
    most = MOST_KEYS if bound is None else min(bound, MOST_KEYS)
    found = selected_pair(weights, most, d) if most < MOST_KEYS else None
    if found is not None:
        more = selected_pair(weights, most + 1, d)
        return found if more is None else more
    best = _by_arrangements(weights, d, most)
    while (n := len(best[1]) + 1) <= most and n * d <= MOST_COORDINATES:
        found = _by_ascent(weights, n, d)
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


def _by_ascent(weights: OwnWeights, n: int, d: int) -> Pair | None:
    """Of n keys, by an ascent of the least self-weight; None if it does not select all."""
    for start in (*_scaled(weights, smooth_least, n, d), *_random(n, d)):
        found = weights.ascent(smooth_least, *start, _steps(n, d))
        if _selects(weights, *found):
            return found
    return None


def best_pair(weights: OwnWeights, n: int, d: int, bound: float | None) -> Pair:
    """Queries and keys of the largest geometric mean that is found."""
    goal = math.inf if bound is None else math.log(bound) - 1e-12
    starts = sorted(_scaled(weights, mean, n, d), key=lambda pair: -weights.score(mean, *pair))
    best, top = starts[0], weights.score(mean, *starts[0])
    if n * d > MOST_COORDINATES:
        return best
    for start in (*starts[:2], _shaken(*best), *_random(n, d)):
        if top >= goal:
            break
        found = weights.ascent(mean, *start, _steps(n, d))
        if (score := weights.score(mean, *found)) > top:
            best, top = found, score
    return best


def _random(n: int, d: int) -> list[Pair]:
    """Normal queries and keys, the same for each n and d."""
    rng = np.random.default_rng([n, d])
    return [tuple(scale * rng.normal(size=(2, n, d))) for scale in RANDOM]


def _shaken(queries: np.ndarray, keys: np.ndarray) -> Pair:
    """Moved a little at random, out of symmetries that are no maximum, the same way always."""
    noise = 0.03 * np.random.default_rng(0).normal(size=(2, *keys.shape))
    sizes = (np.abs(x).max() for x in (queries, keys))
    return tuple(
        x + size * part for x, size, part in zip((queries, keys), sizes, noise, strict=True)
    )


def _steps(n: int, d: int) -> int:
    """Of an ascent: its gradients, of 4d values for each of n² entries, count."""
    return max(15, min(100, WORK // (4 * d * n * n)))


def _selects(weights: OwnWeights, queries: np.ndarray, keys: np.ndarray) -> bool:
    try:
        return bool((weights.logs(weights.evaluate(queries, keys)) > HALF).all())
    except OverflowError:
        return False
