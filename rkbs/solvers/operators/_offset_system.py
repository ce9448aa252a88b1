"""Linear systems of the offsets, regular however small the weight of the effects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from rkbs.data.pairs import Pairs
from rkbs.problems.offsets import Offsets

_EPS = np.finfo(float).eps


@final
@dataclass(frozen=True, eq=False)
class OffsetSystem:
    """S θ = r with S = EᵀAE + D, A positive semi-definite, for r in the range of Eᵀ.

    Where EN = 0 only D is left of S, and rounding hides a small one; but Nᵀr = 0 and so NᵀDθ = 0.
    These equations are added: with B the effects' part of N, S + κBBᵀ has the same solution.

    Attributes
    ----------
    factor : (array of shape (p, p), bool)
        The Cholesky factor of S + κBBᵀ.
    """

    factor: tuple[np.ndarray, bool]

    @classmethod
    def of(cls, offsets: Offsets, pairs: Pairs, seen: np.ndarray, alpha: float) -> OffsetSystem:
        """The system of EᵀAE."""
        B = tie_rows(offsets, pairs, float(seen.diagonal().max()))
        S = seen + B.T @ B + np.diag(offsets.decay(alpha))
        try:
            return cls(cho_factor(S))
        except LinAlgError:  # what is left is hidden by rounding
            hidden = len(S) * _EPS * S.diagonal()
            return cls(cho_factor(S + np.diag(hidden)))

    def solve(self, r: np.ndarray) -> np.ndarray:
        """θ, of one r or of several: (p,) or (p, k)."""
        return cho_solve(self.factor, r)


def tie_rows(offsets: Offsets, pairs: Pairs, size: float) -> np.ndarray:
    """κ^½Bᵀ, (k, p), with κ‖B_k‖² = ``size``."""
    B = offsets.ties(pairs)
    B[: int(offsets.constant)] = 0.0
    return np.sqrt(size) * (B / np.linalg.norm(B, axis=0)).T
