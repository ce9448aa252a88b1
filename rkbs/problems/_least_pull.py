"""Of the subgradients of sum zero at a best constant, one that pulls at the operator the least."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rkbs.terms.losses import Loss

_NEAR = 32 * np.finfo(float).eps
"""How far from a kink the best constant may lie, relative to the responses."""
_STEPS = 300
_ENOUGH = 1.02
_BISECTIONS = 60

Pull = Callable[[np.ndarray], np.ndarray]


def slope_bounds(loss: Loss, b: float, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of −∂ℓ(b; z_n), apart where ℓ has a kink: c_n lies between them."""
    near = _NEAR * max(float(np.abs(z).max()), abs(b))
    return -loss.gradient(b + near, z), -loss.gradient(b - near, z)


def least_pull(
    c: np.ndarray, low: np.ndarray, high: np.ndarray, maps: tuple[Pull, Pull], norm: float
) -> np.ndarray:
    """c with low ≤ c ≤ high, Σ c = 0 and the spectral norm ‖G(c)‖ within 2% of the least.

    By Chambolle & Pock (2011) for min_c max_W ⟨G(c), W⟩ over the W of nuclear norm 1, of which each
    bounds the least from below: min_c ⟨c, G*(W)⟩ ≤ ‖G(c)‖. It ends where the best of both are that
    near, or after 300 steps of a singular value decomposition each; then with the best it has.

    Parameters
    ----------
    c : array of shape (n,)
        A start, of sum 0 between the bounds.
    low, high : arrays of shape (n,)
    maps : (function, function)
        G, linear, and its adjoint.
    norm : float
        At least the operator norm of G.
    """
    pull, push = maps
    free = float(np.linalg.norm(high - low))
    G = pull(c)
    best, value, bound = c, _largest(G), 0.0
    if not (free > 0 and norm > 0 and value > 0):
        return c
    W, ahead, step = np.zeros_like(G), c, free / norm
    for _ in range(_STEPS):
        W = _onto_nuclear_ball(W + pull(ahead) / (norm * free))
        slope = push(W)
        last, c = c, _onto_balanced(c - step * slope, low, high)
        ahead = 2 * c - last
        reached = _largest(pull(c))
        if reached < value:
            best, value = c, reached
        bound = max(bound, _least_product(slope, low, high))
        if value <= _ENOUGH * bound:
            break
    return best


def _largest(G: np.ndarray) -> float:
    return float(np.linalg.norm(G, 2))


def _onto_nuclear_ball(W: np.ndarray) -> np.ndarray:
    """The nearest matrix whose singular values sum to 1 at most."""
    P, sigma, Qt = np.linalg.svd(W, full_matrices=False)
    if sigma.sum() <= 1:
        return W
    excess = (np.cumsum(sigma) - 1) / np.arange(1, len(sigma) + 1)
    level = excess[np.flatnonzero(sigma > excess)[-1]]
    return (P * np.maximum(sigma - level, 0.0)) @ Qt


def _onto_balanced(c: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The nearest point between the bounds of sum 0, by bisection of what is taken from all."""
    least, most = float((c - high).min()), float((c - low).max())
    for _ in range(_BISECTIONS):
        middle = (least + most) / 2
        if np.clip(c - middle, low, high).sum() > 0:
            least = middle
        else:
            most = middle
    return np.clip(c - most, low, high)


def _least_product(slope: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The least of ⟨c, slope⟩, which c reaches filling up from ``low`` where the slope is least."""
    order = np.argsort(slope)
    room = (high - low)[order]
    filled = np.clip(-low.sum() - (np.cumsum(room) - room), 0.0, room)
    return float(low @ slope + filled @ slope[order])
