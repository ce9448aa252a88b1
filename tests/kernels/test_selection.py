"""capacity and self_weight: bounds of the laws, and arrangements recomputed by hand."""

import math
import re
import sys
import warnings
from fractions import Fraction

import numpy as np
import pytest
from optional import torch

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
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    PositiveFeatures,
    Precomputed,
    Quadratic,
    TaylorEDP,
    capacity,
    depth_bound,
    leverage_bound,
    self_weight,
)
from verify.harness.paths import ROOT


def dot(q, k):
    return sum(a * b for a, b in zip(q, k, strict=True)) / math.sqrt(len(q))


def norm(q, k=None):
    return math.dist(q, k if k is not None else [0.0] * len(q))


def taylor(order):
    return lambda q, k: sum(dot(q, k) ** n / math.factorial(n) for n in range(order + 1))


def less_top(logit):
    """κ from its logits, up to a factor for the query: rows may be divided by it."""
    return lambda q, keys: [
        math.exp(a - max(row)) for row in [[logit(q, k) for k in keys]] for a in row
    ]


def plainly(value):
    return lambda q, keys: [value(q, k) for k in keys]


ROWS = {  # by its short name: the row of a query, up to a factor
    "edp": less_top(dot),
    "rbf": less_top(lambda q, k: -(norm(q, k) ** 2) / math.sqrt(len(q))),
    "l2": plainly(norm),
    "ei": less_top(lambda q, k: math.fsum(map(min, q, k))),
    "quadratic": plainly(lambda q, k: (dot(q, k) + 1) ** 2),
    "taylor-4": plainly(taylor(4)),
    "capped": less_top(lambda q, k: math.tanh(dot(q, k))),
    "key-norm": less_top(lambda q, k: dot(q, k) - norm(k) ** 2 / math.sqrt(len(q))),
    "cauchy": plainly(lambda q, k: 1 / (1 + norm(q, k) ** 2 / math.sqrt(len(q)))),
    "laplace": less_top(lambda q, k: -sum(abs(a - b) for a, b in zip(q, k, strict=True))),
    "constant": plainly(lambda q, k: 1.0),
}
REFUSED = {
    "taylor-3": TypeError,
    "linear": TypeError,
    "identity": ValueError,
    "tanimoto": TypeError,
}


def own_weights(row, queries, keys):
    """The A_ii, row by row, in Python's numbers."""
    queries, keys = queries.tolist(), keys.tolist()
    rows = [row(q, keys) for q in queries]
    return [weights[i] / math.fsum(weights) for i, weights in enumerate(rows)]


def spread(row, queries, keys):
    rows = [row(q, keys.tolist()) for q in queries.tolist()]
    return max(math.log(max(weights) / min(weights)) for weights in rows)


def test_the_tables_are_complete():
    assert set(ROWS) | set(REFUSED) == set(KERNELS)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("name", ROWS)
def test_what_is_attained_is_so_and_within_the_bound(name, d):
    kernel = KERNELS[name]
    found = capacity(kernel, d)
    n = len(found.keys)
    assert found.keys.shape == found.queries.shape == (n, d)
    assert min(own_weights(ROWS[name], found.queries, found.keys)) > 0.5
    assert found.bound is not None
    assert n <= found.attained <= found.bound
    assert found.attained == (math.inf if kernel.selects_any(d) else n)
    assert found.gap == (0 if found.attained == found.bound else found.bound - found.attained)
    found = self_weight(kernel, d, 7)
    own = own_weights(ROWS[name], found.queries, found.keys)
    assert math.exp(math.fsum(map(math.log, own)) / 7) == pytest.approx(found.attained, rel=1e-9)
    assert 1 / 7 - 1e-9 <= found.attained <= found.bound * (1 + 1e-9)
    assert found.bound_power is None or float(found.bound_power) == pytest.approx(found.bound**7)
    assert found.gap == pytest.approx(found.bound - found.attained, abs=1e-9)


