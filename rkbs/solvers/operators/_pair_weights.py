"""Weights of pairs in ridge regression: ½ Σ_n w_n (z_n − h_n)², all 1 where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, final

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.problems.offsets import Offsets
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solver
from rkbs.solvers.operators.base import RidgeSolver, _State
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Squared
from rkbs.terms.weighted import squared_weights, without_weights

_ROUNDING = 8 * np.finfo(float).eps
"""Of a product of two weights, and of its factors as they are found here."""


class WeightedRidgeSolver(RidgeSolver[_State]):
    """A solver of ``OperatorProblem`` with the squared loss, or ``Weighted(Squared(), w)``."""

    def _check(self, problem: OperatorProblem) -> None:
        Solver._check(self, problem)
        if not squared_up_to_weights(problem.loss):
            raise ValueError(f"{self!r} needs the squared loss, got {problem.loss!r}")


class Weighed(Protocol):
    """A problem by what its weights and its constant are."""

    loss: Loss
    offsets: Offsets


@final
@dataclass(frozen=True, eq=False)
class PairWeights:
    """W = diag(w), with c = W (z − h) and (K + αW⁻¹) c = αz; None: W = I, which costs nothing.

    Attributes
    ----------
    w : array of shape (n,), or None
    """

    w: np.ndarray | None

    @classmethod
    def of(cls, problem: Weighed) -> PairWeights:
        """Those of the problem's loss."""
        return cls(squared_weights(problem.loss))

    def times(self, r: np.ndarray) -> np.ndarray:
        """W r, r itself where W = I: (n,) or (n, k)."""
        return r if self.w is None else per_row(self.w, r) * r

    def over(self, c: np.ndarray) -> np.ndarray:
        """W⁻¹ c."""
        return c if self.w is None else c / per_row(self.w, c)

    def noise(self, alpha: float) -> np.ndarray | float:
        """The diagonal of αW⁻¹."""
        return alpha if self.w is None else alpha / self.w

    def root_times(self, q: np.ndarray) -> np.ndarray:
        """W^½ q."""
        return q if self.root is None else per_row(self.root, q) * q

    def over_root(self, q: np.ndarray) -> np.ndarray:
        """W^{−½} q."""
        return q if self.root is None else q / per_row(self.root, q)

    @cached_property
    def root(self) -> np.ndarray | None:
        """The diagonal of W^½."""
        return None if self.w is None else np.sqrt(self.w)

    def part(self, some: slice) -> PairWeights:
        """Those of some pairs."""
        return self if self.w is None else PairWeights(self.w[some])

    def root_mean_square(self, residuals: np.ndarray) -> float:
        """(Σ_n w_n r_n²/Σ_n w_n)^½, where w and r are of the same pairs."""
        if self.w is None:
            return float(np.sqrt(np.mean(residuals * residuals)))
        return float(np.sqrt(np.average(residuals * residuals, weights=self.w)))

    def total(self, pairs: Pairs) -> float:
        """Σ_n w_n."""
        return float(len(pairs)) if self.w is None else float(self.w.sum())

    def mean(self) -> float:
        """The mean of the weights."""
        return 1.0 if self.w is None else float(self.w.mean())

    def effective(self, pairs: Pairs) -> float:
        """(Σ w)²/Σ w², the number of pairs of one weight that tell as much."""
        return float(len(pairs)) if self.w is None else float(self.w.sum() ** 2 / (self.w**2).sum())

    def counts(self, index: np.ndarray, size: int = 0) -> np.ndarray:
        """The weight at each of 0, 1, …: how many pairs there are where all weights are 1."""
        return np.bincount(index, self.w, size)

    def gram(self, offsets: Offsets, pairs: Pairs) -> np.ndarray:
        """EᵀWE, (p, p)."""
        if self.w is None:
            return offsets.gram(pairs)
        columns = (self.w * offsets.at_pairs(unit, pairs) for unit in np.eye(offsets.size))
        return np.array([offsets.sums(column, pairs) for column in columns])


def squared_up_to_weights(loss: Loss) -> bool:
    """Whether a loss is the squared one, with or without weights."""
    return isinstance(without_weights(loss), Squared)


def product_weights(pairs: Pairs, w: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """u and v with w_ij = u_i v_j up to rounding on a complete grid, None where there are none."""
    if not pairs.is_complete:
        return None
    W = pairs._as_matrix(w)
    u, v = W[:, 0] / np.sqrt(W[0, 0]), W[0] / np.sqrt(W[0, 0])
    product = np.multiply.outer(u, v)
    return (u, v) if (np.abs(W - product) <= _ROUNDING * product).all() else None


def is_separable_grid(pairs: Pairs, w: np.ndarray | None) -> bool:
    """Whether pairs are a complete grid, and weights, where there are any, products."""
    return pairs.is_complete and (w is None or product_weights(pairs, w) is not None)


def less_mean(problem: Weighed, c: np.ndarray) -> np.ndarray:
    """c with Σ c = 0 where the problem has a constant: the nearest such c."""
    return c - c.mean() if problem.offsets.constant else c


def per_row(weights: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Weights of rows, as they multiply one q or several."""
    return weights.reshape(-1, *[1] * (q.ndim - 1))
