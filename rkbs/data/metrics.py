"""How well predictions rank, classify and meet responses: of all pairs, or row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import as_real, check_number, short_repr
from rkbs._frames import to_numpy
from rkbs.data._concordance import concordance

Metric = Callable[..., float]
"""(responses, predictions) ↦ a score; with ``sample_weight`` where samples have weights."""


class UndefinedScoreError(ValueError):
    """There is nothing to rank or to tell apart: equal responses, or labels of one class."""


def c_index(z: Any, h: Any, sample_weight: Any = None) -> float:
    """P(h_m > h_n | z_m > z_n) + ½ P(h_m = h_n | z_m > z_n): the concordance index.

    Over all pairs m, n of samples with different responses, the fraction that predictions put in
    the same order; ½ for predictions that are equal or have nothing to do with the responses. It is
    ½ (1 + D) with Somers' D of h given z, in O(n log n). With two responses it is the ``auc``.

    Parameters
    ----------
    z, h : arrays of one shape
        Responses and predictions.
    sample_weight : array of this shape, optional
        Not negative: a pair m, n counts as w_m w_n pairs.

    Raises
    ------
    TypeError, ValueError
        For what is no real number, NaN, shapes that differ, negative weights and zeros alone.
    UndefinedScoreError
        Where all responses are equal.

    Notes
    -----
    Gönen & Heller, Biometrika 92, 965 (2005); for drugs and targets Pahikkala et al., Brief.
    Bioinform. 16, 325 (2015).

    Examples
    --------
    >>> from rkbs.data import c_index
    >>> c_index([1.0, 2.0, 2.0, 5.0], [0.1, 0.1, 0.7, 0.6])  # 3 of 5 pairs right, one a tie
    0.7
    """
    z, h, w = _checked(z, h, sample_weight)
    found = concordance(z, h, np.ones(len(z), dtype=int) if w is None else w)
    if found is None:
        raise UndefinedScoreError(f"the C-index needs responses that differ, got {z[0]!r} alone")
    return found


def auc(z: Any, h: Any, threshold: float | None = None, sample_weight: Any = None) -> float:
    """The area under the ROC curve, by scikit-learn, of the labels z > ``threshold``.

    Parameters
    ----------
    z, h : arrays of one shape
        Responses and predictions.
    threshold : float, optional
        By default the labels are the two values of z, the greater one positive.
    sample_weight : array of the shape of z, optional
        As in ``c_index``.

    Raises
    ------
    TypeError, ValueError
        As in ``c_index``, and for more than two values of z without a threshold.
    UndefinedScoreError
        For labels of one class.

    Examples
    --------
    >>> from rkbs.data import auc
    >>> auc([-1, -1, 1, 1], [0.1, 0.5, 0.4, 0.9]), auc([5.0, 6.5, 7.2], [0.1, 0.3, 0.2], 6.0)
    (0.75, 1.0)
    """
    from sklearn.metrics import roc_auc_score

    labels, h, w = _labels(z, h, threshold, sample_weight)
    return float(roc_auc_score(labels, h, sample_weight=w))


def aupr(z: Any, h: Any, threshold: float | None = None, sample_weight: Any = None) -> float:
    """The area under the precision-recall curve, as scikit-learn's average precision.

    Arguments and errors are those of ``auc``. Predictions that have nothing to do with the labels
    score the fraction of positives.

    Examples
    --------
    >>> from rkbs.data import aupr
    >>> aupr([-1, -1, 1, 1], [0.1, 0.5, 0.4, 0.9]), aupr([5.0, 6.5, 7.2], [0.1, 0.3, 0.2], 7.0)
    (0.8333333333333333, 0.5)
    """
    from sklearn.metrics import average_precision_score

    labels, h, w = _labels(z, h, threshold, sample_weight)
    return float(average_precision_score(labels, h, sample_weight=w))


def mse(z: Any, h: Any, sample_weight: Any = None) -> float:
    """The mean squared error, mean (z − h)², by weights where there are any.

    Examples
    --------
    >>> from rkbs.data import mse
    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    z, h, w = _checked(z, h, sample_weight)
    return float(np.average((z - h) ** 2, weights=w))


