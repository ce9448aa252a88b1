"""What all machines share, whatever they are made of: pairs in, two towers out."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from rkbs._arrays import as_matrix
from rkbs._frames import column_names
from rkbs.data._cuts import Setting, check_setting
from rkbs.data._entities import Entities, as_ids
from rkbs.data._groups import Groups, warn_equal
from rkbs.data.pairs import Pairs
from rkbs.machines._at_pairs import values_at_pairs, values_on_grid
from rkbs.machines._names import check_names, keep_names
from rkbs.machines._offsets import effects_of, make_offsets
from rkbs.machines._parameters import changed, nested
from rkbs.machines._samples import Samples, as_weights
from rkbs.machines._tables import numeric
from rkbs.problems.certificates import Certificate
from rkbs.problems.gram import GramProblem, check_scale
from rkbs.problems.offsets import Offsets
from rkbs.terms.losses import Loss
from rkbs.terms.weighted import weighted


class Begun(NamedTuple):
    """The points of a fit, its offsets and loss, and the mean that its responses are less."""

    x: Entities
    y: Entities
    offsets: Offsets
    loss: Loss
    mean: float


class PairMachine(RegressorMixin, BaseEstimator, abc.ABC):
    """h(x, y) = q(x)·k(y) + b + effects, learned from pairs: what all machines share."""

    fit_intercept: bool
    n_features_x: int | None
    effects: tuple[str, ...] = ()
    effects_alpha: float | None = None

    # What a fit sets.
    X_fit_: np.ndarray
    Y_fit_: np.ndarray
    certificate_: Certificate
    column_effects_: np.ndarray | None
    feature_names_in_: np.ndarray
    feature_names_in_x_: np.ndarray
    feature_names_in_y_: np.ndarray
    ids_x_: np.ndarray | None
    ids_y_: np.ndarray | None
    intercept_: float
    n_features_in_: int
    n_features_x_: int
    row_effects_: np.ndarray | None
    sample_weight_: np.ndarray | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; deep: also those of what they are, such as ``kernel_x__tau``."""
        params = super().get_params(deep)
        if deep:
            for name in super().get_params(deep=False):
                params |= nested(params[name], name)
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also by ``kernel_x__tau`` and ``loss__delta``, as a grid search does."""
        inner: dict[str, dict[str, Any]] = {name: {} for name in self.get_params(deep=False)}
        for key in [key for key in params if key.partition("__")[0] in inner and "__" in key]:
            name, _, part = key.partition("__")
            inner[name][part] = params.pop(key)
        super().set_params(**params)
        for name, changes in inner.items():
            if changes:
                setattr(self, name, changed(getattr(self, name), changes, name))
        return self

    def _samples(self, X: Any, y: Any, sample_weight: Any = None) -> Samples:
        """The pairs, responses and weights of a fit; sets ``n_features_in_``."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: z "
                "must hold a response for every pair"
            )
        samples = Samples.of(self, X, y, sample_weight)
        self.n_features_x_ = samples.pairs.X.shape[1]
        keep_names(self, samples.pairs)
        return samples

    def _begin(self, samples: Samples, loss: Loss) -> Begun:
        """Keep the points in use, and make responses less their mean.

        That is where a constant takes it back, and the loss sees residuals alone: so their digits
        count, not its.
        """
        pairs, z, weights = samples.pairs, samples.z, samples.weights  # z is the fit's own
        # In float64 whatever came: a Gram matrix in float32 is not numerically PSD.
        self.X_fit_, self.Y_fit_ = pairs.X.astype(float), pairs.Y.astype(float)
        self.ids_x_, self.ids_y_ = pairs.ids_x, pairs.ids_y
        self.sample_weight_ = weights
        x, y = self._known("X"), self._known("Y")
        offsets = make_offsets(self.fit_intercept, self.effects, self.effects_alpha, x, y)
        mean = float(check_scale(z).mean()) if offsets.constant and loss.of_residual else 0.0
        z -= mean
        return Begun(x, y, offsets, loss if weights is None else weighted(loss, weights), mean)

    def _keep_offsets(self, offsets: Offsets, theta: np.ndarray, mean: float) -> None:
        """``intercept_``, and the effects of the rows of the two domains."""
        b, rows, columns = offsets.split(theta)
        self.intercept_ = mean + b
        self.row_effects_ = None if offsets.rows is None else rows
        self.column_effects_ = None if offsets.columns is None else columns

    def _known(self, domain: str) -> Entities:
        """The points of the fit."""
        points, ids = ("X_fit_", "ids_x_") if domain == "X" else ("Y_fit_", "ids_y_")
        return Entities(getattr(self, points), getattr(self, ids), domain)

    def _groups(
        self,
        given: Pairs | None,
        problem: GramProblem,
        leave: Setting,
        groups_x: Any,
        groups_y: Any,
    ) -> Groups:
        """What cross-validation leaves out together; a warning where equal points leak.

        Of a table equal points, which it has where it repeats a row.
        """
        groups = Groups.in_use(given, problem.pairs, groups_x, groups_y)
        if given is None:
            firsts = (self._known(domain).first() for domain in "XY")
            groups = Groups(*(np.unique(first, return_inverse=True)[1] for first in firsts))
        warn_equal(problem.grams, problem.pairs, groups, check_setting(leave))
        return groups

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
            self._check_pairs(X)
            return self._predict_pairs(X)
        table = validate_data(self, numeric(X, "X"), dtype=float, reset=False)
        if not hasattr(self, "feature_names_in_"):  # of one domain scikit-learn does not know
            self._check_table(column_names(X))
        # A table to predict may repeat a row; Pairs may not.
        rows, inverse = np.unique(table, axis=0, return_inverse=True)
        return self._predict_pairs(Pairs.from_table(rows, self.n_features_x_))[inverse.reshape(-1)]

    def _check_pairs(self, pairs: Pairs) -> None:
        check_names(self, pairs.feature_names_x, "X")
        check_names(self, pairs.feature_names_y, "Y")

    def _check_table(self, names: tuple[str, ...] | None) -> None:
        """Names of a table's columns, where the fit had names in one domain."""
        split = self.n_features_x_
        for domain, part in (("X", slice(split)), ("Y", slice(split, None))):
            if hasattr(self, f"feature_names_in_{domain.lower()}_"):
                check_names(self, names and names[part], domain)

    def _predict_pairs(self, pairs: Pairs) -> np.ndarray:
        pairs = pairs.compact()
        X, Y = Entities(pairs.X, pairs.ids_x, "X"), Entities(pairs.Y, pairs.ids_y, "Y")
        return values_at_pairs(pairs, *self._towers(X, Y), *self._effects(X, Y))

    def _effects(self, X: Entities, Y: Entities) -> tuple[np.ndarray, np.ndarray]:
        """What is added for each row, the intercept included, and for each column."""
        rows = np.full(len(X.points), self.intercept_)
        rows += effects_of(self.row_effects_, X, self._known("X"))
        columns = effects_of(self.column_effects_, Y, self._known("Y"))
        return rows, np.zeros(len(Y.points)) + columns

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination R² of the predictions, as any regressor's ``score``.

        ``y`` and ``sample_weight`` may be matrices (n_x, n_y) of a complete grid, as in ``fit``.
        """
        if isinstance(X, Pairs):
            y, sample_weight = X.responses(y), as_weights(sample_weight, X)
        return super().score(X, y, sample_weight)

    def predict_grid(self, X: Any, Y: Any, *, ids_x: Any = None, ids_y: Any = None) -> np.ndarray:
        """h(x, y) for every pair of the two domains.

        Parameters
        ----------
        X : array of shape (n_x, d_x)
        Y : array of shape (n_y, d_y)
        ids_x, ids_y : sequences of length n_x, n_y, or None
            Who the points are, as in ``Pairs``: needed where the kernel asks and the fit had ids.
            Ids that the fit did not have are new entities.

        Returns
        -------
        array of shape (n_x, n_y)
        """
        check_is_fitted(self)
        x, y = self._points(X, "X", ids_x, "ids_x"), self._points(Y, "Y", ids_y, "ids_y")
        return values_on_grid(*self._towers(x, y), *self._effects(x, y))

    def _points(self, points: Any, domain: str, ids: Any, name: str) -> Entities:
        """Points of the domain X or Y, the names of their features and their ids checked."""
        if isinstance(points, Pairs):
            raise TypeError(
                f"{domain} must be points of one domain, got Pairs: pass pairs.{domain}"
                + f" and {name}=pairs.ids_{domain.lower()}"
                * (getattr(points, f"ids_{domain.lower()}") is not None)
            )
        check_names(self, column_names(points), domain)
        matrix = as_matrix(points, domain)
        return Entities(matrix, as_ids(ids, name, matrix, domain), domain)

    def query(self, X: Any, ids: Any = None) -> np.ndarray:
        """The queries of the fit, q(x) = k_X(x, X_fit) ``query_coef_``.

        Its attention logits are q(x)·k(y): h is q(x)·k(y) + ``intercept_``, and the effects of x
        and of y where they were asked for. Only the products are determined: a rotation of queries
        and keys together changes nothing.

        Parameters
        ----------
        X : array of shape (n, d_x)
        ids : sequence of length n, or None
            As ``ids_x`` of ``predict_grid``.

        Returns
        -------
        array of shape (n, r)
        """
        check_is_fitted(self)
        return self._queries(self._points(X, "X", ids, "ids"))

    def key(self, Y: Any, ids: Any = None) -> np.ndarray:
        """The keys of the fit, k(y) = k_Y(y, Y_fit) ``key_coef_``.

        Parameters
        ----------
        Y : array of shape (n, d_y)
        ids : sequence of length n, or None
            As ``ids_y`` of ``predict_grid``.

        Returns
        -------
        array of shape (n, r)
        """
        check_is_fitted(self)
        return self._keys(self._points(Y, "Y", ids, "ids"))

    @abc.abstractmethod
    def _queries(self, X: Entities) -> np.ndarray:
        """q(X), (n_x, r)."""

    @abc.abstractmethod
    def _keys(self, Y: Entities) -> np.ndarray:
        """k(Y), (n_y, r): h is their rows' product, and offsets."""

    def _towers(self, X: Entities, Y: Entities) -> tuple[np.ndarray, np.ndarray]:
        return self._queries(X), self._keys(Y)
