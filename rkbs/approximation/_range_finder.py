"""The leading part of a singular value decomposition by random projections, and what is left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_BLOCK = 32
"""Directions a step: products with so many columns run at the speed of large ones."""


class Leading(NamedTuple):
    """F = left diag(sigma) rightᵀ + R with orthonormal columns, leftᵀ R = 0 and ‖R‖ = remainder.

    sigma are the singular values of a projection of F: each is at most that of F, and the squares
    of all singular values of F exceed those of sigma by remainder² in sum.
    """

    left: np.ndarray
    sigma: np.ndarray
    right: np.ndarray
    remainder: float


def leading_svd(F: np.ndarray, tolerance: float, most: int) -> Leading:
    """Singular values and vectors of QᵀF, Q of so many columns that ‖F − QQᵀF‖ ≤ ``tolerance``.

    Q grows by the range of R RᵀR Ω, R = F − QQᵀF and Ω Gaussian of ``_BLOCK`` columns from a seed
    of its own: the result is a function of F. The remainder is the norm of R itself, in which
    nothing cancels.

    Source: Halko, Martinsson & Tropp (SIAM Review 2011); Yu, Gu & Li (SIMAX 2018).

    Parameters
    ----------
    F : array of shape (n, m)
    tolerance : float
    most : int
        Columns of Q that are not exceeded, at least ``_BLOCK``, whatever is left.
    """
    rng = np.random.default_rng(0)
    Q, B, R = np.zeros((len(F), 0)), np.zeros((0, F.shape[1])), F.astype(float)
    while (remainder := float(np.linalg.norm(R))) > tolerance and len(B) + _BLOCK <= most:
        seen = np.linalg.qr(R.T @ (R @ rng.standard_normal((F.shape[1], _BLOCK))))[0]
        new = np.linalg.qr(R @ seen)[0]
        new = np.linalg.qr(new - Q @ (Q.T @ new))[0]  # again: R is orthogonal to Q but for rounding
        rows = new.T @ R
        R -= new @ rows
        Q, B = np.hstack([Q, new]), np.vstack([B, rows])
    left, sigma, right = np.linalg.svd(B, full_matrices=False)
    return Leading(Q @ left, sigma, right.T, remainder)
