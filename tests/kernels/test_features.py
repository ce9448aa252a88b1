"""Power features: indices, exactness, and the remainder bound."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from helpers import points
from optional import torch

from rkbs import laws
from rkbs.kernels import EDP, Linear, Quadratic, TaylorEDP
from rkbs.kernels.features import MAX_FEATURES, PowerFeatures, multi_indices

POLYNOMIALS = [
    (TaylorEDP(3), 3),
    (TaylorEDP(3), 5),
    (TaylorEDP(4), 4),
    (TaylorEDP(0), 0),
    (Linear(), 1),
    (Quadratic(1.5), 2),
    (Quadratic(0.0), 2),
    (Quadratic(-0.5), 2),
    (Quadratic(-0.5), 4),
]


@pytest.mark.parametrize(("d", "order"), [(1, 0), (1, 7), (2, 5), (3, 4), (5, 2), (4, 0)])
def test_multi_indices_against_brute_force(d, order):
    r = multi_indices(d, order)
    brute = {k for k in itertools.product(range(order + 1), repeat=d) if sum(k) <= order}
    assert {tuple(row) for row in r.tolist()} == brute
    assert r.shape == (len(brute), d) == (math.comb(d + order, order), d)
    assert (np.diff(r.sum(1)) >= 0).all()
    degrees = Counter(r.sum(1).tolist())
    assert degrees == {n: math.comb(d + n - 1, n) for n in range(order + 1)}


def test_as_many_features_as_allowed_and_no_more():
    assert len(multi_indices(1, MAX_FEATURES - 1)) == MAX_FEATURES
    for d, order in ((1, MAX_FEATURES), (2, 10**6), (1000, 2), (10**6, 1)):
        with pytest.raises(
            ValueError, match=rf"order={order} in dimension d={d} .* lower the order"
        ):
            multi_indices(d, order)


@pytest.mark.parametrize(("kernel", "order"), [*POLYNOMIALS, (EDP(), 6)], ids=repr)
def test_weights_and_signs_are_the_multinomial_expansion(kernel, order):
    features = PowerFeatures(kernel, 2, order)
    series = kernel.power_coefficients(order)
    expected = {
        (i, n - i): c * math.comb(n, i) for n, c in enumerate(series) for i in range(n + 1) if c
    }
    signed = [
        Fraction(int(s)) * w for s, w in zip(features.signs, features.squared_weights, strict=True)
    ]
    assert dict(zip(map(tuple, features.indices.tolist()), signed, strict=True)) == expected
    assert features.dim == len(expected)
    if kernel == EDP():
        factorials = [math.factorial(i) * math.factorial(j) for i, j in features.indices.tolist()]
        assert list(features.squared_weights) == [Fraction(1, f) for f in factorials]


@pytest.mark.parametrize("d", [1, 2, 3])
def test_features_one_by_one(d):
    features, q = PowerFeatures(EDP(), d, 4), points((5, d))
    for column, r in zip(features(q).T, features.indices.tolist(), strict=True):
        weight = math.sqrt(math.prod(map(math.factorial, r))) * d ** (sum(r) / 4)
        np.testing.assert_allclose(column, np.prod(q**r, axis=1) / weight, rtol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize(("kernel", "order"), POLYNOMIALS, ids=repr)
def test_polynomial_kernels_are_exact(kernel, order, d):
    features, q, k = PowerFeatures(kernel, d, order), points((6, d)), points((5, d), 1)
    assert laws.features_residual(features, q, k) <= 1e-13
    assert not features.remainder_bound(points((3, 4))).any()
    assert features.dim == kernel.feature_dim(d)
    negative = kernel == Quadratic(-0.5)
    assert (features.signs < 0).any() == negative
    if negative:  # the signs are needed
        gram = kernel(q, k)
        assert laws.relative(features(q) @ features(k).T, gram) > 0.1


@pytest.mark.parametrize(("kernel", "order"), [(TaylorEDP(3), 2), (Linear(), 0), (Quadratic(), 1)])
def test_cutting_a_polynomial_below_its_degree_is_a_mistake(kernel, order):
    with pytest.raises(ValueError, match=f"degree {kernel.degree}: take order ≥ {kernel.degree}"):
        PowerFeatures(kernel, 2, order).remainder_bound(0.5)


@pytest.mark.parametrize("order", [0, 1, 4, 9])
def test_edp_features_keep_the_remainder_bound(order):
    q, k = points((6, 2), scale=0.5), points((5, 2), 1, scale=0.5)
    features, a = PowerFeatures(EDP(), 2, order), q @ k.T / math.sqrt(2)
    error = np.abs(features(q) @ features(k).T - np.exp(a))
    assert laws.features_residual(features, q, k) <= 1e-14
    assert (error <= features.remainder_bound(a) + 1e-15).all()
    if order < 9:  # a bound, not a wild one: within a factor of the next term's size
        assert (features.remainder_bound(a) <= 4 * error + 1e-15).all()


@pytest.mark.parametrize("order", [0, 1, 2, 5, 20, 60])
def test_remainder_bound_against_mpmath(order):
    a = np.array([-30.0, -3, -1, -1e-3, 0, 1e-3, 0.5, 1, 3, 30])
    bound = PowerFeatures(EDP(), 1, order).remainder_bound(a)
    for v, b in zip(a, bound, strict=True):
        with mpmath.workdps(80):
            cut = mpmath.fsum(mpmath.mpf(v) ** n / mpmath.factorial(n) for n in range(order + 1))
            error = abs(mpmath.exp(v) - cut)
            formula = abs(mpmath.mpf(v)) ** (order + 1) * mpmath.exp(max(v, 0))
            formula /= mpmath.factorial(order + 1)
            assert error <= b * (1 + 1e-12)
            assert abs(formula - b) <= 1e-12 * formula
    assert bound[4] == 0


def test_remainder_bound_of_a_tensor_is_numpys():
    a = points((3, 4), scale=5.0)
    for kernel in (EDP(), TaylorEDP(3)):
        features = PowerFeatures(kernel, 2, 3)
        bound = features.remainder_bound(torch.tensor(a))
        assert (type(bound), bound.dtype) == (torch.Tensor, torch.float64)
        np.testing.assert_allclose(bound, features.remainder_bound(a), rtol=1e-14)
    half = torch.tensor([1.5, -2.0, 0.0], dtype=torch.bfloat16)
    bound = PowerFeatures(EDP(), 2, 3).remainder_bound(half)
    np.testing.assert_allclose(
        bound, PowerFeatures(EDP(), 2, 3).remainder_bound([1.5, -2.0, 0]), rtol=1e-14
    )


def test_the_multi_indices_are_built_once(monkeypatch):
    calls = []

    def counted(*size):
        calls.append(size)
        return multi_indices(*size)

    monkeypatch.setattr("rkbs.kernels.features.multi_indices", counted)
    features = PowerFeatures(EDP(), 2, 3)
    assert features.dim == len(features.signs) == features(points((2, 2))).shape[1]
    assert calls == [(2, 3)]


def test_remainder_bound_of_huge_logits_is_infinite_without_a_warning():
    assert PowerFeatures(EDP(), 1, 2).remainder_bound([1e4]) == math.inf


def test_high_orders_do_not_overflow():
    features, q = PowerFeatures(EDP(), 1, 400), np.array([[2.5], [-4.0]])
    assert laws.relative(features(q) @ features(q).T, np.exp(q @ q.T)) <= 1e-13


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_features_of_half_precision_are_rounded_once(dtype):
    q = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    features = PowerFeatures(EDP(), 2, 6)
    assert torch.equal(features(q), features(q.float()).to(dtype))
