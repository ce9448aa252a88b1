"""Losses of (f, g) without rkbs: features, derivatives, minimizers, bounds of excess."""

import numpy as np
import pytest

from rkbs.kernels import EDP
from rkbs.kernels.features import PowerFeatures
from verify.oracles import joint_losses


def quadratic(a, b, z):
    return (a - z) ** 2 / 2 + (b + 2 * z) ** 2 / 2 + a * b / 2


def small_problem(p, alpha=0.4, loss=quadratic):
    rng = np.random.default_rng(0)
    phi_x, phi_y, z = rng.normal(size=(4, 6)), rng.normal(size=(3, 6)), rng.normal(size=12)
    i, j = (index.ravel() for index in np.indices((4, 3)))
    return joint_losses.Joint(phi_x, phi_y, i, j, z, loss, p, alpha)


def test_the_oracles_monomials_are_the_features():
    q = np.random.default_rng(0).normal(size=(5, 2))
    own, features = joint_losses.monomials(q, 4), PowerFeatures(EDP(), 2, 4)
    np.testing.assert_allclose(own @ own.T, features(q) @ features(q).T, rtol=1e-13)
    assert own.shape == (5, features.dim)


def test_complex_steps_are_derivatives():
    a, b, z = np.random.default_rng(0).normal(size=(3, 20))
    found = joint_losses.partials(quadratic, a, b, z)
    np.testing.assert_allclose(found[0], a - z + b / 2, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[1], b + 2 * z + a / 2, rtol=1e-14, atol=1e-15)


def test_the_minimizer_at_p_2_is_that_of_linear_equations():
    problem = small_problem(2.0)
    rows_x = np.hstack([problem.phi_x[problem.i], np.zeros((12, 6))])
    rows_y = np.hstack([np.zeros((12, 6)), problem.phi_y[problem.j]])
    H = rows_x.T @ rows_x + rows_y.T @ rows_y + 0.5 * (rows_x.T @ rows_y + rows_y.T @ rows_x)
    right = rows_x.T @ problem.z - 2 * rows_y.T @ problem.z
    exact = np.linalg.solve(H + 0.4 * np.eye(12), right)
    found = problem.minimizer(problem.descend(np.ones(12)))
    np.testing.assert_allclose(found, exact, rtol=1e-10)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_the_excess_is_a_bound(p):
    problem = small_problem(p)
    best = problem.minimizer(problem.descend(np.ones(12)))
    assert abs(problem.excess(best)) <= 1e-13
    for step in (1e-3, 0.1, 1.0):
        moved = best + step
        assert 0 < problem.objective(moved) - problem.objective(best) <= problem.excess(moved)
