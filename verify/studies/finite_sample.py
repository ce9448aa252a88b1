"""Noisy responses of finitely many pairs, points to test on, and intervals over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import stdtrit

from rkbs.approximation.quadrature import Quadrature
from rkbs.data.pairs import Pairs
from verify.studies.targets import TARGETS

KINDS = ("seen", "unobserved", "new rows", "new columns", "both new")
"""Test pairs: the observed ones (without noise), the others of their grid, and pairs of a new
target, of a new source, or of two new points."""
NEW = 60
"""New points of each domain."""
HELD_OUT = 0.2
"""The share of the training pairs on which attention chooses its settings."""

Predictor = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(n, dim), (m, dim) → predictions (n, m)."""


@dataclass(frozen=True, eq=False)
class Training:
    """What a contestant sees: pairs, noisy responses, and which of them to hold out."""

    pairs: Pairs
    z: np.ndarray
    held: np.ndarray


@dataclass(frozen=True)
class Fit:
    """A fitted contestant: its predictions, what it chose by itself, and what all that cost.

    FLOPs are None where they are not counted.
    """

    predict: Predictor
    chosen: dict[str, Any]
    seconds: float
    flops: float | None


@dataclass(frozen=True, eq=False)
class Sample:
    """Training data and, apart from it, the clean surface at the training and at new points.

    Parameters
    ----------
    training : Training
    X_new, Y_new : arrays of shape (NEW, dim)
    clean : array of shape (n + NEW, n + NEW)
        F divided by its standard deviation on the domain, training points first.
    """

    training: Training
    X_new: np.ndarray
    Y_new: np.ndarray
    clean: np.ndarray

    @classmethod
    def draw(cls, target: str, n: int, noise: float, share: float, seed: int) -> Sample:
        """n points of each domain, uniform; ``noise`` and errors are in units of the sd of F.

        The same seed and n give the same points and the same noise up to its size, whatever the
        target and the share of the n² pairs that is observed.
        """
        F, rng = TARGETS[target], np.random.default_rng([seed, n])
        X, Y = rng.uniform(-1, 1, (2, n, F.dim))
        X_new, Y_new = rng.uniform(-1, 1, (2, NEW, F.dim))
        clean = F(np.vstack([X, X_new]), np.vstack([Y, Y_new])) / standard_deviation(target)
        noisy = clean[:n, :n] + noise * rng.standard_normal((n, n))
        mask = np.zeros(n * n, dtype=bool)
        mask[rng.permutation(n * n)[: round(share * n * n)]] = True
        pairs = Pairs.from_mask(X, Y, mask.reshape(n, n))
        held = np.zeros(len(pairs), dtype=bool)
        held[rng.permutation(len(pairs))[: round(HELD_OUT * len(pairs))]] = True
        return cls(Training(pairs, pairs.entries(noisy), held), X_new, Y_new, clean)

    def errors(self, predict: Predictor) -> dict[str, float]:
        """Root mean squared errors of the clean surface by the kind of test pairs."""
        pairs = self.training.pairs
        n, X, Y = len(pairs.X), pairs.X, pairs.Y
        squared = (
            predict(np.vstack([X, self.X_new]), np.vstack([Y, self.Y_new])) - self.clean
        ) ** 2
        seen = np.zeros((n, n), dtype=bool)
        seen[pairs.i, pairs.j] = True
        parts = (
            squared[:n, :n][seen],
            squared[:n, :n][~seen],
            squared[n:, :n],
            squared[:n, n:],
            squared[n:, n:],
        )
        found = zip(KINDS, parts, strict=True)
        return {kind: float(np.sqrt(part.mean())) for kind, part in found if part.size}

    def floor(self, rank: int) -> float:
        """The least error on the pairs of two new points of any predictor of that rank."""
        n = len(self.training.pairs.X)
        sigma = np.linalg.svd(self.clean[n:, n:], compute_uv=False)
        return float(np.linalg.norm(sigma[rank:]) / NEW)


@cache
def standard_deviation(target: str) -> float:
    """√Var F(t, s) for independent uniform t and s, by Gauss–Legendre quadrature."""
    F = TARGETS[target]
    rule = Quadrature.gauss_legendre({1: 200, 2: 30}.get(F.dim, 8), F.dim).x
    values, w = F(rule.nodes, rule.nodes), rule.weights
    return math.sqrt(w @ (values - w @ values @ w) ** 2 @ w)


def interval(values: Iterable[float], level: float = 0.95) -> tuple[float, float, float]:
    """(mean, low, high): Student's t-interval of the mean of independent values."""
    values = np.array(list(values), dtype=float)
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two values, got {len(values)}")
    mean = values.mean()
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = stdtrit(len(values) - 1, (1 + level) / 2) * error
    return float(mean), float(mean - half), float(mean + half)
