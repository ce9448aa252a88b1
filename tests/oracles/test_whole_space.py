"""The whole-space minimizer of the verification, against closed forms and the dual bound."""

import numpy as np
import pytest

from rkbs.laws import relative
from rkbs.solvers import DualNewton, solve
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import EpsilonInsensitive, Squared
from verify.oracles import whole_space
from verify.oracles.whole_space import (
    SOLVED,
    Subgradient,
    blocks_of,
    slopes_along,
    smoothed,
    whole_space_minimizer,
)
from verify.studies.separable import make_problem, off_span


def problem_and_minimizer(p, loss, natural=True, seed=0):
    rng = np.random.default_rng(seed)
    problem = make_problem(rng, p, loss, natural, True)
    return problem, *whole_space_minimizer(problem, rng)


def test_two_is_ridge():
    problem, v, u, residual = problem_and_minimizer(2.0, Squared())
    design = np.hstack([problem.phi_x[problem.pairs.i], problem.phi_y[problem.pairs.j]])
    D = problem.spaces.dim
    penalty = np.repeat([problem.alpha_x, problem.alpha_y], D)
    expected = np.linalg.solve(design.T @ design + np.diag(penalty), design.T @ problem.z)
    assert residual <= SOLVED
    assert relative(np.concatenate([v, u]), expected) < 1e-9


@pytest.mark.parametrize("p", [1.25, 3.0])
@pytest.mark.parametrize("loss", [Logistic(), Hinge(), EpsilonInsensitive(0.2)], ids=repr)
def test_reaches_the_dual_bound_and_sees_errors(p, loss):
    problem, v, u, residual = problem_and_minimizer(p, loss)
    dual = solve(problem, DualNewton(tol=1e-10)).certificate.dual
    assert residual <= SOLVED
    assert abs(problem.objective(v, u) - dual) <= 1e-9 * dual
    x, y = blocks_of(problem)
    assert max(off_span(x.left(v), x.phi), off_span(y.left(u), y.phi)) < 1e-9
    wrong = v * (1 + 1e-3 * np.random.default_rng(1).standard_normal(len(v)))
    assert problem.objective(wrong, u) > problem.objective(v, u)
    assert off_span(x.left(wrong), x.phi) > 1e-6


@pytest.mark.parametrize("loss", [Hinge(), EpsilonInsensitive(0.2)], ids=repr)
def test_equations_solved_with_a_slope_that_is_no_subgradient(loss, monkeypatch):
    """Rounded widely: all equations vanish, but for another loss; only the excess tells."""
    problem, v, u, _ = problem_and_minimizer(3.0, loss)
    x, y = blocks_of(problem)
    start = np.concatenate([x.unknown(v), y.unknown(u)])
    assert whole_space.polish(problem, start)[2] <= SOLVED
    monkeypatch.setattr(whole_space, "WIDTHS", (0.1,))
    v, u, residual = whole_space.polish(problem, start)
    h = problem.at_pairs(v, u)
    w = h + smoothed(loss, problem.z, 0.1)[1](h)
    equations = Subgradient(problem, 0.1)
    at = equations.zero(np.concatenate([x.unknown(v), y.unknown(u), w]))
    assert np.abs(equations(at)).max() <= SOLVED
    assert residual > 1e-5


def test_subgradient_does_not_vanish_elsewhere():
    problem, v, u, _ = problem_and_minimizer(3.0, Squared())
    equations = Subgradient(problem)
    x, y = blocks_of(problem)
    at = np.concatenate([x.unknown(v), y.unknown(u)])
    assert np.abs(equations(at)).max() < 1e-10
    assert np.abs(equations(1.01 * at)).max() > 1e-4


@pytest.mark.parametrize("loss", [Hinge(), EpsilonInsensitive(0.3)], ids=repr)
def test_rounded_losses_have_their_slopes_and_tend_to_the_loss(loss):
    h, z = np.linspace(-3, 3, 25), np.where(np.arange(25) % 2, 1.0, -1.0)
    value, slope = smoothed(loss, z, 0.1)
    difference = (value(h + 1e-6) - value(h - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope(h), difference, atol=1e-8)
    np.testing.assert_allclose(smoothed(loss, z, 1e-9)[0](h), loss.value(h, z), atol=1e-8)


@pytest.mark.parametrize("loss", [Hinge(), EpsilonInsensitive(0.3)], ids=repr)
def test_slopes_along_the_graph_of_the_subdifferential(loss):
    w = np.linspace(-3, 3, 61)
    z = np.where(np.arange(61) % 2, 1.0, -1.0)
    for mu in (0.1, 1e-3):
        slopes, derivative = slopes_along(loss, w, z, mu)
        ends = [slopes_along(loss, w + step, z, mu)[0] for step in (1e-6, -1e-6)]
        np.testing.assert_allclose(derivative, (ends[0] - ends[1]) / 2e-6, atol=1e-6)
        assert ((derivative >= 0) & (derivative <= 1)).all()
    slopes, _ = slopes_along(loss, w, z, 1e-9)
    h = w - slopes
    excess = loss.value(h, z) + loss.conjugate(slopes, z) - slopes * h
    assert (excess >= -1e-15).all()
    assert excess.max() < 1e-8
    assert np.ptp(slopes) > 0.9  # the kinks are passed


@pytest.mark.parametrize("p", [1.25, 2.0, 3.0])
@pytest.mark.parametrize("loss", [Logistic(), Hinge(), EpsilonInsensitive(0.2)], ids=repr)
@pytest.mark.parametrize("natural", [True, False])
def test_jacobian_is_the_derivative(p, loss, natural):
    rng = np.random.default_rng(0)
    equations = Subgradient(make_problem(rng, p, loss, natural, False), 0.1)
    t = rng.standard_normal(42 + (0 if loss.smooth else 30))
    steps = 1e-6 * np.eye(len(t))
    differences = np.column_stack([(equations(t + s) - equations(t - s)) / 2e-6 for s in steps])
    assert relative(equations.jacobian(t), differences) < 1e-8


@pytest.mark.parametrize(("seed", "k"), [(2, 3), (6, 3), (12, 8)])
def test_pairs_near_a_kink_are_no_trouble(seed, k):
    """Problems of ``thm1.separable_expansion`` with pairs that are hardly on a kink, or off it."""
    rng = np.random.default_rng([seed, k])
    problem = make_problem(rng, 1.25 if k < 5 else 1.5, Hinge(), True, True)
    v, u, residual = whole_space_minimizer(problem, rng)
    assert residual <= SOLVED
    dual = solve(problem, DualNewton(tol=1e-10)).certificate.dual
    assert abs(problem.objective(v, u) - dual) <= 1e-9 * dual
    x, y = blocks_of(problem)
    assert max(off_span(x.left(v), x.phi), off_span(y.left(u), y.phi)) < 1e-9
