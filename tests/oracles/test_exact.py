"""Exact linear algebra and balls: the certificates that claims rest on, and what they refuse."""

import numpy as np
import pytest
from flint import arb, fmpq

from rkbs.kernels import EDP
from verify.oracles import exact


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
    np.testing.assert_allclose(np.cumprod([float(p) for p in found.diagonal]), minors, rtol=1e-9)


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
