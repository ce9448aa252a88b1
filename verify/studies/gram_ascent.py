"""The fewest points at which a head's kernel is seen not to be Mercer, found by ascent.

The kernel is exp(scale · xᵀ N y) on a ball: a head's form in a basis of the span of its maps, with
whatever factors for each query and key left out. The ratio of the least to the largest eigenvalue
of the symmetric part of its Gram matrix is at least −1, as all entries are positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

NEGATIVE = -1e-12
"""A ratio below this is no rounding: that of 64 points is some 64 units of roundoff."""
COUNTS = (2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64)
"""Of points that are tried, one after the other."""


@dataclass(frozen=True)
class Fewest:
    """``n`` points with a ratio below ``NEGATIVE``; None and the least ratio if none was found."""

    n: int | None
    ratio: float
    points: np.ndarray


def fewest(
    form: np.ndarray, scale: float, radius: float, rng: np.random.Generator, starts: int = 3
) -> Fewest:
    """Sets of 2, 3, … points of the ball of a radius, each by ascent from several starts."""
    best = Fewest(None, math.inf, np.zeros((0, len(form))))
    for n in COUNTS:
        for start in _starts(form, n, starts, rng):
            found = ascended(form, scale, radius, start)
            if found.ratio < best.ratio:
                best = found
        if best.ratio < NEGATIVE:
            return best
    return Fewest(None, best.ratio, best.points)


def ascended(form: np.ndarray, scale: float, radius: float, start: np.ndarray) -> Fewest:
    """From points u, for x = radius · u/max(1, |u|), the least ratio that L-BFGS finds."""

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        u = flat.reshape(start.shape)
        size = np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1.0)
        value, slope = ratio(form, scale, radius * u / size)
        slope = radius * slope / size
        inward = np.sum(slope * u, 1, keepdims=True) * u / size**2
        return value, np.where(size > 1, slope - inward, slope).ravel()

    found = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300}
    )
    u = found.x.reshape(start.shape)
    x = radius * u / np.maximum(np.linalg.norm(u, axis=1, keepdims=True), 1.0)
    return Fewest(len(x), ratio(form, scale, x)[0], x)


def ratio(form: np.ndarray, scale: float, x: np.ndarray) -> tuple[float, np.ndarray]:
    """λ_min/λ_max of the symmetric part of exp(scale · x N xᵀ), and its slope in the points."""
    logits = scale * x @ form @ x.T
    gram = np.exp(logits - logits.max())
    eigenvalues, vectors = np.linalg.eigh((gram + gram.T) / 2)
    low, high = vectors[:, 0], vectors[:, -1]
    value = eigenvalues[0] / eigenvalues[-1]
    weights = (np.outer(low, low) - value * np.outer(high, high)) / eigenvalues[-1] * gram
    return float(value), scale * (weights @ x @ form.T + weights.T @ x @ form)


def at_two_points(form: np.ndarray, scale: float, radius: float) -> float:
    """The ratio at ±r v, v the lowest eigenvector of S: tanh(scale · r² · λ_min(S)).

    Negative iff S has a negative eigenvalue: then two points suffice, as near to each other as one
    likes.
    """
    lowest = float(np.linalg.eigvalsh((form + form.T) / 2)[0])
    return math.tanh(scale * radius**2 * lowest)


def _starts(form: np.ndarray, n: int, starts: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Points on the lowest directions of S, either way; and drawn ones."""
    directions = np.linalg.eigh((form + form.T) / 2)[1].T
    places = np.arange(n)
    rounds, axes = np.divmod(places // 2, len(form))
    along = directions[axes] * (0.5**rounds * (-1.0) ** places)[:, None]
    drawn = [rng.normal(size=(n, len(form))) / math.sqrt(len(form)) for _ in range(starts)]
    return [along, *drawn]
