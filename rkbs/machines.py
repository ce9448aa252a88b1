"""Binary kernel machines as scikit-learn estimators."""

from __future__ import annotations

from typing import Any, final

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from rkbs._arrays import as_matrix, check_number
from rkbs.certificates import Certificate
from rkbs.kernels import RBF, Kernel
from rkbs.pairs import Pairs
from rkbs.problems import OperatorProblem
from rkbs.solvers import Cholesky, ConjugateGradient, Leave, Solver, Spectral, solve

_FEW_PAIRS = 2000
"""Up to this many pairs a dense factorization is faster than iterating."""

_CHUNK = 4096


class _OperatorMachine(RegressorMixin, BaseEstimator):
    """h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y): what all operator machines share."""

    def _within(self, name: str) -> Kernel:
        kernel = getattr(self, name)
        if kernel is None:
            return RBF()
        if not isinstance(kernel, Kernel):
            raise TypeError(f"{name} must be a Kernel or None, got {kernel!r}")
        if kernel.is_mercer is False:
            raise ValueError(
                f"{name} must be a Mercer kernel within its domain, but {kernel!r} is not "
                "symmetric positive semi-definite; for a binary kernel κ use "
                f"{type(self).__name__}.from_kernel(κ)"
            )
        return kernel

    @classmethod
    def from_kernel(cls, kernel: Kernel, **params: Any) -> _OperatorMachine:
        """The machine of a binary kernel κ: k_X = κ.domain_x and k_Y = κ.domain_y.

        κ itself may be asymmetric and indefinite; what the machine needs are its features.
        """
        return cls(kernel_x=kernel.domain_x, kernel_y=kernel.domain_y, **params)

    def _training_pairs(self, pairs: Any, z: Any) -> tuple[Pairs, np.ndarray]:
        """Pairs over the rows in use, and their responses; sets ``n_features_in_``."""
        if z is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: z "
                "must hold a response for every pair"
            )
        if isinstance(pairs, Pairs):
            self.n_features_in_, self.n_features_x_ = pairs.shape[1], pairs.X.shape[1]
        else:
            pairs, z = validate_data(
                self, pairs, z, dtype=float, y_numeric=True, ensure_min_features=2
            )
            split = self.n_features_x
            self.n_features_x_ = pairs.shape[1] // 2 if split is None else split
            pairs = Pairs.from_table(pairs, self.n_features_x_)
        return pairs.compact(), pairs.responses(z)

    def _problem(self, pairs: Any, z: Any, alpha: float) -> OperatorProblem:
        """The problem of the data; keeps kernels and domains as they are now, for ``predict``."""
        pairs, z = self._training_pairs(pairs, z)
        self.kernel_x_, self.kernel_y_ = self._within("kernel_x"), self._within("kernel_y")
        # In float64 whatever came: a Gram matrix in float32 is not numerically PSD.
        self.X_fit_, self.Y_fit_ = pairs.X.astype(float), pairs.Y.astype(float)
        gram_x = self.kernel_x_(self.X_fit_, self.X_fit_)
        gram_y = self.kernel_y_(self.Y_fit_, self.Y_fit_)
        return OperatorProblem(gram_x, gram_y, pairs, z, alpha)

    def _keep(self, problem: OperatorProblem, c: np.ndarray, certificate: Certificate) -> None:
        self.dual_coef_ = problem.pairs.matrix(c)
        self.certificate_ = certificate

    def predict(self, X: Any) -> np.ndarray:
        """h(x, y) for each pair.

        Parameters
        ----------
        X : Pairs, or array of shape (n, d_x + d_y)
            The pairs; in a plain array each row is [x | y].

        Returns
        -------
        array of shape (n,)
        """
        check_is_fitted(self)
        if isinstance(X, Pairs):
            return self._predict_pairs(X)
        table = validate_data(self, X, dtype=float, reset=False)
        # A table to predict may repeat a row; Pairs may not.
        rows, inverse = np.unique(table, axis=0, return_inverse=True)
        return self._predict_pairs(Pairs.from_table(rows, self.n_features_x_))[inverse.reshape(-1)]

    def _predict_pairs(self, pairs: Pairs) -> np.ndarray:
        pairs = pairs.compact()
        if len(pairs) * 4 >= len(pairs.X) * len(pairs.Y):
            return pairs.values(self.predict_grid(pairs.X, pairs.Y))
        left, right = self._expansion(pairs.X, pairs.Y)
        out = np.empty(len(pairs))
        for start in range(0, len(pairs), _CHUNK):  # sparse pairs: only the entries asked for
            part = slice(start, start + _CHUNK)
            out[part] = (left[pairs.i[part]] * right.T[pairs.j[part]]).sum(1)
        return out

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination R² of the predictions, as any regressor's ``score``.

        ``y`` may be the matrix (n_x, n_y) of a complete grid, as in ``fit``.
        """
        y = X.responses(y) if isinstance(X, Pairs) else y
        return super().score(X, y, sample_weight)

    def predict_grid(self, X: Any, Y: Any) -> np.ndarray:
        """h(x, y) for every pair of the two domains.

        Parameters
        ----------
        X : array of shape (n_x, d_x)
        Y : array of shape (n_y, d_y)

        Returns
        -------
        array of shape (n_x, n_y)
        """
        check_is_fitted(self)
        left, right = self._expansion(as_matrix(X, "X"), as_matrix(Y, "Y"))
        return left @ right

    def _expansion(self, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """k_X(X, X_fit) A and k_Y(Y_fit, Y), whose product is the prediction."""
        for name, new, old in (("X", X, self.X_fit_), ("Y", Y, self.Y_fit_)):
            if new.shape[1] != old.shape[1]:
                raise ValueError(
                    f"{name} has {new.shape[1]} features, but the machine was fitted with "
                    f"{old.shape[1]} in that domain"
                )
        left = self.kernel_x_(X.astype(float), self.X_fit_) @ self.dual_coef_
        return left, self.kernel_y_(self.Y_fit_, Y.astype(float))


@final
class BinaryKernelRidge(_OperatorMachine):
    """h(x, y) = ⟨Φ_X(x), T Φ_Y(y)⟩, T minimizing ½ Σ_n (z_n − h(x_n, y_n))² + (α/2) ‖T‖²_{S_2}.

    By the representer theorem h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y): a finite expansion over
    cross-domain pairs. On a complete grid A comes in closed form from two eigendecompositions.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel, optional
        The Mercer kernels k_X and k_Y within the two domains, ``RBF()`` by default. For a binary
        kernel κ(x, y), asymmetric or not, use ``BinaryKernelRidge.from_kernel(κ)``. ``Precomputed``
        takes a given Gram matrix.
    alpha : float, default=1.0
        α > 0. The loss is a sum over pairs: the scale of α is that of ``KernelRidge``.
    n_features_x : int, optional
        Only for plain arrays with rows [x | y]: how many leading columns describe x, by default
        half of them.
    solver : Solver, optional
        By default ``Spectral()`` on a complete grid, else ``Cholesky()`` for up to 2000 pairs and
        ``ConjugateGradient()`` beyond.

    Attributes
    ----------
    dual_coef_ : array of shape (n_x, n_y)
        A; zero where there was no pair.
    certificate_ : Certificate
        KKT residual and duality gap of the fit.
    X_fit_, Y_fit_ : arrays
        The training domains, copied.
    kernel_x_, kernel_y_ : Kernel
        The kernels of the fit.
    n_features_in_, n_features_x_ : int

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
        problem = self._problem(X, y, self.alpha)
        solution = solve(problem, self._solver(problem.pairs)).check()
        self._keep(problem, solution.value, solution.certificate)
        return self

    def _solver(self, pairs: Pairs) -> Solver:
        if self.solver is not None:
            if not isinstance(self.solver, Solver):
                raise TypeError(f"solver must be a Solver or None, got {self.solver!r}")
            return self.solver
        if pairs.is_complete:
            return Spectral()
        return Cholesky() if len(pairs) <= _FEW_PAIRS else ConjugateGradient()