@pytest.mark.parametrize("name", ["edp", "rbf", "l2", "quadratic", "capped", "ei"])
@pytest.mark.parametrize("d", [1, 2])
def test_logits_keep_their_interval(name, d):
    """More of it is never worse, and L6 holds."""
    before = 1 / 5
    for cap in (0.25, 2.0, math.inf):
        found = self_weight(KERNELS[name], d, 5, max_logit=cap)
        if cap < math.inf:
            assert spread(ROWS[name], found.queries, found.keys) <= 2 * cap * (1 + 1e-9)
            assert found.attained <= 1 / (1 + 4 * math.exp(-2 * cap)) + 1e-12
        assert found.attained <= found.bound * (1 + 1e-9)
        assert found.attained >= before * (1 - 1e-6)
        before = found.attained


SETTLED = [  # kernel, d, capacity, law
    (EDP(), 1, 2, "L4"),
    (TaylorEDP(2), 1, 2, "L4"),
    (CappedEDP(3.0), 1, 2, "L4"),
    *((TaylorEDP(2), d, 2 * d + 1, "L1′") for d in (2, 3, 4, 5, 64)),
    *((Quadratic(-0.5), d, 2 * d + 1, "L1′") for d in (2, 3, 64)),
    (Quadratic(0.0), 2, 3, "L1"),
    (Quadratic(0.0), 3, 5, "L1′"),
    *((L2Distance(0.3), d, 2, "L3") for d in (1, 2, 3, 64)),
    (CappedEDP(1.0), 3, 8, "L6"),
    (CappedEDP(2.0), 4, 55, "L6"),
    (2.0 * ExponentiatedIntersection(), 1, 1, "L4"),
    (Constant(), 3, 1, "L1"),
    (TaylorEDP(0), 2, 1, "L1"),
]


@pytest.mark.parametrize(("kernel", "d", "most", "law"), SETTLED, ids=repr)
def test_capacities_that_are_known(kernel, d, most, law):
    found = capacity(kernel, d)
    assert (found.attained, found.bound, found.law) == (most, most, law)
    assert len(found.keys) == most
    assert f"{most} key{'s' * (most > 1)}, the bound by {law}" in repr(found)


@pytest.mark.parametrize(
    ("order", "attained", "bound"), [(2, 5, 5), (4, 7, 11), (8, 11, 29), (16, 17, 89)]
)
def test_taylor_cuts_in_the_plane(order, attained, bound):
    """The circle's numbers, theory §5, L2."""
    found = capacity(TaylorEDP(order), 2)
    assert (found.attained, found.bound, found.law) == (attained, bound, "L1′")


@pytest.mark.parametrize(
    ("kernel", "d"),
    [(EDP(), 2), (EDP(), 64), (0.1 * EDP(), 3), (ExponentiatedIntersection(), 2)]
    + [(k, d) for k in (RBF(0.1), Cauchy(), Laplace(), KeyNormBias(EDP(), 0.2)) for d in (1, 3)],
    ids=repr,
)
def test_any_number_of_keys(kernel, d):
    found = capacity(kernel, d)
    assert (found.attained, found.bound, found.law, found.gap) == (math.inf, math.inf, "", 0)
    assert "any number of keys" in repr(found)
    for n in (1, 7, 60):
        queries, keys = found.arrangement(n)
        weights = kernel.log(queries, keys)
        weights = np.exp(weights - weights.max(1, keepdims=True))
        assert (len(keys), (weights.diagonal() > weights.sum(1) / 2).all()) == (n, True)
    assert self_weight(kernel, d, 6).attained > 1 - 1e-6


def test_arrangements_of_a_finite_capacity():
    found = capacity(TaylorEDP(2), 2)
    assert len(found.arrangement(3)[0]) == 3
    with pytest.raises(ValueError, match="n must be at most 5, what is attained, got 6"):
        found.arrangement(6)


@pytest.mark.parametrize("n", [5, 8, 13])
@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_quadratic_kernel_attains_its_bound(d, n):
    if (
        n == d + 2 and n % 2
    ):  # the projection on what is left would have n entries of ±1 that cancel
        pytest.skip("no tight frame")
    found = self_weight(Quadratic(), d, n)
    share = min(Fraction(1), Fraction(d + 1, n))
    assert found.bound_power == share**n
    assert found.attained == pytest.approx(float(share), rel=1e-7)
    assert found.gap < 1e-7


