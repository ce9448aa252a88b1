"""Sums of squares in the key, and the leverage scores that bound their weights: in rationals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

from flint import arb, fmpq, fmpq_mat

from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import TaylorEDP
from verify.oracles.exact import Point, dot, polynomial, rational_gram, rational_inertia


def monomials(d: int, degree: int) -> list[tuple[int, ...]]:
    """The exponents of the C(d + m, m) monomials of degree ≤ m."""
    return [e for e in product(range(degree + 1), repeat=d) if sum(e) <= degree]


def psi(k: Point, degree: int) -> list[fmpq]:
    """ψ(k): the monomials of degree ≤ m at a point."""
    return [
        math.prod((x**e for x, e in zip(k, powers, strict=True)), start=fmpq(1))
        for powers in monomials(len(k), degree)
    ]


def square_matrix(m: int) -> list[list[fmpq]]:
    """G with p_{2m}(a) = Σ_rs G_rs a^{r+s}: of ∫ ((t + a)^m)² e^{−t} dt/(2m)! over t ≥ 0."""
    whole = math.factorial(2 * m)
    return [
        [
            fmpq(math.comb(m, r) * math.comb(m, s) * math.factorial(2 * m - r - s), whole)
            for s in range(m + 1)
        ]
        for r in range(m + 1)
    ]


def form_of_query(q: Point, m: int) -> list[list[fmpq]]:
    """C(q) of the cut p_{2m}: κ(q, k) = ψ(k)ᵀ C(q) ψ(k), its powers (q·k)^r written out."""
    powers = monomials(len(q), m)
    row = [
        math.prod((x**e for x, e in zip(q, p, strict=True)), start=fmpq(1))
        * math.factorial(sum(p))
        / math.prod(map(math.factorial, p))
        for p in powers
    ]
    G = square_matrix(m)
    degrees = [sum(p) for p in powers]
    return [
        [row[i] * row[j] * G[degrees[i]][degrees[j]] for j in range(len(row))]
        for i in range(len(row))
    ]


def faults(m: int, queries: Sequence[Point], keys: Sequence[Point]) -> dict[str, int]:
    """How often p_{2m} is not Σ G a^{r+s} with G ≻ 0, or κ not ψᵀ C(q) ψ with C(q) ⪰ 0."""
    G, whole = square_matrix(m), range(m + 1)
    found = [sum((G[r][n - r] for r in whole if n - r in whole), fmpq(0)) for n in range(2 * m + 1)]
    forms = [fmpq_mat(form_of_query(q, m)) for q in queries]
    rows = [fmpq_mat([psi(k, m)]) for k in keys]
    values = [(v * C * v.transpose())[0, 0] for C, v in zip(forms, rows, strict=True)]
    there = [polynomial(TaylorEDP(2 * m), dot(q, k)) for q, k in zip(queries, keys, strict=True)]
    return {
        "coefficients": sum(x != fmpq(1, math.factorial(n)) for n, x in enumerate(found)),
        "eigenvalues of G": m + 1 - rational_inertia(G)[0],
        "values": sum(x != y for x, y in zip(values, there, strict=True)),
        "eigenvalues of C(q)": sum(rational_inertia(C.tolist())[1] for C in forms),
    }


def leverages(keys: Sequence[Point], m: int, factors: Sequence[fmpq]) -> list[fmpq]:
    """c_j ψ_jᵀ (Σ_l c_l ψ_l ψ_lᵀ)⁻¹ ψ_j, exactly; the ψ_l must span."""
    rows = fmpq_mat([psi(k, m) for k in keys])
    scaled = fmpq_mat([[c * x for x in psi(k, m)] for k, c in zip(keys, factors, strict=True)])
    solved = (rows.transpose() * scaled).solve(scaled.transpose())  # (M, n)
    return [
        sum((rows[i, r] * solved[r, i] for r in range(rows.ncols())), fmpq(0))
        for i in range(len(keys))
    ]


def number(x: fmpq) -> float:
    """The nearest float."""
    return int(x.p) / int(x.q)


def exact_law(
    kernel: Kernel, m: int, q: Sequence[Point], k: Sequence[Point], factors: Sequence[fmpq]
) -> tuple[list[list[fmpq]], fmpq, fmpq]:
    """The weights, max (weight − leverage of its key), and Σ leverages − C(d + m, m): exact."""
    table = [
        [x * c for x, c in zip(row, factors, strict=True)] for row in rational_gram(kernel, q, k)
    ]
    A = [[x / sum(row, fmpq(0)) for x in row] for row in table]
    most = leverages(k, m, factors)
    excess = max(x - y for row in A for x, y in zip(row, most, strict=True))
    return A, excess, sum(most, fmpq(0)) - math.comb(len(k[0]) + m, m)


def cross_polytope(d: int) -> list[list[fmpq]]:
    """±e_1, …, ±e_d: a tight frame of mean 0."""
    return [[fmpq(sign * (i == j)) for j in range(d)] for i in range(d) for sign in (1, -1)]


def cube(d: int) -> list[list[fmpq]]:
    """The corners of [−1, 1]^d: another one."""
    return [list(map(fmpq, corner)) for corner in product((-1, 1), repeat=d)]


def design(d: int) -> list[list[arb]]:
    """Inner products of 2d + 1 unit vectors of R^d, d ≥ 2, with mean 0 and second moment 1/d.

    A pole and two regular simplices of d points, parallel, at the heights z with
    z² + z/d − 1/(2d) = 0, for which Σ z = 0 and Σ z² = (2d + 1)/d. For d = 2 it is the pentagon.
    """
    root = arb(2 * d + 1).sqrt()
    heights = [(sign * root - 1) / (2 * d) for sign in (1, -1)]
    rings = [(z, (1 - z * z).sqrt(), i) for z in heights for i in range(d)]
    points = [(arb(1), arb(0), 0), *rings]
    return [
        [z * x + r * s * (1 if i == j else arb(-1) / (d - 1)) for x, s, j in points]
        for z, r, i in points
    ]
