"""How leave-out errors of ridge are found: exactly where that is cheap, else in folds."""

from __future__ import annotations

from typing import Literal

from rkbs.data._cuts import Setting
from rkbs.data._groups import Groups
from rkbs.machines._solving import FEW_PAIRS
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators._leave_out_both import operations
from rkbs.solvers.operators._missing import MissingPairs
from rkbs.solvers.operators._pair_weights import is_separable_grid
from rkbs.terms.weighted import weights_of

Way = Literal["grid", "missing", "pairs", "folds"]
_TRIVIAL = 300
"""So few pairs have a Gram matrix that costs nothing, and dense algebra keeps the most digits."""
_MOST_OPERATIONS = 2e10
"""So many may exact leave-out on a complete grid take for each α: some half second or second."""


def way(
    problem: OperatorProblem, leave: Setting, cv: int | str | None, groups: Groups, alphas: int
) -> Way:
    """How the errors of so many α are found.

    Raises
    ------
    ValueError
        For ``cv="exact"`` where a row and a column at once have no closed form.
    """
    if cv not in (None, "exact"):
        return "folds"
    if leave == "both" and (lacking := _lacking(problem, groups)):
        if cv is None:
            return "folds"
        raise ValueError(
            f"leave='both' has no closed form {lacking}, got cv='exact': pass a number of folds, "
            "or None"
        )
    weights = weights_of(problem.loss)
    if is_separable_grid(problem.pairs, weights):
        costly = _operations(problem, leave, alphas) > _MOST_OPERATIONS * alphas
        return "folds" if costly and cv is None else "grid"
    if weights is None and len(problem.pairs) > _TRIVIAL and MissingPairs.suit(problem):
        return "missing"
    return way_of_some(problem, cv)


def way_of_some(problem: OperatorProblem, cv: int | str | None) -> Way:
    """How they are found of pairs in any pattern."""
    return "pairs" if cv == "exact" or len(problem.pairs) <= FEW_PAIRS else "folds"


def _lacking(problem: OperatorProblem, groups: Groups) -> str:
    """What leaves a row and a column at once without a closed form, or nothing."""
    if not problem.pairs.is_complete:
        return "on a grid that lacks pairs"
    if weights_of(problem.loss) is not None:
        return "for weighted pairs"
    if _has_effects(problem):
        return "beside effects of rows or columns"
    return "for groups of several rows or columns" if groups.of_several() else ""


def _has_effects(problem: OperatorProblem) -> bool:
    return problem.offsets.size > int(problem.offsets.constant)


def _operations(problem: OperatorProblem, leave: Setting, alphas: int) -> float:
    """How many exact leave-out takes, 0 where they are few beside those of the fits."""
    n_x, n_y = len(problem.pairs.X), len(problem.pairs.Y)
    if leave == "both":
        return operations(n_x, n_y, alphas)
    return float(alphas * n_x * n_y * (n_x + n_y) ** 2) if _has_effects(problem) else 0.0
