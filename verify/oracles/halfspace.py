"""Halfspace depth among points of a line or a plane, and rows of attention in balls.

Floats are integers up to a common power of two, so that depths are counted without rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flint import arb, ctx

from rkbs.kernels.base import Kernel
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.distance import Cauchy
from rkbs.kernels.key_norm import KeyNormBias
from verify.oracles.exact import Point, dot, exact_value, logit, rational, rational_points

BITS = 128


def integers(points: np.ndarray) -> list[tuple[int, ...]]:
    """The points times the least power of two that makes all coordinates integers."""
    ratios = [[float(value).as_integer_ratio() for value in point] for point in points]
    scale = max(denominator for point in ratios for _, denominator in point)
    return [tuple(top * (scale // bottom) for top, bottom in point) for point in ratios]


def depths(points: np.ndarray) -> list[int]:
    """Of each point the least number of points in a closed halfspace that contains it; d = 1, 2.

    A halfplane with the point on its boundary loses no point of the others' by being turned until
    another point is about to enter or leave: the directions across the differences are enough,
    and of the points on such a boundary either side's may be turned out.
    """
    whole = integers(points)
    if len(whole[0]) > 2:
        raise ValueError(f"points must be of a line or a plane, got d = {len(whole[0])}")
    return [_depth([tuple(b - a for a, b in zip(p, q, strict=True)) for q in whole]) for p in whole]


def _depth(others: list[tuple[int, ...]]) -> int:
    """Of 0 among the points, itself one of them."""
    vectors = [v for v in others if any(v)]
    same = len(others) - len(vectors)
    if not vectors:
        return same
    if len(vectors[0]) == 1:
        right = sum(v > 0 for (v,) in vectors)
        return same + min(right, len(vectors) - right)
    least = len(vectors)
    for x, y in vectors:
        across = [x * b - y * a for a, b in vectors]
        along = [x * a + y * b for a, b in vectors]
        line = [a > 0 for a, c in zip(along, across, strict=True) if c == 0]
        beside = min(sum(c > 0 for c in across), sum(c < 0 for c in across))
        least = min(least, beside + min(sum(line), len(line) - sum(line)))
    return same + least


def value(kernel: Kernel, q: Point, k: Point) -> arb:
    """κ(q, k) in balls: ``exact_value``, and of kernels that it does not have."""
    root = arb(len(q)).sqrt()
    match kernel:
        case CappedEDP(cap=cap):
            c = arb(rational(cap))
            return (c * (logit(q, k) / c).tanh()).exp()
        case Cauchy(tau=tau):
            gap = [a - b for a, b in zip(q, k, strict=True)]
            return 1 / (1 + arb(rational(tau) * dot(gap, gap)) / root)
        case KeyNormBias(kernel=inner, tau=tau):
            return value(inner, q, k) * (-arb(rational(tau) * dot(k, k)) / root).exp()
    return exact_value(kernel, q, k)


def rows(kernel: Kernel, queries: Sequence[Point], keys: Sequence[Point]) -> list[list[arb]]:
    """A_ij = κ(q_i, k_j)/Σ_l κ(q_i, k_l) of rational points, in balls."""
    found = []
    for q in queries:
        values = [value(kernel, q, k) for k in keys]
        total = sum(values, arb(0))
        found.append([one / total for one in values])
    return found


def self_weights(kernel: Kernel, queries: np.ndarray, keys: np.ndarray) -> list[arb]:
    """The A_ii of float points, in balls of ``BITS`` bits."""
    with ctx.workprec(BITS):
        table = rows(kernel, rational_points(queries), rational_points(keys))
        return [table[i][i] for i in range(len(table))]
