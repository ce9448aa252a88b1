"""What kernels say of what bounds them, each against evidence that rejects a wrong declaration.

``rank_bound``, ``is_quasiconvex``, ``is_metric`` and ``logit_spread``: theory §5. ``square_dim``
has test_squares.py.
"""

import dataclasses
import itertools
import math

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
    Tanimoto,
    TaylorEDP,
)

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
    (EDP().T, (1, 2, 3)),
    (EDP().pullback(None, np.eye(1)).T, ()),
    (KeyNormBias(EDP(), -0.5), (1, 2, 3)),
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
    (Tanimoto(), ()),
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
METRICS += [L2Distance().T, L2Distance().pullback(W, W).T]


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
