"""Maps trained to fixed points, and how near these are to the optimality conditions of each norm.

W ← W + η(u − λW) for each map, u an optimizer's direction, full batch, in float64; steps η_t =
(rate/λ)(1 − t/T)^power.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from verify.studies.geometry_norms import Norm, frobenius, polar
from verify.studies.geometry_optimizers import Optimizer


class Objective(Protocol):
    """J of maps (..., matrices, d, D)."""

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """∇J, of the shape of w."""


@dataclass(frozen=True)
class Recipe:
    """An optimizer, the norm that theory says it realizes, and how it is run.

    ``ball``: N(W) ≤ 1/λ bounds W; if not, J has the penalty (λ/2)‖W‖_F². ``in_objective``: λW is
    added to g, and u is not decayed.
    """

    make: Callable[[], Optimizer]
    norm: Norm
    decay: float
    rate: float = 0.2
    steps: int = 16_000
    power: float = 4.0
    ball: bool = True
    in_objective: bool = False

    @property
    def etas(self) -> np.ndarray:
        """η_1, …, η_T."""
        left = 1 - np.arange(self.steps) / self.steps
        return self.rate / self.decay * left**self.power


@dataclass(frozen=True)
class End:
    """Where a training ended: maps (..., matrices, d, D), and how they moved before, (...).

    In the last steps, of λΣη = 1, in which what is not held in place shrinks by e (half of all
    steps where those are more): ``drift`` is ‖ū − λW̄‖/(λ‖W̄‖), means weighted by η, ``spread`` the
    largest ‖W_t − W‖/‖W‖ from their first W. ``last`` is ‖u − λW‖/(λ‖W‖) of the last step alone,
    which stays large where u has jumps. With λW in the objective u is −g. Each is the larger
    one of the matrices'. ``start``: the first W of these steps.
    """

    w: np.ndarray
    drift: np.ndarray
    spread: np.ndarray
    last: np.ndarray
    start: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """The larger one of drift and spread."""
        return np.maximum(self.drift, self.spread)

    @property
    def turned(self) -> np.ndarray:
        """‖W − QW_start‖/‖W_start‖, both maps side by side, Q the best orthogonal matrix, (...).

        Smaller than ``spread`` where all that W does is to turn its rows, which no logit sees.
        """
        w, start = (np.concatenate(np.moveaxis(x, -3, 0), -1) for x in (self.w, self.start))
        return frobenius(w - polar(w @ start.mT) @ start) / frobenius(start)


def window(etas: np.ndarray, decay: float) -> int:
    """Where the last steps of λΣη ≥ 1 begin, at the half at the earliest."""
    left = decay * np.cumsum(etas[::-1])[::-1]
    return max(int((left >= 1).sum()) - 1, len(etas) // 2)


def descend(objective: Objective, recipe: Recipe, w: np.ndarray) -> End:
    """Train from the maps w."""
    optimizer, decay, etas = recipe.make(), recipe.decay, recipe.etas
    first = window(etas, decay)
    start, spread = w, np.zeros(w.shape[:-2])
    mean_w, mean_u = np.zeros_like(w), np.zeros_like(w)
    u, before = mean_u, w
    for t, eta in enumerate(etas):
        before, g = w, objective.gradient(w)
        if recipe.in_objective:
            u, move = -g, optimizer.direction(g + decay * w)
        else:
            u = optimizer.direction(g)
            move = u - decay * w
        if t == first:
            start = w
        if t >= first:
            mean_w, mean_u = mean_w + eta * w, mean_u + eta * u
            spread = np.maximum(spread, frobenius(w - start))
        w = w + eta * move
    drift, last = off(mean_u, decay * mean_w), off(u, decay * before)
    most = (each.max(-1) for each in (drift, spread / frobenius(start), last))
    return End(w, *most, start)


def off(u: np.ndarray, decayed: np.ndarray) -> np.ndarray:
    """‖u − λW‖/‖λW‖ of each matrix."""
    return frobenius(u - decayed) / frobenius(decayed)
