"""What every solver takes and returns."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar, final, get_args

from rkbs._arrays import check_count, check_number, kind_error, short_repr
from rkbs.problems.certificates import Certificate
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.terms.losses import Squared

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

    __repr__ = short_repr

    def check(self, circumstance: str = "") -> Solution[_Value]:
        """The solution itself, or ``ConvergenceError`` when its certificate does not pass.

        Parameters
        ----------
        circumstance : str
            What else the message should say.
        """
        if not self.certificate.passed:
            numbers = {k: v for k, v in self.stats.items() if isinstance(v, (int, float))}
            raise ConvergenceError(
                f"{self.stats.get('solver', 'the solver')} stopped at "
                f"{self.certificate.describe()}, above the tolerance "
                f"{self.certificate.tolerance:.3g} ({numbers}): raise the regularization "
                "(alpha), which conditions the problem, or the solver's tol or max_iter."
                + f" Here {circumstance}."
                * bool(circumstance)
            )
        return self


def as_path(alphas: Iterable[float]) -> Iterable[float]:
    """The α of a path, which need not be a list; a ``TypeError`` for a single number."""
    if isinstance(alphas, str) or not isinstance(alphas, Iterable):
        raise TypeError(f"alphas must be a sequence of numbers, got {alphas!r}")
    return alphas


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
                f"{type(self).__name__} solves problems of class {self.handles.__name__}, got "
                f"{type(problem).__name__}"
            )

    @abc.abstractmethod
    def _solve(self, problem: Any) -> Solution: ...


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
    """A solver of ``SchattenProblem``, along paths of α, to a relative duality gap of ``tol``."""

    tol: float
    max_iter: int
    handles: ClassVar[type] = SchattenProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")

    def _solve(self, problem: SchattenProblem) -> Solution[OperatorPoint]:
        return next(self.path(problem, [problem.alpha]))

    @abc.abstractmethod
    def path(
        self, problem: SchattenProblem, alphas: Iterable[float]
    ) -> Iterator[Solution[OperatorPoint]]:
        """The certified solutions along a path of α."""


def solve(problem: Any, solver: Solver) -> Solution:
    """The solution of a problem by a solver; read ``solution.certificate`` before using it.

    Raises
    ------
    TypeError
        For a solver that is none, or one of other problems.
    """
    if not isinstance(solver, Solver):
        raise kind_error(solver, "solver", Solver)
    return solver(problem)
