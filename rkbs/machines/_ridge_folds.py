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
from rkbs.solvers.operators._pair_weights import PairWeights
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.incomplete import ConjugateGradient

_TOLERANCES = (1e-2, 1e-5, 1e-8)
"""Of fits in folds: of all α, then of those that are not decided upon by the ones before."""
_MARGIN = 10.0
"""Errors may be off by so many times what the KKT residual says before a choice depends on it."""


@final
@dataclass(frozen=True, eq=False)
class RidgeFolds:
    """Root mean squared errors of each α and fold, to as many digits as the choice of α needs.

    Fits are made to a KKT residual r of 1e-2, mostly far less; those of the α that may be the best,
    with errors ten times as far off as r suggests, again to 1e-5, and what is left to 1e-8.

    Attributes
    ----------
    folds : list of Fold
    alphas : array of shape (k,)
    verbose : bool
        Whether to print a line for each fold.
    size : int
        The number of pairs, tested or not.
    rmse, bound, doubt : arrays of shape (k, n_folds)
        The root mean squared held-out error of the fits made; how far it is at most from that of
        the minimizer; and ten times how far the KKT residual suggests. NaN from the fold on in
        which a fit was not certified.
    predictions : array of shape (k, n)
        h of those fits at the pairs they leave out, NaN where there is none.
    """

    folds: list[Fold[OperatorProblem]]
    alphas: np.ndarray
    verbose: bool
    size: int
    rmse: np.ndarray = field(init=False)
    bound: np.ndarray = field(init=False)
    doubt: np.ndarray = field(init=False)
    predictions: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.alphas), len(self.folds)
        for name in ("rmse", "bound", "doubt"):
            object.__setattr__(self, name, np.full(shape, np.nan))
        object.__setattr__(self, "predictions", np.full((shape[0], self.size), np.nan))
        chosen = np.ones(shape[0], dtype=bool)
        for tol in _TOLERANCES:
            self._fit(np.flatnonzero(chosen), tol)
            value, doubt = self.pooled(self.rmse), self.pooled(self.doubt)
            chosen = value - doubt <= np.nanmin(value + doubt, initial=np.inf)
            if np.count_nonzero(chosen) <= 1:
                return

    def pooled(self, part: np.ndarray) -> np.ndarray:
        """Root mean squares over the held-out pairs of all folds, from those of each: (k,)."""
        weights = np.array([fold.total for fold in self.folds])
        return np.sqrt(part**2 @ (weights / weights.sum()))

    def _fit(self, rows: np.ndarray, tol: float) -> None:
        """The entries of some α, from fits to this tolerance along the path of decreasing α."""
        rows = rows[np.argsort(-self.alphas[rows])]
        self.rmse[rows] = self.bound[rows] = self.doubt[rows] = np.nan
        for k, fold in enumerate(self.folds):
            start, certified = time.perf_counter(), ~np.isnan(self.rmse[rows, :k]).any(1)
            tried = rows[certified]
            state = ridge_solver(fold.training, ConjugateGradient(tol=tol)).setup(fold.training)
            for row, solution in zip(tried, state.path(self.alphas[tried]), strict=True):
                if solution.certificate.passed:
                    found = fold.predict(solution.value)
                    error, self.predictions[row, fold.tested] = found - fold.z, found
                    self.rmse[row, k] = np.sqrt(fold.mean(error * error))
                    self.bound[row, k] = _bound(fold, solution)
                    self.doubt[row, k] = _MARGIN * _suggested(solution)
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
    ⟨φ, δM⟩ is at most (2g/α)^{1/2} times that of ‖φ‖, and that of effects (2g · 2/α_e)^{1/2}. With
    a constant, δb is the mean of δh − ⟨φ, δM⟩ − δa at the training pairs: φ counts less its mean
    there, effects once more, and δh has a mean of at most (2g/n)^{1/2}. Of weighted pairs ‖δh‖²,
    the means and n are weighted.
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
        size += math.sqrt(1 / PairWeights.of(problem).total(problem.pairs))
    return math.sqrt(2 * gap) * size


def _suggested(solution: RidgeSolution) -> float:
    """How far root mean squared errors are from those of the minimizer by the KKT residual r.

    r is the energy norm of δM on the whole grid, relative to that of the responses. Were the pairs
    spread evenly, their energy would be the share ρ of it, and δh of about the same size anywhere.
    """
    problem = solution.problem
    seen = len(problem.z) ** 2 / (len(problem.pairs.X) * len(problem.pairs.Y))
    slope = problem.slope / PairWeights.of(problem).mean()
    return solution.certificate.kkt_residual * slope / math.sqrt(seen)
