"""Chebyshev interpolation on dyadic panels of [−1, 1], with bounds of all that it misses.

A panel [c − h, c + h] carries the K + 1 points c + h cos(πk/K). If f is bounded by M on the ellipse
with foci c ± h and semi-axes h(r ± 1/r)/2, its interpolant is off by at most 4 M r^{−K}/(r − 1)
(Trefethen, Approximation Theory and Approximation Practice, theorem 8.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import final

import numpy as np

DEGREE = 24
"""K, even."""
SHIFT = 2.0**-33
"""Local nodes are multiples of it, so that c + h z is a float without rounding."""
MAX_LEVEL = 20
"""Halvings of [−1, 1] for which that holds: 20 + 33 ≤ 53 bits."""
LEBESGUE = 1 + 2 / math.pi * math.log(DEGREE + 1)
"""A bound of the interpolation operator's norm (Trefethen, theorem 15.2)."""
SHIFTED = 1 - LEBESGUE**2 * DEGREE**2 * SHIFT
"""|I E| at the exact points, from which the nodes differ, over |I E| as computed, at least."""
UNIT = 2.0**-53
"""Unit roundoff of float64."""
SAFE = 1 + 1e-9
"""Covers the rounding of a bound's own formula, sums and products of positive terms."""

_ORDERS = np.arange(DEGREE + 1)
_COSINES = np.cos(math.pi * _ORDERS / DEGREE)
NODES = np.round((_COSINES - _COSINES[::-1]) / 2 / SHIFT) * SHIFT
"""cos(πk/K) to within SHIFT/2, symmetric."""
_ENDS = np.where(_ORDERS % DEGREE == 0, 0.5, 1.0)
TRANSFORM = 2 / DEGREE * np.cos(math.pi / DEGREE * (np.outer(_ORDERS, _ORDERS) % (2 * DEGREE)))
TRANSFORM *= _ENDS * _ENDS[:, None]
"""Values at the points → coefficients of T_0, …, T_K."""

_RADII = np.geomspace(1.03, 24.0, 48)
_AXES = (_RADII + 1 / _RADII) / 2, (_RADII - 1 / _RADII) / 2
_FACTORS = SAFE * 4 * _RADII**-DEGREE / (_RADII - 1)


def surface_missed(bound: Callable[[float], float], half: float) -> float:
    """What interpolation in one variable on a panel of that half-width misses of a surface.

    The panel's ellipse of radius r lies in the E_ρ of [−1, 1] with (ρ + 1/ρ)/2 = 1 + h(A − 1),
    A = (r + 1/r)/2: its sums of distances to ±1 are at most 2hA + 2(1 − h).
    """

    def bounded(axis: float) -> float:
        rho = SAFE * (axis + math.sqrt(axis**2 - 1))
        try:
            size = float(bound(rho))
        except OverflowError:
            return math.inf
        if not size >= 0:  # NaN would pass as small
            raise ValueError(f"analytic_bound({rho:.6g}) must be ≥ 0, or infinite, got {size}")
        return size

    with np.errstate(over="ignore"):
        sizes = np.array([bounded(axis) for axis in 1 + half * (_AXES[0] - 1)])
    return float(min((sizes * _FACTORS).min(), SAFE * (1 + LEBESGUE) * bound(1.0)))


