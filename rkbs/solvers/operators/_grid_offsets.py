"""Offsets in ridge regression on a complete grid: the Schur complement of their unknowns.

With L = I − H, the fit's residual operator without offsets, c = L(z − Eθ), and Eᵀc = Dθ gives
(EᵀLE + D) θ = EᵀLz. The effects of rows and of columns share no eigenbasis, but each column of E is
a product of a vector over rows and one over columns: in the eigenbases of the Gram matrices it is
p ⊗ v for the constant and the rows, u ⊗ p for the columns, u = Uᵀ1 and v = Vᵀ1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from rkbs._linalg import parts
from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.problems.offsets import Offsets
from rkbs.solvers.operators._leave_out import LeaveOut
from rkbs.solvers.operators._offset_system import OffsetSystem


@final
@dataclass(frozen=True, eq=False)
class GridOffsets:
    """The offsets of a complete grid, in the eigenbases of its Gram matrices.

    Attributes
    ----------
    U, V : arrays of shape (n_x, n_x), (n_y, n_y)
        All eigenvectors.
    left_over : array of shape (n_x, n_y)
        α/(s_a t_b + α), the eigenvalues of L.
    offsets : Offsets
    pairs : Pairs
        The grid.
    alpha : float
    scales : pair of arrays of shape (n_x,), (n_y,), or None
        What the rows of E have beside their ones: of row i and column j the product.
    """

    U: np.ndarray
    V: np.ndarray
    left_over: np.ndarray
    offsets: Offsets
    pairs: Pairs
    alpha: float
    scales: tuple[np.ndarray, np.ndarray] | None = None

    @cached_property
    def _members(self) -> tuple[np.ndarray, np.ndarray]:
        """What each row, and each column, adds to the sums over them."""
        if self.scales is None:
            return self.U, self.V
        return self.scales[0][:, None] * self.U, self.scales[1][:, None] * self.V

    @cached_property
    def u(self) -> np.ndarray:
        """Uᵀ1."""
        return self._members[0].sum(0)

    @cached_property
    def v(self) -> np.ndarray:
        """Vᵀ1."""
        return self._members[1].sum(0)

    @cached_property
    def left(self) -> np.ndarray:
        """The first factors of the constant and of the rows' effects, Uᵀ[1, A_x]."""
        one = [self.u[:, None]] * self.offsets.constant
        return np.hstack([*one, _summed(self._members[0], self.offsets.rows)])

    @cached_property
    def right(self) -> np.ndarray:
        """The second factors of the columns' effects, VᵀA_y."""
        return _summed(self._members[1], self.offsets.columns)

    def spread(self, theta: np.ndarray) -> np.ndarray:
        """Uᵀ(Eθ)V: (p,) → (n_x, n_y)."""
        rows, columns = self._factors(theta)
        out = np.outer(rows, self.v)
        out += np.outer(self.u, columns)
        return out

    def _factors(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """r and s of Uᵀ(Eθ)V = r vᵀ + u sᵀ."""
        split = self.left.shape[1]
        return self.left @ theta[:split], self.right @ theta[split:]

    def sums(self, rotated: np.ndarray) -> np.ndarray:
        """Eᵀ of the values whose rotation is given, the adjoint: (n_x, n_y) → (p,)."""
        return np.concatenate([self.left.T @ (rotated @ self.v), self.right.T @ (self.u @ rotated)])

    @cached_property
    def schur(self) -> OffsetSystem:
        """S = EᵀLE + D, whose entries are sums over the eigenbases."""
        D, u, v = self.left_over, self.u, self.v
        across = (self.left.T * u) @ (D @ (v[:, None] * self.right))
        seen = np.block(
            [
                [(self.left.T * (D @ v**2)) @ self.left, across],
                [across.T, (self.right.T * (u**2 @ D)) @ self.right],
            ]
        )
        return OffsetSystem.of(self.offsets, self.pairs, seen, self.alpha)

    def taken(self, rotated: np.ndarray) -> np.ndarray:
        """θ = S⁻¹EᵀLz of the responses whose rotation is given, refined once; they lose Eθ."""
        theta, decay = np.zeros(self.offsets.size), self.offsets.decay(self.alpha)
        for _ in range(2):
            step = self.schur.solve(self._seen_sums(rotated) - decay * theta)
            rows, columns = self._factors(step)
            for some in parts(len(rotated)):
                rotated[some] -= np.multiply.outer(rows[some], self.v)
                if self.right.size:
                    rotated[some] -= np.multiply.outer(self.u[some], columns)
            theta += step
        return theta

    def _seen_sums(self, rotated: np.ndarray) -> np.ndarray:
        """EᵀLz, ``sums`` of L times the values whose rotation is given."""
        rows = np.einsum("ab,ab,b->a", self.left_over, rotated, self.v)
        columns = np.einsum("a,ab,ab->b", self.u, self.left_over, rotated)
        return np.concatenate([self.left.T @ rows, self.right.T @ columns])

    def leave_out(self, rotated: np.ndarray, leave: str, groups: Groups) -> np.ndarray:
        """z − ẑ on the grid, (R_BB)⁻¹ (Rz)_B for each group B, with R = L − LE S⁻¹ EᵀL.

        Parameters
        ----------
        rotated : array of shape (n_x, n_y)
            UᵀZV.
        leave, groups
            As of ``LeaveOut``.
        """
        rotated = rotated.copy()
        self.taken(rotated)
        label = self.pairs.matrix(groups.of_pairs(self.pairs, leave)).astype(np.intp)
        if self.offsets.size == 1:
            return self._leave_out_constant(rotated, leave, groups, label)
        return self._leave_out_blocks(rotated, label)

    def _leave_out_constant(
        self, rotated: np.ndarray, leave: str, groups: Groups, label: np.ndarray
    ) -> np.ndarray:
        """By Sherman & Morrison, from two solves with L_BB."""
        left_out = LeaveOut(self.U, self.V, self.left_over, leave, groups)
        ones = self.spread(np.ones(1))
        seen = left_out.fitted(ones)
        plain, moved = left_out.residuals(rotated), left_out.residuals(ones, seen)
        plain_sums, moved_sums = (
            np.bincount(label.ravel(), (seen * part).ravel()) for part in (plain, moved)
        )
        S = float(self.sums(self.left_over * ones)[0])
        return plain + moved * (plain_sums / (S - moved_sums))[label]

    def _leave_out_blocks(self, rotated: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Block by block, with the matrix R_BB itself."""
        U, V, D = self.U, self.V, self.left_over
        found = U @ (D * rotated) @ V.T
        diagonal = (U * U) @ D @ (V * V).T
        alone = np.bincount(label.ravel())[label] == 1
        for i in np.flatnonzero(alone.any(1)):
            G = self._seen(np.full(len(V), i), np.arange(len(V)))
            R = diagonal[i] - (G * self.schur.solve(G.T).T).sum(1)
            found[i] = np.where(alone[i], found[i] / R, found[i])
        for rows, columns in _blocks(label, ~alone):
            G = self._seen(rows, columns)
            R = self._block(rows, columns) - G @ self.schur.solve(G.T)
            found[rows, columns] = _solve(R, found[rows, columns])
        return found

    def _seen(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """(LE)_B, (b, p)."""
        U, V, D = self.U[rows], self.V[columns], self.left_over
        return np.hstack(
            [(U * (V @ (D * self.v).T)) @ self.left, (V * (U @ (self.u[:, None] * D))) @ self.right]
        )

    def _block(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """L_BB, (b, b), of all pairs of some rows with some columns."""
        (names, i), (others, j) = (
            np.unique(index, return_inverse=True) for index in (rows, columns)
        )
        U, V = self.U[names], self.V[others]
        out = np.empty((len(rows), len(rows)))
        for k in range(len(names)):
            for m in range(len(names)):
                part = (V * ((U[k] * U[m]) @ self.left_over)) @ V.T
                mine, other = np.flatnonzero(i == k), np.flatnonzero(i == m)
                out[np.ix_(mine, other)] = part[np.ix_(j[mine], j[other])]
        return out


def _summed(vectors: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """The rows of each label added up, as columns: (n, n) → (n, m)."""
    if labels is None:
        return np.zeros((vectors.shape[1], 0))
    out = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(out, labels, vectors)
    return out.T


def _blocks(label: np.ndarray, chosen: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of the cells of each label among the chosen."""
    for name in np.unique(label[chosen]):
        yield np.nonzero(label == name)


def _solve(R: np.ndarray, right: np.ndarray) -> np.ndarray:
    """R⁻¹ right; by least squares where rounding has made R singular."""
    try:
        return cho_solve(cho_factor(R), right)
    except LinAlgError:
        return lstsq(R, right)[0]
