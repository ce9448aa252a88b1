"""The leading singular values and vectors of a matrix that is known by its products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, final

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, svds

from rkbs._linalg import svd

_SMALL = 40
"""Matrices with fewer rows or columns are decomposed whole."""
_SHARE = 0.15
"""So are those of which a larger part is asked for."""


class LinearOperation(Protocol):
    """A matrix G by G V and Gᵀ U."""

    def times(self, V: np.ndarray) -> np.ndarray: ...

    def transposed_times(self, U: np.ndarray) -> np.ndarray: ...


class Triplets(NamedTuple):
    """Singular vectors, in columns, and values, decreasing."""

    U: np.ndarray
    sigma: np.ndarray
    V: np.ndarray

    def chosen(self, which: np.ndarray) -> Triplets:
        """Those where ``which`` is True."""
        return Triplets(self.U[:, which], self.sigma[which], self.V[:, which])


@final
@dataclass(frozen=True, eq=False)
class Deflated:
    """(I − U Uᵀ) G (I − V Vᵀ)/unit, U and V with orthonormal columns: what they leave of G."""

    products: LinearOperation
    U: np.ndarray
    V: np.ndarray
    unit: float

    @property
    def shape(self) -> tuple[int, int]:
        """Of G."""
        return len(self.U), len(self.V)

    def times(self, V: np.ndarray) -> np.ndarray:
        """Of vectors (r_y,) or matrices (r_y, m)."""
        image = self.products.times(V - self.V @ (self.V.T @ V)) / self.unit
        return image - self.U @ (self.U.T @ image)

    def transposed_times(self, U: np.ndarray) -> np.ndarray:
        """Of vectors (r_x,) or matrices (r_x, m)."""
        image = self.products.transposed_times(U - self.U @ (self.U.T @ U)) / self.unit
        return image - self.V @ (self.V.T @ image)


def leading(matrix: Deflated, count: int, tol: float) -> Triplets:
    """U, σ and V of the ``count`` largest singular values, decreasing, to a relative ``tol``.

    By Lanczos (ARPACK) from a start of a seed of its own; small matrices, and those on which it
    fails, are decomposed whole. It takes absolute thresholds: the matrix should be near 1 in size.
    """
    (rows, columns), least = matrix.shape, min(matrix.shape)
    if count <= 0:
        return Triplets(np.zeros((rows, 0)), np.zeros(0), np.zeros((columns, 0)))
    if least > _SMALL and count < _SHARE * least:
        operator = LinearOperator(
            matrix.shape, matrix.times, matrix.transposed_times, dtype=np.dtype(float)
        )
        start = np.random.default_rng(0).standard_normal(least)
        try:
            U, sigma, Vt = svds(operator, k=count, v0=start, tol=tol)
        except ArpackError:
            pass
        else:
            order = np.argsort(-sigma)
            return Triplets(U[:, order], sigma[order], Vt[order].T)
    whole = (
        matrix.times(np.eye(columns))
        if columns <= rows
        else (matrix.transposed_times(np.eye(rows)).T)
    )
    U, sigma, Vt = svd(whole)
    return Triplets(U[:, :count], sigma[:count], Vt[:count].T)
