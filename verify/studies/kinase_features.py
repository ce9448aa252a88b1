"""What a table learner is told of a pair: similarities to what is known, and means.

Features of a pair are the similarities of its drug to the training drugs and of its target to the
training targets, and the mean responses of its drug and of its target, NaN where these are new.
Means of a training pair are over the pairs that the inner fold which tests it trains on, those of a
test pair over the training pairs: so no response is among its own features, and means are as far
from what they describe in training as they are later.
"""

from __future__ import annotations

import numpy as np

from rkbs.data.davis import KinaseBinding
from verify.studies.kinase_splits import Cut, Split, inner, similarities


def features_of(data: KinaseBinding, split: Split, cut: Cut) -> tuple[np.ndarray, np.ndarray]:
    """Of the training and of the test pairs of a cut, (n, features) each, in single precision.

    Parameters
    ----------
    data : KinaseBinding
    split : Split
        Of whose setting the inner folds are.
    cut : Cut
        Its own, or that of one of its inner folds.
    """
    rows, columns = np.nonzero(cut.train.reshape(data.z.shape))
    x, y = similarities(data)
    x, y = x[:, np.unique(rows)], y[:, np.unique(columns)]
    left_out = np.full((data.z.size, 2), np.nan)
    for fold in inner(data, split, cut.train):
        left_out[fold.test] = means(data.z, fold.train)[fold.test]
    found = []
    for pairs, known in ((cut.train, left_out), (cut.test, means(data.z, cut.train))):
        i, j = np.divmod(np.flatnonzero(pairs), data.z.shape[1])
        found.append(np.hstack([x[i], y[j], known[pairs]]).astype(np.float32))
    return found[0], found[1]


def means(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Of the row and of the column of each pair, over the pairs seen: (n, 2), NaN without any.

    Parameters
    ----------
    z : array of shape (n_x, n_y)
    seen : bool array of shape (n_x n_y,)
    """
    mask = seen.reshape(z.shape)
    found = []
    for axis in (1, 0):
        count = mask.sum(axis, keepdims=True)
        total = np.where(mask, z, 0.0).sum(axis, keepdims=True)
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        found.append(np.broadcast_to(mean, z.shape).ravel())
    return np.stack(found, axis=1)
