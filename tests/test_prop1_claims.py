"""The claims of Proposition 1: their verdicts, and that wrong mathematics does not get them."""

import importlib
import json
import math

import numpy as np
import pytest
from flint import arb, fmpq

from rkbs import spaces
from rkbs.features import PowerFeatures
from rkbs.kernels import EDP, RBF, Quadratic, TaylorEDP
from rkbs.kernels.algebra import Pullback
from verify import exact
from verify.ledger import CLAIMS, Run, Verdict, load_claims, settle

VERDICTS = {
    "prop1.all_pairs": Verdict.HOLDS,
    "prop1.features": Verdict.HOLDS,
    "prop1.infinite_dimension": Verdict.HOLDS,
    "prop1.linear_space": Verdict.FAILS,
    "prop1.mercer_in_qk": Verdict.HOLDS_IF,
    "prop1.misprint": Verdict.FAILS,
    "prop1.non_mercer": Verdict.HOLDS_IF,
    "prop1.reproducing": Verdict.HOLDS_IF,
    "prop1.span": Verdict.HOLDS,
    "prop1.truncation": Verdict.HOLDS,
}


def module(stem):
    return importlib.import_module(f"verify.prop1_{stem}")


def verdict(claim_id, seed=0):
    load_claims("prop1")
    return CLAIMS[claim_id].compute(Run(seed=seed)).verdict


def test_every_claim_is_listed_here():
    assert set(load_claims("prop1")) == set(VERDICTS)


@pytest.mark.parametrize(("claim_id", "expected"), VERDICTS.items())
def test_verdict(claim_id, expected):
    record = settle(load_claims("prop1")[claim_id], Run())
    assert record.verdict is expected
    assert len(record.to_json()) < 300_000
    json.loads(record.to_json())


@pytest.mark.parametrize("claim_id", sorted(set(VERDICTS) - {"prop1.infinite_dimension"}))
def test_the_verdict_does_not_hang_on_the_seed(claim_id):
    assert verdict(claim_id, seed=1) is VERDICTS[claim_id]


# Mutants: each breaks one formula, and the claim must notice.


def misprinted(self):
    return tuple(
        math.factorial(n) * weight
        for n, weight in zip(self.indices.sum(1).tolist(), RIGHT(self), strict=True)
    )


RIGHT = PowerFeatures.squared_weights.func


def test_wrong_weights(monkeypatch):
    monkeypatch.setattr(PowerFeatures, "squared_weights", property(misprinted))
    assert verdict("prop1.features") is Verdict.UNCONFIRMED


@pytest.mark.parametrize(
    "claim_id", ["prop1.features", "prop1.truncation", "prop1.span", "prop1.reproducing"]
)
def test_float_features_off_by_a_little(monkeypatch, claim_id):
    right = PowerFeatures.__call__
    monkeypatch.setattr(PowerFeatures, "__call__", lambda s, q, **k: right(s, q, **k) * (1 + 1e-11))
    assert verdict(claim_id) is Verdict.UNCONFIRMED


def test_float_features_of_another_dimension_scaling(monkeypatch):
    right = PowerFeatures.__call__
    monkeypatch.setattr(PowerFeatures, "__call__", lambda s, q: right(s, q / s.d**0.25))
    assert verdict("prop1.all_pairs") is Verdict.UNCONFIRMED


def test_a_bound_that_is_too_small_in_rkbs(monkeypatch):
    right = PowerFeatures.remainder_bound
    small = lambda self, a: right(self, a) / (self.order + 2)  # noqa: E731
    monkeypatch.setattr(PowerFeatures, "remainder_bound", small)
    assert verdict("prop1.truncation") is Verdict.UNCONFIRMED


def test_a_bound_that_is_too_small_in_the_claim(monkeypatch):
    truncation, right = module("truncation"), exact.remainder_bound
    monkeypatch.setattr(exact, "remainder_bound", lambda a, n: right(a, n) / (n + 2))
    ratio = truncation.ratio
    monkeypatch.setattr(truncation, "ratio", lambda a, n: ratio(a, n) * (n + 2))
    assert verdict("prop1.truncation") is Verdict.UNCONFIRMED


def test_a_right_form_in_place_of_the_misprint(monkeypatch):
    right = lambda q, order: PowerFeatures(EDP(), q.shape[-1], order)(q)  # noqa: E731
    monkeypatch.setattr(module("features"), "misprinted_features", right)
    assert verdict("prop1.misprint") is Verdict.UNCONFIRMED


def test_members_that_vanish_at_zero_would_not_refute(monkeypatch):
    monkeypatch.setattr(EDP, "_gram", lambda self, x, y: x @ y.mT)
    assert verdict("prop1.linear_space") is Verdict.UNCONFIRMED


def test_a_kernel_of_finite_dimension_among_the_infinite(monkeypatch):
    monkeypatch.setitem(module("dimension").INFINITE, "EDP", TaylorEDP(3))
    assert verdict("prop1.infinite_dimension") is Verdict.UNCONFIRMED


def test_a_single_point_has_rank_0_for_the_l2_distance_only():
    dimension, points = module("dimension"), exact.rational_points(np.array([[0.5, 1.0], [0, 0]]))
    ranks = {
        name: dimension._single_point_rank(kernel, points)
        for name, kernel in dimension.INFINITE.items()
    }
    assert ranks == dict.fromkeys(ranks, 1) | {"L2 distance": 0}
    assert dimension._single_point_rank(Quadratic(0.0), points) is None


def test_a_wrong_prediction_of_the_rank(monkeypatch):
    right = TaylorEDP.feature_dim
    monkeypatch.setattr(TaylorEDP, "feature_dim", lambda self, d: right(self, d) + 1)
    assert verdict("prop1.infinite_dimension") is Verdict.UNCONFIRMED


