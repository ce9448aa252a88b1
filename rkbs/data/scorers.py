"""Scores of pairs in scikit-learn's tools: ``scoring=PairScorer(c_index)``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any, Literal, final

from rkbs._frames import to_numpy
from rkbs.data._units import rows_and_columns
from rkbs.data.metrics import Metric, auc, aupr, c_index, mse, rmse, score_by_unit, scored
from rkbs.data.pairs import Pairs

_GREATER_IS_BETTER = {c_index: True, auc: True, aupr: True, mse: False, rmse: False}


@final
@dataclass(frozen=True)
class PairScorer:
    """metric(z, h) of a fitted machine at pairs, its sign turned where less is better.

    ``per="row"`` is the mean of the scores within the rows, each of which counts the same: how well
    a machine orders the sources of a target. Rows where the metric is not defined, such as those of
    equal responses, are not counted, and a warning says how many they are.

    Parameters
    ----------
    metric : function of (z, h), or of (z, h, sample_weight=…) where there are weights
        ``c_index``, ``auc``, ``aupr``, ``mse``, ``rmse``, one of scikit-learn's or of your own;
        arguments go in by ``functools.partial(aupr, threshold=7.0)``. Within rows it raises
        ``UndefinedScoreError`` where it is not defined.
    per : {"row", "column"}, optional
        By default all pairs are one.
    greater_is_better : bool, optional
        Must be given for metrics that are not rkbs's; False turns the sign, since scikit-learn
        takes the greatest score for the best.
    n_features_x : int, optional
        For rows and columns of a table [x | y]: how many columns describe x. By default what the
        machine was fitted with.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.

    Warns
    -----
    UserWarning
        For rows, or columns, where the metric is not defined.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from rkbs import RBF, BinaryKernelRidge, PairKFold, Pairs, PairScorer
    >>> from rkbs.data import c_index, rmse
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> pairs, z = Pairs.grid(x, y), np.sin(5 * x + 2 * y.T).ravel()
    >>> search = GridSearchCV(
    ...     BinaryKernelRidge(RBF(), RBF(), alpha=0.01),
    ...     {"kernel_x": [RBF(0.01), RBF(1.0)]},
    ...     cv=PairKFold(4, leave="row"),
    ...     scoring={"rmse": PairScorer(rmse), "order": PairScorer(c_index, per="row")},
    ...     refit="rmse",
    ... ).fit(pairs, z)
    >>> search.best_params_, search.cv_results_["mean_test_order"].round(2)
    ({'kernel_x': RBF(tau=1.0)}, array([0.48, 0.91]))
    """

    metric: Metric
    per: Literal["row", "column"] | None = None
    greater_is_better: bool | None = None
    n_features_x: int | None = None

    def __post_init__(self) -> None:
        if not callable(self.metric):
            raise TypeError(
                f"metric must be a function of responses and predictions, such as c_index, got "
                f"{self.metric!r}"
            )
        if self.per not in ("row", "column", None):
            raise ValueError(f"per must be 'row', 'column' or None, got {self.per!r}")
        if self.greater_is_better is None:
            object.__setattr__(self, "greater_is_better", _is_better(self.metric))
        elif not isinstance(self.greater_is_better, bool):
            raise TypeError(
                f"greater_is_better must be a bool or None, got {self.greater_is_better!r}"
            )

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The score of the estimator's predictions.

        Parameters
        ----------
        estimator : object with a method ``predict``
        X : Pairs, or array of shape (n, d_x + d_y)
        y : array of shape (n,)
        sample_weight : array of shape (n,), optional
            Not negative; the metric then takes ``sample_weight``, as those of rkbs do.
        """
        h = estimator.predict(X)
        z = X.responses(y) if isinstance(X, Pairs) else to_numpy(y, "y").reshape(-1)
        if self.per is None:
            score = scored(self.metric, z, h, sample_weight)
        else:
            score = self._per_unit(estimator, X, z, h, sample_weight)
        return float(score) if self.greater_is_better else -float(score)

    def _accept_sample_weight(self) -> bool:
        """What searches of scikit-learn ask."""
        return "sample_weight" in signature(self.metric).parameters

    def get_metadata_routing(self) -> Any:
        """What scikit-learn's metadata routing may pass on: ``sample_weight``."""
        from sklearn.utils.metadata_routing import MetadataRequest  # late: rkbs is light to import

        request = MetadataRequest(owner=type(self).__name__)
        request.score.add_request(param="sample_weight", alias=True)
        return request

    def _per_unit(self, estimator: Any, X: Any, z: Any, h: Any, weights: Any) -> float:
        split = self.n_features_x
        if split is None and not isinstance(X, Pairs):
            split = getattr(estimator, "n_features_x_", None)
        rows, columns = rows_and_columns(X, split)
        found = score_by_unit(self.metric, z, h, rows if self.per == "row" else columns, weights)
        mean = found.mean
        if found.undefined:
            warnings.warn(
                f"{_name(self.metric)} is not defined in {found.undefined} of {len(found.scores)} "
                f"{self.per}s: the score is the mean over the others",
                UserWarning,
                stacklevel=3,
            )
        return mean


def _is_better(metric: Metric) -> bool:
    """Whether more of a metric of rkbs is better; of others it must be said."""
    function = metric.func if isinstance(metric, partial) else metric
    if function not in _GREATER_IS_BETTER:
        raise ValueError(
            f"greater_is_better must be True or False for {_name(metric)}, which is no metric of "
            "rkbs"
        )
    return _GREATER_IS_BETTER[function]


def _name(metric: Metric) -> str:
    function = metric.func if isinstance(metric, partial) else metric
    return getattr(function, "__name__", repr(function))
