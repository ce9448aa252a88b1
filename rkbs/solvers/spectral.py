"""Closed form on a complete grid, from two eigendecompositions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from rkbs._arrays import check_number, short_repr
from rkbs.eigen import Eigen
from rkbs.losses import Squared
from rkbs.problems import OperatorProblem
from rkbs.solvers.base import Leave, Solution, Solver, check_leave


@final
@dataclass(frozen=True)
class Spectral(Solver):
    """A = U [(UᵀZV)_ab / (s_a t_b + α)] Vᵀ with K_X = U diag(s) Uᵀ, K_Y = V diag(t) Vᵀ.

    Squared loss on a complete grid. SciPy twin: ``scipy.linalg.eigh``. Setup costs two
    eigendecompositions; after it a new α costs two matrix products, and so does exact
    leave-one-out. Source: theory §3C.

    Parameters
    ----------
    tol : float
        Tolerance of the KKT residual in the certificate.
    """

    tol: float = 1e-8
    handles: ClassVar[type] = OperatorProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)

    def _solve(self, problem: OperatorProblem) -> Solution:
        return self.setup(problem).solve(problem.alpha)

    def setup(self, problem: OperatorProblem) -> SpectralState:
        """Decompose both Gram matrices, once for all α.

        Raises
        ------
        ValueError
            If the grid is incomplete, the loss is not squared or a Gram matrix is indefinite.
        """
        if not problem.pairs.is_complete:
            raise ValueError(
                f"Spectral needs a complete grid, got {problem.pairs}: use ConjugateGradient() or "
                "Cholesky()"
            )
        if not isinstance(problem.loss, Squared):
            raise ValueError(f"Spectral needs the squared loss, got {problem.loss!r}")
        eigen_x, eigen_y = Eigen.of(problem.gram_x, "gram_x"), Eigen.of(problem.gram_y, "gram_y")
        Z = problem.pairs.matrix(problem.z)
        return SpectralState(
            problem, eigen_x, eigen_y, eigen_x.vectors.T @ Z @ eigen_y.vectors, self.tol
        )


@final
@dataclass(frozen=True, eq=False)
class SpectralState:
    """A decomposed problem: every α, and exact leave-one-out, from one setup."""

    problem: OperatorProblem
    eigen_x: Eigen
    eigen_y: Eigen
    rotated: np.ndarray
    tol: float

    __repr__ = short_repr

    def _inverse(self, alpha: float) -> np.ndarray:
        """1 / (s_a t_b + α), the eigenvalues of (K + αI)⁻¹."""
        return 1 / (np.multiply.outer(self.eigen_x.values, self.eigen_y.values) + alpha)

    def solve(self, alpha: float) -> Solution:
        """The certified solution for one α."""
        A = self.eigen_x.vectors @ (self.rotated * self._inverse(alpha)) @ self.eigen_y.vectors.T
        problem = self.problem.with_alpha(alpha)
        c = problem.pairs.values(A)
        return Solution(c, problem.certify(c, self.tol), {"solver": "Spectral", "alpha": alpha})

    def path(self, alphas: Iterable[float]) -> Iterator[Solution]:
        """The solutions along a path of α, one after the other."""
        return (self.solve(alpha) for alpha in alphas)

    def leave_out_residuals(self, alpha: float, leave: Leave = "pair") -> np.ndarray:
        """z − ẑ for every pair, ẑ predicted by the machine that was fit without it: exact.

        For a left-out set B of pairs the residual is (G⁻¹)_BB⁻¹ c_B with G = K + αI. A single pair
        needs the diagonal of G⁻¹; a whole row has (G⁻¹)_BB = V diag_b(Σ_a U_ia²/(s_a t_b + α)) Vᵀ,
        diagonal in K_Y's eigenbasis, and likewise a column.

        Parameters
        ----------
        alpha : float
        leave : {"pair", "row", "column"}
            Leave out one pair; or all pairs of one target (prediction for new targets); or all
            pairs of one source.

        Returns
        -------
        array of shape (n,), in the order of the problem's pairs
        """
        check_leave(leave)
        inverse = self._inverse(check_number(alpha, "alpha", above=0.0))
        U, V = self.eigen_x.vectors, self.eigen_y.vectors
        C = self.rotated * inverse
        if leave == "pair":
            residuals = (U @ C @ V.T) / ((U * U) @ inverse @ (V * V).T)
        elif leave == "row":
            residuals = ((U @ C) / ((U * U) @ inverse)) @ V.T
        else:
            residuals = U @ ((C @ V.T) / (inverse @ (V * V).T))
        return self.problem.pairs.values(residuals)
