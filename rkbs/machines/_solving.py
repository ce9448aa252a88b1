"""The solver of a machine, and the fit of one whose α is given."""

from __future__ import annotations

from typing import Any, Self, TypeVar

from rkbs._arrays import kind_error
from rkbs.problems.operator import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import Solver, State, solve
from rkbs.solvers.operators._pair_weights import is_separable_grid
from rkbs.solvers.operators.base import RidgeSolution, SchattenSolution
from rkbs.solvers.operators.dense import Cholesky
from rkbs.solvers.operators.incomplete import ConjugateGradient
from rkbs.solvers.operators.spectral import Spectral
from rkbs.terms.weighted import weights_of

FEW_PAIRS = 2000
"""Up to this many pairs a dense factorization is faster than iterating."""
RidgeSolver = Solver[OperatorProblem, State[RidgeSolution]]
SpectralSolver = Solver[SchattenProblem, State[SchattenSolution]]
_Solver = TypeVar("_Solver", bound=Solver[Any, Any])


class FixedAlphaMixin:
    """The fit of a machine with the parameter ``alpha``."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Fit to the responses of pairs.

        Parameters
        ----------
        X : Pairs, or array of shape (n, d_x + d_y)
            The pairs; in a plain array each row is [x | y], and a row may repeat.
        y : array of shape (n,), or (n_x, n_y) for a complete grid
            The responses z.
        sample_weight : array of the shape of y, optional
            What the loss of each pair is multiplied by, not negative; 0 leaves the pair out.
        """
        problem, mean = self._problem(self._samples(X, y, sample_weight), self.alpha)
        self._keep(solve(problem, self._solver(problem)), mean)
        return self


def check_solver(solver: _Solver | None, problem: type, known: str) -> _Solver | None:
    """The solver itself, or a ``TypeError`` where it is none, or solves no such problem."""
    if solver is None:
        return None
    if not isinstance(solver, Solver):
        raise kind_error(solver, "solver", Solver, f" of this machine ({known}) or None")
    if not issubclass(problem, solver.handles):
        raise TypeError(
            f"solver must be one of this machine ({known}) or None, but "
            f"{type(solver).__name__} solves problems of class {solver.handles.__name__}"
        )
    return solver


def ridge_solver(problem: OperatorProblem, iterative: RidgeSolver | None = None) -> RidgeSolver:
    """The closed form of a complete grid, dense algebra for few pairs, else conjugate gradients.

    The closed form is also that of weights that are products u_i v_j.

    Parameters
    ----------
    problem : OperatorProblem
    iterative : Solver, optional
        In place of ``ConjugateGradient()``.
    """
    closed = is_separable_grid(problem.pairs, weights_of(problem.loss))
    if closed and not problem.is_low_rank:
        return Spectral()
    if len(problem.z) <= FEW_PAIRS:
        return Cholesky()
    return ConjugateGradient() if iterative is None else iterative
