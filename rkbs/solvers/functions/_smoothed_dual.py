"""The smoothed dual of an expansion problem: value, gradient, Hessian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from rkbs.problems.expansion import ExpansionProblem, Side
from rkbs.solvers.functions._pair_hessian import DualHessian
from rkbs.spaces.sections import NormJet
from rkbs.terms.norm_penalties import HalfSquare, Norm, Regularizer


@final
@dataclass(frozen=True, eq=False)
class SmoothedPenalty:
    """λ R*(s / λ), s the dual norm smoothed by θε, in ξ: the penalty of one of the sides.

    R(t) = t has no finite smooth conjugate. It is t = min_τ (t²/τ + τ)/2, so at a given τ it is
    HalfSquare with λ/τ; ``length`` is this τ, which the solver finds, and 1 for other R.
    """

    side: Side
    epsilon: Any
    length: float = 1.0

    @classmethod
    def of(cls, side: Side, size: np.ndarray, value: float) -> SmoothedPenalty:
        """The penalty with ε from the typical ``size`` of the points' dual coefficients.

        A length to start from is that of a function whose pairing with w is the ``value``, a loss.
        """
        epsilon = side.sections.smoothing(size)
        if not isinstance(side.regularizer, Norm):
            return cls(side, epsilon)
        norm = side.sections.dual_norm(np.zeros(side.sections.size), epsilon)
        length = value / max(norm, side.alpha)
        # Smoothing must leave room in R*'s domain, s ≤ λ.
        return cls(side, epsilon * min(1.0, side.alpha / max(2 * norm, side.alpha)), length)

    @property
    def seeks_length(self) -> bool:
        """Whether R(t) = t, so that the length is an unknown of its own."""
        return isinstance(self.side.regularizer, Norm)

    @property
    def _penalty(self) -> tuple[float, Regularizer]:
        regularizer = HalfSquare() if self.seeks_length else self.side.regularizer
        return self.side.alpha / self.length, regularizer

    def value(self, xi: np.ndarray, theta: float) -> float:
        weight, regularizer = self._penalty
        s = self.side.sections.dual_norm(xi, theta * self.epsilon)
        return weight * regularizer.conjugate(s / weight)

    def norm(self, xi: np.ndarray, theta: float) -> tuple[float, float]:
        """The dual norm s, and the norm of the primal function that belongs to it."""
        weight, regularizer = self._penalty
        s = self.side.sections.dual_norm(xi, theta * self.epsilon)
        return s, regularizer.length(s / weight)

    def jet(self, xi: np.ndarray, theta: float) -> NormJet:
        weight, regularizer = self._penalty
        s, ds, d2s = self.side.sections.dual_jet(xi, theta * self.epsilon)
        slope = regularizer.length(s / weight)
        curvature = regularizer.length_slope(s / weight) / weight
        hessian = slope * d2s + curvature * np.multiply.outer(ds, ds)
        return weight * regularizer.conjugate(s / weight), slope * ds, hessian


DualJet = tuple[float, np.ndarray, DualHessian, np.ndarray]
"""Value, gradient and Hessian in c, and the penalties' own gradients as columns (n, sides)."""


@final
@dataclass(frozen=True, eq=False)
class SmoothedDual:
    """Σ ℓ*_θμ(−c_n; z_n) + the penalties at θ: the loss's barrier has weight θμ."""

    problem: ExpansionProblem
    mu: float
    penalties: tuple[SmoothedPenalty, ...]

    @classmethod
    def of(cls, problem: ExpansionProblem, scale: float = 1.0) -> SmoothedDual:
        """μ is the mean loss of h = 0, ε the size of w at c = −``scale`` · ℓ'(0)."""
        zero = np.zeros_like(problem.z)
        slopes = scale * np.abs(problem.loss.gradient(zero, problem.z))
        losses = problem.loss.value(zero, problem.z)
        penalties = (
            SmoothedPenalty.of(
                side,
                replace(side, factor=np.abs(side.factor)).gather(slopes),
                scale * float(losses.sum()),
            )
            for side in problem.sides
        )
        return cls(problem, float(losses.mean()), tuple(penalties))

    @property
    def lengths(self) -> np.ndarray:
        """The length of each penalty."""
        return np.array([penalty.length for penalty in self.penalties])

    @property
    def seeking(self) -> np.ndarray:
        """Which of the penalties seek their length, boolean."""
        return np.array([penalty.seeks_length for penalty in self.penalties])

    @property
    def weights(self) -> np.ndarray:
        """λ of each penalty."""
        return np.array([penalty.side.alpha for penalty in self.penalties])

    def with_lengths(self, lengths: np.ndarray) -> SmoothedDual:
        """The same function at other lengths of the penalties that seek theirs."""
        penalties = (
            replace(penalty, length=float(length)) if penalty.seeks_length else penalty
            for penalty, length in zip(self.penalties, lengths, strict=True)
        )
        return replace(self, penalties=tuple(penalties))

    def _each(self, c: np.ndarray) -> Iterator[tuple[SmoothedPenalty, np.ndarray]]:
        return zip(self.penalties, self.problem.expansion(c), strict=True)

    def norms(self, c: np.ndarray, theta: float = 0.0) -> np.ndarray:
        """A row (dual norm, primal norm) for each penalty."""
        return np.array([penalty.norm(xi, theta) for penalty, xi in self._each(c)])

    def value(self, c: np.ndarray, theta: float) -> float:
        value = self.problem.loss.barrier(-c, self.problem.z, theta * self.mu)[0].sum()
        return float(value + sum(penalty.value(xi, theta) for penalty, xi in self._each(c)))

    def jet(self, c: np.ndarray, theta: float) -> DualJet:
        value, slope, curvature = self.problem.loss.barrier(-c, self.problem.z, theta * self.mu)
        jets = [penalty.jet(xi, theta) for penalty, xi in self._each(c)]
        sides = tuple(penalty.side for penalty in self.penalties)
        columns = [side.factor * jet[1][side.index] for side, jet in zip(sides, jets, strict=True)]
        gradients = np.column_stack(columns)
        hessian = DualHessian(
            curvature, sides, tuple(jet[2] for jet in jets), self.problem.loss.smooth
        )
        total = value.sum() + sum(jet[0] for jet in jets)
        return float(total), gradients.sum(1) - slope, hessian, gradients