def rmse(z: Any, h: Any, sample_weight: Any = None) -> float:
    """The root of the mean squared error, in units of the responses.

    Examples
    --------
    >>> from rkbs.data import rmse
    >>> rmse([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    return float(np.sqrt(mse(z, h, sample_weight)))


@final
@dataclass(frozen=True, eq=False, repr=False)
class UnitScores:
    """A score of each unit, such as a row, and their mean.

    Attributes
    ----------
    units : array of shape (k,)
        The different units, in increasing order.
    scores : array of shape (k,)
        NaN where the score is not defined.

    Examples
    --------
    >>> from rkbs.data import c_index, score_by_unit
    >>> found = score_by_unit(c_index, [1, 2, 3, 3], [0.5, 0.6, 0.1, 0.2], ["a", "a", "b", "b"])
    >>> found.mean, found.undefined, found.units
    (1.0, 1, array(['a', 'b'], dtype='<U1'))
    """

    units: np.ndarray
    scores: np.ndarray

    __repr__ = short_repr

    @property
    def undefined(self) -> int:
        """In how many units the score is not defined."""
        return int(np.isnan(self.scores).sum())

    @property
    def mean(self) -> float:
        """The mean over the units where the score is defined.

        Raises
        ------
        UndefinedScoreError
            Where there is none.
        """
        if self.undefined == len(self.scores):
            raise UndefinedScoreError(f"the score is defined in none of {len(self.scores)} units")
        return float(np.nanmean(self.scores))


def score_by_unit(
    metric: Metric, z: Any, h: Any, units: Any, sample_weight: Any = None
) -> UnitScores:
    """The metric within each unit: each row, each column, or whatever the labels say.

    Parameters
    ----------
    metric : function of (z, h), or of (z, h, sample_weight=…) where there are weights
        It raises ``UndefinedScoreError`` where it is not defined, as those of rkbs do.
    z, h : arrays of one shape
        Responses and predictions.
    units : array of the same shape
        What each belongs to, such as ``pairs.i``.
    sample_weight : array of the same shape, optional
        Not negative: weights within a unit, of which each counts the same. Samples of weight 0 are
        left out, and with them units that have no other.

    Raises
    ------
    TypeError, ValueError
        For shapes that differ, and what the metric raises.

    Examples
    --------
    >>> from rkbs.data import mse, score_by_unit
    >>> score_by_unit(mse, [1, 2, 3, 3], [1, 2, 1, 5], [0, 0, 1, 1]).scores
    array([0., 4.])
    """
    labels, size = to_numpy(units, "units").reshape(-1), as_real(z, "z").size
    if len(labels) != size:
        raise ValueError(f"units must label each of {size} responses, got {len(labels)} labels")
    w = _weights(sample_weight, np.shape(z))
    labels = labels if w is None else labels[w > 0]
    z, h, w = _checked(z, h, sample_weight)
    names, unit, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order, ends = np.argsort(unit.reshape(-1), kind="stable"), np.cumsum(counts)
    scores = np.full(len(names), np.nan)
    for k, chosen in enumerate(np.split(order, ends[:-1])):
        try:
            scores[k] = scored(metric, z[chosen], h[chosen], None if w is None else w[chosen])
        except UndefinedScoreError:
            continue
    return UnitScores(names, scores)


def scored(metric: Metric, z: np.ndarray, h: np.ndarray, weights: np.ndarray | None) -> float:
    """The metric, which need not know weights where there are none."""
    return metric(z, h) if weights is None else metric(z, h, sample_weight=weights)


def _checked(
    z: Any, h: Any, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Responses, predictions and weights of one shape, as (n,), n ≥ 1, without weights of 0."""
    z, h = as_real(z, "z"), as_real(h, "h")
    if z.shape != h.shape or not z.size:
        raise ValueError(
            "z and h, responses and predictions, must have one shape and at least one entry, got "
            f"shapes {z.shape} and {h.shape}"
        )
    w = _weights(sample_weight, z.shape)
    z, h = z.reshape(-1), h.reshape(-1)
    if w is None or w.all():
        return z, h, w
    return z[w > 0], h[w > 0], w[w > 0]


def _weights(sample_weight: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    """Weights of samples, (n,), or None."""
    if sample_weight is None:
        return None
    weights = as_real(sample_weight, "sample_weight")
    if weights.shape != shape:
        raise ValueError(
            f"sample_weight must have the shape of z, {shape}, got shape {weights.shape}"
        )
    if (weights < 0).any() or not weights.any():
        raise ValueError(
            "sample_weight must hold no negative weight, and not zeros alone, got the least "
            f"{weights.min():.3g} and the greatest {weights.max():.3g}"
        )
    return weights.reshape(-1)


def _labels(
    z: Any, h: Any, threshold: float | None, sample_weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Which responses are positive, the predictions, and the weights."""
    z = to_numpy(z, "z")
    z, h, w = _checked(z.astype(float) if z.dtype.kind == "b" else z, h, sample_weight)
    if threshold is not None:
        labels = z > check_number(threshold, "threshold")
    else:
        found = np.unique(z)
        if len(found) > 2:
            raise ValueError(
                f"z must hold labels of two classes, got {len(found)} different values: pass a "
                "threshold, above which a response is positive"
            )
        labels = z == found[-1]
    if labels.all() or not labels.any():
        raise UndefinedScoreError(
            f"labels must be of two classes, got one for all {len(z)} of z"
            + f" by threshold={threshold!r}" * (threshold is not None)
        )
    return labels, h, w
