"""The smoothed dual of an expansion problem: value, gradient, Hessian."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from rkbs.expansion import ExpansionProblem, Side
from rkbs.regularizers import HalfSquare, Norm, Regularizer
from rkbs.sections import NormJet


@final
@dataclass(frozen=True, eq=False)
class Block:
    """λ R*(s / λ), s the dual norm smoothed by θε, in ξ: the penalty of one of the sides.

    R(t) = t has no finite smooth conjugate. It is t = min_τ (t²/τ + τ)/2, so at a given τ it is
    HalfSquare with λ/τ; ``length`` is this τ, which the solver finds, and 1 for other R.
    """

    side: Side
    epsilon: Any
    length: float = 1.0

    @classmethod
    def of(cls, side: Side, size: np.ndarray) -> Block:
        """The block with ε from the typical ``size`` of the points' dual coefficients."""
        epsilon = side.sections.smoothing(size)
        if isinstance(side.regularizer, Norm):  # smoothing must leave room in R*'s domain, s ≤ λ
            norm = side.sections.dual_norm(np.zeros(side.sections.size), epsilon)
            epsilon = epsilon * min(1.0, side.alpha / max(2 * norm, side.alpha))
        return cls(side, epsilon)

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


@final
@dataclass(frozen=True, eq=False)
class DualHessian:
    """diag(δ) + Σ_sides P_kᵀ H_k P_k, P_k : c ↦ ξ, without the n × n matrix where δ allows it.

    Parameters
    ----------
    diagonal : array of shape (n,)
        δ, the curvature of the losses' conjugates.
    sides : tuple of Side
    blocks : tuple of arrays of shape (n_k, n_k)
        H_k.
    low_rank : bool
        Whether δ is bounded from below, so that Woodbury's identity is stable: then a solve costs
        the cube of the number of points, not of pairs.
    """

    diagonal: np.ndarray
    sides: tuple[Side, ...]
    blocks: tuple[np.ndarray, ...]
    low_rank: bool

    def solve(self, right: np.ndarray) -> np.ndarray:
        """H⁻¹ ``right``, (n,) or (n, k)."""
        points = sum(len(block) for block in self.blocks)
        if not self.low_rank or len(self.diagonal) <= points:
            return _solve(self.dense, right)
        # (D + PᵀBP)⁻¹ = D⁻¹ − D⁻¹Pᵀ (I + BW)⁻¹ B P D⁻¹, W = P D⁻¹ Pᵀ: B needs no inverse.
        delta = self.diagonal if right.ndim == 1 else self.diagonal[:, None]
        scaled = right / delta
        system = self._penalize(self._weights)
        system[np.diag_indices(points)] += 1.0
        inner = np.linalg.solve(system, self._penalize(self._gather(scaled)))
        return scaled - self._spread(inner) / delta

    def _penalize(self, stacked: np.ndarray) -> np.ndarray:
        """B = diag(H_k): (Σ n_k, …) → (Σ n_k, …)."""
        parts = zip(self.blocks, self._split(stacked), strict=True)
        return np.concatenate([block @ part for block, part in parts])

    def _split(self, stacked: np.ndarray) -> list[np.ndarray]:
        """The rows of each side."""
        return np.split(stacked, np.cumsum([len(block) for block in self.blocks])[:-1])

    @cached_property
    def dense(self) -> np.ndarray:
        """The n × n matrix."""
        matrix = np.diag(self.diagonal)
        for side, block in zip(self.sides, self.blocks, strict=True):
            factor = np.broadcast_to(side.factor, self.diagonal.shape)
            spread = block[np.ix_(side.index, side.index)]
            matrix += spread * np.multiply.outer(factor, factor)
        return matrix

    def _gather(self, columns: np.ndarray) -> np.ndarray:
        """P: (n, …) → (Σ n_k, …)."""
        if columns.ndim == 1:
            return np.concatenate([side.gather(columns) for side in self.sides])
        return np.column_stack([self._gather(column) for column in columns.T])

    def _spread(self, stacked: np.ndarray) -> np.ndarray:
        """Pᵀ: (Σ n_k, …) → (n, …)."""
        if stacked.ndim > 1:
            return np.column_stack([self._spread(column) for column in stacked.T])
        parts = zip(self.sides, self._split(stacked), strict=True)
        return sum(side.factor * part[side.index] for side, part in parts)

    @cached_property
    def _weights(self) -> np.ndarray:
        """W = P D⁻¹ Pᵀ."""
        rows = []
        for a in self.sides:
            row = []
            for b in self.sides:
                shape = (a.sections.size, b.sections.size)
                cells = a.index * shape[1] + b.index
                weights = a.factor * b.factor / self.diagonal
                row.append(np.bincount(cells, weights, shape[0] * shape[1]).reshape(shape))
            rows.append(row)
        return np.block(rows)


