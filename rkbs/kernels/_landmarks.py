"""Landmarks of a kernel by randomly pivoted Cholesky, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rkbs.kernels.base import Kernel

_EPS = np.finfo(float).eps
_BLOCK = 32
"""Landmarks that are drawn at a time."""


def draw_landmarks(
    kernel: Kernel, points: np.ndarray, most: int, tol: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of landmarks, (r,), and the Cholesky factor C of their Gram matrix, (r, r).

    Each is drawn with a probability in proportion to what is left of its diagonal entry. There are
    fewer than ``most`` where what is left of the trace is a share of at most ``tol``, or rounding.
    """
    draw = _Draw(kernel, points, most)
    enough = max(tol, len(points) * _EPS) * draw.trace
    while draw.count < most and draw.left > enough:
        draw.add(rng, enough)
    rows = draw.rows[: draw.count]
    return rows, np.tril(draw.features[rows, : draw.count])


def diagonal(kernel: Kernel, points: np.ndarray) -> np.ndarray:
    """k(x_i, x_i), (n,)."""
    return kernel(points[:, None], points[:, None])[:, 0, 0].astype(float)


class _Draw:
    """The landmarks so far, and the features of all points by them."""

    def __init__(self, kernel: Kernel, points: np.ndarray, most: int) -> None:
        self.kernel, self.points, self.count = kernel, points, 0
        self.rest = diagonal(kernel, points)
        self.trace = self.left
        self.features = np.zeros((len(points), most))
        self.rows = np.zeros(most, dtype=np.intp)

    @property
    def left(self) -> float:
        """The trace of what is left out."""
        return float(self.rest.sum())

    def add(self, rng: np.random.Generator, enough: float) -> None:
        """A block of landmarks, as far as it takes, without those that others of it explain."""
        L, old = self.features, self.count
        size = min(_BLOCK, L.shape[1] - old, np.count_nonzero(self.rest))
        drawn = rng.choice(len(self.points), size, replace=False, p=self.rest / self.left)
        columns = self.kernel(self.points, self.points[drawn])
        columns = columns - L[:, :old] @ L[drawn, :old].T
        for place in _pivots(columns[drawn], _EPS * self.trace):
            if self.left > enough:
                self._append(columns[:, place], int(drawn[place]), old)
        if self.count == old:  # what was left of them was rounding
            self.rest[drawn] = 0.0

    def _append(self, column: np.ndarray, row: int, old: int) -> None:
        """The feature of a landmark, of its column less all features before the block."""
        L, last = self.features, self.count
        column = column - L[:, old:last] @ L[row, old:last]
        L[:, last] = column / np.sqrt(column[row])
        self.rows[last] = row
        self.rest = np.maximum(self.rest - L[:, last] ** 2, 0.0)
        self.rest[row] = 0.0
        self.count += 1


def _pivots(block: np.ndarray, least: float) -> list[int]:
    """Pivots of a Cholesky factorization, the largest first, down to ``least``.

    And down to a part of its own entry each, so that no column is a difference of equal ones.
    """
    block, places = block.copy(), []
    enough = np.maximum(block.diagonal() * np.sqrt(_EPS), least)
    while True:
        rest = np.where(block.diagonal() > enough, block.diagonal(), 0.0)
        place = int(rest.argmax())
        if not rest[place]:
            return places
        column = block[:, place] / np.sqrt(rest[place])
        block -= np.outer(column, column)
        block[place, place] = 0.0
        places.append(place)
