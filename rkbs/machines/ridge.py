"""Ridge regression on pairs: the operator machine with Ω = ½‖T‖²."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from rkbs._groups import Groups
from rkbs.kernels import Kernel
from rkbs.machines._selection import warn_end_of_path, warn_uncertified
from rkbs.machines.base import OperatorMachine, check_alphas, check_solver
from rkbs.pairs import Pairs
from rkbs.problems import OperatorPoint, OperatorProblem
from rkbs.solvers import (
    Cholesky,
    ConjugateGradient,
    DenseState,
    Leave,
    Solution,
    Solver,
    Spectral,
    SpectralState,
    solve,
)

_FEW_PAIRS = 2000
"""Up to this many pairs a dense factorization is faster than iterating."""


class RidgeMachine(OperatorMachine):
    """h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩ with the penalty (α/2) ‖T‖²: what fits share."""

    def _keep(self, problem: OperatorProblem, solution: Solution[OperatorPoint]) -> None:
        """The attributes of a fit."""
        self.query_coef_, self.key_coef_ = problem.towers(solution.value.M)
        self.dual_coef_ = problem.pairs.matrix(solution.value.c) / problem.alpha
        self.certificate_ = solution.certificate


@final
class BinaryKernelRidge(RidgeMachine):
    """h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩, T minimizing ½ Σ_n (z_n − h(x_n, y_n))² + (α/2) ‖T‖²_{S_2}.

    By the representer theorem h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y): a finite expansion over
    cross-domain pairs. On a complete grid A comes in closed form from two eigendecompositions.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        The Mercer kernels k_X and k_Y within the two domains, ``RBF()`` by default. For a binary
        kernel κ(x, y), asymmetric or not, use ``BinaryKernelRidge.from_kernel(κ)``. ``Precomputed``
        takes a given Gram matrix. ``K + b * Identity() + c * Constant()`` gives each entity an
        effect of its own, and all of them a mean; ``Pairs`` says who is who.
    alpha : float, default=1.0
        α > 0. The loss is a sum over pairs: the scale of α is that of ``KernelRidge``.
    n_features_x : int, optional
        Only for plain arrays with rows [x | y], and needed where they have more than two columns:
        how many of them, from the left, describe x.
    solver : Solver, optional
        By default ``Spectral()`` on a complete grid, else ``Cholesky()`` for up to 2000 pairs and
        ``ConjugateGradient()`` beyond.

    Attributes
    ----------
    query_coef_, key_coef_ : arrays of shape (n_x, r), (n_y, r)
        The fit in two factors, r the lesser numerical rank of the two Gram matrices: h(x, y) =
        q(x)·k(y) with q(x) = k_X(x, X_fit) ``query_coef_`` and k(y) = k_Y(y, Y_fit) ``key_coef_``.
        ``query`` and ``key`` evaluate them, and predictions are made of them.
    dual_coef_ : array of shape (n_x, n_y)
        A = (z − h)/α at the pairs, zero where there was none: the coefficients of the expansion,
        over the points in use (``X_fit_`` × ``Y_fit_``: rows of X and Y without any pair are
        dropped). k_X A k_Y loses the digits of λ_max/α, the largest eigenvalue of the pairs' Gram
        matrix over α, which predictions keep.
    certificate_ : Certificate
        KKT residual and duality gap of the fit.
    X_fit_, Y_fit_ : arrays
        The training domains, copied, without the rows that occur in no pair: row k of
        ``dual_coef_`` belongs to ``X_fit_[k]``, the k-th row of X among ``np.unique(pairs.i)``.
    ids_x_, ids_y_ : arrays of objects, or None
        Who the rows of ``X_fit_`` and ``Y_fit_`` are, where the pairs came with ids.
    kernel_x_, kernel_y_ : Kernel
        The kernels of the fit.
    n_features_in_, n_features_x_ : int
    feature_names_in_x_, feature_names_in_y_ : arrays of str
        Where the domains came with names of their features, which predictions then expect.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit: NaN, shapes, an indefinite or asymmetric kernel.
    ConvergenceError
        When the certificate does not keep the solver's tolerance.

    Source: theory §3C. Examples are in the README and in notebook 01.
    """

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        alpha: float = 1.0,
        n_features_x: int | None = None,
        solver: Solver | None = None,
    ) -> None:
        self.kernel_x = kernel_x
        self.kernel_y = kernel_y
        self.alpha = alpha
        self.n_features_x = n_features_x
        self.solver = solver

    def fit(self, X: Any, y: Any = None) -> BinaryKernelRidge:
        """Fit to the responses of pairs.

        Parameters
        ----------
        X : Pairs, or array of shape (n, d_x + d_y)
            The pairs; in a plain array each row is [x | y].
        y : array of shape (n,), or (n_x, n_y) for a complete grid
            The responses z.
        """
        problem = OperatorProblem(*self._data(X, y), self.alpha)
        self._keep(problem, solve(problem, self._solver(problem.pairs)).check())
        return self

    def _solver(self, pairs: Pairs) -> Solver:
        known = "Spectral(), Cholesky(), ConjugateGradient()"
        if check_solver(self.solver, OperatorProblem, known) is not None:
            return self.solver
        if pairs.is_complete:
            return Spectral()
        return Cholesky() if len(pairs) <= _FEW_PAIRS else ConjugateGradient()


@final
class BinaryKernelRidgeCV(RidgeMachine):
    """``BinaryKernelRidge`` with α chosen by exact leave-one-out.

    On a complete grid the whole path costs two eigendecompositions and a few matrix products per
    α; other sets of pairs take one of the n × n Gram matrix of the pairs, or of their features.

    Equal points under several ids stay among the training points when one id is left out: pass
    ``groups_x``, ``groups_y`` to ``fit``, which warns where there are such points.

    An α whose fit to all pairs is not certified is left out of the choice; of equal errors the
    largest α is taken.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        As in ``BinaryKernelRidge``.
    alphas : sequence of float
        The α to choose from.
    leave : {"pair", "row", "column"}, default="pair"
        What is left out: match it to the use, "row" for new targets, "column" for new sources.
    n_features_x : int, optional
        As in ``BinaryKernelRidge``.

    Attributes
    ----------
    alpha_ : float
        The chosen α.
    leave_out_rmse_ : array
        Root mean squared leave-out error of each α; NaN where the fit at it was not certified.
    query_coef_, key_coef_, dual_coef_, certificate_
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
        For α without certificate, and where the best α is at an end of ``alphas``.
    """

    def __init__(
        self,
        kernel_x: Kernel | None = None,
        kernel_y: Kernel | None = None,
        alphas: tuple[float, ...] = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0),
        leave: Leave = "pair",
        n_features_x: int | None = None,
    ) -> None:
        self.kernel_x = kernel_x
        self.kernel_y = kernel_y
        self.alphas = alphas
        self.leave = leave
        self.n_features_x = n_features_x

    def fit(
        self, X: Any, y: Any = None, *, groups_x: Any = None, groups_y: Any = None
    ) -> BinaryKernelRidgeCV:
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
        problem = OperatorProblem(*self._data(X, y), min(alphas))
        groups = self._groups(X, problem, self.leave, groups_x, groups_y)
        if np.ptp(groups.of_pairs(problem.pairs, self.leave)) == 0:
            raise ValueError(
                f"leave={self.leave!r} needs two {self.leave}s, or groups of them, got 1 "
                f"(n_samples={len(problem.pairs)}): without it no pair is left to train on"
            )
        state = (Spectral() if problem.pairs.is_complete else Cholesky()).setup(problem)
        self.leave_out_rmse_ = np.array([self._rmse(state, alpha, groups) for alpha in alphas])
        failed = np.isnan(self.leave_out_rmse_)
        if failed.all():
            state.solve(max(alphas)).check("none of alphas was certified, and this is the largest")
        warn_uncertified([alphas[k] for k in np.flatnonzero(failed)], "in the fit to all pairs")
        least, greatest = np.nanmin(self.leave_out_rmse_), np.nanmax(self.leave_out_rmse_)
        self.alpha_ = max(alphas[k] for k in np.flatnonzero(self.leave_out_rmse_ == least))
        if least < greatest:  # else no operator sees the responses, and no α is better
            warn_end_of_path(self.alpha_, alphas)
        self._keep(problem.with_alpha(self.alpha_), state.solve(self.alpha_))
        return self

    def _rmse(self, state: SpectralState | DenseState, alpha: float, groups: Groups) -> float:
        """The root mean squared leave-out error; NaN where the fit to all is not certified."""
        if not state.solve(alpha).certificate.passed:
            return np.nan
        residuals = state.leave_out_residuals(alpha, self.leave, groups)
        return float(np.sqrt(np.mean(residuals * residuals)))