DualJet = tuple[float, np.ndarray, DualHessian, np.ndarray]
"""Value, gradient and Hessian in c, and the blocks' own gradients as columns (n, sides)."""


@final
@dataclass(frozen=True, eq=False)
class SmoothedDual:
    """Σ ℓ*_θμ(−c_n; z_n) + the blocks at θ: the loss's barrier has weight θμ."""

    problem: ExpansionProblem
    mu: float
    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, problem: ExpansionProblem) -> SmoothedDual:
        """Scales from the data: μ is the mean loss of h = 0, ε the size of w at c = −ℓ'(0)."""
        zero = np.zeros_like(problem.z)
        slopes = np.abs(problem.loss.gradient(zero, problem.z))
        blocks = (
            Block.of(side, replace(side, factor=np.abs(side.factor)).gather(slopes))
            for side in problem.sides
        )
        return cls(problem, float(problem.loss.value(zero, problem.z).mean()), tuple(blocks))

    @property
    def seeking(self) -> np.ndarray:
        """Which of the blocks seek their length, boolean."""
        return np.array([block.seeks_length for block in self.blocks])

    @property
    def weights(self) -> np.ndarray:
        """λ of each block."""
        return np.array([block.side.alpha for block in self.blocks])

    def with_lengths(self, lengths: np.ndarray) -> SmoothedDual:
        """The same function at other lengths of the blocks that seek theirs."""
        blocks = (
            replace(block, length=float(length)) if block.seeks_length else block
            for block, length in zip(self.blocks, lengths, strict=True)
        )
        return replace(self, blocks=tuple(blocks))

    def _each(self, c: np.ndarray) -> Iterator[tuple[Block, np.ndarray]]:
        return zip(self.blocks, self.problem.expansion(c), strict=True)

    def norms(self, c: np.ndarray, theta: float = 0.0) -> np.ndarray:
        """A row (dual norm, primal norm) for each block."""
        return np.array([block.norm(xi, theta) for block, xi in self._each(c)])

    def value(self, c: np.ndarray, theta: float) -> float:
        value = self.problem.loss.barrier(-c, self.problem.z, theta * self.mu)[0].sum()
        return float(value + sum(block.value(xi, theta) for block, xi in self._each(c)))

    def jet(self, c: np.ndarray, theta: float) -> DualJet:
        value, slope, curvature = self.problem.loss.barrier(-c, self.problem.z, theta * self.mu)
        jets = [block.jet(xi, theta) for block, xi in self._each(c)]
        sides = tuple(block.side for block in self.blocks)
        columns = [side.factor * jet[1][side.index] for side, jet in zip(sides, jets, strict=True)]
        gradients = np.column_stack(columns)
        hessian = DualHessian(
            curvature, sides, tuple(jet[2] for jet in jets), self.problem.loss.smooth
        )
        total = value.sum() + sum(jet[0] for jet in jets)
        return float(total), gradients.sum(1) - slope, hessian, gradients


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A Cholesky solve after scaling to a unit diagonal; rounding below zero gets a ridge."""
    scale = 1 / np.sqrt(np.diag(matrix))
    scaled = matrix * np.multiply.outer(scale, scale)
    ridge = 0.0
    while True:
        try:
            factor = cho_factor(scaled + ridge * np.eye(len(scaled)))
        except LinAlgError:
            ridge = max(10 * ridge, 1e-15)
        else:
            return (scale * cho_solve(factor, (scale * right.T).T).T).T
