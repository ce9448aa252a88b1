"""The parts of alternating solves: the start, the balance of two norms, the equations polished."""

from itertools import pairwise

import numpy as np
import pytest
from problem_helpers import PENALTIES, SMOOTH, left_side, norm, penalty
from problem_helpers import features_at_pairs as features
from problem_helpers import product_problem as make
from scipy.optimize import minimize_scalar

from rkbs.laws import relative
from rkbs.solvers import Alternating, solve
from rkbs.solvers.functions import alternating
from rkbs.solvers.functions._stationarity import Stationarity
from rkbs.solvers.functions.alternating import _balanced, _start
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm


def exponents(problem):
    return problem.spaces.p, problem.spaces.p / (problem.spaces.p - 1)


def penalties(problem, v, u):
    p, q = exponents(problem)
    return (
        problem.alpha_x * penalty(v, p, problem.regularizer_x),
        problem.alpha_y * penalty(u, q, problem.regularizer_y),
    )


def least_on_the_ray(problem, v, u):
    """log t of (tv, u/t) with the least penalty, by a bounded search of the penalty itself."""
    found = minimize_scalar(
        lambda log_t: np.log(sum(penalties(problem, np.exp(log_t) * v, np.exp(-log_t) * u))),
        bounds=(-25, 25),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return found.x


@pytest.mark.parametrize("kinds", [*PENALTIES, (Norm(), Norm())], ids=repr)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e5])
def test_balancing_is_the_least_penalty_of_the_same_product(kinds, scale):
    problem, rng = make(kinds=kinds), np.random.default_rng(0)
    v, u = rng.standard_normal((2, problem.spaces.dim))
    v = scale * v
    new_v, new_u = _balanced(problem, v, u)
    assert relative(np.outer(new_v, new_u), np.outer(v, u)) < 1e-13
    t = np.exp(least_on_the_ray(problem, v, u))
    assert relative(new_v, t * v) < 1e-5  # flat at the minimum: the root of the rounding
    assert sum(penalties(problem, new_v, new_u)) <= sum(penalties(problem, t * v, u / t)) * (
        1 + 1e-14
    )


@pytest.mark.parametrize("power", [2.0, 30.0])  # of 30 slopes at both ends leave the floats
def test_what_cannot_be_balanced_is_left_alone(power):
    problem, rng = make(kinds=(PowerNorm(power),) * 2), np.random.default_rng(0)
    v, u = rng.standard_normal((2, problem.spaces.dim))
    for f, g in ((0 * v, u), (v, 0 * u), (1e-40 * v, 1e40 * u), (1e40 * v, 1e-40 * u)):
        new_f, new_g = _balanced(problem, f, g)
        assert np.array_equal(new_f, f)
        assert np.array_equal(new_g, g)


def start_by_hand(problem, u):
    """g at most 1 at its points; f along the loss's slope, of products as large as z; balanced."""
    x, y = features(problem)
    u = u / np.abs(y @ u).max()
    slopes = -problem.loss.gradient(np.zeros(len(problem.z)), problem.z)
    w = (slopes * (y @ u)) @ x
    q = exponents(problem)[1]
    v = np.sign(w) * (np.abs(w) / norm(w, q)) ** (q - 1)
    v *= np.abs(problem.z).max() / np.abs((x @ v) * (y @ u)).max()
    t = np.exp(least_on_the_ray(problem, v, u))
    v, u = t * v, u / t
    loss = problem.loss.value(np.zeros(len(problem.z)), problem.z).sum()
    while penalties(problem, v, u)[0] < 0.01 * loss:
        v, u = 2 * v, u / 2
    return u


@pytest.mark.parametrize("alphas", [(0.1, 0.2), (1e-4, 1e-3), (1e-9, 1e-9), (3.0, 1e-2)])
@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
@pytest.mark.parametrize("p", [1.5, 3.0])
def test_the_start_by_hand(p, loss, alphas):
    problem = make(p, loss, alphas=alphas)
    u = np.random.default_rng(3).standard_normal(problem.spaces.dim)
    expected = start_by_hand(problem, u)
    assert relative(_start(problem, u), expected) < 1e-5
    for size in (1e-30, 1e6, 1e30):  # farther from 1 than norms that can be balanced
        assert relative(_start(problem, size * u), expected) < 1e-5


