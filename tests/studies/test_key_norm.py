"""RBF and EDP on rational points: the identities, and what would break them."""

import numpy as np
import pytest
from flint import fmpq

from rkbs.kernels import EDP, RBF
from verify.studies import key_norm
from verify.studies.key_norm import identities, in_floats, rational_points_of, unit_points


@pytest.mark.parametrize("d", [2, 3])
def test_points_of_the_sphere_are_of_norm_one(d):
    points = unit_points(np.random.default_rng(0), 4, d)
    assert all(sum(value * value for value in point) == 1 for point in points)


def test_attention_of_rational_points():
    q, k = (rational_points_of(np.random.default_rng(seed), 3, 2) for seed in (0, 1))
    assert all(abs(value) <= 4 for point in q for value in point)
    gram = RBF(0.5)(*(np.array([[int(v.p) / int(v.q) for v in p] for p in x]) for x in (q, k)))
    np.testing.assert_allclose(in_floats(RBF(0.5), q, k), gram / gram.sum(1, keepdims=True))


def test_the_identities_hold_and_need_the_bias():
    for row in identities(np.random.default_rng(5)):
        assert row["balls"] < 1e-30
        assert row["floats"] < 1e-12
        assert (row["without"] < 1e-30) == bool(row["sphere"])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("scaled_points", lambda points, factor: points),
        (
            "unit_points",
            lambda rng, n, d: [[fmpq(int(v), 8) for v in rng.integers(1, 9, d)] for _ in range(n)],
        ),
        ("KeyNormBias", lambda kernel, tau: EDP()),
    ],
)
def test_what_breaks_them(monkeypatch, name, wrong):
    monkeypatch.setattr(key_norm, name, wrong)
    assert max(row["balls"] for row in identities(np.random.default_rng(0))) > 1e-3
