"""Certified sup errors: a bracket of sup |F − G| over all of [−1, 1]², which no grid can give.

The square is cut into products of panels, fine enough for interpolation of degree K in each
variable to miss next to nothing of E = F − G (a bound, not an estimate). The interpolant of a
cell is a polynomial with E's own small coefficients. What is beyond the degree m that matters is
dropped and its coefficients' sum kept; the rest is evaluated on a grid of n ≫ m Chebyshev points,
between which no polynomial of degree m rises by more than 1/cos(mπ/2n) (Ehlich & Zeller, Math.
Z. 86, 1964). As E itself is interpolated, not F and G apart, nothing of their cancellation is
lost. Source: theory §4, "Certified error".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import as_floating, check_count, check_finite, check_number, is_tensor, short_repr
from rkbs._panels import (
    DEGREE,
    LEBESGUE,
    SAFE,
    SHIFT,
    TRANSFORM,
    UNIT,
    Axis,
    Panels,
    Tower,
    dropped,
    oversample,
    surface_missed,
)
from rkbs.quadrature import evaluate
from rkbs.targets import Surface, Target

SURFACE_ROUNDING = 64
"""F as tabulated in float64 is trusted to this many units of roundoff of its bound on [−1, 1]²."""
ARITHMETIC = 16 * (DEGREE + 1) ** 3 * UNIT
"""Times Σ |c_ab| and max |E| at the nodes: rounding of the transform and of the oversampled grid.

