"""What kernels say of what bounds them, each against evidence that rejects a wrong declaration.

``rank_bound``, ``square_dim``, ``is_quasiconvex``, ``is_metric`` and ``logit_spread``: theory §5.
"""

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from helpers import points

from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    CappedEDP,
    Cauchy,
    Constant,
    Custom,
    ExponentiatedIntersection,
    Identity,
    Kernel,
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    PositiveFeatures,
    Precomputed,
    Quadratic,
    Scaled,
    TaylorEDP,
)
from rkbs.kernels.features import multi_indices

C = math.comb
W, V = points((2, 3), 5), points((2, 3), 6)  # to heads of dimension 2
RANDOM = PositiveFeatures.random(3, 4, np.random.default_rng(0))

# ---- rank_bound

RANKS = {  # in R^3
    EDP(): math.inf,
    CappedEDP(): math.inf,
    Identity(): math.inf,
    Custom(np.add): None,
    Constant(): 1,
    Linear(): 3,
    Quadratic(): 10,
    Quadratic(0.0): 6,
    Quadratic(-0.5): 10,
    Quadratic([0.0, 0.5]): 10,
    TaylorEDP(0): 1,
    TaylorEDP(2): 10,
    TaylorEDP(3): 20,
    TaylorEDP(4): 35,
    RANDOM: 4,
    Precomputed(points((5, 3))): 3,
    Precomputed(np.ones((4, 6))): 4,
    Linear() + Constant(): 4,
    Quadratic() + Linear(): 13,
    RANDOM + 2.0 * Constant(): 5,
    EDP() + Linear(): math.inf,
    Custom(np.add) + Linear(): None,
    Quadratic(0.0) * Linear(): 18,
    TaylorEDP(2) * RANDOM: 40,
    EDP() * (0.0 * EDP()): 0,
    0.0 * Quadratic(): 0,
    -0.5 * Quadratic(): 10,
    Scaled(Quadratic(), [0.0, 1.0]): 10,
    Quadratic().T: 10,
    Quadratic().pullback(W, V): 6,
    Linear().pullback(W, V): 2,
    Linear().pullback(np.tanh, None): None,
    KeyNormBias(Quadratic(), 0.3): 10,
    KeyNormBias(RANDOM + Linear(), -0.2): 7,
}
ATTAINED = [
    kernel
    for kernel, bound in RANKS.items()
    if bound not in (None, 0, math.inf)
    and not isinstance(kernel, Precomputed)
    and kernel not in (Quadratic() + Linear(), Quadratic(0.0) * Linear(), TaylorEDP(2) * RANDOM)
]


def numerical_rank(kernel, d=3):
    """The largest of a few Gram matrices; singular values below 1e-11 σ_1 may be rounding."""
    if isinstance(kernel, Precomputed):
        grams = [kernel(*map(Precomputed.points, kernel.matrix.shape))]
    else:
        heads = (2,) if "[" in repr(kernel) or "(0.0, " in repr(kernel) else ()
        pairs = ((points((*heads, 45, d), s), points((*heads, 50, d), s + 9)) for s in range(3))
        grams = [kernel(x, y) for x, y in pairs]
    sigma = np.linalg.svd(np.array(grams), compute_uv=False)
    return int((sigma > 1e-11 * sigma[..., :1]).sum(-1).max())


@pytest.mark.parametrize(("kernel", "bound"), RANKS.items(), ids=map(repr, RANKS))
def test_no_gram_matrix_has_a_larger_rank(kernel, bound):
    assert kernel.rank_bound(3) == bound
    if bound not in (None, math.inf):
        rank = numerical_rank(kernel)
        assert rank <= bound
        if kernel in ATTAINED:  # so that a bound too small by one is seen
            assert rank == bound


def test_the_tables_reach_every_kernel():
    finite = {type(k) for k in KERNELS.values() if k.rank_bound(3) != math.inf}
    assert finite <= {type(k) for k in RANKS}
    assert {type(k) for k in KERNELS.values()} <= {type(k) for k, _ in QUASICONVEX} | {Identity}


