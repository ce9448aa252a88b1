"""Descents with decay on a convex loss, against its minimizers by methods without them."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from verify.oracles.norm_balls import Logistic
from verify.studies.geometry import Recipe, descend
from verify.studies.geometry_head import Linear
from verify.studies.geometry_norms import MAX, NORMS
from verify.studies.geometry_optimizers import Adam, Descent

SHAPE, EXAMPLES, LABEL_NOISE = (3, 4), 40, 1.5
SHARE = 0.4
"""Of the teacher's norm: the radius of each ball, which then has the minimizer on its boundary."""
EPSILONS = (1e-4, 1e-3, 1e-2, 1e-1)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, d, D), labels ±1 of a linear teacher with noise, and the teacher."""
    rng = np.random.default_rng([seed, 7])
    A, teacher = rng.normal(size=(EXAMPLES, *SHAPE)), rng.normal(size=SHAPE)
    scores = np.einsum("nij,ij->n", A, teacher) + LABEL_NOISE * rng.normal(size=EXAMPLES)
    return A, np.sign(scores), teacher


def in_balls(seed: int, steps: int) -> list[dict[str, Any]]:
    """For each norm: how far J at the fixed point is above its minimum in the ball, relatively."""
    A, y, teacher = drawn(seed)
    oracle, objective, rows = Logistic(A, y), Linear(A, y), []
    for name, norm in NORMS.items():
        radius = SHARE * float(norm.value(teacher))
        recipe = Recipe(partial(Descent, norm.steepest), norm, 1 / radius, steps=steps)
        end = descend(objective, recipe, np.full((1, *SHAPE), 1e-3))
        least = oracle.loss(oracle.in_ball(name, radius))
        excess = oracle.loss(end.w[0]) / least - 1
        rows.append({"norm": name, "excess": excess, "size": float(norm.value(end.w)[0]) / radius})
    return rows


def with_barriers(seed: int, steps: int) -> list[dict[str, Any]]:
    """For each ε: λ|w − v|, w where AdamW rests and v the minimizer with the barrier."""
    A, y, teacher = drawn(seed)
    decay = 1 / (SHARE * float(MAX.value(teacher)))
    rows = []
    for epsilon in EPSILONS:
        recipe = Recipe(partial(Adam, 0.9, epsilon), MAX, decay, steps=steps)
        end = descend(Linear(A, y), recipe, np.full((1, *SHAPE), 1e-3))
        off = end.w[0] - Logistic(A, y).with_barrier(epsilon, decay)
        rows.append({"epsilon": epsilon, "off": decay * float(np.abs(off).max())})
    return rows
