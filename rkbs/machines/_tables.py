"""Plain tables with rows [x | y], in place of pairs: of them a row may repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from rkbs._frames import is_tensor, refuse_without_numbers, to_numpy
from rkbs.data._units import columns_of_x
from rkbs.data.pairs import Pairs
from rkbs.machines._names import named


def pairs_of_table(machine: Any, table: Any, z: Any) -> tuple[Pairs, np.ndarray]:
    """The pairs of a plain table, with the names of its columns, and its responses.

    Parameters
    ----------
    machine : PairMachine
        Gets ``n_features_in_``, and ``feature_names_in_`` of a table with names.
    table : array of shape (n, d_x + d_y)
    z : array of shape (n,)

    Raises
    ------
    TypeError, ValueError
        For two domains in place of their pairs, what is no table of numbers, and where the machine
        does not say which columns describe x.
    """
    _refuse_domains(table)
    table, z = numeric(table, "X"), numeric(z, "z")
    table, z = validate_data(machine, table, z, dtype=float, y_numeric=True, ensure_min_features=2)
    pairs = _pairs(table, columns_of_x(machine.n_features_x, table.shape[1]))
    return named(pairs, getattr(machine, "feature_names_in_", None)), z


def _pairs(table: np.ndarray, split: int) -> Pairs:
    """The pairs of a table; where it repeats a row, to copies of its point x, or of y.

    To every kernel a copy is the same point: each row of the table has a response of its own, and
    the features are those of the points without copies.
    """
    (X, i), (Y, j) = (_distinct(part) for part in np.hsplit(table, [split]))
    cells = i * len(Y) + j
    order = np.argsort(cells, kind="stable")
    begin = np.searchsorted(cells[order], cells[order])
    time = np.empty(len(cells), dtype=np.intp)
    time[order] = np.arange(len(cells)) - begin  # how often the row has occurred before
    if time.any():
        (more_x, k), (more_y, m) = (_copies(index, time) for index in (i, j))
        if len(more_x) * len(Y) <= len(more_y) * len(X):
            X, i = X[more_x], k
        else:
            Y, j = Y[more_y], m
    return Pairs(X, Y, i, j)


def _distinct(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different points, and the number of each there."""
    found, index = np.unique(points, axis=0, return_inverse=True)
    return found, index.reshape(-1)


def _copies(index: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The point of each copy, and the copy that each row of a table is of."""
    most = int(time.max()) + 1
    found, copy = np.unique(index * most + time, return_inverse=True)
    return found // most, copy.reshape(-1)


def numeric(table: Any, name: str) -> Any:
    """What scikit-learn converts rightly: it knows not all dtypes of tensors, and no masks."""
    if is_tensor(table):
        return to_numpy(table, name)
    if not hasattr(table, "toarray"):  # sparse arrays it refuses in its own words
        refuse_without_numbers(table, name)
    return table


def _refuse_domains(pairs: Any) -> None:
    """``TypeError`` for (X, Y) in place of their pairs."""
    two = isinstance(pairs, (tuple, list)) and len(pairs) == 2
    if two and all(getattr(part, "ndim", 1) == 2 for part in pairs):
        raise TypeError(
            "X must be Pairs, or an array with rows [x | y], got two arrays: for all pairs of two "
            "domains pass Pairs.grid(X, Y)"
        )
