"""What every solver returns, and the eigendecomposition that several share."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar, final, get_args

import numpy as np

from rkbs.certificates import Certificate

Leave = Literal["pair", "row", "column"]
"""What leave-one-out leaves out: a pair, a whole target (row) or a whole source (column)."""


def check_leave(leave: Leave) -> Leave:
    """``leave`` itself, or a ``ValueError`` that names the choices."""
    if leave not in get_args(Leave):
        raise ValueError(f"leave must be one of {get_args(Leave)}, got {leave!r}")
    return leave


class ConvergenceError(RuntimeError):
    """A solver ended without keeping its certificate's tolerance."""


_Value = TypeVar("_Value")


@final
@dataclass(frozen=True, eq=False)
class Solution(Generic[_Value]):
    """What solves a problem, with its certificate.

    Attributes
    ----------
    value
        What the problem asks for; each solver says what that is.
    certificate : Certificate
    stats : dict
        What the solver counted (solver, iterations, …).
    """

    value: _Value
    certificate: Certificate
    stats: dict[str, Any] = field(default_factory=dict)

    def check(self) -> Solution[_Value]:
        """The solution itself, or ``ConvergenceError`` when its certificate does not pass."""
        if not self.certificate.passed:
            raise ConvergenceError(
                f"{self.stats.get('solver', 'the solver')} stopped at "
                f"{self.certificate.describe()}, above the tolerance "
                f"{self.certificate.tolerance:.3g} ({self.stats}): raise the regularization "
                "(alpha), which conditions the problem, or the solver's tol or max_iter."
            )
        return self


class Solver(abc.ABC):
    """``solver(problem)`` returns a certified ``Solution``; ``handles`` is the problems' class."""

    handles: ClassVar[type]

    def __call__(self, problem: Any) -> Solution:
        """Solve and certify; a failed certificate is returned, not hidden.

        Raises
        ------
        TypeError
            For a problem of another class.
        """
        self._check(problem)
        return self._solve(problem)

    def _check(self, problem: Any) -> None:
        """``TypeError`` for a problem of another class."""
        if not isinstance(problem, self.handles):
            raise TypeError(
                f"{type(self).__name__} solves a {self.handles.__name__}, got "
                f"{type(problem).__name__}"
            )

    @abc.abstractmethod
    def _solve(self, problem: Any) -> Solution: ...


def solve(problem: Any, solver: Solver) -> Solution:
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