T_a(x) is off by at most (6a² + 10a) u, a coefficient by (2K + 32) u Σ_kl |D_ak| |E_kl| |D_lb|.
"""
SHIFTED = 1 - LEBESGUE**2 * DEGREE**2 * SHIFT
"""|I E| at the exact points, from which the nodes differ, over |I E| as computed, at least."""
NARROWEST = 1.00001
"""The least ratio that may be asked for; the grids of the cells grow as (ratio − 1)^{−1/2}."""
WORST = 32
"""How many of the worst cells a bracket lists."""


@final
@dataclass(frozen=True, eq=False)
class SupBracket:
    """lower ≤ sup |F − G| ≤ upper over [−1, 1]².

    Parameters
    ----------
    lower, upper : float
    where : (float, float)
        A point (t, s) with |F − G| ≥ lower.
    cells : int
        Products of panels that cover the square.
    worst : array of shape (≤ 32, 4)
        The cells (t0, t1, s0, s1) with the largest upper bounds, the largest first.
    rounding, remainder : float
        What float arithmetic and interpolation contribute to ``upper``.
    """

    lower: float
    upper: float
    where: tuple[float, float]
    cells: int
    worst: np.ndarray
    rounding: float
    remainder: float

    __repr__ = short_repr

    @property
    def ratio(self) -> float:
        """upper/lower, infinite where nothing is known from below."""
        return self.upper / self.lower if self.lower > 0 else math.inf


def certified_sup_error(
    target: Target,
    head_weights: Mapping[str, np.ndarray],
    *,
    ratio: float = 1.05,
    max_cells: int = 1 << 16,
) -> SupBracket:
    """A bracket of sup |F(t, s) − Σ_l q_l(t) k_l(s)| over [−1, 1]², q and k two-layer tanh nets.

    The bracket always holds, for the parameters as the float64 numbers that they are. It is wider
    than ``ratio`` only where ``max_cells``, or panels of width 2^−16, do not suffice for the slopes
    of the hidden units (from about 1e6 on), or where sup |E| is near rounding (output weights that
    cancel): its ``ratio`` property tells.

    Parameters
    ----------
    target : Target
        On the line, with ``analytic_bound``, and tabulated to within ``SURFACE_ROUNDING`` units of
        roundoff of its bound for ρ = 1.
    head_weights : mapping
        As ``ConstructiveHead.weights()`` gives them, d_x = d_y = 1.
    ratio : float
        upper/lower to be reached, at least ``NARROWEST``.
    max_cells : int
        Of products of panels, about a thousand evaluations of F each.

    Raises
    ------
    ValueError
        For a target not on the line, without ``analytic_bound``, or with one that its own values
        refute; for weights with missing or unknown names, of shapes that do not fit together, or
        not finite.
    """
    if not isinstance(target, Target):
        raise TypeError(
            "target must be a Target, whose analytic_bound says what F does between points, got "
            f"{type(target).__name__}"
        )
    if target.dim != 1:
        raise ValueError(f"a certified sup error is for targets on the line, got dim={target.dim}")
    if target.analytic_bound is None:
        raise ValueError(
            f"target {target.name!r} has no analytic_bound: a bound of |F| on the Bernstein "
            "ellipses E_ρ × E_ρ is needed, as samples say nothing of what lies between them"
        )
    if check_number(ratio, "ratio") < NARROWEST:
        raise ValueError(f"ratio must be at least {NARROWEST}, got {ratio!r}")
    limit = math.isqrt(check_count(max_cells, "max_cells"))  # panels of an axis
    towers = _towers(head_weights)
    _check_declared(target)
    return _Search(target, *towers, ratio=ratio).run(limit)


def _check_declared(target: Target) -> None:
    """What a target declares of itself must not be refuted by its own values on a grid."""
    grid = np.linspace(-1, 1, 33)[:, None]
    values = evaluate(target, grid, grid, "target")
    size, bound = float(np.abs(values).max()), float(target.analytic_bound(1.0))
    if target.sides is None:
        if not size <= bound * (1 + 1e-9):
            raise ValueError(
                f"analytic_bound(1) of target {target.name!r} is {bound:.6g}, but |F| is "
                f"{size:.6g} at a point of the square"
            )
        return
    for side, where in zip(target.sides, (grid >= grid.T, grid <= grid.T), strict=True):
        off = np.abs(np.where(where, evaluate(side, grid, grid, "sides") - values, 0)).max()
        if not off <= 1e-12 * bound:
            raise ValueError(f"sides of target {target.name!r} differ from F by {off:.6g}")


_NAMES = {
    f"{tower}.{layer}.{kind}": axes
    for tower in ("query", "key")
    for (layer, kind), axes in {
        ("hidden", "weight"): ("m", "1"),
        ("hidden", "bias"): ("m",),
        ("output", "weight"): ("d", "m"),
        ("output", "bias"): ("d",),
    }.items()
}


def _towers(head_weights: Mapping[str, np.ndarray]) -> tuple[Tower, Tower]:
    """The two networks, checked; m may differ between them."""
    if not isinstance(head_weights, Mapping):
        raise TypeError(
            f"head_weights must be a mapping, as head.weights() gives it, got {head_weights!r}"
        )
    if set(head_weights) != set(_NAMES):
        raise ValueError(
            f"head_weights must have the names {sorted(_NAMES)}, got {sorted(head_weights)}"
        )
    given = {n: w.detach().cpu().numpy() if is_tensor(w) else w for n, w in head_weights.items()}
    arrays = {n: check_finite(as_floating(given[n], n), n) for n in _NAMES}
    sizes = {"1": 1, "d": arrays["query.output.bias"].size}
    for name, axes in _NAMES.items():
        sizes["m"] = arrays[name.split(".")[0] + ".hidden.bias"].size
        shape = tuple(sizes[axis] for axis in axes)
        if arrays[name].shape != shape or 0 in shape:
            raise ValueError(
                f"{name} must have shape ({', '.join(axes)}) = {shape} for a head on the line, "
                f"got {arrays[name].shape}"
            )
    parts = [np.asarray(array, dtype=float) for array in arrays.values()]
    return tuple(Tower(a[:, 0], b, W, c) for a, b, W, c in (parts[:4], parts[4:]))


@dataclass(frozen=True, eq=False)
class _Row:
    """Interpolants of E on the cells of one panel in t: coefficients (p, K + 1, K + 1).

    ``beside``, (p,), bounds |E| − |I E|.
    """

    tables: np.ndarray
    beside: np.ndarray
    x: Panels
    y: Panels
    side: int

    def groups(self, waiting: np.ndarray, degrees: np.ndarray) -> Iterator[tuple]:
        """Cells that wait, by degree, and the triangle (±1) of each that the piece covers, or 0."""
        whole = waiting
        if self.side:  # the row ends, or starts, on the diagonal
            corner = len(waiting) - 1 if self.side > 0 else 0
            if waiting[corner]:
                yield np.array([corner]), int(degrees[corner]), self.side
            whole = waiting & (np.arange(len(waiting)) != corner)
        for m in np.unique(degrees[whole]):
            yield np.flatnonzero(whole & (degrees == m)), int(m), 0

    def point(self, cell: int, x: float, y: float) -> tuple[float, float]:
        """(t, s) of local coordinates."""
        t = self.x.centers[0] + self.x.halves[0] * x
        return t, self.y.centers[cell] + self.y.halves[cell] * y


@dataclass(eq=False)
class _Search:
    """The largest |E| found so far, and what it takes to bound |E| everywhere else."""

    target: Target
    query: Tower
    key: Tower
    ratio: float
    lower: float = 0.0
    where: tuple[float, float] = (0.0, 0.0)

    def noise(self, q: np.ndarray, k: np.ndarray, dq: np.ndarray, dk: np.ndarray) -> np.ndarray:
        """Rounding of F − q·k, (n, m), from |q_l| (n, d), |k_l| (m, d) and their own rounding."""
        products = (q.shape[1] + 4) * UNIT * (q @ k.T) + dq @ (k + dk).T + q @ dk.T
        return SAFE * (SURFACE_ROUNDING * UNIT * self.target.analytic_bound(1.0) + products)

    def tabulate(self, t: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """|E| at points (n,), (m,), and its rounding."""
        (q, dq), (k, dk) = self.query(t), self.key(s)
        return np.abs(self.target(t, s) - q @ k.T), self.noise(np.abs(q), np.abs(k), dq, dk)

    def improve(self, t: float, s: float) -> None:
        """Raise the lower bound to |E(t, s)| less its rounding, if that is more."""
        found, noise = self.tabulate(np.array([t]), np.array([s]))
        if (below := float((found - noise).item() / SAFE)) > self.lower:
            self.lower, self.where = below, (float(t), float(s))

    def run(self, limit: int) -> SupBracket:
        """Cover the square with cells and bound |E| on each."""
        axes = self.axes(limit)
        x, y = (axis.panels for axis in axes)
        # F is analytic on all of a cell (0), or on its parts with t ≥ s (1) and with t ≤ s (−1).
        sides = self.target.sides
        pieces = list(zip(sides, (1, -1), strict=True)) if sides else [(self.target.function, 0)]
        bounds = np.zeros((3, len(x), len(y)))  # upper bound, its rounding, its remainder
        bounds[0] = -np.inf
        for i in range(len(x)):
            for surface, side in pieces:
                j, found = self.row(axes, i, surface, side)
                bounds[:, i, j] = np.where(found[0] > bounds[0, i, j], found, bounds[:, i, j])
        rows, columns = np.unravel_index(np.argsort(-bounds[0], axis=None)[:WORST], bounds[0].shape)
        upper, rounding, remainder = bounds[:, rows[0], columns[0]].tolist()
        if not self.lower <= upper:
            raise ValueError(
                f"analytic_bound or sides of target {self.target.name!r} are wrong: |F − G| is "
                f"{self.lower:.6g} at {self.where}, over a bound of {upper:.6g}"
            )
        worst = np.column_stack([x.edges[rows], y.edges[columns]])
        return SupBracket(self.lower, upper, self.where, bounds[0].size, worst, rounding, remainder)

    def axes(self, limit: int) -> tuple[Axis, Axis]:
        """Panels on which what is missed is small beside a first estimate of sup |E|.

        A crease must run through the diagonals of its cells, so both axes then have one splitting.
        """
        grid = np.linspace(-1, 1, 257)
        found, noise = self.tabulate(grid, grid)
        i, j = np.unravel_index(found.argmax(), found.shape)
        self.improve(grid[i], grid[j])
        # Four parts, each counted at most Λ (1 + 2Λ²) < 62 times: an eighth of the slack.
        goal = max((self.ratio - 1) * found[i, j] / 2000, noise.max() / 20)
        sizes = [np.abs(tower(grid)[0]).max(0) for tower in (self.key, self.query)]
        sides = list(zip((self.query, self.key), sizes, strict=True))

        def split(*sides: tuple[Tower, np.ndarray]) -> Panels:
            def accept(centers: np.ndarray, half: float) -> np.ndarray:
                if not surface_missed(self.target.analytic_bound, half) <= goal:
                    return np.zeros(len(centers), dtype=bool)
                missed = [tower.missed(centers, half) @ size for tower, size in sides]
                return np.max(missed, axis=0) <= goal

            return Panels.split(accept, limit)

        panels = [split(*sides)] * 2 if self.target.sides else [split(side) for side in sides]
        return tuple(
            Axis.on(p, tower, self.target.analytic_bound)
            for p, (tower, _) in zip(panels, sides, strict=True)
        )

    def row(
        self, axes: tuple[Axis, Axis], i: int, surface: Surface, side: int
    ) -> tuple[slice, np.ndarray]:
        """Bounds on the cells of the i-th panel in t that the piece of F covers, and which."""
        x, y = axes
        j = slice(*{0: (0, None), 1: (0, i + 1), -1: (i, None)}[side])
        x, y = x[i : i + 1], y[j]
        t, s = x.panels.nodes[0], y.panels.nodes
        F = surface(t[:, None], s.reshape(-1, 1)).reshape(DEGREE + 1, *s.shape)
        E = F.swapaxes(0, 1) - x.values @ y.values.swapaxes(1, 2)  # (p, K + 1, K + 1)
        check_finite(E, f"the error of target {self.target.name!r}")  # NaN would pass as small
        tables = TRANSFORM @ E @ TRANSFORM.T
        missed = x.surface + 1.01 * LEBESGUE * y.surface
        missed = missed + y.full @ x.missed[0] + y.missed @ x.full[0]
        noise = LEBESGUE**2 * self.noise(x.sizes, y.sizes, x.noise, y.noise)[0]
        noise += ARITHMETIC * (np.abs(tables).sum((1, 2)) + np.abs(E).max((1, 2)))
        # |E| ≤ |I E| + missed, and the shift of the nodes changes E there by no more than
        # 2 missed + K² SHIFT |I E|, by Markov's inequality.
        rounding = SAFE * noise / SHIFTED
        remainder = SAFE * (missed + 2 * LEBESGUE**2 * missed / SHIFTED)
        row = _Row(tables, rounding + remainder, x.panels, y.panels, side)
        found = np.stack([SAFE * (self.peaks(row) + row.beside), rounding, remainder])
        return j, check_finite(found, "a bound of the error, from analytic_bound or head_weights,")

    def peaks(self, row: _Row) -> np.ndarray:
        """Bounds of |I E|: Σ |c_ab|, and where that leaves a cell open, an oversampled grid's."""
        peaks = np.abs(row.tables).sum((1, 2)) / SHIFTED
        tails = dropped(row.tables)
        enough = (self.ratio - 1) / 10 * np.maximum(self.lower, row.beside)
        degrees = (tails <= enough[:, None]).argmax(1)
        waiting = peaks + row.beside > self.lower
        for cells, m, triangle in row.groups(waiting, degrees):
            cut = row.tables[cells, : m + 1, : m + 1]
            x, y, values, factor = oversample(cut, 1 + 0.7 * (self.ratio - 1), triangle)
            found = np.abs(values)
            bounds = (factor * found.max((1, 2)) + tails[cells, m]) / SHIFTED
            peaks[cells] = np.minimum(peaks[cells], bounds)
            if found.max() > self.lower:
                k, *at = np.unravel_index(found.argmax(), found.shape)
                self.improve(*row.point(cells[k], x[*at], y[*at]))
        return peaks
