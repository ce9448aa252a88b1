"""Projections onto balls and minimizers in them: by their inequalities, and by SLSQP."""

import numpy as np
import pytest
from scipy.optimize import minimize

from verify.oracles import norm_balls as module
from verify.studies.geometry_norms import NORMS

RNG = np.random.default_rng(0)
names = pytest.mark.parametrize("name", list(NORMS))


@names
def test_the_projection_is_the_nearest_of_the_ball(name):
    norm = NORMS[name]
    for _ in range(5):
        a = 3 * RNG.normal(size=(3, 4))
        p = module.projected(a, 1.5, name)
        assert norm.value(p) == pytest.approx(1.5, rel=1e-12)
        others = RNG.normal(size=(500, 3, 4))
        others *= (1.5 / norm.value(others))[:, None, None]
        assert ((a - p) * (others - p)).sum((-2, -1)).max() < 1e-12  # all behind the hyperplane
        np.testing.assert_allclose(module.projected(p, 1.5 + 1e-12, name), p, atol=1e-12)


def problem():
    A, teacher = RNG.normal(size=(30, 2, 3)), RNG.normal(size=(2, 3))
    y = np.sign(np.einsum("nij,ij->n", A, teacher) + 1.5 * RNG.normal(size=30))
    return module.Logistic(A, y)


def test_the_slope_by_differences():
    logistic, w = problem(), RNG.normal(size=(2, 3))
    for direction in np.eye(6).reshape(6, 2, 3):
        h = 1e-6 * direction
        slope = (logistic.loss(w + h) - logistic.loss(w - h)) / 2e-6
        assert slope == pytest.approx((logistic.slope(w) * direction).sum(), abs=1e-8)


@names
def test_the_minimizer_in_a_ball_against_slsqp(name):
    logistic, norm, radius = problem(), NORMS[name], 0.5
    w = logistic.in_ball(name, radius)
    assert norm.value(w) == pytest.approx(radius, rel=1e-10)
    if name in ("Frobenius", "entrywise ℓ^∞"):  # balls that are smooth for it, or a box
        room = {"type": "ineq", "fun": lambda x: radius**2 - x @ x}
        box = name != "Frobenius"
        other = minimize(
            lambda x: logistic.loss(x.reshape(2, 3)),
            np.zeros(6),
            jac=lambda x: logistic.slope(x.reshape(2, 3)).ravel(),
            bounds=[(-radius, radius)] * 6 if box else None,
            constraints=() if box else room,
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
        np.testing.assert_allclose(w.ravel(), other.x, atol=1e-6)
    inside = RNG.normal(size=(300, 2, 3))
    inside *= (radius / norm.value(inside))[:, None, None]
    assert min(logistic.loss(v) for v in inside) >= logistic.loss(w)


def test_the_minimizer_with_a_barrier():
    logistic, epsilon, decay = problem(), 0.01, 2.0
    w = logistic.with_barrier(epsilon, decay)
    assert decay * np.abs(w).max() < 1

    def value(v):
        x = decay * np.abs(v)
        return logistic.loss(v) + epsilon / decay * np.sum(-np.log(1 - x) - x)

    for h in 1e-4 * RNG.normal(size=(50, 2, 3)):
        assert value(w + h) > value(w)
    with pytest.raises(RuntimeError, match="no minimizer in the nuclear ball"):
        logistic.in_ball("nuclear", 0.5, steps=2)