@pytest.mark.parametrize("n", [2, 4, 10])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_metric_attains_its_bound(d, n):
    found = self_weight(L2Distance(), d, n)
    assert (found.bound_power, found.law) == (Fraction(2, n) ** n, "L3" * (n > 2))
    assert found.attained == pytest.approx(2 / n, rel=1e-9)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_second_cut_at_its_capacity(d):
    """(d + 1 + √(d² + 1))/(2n)."""
    n = 2 * d + 1
    best = (d + 1 + math.sqrt(d * d + 1)) / (2 * n)
    assert self_weight(TaylorEDP(2), d, n).attained == pytest.approx(best, rel=1e-9)


def test_depth_on_the_line():
    """The exponentiated intersection attains 1/n!, EDP comes near to the product of 1/depth."""
    found = self_weight(ExponentiatedIntersection(), 1, 6)
    assert found.bound_power == Fraction(1, math.factorial(6))
    assert found.attained == pytest.approx(found.bound, rel=1e-9)
    found = self_weight(EDP(), 1, 6)
    assert (found.bound_power, found.law) == (Fraction(1, 36), "L4")
    assert 0.998 * found.bound < found.attained


def test_positive_features_stay_below_their_dimension():
    kernel = PositiveFeatures.random(2, 3, np.random.default_rng(0))
    found = capacity(kernel, 2)
    assert found.bound == 3
    assert 2 <= found.attained <= 3
    assert self_weight(kernel, 2, 6).bound_power == Fraction(1, 2) ** 6
    with pytest.raises(ValueError, match=re.escape("kernel must take points of R^3 on both")):
        capacity(kernel, 3)


def test_a_function_of_unknown_structure():
    """Also one that knows no leading axes."""
    for function in (lambda x, y: np.exp(x @ y.T), lambda x, y: np.exp(x @ np.swapaxes(y, -1, -2))):
        kernel = Custom(function, is_positive=True)
        found = self_weight(kernel, 2, 5)
        assert (found.bound, found.bound_power, found.law, found.gap) == (None, None, "", None)
        assert found.attained > 0.999
        assert "no bound known" in repr(found)
    kernel = Custom(lambda x, y: (x @ y.T) ** 2, is_nonnegative=True)
    found = capacity(kernel, 2)
    assert (found.attained, found.bound, found.gap) == (3, None, None)
    assert self_weight(kernel, 2, 5, max_logit=1.0).bound == pytest.approx(1 / (1 + 4 / math.e**2))


def test_a_wrong_structure_is_found_out():
    def exponential(x, y):
        return np.exp(np.clip(x @ np.swapaxes(y, -1, -2), None, 700))

    kernel = Custom(exponential, is_positive=True, dim=2)
    with pytest.raises(ValueError, match=r"rank_bound\(2\) = 2, .* what it declares .* is wrong"):
        capacity(kernel, 2)
    with pytest.raises(ValueError, match=r"rank_bound\(2\) = 2, .* what it declares .* is wrong"):
        self_weight(kernel, 2, 5)


@pytest.mark.parametrize("dim", [None, 2])
def test_values_below_0_are_found_out(dim):
    kernel = Custom(lambda x, y: x @ np.swapaxes(y, -1, -2), is_nonnegative=True, dim=dim)
    for found in (lambda: capacity(kernel, 2), lambda: self_weight(kernel, 2, 5)):
        with pytest.raises(ValueError, match=r"says that it is non-negative, but has the value -"):
            found()


def test_a_bound_that_is_not_known_is_not_said_to_be_missing():
    found = capacity(EDP() * EDP(), 1)
    assert (found.attained, found.bound) == (2, math.inf)
    assert repr(found).endswith("2 keys, no bound known)")
    told = repr(self_weight(KeyNormBias(CappedEDP(1.0), 1e-9), 2, 5))
    assert told.endswith("no bound below 1 known)")


