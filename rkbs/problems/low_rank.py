"""Gram matrices of low rank, stated by their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import as_matrix, short_repr
from rkbs._linalg import Eigen


@final
@dataclass(frozen=True, eq=False)
class LowRankGram:
    """K = F Fᵀ of features F, in place of a Gram matrix: nothing of its size is formed.

    ``OperatorProblem`` takes it as ``gram_x`` or ``gram_y``. New points then come by their
    features, where they would come by rows k(x, X): to ``predict_grid``, and as what
    ``factored_expansion`` is to be multiplied with.

    Parameters
    ----------
    features : array of shape (n, k)
        F, a row per point.

    Raises
    ------
    TypeError, ValueError
        For what is no finite matrix of real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import ConjugateGradient, OperatorProblem, Pairs, solve
    >>> from rkbs.problems import LowRankGram
    >>> x, y = np.linspace(0, 1, 400)[:, None], np.linspace(0, 1, 300)[:, None]
    >>> gram_x, gram_y = LowRankGram(np.hstack([x, x**2])), LowRankGram(np.hstack([y, np.sin(y)]))
    >>> pairs = Pairs(x, y, np.arange(300), np.arange(300))  # a few of them
    >>> problem = OperatorProblem(gram_x, gram_y, pairs, (x[:300] * y).ravel(), alpha=1e-6)
    >>> solution = solve(problem, ConjugateGradient()).check()
    >>> solution.predict_grid([[0.5, 0.25]], [[0.5, np.sin(0.5)]]).round(2)  # x = y = ½
    array([[0.25]])
    """

    features: np.ndarray

    def __post_init__(self) -> None:
        features = as_matrix(self.features, "features").astype(float, copy=False)
        object.__setattr__(self, "features", features)

    __repr__ = short_repr

    @property
    def shape(self) -> tuple[int, int]:
        """(n, n)."""
        return len(self.features), len(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def block(self, rows: np.ndarray | slice) -> np.ndarray:
        """The block of some points with each other."""
        some = self.features[rows]
        return some @ some.T

    def eigen(self, beside: np.ndarray) -> Eigen:
        """K = U diag(s) Uᵀ on its range, and zeros for what ``beside``, (n, m), spans besides.

        Offsets need as much of the null space.
        """
        return Eigen.of_features(self.features, beside)
