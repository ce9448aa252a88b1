"""What every solver takes and returns."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, final, get_args

import numpy as np

from rkbs._arrays import check_number, kind_error, short_repr
from rkbs.problems.base import Problem
from rkbs.problems.certificates import Certificate

Leave = Literal["pair", "row", "column"]
"""What leave-one-out leaves out: a pair, a whole target (row) or a whole source (column)."""


def check_leave(leave: Leave) -> Leave:
    """``leave`` itself, or a ``ValueError`` that names the choices."""
    if leave not in get_args(Leave):
        raise ValueError(f"leave must be one of {get_args(Leave)}, got {leave!r}")
    return leave


class ConvergenceError(RuntimeError):
    """A solver ended without keeping its certificate's tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import ADMM, RBF, Pairs, SchattenProblem, solve
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = SchattenProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.01)
    >>> solve(problem, ADMM(max_iter=1)).check()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    rkbs.solvers.base.ConvergenceError: ADMM stopped at a relative duality gap of 0.97...
    """


_Problem = TypeVar("_Problem", covariant=True)
_Value = TypeVar("_Value", covariant=True)
_Certificate = TypeVar("_Certificate", bound=Certificate, covariant=True)
_F = TypeVar("_F", covariant=True)


class _HasFunctions(Protocol[_F]):
    """A problem by what its functions are: elements of a pair of spaces, or of points."""

    def functions(self, value: Any) -> tuple[_F, ...]: ...


@final
@dataclass(frozen=True, eq=False)
class Solution(Generic[_Problem, _Value, _Certificate]):
    """What solves a problem, with its certificate, to be evaluated at new points.

    Attributes
    ----------
    problem : Problem
        What was solved, at its α.
    value
        What the problem asks for; each solver says what that is.
    certificate : Certificate
    stats : dict
        What the solver counted (solver, iterations, …).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, DualNewton, Pairs, RKBSPair, SeparableProblem, solve
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[0.0], [0.5]])
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
    >>> problem = SeparableProblem(spaces, Pairs.grid(x, y), x + y.T, 0.1, 0.1)
    >>> solution = solve(problem, DualNewton())
    >>> bool(solution.certificate.relative_gap < 1e-10)
    True
    >>> new_x, new_y = np.array([[0.2], [0.4], [0.6]]), np.array([[0.1]])
    >>> h = solution.predict_grid(new_x, new_y)
    >>> h.shape, bool(np.all(h == solution.f(new_x)[:, None] + solution.g(new_y)))
    ((3, 1), True)
    """

    problem: _Problem = field(repr=False)
    value: _Value
    certificate: _Certificate
    stats: dict[str, Any] = field(default_factory=dict)

    __repr__ = short_repr

    def check(self, circumstance: str = "") -> Self:
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

    @property
    def f(self: Solution[_HasFunctions[_F], Any, Any]) -> _F:
        """f of a separable, product or one-sided problem, to be called at new points."""
        return self._function(0)

    @property
    def g(self: Solution[_HasFunctions[_F], Any, Any]) -> _F:
        """g of a separable or product problem, to be called at new points."""
        return self._function(1)

    def _function(self, k: int) -> Any:
        functions = self.problem.functions(self.value)
        if len(functions) <= k:
            raise AttributeError(
                f"a solution of {type(self.problem).__name__} has no {'fg'[k]}: "
                + ("f is its only function" if functions else "evaluate it by predict_grid")
            )
        return functions[k]

    def predict_grid(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """h(x, y) at all pairs of new points of the two domains.

        Parameters
        ----------
        x, y : arrays of shape (n, d_x), (m, d_y)
            Points, of a separable or product problem. Of an operator, whose problem holds Gram
            matrices and no kernels, rows of the kernels: k_X(x, X), (n, n_x), and k_Y(y, Y),
            (m, n_y).

        Returns
        -------
        array of shape (n, m)

        Raises
        ------
        TypeError, ValueError
            For a problem of one domain, for wrong shapes, and for an operator beside effects.
        """
        return self.problem.predict_grid(self.value, x, y)


_Found = TypeVar("_Found", bound=Solution[Any, Any, Any], covariant=True)


def as_path(alphas: Iterable[float]) -> Iterable[float]:
    """The α of a path, checked: those of a sequence now, those of an iterator as they are used.

    Raises
    ------
    TypeError, ValueError
        For a single number, and naming the first α that is not a positive number.
    """
    if isinstance(alphas, str) or not np.iterable(alphas):
        raise TypeError(f"alphas must be a sequence of numbers, got {alphas!r}")
    checked = (check_number(a, f"alphas[{k}]", above=0.0) for k, a in enumerate(alphas))
    return checked if isinstance(alphas, Iterator) else list(checked)


class State(abc.ABC, Generic[_Found]):
    """A problem that a solver's ``setup`` made ready: its solutions at any α.

    Attributes
    ----------
    problem : Problem

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import ADMM, RBF, Pairs, SchattenProblem
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = SchattenProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=1.0)
    >>> state = ADMM().setup(problem)
    >>> for solution in state.path([1.0, 0.1]):
    ...     print(solution.problem.alpha, solution.certificate.passed)
    1.0 True
    0.1 True
    """

    problem: Problem

    @final
    def solve(self, alpha: float) -> _Found:
        """The certified solution at one α, started afresh, whatever was solved before.

        Raises
        ------
        TypeError, ValueError
            For α that is no positive number.
        """
        return self._solve(self.problem.with_alpha(alpha), None)[0]

    @final
    def path(self, alphas: Iterable[float]) -> Iterator[_Found]:
        """The certified solutions along a path of α, each solved when it is asked for.

        Each may start from the one before it: α that decrease slowly need the least work.

        Raises
        ------
        TypeError, ValueError
            Naming the first of ``alphas`` that is not a positive number, before any is solved.
        """
        return self._along(as_path(alphas))

    def _along(self, alphas: Iterable[float]) -> Iterator[_Found]:
        last = None
        for alpha in alphas:
            solution, last = self._solve(self.problem.with_alpha(alpha), last)
            yield solution

    @abc.abstractmethod
    def _solve(self, problem: Any, last: Any) -> tuple[_Found, Any]:
        """The solution of ``problem``, and what the next α of a path may start from.

        ``last`` is that of the α before, None at the first.
        """


_Solved = TypeVar("_Solved", bound=Problem, contravariant=True)
_Given = TypeVar("_Given", bound=Problem)
_State = TypeVar("_State", bound=State[Any], covariant=True)


class Solver(abc.ABC, Generic[_Solved, _State]):
    """``solver.setup(problem)`` is a state: ``state.solve(alpha)``, ``state.path(alphas)``.

    The contract, of which each solver says how it keeps it:

    * ``setup`` says what the solver needs and the problem lacks, and does once what no α changes,
      such as eigendecompositions, features, or the choice of the unknowns.
    * ``solve`` starts afresh: what was solved before does not matter.
    * ``path`` may start each α from the solution before it; its solutions are certified alike.
    * A certificate is of the problem at its α, measured on it. One that fails is returned, not
      hidden: ``solution.check()`` raises it.

    A solver holds its settings alone. ``handles`` is the class of its problems.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=0.1)
    >>> state = Spectral().setup(problem)
    >>> [solution.certificate.passed for solution in state.path([10.0, 1.0, 0.1])]
    [True, True, True]
    """

    handles: ClassVar[type]

    @final
    def setup(self, problem: _Solved) -> _State:
        """The problem, ready to be solved at any α.

        Raises
        ------
        TypeError, ValueError
            For a problem of another class, or one that lacks what the solver needs.
        """
        self._check(problem)
        return self._setup(problem)

    def _check(self, problem: _Solved) -> None:
        """What the solver needs, before anything is computed; of this class, the problem's."""
        if not isinstance(problem, self.handles):
            raise TypeError(
                f"{type(self).__name__} solves problems of class {self.handles.__name__}, got "
                f"{type(problem).__name__}"
            )

    @abc.abstractmethod
    def _setup(self, problem: _Solved) -> _State: ...

    def _once(self, problem: Any) -> Any:
        """The solution at the problem's own α, of a state that is asked for nothing else."""
        return self.setup(problem).solve(problem.alpha)


def solve(
    problem: _Given, solver: Solver[_Given, State[Solution[Any, _Value, _Certificate]]]
) -> Solution[_Given, _Value, _Certificate]:
    """``solver.setup(problem).solve(problem.alpha)``: the solution of a problem by a solver.

    Read ``solution.certificate`` before using it, or have it raised by ``solution.check()``.

    Raises
    ------
    TypeError, ValueError
        For a solver that is none, and for a problem that it does not solve.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, Spectral, solve
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x - y.T, alpha=1e-6)
    >>> solution = solve(problem, Spectral()).check()
    >>> solution.predict_grid(RBF()(np.array([[0.8]]), x), RBF()(np.array([[0.3]]), y)).round(2)
    array([[0.5]])
    """
    if not isinstance(solver, Solver):
        raise kind_error(solver, "solver", Solver)
    return solver._once(problem)
