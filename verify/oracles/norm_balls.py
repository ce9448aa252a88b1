"""Logistic losses linear in a matrix, minimized over balls of norms and with a log barrier.

Shares no code with what it judges: projections onto the balls in place of directions, accelerated
projected gradients, and Newton's method for the barrier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit


def onto_sum(x: np.ndarray, radius: float) -> np.ndarray:
    """The nearest vector of Σ|x_k| ≤ radius: a soft threshold, found by sorting."""
    size = np.sort(np.abs(x))[::-1]
    if size.sum() <= radius:
        return x
    levels = (np.cumsum(size) - radius) / np.arange(1, len(x) + 1)
    level = levels[np.flatnonzero(size > levels)[-1]]
    return np.sign(x) * np.maximum(np.abs(x) - level, 0)


def onto_max(x: np.ndarray, radius: float) -> np.ndarray:
    """The nearest vector of |x_k| ≤ radius."""
    return np.clip(x, -radius, radius)


def onto_euclidean(x: np.ndarray, radius: float) -> np.ndarray:
    """The nearest vector of length ≤ radius."""
    length = float(np.linalg.norm(x))
    return x * min(1.0, radius / length) if length else x


OfVectors = Callable[[np.ndarray, float], np.ndarray]
ENTRYWISE: dict[str, OfVectors] = {
    "Frobenius": onto_euclidean,
    "entrywise ℓ^∞": onto_max,
    "entrywise ℓ¹": onto_sum,
}
SPECTRAL: dict[str, OfVectors] = {"spectral": onto_max, "nuclear": onto_sum}
"""Of the singular values: the nearest matrix keeps the singular vectors."""


def projected(a: np.ndarray, radius: float, norm: str) -> np.ndarray:
    """The nearest matrix of a norm's ball."""
    if norm in ENTRYWISE:
        return ENTRYWISE[norm](a.ravel(), radius).reshape(a.shape)
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (u * SPECTRAL[norm](s, radius)) @ vt


@dataclass(frozen=True, eq=False)
class Logistic:
    """J(W) = mean log(1 + exp(−y_i ⟨A_i, W⟩)), A of shape (N, d, D), y = ±1."""

    A: np.ndarray
    y: np.ndarray

    def loss(self, w: np.ndarray) -> float:
        """J."""
        margins = self.y * (self.A.reshape(len(self.y), -1) @ w.ravel())
        return float(np.logaddexp(0, -margins).mean())

    def slope(self, w: np.ndarray) -> np.ndarray:
        """∇J, of the shape of w."""
        rows = self.A.reshape(len(self.y), -1)
        pull = -self.y * expit(-self.y * (rows @ w.ravel()))
        return (rows.T @ pull / len(self.y)).reshape(w.shape)

    def in_ball(self, norm: str, radius: float, steps: int = 20_000) -> np.ndarray:
        """A minimizer of J over N(W) ≤ radius, until W is the projection of W − ∇J(W)."""
        rows = self.A.reshape(len(self.y), -1)
        rate = 4 * len(self.y) / np.linalg.norm(rows, 2) ** 2
        w = ahead = np.zeros(self.A.shape[1:])
        momentum = 1.0
        for _ in range(steps):
            new = projected(ahead - rate * self.slope(ahead), radius, norm)
            if np.sum((ahead - new) * (new - w)) > 0:  # it overshoots: begin again from here
                momentum = 1.0
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = new + (momentum - 1) / following * (new - w)
            if np.abs(new - projected(new - rate * self.slope(new), radius, norm)).max() < 1e-13:
                return new
            w, momentum = new, following
        raise RuntimeError(f"no minimizer in the {norm} ball of radius {radius} in {steps} steps")

    def with_barrier(self, epsilon: float, decay: float) -> np.ndarray:
        """The minimizer of J + (ε/λ) Σ[−log(1 − λ|w|) − λ|w|], λ = ``decay``: damped Newton."""
        rows = self.A.reshape(len(self.y), -1)

        def value(w: np.ndarray) -> float:
            x = decay * np.abs(w)
            return self.loss(w) + epsilon / decay * float(np.sum(-np.log1p(-x) - x))

        w = np.zeros(rows.shape[1])
        for _ in range(200):
            room = 1 - decay * np.abs(w)
            slope = self.slope(w) + epsilon * decay * w / room
            p = expit(rows @ w)
            curvature = (rows.T * (p * (1 - p))) @ rows / len(rows)
            move = -np.linalg.solve(curvature + np.diag(epsilon * decay / room**2), slope)
            fraction = 1.0
            while (
                decay * np.abs(w + fraction * move).max() >= 1
                or value(w + fraction * move) > value(w) + 1e-15
            ):
                fraction /= 2
            w = w + fraction * move
            if np.abs(fraction * move).max() < 1e-14 / decay:
                return w.reshape(self.A.shape[1:])
        raise RuntimeError(f"no minimizer with a barrier of ε = {epsilon:g}")
