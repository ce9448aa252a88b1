"""The two kinds of solvers for operators."""

from __future__ import annotations

from typing import ClassVar

from rkbs._arrays import check_count, check_number
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import Solver
from rkbs.terms.residual_losses import Squared


class RidgeSolver(Solver):
    """A solver of ``OperatorProblem`` with the squared loss, to a KKT residual of ``tol``."""

    tol: float
    handles: ClassVar[type] = OperatorProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)

    def _check(self, problem: OperatorProblem) -> None:
        """Also ``ValueError`` for a loss whose optimality conditions are not linear."""
        super()._check(problem)
        if not isinstance(problem.loss, Squared):
            raise ValueError(f"{self!r} needs the squared loss, got {problem.loss!r}")


class SchattenSolver(Solver):
    """A solver of ``SchattenProblem``, to a relative duality gap of ``tol``."""

    tol: float
    max_iter: int
    handles: ClassVar[type] = SchattenProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")
