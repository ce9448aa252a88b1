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

_TOLERANCES = (1e-4, 1e-8)
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

    The objective's excess, at most g, is ½ ‖δh‖² + (α/2) ‖δM‖² + (α_e/2) ‖δa‖² at the training
    pairs, δ the difference from the minimizer. So with κ the mean of K_nn over some pairs the root
    mean square of ⟨Φ_X, δT Φ_Y⟩ there is at most (2gκ/α)^{1/2}, that of effects (2g · 2/α_e)^{1/2},
    and |δb| at most these two at the training pairs and (2g/n)^{1/2}.
    """
    problem, relative = solution.problem, solution.certificate.relative_gap
    if not relative < 1:
        return math.inf
    gap = relative * problem.objective(solution.value.M, solution.value.theta)
    offsets, n = problem.offsets, len(problem.z)
    diagonals = problem.gram_x.diagonal(), problem.gram_y.diagonal()
    seen = float(np.mean(diagonals[0][problem.pairs.i] * diagonals[1][problem.pairs.j]))
    effects = 0.0
    if offsets.size > int(offsets.constant):
        effects = math.sqrt(2 / offsets.decay(problem.alpha)[-1])
    held = math.sqrt(fold.reach / problem.alpha) + effects
    if offsets.constant:
        held += math.sqrt(seen / problem.alpha) + effects + math.sqrt(1 / n)
    return math.sqrt(max(2 * gap, 0.0)) * held
