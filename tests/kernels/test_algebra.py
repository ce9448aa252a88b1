"""Sums, products, multiples, transposes, pullbacks, within-domain and precomputed kernels."""

import functools
import math
import operator

import numpy as np
import pytest
from helpers import meeting, points
from hypothesis import given
from hypothesis import strategies as st
from kernel_helpers import POINT_SETS, answers, assert_rank, assert_structure, every_backend
from optional import torch

from rkbs import laws
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    Constant,
    Identity,
    L2Distance,
    Laplace,
    Linear,
    Precomputed,
    Product,
    Pullback,
    Quadratic,
    Scaled,
    Sum,
    TaylorEDP,
    Transpose,
)
from rkbs.kernels.features import PowerFeatures

C = math.comb
W, V = points((3, 2), 7), points((3, 4), 8)  # x ∈ R², y ∈ R⁴, heads of dimension 3

# kernel: (is_mercer, is_symmetric, is_positive, is_nonnegative, feature_dim in R^3)
STRUCTURE = {
    EDP() + RBF(): (True, True, True, True, math.inf),
    EDP() + Linear(): (True, True, None, None, math.inf),
    Linear() + Quadratic(): (True, True, None, None, None),
    EDP() + L2Distance(): (None, True, True, True, None),
    EDP() + -1.0 * EDP(): (None, True, None, None, None),
    EDP() * RBF(): (True, True, True, True, math.inf),
    EDP() * Quadratic(): (True, True, None, True, None),
    Linear() * Linear(): (True, True, None, None, None),
    L2Distance() * L2Distance(): (None, True, None, True, None),
    -EDP(): (False, True, False, False, math.inf),
    RBF() + 0.5 * Identity() + 0.5 * Constant(): (True, True, True, True, math.inf),
    Linear() + Identity(): (True, True, None, None, math.inf),
    EDP() * Identity(): (True, True, None, True, math.inf),
    2.0 * Constant(): (True, True, True, True, 1),
    -Linear(): (None, True, None, None, 3),
    -L2Distance(): (None, True, False, None, math.inf),
    2 * Quadratic(-0.5): (False, True, False, True, C(5, 2)),
    0.5 * TaylorEDP(4): (True, True, True, True, C(7, 3)),
    Transpose(EDP()): (True, True, True, True, math.inf),
    L2Distance().T: (False, True, False, True, math.inf),
    EDP().pullback(): (True, True, True, True, math.inf),
    EDP().pullback(np.tanh, np.tanh): (True, True, True, True, None),
    EDP().pullback(np.tanh): (None, None, True, True, None),
    L2Distance().pullback(np.tanh, np.tanh): (None, True, None, True, None),
    TaylorEDP(3).pullback(np.tanh, np.tanh): (True, True, None, None, None),
}


def test_structure_table_has_every_class_of_the_algebra():
    assert {type(k) for k in STRUCTURE} == {Sum, Product, Scaled, Transpose, Pullback}


@pytest.mark.parametrize(("kernel", "expected"), STRUCTURE.items(), ids=map(repr, STRUCTURE))
def test_declared_structure_is_honest(kernel, expected):
    assert answers(kernel) == expected
    if kernel != EDP() + -1.0 * EDP():  # all zero: nothing can be seen
        assert_structure(kernel)
    for d in (2, 3):
        assert_rank(kernel, d)


def test_zero_times_a_kernel():
    zero, x = 0 * EDP(), POINT_SETS["random-3"]
    assert not zero(x, x).any()
    assert answers(zero) == (True, True, False, True, 0)


def test_queries_that_differ_from_keys_take_mercer_away():
    WQ, WK, x = points((3, 3), 5), points((3, 3), 6), POINT_SETS["random-3"]
    same, other = EDP().pullback(WQ, WQ.copy()), EDP().pullback(WQ, WK)
    assert answers(same) == (True, True, True, True, None)
    assert laws.mercer_residual(same, x) <= 1e-12
    assert answers(other) == (None, None, True, True, None)
    assert laws.symmetry_residual(other, x) > 0.1
    assert laws.negativity(other(x, x)) > 0.1


# ---- values

MAPS = st.sampled_from([0.5 * points((2, 2), 11), 0.5 * points((2, 2), 12)])
LEAVES = st.sampled_from([*KERNELS.values(), Quadratic(-0.5)])


def combine(inner):
    """Kernels made of kernels, each beside a plain function that should give the same values."""

    def wrap(make):
        return lambda p: make(*p)

    two = st.tuples(inner, inner)
    factor = st.sampled_from([-2.0, -0.5, 0.5, 3])
    return st.one_of(
        two.map(wrap(lambda a, b: (a[0] + b[0], lambda x, y: a[1](x, y) + b[1](x, y)))),
        two.map(wrap(lambda a, b: (a[0] * b[0], lambda x, y: a[1](x, y) * b[1](x, y)))),
        st.tuples(inner, factor).map(wrap(lambda a, c: (c * a[0], lambda x, y: c * a[1](x, y)))),
        inner.map(lambda a: (a[0].T, lambda x, y: a[1](y, x).T)),
        st.tuples(inner, MAPS, MAPS).map(
            wrap(lambda a, A, B: (a[0].pullback(A, B), lambda x, y: a[1](x @ A.T, y @ B.T)))
        ),
    )