# ---- square_dim: κ = ψᵀ C(q) ψ in exact arithmetic


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
    TaylorEDP(2).T: None,
}


@pytest.mark.parametrize(("kernel", "count"), COUNTS.items(), ids=map(repr, COUNTS))
def test_functions_of_combinations(kernel, count):
    assert kernel.square_dim(3) == count


# ---- is_quasiconvex


def excess_on_segments(kernel, d, seed=0):
    """max κ(q, k) − max(κ(q, a), κ(q, b)) over k on segments ab, relative to the larger end."""
    rng = np.random.default_rng(seed)
    worst = -math.inf
    for size in (0.3, 1.0, 3.0):
        q, a, b = size * rng.normal(size=(3, 60, d))
        share = rng.uniform(size=(60, 1))
        share[::7] = 0.5
        ends = np.maximum(kernel(q, a), kernel(q, b))
        middle = kernel(q, share * a + (1 - share) * b)
        worst = max(worst, float(((middle - ends) / abs(ends).max()).max()))
    return worst


QUASICONVEX = [  # kernel, the dimensions in which it says so
    (EDP(), (1, 2, 3)),
    (CappedEDP(0.7), (1, 2, 3)),
    (L2Distance(), (1, 2, 3)),
    (Quadratic(), (1, 2, 3)),
    (Quadratic(-0.5), (1, 2, 3)),
    (TaylorEDP(0), (1, 2, 3)),
    (TaylorEDP(4), (1, 2, 3)),
    (TaylorEDP(3), ()),
    (Linear(), (1, 2, 3)),
    (Constant(), (1, 2, 3)),
    (ExponentiatedIntersection(), (1,)),
    (2.0 * EDP(), (1, 2, 3)),
    (Scaled(EDP(), [1.0, 2.0]), (1, 2, 3)),
    (-1.0 * EDP(), ()),
    (RBF(), ()),
    (Cauchy(), ()),
    (Laplace(), ()),
    (KeyNormBias(EDP()), ()),
]


@pytest.mark.parametrize(("kernel", "dimensions"), QUASICONVEX, ids=lambda v: repr(v))
def test_lower_level_sets_are_convex(kernel, dimensions):
    for d in (1, 2, 3):
        assert kernel.is_quasiconvex(d) is (True if d in dimensions else None)
        if d in dimensions and "(1.0, 2.0)" not in repr(kernel):
            assert excess_on_segments(kernel, d) <= 1e-14


@pytest.mark.parametrize(
    ("kernel", "d"),
    [
        *(
            (kernel, d)
            for kernel in (RBF(), Cauchy(), Laplace(), KeyNormBias(EDP()))
            for d in (1, 2)
        ),
        (ExponentiatedIntersection(), 2),
        (-1.0 * Quadratic(), 2),
    ],
    ids=repr,
)
def test_the_others_have_a_segment_that_shows_it(kernel, d):
    assert kernel.is_quasiconvex(d) is None
    assert excess_on_segments(kernel, d) > 1e-2


# ---- is_metric


def broken_inequalities(kernel, d, seed=0):
    """The largest relative excess in the triangle and in Ptolemy's inequality, of random points."""
    x = points((9, d), seed)
    D = kernel(x, x)
    triangle = max(D[i, j] - D[i, k] - D[k, j] for i, j, k in itertools.permutations(range(9), 3))
    ptolemy = max(
        D[i, j] * D[m, n] - D[i, m] * D[j, n] - D[i, n] * D[j, m]
        for i, j, m, n in itertools.permutations(range(9), 4)
    )
    return triangle / D.max(), ptolemy / D.max() ** 2


METRICS = [L2Distance(), L2Distance(0.3), 2.0 * L2Distance(), L2Distance().pullback(W, W)]


