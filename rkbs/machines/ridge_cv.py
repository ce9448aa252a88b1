"""Ridge with α chosen by what the fit leaves out: exactly where that is cheap, else by folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self, final

import numpy as np

from rkbs._arrays import check_count
from rkbs.data._cuts import Cut, Setting
from rkbs.data._groups import Groups
from rkbs.kernels.base import Kernel
from rkbs.kernels.repair import Repair
from rkbs.machines._folds import Fold, check_units, count_of_folds, cuts_of
from rkbs.machines._given_splits import given_cuts
from rkbs.machines._ridge_folds import RidgeFolds
from rkbs.machines._samples import restored
from rkbs.machines._selection import check_alphas, warn_end_of_path, warn_uncertified
from rkbs.machines._solving import ridge_solver
from rkbs.machines._ways import Way, way, way_of_some
from rkbs.machines.ridge import RidgeMachine
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import ConvergenceError, State
from rkbs.solvers.operators._missing import DigitsLostError, MissingPairs
from rkbs.solvers.operators._pair_weights import PairWeights
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.dense import Cholesky, DenseState
from rkbs.solvers.operators.spectral import Spectral
from rkbs.solvers.operators.spectral_state import SpectralState

_CV = 'cv, if it is not None or "exact",'


@final
class BinaryKernelRidgeCV(RidgeMachine):
    """``BinaryKernelRidge`` with α chosen by exact leave-one-out, or by cross-validation in folds.

    Leave-one-out is exact, and the default, where that is cheap: on a complete grid the whole path
    costs two eigendecompositions and a few matrix products per α; a grid that lacks up to 100 of
    its pairs costs a few more for each of them; up to 2000 pairs in any pattern cost one
    eigendecomposition of their Gram matrix, or of their features.

    Any other set of pairs, of whatever size, is fitted fold by fold by ``ConjugateGradient`` along
    the path of decreasing α, first to a KKT residual of 1e-2; those α that may be the best, were
    errors ten times as far off as their residuals suggest, to 1e-5 and 1e-8. The final fit has the
    solver's own tolerance.

    Equal points under several ids stay among the training points when one id is left out: pass
    ``groups_x``, ``groups_y`` to ``fit``, which warns where there are such points.

    An α whose fit to all pairs, or to those of a fold, is not certified is left out of the choice;
    of equal errors the largest α is taken. Fits to all pairs are made and certified from the least
    error on, until one is.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        As in ``BinaryKernelRidge``.
    alphas : sequence of float
        The α to choose from.
    leave : {"pair", "row", "column", "both"}, default="pair"
        What is left out: match it to the use, "row" for new targets, "column" for new sources,
        "both" for new targets with new sources. The last is exact on complete grids without effects
        and groups, of up to some 200 × 200 points unless ``cv`` asks for more. Its folds leave out
        rows and columns and test on their pairs with each other, a ``cv``-th of all pairs in all.
    n_features_x, fit_intercept, effects, effects_alpha
        As in ``BinaryKernelRidge``; with effects exact leave-one-out on a complete grid takes
        O(n_x n_y (n_x + n_y)²) per α.
    cv : int, "exact", splits or None, default=None
        The number of folds, ≥ 2; "exact" for leave-one-out whatever it costs, of up to 20,000 pairs
        where they do not nearly fill their grid. None: exact where that is cheap, else 5 folds. Or
        a splitter of scikit-learn, ``PairKFold``, or (train, test) for each fold, the numbers of
        the pairs; ``leave`` then says which Gram matrices are cut, not what is left out.
    random_state : int, default=0
        The seed of the folds.
    verbose : int, default=0
        1: a line of progress for each fold.
    repair_x, repair_y
        As in ``BinaryKernelRidge``: of all points, those that are left out included, whose
        responses are left out, not their similarities. ``GridSearchCV`` learns them anew.

    Attributes
    ----------
    alpha_ : float
        The chosen α.
    leave_out_rmse_ : array
        Root mean squared leave-out error of each α, over all pairs that were left out; NaN where a
        fit at it was not certified, so that the next best was tried. Those of more error than
        ``alpha_`` were not fitted to all pairs.
    leave_out_by_ : {"grid", "missing", "pairs", "folds"}
        How: exactly on a complete grid, on one with missing pairs, by the Gram matrix of the pairs;
        or in folds.
    leave_out_bound_ : array
        How far ``leave_out_rmse_`` is at most from that of the minimizers in the folds, by their
        duality gaps: mostly some hundred times too far; 0 where it is exact.
    fold_rmse_ : array of shape (n_alphas, n_folds), or None
        The error of each fold, NaN from the fold on in which a fit was not certified.
    leave_out_predictions_ : array of shape (n,)
        ẑ of each pair at ``alpha_``, in the order of the pairs, by the fit that leaves it out: as
        exact as ``leave_out_rmse_``. NaN where no fold tests a pair, most of ``leave="both"``.
    query_coef_, key_coef_, dual_coef_, intercept_, row_effects_, column_effects_, certificate_
        Of the fit at ``alpha_``, as in ``BinaryKernelRidge``.
    X_fit_, Y_fit_, kernel_x_, kernel_y_, n_features_in_, n_features_x_
        As in ``BinaryKernelRidge``.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.
    ConvergenceError
        When no α was certified.

    Warns
    -----
    ConvergenceWarning, UserWarning
        For α of less error without certificate, and where the best α is at an end of ``alphas``.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelRidgeCV, Pairs
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> z = np.sin(x + 2 * y.T) + 0.1 * np.random.default_rng(0).normal(size=(8, 6))
    >>> machine = BinaryKernelRidgeCV(RBF(), RBF(), leave="row").fit(Pairs.grid(x, y), z)
    >>> machine.alpha_, machine.leave_out_rmse_.round(2)
    (0.1, array([0.11, 0.11, 0.1 , 0.17, 0.24, 0.25]))
    >>> machine = BinaryKernelRidgeCV(RBF(), RBF(), leave="both").fit(Pairs.grid(x, y), z)
    >>> machine.leave_out_by_, machine.leave_out_predictions_.shape
    ('grid', (48,))
    """

    _leaves_out = True
    alpha_: float
    fold_rmse_: np.ndarray | None
    leave_out_bound_: np.ndarray
    leave_out_by_: Way
    leave_out_predictions_: np.ndarray
    leave_out_rmse_: np.ndarray

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        alphas: Sequence[float] | np.ndarray = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0),
        leave: Setting = "pair",
        n_features_x: int | None = None,
        fit_intercept: bool = True,
        effects: tuple[str, ...] = (),
        effects_alpha: float | None = None,
        cv: Any = None,
        random_state: int = 0,
        verbose: int = 0,
        repair_x: Repair | str | None = None,
        repair_y: Repair | str | None = None,
    ) -> None:
        super().__init__(
            kernel_x,
            kernel_y,
            n_features_x,
            fit_intercept,
            effects,
            effects_alpha,
            repair_x,
            repair_y,
        )
        self.alphas = alphas
        self.leave = leave
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

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
            As in ``BinaryKernelRidge``. Errors are weighted too: leave-one-out is exact for pairs
            in any pattern and for weights u_i v_j of a complete grid, else in folds.
        groups_x, groups_y : arrays of shape (n_x,), (n_y,), optional
            A label for each row of the Pairs' X and Y, such as the sequence of a protein that has
            several ids. Rows of one label are left out together; with a pair, all pairs of its two
            groups.
        """
        alphas = check_alphas(self.alphas)
        rng = np.random.default_rng(check_count(self.random_state, "random_state", 0))
        samples = self._samples(X, y, sample_weight)
        folds = None if isinstance(self.cv, str) and self.cv == "exact" else self.cv
        parts = given_cuts(folds, _CV, samples, groups_x, groups_y)
        problem, mean = self._problem(samples, min(alphas))
        given, kept = samples.given, samples.kept
        del samples  # whose responses would add to the memory of the fit
        if parts is None:
            groups = self._groups(given, problem, self.leave, groups_x, groups_y)
            check_units(problem.pairs, self.leave, groups)
            state = self._by_leave_one_out(problem, alphas, groups)
            if state is None:
                count = count_of_folds(self.cv, problem.pairs, self.leave, groups)
                parts = cuts_of(problem.pairs, self.leave, count, rng, groups)
        if parts is None:
            predicted = partial(self._predicted, state, alphas, groups)
        else:
            self.leave_out_by_, state = "folds", ridge_solver(problem).setup(problem)
            predicted = self._by_folds(problem, alphas, parts).predictions.__getitem__
        solution = self._best(state, alphas, predicted)
        self.alpha_ = solution.problem.alpha
        self.leave_out_predictions_ += mean
        self.leave_out_predictions_ = restored(self.leave_out_predictions_, kept)
        least, greatest = np.nanmin(self.leave_out_rmse_), np.nanmax(self.leave_out_rmse_)
        if least < greatest:  # else no operator sees the responses, and no α is better
            warn_end_of_path(self.alpha_, alphas)
        self._keep(solution, mean)
        return self

    def _by_leave_one_out(
        self, problem: OperatorProblem, alphas: list[float], groups: Groups
    ) -> State[RidgeSolution] | None:
        """The state that solves the problem, its errors kept; None where folds are to say them."""
        self.leave_out_by_ = way(problem, self.leave, self.cv, groups, len(alphas))
        self.fold_rmse_ = None
        self.leave_out_bound_ = np.zeros(len(alphas))
        if self.leave_out_by_ == "missing":
            try:
                state = MissingPairs(problem)
                self.leave_out_rmse_ = self._rmse(state, alphas, groups)
                return state
            except DigitsLostError:
                self.leave_out_by_ = way_of_some(problem, self.cv)
        if self.leave_out_by_ == "folds":
            return None
        solver = Spectral() if self.leave_out_by_ == "grid" else Cholesky()
        by_all: SpectralState | DenseState = solver.setup(problem)
        self.leave_out_rmse_ = self._rmse(by_all, alphas, groups)
        return by_all

    def _by_folds(
        self, problem: OperatorProblem, alphas: list[float], parts: list[Cut]
    ) -> RidgeFolds:
        """Errors by cross-validation; α without certificate in some fold are named."""
        folds = [Fold.of(problem, cut, self.leave) for cut in parts]
        found = RidgeFolds(folds, np.array(alphas), bool(self.verbose), len(problem.z))
        self.fold_rmse_ = found.rmse
        self.leave_out_rmse_ = found.pooled(found.rmse)
        self.leave_out_bound_ = found.pooled(found.bound)
        failed = np.isnan(self.leave_out_rmse_)
        if failed.all():
            raise ConvergenceError(
                "no α was certified in every fold: pass larger alphas, which condition the problem"
            )
        warn_uncertified(np.array(alphas)[failed].tolist(), "in some fold")
        return found

    def _best(
        self,
        state: State[RidgeSolution],
        alphas: list[float],
        predicted: Callable[[int], np.ndarray],
    ) -> RidgeSolution:
        """The certified fit of the least error; those of less error lose theirs, and are named."""
        failed, errors = [], self.leave_out_rmse_
        order = np.lexsort((-np.array(alphas), errors))
        if self.leave_out_by_ == "folds":
            order = order[~np.isnan(errors[order])]
        for k in order:
            # Before the fit, whose arrays would add to the memory that this takes for a while.
            self.leave_out_predictions_ = predicted(k).copy()
            (solution,) = state.path([alphas[k]])
            if solution.certificate.passed:
                break
            failed.append(k)
        else:
            (solution,) = state.path([max(alphas)])
            solution.check("none of alphas was certified, and this is the largest")
        self.leave_out_rmse_[failed] = np.nan
        warn_uncertified([alphas[k] for k in sorted(failed)], "in the fit to all pairs")
        return solution

    def _rmse(self, source: Any, alphas: list[float], groups: Groups) -> np.ndarray:
        """The root mean squared leave-out error of each α."""
        if isinstance(source, SpectralState):
            return source.leave_out_rmse(alphas, self.leave, groups)
        residuals = (self._left_out(source, alpha, groups) for alpha in alphas)
        weights = PairWeights.of(source.problem)
        return np.array([weights.root_mean_square(part) for part in residuals])

    def _predicted(self, source: Any, alphas: list[float], groups: Groups, k: int) -> np.ndarray:
        """ẑ of each pair at an α."""
        return source.problem.z - self._left_out(source, alphas[k], groups)

    def _left_out(self, source: Any, alpha: float, groups: Groups) -> np.ndarray:
        """z − ẑ of each pair."""
        if isinstance(source, SpectralState):
            return source.left_out(alpha, self.leave, groups)
        return source.leave_out_residuals(alpha, self.leave, groups)
