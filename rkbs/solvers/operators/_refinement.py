"""Iterative refinement of dense solves, with offsets beside the operator."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs.problems.gram import NO_OFFSETS, OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solution
from rkbs.solvers.operators._offset_system import OffsetSystem
from rkbs.solvers.operators._pair_weights import PairWeights, per_row
from rkbs.solvers.operators.base import RidgeSolution


class Residual(abc.ABC):
    """L = W (I − H) = α (K + αW⁻¹)⁻¹, H the fit to all pairs without offsets."""

    problem: OperatorProblem

    @abc.abstractmethod
    def __call__(self, q: np.ndarray) -> np.ndarray:
        """c = Lq, of one q or of several: (n,) or (n, k)."""

    @abc.abstractmethod
    def operator(self, q: np.ndarray, c: np.ndarray) -> np.ndarray:
        """M with αM = R_Xᵀ C R_Y, of c = Lq: (r_x, r_y)."""


@final
@dataclass(frozen=True, eq=False)
class ByPairs(Residual):
    """By (K + αW⁻¹)⁻¹."""

    problem: OperatorProblem
    inverse: Callable[[np.ndarray], np.ndarray]

    def __call__(self, q: np.ndarray) -> np.ndarray:
        return self.problem.alpha * self.inverse(q)

    def operator(self, q: np.ndarray, c: np.ndarray) -> np.ndarray:
        return self.problem.pull(c / self.problem.alpha)


@final
@dataclass(frozen=True, eq=False)
class ByFeatures(Residual):
    """By the singular value decomposition of the features times W^½, P diag(roots) right."""

    problem: OperatorProblem
    P: np.ndarray
    right: np.ndarray
    roots: np.ndarray
    divisor: np.ndarray

    def __call__(self, q: np.ndarray) -> np.ndarray:
        W = PairWeights.of(self.problem)
        seen = self.P.T @ W.root_times(q)
        return W.root_times(self.P @ (per_row(self.problem.alpha / self.divisor, q) * seen))

    def operator(self, q: np.ndarray, c: np.ndarray) -> np.ndarray:
        seen = slice(len(self.right))
        weights = self.roots / self.divisor[seen]
        q = PairWeights.of(self.problem).root_times(q)
        M = (weights * (self.P[:, seen].T @ q)) @ self.right
        return M.reshape(self.problem.factors.products.shape)


@final
class _Offsets:
    """θ = S⁻¹(EᵀLq − s), which makes c = L(q − Eθ) meet Eᵀc − Dθ = s; S = EᵀLE + D."""

    def __init__(self, problem: OperatorProblem, residual: Residual) -> None:
        self.pairs, self.offsets, self.residual = problem.pairs, problem.offsets, residual
        self.decay, self.system = problem.offsets.decay(problem.alpha), None
        if problem.offsets.size:
            E = problem.offsets.matrix(problem.pairs)
            seen = E.T @ residual(E)
            self.system = OffsetSystem.of(problem.offsets, problem.pairs, seen, problem.alpha)

    def __call__(self, q: np.ndarray, s: np.ndarray) -> np.ndarray:
        if self.system is None:
            return NO_OFFSETS
        return self.system.solve(self.offsets.sums(self.residual(q), self.pairs) - s)


def refined(problem: OperatorProblem, residual: Residual, tol: float) -> RidgeSolution:
    """The sum of corrections, each to what the sum before leaves of z, until they gain nothing."""
    offsets, weights = _Offsets(problem, residual), PairWeights.of(problem)
    M, c = np.zeros_like(problem.factors.products), np.zeros_like(problem.z)
    theta, s = np.zeros(problem.offsets.size), np.zeros(problem.offsets.size)
    if problem.offsets.constant:
        theta[0] = problem.without_operator[0]
    left = problem.z - problem.fitted(M, theta)
    size = np.linalg.norm(left)
    while True:
        more = offsets(left, s)
        q = left - problem.offsets.at_pairs(more, problem.pairs) if len(more) else left
        more_c = residual(q)
        new = OperatorPoint(M + residual.operator(q, more_c), c + more_c, theta + more)
        rest = problem.z - problem.fitted(new.M, new.theta) - weights.over(new.c)
        s = offsets.decay * new.theta - problem.offsets.sums(new.c, problem.pairs)
        last, size = size, np.linalg.norm(rest)
        if not size <= last:
            break
        (M, c, theta), left = new, rest
        if not 0 < size <= last / 2:
            break
    stats = {"solver": "Cholesky", "alpha": problem.alpha}
    certificate = problem.certify(M, c, tol, theta)
    return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)