@pytest.mark.parametrize("by_expansion", [(True, True), (True, False), (False, True), (False,) * 2])
@pytest.mark.parametrize("kinds", [(HalfSquare(), HalfSquare()), (Norm(), Norm())], ids=repr)
@pytest.mark.parametrize("p", [1.5, 3.0])
def test_equations_hold_where_the_point_is_stationary_and_nowhere_else(p, kinds, by_expansion):
    """At any point what is left of them is the derivative of the objective, in its coordinates."""
    problem, rng = make(p, kinds=kinds), np.random.default_rng(1)
    v, u = rng.standard_normal((2, problem.spaces.dim))
    equations = Stationarity.near(problem, v, u, by_expansion)
    unknowns = equations.unknowns(v, u)
    v, u = equations.functions(unknowns)  # of the form that the unknowns can express
    left = equations(unknowns)
    x, y = features(problem)
    c = -problem.loss.gradient((x @ v) * (y @ u), problem.z)
    sections = zip((v, u), exponents(problem), ((c * (y @ u)) @ x, (c * (x @ v)) @ y), strict=True)
    parts = np.split(left, [size_of(equations, problem, 0)])
    assert len(parts[1]) == size_of(equations, problem, 1)
    alphas = problem.alpha_x, problem.alpha_y
    for k, (own, exponent, w) in enumerate(sections):
        found = parts[k]
        slope = alphas[k] * left_side(own, exponent, kinds[k]) - w
        if not by_expansion[k]:
            assert relative(found, slope) < 1e-10
            continue
        side = equations.sides[k]
        again = side.sections.size
        lifted = found[:again] @ side.sections.phi
        # own − ξ through the features: λR'(‖·‖) ι(own) − w; for R(t) = t only at ‖w‖ = λ
        if not isinstance(kinds[k], Norm):
            assert relative(lifted, slope) < 1e-8


def size_of(equations, problem, k):
    """Of the k-th function's equations: those of ξ, and of its length where R does not tell it."""
    if not equations.by_expansion[k]:
        return problem.spaces.dim
    side = equations.sides[k]
    return side.sections.size + isinstance(side.regularizer, Norm)


def test_rounds_end_when_twenty_have_brought_nothing():
    """The first objective not below that of 20 rounds before, by more than 1e-13 of it."""
    problem = make(1.5)
    solution = solve(problem, Alternating(tol=1e-30, max_iter=300))
    objectives = solution.stats["objectives"]
    assert len(objectives) == solution.stats["iterations"] < 300
    ends = [n for n in range(20, len(objectives)) if stalled(objectives, n)]
    assert ends == [len(objectives) - 1]
    assert solution.certificate.residual < 1e-8


def stalled(objectives, n):
    return objectives[n] >= objectives[n - 20] * (1 - 1e-13)


def test_equations_are_tried_at_a_third_of_the_residual_or_at_twice_the_rounds(monkeypatch):
    rounds, tried, right = [], [], alternating._round

    def counted(*arguments, **options):
        rounds.append(right(*arguments, **options))
        return rounds[-1]

    def recorded(problem, v, u, tol):
        tried.append((len(rounds), problem.certify(v, u, tol).residual))
        return v, u

    monkeypatch.setattr(alternating, "_round", counted)
    monkeypatch.setattr(alternating, "_polish", recorded)
    solve(make(1.5), Alternating(tol=1e-12, max_iter=30))
    assert len(tried) > 3
    for (earlier, above), (now, residual) in pairwise(tried):
        assert residual <= above / 3 or now >= 2 * earlier


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_equations_that_lead_to_zero_are_not_followed(loss):
    """Zero solves them always, is certified, and here better than the point: the rounds decide."""
    problem = make(2.0, loss, alphas=(5.0, 10.0))
    u = _start(problem, np.random.default_rng(0).standard_normal(problem.spaces.dim))
    v, u, _ = alternating._round(problem, u, balance=True)
    zero = Stationarity.near(problem, v, u, (True, True)).solved(v, u)
    assert not np.any(zero)
    assert problem.certify(*zero, 1e-8).passed
    assert problem.objective(*zero) < problem.objective(v, u)
    assert all(f.any() for f in alternating._polish(problem, v, u, 1e-8))
