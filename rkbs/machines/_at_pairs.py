"""Values of two towers at pairs: one by one where pairs are few, else by whole rows."""

from __future__ import annotations

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.problems._some_pairs import dots

_DENSE = 0.03
"""From this share of all pairs on whole rows are computed: ``benchmarks/predict_pairs.py``."""
_ROWS = 2**22
"""Values of whole rows that are held at a time, 32 MiB."""


def values_on_grid(
    left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """left_i · right_j + rows_i + columns_j for all i and j, (n_x, n_y): no second such matrix."""
    values = left @ right.T
    values += rows[:, None]
    values += columns
    return values


def values_at_pairs(
    pairs: Pairs, left: np.ndarray, right: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """left_i · right_j + rows_i + columns_j for each pair (i, j), shape (n,).

    Beside the result and n indices no more than ``_ROWS`` values are held, or one row.

    Parameters
    ----------
    pairs : Pairs
    left, right : arrays of shape (n_x, r), (n_y, r)
    rows, columns : arrays of shape (n_x,), (n_y,)
    """
    n_x, n_y = len(left), len(right)
    if len(pairs) < _DENSE * n_x * n_y:
        return dots(left, right, pairs) + rows[pairs.i] + columns[pairs.j]
    step = max(1, _ROWS // n_y)
    if step >= n_x or pairs.is_complete:  # then all values are the result itself
        return pairs.entries(values_on_grid(left, right, rows, columns))
    out = np.empty(len(pairs))
    blocks = (pairs.i // step).astype(np.min_scalar_type(n_x // step))  # sorted by radix if short
    order, ends = np.argsort(blocks, kind="stable"), np.cumsum(np.bincount(blocks))
    for block, some in enumerate(np.split(order, ends[:-1])):
        part = slice(block * step, (block + 1) * step)
        values = values_on_grid(left[part], right, rows[part], columns)
        out[some] = values[pairs.i[some] - part.start, pairs.j[some]]
    return out
