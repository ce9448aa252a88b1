"""What is left out together: a pair, a row or a column, with all ids of the same point."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from rkbs._arrays import first_equal
from rkbs._frames import to_numpy
from rkbs.data._cuts import units
from rkbs.data._entities import is_missing
from rkbs.data.pairs import Pairs


class Groups(NamedTuple):
    """Labels 0, 1, … of the rows of X and of Y; rows of one label are left out together.

    Attributes
    ----------
    x, y : int arrays of shape (n_x,), (n_y,)
    """

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def single(cls, pairs: Pairs) -> Groups:
        """Each row a group of its own."""
        return cls(np.arange(len(pairs.X)), np.arange(len(pairs.Y)))

    @classmethod
    def in_use(cls, data: Any, pairs: Pairs, groups_x: Any, groups_y: Any) -> Groups:
        """The groups of the rows in use.

        Parameters
        ----------
        data : Pairs, or a table
            What was given to a machine's ``fit``.
        pairs : Pairs
            The same over the rows in use.
        groups_x, groups_y : arrays of shape (n_x,), (n_y,), or None
            A label, of any kind, for each row of ``data.X`` and ``data.Y``; None: no groups.

        Raises
        ------
        TypeError
            For labels of a table, whose rows are pairs.
        ValueError
            For labels of another shape, or missing ones.
        """
        x, y = cls.single(pairs)
        if groups_x is not None:
            x = _codes(groups_x, "groups_x", data, "X")
        if groups_y is not None:
            y = _codes(groups_y, "groups_y", data, "Y")
        return cls(x, y)

    def of_several(self, domains: tuple[int, ...] = (0, 1)) -> bool:
        """Whether a label of X, 0, or of Y, 1, is that of several rows."""
        return any(np.bincount(self[k]).max() > 1 for k in domains)

    def of_pairs(self, pairs: Pairs, leave: str) -> np.ndarray:
        """The label of what each pair is left out with, shape (n,).

        A row or a column goes with its group, a pair with all pairs of its two groups.
        """
        return units(self.x[pairs.i], self.y[pairs.j], leave)


def _codes(labels: Any, name: str, data: Any, domain: str) -> np.ndarray:
    """Labels of all rows as numbers from 0, of the rows in use."""
    if not isinstance(data, Pairs):
        raise TypeError(
            f"{name} holds a label for each row of {domain}, and a table's rows are pairs: pass "
            "Pairs"
        )
    size = len(getattr(data, domain))
    labels = to_numpy(labels, name)
    if labels.shape != (size,):
        raise ValueError(
            f"{name} must have shape ({size},), a label for each row of {domain}, got shape "
            f"{labels.shape}"
        )
    missing = [is_missing(label) for label in labels.tolist()]
    if any(missing):
        raise ValueError(
            f"{name} must label every row of {domain}, but has none for row {missing.index(True)}"
        )
    rows = np.unique(data.i if domain == "X" else data.j)
    return np.unique(labels[rows].astype(str), return_inverse=True)[1].reshape(-1)


def warn_equal(
    grams: tuple[np.ndarray, np.ndarray], pairs: Pairs, groups: Groups, leave: str
) -> None:
    """Warn where points with equal rows of their Gram matrix are left out one at a time.

    What is left out is then still among the training points, under another id, and the error of a
    new point looks as small as that of a known one. A constant kernel is spared: to it, all points
    are one, new ones too.
    """
    domains = {"X": ("pair", "row", "both"), "Y": ("pair", "column", "both")}
    for k, (name, concerned) in enumerate(domains.items()):
        labels = groups[k]
        points = getattr(pairs, name)
        if leave not in concerned or (np.ptp(grams[k]) == 0 and np.ptp(points, axis=0).any()):
            continue
        same = first_equal(grams[k])
        leaks = np.flatnonzero(labels != labels[same])
        if len(leaks):
            row, what = leaks[0], name.lower()
            warnings.warn(
                f"{name} holds {len(leaks)} rows in use that equal an earlier one (the first: "
                f"{row} and {same[row]}), so that what is left out is still there under another "
                f"id. To leave out all ids of a point together, pass groups_{what} to fit: a label "
                f"for each row of {name}, such as np.unique({name}, axis=0, "
                f"return_inverse=True)[1].reshape(-1) (of a Precomputed matrix, its own rows)",
                stacklevel=4,
            )
