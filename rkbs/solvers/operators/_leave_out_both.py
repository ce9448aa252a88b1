"""Exact leave-out of a row and a column at once, the fourth setting, on a complete grid.

The prediction at (i, j) of the fit to all pairs without row i and without column j. K_X without
its row i has eigenvalues s_a and eigenvectors u_a, in which the fit falls apart into one ridge
regression on K_Y for each a, with the responses z_a, Z's other rows times u_a. Of these
leave-one-out is in closed form, as in ``LeaveOut``. With k_i, K_X's values of i with the others,

    h(i, j) = Σ_a (u_a·k_i) p_aj,   p_aj = ẑ_aj/s_a,   ẑ_aj the prediction without entry j.

With D_ab = α/(s_a t_b + α), w_a = Vᵀz_a, g_aj = Σ_b V_jb² D_ab and r_aj = Σ_b V_jb D_ab w_ab/g_aj,
ẑ_aj = z_aj − r_aj. Where s_a t_max ≤ α, that difference over s_a would lose all digits; there
p_aj = (Σ_b V_jb E_ab w_ab − z_aj Σ_b V_jb² E_ab)/g_aj, with E_ab = t_b/(s_a t_b + α), D = 1 − s E.

With a constant b, h + b(1 − h¹), h¹ the prediction of responses 1: b takes from the coefficients of
the fit their sum, Σ_a (u_a·1)(Σ_b v_b D_ab w_ab − r_aj π_aj), v = Vᵀ1 and π_aj = Σ_b V_jb D_ab v_b,
of which it has Σ_a (u_a·1)² (Σ_b v_b² D_ab − π_aj²/g_aj).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from rkbs._linalg import Eigen


def operations(n_x: int, n_y: int, alphas: int) -> float:
    """How many it takes: 9n⁴ + 4n³m, and 6n²m² for each α, n ≤ m the two sizes.

    Decompositions of n matrices, rotations, and three products of n × m by m × m matrices for each
    of n rows and α, of which the third is the constant's.
    """
    n, m = sorted((float(n_x), float(n_y)))
    return 9 * n**4 + 4 * n**3 * m + 6 * alphas * n**2 * m**2


def leave_out_both(
    grams: tuple[np.ndarray, np.ndarray],
    eigen: tuple[Eigen, Eigen],
    Z: np.ndarray,
    alphas: Sequence[float],
    constant: bool,
) -> np.ndarray:
    """z − ẑ of each pair and α, ẑ predicted by the fit without its row and without its column.

    Parameters
    ----------
    grams : arrays of shape (n_x, n_x), (n_y, n_y)
    eigen : (Eigen, Eigen)
        Their decompositions.
    Z : array of shape (n_x, n_y)
    alphas : sequence of float
    constant : bool
        Whether each fit has a constant of its own.

    Returns
    -------
    array of shape (number of α, n_x, n_y)
    """
    if Z.shape[0] > Z.shape[1]:  # of the smaller domain the rows are taken out one by one
        found = leave_out_both(grams[::-1], eigen[::-1], Z.T, alphas, constant)
        return found.transpose(0, 2, 1)
    columns, out = _Columns(eigen[1].eigenvalues, eigen[1].eigenvectors), []
    turned = Z @ columns.V
    for i in range(len(Z)):
        others = np.arange(len(Z)) != i
        part = Eigen.of(grams[0][np.ix_(others, others)], "a part of a Gram matrix")
        U, s = part.eigenvectors, part.eigenvalues
        seen = np.where(s > 0, grams[0][i, others] @ U, 0.0)
        row = _Row(s, seen, U.sum(0), U.T @ Z[others], U.T @ turned[others])
        out.append([Z[i] - columns.predictions(row, alpha, constant) for alpha in alphas])
    return np.array(out).transpose(1, 0, 2)


class _Row(NamedTuple):
    """A row that is left out, and the other rows in the eigenbasis of their Gram matrix.

    Attributes
    ----------
    s, seen, ones : arrays of shape (n,)
        Their eigenvalues, u_a·k_i and u_a·1.
    z, w : arrays of shape (n, m)
    """

    s: np.ndarray
    seen: np.ndarray
    ones: np.ndarray
    z: np.ndarray
    w: np.ndarray


@final
@dataclass(frozen=True, eq=False)
class _Columns:
    """The columns, of which one after the other is left out.

    Attributes
    ----------
    t : array of shape (m,)
    V : array of shape (m, m)
    """

    t: np.ndarray
    V: np.ndarray

    def predictions(self, row: _Row, alpha: float, constant: bool) -> np.ndarray:
        """h at the row, for each column of the fit without it: (m,)."""
        V, t, s = self.V, self.t, row.s[:, None]
        D = alpha / (s * t + alpha)
        low = s * t.max() <= alpha
        part = np.where(low, D * (t / alpha), D)  # E or D
        squares = part @ (V * V).T
        g = np.where(low, 1 - s * squares, squares)
        scale = np.where(low, 1.0, -s) * g
        crossed = (part * row.w) @ V.T
        p = (crossed - row.z * squares) / scale
        h = row.seen @ p
        if not constant:
            return h
        v, u = V.sum(0), row.ones
        ones = (part * v) @ V.T
        pi = np.where(low, 1 - s * ones, ones)
        left_out = np.where(low, row.z - s * p, crossed / g)
        sums = u @ ((D * row.w) @ v) - u @ (left_out * pi)
        size = u**2 @ (D @ v**2) - u**2 @ (pi * pi / g)
        return h + sums / size * (1 - (row.seen * u) @ ((ones - squares) / scale))
