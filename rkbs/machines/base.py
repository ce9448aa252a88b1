"""What all operator machines share: pairs in, the finite expansion out."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from rkbs._arrays import as_matrix, check_number, kind_error
from rkbs.kernels import RBF, Kernel
from rkbs.pairs import Pairs
from rkbs.solvers import Solver

_CHUNK = 4096


class OperatorMachine(RegressorMixin, BaseEstimator):
    """h(x, y) = Σ_ij A_ij k_X(x, x_i) k_Y(y_j, y): what all operator machines share."""

    def _within(self, name: str) -> Kernel:
        kernel = getattr(self, name)
        if kernel is None:
            return RBF()
        if not isinstance(kernel, Kernel):
            raise kind_error(kernel, name, Kernel, " or None")
        if kernel.is_mercer is False:
            raise ValueError(
                f"{name} must be a Mercer kernel within its domain, but {kernel!r} is not "
                "symmetric positive semi-definite; for a binary kernel κ use "
                f"{type(self).__name__}.from_kernel(κ)"
            )
        return kernel

    @classmethod
    def from_kernel(cls, kernel: Kernel, **params: Any) -> OperatorMachine:
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
        split = self.n_features_x
        if isinstance(pairs, Pairs):
            if split not in (None, pairs.X.shape[1]):
                raise ValueError(
                    f"n_features_x={split!r} contradicts the Pairs, whose X has "
                    f"{pairs.X.shape[1]} columns: it is for plain arrays only"
                )
            self.n_features_in_, self.n_features_x_ = pairs.shape[1], pairs.X.shape[1]
        else:
            _refuse_domains(pairs)
            pairs, z = validate_data(
                self, pairs, z, dtype=float, y_numeric=True, ensure_min_features=2
            )
            # An odd table is halved, too: scikit-learn's checks fit tables of any width.
            self.n_features_x_ = pairs.shape[1] // 2 if split is None else split
            pairs = Pairs.from_table(pairs, self.n_features_x_)
        return pairs.compact(), pairs.responses(z)

    def _data(self, pairs: Any, z: Any) -> tuple[np.ndarray, np.ndarray, Pairs, np.ndarray]:
        """Gram matrices, pairs and responses; keeps kernels and domains as they are now."""
        pairs, z = self._training_pairs(pairs, z)
        self.kernel_x_, self.kernel_y_ = self._within("kernel_x"), self._within("kernel_y")
        # In float64 whatever came: a Gram matrix in float32 is not numerically PSD.
        self.X_fit_, self.Y_fit_ = pairs.X.astype(float), pairs.Y.astype(float)
        gram_x = self.kernel_x_(self.X_fit_, self.X_fit_)
        gram_y = self.kernel_y_(self.Y_fit_, self.Y_fit_)
        return gram_x, gram_y, pairs, z

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
        left, right = self._towers(pairs.X, pairs.Y)
        out = np.empty(len(pairs))
        for start in range(0, len(pairs), _CHUNK):  # sparse pairs: only the entries asked for
            part = slice(start, start + _CHUNK)
            out[part] = (left[pairs.i[part]] * right[pairs.j[part]]).sum(1)
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
        left, right = self._towers(as_matrix(X, "X"), as_matrix(Y, "Y"))
        return left @ right.T

    def query(self, X: Any) -> np.ndarray:
        """The queries of the fit, q(x) = k_X(x, X_fit) Q: its attention logits are h = q(x)·k(y).

        Only the products are determined: a rotation of queries and keys together changes nothing.

        Parameters
        ----------
        X : array of shape (n, d_x)

        Returns
        -------
        array of shape (n, r)
        """
        check_is_fitted(self)
        return self._kernel_rows_x(_points(X, "X")) @ self.query_coef_

    def key(self, Y: Any) -> np.ndarray:
        """The keys of the fit, k(y) = k_Y(y, Y_fit) K.

        Parameters
        ----------
        Y : array of shape (n, d_y)

        Returns
        -------
        array of shape (n, r)
        """
        check_is_fitted(self)
        return self._kernel_rows_y(_points(Y, "Y")) @ self.key_coef_

    def _towers(self, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """q(X), (n_x, r), and k(Y), (n_y, r): h is their rows' product."""
        return self.query(X), self.key(Y)

    def _kernel_rows_x(self, X: np.ndarray) -> np.ndarray:
        """k_X(X, X_fit), one row per point."""
        return self.kernel_x_(_same_features(X, self.X_fit_, "X"), self.X_fit_)

    def _kernel_rows_y(self, Y: np.ndarray) -> np.ndarray:
        """k_Y(Y, Y_fit), one row per point."""
        return self.kernel_y_(self.Y_fit_, _same_features(Y, self.Y_fit_, "Y")).T


def _refuse_domains(pairs: Any) -> None:
    """``TypeError`` for (X, Y) in place of their pairs."""
    two = isinstance(pairs, (tuple, list)) and len(pairs) == 2
    if two and all(getattr(part, "ndim", 1) == 2 for part in pairs):
        raise TypeError(
            "X must be Pairs, or an array with rows [x | y], got two arrays: for all pairs of two "
            "domains pass Pairs.grid(X, Y)"
        )


def _same_features(new: np.ndarray, old: np.ndarray, name: str) -> np.ndarray:
    if new.shape[1] != old.shape[1]:
        raise ValueError(
            f"{name} has {new.shape[1]} features, but the machine was fitted with "
            f"{old.shape[1]} in that domain"
        )
    return new.astype(float)


def _points(points: Any, name: str) -> np.ndarray:
    """Points of one domain."""
    if isinstance(points, Pairs):
        raise TypeError(f"{name} must be points of one domain, got Pairs: pass pairs.{name}")
    return as_matrix(points, name)


def check_solver(solver: Solver | None, problem: type, known: str) -> Solver | None:
    """The solver itself, or a ``TypeError`` where it is none, or solves no such problem."""
    if solver is None:
        return None
    if not isinstance(solver, Solver):
        raise kind_error(solver, "solver", Solver, f" of this machine ({known}) or None")
    if not issubclass(problem, solver.handles):
        raise TypeError(
            f"solver must be one of this machine ({known}) or None, but "
            f"{type(solver).__name__} solves problems of class {solver.handles.__name__}"
        )
    return solver


def check_alphas(alphas: Any) -> list[float]:
    """A non-empty sequence of positive numbers, as a list; else an error that names ``alphas``."""
    if not np.iterable(alphas) or isinstance(alphas, str):
        raise TypeError(f"alphas must be a sequence of numbers, got {alphas!r}")
    checked = [check_number(alpha, "alphas", above=0.0) for alpha in alphas]
    if not checked:
        raise ValueError("alphas must hold at least one α, got none")
    return checked