def test_symmetric_kernels_keep_their_bounds_transposed():
    for kernel in (EDP().T, KeyNormBias(EDP(), -1.0), L2Distance().T):
        found = capacity(kernel, 1)
        assert (found.attained, found.bound) == (2, 2)
    spread = self_weight(CappedEDP(1.0).T, 2, 5).bound
    assert spread == self_weight(CappedEDP(1.0), 2, 5).bound < 1
    assert TaylorEDP(2).T.square_dim(2) == TaylorEDP(2).square_dim(2) == 3
    one_sided = EDP().pullback(None, np.eye(2))
    assert one_sided.T.is_quasiconvex(2) is None
    assert RBF().T.selects_any(1) is True


def test_large_quotients_of_values_are_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert self_weight(EDP() * Quadratic(), 2, 3, max_logit=5.0).attained > 0.99


def test_the_same_every_time():
    for kernel in (TaylorEDP(4), PositiveFeatures.random(2, 3, np.random.default_rng(1))):
        first, second = self_weight(kernel, 2, 9, 1.0), self_weight(kernel, 2, 9, 1.0)
        assert np.array_equal(first.keys, second.keys)
        assert np.array_equal(first.queries, second.queries)


HEADS = PositiveFeatures(*(np.zeros(s) for s in [(2, 3, 2), (2, 3), (2, 3, 2), (2, 3)]))
BAD = [
    ((KERNELS["taylor-3"], 2), TypeError, "be normalized; TaylorEDP(order=3) is not"),
    ((Linear(), 2), TypeError, "be normalized; Linear() is not"),
    ((Custom(lambda x, y: x @ y.T), 2), TypeError, "does not say: set is_nonnegative"),
    ((Identity(), 2), ValueError, "points that can be arranged in R^d, but Identity()"),
    ((RBF() + Identity(), 2), ValueError, "but Identity() goes by who they are"),
    ((Precomputed(np.eye(3)), 1), ValueError, "but Precomputed(<3 × 3>) goes by"),
    ((HEADS, 2), ValueError, "PositiveFeatures(query_weights=…) has a value for each head"),
    ((RBF((1.0, 2.0)) + EDP(), 2), ValueError, "RBF(tau=…) has a value for each head"),
    ((0.0 * EDP(), 2), ValueError, "not be 0 everywhere so that rows of weights can be norm"),
    ((EDP() * Custom(lambda x, y: 0 * (x @ y.mT), is_positive=True, dim=0), 2), ValueError, "rank"),
    ((EDP, 2), TypeError, "kernel must be a Kernel, got the class EDP"),
    ((EDP(), 0), ValueError, "d must be at least 1, got 0"),
    ((EDP(), 2.0), TypeError, "d must be an integer, got 2.0"),
]


@pytest.mark.parametrize(("given", "error", "told"), BAD)
def test_what_cannot_be_arranged_is_refused(given, error, told):
    with pytest.raises(error, match=re.escape(told)):
        capacity(*given)
    with pytest.raises(error, match=re.escape(told)):
        self_weight(*given, 3)


def test_a_parameter_that_is_a_tensor_is_refused():
    kernel, told = RBF(torch.tensor(1.0)), r"RBF\(tau=…\) is a torch tensor: pass numbers"
    with pytest.raises(TypeError, match=told):
        capacity(kernel, 2)
    with pytest.raises(TypeError, match=told):
        self_weight(kernel, 2, 3)


@pytest.mark.parametrize(
    ("n", "cap", "error", "told"),
    [
        (0, 1.0, ValueError, "n must be at least 1, got 0"),
        (2.5, 1.0, TypeError, "n must be an integer, got 2.5"),
        (3, 0.0, ValueError, "max_logit must be positive, got 0.0"),
        (3, -1, ValueError, "max_logit must be positive, got -1"),
        (3, math.nan, ValueError, "max_logit must be positive, got nan"),
        (3, "1", TypeError, "max_logit must be a real number or math.inf, got '1'"),
    ],
)
def test_bad_numbers_are_refused(n, cap, error, told):
    with pytest.raises(error, match=re.escape(told)):
        self_weight(EDP(), 2, n, cap)


