"""Optimizers, written plainly: of a gradient g each gives the direction u of its step.

W ← W + η(u − λW) with decoupled weight decay. An optimizer keeps averages from step to step: one is
made for each training. Arrays are (..., d, D), a matrix each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from verify.studies.geometry_norms import frobenius, polar


class Optimizer(Protocol):
    """Directions, one after the other."""

    def direction(self, g: np.ndarray) -> np.ndarray:
        """u, of the shape of g."""


class Descent:
    """u = f(−g): steepest descent, of a norm or without one."""

    def __init__(self, f: Callable[[np.ndarray], np.ndarray] = np.positive) -> None:
        self.f = f

    def direction(self, g: np.ndarray) -> np.ndarray:
        return self.f(-g)


class Momentum:
    """m ← βm + (1 − β)g from m = g, u = −m."""

    def __init__(self, beta: float = 0.9) -> None:
        self.beta = beta
        self.m: np.ndarray | None = None

    def direction(self, g: np.ndarray) -> np.ndarray:
        self.m = g if self.m is None else self.beta * self.m + (1 - self.beta) * g
        return -self.m


class Lion:
    """u = −sign(βm + (1 − β)g), then m ← β'm + (1 − β')g from 0 (Chen et al. 2023)."""

    def __init__(self, beta: float = 0.9, slow: float = 0.99) -> None:
        self.beta, self.slow = beta, slow
        self.m = np.zeros(1)

    def direction(self, g: np.ndarray) -> np.ndarray:
        u = -np.sign(self.beta * self.m + (1 - self.beta) * g)
        self.m = self.slow * self.m + (1 - self.slow) * g
        return u


class Muon:
    """m ← μm + (1 − μ)g from 0, u = −f(μm + (1 − μ)g), f the polar factor (Jordan et al. 2024)."""

    def __init__(self, mu: float = 0.95, f: Callable[[np.ndarray], np.ndarray] = polar) -> None:
        self.mu, self.f = mu, f
        self.m = np.zeros(1)

    def direction(self, g: np.ndarray) -> np.ndarray:
        self.m = self.mu * self.m + (1 - self.mu) * g
        return -self.f(self.mu * self.m + (1 - self.mu) * g)


def newton_schulz(a: np.ndarray) -> np.ndarray:
    """Five steps X ← aX + b(XXᵀ)X + c(XXᵀ)²X from a/‖a‖_F: what Muon takes for the polar factor.

    Singular values end between 0.68 and 1.13, not at 1; d ≤ D.
    """
    x = a / (frobenius(a)[..., None, None] + 1e-7)
    for _ in range(5):
        s = x @ x.mT
        x = 3.4445 * x + (-4.7750 * s + 2.0315 * s @ s) @ x
    return x


class Adam:
    """u = −m̂/(√v̂ + ε), averages of g and g² with β_1 and β_2, corrected for their start at 0.

    0/0 is 0. With decoupled decay it is AdamW (Loshchilov & Hutter 2019).
    """

    def __init__(self, beta2: float = 0.999, epsilon: float = 0.0, beta1: float = 0.9) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.m, self.v, self.t = np.zeros(1), np.zeros(1), 0

    def direction(self, g: np.ndarray) -> np.ndarray:
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        m, v = self.m / (1 - self.beta1**self.t), self.v / (1 - self.beta2**self.t)
        return -m / np.maximum(np.sqrt(v) + self.epsilon, np.finfo(float).tiny)
