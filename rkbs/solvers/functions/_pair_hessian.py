"""Linear systems with an unknown per pair, solved at the size of the domains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from rkbs.problems.expansion import Side


@final
@dataclass(frozen=True, eq=False)
class PairSystem:
    """I + KΔ, K = Σ_sides P_kᵀ H_k P_k, P_k : c ↦ ξ, Δ = diag(δ): solved without an n × n matrix.

    (I + KΔ)⁻¹ = I − Pᵀ (I + BW)⁻¹ B P Δ, B = diag(H_k), W = P Δ Pᵀ (Woodbury): B needs no inverse
    and δ may have zeros, and a solve costs the cube of the number of points, not of pairs.

    Parameters
    ----------
    weights : array of shape (n,)
        δ ≥ 0.
    sides : tuple of Side
    blocks : tuple of arrays of shape (n_k, n_k)
        H_k, positive semi-definite.
    """

    weights: np.ndarray
    sides: tuple[Side, ...]
    blocks: tuple[np.ndarray, ...]

    @property
    def points(self) -> int:
        """Σ n_k, the size of the systems solved."""
        return sum(len(block) for block in self.blocks)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """(I + KΔ)⁻¹ ``right``, (n,) or (n, k)."""
        weights = self.weights if right.ndim == 1 else self.weights[:, None]
        gathered = self._penalize(self._gather(weights * right))
        return right - self._spread(np.linalg.solve(self._reduced, gathered))

    @property
    def _reduced(self) -> np.ndarray:
        """I + BW: a pair meets one point of a side, so the diagonal blocks of W are diagonal."""
        system = np.eye(self.points)
        tiles = [np.split(row, self._ends, axis=1) for row in np.split(system, self._ends)]
        for k, (a, block) in enumerate(zip(self.sides, self.blocks, strict=True)):
            tiles[k][k] += block * np.bincount(a.index, a.factor**2 * self.weights, len(block))
            for m, b in enumerate(self.sides[k + 1 :], k + 1):
                across = self._across(a, b)
                tiles[k][m][:] = block @ across
                tiles[m][k][:] = self.blocks[m] @ across.T
        return system

    def _across(self, a: Side, b: Side) -> np.ndarray:
        """The block of W = P Δ Pᵀ between two sides."""
        shape = (a.sections.size, b.sections.size)
        weights = a.factor * b.factor * self.weights
        return np.bincount(a.index * shape[1] + b.index, weights, np.prod(shape)).reshape(shape)

    @property
    def _ends(self) -> np.ndarray:
        """Where each side but the last ends in a stacked vector."""
        return np.cumsum([len(block) for block in self.blocks])[:-1]

    def _penalize(self, stacked: np.ndarray) -> np.ndarray:
        """B: (Σ n_k, …) → (Σ n_k, …)."""
        parts = zip(self.blocks, self._split(stacked), strict=True)
        return np.concatenate([block @ part for block, part in parts])

    def _split(self, stacked: np.ndarray) -> list[np.ndarray]:
        """The rows of each side."""
        return np.split(stacked, self._ends)

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


@final
@dataclass(frozen=True, eq=False)
class DualHessian:
    """diag(d) + Σ_sides P_kᵀ H_k P_k, P_k : c ↦ ξ, without the n × n matrix where d allows it.

    Parameters
    ----------
    diagonal : array of shape (n,)
        d, the curvature of the losses' conjugates.
    sides : tuple of Side
    blocks : tuple of arrays of shape (n_k, n_k)
        H_k.
    low_rank : bool
        Whether d is bounded from below, so that Woodbury's identity is stable.
    """

    diagonal: np.ndarray
    sides: tuple[Side, ...]
    blocks: tuple[np.ndarray, ...]
    low_rank: bool

    def solve(self, right: np.ndarray) -> np.ndarray:
        """H⁻¹ ``right``, (n,) or (n, k)."""
        system = PairSystem(1 / self.diagonal, self.sides, self.blocks)
        if not self.low_rank or len(self.diagonal) <= system.points:
            return _solve(self.dense, right)
        delta = self.diagonal if right.ndim == 1 else self.diagonal[:, None]
        return system.solve(right) / delta

    @cached_property
    def dense(self) -> np.ndarray:
        """The n × n matrix."""
        matrix = np.diag(self.diagonal)
        for side, block in zip(self.sides, self.blocks, strict=True):
            factor = np.broadcast_to(side.factor, self.diagonal.shape)
            spread = block[np.ix_(side.index, side.index)]
            matrix += spread * np.multiply.outer(factor, factor)
        return matrix


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A Cholesky solve after scaling to a unit diagonal; rounding below zero gets a ridge.

    Raises
    ------
    LinAlgError
        When an entry is not finite.
    """
    if not np.isfinite(matrix).all():
        raise LinAlgError("the dual's Hessian is beyond the range of floats")
    diagonal = np.diag(matrix)
    scale = 1 / np.sqrt(np.maximum(diagonal, np.finfo(float).eps * np.abs(diagonal).max()))
    scaled = matrix * np.multiply.outer(scale, scale)
    ridge = 0.0
    while True:
        try:
            factor = cho_factor(scaled + ridge * np.eye(len(scaled)))
        except LinAlgError:
            ridge = max(10 * ridge, 1e-15)
        else:
            return (scale * cho_solve(factor, (scale * right.T).T).T).T
