"""κ(q, k) = ψ(k)ᵀ C(q) ψ(k), C(q) ⪰ 0, with the number of functions ψ that ``square_dim`` says."""

import math
from fractions import Fraction

import numpy as np
import pytest
from helpers import points

from rkbs.kernels import EDP, Constant, KeyNormBias, PositiveFeatures, Quadratic, TaylorEDP
from rkbs.kernels.features import multi_indices

C = math.comb
W = points((2, 3), 5)
RANDOM = PositiveFeatures.random(3, 4, np.random.default_rng(0))

# ---- in exact arithmetic


def monomials(k, degree):
    """All monomials of degree ≤ ``degree`` in the coordinates of k, as ``multi_indices`` are."""
    rows = multi_indices(len(k), degree).tolist()
    return [math.prod(v**r for v, r in zip(k, row, strict=True)) for row in rows]


def square_form(order):
    """G ≻ 0 with Σ_{n ≤ 2m} aⁿ/n! = Σ_jk G_jk a^j a^k: ∫ (t + a)^{2m}/(2m)! e^{−t} dt, exact."""
    m = order // 2

    def entry(j, k):
        return Fraction(C(m, j) * C(m, k) * math.factorial(2 * m - j - k), math.factorial(2 * m))

    return [[entry(j, k) for k in range(m + 1)] for j in range(m + 1)]


def powers_in(q, degree):
    """T with a^j = Σ_r T_jr ψ_r(k): the multinomial theorem, a = q·k."""
    table = []
    for j in range(degree + 1):
        row = []
        for r in multi_indices(len(q), degree).tolist():
            count = math.factorial(sum(r)) // math.prod(map(math.factorial, r))
            value = count * math.prod(v**e for v, e in zip(q, r, strict=True))
            row.append(Fraction(value if sum(r) == j else 0))
        table.append(row)
    return table


def matmul(a, b):
    return [[sum(x * y for x, y in zip(row, col, strict=True)) for col in zip(*b, strict=True)]
            for row in a]  # fmt: skip


def is_psd(matrix):
    """Exact: LDLᵀ, where a zero pivot of a PSD matrix has a zero row."""
    rest = [list(row) for row in matrix]
    while rest:
        pivot, row = rest[0][0], rest[0][1:]
        if pivot < 0 or (pivot == 0 and any(row)):
            return False
        rest = [
            [v - (u * w / pivot if pivot else 0) for v, w in zip(line[1:], row, strict=True)]
            for line, u in zip(rest[1:], row, strict=True)
        ]
    return True


def form(kernel, q):
    """C(q) over all monomials of degree ≤ half the kernel's, for a = q·k, q over √d."""
    if isinstance(kernel, Quadratic):
        square = [[Fraction(kernel.gamma) ** 2, Fraction(kernel.gamma)]]
        square.append([Fraction(kernel.gamma), Fraction(1)])
    else:
        square = square_form(kernel.degree)
    table = powers_in(q, len(square) - 1)
    return matmul(matmul([list(c) for c in zip(*table, strict=True)], square), table)


SQUARES = [*map(TaylorEDP, (0, 2, 4, 6)), *map(Quadratic, (1.0, 0.0, -0.75))]


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kernel", SQUARES, ids=repr)
def test_rows_are_sums_of_squares_of_so_many_functions(kernel, d):
    rng = np.random.default_rng(d)
    coefficients = kernel.power_coefficients(kernel.degree)
    used = set()
    for _ in range(4):
        q, k = ([Fraction(int(v), 3) for v in rng.integers(-9, 10, d)] for _ in range(2))
        matrix = form(kernel, q)
        psi = monomials(k, kernel.degree // 2)
        value = sum(c * u * v for row, u in zip(matrix, psi, strict=True)
                    for c, v in zip(row, psi, strict=True))  # fmt: skip
        a = sum(u * v for u, v in zip(q, k, strict=True))
        assert value == sum(c * a**n for n, c in enumerate(coefficients))
        assert is_psd(matrix)
        used |= {r for r, row in enumerate(matrix) if any(row)}
        x, y = np.array([q], float) * math.sqrt(d), np.array([k], float)
        assert abs(kernel(x, y)[0, 0] - float(value)) <= 1e-13 * max(1, float(value))
    assert kernel.square_dim(d) == len(used)


def test_the_exact_check_rejects_a_form_that_is_not_a_sum_of_squares():
    assert is_psd([[Fraction(1), Fraction(1)], [Fraction(1), Fraction(1)]])
    assert not is_psd([[Fraction(1), Fraction(2)], [Fraction(2), Fraction(1)]])
    assert not is_psd([[Fraction(0), Fraction(1)], [Fraction(1), Fraction(5)]])
    assert all(TaylorEDP(n).square_dim(2) is None for n in (1, 3, 5))


def trace_excess(kernel, d, n=7):
    """max tr A − M over aligned queries of n points of a circle (d = 2): L1′ forbids it."""
    angles = 2 * np.pi * np.arange(n) / n
    keys = np.stack([np.cos(angles), np.sin(angles)], 1)
    traces = []
    for size in np.geomspace(0.1, 30, 60):
        gram = kernel(math.sqrt(2) * size * keys, keys)
        traces.append(np.trace(gram / gram.sum(1, keepdims=True)))
    return max(traces) - kernel.square_dim(d)


@pytest.mark.parametrize(
    "kernel", [Quadratic(), Quadratic(0.0), TaylorEDP(2), TaylorEDP(4), KeyNormBias(Quadratic())]
)
def test_no_trace_of_self_weights_exceeds_it(kernel):
    assert trace_excess(kernel, 2) <= 1e-12


COUNTS = {  # in R^3
    Constant(): 1,
    RANDOM: 4,
    TaylorEDP(2) + Quadratic(0.0): 7,
    TaylorEDP(2) * Quadratic(): 16,
    3.0 * TaylorEDP(4): 10,
    -1.0 * TaylorEDP(4): None,
    KeyNormBias(TaylorEDP(2), 0.4): 4,
    TaylorEDP(2).pullback(None, W): 3,
    TaylorEDP(2).pullback(None, np.tanh): None,
    EDP(): None,
    EDP() + Constant(): None,
    TaylorEDP(2).T: 4,
    KeyNormBias(TaylorEDP(2), 0.4).T: None,
}


@pytest.mark.parametrize(("kernel", "count"), COUNTS.items(), ids=map(repr, COUNTS))
def test_functions_of_combinations(kernel, count):
    assert kernel.square_dim(3) == count


def test_wrong_declarations_are_seen():
    class FewSquares(Quadratic):
        def square_dim(self, d):
            return d

    assert trace_excess(FewSquares(1.0), 2) > 0.5

    class FewTaylor(TaylorEDP):
        def square_dim(self, d):
            return C(d + self.order // 2, d) - 1

    assert trace_excess(FewTaylor(2), 2) > 0.5
