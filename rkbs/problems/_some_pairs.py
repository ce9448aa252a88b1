"""Values of Kronecker factors at some pairs of a large grid, which is not formed."""

from __future__ import annotations

import numpy as np

from rkbs.data.pairs import Pairs

_SPARSE = 8
"""With more cells than so many a pair, a matrix of values at the pairs is sparse."""
_ONE_BY_ONE = 64
"""With more than so many, a product of full factors is dearer than their rows at the pairs."""
_GATHERED = 2**16
"""Numbers of each factor that are gathered at a time: they stay in the cache."""


def are_few(pairs: Pairs) -> bool:
    """Whether the grid would be far larger than its pairs."""
    return len(pairs.X) * len(pairs.Y) > _SPARSE * len(pairs)


def are_very_few(pairs: Pairs) -> bool:
    """Whether a scalar product for each pair is cheaper than a product of full matrices."""
    return len(pairs.X) * len(pairs.Y) > _ONE_BY_ONE * len(pairs)


def dots(left: np.ndarray, right: np.ndarray, pairs: Pairs) -> np.ndarray:
    """left_i · right_j for each pair: (n_x, r), (n_y, r) → (n,)."""
    out = np.empty(len(pairs))
    step = max(1, _GATHERED // max(1, left.shape[1]))
    for start in range(0, len(pairs), step):
        some = slice(start, start + step)
        out[some] = np.vecdot(left[pairs.i[some]], right[pairs.j[some]])
    return out


def spread(c: np.ndarray, right: np.ndarray, pairs: Pairs) -> np.ndarray:
    """C right, with C the matrix that holds c at the pairs: (n,), (n_y, r) → (n_x, r)."""
    from scipy.sparse import csr_array  # not at the top: rkbs is light

    C = csr_array((c, (pairs.i, pairs.j)), shape=(len(pairs.X), len(pairs.Y)))
    return C @ right
