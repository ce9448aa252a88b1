"""Bounds of |E|, E = F − q·k, on cells, and the largest |E| found: both ends of a bracket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from rkbs._arrays import check_finite
from rkbs.approximation._cells import WIDEN, Cells, Tree, missed
from rkbs.approximation._panels import (
    DEGREE,
    LEBESGUE,
    SAFE,
    SHIFTED,
    TRANSFORM,
    UNIT,
    Axis,
    Panels,
    Tower,
    dropped,
    oversample,
    surface_missed,
)
from rkbs.approximation.surface import Surface, Target

SURFACE_ROUNDING = 64
"""F as tabulated in float64 is trusted to this many units of roundoff of its bound on [−1, 1]²."""
ARITHMETIC = 16 * (DEGREE + 1) ** 3 * UNIT
"""Times Σ |c_ab| and max |E| at the nodes: rounding of the transform and of the oversampled grid.

T_a(x) is off by at most (6a² + 10a) u, a coefficient by (2K + 32) u Σ_kl |D_ak| |E_kl| |D_lb|.
"""
MOST_GAIN = 16.0
"""Of an oversampled grid. Its values are off by at most 9700 u Σ |c_ab|, T_a's error and that of
the points included; the factor multiplies that, and ``ARITHMETIC`` covers it 16 times."""
GRID = 65
"""Points of the first look along each axis."""
STEEP, STEPS = 32.0, 256
"""Units steeper than that hide from it, and have points of their own: at most this many."""
BATCH = 256
"""Cells whose coefficients are held at a time."""


@dataclass(eq=False)
class Search:
    """The largest |E| found so far, and what it takes to bound |E| everywhere else."""

    target: Target
    query: Tower
    key: Tower
    ratio: float
    lower: float = 0.0
    where: tuple[float, float] = (0.0, 0.0)

    def noise(self, q: np.ndarray, k: np.ndarray, dq: np.ndarray, dk: np.ndarray) -> np.ndarray:
        """Rounding of F − q·k at c points, from |q_l|, |k_l| (c, d) and their own rounding."""
        products = (q.shape[1] + 4) * UNIT * np.vecdot(q, k) + np.vecdot(dq, k + dk)
        products += np.vecdot(q, dk)
        return SAFE * (SURFACE_ROUNDING * UNIT * self.target.analytic_bound(1.0) + products)

    def improve(self, t: float, s: float) -> None:
        """Raise the lower bound to |E(t, s)| less its rounding, if that is more."""
        t, s = np.array([t]), np.array([s])
        (q, dq), (k, dk) = self.query(t), self.key(s)
        found = np.abs(self.target(t, s) - q @ k.T)
        below = float((found - self.noise(np.abs(q), np.abs(k), dq, dk)).item() / SAFE)
        if below > self.lower:
            self.lower, self.where = below, (float(t.item()), float(s.item()))

    def run(self, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """Cover the square with at most ``limit`` cells and bound |E| on each.

        Returns
        -------
        edges : array of shape (c, 4)
            (t0, t1, s0, s1) of each cell.
        bounds : array of shape (3, c)
            Of |E| on it, and what rounding and interpolation have added.
        """
        surface = cache(partial(surface_missed, self.target.analytic_bound))
        x, y = (Tree(tower, surface) for tower in (self.query, self.key))
        cells = Cells(x, y, self.target.pieces is not None, self.noise)
        # A sixteenth of the slack: what the oversampled grids leave is little more than that.
        cells.refine((self.ratio - 1) / 16 * self.look(), limit)
        bounds = np.zeros((3, len(cells)))
        bounds[0] = -np.inf
        for piece, side, some in self.pieces(cells):
            for batch in np.split(some, range(BATCH, len(some), BATCH)):
                found = self.bound(x.axis, y.axis, cells.i[batch], cells.j[batch], piece, side)
                bounds[:, batch] = np.where(found[0] > bounds[0, batch], found, bounds[:, batch])
        edges = [tree.axis.panels.edges[n] for tree, n in ((x, cells.i), (y, cells.j))]
        return np.concatenate(edges, axis=1), bounds

    def look(self) -> float:
        """A first estimate of sup |E|, at an even grid and where units are steep."""
        even = np.linspace(-1, 1, GRID)
        t, s = (np.union1d(even, tower.steps(STEEP, STEPS)) for tower in (self.query, self.key))
        found = np.abs(self.target(t, s) - self.query(t)[0] @ self.key(s)[0].T)
        i, j = np.unravel_index(found.argmax(), found.shape)
        self.improve(t[i], s[j])
        return float(found[i, j])

    def pieces(self, cells: Cells) -> Iterator[tuple[Surface, int, np.ndarray]]:
        """Analytic pieces of F, the triangle of the cells that they cover (0: all), and the cells.

        With a crease F is one piece on cells with t ≥ s, another where t ≤ s, and each of the two
        on the triangles of the cells on the diagonal. Cells of one panel in t are neighbors.
        """
        order = np.argsort(cells.i, kind="stable")
        if not self.target.pieces:
            yield self.target.function, 0, order
            return
        sides = cells.sides()[order]
        for piece, side in zip(self.target.pieces, (1, -1), strict=True):
            yield piece, 0, order[sides == side]
            yield piece, side, order[sides == 0]

    def bound(
        self, x: Axis, y: Axis, i: np.ndarray, j: np.ndarray, piece: Surface, side: int
    ) -> np.ndarray:
        """Bounds on the cells x[i] × y[j], or on one triangle of each, (3, c) as ``run`` does."""
        F = np.empty((len(i), DEGREE + 1, DEGREE + 1))
        for panel in np.unique(i):
            some = i == panel
            t, s = x.panels.nodes[panel], y.panels.nodes[j[some]]
            table = piece(t[:, None], s.reshape(-1, 1)).reshape(DEGREE + 1, *s.shape)
            F[some] = table.swapaxes(0, 1)
        E = F - x.at_nodes[i] @ y.at_nodes[j].swapaxes(1, 2)  # (c, K + 1, K + 1)
        check_finite(E, f"the error of target {self.target.name!r}")  # NaN would pass as small
        tables = TRANSFORM @ E @ TRANSFORM.T
        noise = LEBESGUE**2 * self.noise(x.sizes[i], y.sizes[j], x.noise[i], y.noise[j])
        noise += ARITHMETIC * (np.abs(tables).sum((1, 2)) + np.abs(E).max((1, 2)))
        rounding, remainder = SAFE * noise / SHIFTED, WIDEN * sum(missed(x, y, i, j))
        beside = rounding + remainder
        peaks = self.peaks(tables, beside, x.panels[i], y.panels[j], side)
        found = np.stack([SAFE * (peaks + beside), rounding, remainder])
        return check_finite(found, "a bound of the error, from analytic_bound or the head,")

    def peaks(
        self, tables: np.ndarray, beside: np.ndarray, x: Panels, y: Panels, side: int
    ) -> np.ndarray:
        """Bounds of |I E|: Σ |c_ab|, and where that leaves a cell open, an oversampled grid's.

        ``beside``, (c,), bounds |E| − |I E|.
        """
        peaks = np.abs(tables).sum((1, 2)) / SHIFTED
        tails = dropped(tables)
        enough = (self.ratio - 1) / 10 * np.maximum(self.lower, beside)
        degrees = (tails <= enough[:, None]).argmax(1)
        waiting = peaks + beside > self.lower
        gain = min(1 + 0.7 * (self.ratio - 1), MOST_GAIN)
        for m in np.unique(degrees[waiting]):
            cells = np.flatnonzero(waiting & (degrees == m))
            cut = tables[cells, : m + 1, : m + 1]
            u, v, values, factor = oversample(cut, gain, side)
            found = np.abs(values)
            bounds = (factor * found.max((1, 2)) + tails[cells, m]) / SHIFTED
            peaks[cells] = np.minimum(peaks[cells], bounds)
            if found.max() > self.lower:
                k, *at = np.unravel_index(found.argmax(), found.shape)
                n = cells[k]
                t = x.centers[n] + x.halves[n] * u[*at]
                self.improve(t, y.centers[n] + y.halves[n] * v[*at])
        return peaks
