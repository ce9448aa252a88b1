"""The two kinds of solvers for operators."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from rkbs._arrays import check_count, check_number
from rkbs.problems.certificates import GapCertificate, KKTCertificate
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import Solution, Solver, State
from rkbs.terms.residual_losses import Squared

RidgeSolution = Solution[OperatorProblem, OperatorPoint, KKTCertificate]
SchattenSolution = Solution[SchattenProblem, OperatorPoint, GapCertificate]
_State = TypeVar("_State", bound=State[Any], covariant=True)


class RidgeSolver(Solver[OperatorProblem, _State]):
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


class SchattenSolver(Solver[SchattenProblem, _State]):
    """A solver of ``SchattenProblem``, to a relative duality gap of ``tol``."""

    tol: float
    max_iter: int
    handles: ClassVar[type] = SchattenProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")

    def _check_smooth(self, problem: SchattenProblem) -> None:
        """``ValueError`` for kinks in the loss."""
        if not problem.loss.smooth:
            raise ValueError(f"{self!r} needs a smooth loss, got {problem.loss!r}: use ADMM()")
