"""Rows and columns of samples: which target and which source each pair is of."""

from __future__ import annotations

from typing import Any

import numpy as np

from rkbs._arrays import as_matrix, first_equal
from rkbs._frames import to_numpy
from rkbs.data._cuts import Setting
from rkbs.data._entities import Entities, is_missing
from rkbs.data._indices import as_split
from rkbs.data.pairs import Pairs


def rows_and_columns(X: Any, n_features_x: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A number for the row and one for the column of each pair; those of one entity are equal.

    Parameters
    ----------
    X : Pairs, or array of shape (n, d_x + d_y)
        Entities of Pairs are told apart by their ids, or else as points, as in ``Pairs``; those of
        a table with rows [x | y] as points.
    n_features_x : int, optional
        d_x, for tables of more than two columns.

    Returns
    -------
    rows, columns : int arrays of shape (n,)

    Raises
    ------
    TypeError, ValueError
        For what is neither Pairs nor a table, and where d_x is not said.
    """
    if isinstance(X, Pairs):
        pairs = X.compact()
        rows = Entities(pairs.X, pairs.ids_x, "X").first()[pairs.i]
        return rows, Entities(pairs.Y, pairs.ids_y, "Y").first()[pairs.j]
    table = as_matrix(X, "X")
    split = columns_of_x(n_features_x, table.shape[1])
    return first_equal(table[:, :split]), first_equal(table[:, split:])


def columns_of_x(n_features_x: int | None, columns: int) -> int:
    """How many columns of a table with rows [x | y] describe x: one of two, else as it is said.

    Raises
    ------
    TypeError, ValueError
        Where it is not said, or leaves no column for x or y.
    """
    if n_features_x is None and columns > 2:
        raise ValueError(
            f"n_features_x must be given for a table of {columns} columns with rows [x | y]: how "
            "many of them, from the left, describe x"
        )
    if n_features_x is None and columns < 2:
        raise ValueError(f"a table with rows [x | y] must have two columns or more, got {columns}")
    return as_split(1 if n_features_x is None else n_features_x, columns)


def labels_of_samples(
    groups: Any, rows: np.ndarray, columns: np.ndarray, leave: Setting
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of labels that come pair by pair, in place of those of rows and columns.

    Parameters
    ----------
    groups : array of shape (n,) or (n, 2)
        A label for what is left out of each pair; or two, for its row and its column.
    rows, columns : int arrays of shape (n,)

    Raises
    ------
    ValueError
        For another shape, missing labels, and two labels of one row or column, whose pairs would
        be parted.
    """
    labels, size = to_numpy(groups, "groups"), len(rows)
    if labels.shape not in ((size,), (size, 2)):
        raise ValueError(
            f"groups must have shape ({size},), a label for each pair, or ({size}, 2), one for its "
            f"row and one for its column, got shape {labels.shape}"
        )
    if labels.ndim == 1 and leave == "both":
        raise ValueError(
            f"groups must have shape ({size}, 2) with leave='both', a label for the row and one "
            f"for the column of each pair, got shape {labels.shape}"
        )
    if labels.ndim == 2:
        return _codes(labels[:, 0], rows, "row"), _codes(labels[:, 1], columns, "column")
    if leave == "pair":
        return _codes(labels), np.zeros(size, dtype=int)
    if leave == "row":
        return _codes(labels, rows, "row"), columns
    return rows, _codes(labels, columns, "column")


def _codes(labels: np.ndarray, units: np.ndarray | None = None, name: str = "") -> np.ndarray:
    """Labels as numbers from 0; equal ones for equal units."""
    missing = [is_missing(label) for label in labels.tolist()]
    if any(missing):
        raise ValueError(f"groups must label every pair, but has none for {missing.index(True)}")
    codes = np.unique(labels.astype(str), return_inverse=True)[1].reshape(-1)
    if units is not None:
        _, first, unit = np.unique(units, return_index=True, return_inverse=True)
        parted = np.flatnonzero(codes != codes[first[unit]])
        if len(parted):
            k, same = parted[0], first[unit[parted[0]]]
            raise ValueError(
                f"groups must have one label for each {name}, but pairs {same} and {k} are of one "
                f"{name} and have the labels {labels[same]!r} and {labels[k]!r}"
            )
    return codes
