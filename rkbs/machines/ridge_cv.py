"""Ridge with α chosen by what the fit itself leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, final

import numpy as np

from rkbs.data._groups import Groups
from rkbs.kernels.base import Kernel
from rkbs.machines._selection import check_alphas, warn_end_of_path, warn_uncertified
from rkbs.machines.ridge import RidgeMachine
from rkbs.solvers.base import Leave
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.dense import Cholesky, DenseState
from rkbs.solvers.operators.spectral import Spectral, SpectralState


@final
class BinaryKernelRidgeCV(RidgeMachine):
    """``BinaryKernelRidge`` with α chosen by exact leave-one-out.

    On a complete grid the whole path costs two eigendecompositions and a few matrix products per
    α; other sets of pairs take one of the n × n Gram matrix of the pairs, or of their features.

    Equal points under several ids stay among the training points when one id is left out: pass
    ``groups_x``, ``groups_y`` to ``fit``, which warns where there are such points.

    An α whose fit to all pairs is not certified is left out of the choice; of equal errors the
    largest α is taken. Fits are made and certified from the least error on, until one is.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        As in ``BinaryKernelRidge``.
    alphas : sequence of float
        The α to choose from.
    leave : {"pair", "row", "column"}, default="pair"
        What is left out: match it to the use, "row" for new targets, "column" for new sources.
    n_features_x, fit_intercept, effects, effects_alpha
        As in ``BinaryKernelRidge``; with effects leave-one-out takes O(n_x n_y (n_x + n_y)²) per α.

    Attributes
    ----------
    alpha_ : float
        The chosen α.
    leave_out_rmse_ : array
        Root mean squared leave-out error of each α; NaN where the fit at it was not certified, so
        that the next best was tried. Those of more error than ``alpha_`` were not fitted.
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
    """

    alpha_: float
    leave_out_rmse_: np.ndarray

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        alphas: Sequence[float] | np.ndarray = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0),
        leave: Leave = "pair",
        n_features_x: int | None = None,
        fit_intercept: bool = True,
        effects: tuple[str, ...] = (),
        effects_alpha: float | None = None,
    ) -> None:
        super().__init__(kernel_x, kernel_y, n_features_x, fit_intercept, effects, effects_alpha)
        self.alphas = alphas
        self.leave = leave

    def fit(self, X: Any, y: Any = None, *, groups_x: Any = None, groups_y: Any = None) -> Self:
        """Choose α, then fit.

        Parameters
        ----------
        X, y
            As in ``BinaryKernelRidge``.
        groups_x, groups_y : arrays of shape (n_x,), (n_y,), optional
            A label for each row of the Pairs' X and Y, such as the sequence of a protein that has
            several ids. Rows of one label are left out together; with a pair, all pairs of its two
            groups.
        """
        alphas = check_alphas(self.alphas)
        problem, mean = self._problem(X, y, min(alphas))
        groups = self._groups(X, problem, self.leave, groups_x, groups_y)
        if np.ptp(groups.of_pairs(problem.pairs, self.leave)) == 0:
            raise ValueError(
                f"leave={self.leave!r} needs two {self.leave}s, or groups of them, got 1 "
                f"(n_samples={len(problem.pairs)}): without it no pair is left to train on"
            )
        state = (Spectral() if problem.pairs.is_complete else Cholesky()).setup(problem)
        self.leave_out_rmse_ = np.array([self._rmse(state, alpha, groups) for alpha in alphas])
        solution = self._best(state, alphas)
        self.alpha_ = solution.problem.alpha
        least, greatest = np.nanmin(self.leave_out_rmse_), np.nanmax(self.leave_out_rmse_)
        if least < greatest:  # else no operator sees the responses, and no α is better
            warn_end_of_path(self.alpha_, alphas)
        self._keep(solution, mean)
        return self

    def _best(self, state: SpectralState | DenseState, alphas: list[float]) -> RidgeSolution:
        """The certified fit of the least error; those of less error lose theirs, and are named."""
        failed = []
        for k in np.lexsort((-np.array(alphas), self.leave_out_rmse_)):
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

    def _rmse(self, state: SpectralState | DenseState, alpha: float, groups: Groups) -> float:
        """The root mean squared leave-out error."""
        if isinstance(state, SpectralState):
            return float(state.leave_out_rmse([alpha], self.leave, groups)[0])
        residuals = state.leave_out_residuals(alpha, self.leave, groups)
        return float(np.sqrt(np.mean(residuals * residuals)))