EXPRESSIONS = st.recursive(LEAVES.map(lambda k: (k, k)), combine, max_leaves=4)
SMALL = {name: 0.5 * POINT_SETS[name] for name in ("random-2", "fine-2", "grid-2")}


@given(EXPRESSIONS)
def test_values_structure_and_domains_of_any_expression(expression):
    kernel, function = expression
    x, y = meeting((6, 2), (5, 2), scale=0.7)
    if not np.any(function(x, y)):  # a − a
        return
    assert laws.relative(kernel(x, y), function(x, y)) <= 1e-12
    assert laws.transpose_residual(kernel, x, y) <= 1e-13
    assert kernel == kernel.T.T
    if kernel.is_positive:
        assert laws.logit_residual(kernel, x, y) <= 1e-12
    assert_structure(kernel, SMALL, only=True)
    try:
        kernel.domain_x, kernel.domain_y  # noqa: B018
    except ValueError:
        return
    assert laws.domain_kernels_residual(kernel, x, y) <= 1e-12


@pytest.mark.parametrize("kernel", [k for k in STRUCTURE if k.is_positive], ids=repr)
def test_logits_of_the_algebra(kernel):
    x, y = points((6, 2)), points((5, 2), 1)
    assert laws.logit_residual(kernel, x, y) <= 1e-13
    far = 60.0 * np.array([[1.0, 1], [-1, -1]])
    assert np.isfinite(kernel.log(far, far)).all()


@given(LEAVES, LEAVES)
def test_sums_products_and_multiples(a, b):
    x, y = meeting((6, 3), (5, 3))
    if {type(a), type(b)} == {Identity, L2Distance}:  # one is 0 where the other is not
        assert not (a * b)(x, y).any()
        x, y = x, np.vstack([y, x])
        assert np.array_equal((a + b)(x, y), a(x, y) + b(x, y))
        return
    assert laws.algebra_residual(a, b, x, y) <= 1e-12


def test_many_terms():
    x, y = meeting((4, 2), (3, 2))
    total = functools.reduce(operator.add, KERNELS.values())
    assert laws.relative(total(x, y), sum(k(x, y) for k in KERNELS.values())) <= 1e-13


@pytest.mark.parametrize("name", KERNELS)
def test_pullbacks_compose(name):
    kernel = KERNELS[name]

    def with_origin(shape, seed):  # where every map's images meet
        return np.vstack([np.zeros(shape[1]), points(shape, seed)])

    x, y = with_origin((6, 2), 0), with_origin((5, 4), 1)
    assert laws.pullback_residual(kernel, W, V, x, y) <= 1e-13
    A, B, x, y = (
        points((2, 5), 3),
        points((4, 3), 4),
        with_origin((6, 5), 0),
        with_origin((5, 3), 1),
    )
    twice = kernel.pullback(W, V).pullback(A, B)
    once = kernel.pullback(W @ A, lambda y: y @ B.T @ V.T)
    assert laws.relative(twice(x, y), once(x, y)) <= 1e-12
    assert laws.relative(twice.T(y, x), once(x, y).T) <= 1e-12


def test_gradients_through_maps_factors_sums_and_products():
    x, y = points((4, 2), 0, "torch"), points((3, 4), 1, "torch")
    inputs = [torch.tensor(m, requires_grad=True) for m in (W, V, np.float64(0.3))]

    def head(WQ, WK, c):
        return (c * RBF(c) + EDP() * Laplace()).pullback(WQ, WK)

    assert torch.autograd.gradcheck(lambda *p: head(*p)(x, y), inputs)
    assert torch.autograd.gradcheck(lambda *p: head(*p).log(x, y), inputs)


# ---- within-domain kernels

WITH_FEATURES = [
    *(kernel for kernel in KERNELS.values() if kernel.is_mercer),
    Quadratic(-0.5),
    -EDP(),
    -2.0 * Quadratic(-0.5),
    0.5 * RBF(),
    EDP() + Quadratic(-0.5),
    EDP() + -1.0 * RBF(),
    Quadratic(-0.5) * TaylorEDP(3),
    -EDP() * Linear(),
    Quadratic(-0.5).T,
]
TWO_DOMAINS = [
    EDP().pullback(W, V),
    Quadratic(-0.5).pullback(W, V),
    (-1.0 * TaylorEDP(3)).pullback(W, V) + EDP().pullback(W, V),
    EDP().pullback(W, V) * Linear().pullback(W, V),
    EDP().pullback(V, W).T,
]
WITHOUT = [
    L2Distance(),
    L2Distance().T,
    2 * L2Distance(),
    EDP() + L2Distance(),
    L2Distance() * EDP(),
    L2Distance().pullback(W, W),
    Precomputed([[0.0, 1.0], [1.0, 0.0]]),
]


