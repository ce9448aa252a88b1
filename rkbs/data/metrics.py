"""How well predictions rank, classify and meet responses: of all pairs, or row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import as_real, check_number, short_repr
from rkbs._frames import to_numpy

Metric = Callable[[np.ndarray, np.ndarray], float]
"""(responses, predictions) ↦ a score."""


class UndefinedScoreError(ValueError):
    """There is nothing to rank or to tell apart: equal responses, or labels of one class."""


def c_index(z: Any, h: Any) -> float:
    """P(h_m > h_n | z_m > z_n) + ½ P(h_m = h_n | z_m > z_n): the concordance index.

    Over all pairs m, n of samples with different responses, the fraction that predictions put in
    the same order; ½ for predictions that are equal or have nothing to do with the responses. It is
    ½ (1 + D) with Somers' D of h given z, in O(n log n). With two responses it is the ``auc``.

    Parameters
    ----------
    z, h : arrays of one shape
        Responses and predictions.

    Raises
    ------
    TypeError, ValueError
        For what is no real number, NaN, and shapes that differ.
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
    z, h = _checked(z, h)
    # Of equal responses the greatest prediction comes first, so that no such pair is in order.
    order = np.lexsort((-h, z))
    z, h = z[order], h[order]
    new = z[1:] != z[:-1]
    ordered = len(z) * (len(z) - 1) // 2 - _equal_pairs(_run_lengths(new))
    if ordered == 0:
        raise UndefinedScoreError(f"the C-index needs responses that differ, got {z[0]!r} alone")
    _, rank, counts = np.unique(h, return_inverse=True, return_counts=True)
    tied = _equal_pairs(counts) - _equal_pairs(_run_lengths(new | (h[1:] != h[:-1])))
    return (2 * _pairs_in_order(rank.reshape(-1)) + tied) / (2 * ordered)


def _run_lengths(new: np.ndarray) -> np.ndarray:
    """How many samples each run holds; ``new`` says of all but the first whether one starts."""
    return np.diff(np.flatnonzero(new) + 1, prepend=0, append=len(new) + 1)


def _equal_pairs(counts: np.ndarray) -> int:
    """How many pairs of equal numbers there are, of numbers that occur so many times."""
    return int((counts * (counts - 1)).sum()) // 2


def _pairs_in_order(ranks: np.ndarray) -> int:
    """How many m < n have ranks_m < ranks_n, by merging sorted blocks in O(n log n)."""
    size = 1 << (len(ranks) - 1).bit_length()
    blocks = np.full(size, -1)  # greater than none before it
    blocks[: len(ranks)] = ranks
    count, half = 0, 1
    while half < size:
        # The later half first, so that of equal ranks its own are not behind those before it.
        blocks = blocks.reshape(-1, 2, half)[:, ::-1].reshape(-1, 2 * half)
        order = blocks.argsort(axis=1, kind="stable")
        blocks = np.take_along_axis(blocks, order, axis=1)
        places = np.nonzero(order < half)[1]  # of the later half among all
        count += int(places.sum()) - len(blocks) * (half * (half - 1) // 2)
        half *= 2
    return count


def auc(z: Any, h: Any, threshold: float | None = None) -> float:
    """The area under the ROC curve, by scikit-learn, of the labels z > ``threshold``.

    Parameters
    ----------
    z, h : arrays of one shape
        Responses and predictions.
    threshold : float, optional
        By default the labels are the two values of z, the greater one positive.

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

    labels, h = _labels(z, h, threshold)
    return float(roc_auc_score(labels, h))


def aupr(z: Any, h: Any, threshold: float | None = None) -> float:
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

    labels, h = _labels(z, h, threshold)
    return float(average_precision_score(labels, h))


def mse(z: Any, h: Any) -> float:
    """The mean squared error, mean (z − h)².

    Examples
    --------
    >>> from rkbs.data import mse
    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    z, h = _checked(z, h)
    return float(np.mean((z - h) ** 2))


def rmse(z: Any, h: Any) -> float:
    """The root of the mean squared error, in units of the responses.

    Examples
    --------
    >>> from rkbs.data import rmse
    >>> rmse([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    return float(np.sqrt(mse(z, h)))


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


def score_by_unit(metric: Metric, z: Any, h: Any, units: Any) -> UnitScores:
    """The metric within each unit: each row, each column, or whatever the labels say.

    Parameters
    ----------
    metric : function of (z, h)
        It raises ``UndefinedScoreError`` where it is not defined, as those of rkbs do.
    z, h : arrays of one shape
        Responses and predictions.
    units : array of the same shape
        What each belongs to, such as ``pairs.i``.

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
    z, h = _checked(z, h)
    labels = to_numpy(units, "units").reshape(-1)
    if len(labels) != len(z):
        raise ValueError(f"units must label each of {len(z)} responses, got {len(labels)} labels")
    names, unit, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order, ends = np.argsort(unit.reshape(-1), kind="stable"), np.cumsum(counts)
    scores = np.full(len(names), np.nan)
    for k, chosen in enumerate(np.split(order, ends[:-1])):
        try:
            scores[k] = metric(z[chosen], h[chosen])
        except UndefinedScoreError:
            continue
    return UnitScores(names, scores)


def _checked(z: Any, h: Any) -> tuple[np.ndarray, np.ndarray]:
    """Responses and predictions of one shape, as (n,), n ≥ 1."""
    z, h = as_real(z, "z"), as_real(h, "h")
    if z.shape != h.shape or not z.size:
        raise ValueError(
            "z and h, responses and predictions, must have one shape and at least one entry, got "
            f"shapes {z.shape} and {h.shape}"
        )
    return z.reshape(-1), h.reshape(-1)


def _labels(z: Any, h: Any, threshold: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Which responses are positive, and the predictions."""
    z = to_numpy(z, "z")
    z, h = _checked(z.astype(float) if z.dtype.kind == "b" else z, h)
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
    return labels, h
