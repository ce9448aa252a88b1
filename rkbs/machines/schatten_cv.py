"""The operator machine with α chosen by cross-validation along a path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, final

import numpy as np

from rkbs._arrays import check_count, check_number
from rkbs.kernels import Kernel
from rkbs.losses import Loss
from rkbs.machines.base import check_alphas
from rkbs.machines.schatten import SchattenMachine
from rkbs.pairs import Pairs
from rkbs.penalties import SpectralPenalty
from rkbs.schatten import SchattenProblem
from rkbs.solvers import ConvergenceError, Leave, Solver, solve
from rkbs.solvers.base import check_leave

_TURNED = 1.2
"""A path ends where the score is so many times its least."""
_FOLD_GAP = 1e-4
"""The duality gap that is small enough to compare scores."""


@final
class BinaryKernelMachineCV(SchattenMachine):
    """``BinaryKernelMachine`` with the α of least mean held-out loss, by cross-validation.

    Each fold fits one path of decreasing α, every fit started from the last one; the Gram matrices
    of its training points are decomposed once. The score of an α is its loss ℓ, averaged over the
    held-out pairs of a fold and over the folds. The machine is then fitted to all pairs at the
    chosen α.

    The path of a fold ends where its score is a fifth above its least, or where a certificate
    misses the solver's tolerance, as it may at the weakest α: the scores from there on are NaN, and
    an α with a NaN is not chosen, nor is one at which the final fit is not certified. In folds a
    duality gap of 1e-4 is enough.

    Parameters
    ----------
    kernel_x, kernel_y, loss, penalty, n_features_x, solver
        As in ``BinaryKernelMachine``.
    alphas : sequence of float, optional
        The α to choose from, in any order. By default ``n_alphas`` in geometric progression from
        ``alpha_max_``, the least α whose fit is 0, down to ``ratio`` times it; a penalty without
        slope at 0 (``Schatten(p)``, p > 1) has no such α and needs ``alphas``.
    n_alphas : int, default=20
    ratio : float, default=1e-4
        In (0, 1). Where ``alpha_`` comes out as the last of ``alphas_``, a smaller one may do
        better.
    leave : {"pair", "row", "column"}, default="pair"
        What a fold leaves out: match it to the use, "row" for new targets, "column" for new
        sources, all of whose pairs it then leaves out.
    cv : int, default=5
        The number of folds, ≥ 2, of about as many pairs, rows or columns each.
    random_state : int, default=0
        The seed of the folds.

    Attributes
    ----------
    alpha_ : float
        The chosen α.
    alphas_ : array of shape (n_alphas,)
        The path, decreasing.
    cv_scores_ : array of shape (n_alphas, cv)
        The mean held-out loss of each α and fold, NaN where the path had ended.
    alpha_max_, query_coef_, key_coef_, dual_coef_, iota_coef_, singular_values_, rank_
        Of the final fit, as in ``BinaryKernelMachine``.
    certificate_, X_fit_, Y_fit_, kernel_x_, kernel_y_, n_features_in_, n_features_x_
        As in ``BinaryKernelMachine``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    ConvergenceError
        When no α could be certified in every fold and in the final fit.

    Examples
    --------
    >>> machine = BinaryKernelMachineCV(RBF(0.3), RBF(0.3), leave="row").fit(pairs, z)
    >>> machine.alpha_ / machine.alpha_max_, machine.cv_scores_.mean(1).min(), machine.rank_
    """

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        loss: Loss | None = None,
        penalty: SpectralPenalty | None = None,
        alphas: tuple[float, ...] | None = None,
        n_alphas: int = 20,
        ratio: float = 1e-4,
        leave: Leave = "pair",
        cv: int = 5,
        random_state: int = 0,
        n_features_x: int | None = None,
        solver: Solver | None = None,
    ) -> None:
        self.kernel_x = kernel_x
        self.kernel_y = kernel_y
        self.loss = loss
        self.penalty = penalty
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.ratio = ratio
        self.leave = leave
        self.cv = cv
        self.random_state = random_state
        self.n_features_x = n_features_x
        self.solver = solver

    def fit(self, X: Any, y: Any = None) -> BinaryKernelMachineCV:
        """Choose α, then fit; parameters as in ``BinaryKernelMachine``."""
        folds = check_count(self.cv, "cv", 2)
        rng = np.random.default_rng(check_count(self.random_state, "random_state", 0))
        check_leave(self.leave)
        problem = self._problem(X, y, 1.0)
        solver, self.alphas_ = self._solver(problem), self._path_of_alphas()
        held_out = _folds(problem.pairs, self.leave, folds, rng)
        rough = replace(solver, tol=max(solver.tol, _FOLD_GAP))
        scores = [self._scores(problem, out, rough) for out in held_out]
        self.cv_scores_ = np.array(scores).T
        self._fit_the_best(problem, solver)
        return self

    def _path_of_alphas(self) -> np.ndarray:
        if self.alphas is not None:
            return np.sort(check_alphas(self.alphas))[::-1]
        count, ratio = check_count(self.n_alphas, "n_alphas"), check_number(self.ratio, "ratio")
        if not 0 < ratio < 1:
            raise ValueError(f"ratio must lie in (0, 1), got {ratio!r}")
        if math.isinf(self.alpha_max_):
            raise ValueError(
                f"alphas must be given with penalty={self.penalty!r}: no α of it makes the fit 0, "
                "from which a path could start"
            )
        # Responses without any pull have the fit 0 at every α, whatever the path.
        return (self.alpha_max_ or 1.0) * np.geomspace(1, ratio, count)

    def _scores(self, problem: SchattenProblem, out: np.ndarray, solver: Solver) -> np.ndarray:
        """The mean loss at the pairs where ``out``, of fits to the others along the path."""
        scores, pairs = np.full(len(self.alphas_), np.nan), problem.pairs
        training, rows, columns = _part(problem, ~out)
        factors, test = training.factors, pairs[out]
        # Rows of R_X and R_Y of all points, also of those that the fold has never seen.
        left = problem.gram_x[:, rows] @ factors.dual_left
        right = problem.gram_y[:, columns] @ factors.dual_right
        for k, solution in enumerate(solver.path(training, self.alphas_)):
            if not solution.certificate.passed:
                break
            h = test.values(left @ solution.value.M @ right.T)
            scores[k] = problem.loss.value(h, problem.z[out]).mean()
            if scores[k] > _TURNED * np.nanmin(scores):  # the weakest α take longest
                break
        return scores

    def _fit_the_best(self, problem: SchattenProblem, solver: Solver) -> None:
        """The final fit at the α of least mean score, or at the next that can be certified."""
        means = self.cv_scores_.mean(1)
        if np.isnan(means).all():
            raise ConvergenceError(
                "no α on the path was certified in every fold: raise alphas (or ratio), or the "
                "solver's tol or max_iter"
            )
        for k in np.argsort(means)[: np.isfinite(means).sum()]:  # NaN sorts last
            at = problem.with_alpha(float(self.alphas_[k]))
            solution = solve(at, solver)
            if solution.certificate.passed:
                break
        self.alpha_ = at.alpha
        self._keep(at, solution)


def _folds(pairs: Pairs, leave: Leave, folds: int, rng: np.random.Generator) -> Iterator:
    """For each fold the mask of the pairs that it leaves out."""
    units = {"pair": np.arange(len(pairs)), "row": pairs.i, "column": pairs.j}[leave]
    names = np.unique(units)
    if len(names) < folds:
        raise ValueError(
            f"cv={folds} folds need as many {leave}s, got {len(names)} (n_samples={len(pairs)})"
        )
    for out in np.array_split(rng.permutation(names), folds):
        yield np.isin(units, out)


def _part(
    problem: SchattenProblem, chosen: np.ndarray
) -> tuple[SchattenProblem, np.ndarray, np.ndarray]:
    """The problem of the chosen pairs over the rows and columns that occur in them, and these."""
    pairs = problem.pairs[chosen]
    (rows, i), (columns, j) = (
        np.unique(index, return_inverse=True) for index in (pairs.i, pairs.j)
    )
    part = SchattenProblem(
        problem.gram_x[np.ix_(rows, rows)],
        problem.gram_y[np.ix_(columns, columns)],
        Pairs(pairs.X[rows], pairs.Y[columns], i, j),
        problem.z[chosen],
        problem.alpha,
        problem.loss,
        problem.penalty,
    )
    return part, rows, columns
