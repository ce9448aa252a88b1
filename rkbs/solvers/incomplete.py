"""Solvers for pairs that do not fill their grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse.linalg import LinearOperator, cg

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.eigen import Eigen, check_semidefinite
from rkbs.losses import Squared
from rkbs.problems import OperatorProblem
from rkbs.solvers.base import ConvergenceError, Leave, Solution, Solver, check_leave

_MAX_DENSE = 20_000


def _check_squared(problem: OperatorProblem, solver: Solver) -> None:
    if not isinstance(problem.loss, Squared):
        raise ValueError(f"{solver!r} needs the squared loss, got {problem.loss!r}")


@final
@dataclass(frozen=True)
class Cholesky(Solver):
    """(K + αI) c = z by a dense factorization of the n × n Gram matrix of the pairs.

    SciPy twin: ``scipy.linalg.cho_solve``. O(n³) time for each α, 8n² bytes: for few pairs.

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

    def setup(self, problem: OperatorProblem) -> DenseState:
        """Form the Gram matrix of the pairs, once for all α."""
        _check_squared(problem, self)
        n = len(problem.z)
        if n > _MAX_DENSE:
            raise ValueError(
                f"Cholesky forms an n × n matrix and takes at most {_MAX_DENSE} pairs, got {n}: "
                "use ConjugateGradient(), with GridSearchCV to choose alpha"
            )
        check_semidefinite(problem.gram_x, "gram_x")
        check_semidefinite(problem.gram_y, "gram_y")
        i, j = problem.pairs.i, problem.pairs.j
        gram = problem.gram_x[np.ix_(i, i)] * problem.gram_y[np.ix_(j, j)]
        return DenseState(problem, gram, self.tol)


@final
@dataclass(frozen=True, eq=False)
class DenseState:
    """A problem with the Gram matrix of its pairs; the dense twin of ``SpectralState``."""

    problem: OperatorProblem
    gram: np.ndarray
    tol: float

    __repr__ = short_repr

    def _factor(self, alpha: float) -> tuple[np.ndarray, bool]:
        system = self.gram.astype(float)
        system[np.diag_indices(len(system))] += check_number(alpha, "alpha", above=0.0)
        try:
            return cho_factor(system, overwrite_a=True)
        except LinAlgError as error:
            raise ConvergenceError(
                f"K + αI is not numerically positive definite at alpha={alpha:g}: raise alpha"
            ) from error

    def solve(self, alpha: float) -> Solution:
        """The certified solution for one α."""
        problem = self.problem.with_alpha(alpha)
        c = cho_solve(self._factor(alpha), problem.z)
        return Solution(c, problem.certify(c, self.tol), {"solver": "Cholesky", "alpha": alpha})

    def leave_out_residuals(self, alpha: float, leave: Leave = "pair") -> np.ndarray:
        """z − ẑ with a pair, row or column left out, (G⁻¹)_BB⁻¹ c_B: exact, any set of pairs."""
        inverse = cho_solve(self._factor(alpha), np.eye(len(self.gram)))
        c = inverse @ self.problem.z
        if check_leave(leave) == "pair":
            return c / np.diag(inverse)
        label = self.problem.pairs.i if leave == "row" else self.problem.pairs.j
        residuals = np.empty_like(c)
        for block in (np.flatnonzero(label == k) for k in np.unique(label)):
            residuals[block] = np.linalg.solve(inverse[np.ix_(block, block)], c[block])
        return residuals


@final
@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """(K + αI) c = z by conjugate gradients, preconditioned by the complete grid's inverse.

    SciPy twin: ``scipy.sparse.linalg.cg``. A step costs six products of the domains' sizes and
    K is never formed. The preconditioner S (K_Y ⊗ K_X + αI)⁻¹ Sᵀ, S the choice of pairs, is exact
    on a complete grid and close to it when few pairs are missing.

    Parameters
    ----------
    tol : float
        Where to stop: the relative residual ‖Kc + αc − z‖/‖z‖, which is the KKT residual.
    max_iter : int
    """

    tol: float = 1e-10
    max_iter: int = 5000
    handles: ClassVar[type] = OperatorProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")

    def _solve(self, problem: OperatorProblem) -> Solution:
        _check_squared(problem, self)
        n, pairs, alpha = len(problem.z), problem.pairs, problem.alpha
        x, y = Eigen.of(problem.gram_x, "gram_x"), Eigen.of(problem.gram_y, "gram_y")
        inverse = 1 / (np.multiply.outer(x.values, y.values) + alpha)

        def system(c: np.ndarray) -> np.ndarray:
            return problem.values(c) + alpha * c

        def precondition(c: np.ndarray) -> np.ndarray:
            rotated = x.vectors.T @ pairs.matrix(c) @ y.vectors
            return pairs.values(x.vectors @ (rotated * inverse) @ y.vectors.T)

        iterations = 0

        def count(_: np.ndarray) -> None:
            nonlocal iterations
            iterations += 1

        # A tenth of the tolerance: the recursive residual of CG drifts from the true one, which
        # is what the certificate measures.
        c, _ = cg(
            LinearOperator((n, n), matvec=system, dtype=float),
            problem.z,
            rtol=self.tol / 10,
            maxiter=self.max_iter,
            M=LinearOperator((n, n), matvec=precondition, dtype=float),
            callback=count,
        )
        stats = {"solver": "ConjugateGradient", "iterations": iterations}
        return Solution(c, problem.certify(c, self.tol), stats)
