"""What every solver returns, and the eigendecomposition that several share."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, final, get_args

import numpy as np

from rkbs.problems import Certificate, OperatorProblem

Leave = Literal["pair", "row", "column"]
"""What leave-one-out leaves out: a pair, a whole target (row) or a whole source (column)."""


def check_leave(leave: Leave) -> Leave:
    """``leave`` itself, or a ``ValueError`` that names the choices."""
    if leave not in get_args(Leave):
        raise ValueError(f"leave must be one of {get_args(Leave)}, got {leave!r}")
    return leave


class ConvergenceError(RuntimeError):
    """A solver ended without keeping its certificate's tolerance."""


@final
@dataclass(frozen=True, eq=False)
class Solution:
    """Dual coefficients c of the pairs, with their certificate.

    Attributes
    ----------
    value : array of shape (n,)
        The coefficients c_n of T* = Σ_n c_n Φ_X(x_{i_n}) ⊗ Φ_Y(y_{j_n}).
    certificate : Certificate
    stats : dict
        What the solver counted (solver, iterations, …).
    """

    value: np.ndarray
    certificate: Certificate
    stats: dict[str, Any] = field(default_factory=dict)

    def check(self) -> Solution:
        """The solution itself, or ``ConvergenceError`` when its certificate does not pass."""
        if not self.certificate.passed:
            raise ConvergenceError(
                f"{self.stats.get('solver', 'the solver')} stopped at a relative KKT residual of "
                f"{self.certificate.kkt_residual:.3g}, above the tolerance "
                f"{self.certificate.tolerance:.3g} ({self.stats}). The system is too "
                "ill-conditioned for this alpha: raise alpha, or solver's tol or max_iter."
            )
        return self


class Solver(abc.ABC):
    """Solves an operator problem: ``solver(problem)`` returns a certified ``Solution``."""

    @abc.abstractmethod
    def __call__(self, problem: OperatorProblem) -> Solution:
        """Solve and certify; a failed certificate is returned, not hidden."""


_Problem = TypeVar("_Problem")
_Solution = TypeVar("_Solution")


def solve(problem: _Problem, solver: Callable[[_Problem], _Solution]) -> _Solution:
    """The solution of a problem by a solver; read ``solution.certificate`` before using it."""
    return solver(problem)


@final
@dataclass(frozen=True, eq=False)
class Eigen:
    """K = U diag(s) Uᵀ with s ≥ 0, of a positive semi-definite Gram matrix."""

    values: np.ndarray
    vectors: np.ndarray

    @classmethod
    def of(cls, gram: np.ndarray, name: str) -> Eigen:
        """Decompose; eigenvalues below −n · eps · λ_max raise, smaller negative ones are rounding.

        Raises
        ------
        ValueError
            If the matrix is indefinite: then the "penalty" would be unbounded below and the
            closed form a saddle point instead of a minimum.
        """
        values, vectors = np.linalg.eigh(gram.astype(float, copy=False))
        rounding = len(gram) * np.finfo(float).eps * max(np.abs(values).max(), 0.0)
        if values[0] < -rounding:
            raise ValueError(
                f"{name} must be positive semi-definite, but has the eigenvalue {values[0]:.3g} "
                f"(largest {values[-1]:.3g}; it came in {gram.dtype}, float64 leaves the least "
                "rounding): an indefinite kernel has no squared norm to penalize. Use a Mercer "
                "kernel within each domain; a non-Mercer κ(x, y) enters by its within-domain "
                "kernels κ.domain_x and κ.domain_y."
            )
        return cls(np.maximum(values, 0.0), vectors)