@pytest.mark.parametrize("kernel", WITH_FEATURES, ids=repr)
@pytest.mark.parametrize("name", ["random-3", "grid-2"])
def test_domain_kernels_belong_to_the_kernels_features(kernel, name):
    x = POINT_SETS[name]
    y = np.vstack([x[:1], 0.9 * x[::-1] + 0.05])
    assert laws.domain_kernels_residual(kernel, x, y) <= 1e-12


@pytest.mark.parametrize("kernel", TWO_DOMAINS, ids=repr)
def test_domain_kernels_of_two_domains(kernel):
    assert laws.domain_kernels_residual(kernel, points((9, 2)), points((8, 4), 1)) <= 1e-12


@pytest.mark.parametrize("gamma_or_order", [-0.5, 0.0, 1.5, 3, 4, None])
def test_domain_kernels_are_products_of_explicit_features(gamma_or_order):
    kernel = {float: Quadratic, int: TaylorEDP}.get(type(gamma_or_order), lambda _: Linear())(
        gamma_or_order
    )
    features, x = PowerFeatures(kernel, 3, 4), points((9, 3))
    for factor in (1.0, -3.0):
        side = math.sqrt(abs(factor)) * features(x)
        assert laws.relative((factor * kernel).domain_x(x, x), side @ side.T) <= 1e-12
        assert laws.relative((factor * kernel).domain_y(x, x), side @ side.T) <= 1e-12
    pulled, t, s = kernel.pullback(W, V), points((9, 2)), points((9, 4))
    for domain, u, mapped in ((pulled.domain_x, t, t @ W.T), (pulled.domain_y, s, s @ V.T)):
        assert laws.relative(domain(u, u), features(mapped) @ features(mapped).T) <= 1e-12


@pytest.mark.parametrize("kernel", WITHOUT, ids=repr)
@pytest.mark.parametrize("side", ["domain_x", "domain_y"])
def test_without_known_features_there_is_no_domain_kernel(kernel, side):
    with pytest.raises(ValueError, match=r"no known features|its matrix G is"):
        getattr(kernel, side)


# ---- precomputed kernels

PRECOMPUTED = [  # is_mercer, is_symmetric, is_positive, is_nonnegative, feature_dim
    ("definite", [[2, 1], [1, 2]], (True, True, True, True, 2)),
    ("indefinite", [[0, 1], [1, 0]], (False, True, False, True, 2)),
    ("signed", [[2.0, -1], [-1, 2]], (True, True, False, False, 2)),
    ("asymmetric", [[2.0, 1], [0, 2]], (False, False, False, True, 2)),
    ("singular", [[1.0, 1], [1, 1]], (None, True, True, True, None)),
    ("rounding", [[2, 1 + 3e-16], [1, 2]], (None, None, True, True, 2)),
    ("wide", [[1.0, 0, 0], [0, 1, 0]], (None, None, False, True, 2)),
    ("tall", [[1.0, 0], [0, 1], [3, 4]], (None, None, False, True, 2)),
    ("tall, asymmetric", [[1.0, 0], [1, 1], [3, 4]], (False, False, False, True, 2)),
    ("tall, indefinite", [[1.0, 2], [2, 1], [3, 4]], (False, None, True, True, 2)),
    ("zero", np.zeros((2, 2)), (None, True, False, True, None)),
]


@pytest.mark.parametrize(("name", "matrix", "expected"), PRECOMPUTED)
def test_precomputed_structure_is_read_off_the_matrix(name, matrix, expected):
    kernel = Precomputed(matrix)
    assert answers(kernel) == expected
    if np.shape(matrix) == (2, 2) and name != "zero":
        assert_structure(kernel, {"all": Precomputed.points(2)})


@every_backend
def test_precomputed_looks_up_entries(backend):
    G, rows = points((4, 3)), np.array([[3.0], [0], [3]])
    as_backend = torch.tensor if backend == "torch" else np.asarray
    batch, columns = as_backend(np.stack([rows, rows[::-1]])), as_backend(Precomputed.points(3))
    found = Precomputed(G)(batch, columns)
    assert isinstance(found, torch.Tensor) == (backend == "torch")
    assert np.array_equal(found, G[[[3, 0, 3], [3, 0, 3]]])
    assert np.array_equal(Precomputed(G).T(columns, batch[0]), G[[3, 0, 3]].T)
    assert np.array_equal((Precomputed(G) + Precomputed(G))(batch[0], columns), 2 * G[[3, 0, 3]])


@pytest.mark.parametrize("as_given", [np.asarray, torch.tensor], ids=["numpy", "torch"])
def test_precomputed_keeps_its_own_matrix(as_given):
    given = as_given([[2.0, 1.0], [1.0, 2.0]])
    kernel, rows = Precomputed(given), Precomputed.points(2)
    assert kernel.is_mercer
    given[0, 1] = given[1, 0] = -5.0  # indefinite, and negative
    assert kernel(rows, rows).min() == 1
    assert (kernel.is_mercer, kernel.is_positive) == (True, True)
    with pytest.raises(ValueError, match="read-only"):
        kernel.matrix[0, 1] = 3.0
    assert given[0, 1] == -5.0  # and what was given stays writeable
    given[0, 1] = 0.0
