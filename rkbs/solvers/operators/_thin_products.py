"""Products of thin factors at some pairs of a grid, and with matrices that are mostly zero."""

from __future__ import annotations

from typing import final

import numpy as np
from scipy.sparse import csr_array

from rkbs.data.pairs import Pairs
from rkbs.solvers.operators._pair_products import Pattern

_IN_A_ROW = 1300
"""Multiplications in a row of pairs from which on a row at a time is faster than a column."""
_FULL = 0.1
"""A factor with fewer entries than this share is kept as a sparse matrix."""


@final
class ThinProducts:
    """Values at the pairs, (n,): those of A Bᵀ, and products of the matrix C that holds them.

    The factors are thin, and what pays differs from products with the factors of a domain: C is
    sparse at every density, and scalar products go column by column, or, of many columns or pairs
    in a row, row by row.
    """

    def __init__(self, pairs: Pairs) -> None:
        self.pairs, self.shape = pairs, (len(pairs.X), len(pairs.Y))
        self.whole = pairs._is_row_major_grid
        at = pairs.i, pairs.j
        self.pattern = Pattern(*at, self.shape, Pattern.of(*at, self.shape).dots_by, "rows")

    def dots(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """(A Bᵀ)[i, j]: (n_x, k), (n_y, k) → (n,)."""
        if self.whole:
            return (A @ B.T).reshape(-1)
        i, j = self.pairs.i, self.pairs.j
        if len(i) * A.shape[1] > _IN_A_ROW * len(A):
            return self.pattern.dots(A, B)
        out = np.zeros(len(i))
        for a, b in zip(np.ascontiguousarray(A.T), np.ascontiguousarray(B.T), strict=True):
            out += a.take(i) * b.take(j)
        return out

    def matrix(self, c: np.ndarray) -> np.ndarray | csr_array:
        """C."""
        if self.whole:
            return c.reshape(self.shape)
        return self.pattern.sparse(c)


def thin(factor: np.ndarray) -> np.ndarray | csr_array:
    """Sparse where most of it is zero: entities by themselves have diagonal factors."""
    return csr_array(factor) if np.count_nonzero(factor) < _FULL * factor.size else factor
