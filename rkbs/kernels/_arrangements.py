"""Points that kernels select well: what ``selection`` scales, and starts its ascent from.

An arrangement is a pair of queries and keys (n, d); query i belongs to key i.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]
"""Queries and keys, (n, d) each."""
MOST_ON_SPHERE = 256
"""Up to as many points are spread over a sphere by descent."""


def arrangements(n: int, d: int) -> Iterator[Pair]:
    """What is tried at n keys in R^d, each up to a factor for the queries and one for the keys."""
    if d == 1:
        yield _nested(n)
    if d > 2:
        yield _cone(n, d)
    for points in _shapes(n, d):
        yield points, points


def _shapes(n: int, d: int) -> Iterator[np.ndarray]:
    """Keys that are their queries, those that take long to make last."""
    yield from (_line(n, d), _clusters(n, d), np.ones((n, d)))
    if d == 1:
        return
    yield _circle(n, d)
    yield _simplex(n, d) if n <= d + 1 else np.resize(_simplex(d + 1, d), (n, d))  # or in groups
    if d + 1 < n <= 2 * d:
        yield np.vstack([np.eye(d), -np.eye(d)])[:n]
    if n > d + 1 and d > 2:  # for d = 2 the circle is one
        yield from _tight_frame(n, d)
    if d > 2 and d + 1 < n <= MOST_ON_SPHERE:
        yield _on_sphere(_repulsion, _scattered(n, d))


def _line(n: int, d: int) -> np.ndarray:
    """Equispaced on a line; for d ≥ 2 one on which no point exceeds another in all coordinates."""
    direction = np.eye(d)[0] - (np.eye(d)[1] if d > 1 else 0)
    return (np.arange(n) - (n - 1) / 2)[:, None] * direction


def _clusters(n: int, d: int) -> np.ndarray:
    """At 1 and −1 in turn, on the first axis."""
    return (-1.0) ** np.arange(n)[:, None] * np.eye(d)[0]


def _nested(n: int) -> Pair:
    """±(r + 1 − r^{−j}) on the line, gaps that shrink outwards, and queries of the inverse lengths.

    The query of a key sees all keys outside it as near and none within: its weight comes as near
    to 1/depth, the bound of L4, as rounding lets the ratio r of the gaps grow.
    """
    layer, side = np.arange(n) // 2 * 1.0, (-1.0) ** np.arange(n)
    ratio = 10.0 ** (14 / (n // 2 + 1))
    keys, queries = side * (ratio + 1 - ratio**-layer), side * ratio**layer
    return queries[:, None], keys[:, None]


def _cone(n: int, d: int) -> Pair:
    """Keys on a circle at height 1, and queries positive at their own key and negative elsewhere.

    Large queries take every logit of a row to one end or the other of what a cap allows.
    """
    circle, height = _circle(n, d), np.eye(d)[2]
    middle = (1 + math.cos(2 * math.pi / n)) / 2 if n > 1 else 0.0
    return circle - middle * height, circle + height


def _circle(n: int, d: int) -> np.ndarray:
    """Equispaced on the circle of the first two axes."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], -1) @ np.eye(2, d)


def _simplex(n: int, d: int) -> np.ndarray:
    """The corners of a regular simplex of n ≤ d + 1 points, of norm 1 and mean 0."""
    if n == 1:
        return np.eye(1, d)
    centred = np.eye(n) - 1 / n
    points = np.linalg.qr(centred[:, :-1])[0]  # their Gram matrix is centred
    return points / np.linalg.norm(points, axis=1, keepdims=True) @ np.eye(n - 1, d)


def _tight_frame(n: int, d: int) -> list[np.ndarray]:
    """Of n > d + 1 points of norm 1 and mean 0 with Σ x xᵀ = (n/d) I; none where none is known.

    Harmonics of n equispaced angles for even d, and for odd d and even n with the alternating sign;
    else, for d ≥ 3, by descent on the frame potential.
    """
    angles = 2 * np.pi * np.outer(np.arange(n), np.arange(1, d // 2 + 1)) / n
    columns = [np.cos(angles), np.sin(angles)]
    if d % 2 and n % 2 == 0:
        columns.append((-1.0) ** np.arange(n)[:, None] / math.sqrt(2))
    elif d % 2:
        return [_on_sphere(_frame_potential, _scattered(n, d))] if n <= MOST_ON_SPHERE else []
    return [np.hstack(columns) * math.sqrt(2 / d)]


def _scattered(n: int, d: int) -> np.ndarray:
    """Points of the sphere: the Fibonacci lattice for d = 3, else at random, always the same."""
    if d != 3:
        points = np.random.default_rng(0).normal(size=(n, d))
        return points / np.linalg.norm(points, axis=1, keepdims=True)
    height = 1 - (2 * np.arange(n) + 1) / n
    angle = math.pi * (3 - math.sqrt(5)) * np.arange(n)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], -1)


Energy = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Of points (n, d): a number and its gradient (n, d)."""


def _repulsion(points: np.ndarray) -> tuple[float, np.ndarray]:
    """Σ_{i ≠ j} |x_i − x_j|^{−4} of points of norm 1."""
    square = 2 - 2 * points @ points.T
    np.fill_diagonal(square, np.inf)
    square = np.maximum(square, 1e-6)
    return float((square**-2).sum()), 8 * square**-3 @ points


def _frame_potential(points: np.ndarray) -> tuple[float, np.ndarray]:
    """‖Σ x xᵀ − (n/d) I‖² + |Σ x|²: 0 for a tight frame of mean 0."""
    n, d = points.shape
    excess, total = points.T @ points - n / d * np.eye(d), points.sum(0)
    return float((excess**2).sum() + total @ total), 4 * points @ excess + 2 * total


def _on_sphere(energy: Energy, start: np.ndarray) -> np.ndarray:
    """Points of norm 1 that a descent on the energy reaches."""
    from scipy.optimize import minimize  # late: rkbs is light to import

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        points = flat.reshape(start.shape)
        norms = np.linalg.norm(points, axis=1, keepdims=True)
        unit = points / norms
        value, slope = energy(unit)
        slope = (slope - (slope * unit).sum(-1, keepdims=True) * unit) / norms
        return value, slope.ravel()

    options = {"maxiter": 300, "gtol": 1e-13, "ftol": 1e-16}
    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    points = found.x.reshape(start.shape)
    return points / np.linalg.norm(points, axis=1, keepdims=True)
