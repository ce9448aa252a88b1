"""Certified sup errors: a bracket of sup |F − G| over all of [−1, 1]², which no grid can give.

The square is cut into products of panels, fine enough for interpolation of degree K in each
variable to miss next to nothing of E = F − G (a bound, not an estimate), and no finer than each
part of the square needs. The interpolant of a cell is a polynomial with E's own small coefficients.
What is beyond the degree m that matters is dropped and its coefficients' sum kept; the rest is
evaluated on a grid of n ≫ m Chebyshev points, between which no polynomial of degree m rises by
more than 1/cos(mπ/2n) (Ehlich & Zeller, Math. Z. 86, 1964). As E itself is interpolated, not F and
G apart, nothing of their cancellation is lost. Source: theory §4, "Certified error".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.approximation._panels import Tower
from rkbs.approximation._search import Search
from rkbs.approximation.constructive import ConstructiveHead, as_head
from rkbs.approximation.heads import Head
from rkbs.approximation.quadrature import evaluate
from rkbs.approximation.surface import Target

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
        Products of panels that cover the square, at most ``max_cells``.
    worst : array of shape (≤ 32, 4)
        The cells (t0, t1, s0, s1) with the largest upper bounds, the largest first.
    rounding, remainder : float
        What float arithmetic and interpolation contribute to ``upper``: which of them, if the ratio
        is above the one asked for, keeps it there.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import TARGETS, Quadrature, certified_sup_error, constructive_head
    >>> target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(24)
    >>> head = constructive_head(target, d=2, width=5, quadrature=quadrature, scale=1.0)
    >>> bracket = certified_sup_error(target, head, ratio=1.2)
    >>> t, s = (np.array([[coordinate]]) for coordinate in bracket.where)
    >>> bool(abs(target(t, s) - head(t, s)) >= 0.999 * bracket.lower), bracket.ratio <= 1.2
    (True, True)
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
    head: Head | ConstructiveHead,
    *,
    ratio: float = 1.05,
    max_cells: int = 1 << 16,
) -> SupBracket:
    """A bracket of sup |F(t, s) − Σ_l q_l(t) k_l(s)| over [−1, 1]², q and k two-layer tanh nets.

    The bracket always holds, for the parameters as the float64 numbers that they are. Cells are cut
    where steep units ask for it, whether or not a sample would see them. It is wider than ``ratio``
    only where sup |E| is near rounding (``rounding`` is then large: output weights that cancel),
    where ``max_cells`` do not suffice (``cells`` is near it: many steep units in both towers), or
    where units are steeper than about 2e6, as no panel is narrower than 2^−19.

    Parameters
    ----------
    target : Target
        On the line, with ``analytic_bound``, and tabulated to within 64 units of roundoff of its
        bound for ρ = 1.
    head : Head or ConstructiveHead
        With d_x = d_y = 1; of weights by name ``Head.from_weights`` makes one.
    ratio : float
        upper/lower to be reached, at least ``NARROWEST``.
    max_cells : int
        Of products of panels, about a thousand evaluations of F each.

    Raises
    ------
    ValueError
        For a target not on the line, without ``analytic_bound``, or with one that its own values
        refute; for a head that is not on the line.

    Examples
    --------
    >>> from rkbs.approximation import TARGETS, Quadrature, certified_sup_error, constructive_head
    >>> target, quadrature = TARGETS["edp"], Quadrature.gauss_legendre(24)
    >>> head = constructive_head(target, d=2, width=5, quadrature=quadrature, scale=1.0)
    >>> bracket = certified_sup_error(target, head, ratio=1.2)
    >>> bracket.lower <= bracket.upper <= 1.2 * bracket.lower
    True
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
    check_count(max_cells, "max_cells")
    towers = _towers(as_head(head, "head"))
    _check_declared(target)
    search = Search(target, *towers, ratio=ratio)
    return _bracket(search, *search.run(max_cells))


def _check_declared(target: Target) -> None:
    """What a target declares of itself must not be refuted by its own values on a grid."""
    grid = np.linspace(-1, 1, 33)[:, None]
    values = evaluate(target, grid, grid, "target")
    size, bound = float(np.abs(values).max()), float(target.analytic_bound(1.0))
    if target.pieces is None:
        if not size <= bound * (1 + 1e-9):
            raise ValueError(
                f"analytic_bound(1) of target {target.name!r} is {bound:.6g}, but |F| is "
                f"{size:.6g} at a point of the square"
            )
        return
    for piece, where in zip(target.pieces, (grid >= grid.T, grid <= grid.T), strict=True):
        off = np.abs(np.where(where, evaluate(piece, grid, grid, "pieces") - values, 0)).max()
        if not off <= 1e-12 * bound:
            raise ValueError(f"pieces of target {target.name!r} differ from F by {off:.6g}")


def _towers(head: Head) -> tuple[Tower, Tower]:
    """The two networks of a head on the line; m may differ between them."""
    inputs = tuple(hidden.slopes.shape[1] for hidden in (head.hidden_x, head.hidden_y))
    if inputs != (1, 1):
        raise ValueError(f"head must be on the line, d_x = d_y = 1, got (d_x, d_y) = {inputs}")
    parts = list(head.weights().values())
    return tuple(Tower(a[:, 0], b, W, c) for a, b, W, c in (parts[:4], parts[4:]))


def _bracket(search: Search, edges: np.ndarray, bounds: np.ndarray) -> SupBracket:
    """What was found, from the bounds (3, c) on all cells (c, 4)."""
    order = np.argsort(-bounds[0], kind="stable")[:WORST]
    upper, rounding, remainder = bounds[:, order[0]].tolist()
    if not search.lower <= upper:
        raise ValueError(
            f"analytic_bound or pieces of target {search.target.name!r} are wrong: |F − G| is "
            f"{search.lower:.6g} at {search.where}, over a bound of {upper:.6g}"
        )
    found = search.lower, upper, search.where
    return SupBracket(*found, len(edges), edges[order], rounding, remainder)
