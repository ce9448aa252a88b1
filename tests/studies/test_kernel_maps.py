"""Maps of points through which other kernels are exponentials of inner products."""

import numpy as np
import pytest

from rkbs.kernels import RBF, ExponentiatedIntersection
from verify.studies import kernel_maps


@pytest.mark.parametrize("knots", [1, 2, 5, 40])
def test_intersections_of_products(knots):
    rng = np.random.default_rng(knots)
    a, b = rng.normal(size=(30, 3)), 0.1 * rng.normal(size=(20, 3))
    a[:, 1] = 0  # a term that vanishes
    (q, k), below = kernel_maps.intersection_maps(a, b, knots)
    found = np.minimum(q[:, None], k).sum(-1)
    miss = a @ b.T - found
    assert miss.min() >= -1e-12
    assert miss.max() <= below * (1 + 1e-12)
    assert q.shape == (30, 2 * knots + 2)


def test_intersections_of_a_matrix_are_exact():
    F = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
    q, k = kernel_maps.intersection_of_matrix(F)
    assert (np.minimum(q[:, None], k).sum(-1) == F).all()
    np.testing.assert_allclose(ExponentiatedIntersection()(q, k), np.exp(F), rtol=1e-14)


def test_rbf_of_equal_lengths_is_an_exponential():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
    (q, k), c = kernel_maps.rbf_maps(a, b, 0.7)
    np.testing.assert_allclose(RBF(0.7)(q, k), np.exp(a @ b.T - c), rtol=1e-13)
    assert np.ptp((q**2).sum(1)) <= 1e-13
    assert np.ptp((k**2).sum(1)) <= 1e-13
