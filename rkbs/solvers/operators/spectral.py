"""Closed form on a complete grid, from two eigendecompositions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from rkbs._linalg import inner
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._pair_weights import (
    PairWeights,
    WeightedRidgeSolver,
    is_separable_grid,
    product_weights,
)
from rkbs.solvers.operators._weighted_spectral import WeightedSpectralState
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.spectral_state import SpectralState, UnweightedSpectralState


@final
@dataclass(frozen=True)
class Spectral(WeightedRidgeSolver["SpectralState"]):
    """M_ab = √(s_a t_b) (UᵀZV)_ab / (s_a t_b + α), K_X = U diag(s) Uᵀ and K_Y = V diag(t) Vᵀ.

    Squared loss on a complete grid, without weights or with those of ``Weighted(Squared(), w)``
    that are products, w_ij = u_i v_j, which scale the two Gram matrices. SciPy twin:
    ``scipy.linalg.eigh``. Setup costs two eigendecompositions, of both Gram matrices; after it a
    new α costs four matrix products, which are those of its certificate, and two more where α is so
    small that c = z − h would lose digits; exact leave-one-out costs four, of a row and a column at
    once as many for each row, and a decomposition. Along a path each α is in closed form, and needs
    no other.

    Parameters
    ----------
    tol : float
        Tolerance of the KKT residual in the certificate.

    Source: theory §3C.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> state = Spectral().setup(problem)
    >>> residuals = {alpha: state.leave_out_residuals(alpha, "row") for alpha in (0.01, 0.1, 1.0)}
    >>> min(residuals, key=lambda alpha: np.linalg.norm(residuals[alpha]))
    0.01
    """

    tol: float = 1e-8

    def _check(self, problem: OperatorProblem) -> None:
        super()._check(problem)
        if not problem.pairs.is_complete:
            raise ValueError(
                f"Spectral needs a complete grid, got {problem.pairs}: use ConjugateGradient() or "
                "Cholesky()"
            )
        if problem.is_low_rank:
            raise ValueError(
                "Spectral needs all eigenvectors of both Gram matrices, of which a LowRankGram has "
                "its range alone: use ConjugateGradient(), whose preconditioner is exact on a "
                "complete grid"
            )

        if not is_separable_grid(problem.pairs, PairWeights.of(problem).w):
            raise ValueError(
                "Spectral needs weights that are products, w_ij = u_i v_j, such as those of whole "
                "rows: use ConjugateGradient() or Cholesky()"
            )

    def _setup(self, problem: OperatorProblem) -> SpectralState:
        w = PairWeights.of(problem).w
        if w is not None and (products := product_weights(problem.pairs, w)) is not None:
            return WeightedSpectralState.of(problem, *products, self.tol)
        (x, y), (b, _) = problem.eigen, problem.best_constant
        # Less the best constant, if there is one: else a large mean would leave its rounding.
        responses = problem.pairs._as_matrix(problem.z - b if b else problem.z)
        rotated = inner(x.eigenvectors.T, responses, y.eigenvectors)
        return UnweightedSpectralState(problem, rotated, self.tol)

    def _once(self, problem: OperatorProblem) -> RidgeSolution:
        state = self.setup(problem)
        return state._solution(problem, state.rotated)