@pytest.mark.parametrize("kernel", METRICS, ids=repr)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_distances_are_ptolemaic(kernel, d):
    if "LinearMap" in repr(kernel) and d != 3:
        return
    assert kernel.is_metric is True
    assert max(broken_inequalities(kernel, d)) <= 1e-14


class SquaredDistance(Kernel):
    """No metric."""

    is_metric = True

    def formula(self, x, y):
        return L2Distance()(x, y) ** 2


class L1Distance(Kernel):
    """A metric that is not Ptolemaic, hence not Euclidean."""

    is_metric = True

    def formula(self, x, y):
        return -Laplace().log(x, y)


def test_what_is_no_euclidean_distance_breaks_an_inequality():
    assert broken_inequalities(SquaredDistance(), 2)[0] > 0.1
    triangle, ptolemy = broken_inequalities(L1Distance(), 2)
    assert triangle <= 1e-14
    assert ptolemy > 1e-3
    says = {name for name, kernel in KERNELS.items() if kernel.is_metric}
    assert says == {"l2"}
    assert [(-1.0 * L2Distance()).is_metric, (0.0 * L2Distance()).is_metric] == [None, None]
    assert Scaled(L2Distance(), [1.0, 2.0]).is_metric is True


# ---- logit_spread


def widest_row(kernel, d=3):
    """The largest difference of two logits in a row, of points of all sizes and signs."""
    rng = np.random.default_rng(0)
    sizes = np.repeat(np.geomspace(1e-3, 1e6, 10), 8)[:, None]
    x, y = sizes * rng.normal(size=(80, d)), sizes * rng.normal(size=(80, d))
    return float(np.ptp(kernel.log(x, np.vstack([y, -x])), axis=-1).max())


SPREADS = {  # and whether points come near
    CappedEDP(): (2.0, True),
    CappedEDP(3.0): (6.0, True),
    3.0 * CappedEDP(2.0): (4.0, True),
    CappedEDP(2.0) * CappedEDP(0.5): (5.0, True),
    CappedEDP(2.0) + CappedEDP(0.5): (4.0, False),
    CappedEDP(2.0) + Constant(): (4.0, False),
    CappedEDP(2.0).pullback(W, V): (4.0, True),
    Constant(): (0.0, True),
}


@pytest.mark.parametrize(("kernel", "expected"), SPREADS.items(), ids=map(repr, SPREADS))
def test_logits_of_a_row_lie_in_an_interval(kernel, expected):
    spread, attained = expected
    assert kernel.logit_spread == spread
    widest = widest_row(kernel)
    assert widest <= spread * (1 + 1e-14)
    if attained:  # so that a declaration that is too small is seen
        assert widest >= 0.999 * spread


def test_a_wrong_spread_is_seen():
    @dataclasses.dataclass(frozen=True, eq=False)
    class Half(CappedEDP):
        @property
        def logit_spread(self):
            return self.cap

    assert widest_row(Half(2.0)) > 1.9 * Half(2.0).logit_spread
    unbounded = [n for n, k in KERNELS.items() if k.is_positive and k.logit_spread is None]
    assert unbounded
    assert all(widest_row(KERNELS[name]) > 20 for name in unbounded)


# ---- wrong declarations: a class that says more than is true fails the test of its law


def test_wrong_declarations_are_seen():
    class Convex(RBF):
        def is_quasiconvex(self, d):
            return True

    assert Convex().is_quasiconvex(2)
    assert excess_on_segments(Convex(), 2) > 1e-2

    class Small(TaylorEDP):
        def rank_bound(self, d):
            return C(d + self.order, d) - 1

    assert numerical_rank(Small(2)) > Small(2).rank_bound(3)

    class FewSquares(Quadratic):
        def square_dim(self, d):
            return d

    assert trace_excess(FewSquares(1.0), 2) > 0.5

    class FewTaylor(TaylorEDP):
        def square_dim(self, d):
            return C(d + self.order // 2, d) - 1

    assert trace_excess(FewTaylor(2), 2) > 0.5