@final
class BinaryKernelRidgeCV(_OperatorMachine):
    """``BinaryKernelRidge`` with α chosen by exact leave-one-out.

    On a complete grid the whole path costs two eigendecompositions and a few matrix products per
    α; other sets of pairs take a dense factorization of the n × n Gram matrix per α.

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
        Root mean squared leave-out error of each α.
    dual_coef_, certificate_, X_fit_, Y_fit_, kernel_x_, kernel_y_, n_features_in_, n_features_x_
        As in ``BinaryKernelRidge``.
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

    def fit(self, X: Any, y: Any = None) -> BinaryKernelRidgeCV:
        """Choose α, then fit; parameters as in ``BinaryKernelRidge``."""
        if not np.iterable(self.alphas) or isinstance(self.alphas, str):
            raise TypeError(f"alphas must be a sequence of numbers, got {self.alphas!r}")
        alphas = [check_number(alpha, "alphas", above=0.0) for alpha in self.alphas]
        if not alphas:
            raise ValueError("alphas must hold at least one α, got none")
        problem = self._problem(X, y, alphas[0])
        state = (Spectral() if problem.pairs.is_complete else Cholesky()).setup(problem)
        residuals = (state.leave_out_residuals(alpha, self.leave) for alpha in alphas)
        self.leave_out_rmse_ = np.array([np.sqrt(np.mean(r * r)) for r in residuals])
        self.alpha_ = alphas[int(np.argmin(self.leave_out_rmse_))]
        solution = state.solve(self.alpha_).check()
        self._keep(state.problem, solution.value, solution.certificate)
        return self