def by_normals(keys):
    """Halfspace depths in the plane by all directions between the critical ones."""
    found = []
    for key in keys:
        rest = keys - key
        critical = [math.atan2(-x, y) for x, y in rest if (x, y) != (0, 0)]
        critical = sorted({a % math.pi for a in critical} | {0.0})
        angles = [(a + b) / 2 for a, b in zip(critical, [*critical[1:], math.pi], strict=True)]
        sides = [
            rest @ [math.cos(a), math.sin(a)] for a in [*angles, *(x + math.pi for x in angles)]
        ]
        found.append(min(int((side > -1e-9).sum()) for side in sides))
    return np.array(found)


@pytest.mark.parametrize("seed", range(6))
def test_depths(seed):
    """In the plane on lattices and repeated points, where many are collinear, and at random."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 4, size=(11, 2)) if seed % 2 else rng.normal(size=(9, 2))
    assert np.array_equal(1 / depth_bound(keys), by_normals(keys * 1.0))
    line = rng.integers(0, 5, size=8)
    depths = [min(sum(line <= k), sum(line >= k)) for k in line]
    assert np.array_equal(depth_bound(line[:, None]), 1 / np.array(depths))
    embedded = np.stack([line, 2 * line], 1)
    assert np.array_equal(depth_bound(embedded), 1 / np.array(depths))
    with pytest.raises(ValueError, match=r"keys must be of dimension 1 or 2, got shape \(4, 3\)"):
        depth_bound(np.ones((4, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_no_weight_exceeds_what_bounds_it(seed):
    rng = np.random.default_rng(seed)
    keys, queries = rng.normal(size=(8, 2)), 3 * rng.normal(size=(2000, 2))
    for kernel in (EDP(), L2Distance(), Quadratic(), TaylorEDP(4), CappedEDP()):
        values = kernel(queries, keys)
        assert ((values / values.sum(1, keepdims=True)).max(0) <= depth_bound(keys) + 1e-12).all()
    features = np.hstack([np.ones((8, 1)), keys])
    leverages = leverage_bound(features)
    values = Quadratic(0.7)(queries, keys)
    assert ((values / values.sum(1, keepdims=True)).max(0) <= leverages + 1e-12).all()
    assert leverages.sum() == pytest.approx(3)
    hat = features @ np.linalg.inv(features.T @ features) @ features.T
    assert leverages == pytest.approx(hat.diagonal())
    assert leverage_bound(features * [1e-40, 1.0, 1e40]) == pytest.approx(leverages)
    powers = np.linspace(-0.01, 0.01, 12)[:, None] ** np.arange(9)
    assert leverage_bound(powers).sum() == pytest.approx(9)
    assert leverage_bound(np.ones((4, 3))) == pytest.approx(np.full(4, 0.25))  # of rank 1


def test_the_table_of_the_page_is_current(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import selection_table

    try:
        page = selection_table.PAGE.read_text(encoding="utf-8")
        assert selection_table.written(page) == page, "python docs/selection_table.py"
    finally:
        del sys.modules["selection_table"]


@pytest.mark.parametrize("kernel", [TaylorEDP(2), EDP(), L2Distance(), RBF()])
def test_maps_onto_a_space_select_what_the_kernel_selects_there(kernel):
    rng = np.random.default_rng(0)
    head = kernel.pullback(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)))
    found, inner = capacity(head, 3), capacity(kernel, 2)
    assert (found.attained, found.bound, found.law) == (inner.attained, inner.bound, inner.law)
    n = min(found.attained, 20)
    queries, keys = found.arrangement(n)
    assert queries.shape == keys.shape == (n, 3)
    values = head(queries, keys) if kernel.is_positive is not True else head.log(queries, keys)
    if kernel.is_positive:
        values = np.exp(values - values.max(1, keepdims=True))
    assert (values.diagonal() > 0.5 * values.sum(1)).all()
    same, other = self_weight(head, 3, 5), self_weight(kernel, 2, 5)
    assert same.attained == pytest.approx(other.attained)
    assert same.keys.shape == (5, 3)


def test_maps_that_are_not_onto_are_searched():
    flat = EDP().pullback(np.array([[1.0, 0.0], [1.0, 0.0]]), None)  # queries on a line
    assert capacity(flat, 2).attained == 2
    assert capacity(EDP().pullback(np.tanh, np.tanh), 2).attained >= 3
