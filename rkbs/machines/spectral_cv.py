"""The operator machine with α chosen by cross-validation along a path."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self, final

import numpy as np

from rkbs._arrays import check_count, check_number
from rkbs.data._cuts import Setting, check_setting
from rkbs.kernels.base import Kernel
from rkbs.kernels.repair import Repair
from rkbs.machines._folds import Fold, check_folds, count_of_folds, cuts_of
from rkbs.machines._given_splits import given_cuts
from rkbs.machines._selection import check_alphas, warn_end_of_path, warn_uncertified
from rkbs.machines._solving import SpectralSolver
from rkbs.machines.spectral import SchattenMachine
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import ConvergenceError, solve
from rkbs.terms.losses import Loss
from rkbs.terms.spectral_penalties import SpectralPenalty
from rkbs.terms.weighted import without_weights

_Fold = Fold[SchattenProblem]
_ROUGH_GAP = 1e-4
"""The duality gap of the first fits in folds: scores then are right to a few percent."""
_NEAR_LEAST = 1.1
"""Scores up to so many times the least are made again, at the solver's own tolerance."""


@final
class BinaryKernelMachineCV(SchattenMachine):
    """``BinaryKernelMachine`` with the α of least mean held-out loss, by cross-validation.

    The score of an α is its loss ℓ, averaged over the held-out pairs of a fold and then over the
    folds. The machine is fitted to all pairs at the α of least score; of scores equal to the
    solver's tolerance, at the largest.
    Each fold fits the whole path of decreasing α, every fit started from the last one; the Gram
    matrices of its training points are decomposed once.

    The scores of a tenth above the least are those of fits at the solver's tolerance; farther above
    it a duality gap of 1e-4 is enough. Scores have fewer digits than fits: with a kinked loss and
    ``ADMM(tol=1e-6)`` a few 1e-4 of them, below which the choice between two α is one of rounding.
    An α whose fit is not certified in a fold is not chosen, nor tried in the folds after it; nor is
    one chosen whose final fit is not certified: then the next best is. Warnings name them. With
    losses other than the squared one the weakest α take most of the time, which a larger ``ratio``
    saves where the scores rise long before the end.

    Parameters
    ----------
    kernel_x, kernel_y, loss, penalty, n_features_x, solver, fit_intercept
        As in ``BinaryKernelMachine``.
    repair_x, repair_y
        As in ``BinaryKernelRidgeCV``.
    alphas : sequence of float, optional
        The α to choose from, in any order. By default ``n_alphas`` in geometric progression from
        ``alpha_max_``, from which on T = 0, down to ``ratio`` times it; a penalty without slope at
        0 (``Schatten(p)``, p > 1) has no such α and needs ``alphas``.
    n_alphas : int, default=20
    ratio : float, default=1e-4
        In (0, 1). Where ``alpha_`` comes out as the last of ``alphas_``, a smaller one may do
        better, and a warning says so.
    leave : {"pair", "row", "column", "both"}, default="pair"
        What a fold leaves out: match it to the use, "row" for new targets, "column" for new
        sources, all of whose pairs it then leaves out, "both" for new targets with new sources: a
        fold leaves out rows and columns, and tests on their pairs with each other, a ``cv``-th of
        all pairs in all folds. Equal points under several ids would stay among the training
        points: pass ``groups_x``, ``groups_y`` to ``fit``, which warns of them.
    cv : int, splits or None, default=None
        The number of folds, ≥ 2, of about as many pairs, rows or columns each; None: 5, or as many
        as there are of these. Or splits, as in ``BinaryKernelRidgeCV``.
    random_state : int, default=0
        The seed of the folds.

    Attributes
    ----------
    alpha_ : float
        The chosen α.
    alphas_ : array of shape (n_alphas,)
        The path, decreasing.
    cv_scores_ : array of shape (n_alphas, cv)
        The mean held-out loss of each α and fold, NaN from the fold on in which the α was not
        certified.
    alpha_max_, query_coef_, key_coef_, dual_coef_, iota_coef_, intercept_, singular_values_, rank_
        Of the final fit, as in ``BinaryKernelMachine``.
    certificate_, X_fit_, Y_fit_, kernel_x_, kernel_y_, n_features_in_, n_features_x_
        As in ``BinaryKernelMachine``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    ConvergenceError
        When no α could be certified in every fold and in the final fit.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        Naming each α that was left out of the choice for want of a certificate.
    UserWarning
        When the chosen α is at an end of the path.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelMachineCV, Pairs
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> z = np.sin(x + 2 * y.T) + 0.1 * np.random.default_rng(0).normal(size=(8, 6))
    >>> machine = BinaryKernelMachineCV(RBF(0.3), RBF(0.3), leave="row", cv=3, n_alphas=6)
    >>> machine = machine.fit(Pairs.grid(x, y), z)
    >>> machine.cv_scores_.shape, bool(machine.alpha_ < machine.alpha_max_), machine.rank_
    ((6, 3), True, 2)
    """

    _leaves_out = True
    alpha_: float
    alphas_: np.ndarray
    cv_scores_: np.ndarray

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        loss: Loss | None = None,
        penalty: SpectralPenalty | None = None,
        alphas: Sequence[float] | np.ndarray | None = None,
        n_alphas: int = 20,
        ratio: float = 1e-4,
        leave: Setting = "pair",
        cv: Any = None,
        random_state: int = 0,
        n_features_x: int | None = None,
        solver: SpectralSolver | None = None,
        fit_intercept: bool = True,
        repair_x: Repair | str | None = None,
        repair_y: Repair | str | None = None,
    ) -> None:
        super().__init__(
            kernel_x,
            kernel_y,
            loss,
            penalty,
            n_features_x,
            solver,
            fit_intercept,
            repair_x,
            repair_y,
        )
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.ratio = ratio
        self.leave = leave
        self.cv = cv
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups_x: Any = None,
        groups_y: Any = None,
    ) -> Self:
        """Choose α, then fit.

        Parameters
        ----------
        X, y, sample_weight
            As in ``BinaryKernelMachine``; held-out losses are weighted too.
        groups_x, groups_y : arrays of shape (n_x,), (n_y,), optional
            A label for each row of the Pairs' X and Y, such as the sequence of a protein that has
            several ids. A fold leaves out rows of one label together; with a pair, all pairs of
            its two groups.
        """
        rng = np.random.default_rng(check_count(self.random_state, "random_state", 0))
        check_setting(self.leave)
        samples = self._samples(X, y, sample_weight)
        parts = given_cuts(self.cv, "cv", samples, groups_x, groups_y)
        problem, mean = self._problem(samples, 1.0)
        solver, self.alphas_ = self._solver(problem), self._path_of_alphas()
        if parts is None:
            groups = self._groups(samples.given, problem, self.leave, groups_x, groups_y)
            folds = count_of_folds(self.cv, problem.pairs, self.leave, groups)
            parts = cuts_of(problem.pairs, self.leave, folds, rng, groups)
        check_folds(problem, parts)
        self._score([Fold.of(problem, cut, self.leave) for cut in parts], solver)
        failed = self._fit_the_best(problem, solver, mean)
        warn_uncertified(self.alphas_[np.isnan(self.cv_scores_).any(1)], "in some fold")
        warn_uncertified(failed, "in the fit to all pairs, so that the next best was taken")
        if end := self._end_of_path():
            warnings.warn(end, UserWarning, stacklevel=2)
        elif self.alpha_max_ > 0:  # else T = 0 at every α, and no other could be better
            warn_end_of_path(self.alpha_, self.alphas_)
        return self

    def _path_of_alphas(self) -> np.ndarray:
        if self.alphas is not None:
            return np.sort(check_alphas(self.alphas))[::-1]
        count, ratio = check_count(self.n_alphas, "n_alphas"), check_number(self.ratio, "ratio")
        if not 0 < ratio < 1:
            raise ValueError(f"ratio must lie in (0, 1), got {ratio!r}")
        if math.isinf(self.alpha_max_):
            raise ValueError(
                f"alphas must be given with penalty={self.penalty!r}: no α of it makes T = 0, "
                "from which a path could start"
            )
        # Responses without any pull have T = 0 at every α, whatever the path.
        return (self.alpha_max_ or 1.0) * np.geomspace(1, ratio, count)

    def _score(self, folds: list[_Fold], solver: SpectralSolver) -> None:
        """``cv_scores_``: of the whole path roughly, then of what is near the least exactly."""
        self.cv_scores_ = np.zeros((len(self.alphas_), len(folds)))
        chosen, exact = np.full(len(self.alphas_), True), np.full(len(self.alphas_), False)
        rough = replace(solver, tol=max(solver.tol, _ROUGH_GAP))
        while chosen.any():
            self.cv_scores_[chosen] = _fold_scores(folds, rough, self.alphas_[chosen])
            exact |= chosen & (rough.tol == solver.tol)
            rough, means = solver, self.cv_scores_.mean(1)
            chosen = ~exact & (means <= _NEAR_LEAST * np.nanmin(means, initial=np.inf))

    def _fit_the_best(
        self, problem: SchattenProblem, solver: SpectralSolver, mean: float
    ) -> list[float]:
        """The final fit at the α of least score that is certified; the α before it that are not."""
        failed = []
        for k in _best_first(self.cv_scores_.mean(1), solver.tol):
            at = problem.with_alpha(float(self.alphas_[k]))
            solution = solve(at, solver)
            if solution.certificate.passed:
                self.alpha_ = at.alpha
                self._keep(solution, mean)
                return failed
            failed.append(at.alpha)
        larger = "a larger ratio" if self.alphas is None else "larger alphas"
        raise ConvergenceError(
            "no α on the path was certified in every fold"
            + " and in the fit to all pairs" * bool(failed)
            + f": pass {larger}, or a solver with a larger tol or max_iter than {solver!r}"
        )

    def _end_of_path(self) -> str:
        """What to say of an end of the path beyond advice to extend ``alphas``, or nothing."""
        if len(self.alphas_) > 1 and self.alpha_ == self.alphas_[0] >= self.alpha_max_ > 0:
            return (
                f"no certified fit on the path predicts held-out responses better than T = 0, that "
                f"of the chosen alpha = {self.alpha_:.3g} (alpha_max_ = {self.alpha_max_:.3g}):"
                " pass other kernels, or other features of the points"
            )
        if len(self.alphas_) > 1 and self.alphas is None and self.alpha_ == self.alphas_[-1]:
            return (
                f"the chosen alpha = {self.alpha_:.3g} is the smallest of the {len(self.alphas_)} "
                f"on the path: pass a smaller ratio than {self.ratio:g}, or smaller alphas, of "
                "which one may predict better"
            )
        return ""


def _fold_scores(folds: list[_Fold], solver: SpectralSolver, alphas: np.ndarray) -> np.ndarray:
    """The mean loss of each α and fold, NaN where a fit is not certified.

    An α that is not certified is not tried in later folds.
    """
    scores = np.full((len(alphas), len(folds)), np.nan)
    for k, fold in enumerate(folds):
        certified = ~np.isnan(scores[:, :k]).any(1)
        for row, solution in zip(
            np.flatnonzero(certified),
            solver.setup(fold.training).path(alphas[certified]),
            strict=True,
        ):
            if solution.certificate.passed:
                loss = without_weights(fold.training.loss)
                scores[row, k] = fold.mean(loss.value(fold.predict(solution.value), fold.z))
    return scores


def _best_first(scores: np.ndarray, tol: float) -> Iterator[int]:
    """Indices from the least score on, of those equal to the tolerance the first; no NaN.

    With a kinked loss fits that interpolate are one and the same at all weak α.
    """
    left = np.where(np.isfinite(scores), scores, np.inf)
    while (least := left.min()) < np.inf:
        k = int(np.argmax(left <= least * (1 + tol)))
        left[k] = np.inf
        yield k
