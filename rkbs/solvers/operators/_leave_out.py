"""Exact leave-out on a complete grid, from the eigendecompositions of the two Gram matrices.

With U, V the eigenvectors, H the fit's smoother and D = diag(α/(s_a t_b + α)) the eigenvalues of
I − H, a left-out set B of pairs has the residuals ((I − H)_BB)⁻¹ ((I − H) z)_B.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpocon, dpotrf

from rkbs.data._groups import Groups

_REGULAR = 1e-6
"""A matrix of this inverse condition loses so many digits that 1e-10 is left of a solution."""


@final
@dataclass(frozen=True, eq=False)
class LeaveOut:
    """What is left out of the fits at one α, to responses of any number.

    Attributes
    ----------
    U, V : arrays of shape (n_x, n_x), (n_y, n_y)
    left_over : array of shape (n_x, n_y)
        α/(s_a t_b + α).
    leave : {"pair", "row", "column"}
    groups : Groups
    """

    U: np.ndarray
    V: np.ndarray
    left_over: np.ndarray
    leave: str
    groups: Groups

    def fitted(self, rotated: np.ndarray) -> np.ndarray:
        """(I − H) z on the grid, of UᵀZV."""
        return self.U @ (self.left_over * rotated) @ self.V.T

    def residuals(self, rotated: np.ndarray, fitted: np.ndarray | None = None) -> np.ndarray:
        """z − ẑ on the grid, (n_x, n_y), each group of rows, columns or cells left out as a whole.

        Parameters
        ----------
        rotated : array of shape (n_x, n_y)
            UᵀZV.
        fitted : array of shape (n_x, n_y), optional
            ``fitted(rotated)``, where it is known.
        """
        known = fitted if self.leave == "pair" else None
        return self.on_grid(self.solved(rotated, known))

    def seen(self, rotated: np.ndarray) -> np.ndarray:
        """(I − H) z where the blocks are simplest, of UᵀZV: (n_x, n_y).

        (I − H)_BB is diagonal in K_Y's eigenbasis for rows, which this is in, and in K_X's for
        columns; ``on_grid`` takes it, and what is made of it row by row, to the grid.
        """
        if self.leave == "row":
            return self.U @ (self.left_over * rotated)
        if self.leave == "column":
            return (self.left_over * rotated) @ self.V.T
        return self.fitted(rotated)

    def solved(self, rotated: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
        """z − ẑ in the bases of ``seen``, which is given where it is known."""
        U, V, D, groups = self.U, self.V, self.left_over, self.groups
        seen = self.seen(rotated) if seen is None else seen
        if self.leave == "row":
            return _rows(U, D, self._sums, D * rotated, seen, groups.x)
        if self.leave == "column":
            return _rows(V, D.T, self._sums, (D * rotated).T, seen.T, groups.y).T
        return self._cells(seen / self.diagonal, D * rotated)

    def on_grid(self, values: np.ndarray) -> np.ndarray:
        """Values in the bases of ``seen`` on the grid."""
        if self.leave == "row":
            return values @ self.V.T
        return self.U @ values if self.leave == "column" else values

    @cached_property
    def _sums(self) -> np.ndarray:
        """Σ_a U_ia² D_ab; Σ_b V_jb² D_ab where columns are left out."""
        if self.leave == "column":
            return (self.V * self.V) @ self.left_over.T
        return (self.U * self.U) @ self.left_over

    @cached_property
    def diagonal(self) -> np.ndarray:
        """The diagonal of I − H, on the grid."""
        return self._sums @ (self.V * self.V).T

    def _cells(self, found: np.ndarray, C: np.ndarray) -> np.ndarray:
        """Of all pairs of a group of rows and a group of columns, from all of D."""
        U, V, D = self.U, self.V, self.left_over
        rows, columns = list(_repeated(self.groups.x)), list(_repeated(self.groups.y))
        for column in columns:
            found[:, column] = _blocks(V[column], self._sums, U @ C)
        right = D @ (V * V).T if rows else D  # summed over b, for single columns
        for row in rows:
            found[row] = _blocks(U[row], right.T, (C @ V.T).T).T
            summed = np.einsum("ia,ja,ab->ijb", U[row], U[row], D, optimize=True)
            for column in columns:
                block = np.einsum("ijb,kb,lb->ikjl", summed, V[column], V[column], optimize=True)
                size = len(row) * len(column)
                found[np.ix_(row, column)] = _block(
                    block.reshape(size, size), U[row], V[column], D, C
                )
        return found


def _rows(
    U: np.ndarray,
    D: np.ndarray,
    sums: np.ndarray,
    C: np.ndarray,
    seen: np.ndarray,
    labels: np.ndarray,
) -> np.ndarray:
    """For each column b by itself: the blocks of U diag(D_b) Uᵀ, with the right side U C_b."""
    found = seen / sums
    for rows in _repeated(labels):
        found[rows] = _blocks(U[rows], D.T, C.T).T
    return found


def _block(
    matrix: np.ndarray, U: np.ndarray, V: np.ndarray, D: np.ndarray, C: np.ndarray
) -> np.ndarray:
    """matrix⁻¹ (U C Vᵀ), for pairs of all rows of U and of V; from its root where it is singular.

    The matrix is small, its root (U ⊗ V) diag(D)^{1/2} as long as there are pairs in the grid.
    """
    right = U @ C @ V.T
    factor, info = dpotrf(matrix, lower=1)
    if info == 0 and dpocon(factor, np.linalg.norm(matrix, 1), uplo="L")[0] > _REGULAR:
        return cho_solve((factor, True), right.ravel()).reshape(right.shape)
    return _blocks(np.kron(U, V), D.reshape(1, -1), C.reshape(1, -1)).reshape(right.shape)


def _repeated(labels: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of each label that several have."""
    for label in np.flatnonzero(np.bincount(labels) > 1):
        yield np.flatnonzero(labels == label)


def _blocks(V: np.ndarray, D: np.ndarray, C: np.ndarray) -> np.ndarray:
    """(V diag(D_k) Vᵀ)⁻¹ V C_k for each k: (m, n), (k, n), (k, n) → (k, m).

    As the least squares problem diag(D_k)^{1/2} Vᵀ r ≈ C_k/D_k^{1/2}, whose normal equations these
    are: the smallest D_k count. Large rows come first, so that QR keeps the digits of small ones.
    """
    order = np.argsort(-D, axis=1)
    root = np.sqrt(np.take_along_axis(D, order, 1))  # (k, n)
    Q, R = np.linalg.qr(root[:, :, None] * V.T[order])  # (k, n, m), (k, m, m)
    right = np.take_along_axis(C, order, 1) / root
    return np.linalg.solve(R, (right[:, None] @ Q).mT)[..., 0]
