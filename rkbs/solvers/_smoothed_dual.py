"""The smoothed dual of the separable problem: value, gradient, Hessian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from rkbs.regularizers import HalfSquare, Norm, Regularizer
from rkbs.separable import SeparableProblem
from rkbs.spaces import lp_norm

Jet = tuple[float, np.ndarray, np.ndarray]
"""Value, gradient and Hessian."""

DualJet = tuple[float, np.ndarray, np.ndarray, np.ndarray]
"""Value, gradient and Hessian in c, and the blocks' own gradients as columns (n, 2)."""


@final
@dataclass(frozen=True, eq=False)
class Block:
    """λ R*(s / λ), s = ‖(w² + θ²ε²)^{1/2}‖_q, w = Φᵀξ, in ξ: the penalty of one of the spaces.

    R(t) = t has no finite smooth conjugate. It is t = min_τ (t²/τ + τ)/2, so at a given τ it is
    HalfSquare with λ/τ; ``length`` is this τ, which the solver finds, and 1 for other R.
    """

    phi: np.ndarray
    q: float
    weight: float
    regularizer: Regularizer
    epsilon: np.ndarray
    length: float = 1.0

    @classmethod
    def of(
        cls, phi: np.ndarray, size: np.ndarray, q: float, weight: float, regularizer: Regularizer
    ) -> Block:
        """The block with ε_k from the typical ``size`` of the points' dual coefficients."""
        phi = phi[:, phi.any(0)]  # a feature that vanishes on the data keeps the coefficient 0
        epsilon = (size + size.mean()) @ np.abs(phi)
        if isinstance(regularizer, Norm):  # smoothing must leave room in R*'s domain, s ≤ λ
            epsilon *= min(1.0, weight / (2 * lp_norm(epsilon, q)))
        return cls(phi, q, weight, regularizer, epsilon)

    @property
    def seeks_length(self) -> bool:
        """Whether R(t) = t, so that the length is an unknown of its own."""
        return isinstance(self.regularizer, Norm)

    def _parts(
        self, xi: np.ndarray, theta: float
    ) -> tuple[np.ndarray, np.ndarray, float, float, Regularizer]:
        w = xi @ self.phi
        soft = np.hypot(w, theta * self.epsilon)
        regularizer = HalfSquare() if self.seeks_length else self.regularizer
        return w, soft, lp_norm(soft, self.q), self.weight / self.length, regularizer

    def value(self, xi: np.ndarray, theta: float) -> float:
        _, _, s, weight, regularizer = self._parts(xi, theta)
        return weight * regularizer.conjugate(s / weight)

    def norm(self, xi: np.ndarray, theta: float) -> tuple[float, float]:
        """The dual norm s, and the norm of the primal vector that belongs to it."""
        _, _, s, weight, regularizer = self._parts(xi, theta)
        return s, regularizer.length(s / weight)

    def jet(self, xi: np.ndarray, theta: float) -> Jet:
        w, soft, s, weight, regularizer = self._parts(xi, theta)
        slope = regularizer.length(s / weight)
        curvature = regularizer.length_slope(s / weight) / weight
        power = (soft / s) ** (self.q - 2)
        ds = self.phi @ (power * w / s)
        diagonal = slope / s * power * (1 + (self.q - 2) * (w / soft) ** 2)
        radial = curvature - slope * (self.q - 1) / s
        hessian = (self.phi * diagonal) @ self.phi.T + radial * np.multiply.outer(ds, ds)
        return weight * regularizer.conjugate(s / weight), slope * ds, hessian


@final
@dataclass(frozen=True, eq=False)
class SmoothedDual:
    """Σ ℓ*_θμ(−c_n; z_n) + the two blocks at θ: the loss's barrier has weight θμ."""

    problem: SeparableProblem
    mu: float
    blocks: tuple[Block, Block]

    @classmethod
    def of(cls, problem: SeparableProblem) -> SmoothedDual:
        """Scales from the data: μ is the mean loss of h = 0, ε_k the size of w_k at c = −ℓ'(0)."""
        zero = np.zeros_like(problem.z)
        sizes = problem.expansion(np.abs(problem.loss.gradient(zero, problem.z)))
        pair, p = problem.pair, problem
        x = Block.of(p.phi_x, sizes[0], pair.p_conjugate, p.alpha_x, p.regularizer_x)
        y = Block.of(p.phi_y, sizes[1], pair.p, p.alpha_y, p.regularizer_y)
        return cls(problem, float(problem.loss.value(zero, problem.z).mean()), (x, y))

    @property
    def seeking(self) -> np.ndarray:
        """Which of the two blocks seek their length, boolean (2,)."""
        return np.array([block.seeks_length for block in self.blocks])

    def with_lengths(self, lengths: np.ndarray) -> SmoothedDual:
        """The same function at other lengths of the blocks that seek theirs."""
        x, y = (
            replace(block, length=float(length)) if block.seeks_length else block
            for block, length in zip(self.blocks, lengths, strict=True)
        )
        return replace(self, blocks=(x, y))

    def _each(self, c: np.ndarray) -> Iterator[tuple[Block, np.ndarray, np.ndarray]]:
        pairs = self.problem.pairs
        return zip(self.blocks, self.problem.expansion(c), (pairs.i, pairs.j), strict=True)

    def norms(self, c: np.ndarray, theta: float = 0.0) -> np.ndarray:
        """A row (dual norm, primal norm) for each block."""
        return np.array([block.norm(xi, theta) for block, xi, _ in self._each(c)])

    def value(self, c: np.ndarray, theta: float) -> float:
        value = self.problem.loss.barrier(-c, self.problem.z, theta * self.mu)[0].sum()
        return float(value + sum(block.value(xi, theta) for block, xi, _ in self._each(c)))

    def jet(self, c: np.ndarray, theta: float) -> DualJet:
        value, slope, curvature = self.problem.loss.barrier(-c, self.problem.z, theta * self.mu)
        total, hessian, columns = value.sum(), np.diag(curvature), []
        for block, xi, index in self._each(c):
            value, gradient, block_hessian = block.jet(xi, theta)
            total += value
            columns.append(gradient[index])
            hessian += block_hessian[np.ix_(index, index)]
        gradients = np.column_stack(columns)
        return float(total), gradients.sum(1) - slope, hessian, gradients
