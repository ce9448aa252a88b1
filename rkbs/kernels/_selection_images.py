"""Kernels behind linear maps onto a space: what they select is what the kernel selects there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rkbs.kernels.base import Kernel
from rkbs.kernels.pullback import LinearMap, Pullback


@dataclass(frozen=True)
class Images:
    """κ(W^Q x, W^K y) for W^Q, W^K of full row rank: κ on all of R^d, d their number of rows.

    ``back_x`` and ``back_y`` are their right inverses, None for the identity.
    """

    kernel: Kernel
    d: int
    back_x: np.ndarray | None
    back_y: np.ndarray | None

    @classmethod
    def of(cls, kernel: Kernel, d: int) -> Images | None:
        """Of a pullback by matrices of R^d onto their images; None of any other kernel."""
        if not isinstance(kernel, Pullback):
            return None
        backs = []
        for of in (kernel.map_x, kernel.map_y):
            if of is None:
                backs.append((d, None))
                continue
            onto = isinstance(of, LinearMap) and of.matrix.shape[1] == d
            if not onto or np.linalg.matrix_rank(of.matrix) < of.matrix.shape[0]:
                return None
            backs.append((of.matrix.shape[0], np.linalg.pinv(of.matrix)))
        (d_x, back_x), (d_y, back_y) = backs
        return cls(kernel.kernel, d_x, back_x, back_y) if d_x == d_y else None

    def points(self, queries: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points whose images these are."""
        return (
            queries if self.back_x is None else queries @ self.back_x.T,
            keys if self.back_y is None else keys @ self.back_y.T,
        )
