"""Errors of ridge in folds, as exact as the choice of α needs, with a bound of what is missing."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import final

import numpy as np

from rkbs.machines._folds import Fold
from rkbs.machines._solving import ridge_solver
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.incomplete import ConjugateGradient

_TOLERANCES = (1e-3, 1e-5, 1e-8)
"""KKT residuals of fits in folds: of all α, then of those that are not decided upon by then."""


@final
@dataclass(frozen=True, eq=False)
class RidgeFolds:
    """Root mean squared errors of each α and fold, and bounds of what they miss.

    Attributes
    ----------
    folds : list of Fold
    alphas : array of shape (k,)
    verbose : bool
        Whether to print a line for each fold.
    rmse, bound : arrays of shape (k, n_folds)
        The root mean squared held-out error of the fits made, and how far it may be from that of
        the minimizer. NaN from the fold on in which a fit was not certified.
    """

    folds: list[Fold[OperatorProblem]]
    alphas: np.ndarray
    verbose: bool
    rmse: np.ndarray = field(init=False)
    bound: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.alphas), len(self.folds)
        for name in ("rmse", "bound"):
            object.__setattr__(self, name, np.full(shape, np.nan))
        chosen = np.ones(shape[0], dtype=bool)
        for tol in _TOLERANCES:
            self._fit(np.flatnonzero(chosen), tol)
            value, bound = self.pooled()
            chosen = value - bound <= np.nanmin(value + bound, initial=np.inf)
            if np.count_nonzero(chosen) <= 1:
                return

    def pooled(self) -> tuple[np.ndarray, np.ndarray]:
        """Over the held-out pairs of all folds: of each α the error, and its bound."""
        weights = np.array([len(fold.z) for fold in self.folds])
        mean = weights / weights.sum()
        return np.sqrt(self.rmse**2 @ mean), np.sqrt(self.bound**2 @ mean)

    def _fit(self, rows: np.ndarray, tol: float) -> None:
        """The entries of some α, from fits to this tolerance along the path of decreasing α."""
        rows = rows[np.argsort(-self.alphas[rows])]
        self.rmse[rows] = self.bound[rows] = np.nan
        for k, fold in enumerate(self.folds):
            start, certified = time.perf_counter(), ~np.isnan(self.rmse[rows, :k]).any(1)
            tried = rows[certified]
            state = ridge_solver(fold.training, ConjugateGradient(tol=tol)).setup(fold.training)
            for row, solution in zip(tried, state.path(self.alphas[tried]), strict=True):
                if solution.certificate.passed:
                    error = fold.predict(solution.value) - fold.z
                    self.rmse[row, k] = np.sqrt(np.mean(error * error))
                    self.bound[row, k] = _bound(fold, solution)
            if self.verbose:
                print(
                    f"fold {k + 1} of {len(self.folds)}: {len(tried)} alphas to a KKT residual of "
                    f"{tol:.0e}, {len(fold.training.z)} pairs, "
                    f"{time.perf_counter() - start:.1f} s",
                    flush=True,
                )


def _bound(fold: Fold[OperatorProblem], solution: RidgeSolution) -> float:
    """How far the root mean squared error may be from that of the minimizer, by the duality gap g.

    The objective's excess, at most g, is ½ ‖δh‖² + (α/2) ‖δM‖² + (α_e/2) ‖δa‖² at the n training
    pairs, δ the difference from the minimizer. So at the pairs left out the root mean square of
    ⟨w, δM⟩ is at most (2g/α)^{1/2} times that of ‖w‖, and that of effects (2g · 2/α_e)^{1/2}. With
    a constant, δb is the mean of δh − ⟨w, δM⟩ − δa at the training pairs: w counts less its mean
    there, effects once more, and δh has a mean of at most (2g/n)^{1/2}.
    """
    problem, relative = solution.problem, solution.certificate.relative_gap
    if not relative < 1:
        return math.inf
    gap = max(relative * problem.objective(solution.value.M, solution.value.theta), 0.0)
    offsets, alpha = problem.offsets, problem.alpha
    size = math.sqrt(fold.reach / alpha)
    if offsets.size > int(offsets.constant):
        size += (1 + int(offsets.constant)) * math.sqrt(2 / offsets.decay(alpha)[-1])
    if offsets.constant:
        size += math.sqrt(1 / len(problem.z))
    return math.sqrt(2 * gap) * size
