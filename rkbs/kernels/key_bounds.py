"""What no query can exceed, key by key: bounds for keys that are given."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import numpy as np

from rkbs._arrays import as_matrix


def leverage_bound(features: Any) -> np.ndarray:
    """ψ_jᵀ(Σ_l ψ_l ψ_lᵀ)⁺ψ_j, the largest weight that any query can give key j.

    For a kernel κ(q, k) = ψ(k)ᵀ C(q) ψ(k) with C(q) ⪰ 0 (theory §5, L1′). The n bounds sum to the
    rank of the features.

    Parameters
    ----------
    features : array of shape (n, M)
        The ψ_j = ψ(k_j): for the quadratic kernel (1, k_j), for even Taylor cuts of order 2m the
        monomials of degree ≤ m.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import Quadratic, leverage_bound
    >>> keys = np.array([[-1.0], [0.0], [1.0], [4.0]])
    >>> leverage_bound(np.hstack([np.ones((4, 1)), keys])).round(3)
    array([0.536, 0.321, 0.25 , 0.893])
    >>> weights = Quadratic()([[-4 / 11], [6.0]], keys)  # the best for the first, and the last
    >>> (weights / weights.sum(1, keepdims=True)).round(3)
    array([[0.536, 0.288, 0.117, 0.06 ],
           [0.036, 0.001, 0.07 , 0.893]])
    """
    psi = as_matrix(features, "features").astype(float)
    # Of features in any units: small ones, as high powers of small keys, are not of lower rank.
    size = np.abs(psi).max(0)
    psi = psi / np.where(size > 0, size, 1)
    left, sigma, _ = np.linalg.svd(psi, full_matrices=False)
    kept = sigma > max(psi.shape) * np.finfo(float).eps * sigma[0]
    return (left[:, kept] ** 2).sum(1)


def depth_bound(keys: Any) -> np.ndarray:
    """1/depth(k_j), the largest weight that any query can give key j.

    For a kernel with κ(q, ·) quasi-convex (``is_quasiconvex``; theory §5, L4): EDP, even Taylor
    cuts, the quadratic kernel, the L2 distance. The halfspace depth of a key is the least number of
    keys, itself included, in a closed halfspace that contains it, computed exactly.

    Parameters
    ----------
    keys : array of shape (n, d)
        d = 1 or 2.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> from rkbs.kernels import depth_bound
    >>> depth_bound([[0.0], [1.0], [2.0], [5.0]])
    array([1. , 0.5, 0.5, 1. ])
    >>> depth_bound([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).round(3)
    array([0.333, 1.   , 1.   , 1.   , 1.   ])
    """
    points = as_matrix(keys, "keys")
    if points.shape[1] > 2:
        raise ValueError(f"keys must be of dimension 1 or 2, got shape {points.shape}")
    if points.shape[1] == 1:
        line = points[:, 0]
        behind = np.array([min((line <= k).sum(), (line >= k).sum()) for k in line])
        return 1 / behind
    whole = _integers(points)
    return 1 / np.array([_depth(point, whole) for point in whole])


def _integers(points: np.ndarray) -> list[tuple[int, int]]:
    """The points times a common denominator: their differences are then exact."""
    exact = [tuple(Fraction(float(x)) for x in row) for row in points]
    scale = max(x.denominator for row in exact for x in row)  # powers of two
    return [(int(x * scale), int(y * scale)) for x, y in exact]


def _depth(point: tuple[int, int], points: list[tuple[int, int]]) -> int:
    """The number of points less the most that an open halfplane beside ``point`` holds."""
    directions = [(x - point[0], y - point[1]) for x, y in points if (x, y) != point]
    directions.sort(key=functools.cmp_to_key(_by_angle))
    m, end, most = len(directions), 0, 0
    for start in range(m):
        end = max(end, start + 1)
        while end < start + m and _within_half_turn(directions[start], directions[end % m]):
            end += 1
        most = max(most, end - start)
    return len(points) - most


def _cross(u: tuple[int, int], v: tuple[int, int]) -> int:
    return u[0] * v[1] - u[1] * v[0]


def _by_angle(u: tuple[int, int], v: tuple[int, int]) -> int:
    """Negative where u comes before v, counter-clockwise from the first axis."""
    lower = [w[1] < 0 or (w[1] == 0 and w[0] < 0) for w in (u, v)]
    if lower[0] != lower[1]:
        return lower[0] - lower[1]
    return -1 if (cross := _cross(u, v)) > 0 else int(cross < 0)


def _within_half_turn(u: tuple[int, int], v: tuple[int, int]) -> bool:
    """Whether v lies less than π counter-clockwise of u, or in its direction."""
    cross = _cross(u, v)
    return cross > 0 or (cross == 0 and u[0] * v[0] + u[1] * v[1] > 0)