@pytest.mark.parametrize("claim_id", ["prop1.infinite_dimension", "prop1.mercer_in_qk"])
def test_a_float_kernel_off_by_a_little(monkeypatch, claim_id):
    right = RBF._log_gram
    monkeypatch.setattr(RBF, "_log_gram", lambda self, x, y: right(self, x, y) * (1 + 1e-10))
    assert verdict(claim_id) is Verdict.UNCONFIRMED


@pytest.mark.parametrize("claim_id", ["prop1.non_mercer", "prop1.mercer_in_qk"])
def test_a_kernel_that_ignores_the_query_map_has_no_negative_eigenvalue(monkeypatch, claim_id):
    monkeypatch.setattr(Pullback, "_mapped", lambda self, x, y: (self.map_y(x), self.map_y(y)))
    assert verdict(claim_id) is Verdict.UNCONFIRMED


def test_equal_maps_do_not_refute_non_mercer(monkeypatch):
    same = lambda rng: dict.fromkeys("ab", (np.eye(4)[:, :2],) * 2)  # noqa: E731
    monkeypatch.setattr(module("non_mercer"), "mercer_pairs", same)
    assert verdict("prop1.non_mercer") is Verdict.UNCONFIRMED


def test_mercer_pairs_among_the_others(monkeypatch):
    non_mercer = module("non_mercer")
    monkeypatch.setattr(non_mercer, "other_pairs", lambda rng, n: non_mercer.mercer_pairs(rng))
    assert verdict("prop1.non_mercer") is Verdict.UNCONFIRMED


@pytest.mark.parametrize(("name", "kernel"), [("l2", RBF()), ("edp", Quadratic(-0.5))])
def test_a_kernel_on_the_wrong_side(monkeypatch, name, kernel):
    mercer = module("mercer_in_qk")
    swapped = mercer.kernels() | {name: kernel}
    monkeypatch.setattr(mercer, "kernels", lambda: swapped)
    assert verdict("prop1.mercer_in_qk") is Verdict.UNCONFIRMED


def test_a_duality_map_with_the_wrong_power(monkeypatch):
    right = spaces.duality_map
    monkeypatch.setattr(spaces, "duality_map", lambda v, p: right(v, p + 1e-9))
    assert verdict("prop1.reproducing") is Verdict.UNCONFIRMED


def test_signs_that_are_lost(monkeypatch):
    right = PowerFeatures.__call__
    monkeypatch.setattr(PowerFeatures, "__call__", lambda self, q, signed=False: right(self, q))
    assert verdict("prop1.reproducing") is Verdict.UNCONFIRMED


def test_a_series_with_the_wrong_factorial(monkeypatch):
    all_pairs = module("all_pairs")
    right = all_pairs.axis_series
    wrong = lambda size, d, rho, digits=30: right(size, d, rho * 1.01, digits)  # noqa: E731
    monkeypatch.setattr(all_pairs, "axis_series", wrong)
    assert verdict("prop1.all_pairs") is Verdict.UNCONFIRMED


# The certificates themselves.


def rationals(matrix):
    return [[fmpq(entry) for entry in row] for row in matrix]


@pytest.mark.parametrize(
    ("matrix", "inertia"),
    [
        ([[2, 1], [1, 2]], (2, 0, 0)),
        ([[1, 1], [1, 1]], (1, 0, 1)),
        ([[0, 1], [1, 0]], (1, 1, 0)),
        ([[0, 0], [0, 0]], (0, 0, 2)),
        ([[0, 1, 2], [1, 0, 3], [2, 3, 0]], (1, 2, 0)),
        ([[1, 2, 3], [2, 4, 6], [3, 6, 8]], (1, 1, 1)),
    ],
)
def test_inertia_is_exact(matrix, inertia):
    assert exact.rational_inertia(rationals(matrix)) == inertia


def test_pivots_are_the_ratios_of_leading_minors():
    a = np.random.default_rng(0).normal(size=(6, 6))
    gram = a @ a.T
    found = exact.certified_pivots(lambda: [[arb(value) for value in row] for row in gram])
    minors = [np.linalg.det(gram[:n, :n]) for n in range(1, 7)]
    assert found.positive_definite
    np.testing.assert_allclose(np.cumprod([float(p) for p in found.values]), minors, rtol=1e-9)


def test_a_singular_matrix_is_never_certified():
    third = lambda: [[arb(1) / 3 * i * j for j in (1, 2, 3)] for i in (1, 2, 3)]  # noqa: E731
    found = exact.certified_pivots(third, limit=1024)
    assert found.rank == 1
    assert not found.positive_definite


def test_a_psd_matrix_has_no_negative_direction():
    x = np.random.default_rng(0).normal(size=(5, 3))
    points = exact.rational_points(x)
    gram = [[exact.dot(a, b) for b in points] for a in points]
    for row in np.linalg.eigh(x @ x.T)[1].T:
        assert exact.quadratic_form(gram, [exact.rational(float(value)) for value in row]) >= 0


def test_a_sign_is_certified_only_where_it_is_there():
    assert 0.99 < exact.certify_positive(lambda a: a * a + 1, -1, 1)[0] <= 1
    assert exact.certify_positive(lambda a: a * a, -1, 1)[0] <= 0
    assert exact.certify_positive(lambda a: a - arb("1e-9"), 0, 1, depth=40)[0] <= 0


def test_the_error_of_a_wrong_value_is_seen():
    points = exact.rational_points(np.array([[0.5], [1.0]]))
    floats = EDP()(np.array([[0.5], [1.0]]), np.array([[0.5], [1.0]]))
    assert exact.gram_error(EDP(), points, points, floats) < 1e-15
    assert exact.gram_error(EDP(), points, points, floats * (1 + 1e-12)) > 9e-13
