"""What a machine adds to its operator's values: a constant, and effects of rows and columns."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import check_number, short_repr
from rkbs.data.pairs import Pairs
from rkbs.terms.losses import Loss
from rkbs.terms.residual_losses import Squared

_ROUNDING = 4 * np.finfo(float).eps
_BISECT = 3
"""Every third step halves the bracket, whatever Newton's method says."""


@final
@dataclass(frozen=True, eq=False)
class Offsets:
    """E with h_n = (R_X M R_Yᵀ)_n + (Eθ)_n, (Eθ)_n = b + a_{i_n} + a'_{j_n}; penalty ½ θᵀDθ.

    θ = (b, a, a'), as far as they are asked for: the constant b is not penalized, so that Σ_n c_n
    is zero at the optimum, where Eᵀc = Dθ; the effects have the weight α_e in D.

    Parameters
    ----------
    constant : bool
        Whether there is a b.
    rows, columns : int arrays of shape (n_x,), (n_y,), or None
        Labels 0, 1, … of the entities behind the rows of X and of Y, which have an effect each.
    weight : float or None
        α_e > 0; None: the α of the problem.

    Source: the "parametric part" of a smoothing problem, Kimeldorf & Wahba (1971).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Pairs
    >>> from rkbs.problems import Offsets
    >>> pairs = Pairs.grid(np.zeros((2, 1)), np.zeros((2, 1)))
    >>> offsets = Offsets(constant=True, rows=np.array([0, 1]))
    >>> offsets.at_pairs(np.array([10.0, 1.0, 2.0]), pairs), offsets.decay(0.5)
    (array([11., 11., 12., 12.]), array([0. , 0.5, 0.5]))
    """

    constant: bool = False
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None
    weight: float | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        if self.weight is not None:
            check_number(self.weight, "effects_alpha", above=0.0)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many constants (0 or 1), row effects and column effects there are."""
        counts = (0 if part is None else int(part.max()) + 1 for part in (self.rows, self.columns))
        return int(self.constant), *counts

    @property
    def size(self) -> int:
        """The length of θ."""
        return sum(self.sizes)

    def check(self, theta: np.ndarray) -> np.ndarray:
        """θ itself; a ``ValueError`` where it has another length than the offsets."""
        if theta.shape != (self.size,):
            raise ValueError(f"theta must have shape ({self.size},), got {theta.shape}")
        return theta

    def split(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """b, and the effects of each row of X and of Y; zeros where there is none of a kind."""
        one, rows, _ = self.sizes
        b = float(theta[0]) if one else 0.0
        a = np.zeros(1) if self.rows is None else theta[one : one + rows][self.rows]
        other = np.zeros(1) if self.columns is None else theta[one + rows :][self.columns]
        return b, a, other

    def at_pairs(self, theta: np.ndarray, pairs: Pairs) -> np.ndarray:
        """Eθ: (p,) → (n,)."""
        b, a, other = self.split(theta)
        if pairs._is_row_major_grid:
            out = np.full((len(pairs.X), len(pairs.Y)), b)
            out += a[:, None]
            out += other
            return out.reshape(-1)
        out = np.full(len(pairs), b)
        if self.rows is not None:
            out += a[pairs.i]
        if self.columns is not None:
            out += other[pairs.j]
        return out

    def sums(self, c: np.ndarray, pairs: Pairs) -> np.ndarray:
        """Eᵀc, the adjoint: (n,) → (p,)."""
        _, rows, columns = self.sizes
        parts = [c.sum(keepdims=True)] if self.constant else []
        grid = c.reshape(len(pairs.X), len(pairs.Y)) if pairs._is_row_major_grid else None
        if self.rows is not None:
            index, values = (pairs.i, c) if grid is None else (slice(None), grid.sum(1))
            parts.append(np.bincount(self.rows[index], values, rows))
        if self.columns is not None:
            index, values = (pairs.j, c) if grid is None else (slice(None), grid.sum(0))
            parts.append(np.bincount(self.columns[index], values, columns))
        return np.concatenate(parts) if parts else np.zeros(0)

    def matrix(self, pairs: Pairs) -> np.ndarray:
        """E itself, (n, p)."""
        columns = [self.at_pairs(unit, pairs) for unit in np.eye(self.size)]
        return np.reshape(columns, (self.size, len(pairs))).T

    def seen_x(self, n: int) -> np.ndarray:
        """The vectors over n rows of X of which the columns of E are products, (n, m).

        The ones, where there are offsets at all, and the members of each entity with an effect.
        """
        return np.hstack([np.ones((n, min(self.size, 1))), _members(self.rows, n)])

    def seen_y(self, n: int) -> np.ndarray:
        """Those over n rows of Y."""
        return np.hstack([np.ones((n, min(self.size, 1))), _members(self.columns, n)])

    def gram(self, pairs: Pairs) -> np.ndarray:
        """EᵀE, the numbers of pairs that two offsets share, (p, p)."""
        one, rows, _ = self.sizes
        parts = [np.zeros(len(pairs), dtype=np.intp)] if self.constant else []
        if self.rows is not None:
            parts.append(one + self.rows[pairs.i])
        if self.columns is not None:
            parts.append(one + rows + self.columns[pairs.j])
        out = np.zeros((self.size, self.size))
        for entry in itertools.product(parts, repeat=2):
            np.add.at(out, entry, 1.0)
        return out

    def ties(self, pairs: Pairs) -> np.ndarray:
        """A basis N of the θ with Eθ = 0 that D alone decides upon, (p, k).

        Effects of rows may rise where those of columns fall, in each set of entities that pairs
        connect; effects of a kind may rise where the constant falls.
        """
        one, rows, columns = self.sizes
        basis = np.zeros((one + rows + columns, 0))
        if rows and columns:
            label = _connected(self.rows[pairs.i], rows + self.columns[pairs.j], rows + columns)
            sets = np.equal.outer(label, np.unique(label))
            signs = np.repeat([1.0, -1.0], [rows, columns])
            basis = np.vstack([np.zeros((one, sets.shape[1])), signs[:, None] * sets])
        if one and rows + columns:
            kind = np.zeros(self.size)
            kind[0], kind[1 : 1 + (rows or columns)] = -1, 1
            basis = np.column_stack([basis, kind])
        return basis

    def centered(self, theta: np.ndarray, pairs: Pairs) -> np.ndarray:
        """The θ of the least penalty with the same Eθ: at the optimum θ itself."""
        N = self.ties(pairs)
        if not N.size:
            return theta
        effects = slice(int(self.constant), None)
        along = N[effects].T @ theta[effects]
        return theta - N @ np.linalg.solve(N[effects].T @ N[effects], along)

    def decay(self, alpha: float) -> np.ndarray:
        """The diagonal of D, (p,): 0 for the constant, α_e for the effects."""
        one, rows, columns = self.sizes
        weight = alpha if self.weight is None else self.weight
        return np.concatenate([np.zeros(one), np.full(rows + columns, weight)])


def _members(labels: np.ndarray | None, n: int) -> np.ndarray:
    """Which of n points are the entity of each label, (n, m) of 0 and 1."""
    if labels is None:
        return np.zeros((n, 0))
    return np.equal.outer(labels, np.arange(labels.max() + 1)).astype(float)


def _connected(i: np.ndarray, j: np.ndarray, size: int) -> np.ndarray:
    """The least node that edges (i_n, j_n) connect with each, (size,)."""
    label, last = np.arange(size), None
    while not np.array_equal(label, last):
        last, least = label, np.minimum(label[i], label[j])
        label = label.copy()
        np.minimum.at(label, i, least)
        np.minimum.at(label, j, least)
    return label


def best_constant(loss: Loss, h: np.ndarray | float, z: np.ndarray) -> tuple[float, np.ndarray]:
    """b that minimizes Σ_n ℓ(h_n + b; z_n), and c_n in −∂ℓ(h_n + b; z_n) with Σ_n c_n = 0.

    Newton's method within a bracket that is halved where a step leaves it, down to rounding where ℓ
    has kinks: then a convex combination of the slopes at both ends is a subgradient of sum 0.

    Raises
    ------
    ValueError
        Where the sum falls without end: in the words of ``loss.check_constant``, or, of a loss that
        does not know this of itself, where no bracket is found.
    """
    loss.check_constant(z)
    if isinstance(loss, Squared):
        r = z - h
        b = float(r[0] if np.ptp(r) == 0 else r.mean())
        r -= b
        rest = float(r.mean())  # of a mean far larger than its residuals
        r -= rest
        return b + rest, r
    low, high = _bracket(loss, h, z)
    smallest = _ROUNDING * float(np.abs(z - h).max())
    b = low + (high - low) / 2
    for step_number in itertools.count():
        if high - low <= max(smallest, _ROUNDING * abs(b)):
            return _at_kink(loss, h, z, low, high)
        slopes = loss.gradient(h + b, z)
        total = slopes.sum()
        if abs(total) <= _ROUNDING * np.abs(slopes).sum():
            return b, balanced(-slopes)
        low, high = (b, high) if total < 0 else (low, b)
        bend = loss.curvature(h + b, z).sum()
        with np.errstate(over="ignore"):  # far outside the bracket is as good as infinite
            step = b - total / bend if bend > 0 else np.nan
        newton = low < step < high and step_number % _BISECT
        b = step if newton else low + (high - low) / 2


def balanced(c: np.ndarray) -> np.ndarray:
    """c with Σ c = 0, the larger of its two signs scaled down.

    So no entry leaves an interval around 0, such as the domain of a conjugate.
    """
    up, down = np.maximum(c, 0.0), np.maximum(-c, 0.0)
    most, least = up.sum(), down.sum()
    if most > least:
        return up * (least / most) - down
    return up - (down * (most / least) if least > 0 else down)


def _bracket(loss: Loss, h: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Constants between which the slope of the sum changes its sign."""
    r = z - h
    middle, reach = float(r.mean()), float(np.ptp(r) or np.abs(r).max()) or 1.0

    def slope(b: float) -> float:
        return float(loss.gradient(h + b, z).sum())

    ends = []
    for way in (-1, 1):
        distance = reach
        while slope(middle + way * distance) * way < 0:
            distance *= 2
            if not np.isfinite(distance):
                raise ValueError(
                    f"no constant minimizes {loss!r} for these responses: the sum falls without end"
                )
        ends.append(middle + way * distance)
    return ends[0], ends[1]


def _at_kink(
    loss: Loss, h: np.ndarray, z: np.ndarray, low: float, high: float
) -> tuple[float, np.ndarray]:
    left, right = loss.gradient(h + low, z), loss.gradient(h + high, z)
    fall, rise = -left.sum(), right.sum()
    share = fall / (fall + rise) if fall + rise > 0 else 0.5
    b = min(low, high, key=lambda end: loss.value(h + end, z).sum())
    return b, balanced(-((1 - share) * left + share * right))
