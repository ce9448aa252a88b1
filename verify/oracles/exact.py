"""The independent side of every comparison: kernels in exact rationals and in ball arithmetic.

Nothing here calls rkbs's formulas: each kernel is written again from theory §5, in FLINT's
rationals (``fmpq``) and balls (``arb``: a midpoint and a rigorous radius). A comparison of balls
is true only where it is certain. Floats are binary fractions, so they enter exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from flint import arb, arb_mat, ctx, fmpq

from rkbs.kernels.base import Kernel
from rkbs.kernels.distance import RBF, ExponentiatedIntersection, L2Distance, Laplace
from rkbs.kernels.dot_product import EDP, Linear, Quadratic, TaylorEDP
from verify.harness.evidence import greatest

if TYPE_CHECKING:
    from sympy.polys.rings import PolyRing

Point = Sequence[fmpq]
Number = TypeVar("Number", arb, fmpq)
UNIT = 2.0**-53
"""Unit roundoff u of a float."""

MAX_BITS = 1 << 14
"""Precision is doubled up to this many bits before a certificate is given up."""


def rational(value: float | Fraction) -> fmpq:
    """The number itself, as a fraction: no rounding."""
    return fmpq(*value.as_integer_ratio())


def rational_points(x: np.ndarray) -> list[list[fmpq]]:
    """The rows of a float array as rational points, exactly."""
    return [[rational(float(value)) for value in row] for row in np.asarray(x)]


def image(matrix: np.ndarray, points: Iterable[Point]) -> list[list[fmpq]]:
    """W x for each point x, exactly."""
    rows = rational_points(matrix)
    return [[dot(row, x) for row in rows] for x in points]


def dot(q: Point, k: Point) -> fmpq:
    """q·k."""
    return sum((a * b for a, b in zip(q, k, strict=True)), fmpq(0))


def logit(q: Point, k: Point) -> arb:
    """q·k/√d."""
    return arb(dot(q, k)) / arb(len(q)).sqrt()


def polynomial(kernel: Kernel, a: Number) -> Number:
    """κ as the polynomial in a = q·k/√d that it is: linear, quadratic or a Taylor cut of EDP."""
    match kernel:
        case Linear():
            return a
        case Quadratic(gamma=gamma):
            return (a + rational(gamma)) ** 2
        case TaylorEDP(order=order):
            return sum((a**n / math.factorial(n) for n in range(1, order + 1)), 0 * a + 1)
    raise TypeError(f"{kernel!r} is no polynomial of the dot product")


def exact_value(kernel: Kernel, q: Point, k: Point) -> arb:
    """κ(q, k) as a ball at the current precision."""
    root = arb(len(q)).sqrt()
    match kernel:
        case EDP():
            return logit(q, k).exp()
        case RBF(tau=tau):
            squares = sum(((a - b) ** 2 for a, b in zip(q, k, strict=True)), fmpq(0))
            return (-arb(rational(tau) * squares) / root).exp()
        case L2Distance(tau=tau):
            squares = sum(((a - b) ** 2 for a, b in zip(q, k, strict=True)), fmpq(0))
            return arb(rational(tau)) * arb(squares).sqrt() / root
        case ExponentiatedIntersection():
            return arb(sum((min(a, b) for a, b in zip(q, k, strict=True)), fmpq(0))).exp()
        case Laplace(tau=tau):
            lengths = sum((abs(a - b) for a, b in zip(q, k, strict=True)), fmpq(0))
            return arb(-rational(tau) * lengths).exp()
    return polynomial(kernel, logit(q, k))


def gram(kernel: Kernel, x: Iterable[Point], y: Sequence[Point]) -> list[list[arb]]:
    """K_ij = κ(x_i, y_j) in balls."""
    return [[exact_value(kernel, q, k) for k in y] for q in x]


def rational_gram(
    kernel: Kernel, x: Iterable[Point], y: Sequence[Point], root: int = 1
) -> list[list[fmpq]]:
    """K_ij of a polynomial kernel in rationals, √d being the integer ``root``.

    With ``root=1`` the points are u = q/d^{1/4}: then q·k/√d = u·v, and as q ↦ u is a bijection
    of R^d, the ranks that occur over all point sets are those of the kernel itself.
    """
    return [[polynomial(kernel, dot(q, k) / root) for k in y] for q in x]


def condition_scale(kernel: Kernel, q: Point, k: Point) -> arb:
    """What rounding of κ(q, k) is relative to: κ itself, or Σ |c_n| (|q|·|k|/√d)ⁿ if terms cancel.

    A sum of signed terms is computed to a relative error of the sum of their sizes, not of its
    own value, which may be zero.
    """
    if isinstance(kernel, (Linear, Quadratic, TaylorEDP)):
        if isinstance(kernel, Quadratic):
            kernel = Quadratic(abs(kernel.gamma))
        q, k = [abs(a) for a in q], [abs(a) for a in k]
    return exact_value(kernel, q, k)


def gram_error(kernel: Kernel, x: Sequence[Point], y: Sequence[Point], floats: np.ndarray) -> float:
    """max_ij |K_ij − κ(x_i, y_j)| / scale_ij of a float Gram matrix, rounded up; 0/0 is 0."""
    with ctx.workprec(128):
        return greatest(
            relative(value, exact_value(kernel, q, k), condition_scale(kernel, q, k))
            for q, row in zip(x, floats, strict=True)
            for k, value in zip(y, row, strict=True)
        )


def remainder(a: arb, order: int) -> arb:
    """|eᵃ − Σ_{n ≤ N} aⁿ/n!|, straight from the definition."""
    return abs(a.exp() - sum((a**n / math.factorial(n) for n in range(order + 1)), arb(0)))


def remainder_bound(a: arb, order: int) -> arb:
    """|a|^{N+1} e^{max(a,0)}/(N+1)!; prop1.truncation certifies that it bounds ``remainder``."""
    return abs(a) ** (order + 1) * a.max(0).exp() / math.factorial(order + 1)


def relative(value: float, exact: arb, scale: arb) -> float:
    """|value − exact| / |scale|, rounded up; 0/0 = 0."""
    error = abs(arb(rational(float(value))) - exact)
    if error == 0:
        return 0.0
    return upper(error / abs(scale))


def upper(ball: arb) -> float:
    """A float that is at least every number of the ball; ∞ if the ball knows nothing."""
    return math.nextafter(float(ball.upper()), math.inf) if ball.is_finite() else math.inf


def lower(ball: arb) -> float:
    """A float that is at most every number of the ball; −∞ if the ball knows nothing."""
    return math.nextafter(float(ball.lower()), -math.inf) if ball.is_finite() else -math.inf


def pivots(matrix: Sequence[Sequence[Number]]) -> list[Number]:
    """The pivots D of M = L D Lᵀ, M symmetric, up to the first that may be zero.

    The product of the first n is the n-th leading minor; their signs are M's inertia (Sylvester).
    """
    rows = [list(row) for row in matrix]
    found: list[Number] = []
    for i in range(len(rows)):
        pivot = rows[i][i]
        certain = bool(pivot != 0)  # of balls: disjoint from zero
        if not certain:
            break
        found.append(pivot)
        for r in range(i + 1, len(rows)):
            factor = rows[r][i] / pivot
            for c in range(i + 1, r + 1):
                rows[r][c] -= factor * rows[c][i]
    return found


@dataclass(frozen=True)
class Pivots:
    """The certified pivots of a matrix of n rows, and the precision that was enough."""

    diagonal: list[arb]
    n: int
    bits: int

    @property
    def rank(self) -> int:
        """Rows whose leading minor is certainly not zero."""
        return len(self.diagonal)

    @property
    def positive_definite(self) -> bool:
        """Whether all n pivots are certainly positive."""
        return self.rank == self.n and all(value > 0 for value in self.diagonal)

    @property
    def inertia(self) -> tuple[int, int]:
        """How many pivots are certainly positive, and how many certainly negative."""
        return sum(v > 0 for v in self.diagonal), sum(v < 0 for v in self.diagonal)


def certified_pivots(
    build: Callable[[], Sequence[Sequence[arb]]], bits: int = 128, limit: int = MAX_BITS
) -> Pivots:
    """Pivots of the symmetric matrix that ``build`` makes, precision doubled until all are signed.

    A singular matrix never gets there: at ``limit`` the pivots certified so far are returned.
    """
    while True:
        with ctx.workprec(bits):
            matrix = build()
            values = pivots(matrix)
        if len(values) == len(matrix) or 2 * bits > limit:
            return Pivots(values, len(matrix), bits)
        bits *= 2


def mix_first_two(matrix: list[list[arb]]) -> list[list[arb]]:
    """C M Cᵀ with C: e_1 ↦ e_1 + e_2. All leading minors of order ≥ 2 stay what they are.

    A distance matrix has a zero diagonal, so M itself has no first pivot; C M Cᵀ has one.
    """
    first = [a + b for a, b in zip(matrix[0], matrix[1], strict=True)]
    rows = [first, *[list(row) for row in matrix[1:]]]
    for row in rows:
        row[0] = row[0] + row[1]
    return rows


def rational_inertia(matrix: Sequence[Sequence[fmpq]]) -> tuple[int, int, int]:
    """(positive, negative, zero) eigenvalues of a symmetric rational matrix, exactly (Sylvester).

    Positive semi-definite iff ``negative`` is 0.
    """
    rows = [list(row) for row in matrix]
    positive = negative = 0
    while rows:
        n = len(rows)
        i = next((i for i in range(n) if rows[i][i] != 0), None)
        if i is None:
            pair = next(((r, c) for r in range(n) for c in range(r) if rows[r][c] != 0), None)
            if pair is None:
                break
            i, j = pair  # all of the diagonal is zero: e_i ↦ e_i + e_j gives it 2 M_ij
            rows[i] = [a + b for a, b in zip(rows[i], rows[j], strict=True)]
            for row in rows:
                row[i] += row[j]
        pivot, top = rows[i][i], rows[i]
        positive, negative = positive + (pivot > 0), negative + (pivot < 0)
        others = [r for r in range(n) if r != i]
        rows = [[rows[r][c] - rows[r][i] * top[c] / pivot for c in others] for r in others]
    return positive, negative, len(matrix) - positive - negative


def symmetric_part(matrix: Sequence[Sequence[Number]]) -> list[list[Number]]:
    """(M + Mᵀ)/2."""
    n = range(len(matrix))
    return [[(matrix[i][j] + matrix[j][i]) / 2 for j in n] for i in n]


def certainly_asymmetric(matrix: Sequence[Sequence[Number]]) -> bool:
    """Whether some K_ij is certainly different from K_ji (disjoint balls)."""
    n = len(matrix)
    return any(matrix[i][j] != matrix[j][i] for i in range(n) for j in range(i))


def quadratic_form(matrix: Sequence[Sequence[Number]], c: Point) -> Number:
    """cᵀ M c."""
    rows = (sum((b * m for b, m in zip(c, row, strict=True)), 0 * row[0]) for row in matrix)
    return sum((a * row for a, row in zip(c, rows, strict=True)), 0 * matrix[0][0])


def lowest_direction(floats: np.ndarray) -> list[fmpq]:
    """The eigenvector of the smallest eigenvalue of a float symmetric part, as rationals."""
    vectors = np.linalg.eigh((floats + floats.T) / 2)[1]
    return [rational(float(value)) for value in np.round(vectors[:, 0] * 2.0**30) / 2.0**30]


def eigenvalues(matrix: Sequence[Sequence[arb]]) -> list[float]:
    """Eigenvalues of a symmetric matrix in increasing order, to the current precision.

    Not certified: for figures, where float eigenvalues would drown in their rounding.
    """
    roots = arb_mat([list(row) for row in matrix]).eig(algorithm="approx")
    return sorted(float(root.real.mid()) for root in roots)


def certify_positive(
    function: Callable[[arb], arb], low: float, high: float, cells: int = 64, depth: int = 30
) -> tuple[float, int]:
    """A lower bound of ``function`` on all of [low, high], and how many cells it took.

    Balls cover the interval without a gap; a cell whose image touches zero is halved. Where
    ``depth`` halvings are not enough, the bound is what the last cell gives, ≤ 0.
    """
    edges = [rational(edge) for edge in np.linspace(low, high, cells + 1).tolist()]
    stack = [(*ends, depth) for ends in pairwise(edges)]
    bound, count = math.inf, 0
    while stack:
        start, end, left = stack.pop()
        value = function(arb(start).union(arb(end)))
        if value > 0 or left == 0:
            count += 1
            if not value > 0:
                return lower(value), count
            bound = min(bound, lower(value))
        else:
            middle = (start + end) / 2
            stack += [(start, middle, left - 1), (middle, end, left - 1)]
    return bound, count


def polynomial_ring(d: int) -> PolyRing:
    """Q[q_1..q_d, k_1..k_d, s], s standing for 1/√d."""
    from sympy import QQ, ring  # takes as long as most claims, which do not need it

    names = [f"{x}{axis}" for x in "qk" for axis in range(d)]
    return ring([*names, "s"], QQ)[0]


def dyadic(rng: np.random.Generator, shape: tuple[int, ...], bits: int = 4) -> np.ndarray:
    """Multiples of 2^{−bits} in [−1, 1]: products with them are exact in floats."""
    return rng.integers(-(1 << bits), (1 << bits) + 1, size=shape) / (1 << bits)
