"""Taylor cuts on equispaced keys of the circle, exactly: what T_N selects there (theory §5, L2).

The n queries are aligned with the keys at logits β cos(2πj/n). The mean of cos^k over the points is
the rational 2^{−k} Σ C(k, r) over all r with n | 2r − k, so that a row's sum is n times a rational
polynomial of β, and the self-weight a quotient of two. For even N ≥ 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, reduce
from itertools import pairwise

from flint import arb, ctx, fmpq, fmpq_poly, fmpz_poly

BITS = 128


@cache
def moment(n: int, power: int) -> fmpq:
    """The mean of cos^power(2πj/n) over j = 0, …, n − 1."""
    aliased = sum(math.comb(power, r) for r in range(power + 1) if (2 * r - power) % n == 0)
    return fmpq(aliased, 2**power)


def cut(order: int) -> fmpq_poly:
    """p_N(β)."""
    return fmpq_poly([fmpq(1, math.factorial(power)) for power in range(order + 1)])


def row_sum(order: int, n: int) -> fmpq_poly:
    """Σ_j p_N(β cos 2πj/n)."""
    return fmpq_poly([n * moment(n, power) / math.factorial(power) for power in range(order + 1)])


def sturm_count(polynomial: fmpq_poly) -> int:
    """The number of distinct real roots, by the signs of Sturm's sequence at ±∞."""
    sequence = [polynomial, polynomial.derivative()]
    while sequence[-1].degree() > 0:
        rest = -(sequence[-2] % sequence[-1])
        if rest == 0:
            break
        sequence.append(rest)

    def changes(side: int) -> int:
        signs = [(1 if p[p.degree()] > 0 else -1) * side ** p.degree() for p in sequence]
        return sum(a != b for a, b in pairwise(signs))

    return changes(-1) - changes(1)


def real_roots(polynomial: fmpq_poly) -> list[arb]:
    """The distinct real roots of a polynomial in balls that are certainly theirs."""
    square_free = polynomial / polynomial.gcd(polynomial.derivative())
    whole = fmpz_poly([int(c) for c in (square_free * square_free.denom()).coeffs()])
    found = [root for root, _ in whole.complex_roots() if root.imag == 0]
    if len(found) != sturm_count(polynomial):
        raise ArithmeticError(f"{polynomial}: real roots were not all isolated")
    return [root.real for root in found]


@dataclass(frozen=True)
class Selection:
    """What T_N does on n equispaced keys: its largest self-weight and where, in balls.

    Where it is a limit, the scale is infinite.
    """

    weight: arb
    scale: arb


@cache
def selects(order: int, n: int) -> bool:
    """Whether 2p_N(β) > Σ_j p_N(β cos 2πj/n) for some real β, without rounding.

    The difference is > 0 somewhere iff it is at 0, or far out, or between two of its real roots.
    """
    excess = 2 * cut(order) - row_sum(order, n)
    degree = excess.degree()
    if excess[degree] > 0 or degree % 2 or excess[0] > 0:
        return True
    if sturm_count(excess) == 0:
        return False
    with ctx.workprec(BITS):
        cuts = sorted(_rational(root) for root in real_roots(excess))
        middles = [(a + b) / 2 for a, b in pairwise(cuts)]
    return any(excess(point) > 0 for point in middles)


def _rational(ball: arb) -> fmpq:
    mantissa, exponent = ball.mid().man_exp()
    return fmpq(int(mantissa)) * fmpq(2) ** int(exponent)


def capacity(order: int, most: int) -> int:
    """The largest n ≤ ``most`` up to which every number of keys is selected."""
    return next((n for n in range(1, most) if not selects(order, n + 1)), most)


@cache
def selection(order: int, n: int) -> Selection:
    """The maximum over all real β: at a root of the derivative, or in the limit of large β."""
    with ctx.workprec(BITS):
        top, total = cut(order), row_sum(order, n)
        slope = top.derivative() * total - top * total.derivative()
        points = [(_at(top, b) / _at(total, b), b) for b in real_roots(slope)]
        limit = arb(1 / (n * moment(n, order)))
        points.append((limit, arb("inf")))
        weight = reduce(arb.max, (value for value, _ in points))
        return Selection(weight, max(points, key=lambda point: float(point[0].mid()))[1])


def _at(polynomial: fmpq_poly, point: arb) -> arb:
    value = arb(0)
    for coefficient in reversed(polynomial.coeffs()):
        value = value * point + arb(coefficient)
    return value