@final
@dataclass(frozen=True, eq=False)
class Tower:
    """q_l(t) = Σ_j W_lj tanh(a_j t + b_j) + c_l on the line.

    Parameters
    ----------
    slopes, biases : arrays of shape (m,)
    weights : array of shape (d, m)
    constants : array of shape (d,)
    """

    slopes: np.ndarray
    biases: np.ndarray
    weights: np.ndarray
    constants: np.ndarray

    def __call__(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """q(t), (n, d), summed in extended precision, and a bound of its rounding error.

        tanh is trusted to four units in the last place (glibc: 3); its argument is off by at most
        ε(|a| + |b|), and |tanh'| = 1 − tanh². Large weights may cancel: the bound knows.
        """
        long = np.longdouble
        t = t.astype(long)[:, None]
        hidden = np.tanh(t * self.slopes + self.biases)  # (n, m)
        values = hidden @ self.weights.T.astype(long) + self.constants
        hidden = hidden.astype(float)
        terms = (len(self.slopes) + 8) * np.abs(hidden)
        terms += 4 * (np.abs(self.slopes) + np.abs(self.biases)) * (1 - hidden**2 + 1e-9)
        sums = terms @ np.abs(self.weights).T + (len(self.slopes) + 8) * np.abs(self.constants)
        return values.astype(float), SAFE * float(np.finfo(long).eps) * sums

    def steps(self, least: float, most: int) -> np.ndarray:
        """Centers of the units steeper than ``least``, and points halfway between neighbors.

        Bumps stand there that no even grid sees. Of more than ``most``, evenly chosen ones.
        """
        steep = np.abs(self.slopes) > least
        centers = np.sort(-self.biases[steep] / self.slopes[steep])
        points = np.append(centers, (centers[1:] + centers[:-1]) / 2)
        inside = np.unique(points[np.abs(points) <= 1])
        return inside[:: -(-len(inside) // most) or 1]

    def missed(self, centers: np.ndarray, half: float) -> np.ndarray:
        """What interpolation misses of q_l on panels of one half-width, (p, d).

        For each unit the best radius. On a panel's ellipse |tanh w| ≤ max(1, tan |Im w|) while
        |Im w| < π/2; and |tanh w ∓ 1| ≤ 2/(e^{2x} − 1) for ±Re w ≥ x > 0, whatever Im w is: steps
        far from a panel do not matter, as the constant is interpolated exactly. Nothing is ever
        off by more than 1 + Λ, Λ being the Lebesgue constant.
        """
        slopes, biases = np.abs(self.slopes), np.abs(self.biases)
        height = half * slopes[:, None] * _AXES[1]  # (m, r)
        inside = height < math.pi / 2 - 1e-6
        near = np.where(inside, np.maximum(1, np.tan(np.where(inside, height, 0))), np.inf)
        middle = np.abs(np.multiply.outer(centers, self.slopes) + self.biases)  # (p, m)
        middle -= 1e-12 * (slopes + biases)  # its rounding
        x = middle[..., None] - half * slopes[:, None] * _AXES[0]  # (p, m, r)
        far = np.where(x > 0, 2 / np.expm1(2 * np.clip(x, 1e-300, 300)), np.inf)
        missed = (np.minimum(near, far) * _FACTORS).min(-1)  # (p, m)
        return SAFE * np.minimum(missed, 1 + LEBESGUE) @ np.abs(self.weights).T


@final
@dataclass(frozen=True, eq=False)
class Panels:
    """p panels of [−1, 1], each c − h … c + h."""

    centers: np.ndarray
    halves: np.ndarray

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, some: slice | np.ndarray) -> Panels:
        return Panels(self.centers[some], self.halves[some])

    def cut(self) -> Panels:
        """The halves of each, the left one first, (2p,)."""
        half = np.repeat(self.halves / 2, 2)
        return Panels(np.repeat(self.centers, 2) + half * np.tile([-1, 1], len(self)), half)

    @property
    def nodes(self) -> np.ndarray:
        """The interpolation points, (p, K + 1), without rounding."""
        return self.centers[:, None] + self.halves[:, None] * NODES

    def joined(self, other: Panels) -> Panels:
        """These, then those."""
        pairs = (self.centers, other.centers), (self.halves, other.halves)
        return Panels(*map(np.concatenate, pairs))

    @property
    def edges(self) -> np.ndarray:
        """(p, 2)."""
        return np.stack([self.centers - self.halves, self.centers + self.halves], axis=1)


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """A tower q, and what is missed of F, on p panels of its domain.

    Parameters
    ----------
    panels : Panels
    at_nodes : array of shape (p, K + 1, d)
        q_l at the nodes.
    sizes, noise, missed, full : arrays of shape (p, d)
        Bounds of |q_l| at the nodes, of its rounding, of |q_l − I q_l|, and of |q_l| and |I q_l|.
    surface : array of shape (p,)
        What interpolation along this axis misses of F.
    """

    panels: Panels
    at_nodes: np.ndarray
    sizes: np.ndarray
    noise: np.ndarray
    missed: np.ndarray
    full: np.ndarray
    surface: np.ndarray

    @classmethod
    def on(cls, panels: Panels, tower: Tower, surface: Callable[[float], float]) -> Axis:
        """All of it for a tower, and what is missed of F at a half-width."""
        shape = (len(panels), DEGREE + 1, -1)
        values, noise = (part.reshape(shape) for part in tower(panels.nodes.ravel()))
        sizes, noise = np.abs(values).max(1), noise.max(1)
        missed = np.empty_like(sizes)
        for half in np.unique(panels.halves):
            some = panels.halves == half
            missed[some] = tower.missed(panels.centers[some], half)
        # |I q| ≤ Λ max |q| at the exact points, near the nodes (``SHIFT``): by Markov's inequality
        # |q| differs by at most 2 missed + K² SHIFT |I q|/2 between the two.
        full = 1.01 * LEBESGUE * (sizes + noise + 3 * missed)
        beside = np.array([surface(half) for half in panels.halves.tolist()])
        return cls(panels, values, sizes, noise, missed, full, beside)

    def joined(self, other: Axis) -> Axis:
        """These panels, then those."""

        def both(name: str) -> Panels | np.ndarray:
            mine, its = getattr(self, name), getattr(other, name)
            return mine.joined(its) if name == "panels" else np.concatenate([mine, its])

        return Axis(*(both(field.name) for field in fields(self)))

    def __getitem__(self, some: slice | np.ndarray) -> Axis:
        return Axis(*(getattr(self, field.name)[some] for field in fields(self)))


def dropped(tables: np.ndarray) -> np.ndarray:
    """Σ |c_ab| over max(a, b) > m, for m = 0, …, K: (p, K + 1, K + 1) → (p, K + 1)."""
    sizes = np.abs(tables)
    shells = [sizes[:, m, : m + 1].sum(1) + sizes[:, :m, m].sum(1) for m in _ORDERS]
    sums = np.cumsum(shells[:0:-1], axis=0)[::-1]  # from the small end, so that nothing cancels
    return np.append(sums, np.zeros((1, len(tables))), axis=0).T


def oversampled(degree: int, gain: float) -> tuple[np.ndarray, float]:
    """Points x_k = cos((2k − 1)π/2n) and g ≤ ``gain`` with max |p| ≤ g max_k |p(x_k)|.

    g = 1/cos(degree·π/2n) for every p of that degree (Ehlich & Zeller 1964): at a distance φ from
    the maximum, in the angle, |p| has fallen to no less than cos(degree·φ) of it.
    """
    n = max(1, math.ceil(degree * math.pi / (2 * math.acos(1 / gain))))
    angles = (np.arange(n) + 0.5) * math.pi / n
    return np.cos(angles), SAFE / math.cos(degree * math.pi / (2 * n))


def oversample(
    tables: np.ndarray, gain: float, side: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Σ_ab c_ab T_a(x) T_b(y) on a grid, and the factor by which it rises at most between points.

    On the square, or on the triangle x ≥ y (``side`` 1) or x ≤ y (−1). The triangle is the image
    of a square, y = u and x = u + (1 − u)(1 + v)/2, in which the degrees are 2m and m.

    Parameters
    ----------
    tables : array of shape (p, m + 1, m + 1)
    gain : float
        Of the factor.

    Returns
    -------
    x, y : arrays of shape (n, n')
    values : array of shape (p, n, n')
    factor : float
        At most ``gain``, but for rounding.
    """
    if side < 0:
        y, x, values, factor = oversample(tables.swapaxes(1, 2), gain, 1)
        return x, y, values, factor
    m = tables.shape[-1] - 1
    v, factor = oversampled(m, math.sqrt(gain))
    if not side:
        basis = chebyshev(v, m)  # (n, m + 1)
        return *np.meshgrid(v, v, indexing="ij"), basis @ tables @ basis.T, factor**2
    u, factor_u = oversampled(2 * m, math.sqrt(gain))
    x = np.minimum(u[:, None] + (1 - u)[:, None] * (1 + v) / 2, 1)  # (2n, n)
    rows = chebyshev(u, m) @ tables.swapaxes(1, 2)  # (p, 2n, m + 1)
    values = (chebyshev(x, m) * rows[:, :, None]).sum(-1)  # (p, 2n, n)
    return x, np.broadcast_to(u[:, None], x.shape), values, factor * factor_u


def chebyshev(x: np.ndarray, degree: int) -> np.ndarray:
    """T_0(x), …, T_degree(x) along a new last axis."""
    return np.cos(np.arccos(np.clip(x, -1, 1))[..., None] * np.arange(degree + 1))
