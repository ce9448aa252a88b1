"""What ridge on some pairs would be on a grid of which each pair is seen by its share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._grid_offsets import GridOffsets
from rkbs.solvers.operators._pair_weights import PairWeights


@final
@dataclass(frozen=True, eq=False)
class Preconditioner:
    """(Q W Q + αI)⁻¹, with Q = diag(ρ_ab s_a t_b)^{1/2} and W = I − E(EᵀE + D/ρ)⁻¹Eᵀ of the grid.

    Without offsets W = I, a diagonal. With them, by Woodbury's identity, P = Q² + αI:
    P⁻¹ + P⁻¹QE S⁻¹ EᵀQP⁻¹, S = EᵀαP⁻¹E + D/ρ, which is of the size of the offsets.

    Attributes
    ----------
    inverse, root : arrays of shape (r_x, r_y)
        P⁻¹ and Q.
    system, offsets : GridOffsets or None
        S, in all eigenvectors, and E, in those of the ranges of the Gram matrices.
    """

    inverse: np.ndarray
    root: np.ndarray
    system: GridOffsets | None
    offsets: GridOffsets | None

    @classmethod
    def of(cls, problem: OperatorProblem) -> Preconditioner:
        """At the problem's α."""
        factors, alpha = problem.factors, problem.alpha
        seen = shares(problem) * factors.products
        inverse, root = 1 / (seen + alpha), np.sqrt(seen)
        if not problem.offsets.size:
            return cls(inverse, root, None, None)
        x, y = problem.eigen
        left_over = np.ones((len(x.eigenvalues), len(y.eigenvalues)))
        left_over[np.ix_(x.eigenvalues > 0, y.eigenvalues > 0)] = alpha * inverse
        pairs, weight = problem.pairs, problem.offsets.weight
        density = PairWeights.of(problem).total(pairs) / (len(pairs.X) * len(pairs.Y))
        offsets = replace(problem.offsets, weight=(alpha if weight is None else weight) / density)
        tree = _tree(pairs)
        system = GridOffsets(x.eigenvectors, y.eigenvectors, left_over, offsets, tree, alpha)
        U, V = factors.x.eigenvectors, factors.y.eigenvectors
        return cls(inverse, root, system, replace(system, U=U, V=V, left_over=alpha * inverse))

    @cached_property
    def beside(self) -> np.ndarray | None:
        """P⁻¹QE S^{−1/2} of a constant alone: what is beside P⁻¹ is its product with itself."""
        if self.system is None or self.offsets is None or self.offsets.offsets.size != 1:
            return None
        one = np.ones(1)
        spread = self.offsets.spread(np.sqrt(self.system.schur.solve(one)))
        return self.inverse * self.root * spread

    def __call__(self, G: np.ndarray) -> np.ndarray:
        """The direction of a residual G, both (r_x, r_y)."""
        direction = self.inverse * G
        if self.system is None or self.offsets is None:
            return direction
        if self.beside is not None:
            direction += self.beside * np.vdot(self.beside, G)
            return direction
        theta = self.system.schur.solve(self.offsets.sums(self.root * direction))
        return direction + self.inverse * self.root * self.offsets.spread(theta)


def shares(problem: OperatorProblem) -> np.ndarray:
    """ρ_ab = (Σ_i U_ia² n_i) (Σ_j V_jb² m_j) / n for n_i pairs in row i and m_j in column j.

    Pairs count by their weights.
    """
    return np.multiply.outer(*shares_of_sides(problem))


def shares_of_sides(problem: OperatorProblem) -> tuple[np.ndarray, np.ndarray]:
    """The two factors of ρ, of the rows and of the columns, which has the 1/n."""
    factors, pairs, weights = problem.factors, problem.pairs, PairWeights.of(problem)
    rows = weights.counts(pairs.i, len(pairs.X))
    columns = weights.counts(pairs.j, len(pairs.Y))
    return (
        rows @ factors.x.eigenvectors**2,
        columns @ factors.y.eigenvectors**2 / weights.total(pairs),
    )


def _tree(pairs: Pairs) -> Pairs:
    """The first row and the first column: they tie the same offsets as the whole grid."""
    n_x, n_y = len(pairs.X), len(pairs.Y)
    i = np.concatenate([np.zeros(n_y, dtype=np.intp), np.arange(1, n_x)])
    j = np.concatenate([np.arange(n_y), np.zeros(n_x - 1, dtype=np.intp)])
    return replace(pairs, i=i, j=j)
