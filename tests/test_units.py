"""No solver knows the unit of responses or features: the same problem, the same path of steps.

z ↦ uz, with ε ↦ uε and δ ↦ uδ, takes ℓ(h; z) to u^d ℓ(h/u; z), d as in ``DEGREES``; labels have
no unit. Features times g take the functions' norms to u/g of what they were. So a penalty of
the power r keeps the problem with α ↦ u^d (g/u)^r α.
"""

from dataclasses import replace

import numpy as np
import pytest
from helpers import final_below
from problem_helpers import (
    LOSSES,
    PENALTIES,
    SMOOTH,
    product_problem,
    schatten_problem,
    separable_problem,
)

from rkbs import BinaryKernelMachine
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.problems.certificates import relative_gap
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, Alternating, DualNewton, Factorized, SpectralNewton, solve
from rkbs.spaces.sections import FeatureSections
from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm, Regularizer
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten
from rkbs.terms.weighted import Weighted

DEGREES = {Squared: 2, Huber: 2, EpsilonInsensitive: 1, Logistic: 0, Hinge: 0}
POWERS_OF_TWO = [(4.0**9, 1.0), (4.0**-7, 4.0**5)]
UNITS = [(1e-9, 1.0), (1e9, 1e-6)]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def test_tables_are_complete():
    assert set(DEGREES) == {type(loss) for loss in LOSSES} == final_below(Loss) - {Weighted}
    assert {type(r) for r in REGULARIZERS} == final_below(Regularizer)


def in_units(loss, u):
    """The loss at responses in units of 1/u, u = 1 where they are labels, and the factor of ℓ."""
    u = u if DEGREES[type(loss)] else 1.0
    if isinstance(loss, Huber):
        loss = Huber(u * loss.delta)
    if isinstance(loss, EpsilonInsensitive):
        loss = EpsilonInsensitive(u * loss.epsilon)
    return loss, u, u ** DEGREES[type(loss)]


def operator(problem, u, g):
    loss, u, factor = in_units(problem.loss, u)
    alpha = factor * (g / u) ** problem.penalty.p * problem.alpha
    grams = g * problem.gram_x, g * problem.gram_y  # features of both domains times √g
    return SchattenProblem(*grams, problem.pairs, u * problem.z, alpha, loss, problem.penalty), u


OPERATOR = [(ADMM(tol=1e-4), loss, p) for loss in LOSSES for p in (1, 1.5, 2, 3)]
OPERATOR += [(SpectralNewton(), loss, p) for loss in SMOOTH for p in (1.5, 2, 3)]
OPERATOR += [(Factorized(), loss, 1) for loss in SMOOTH]


@pytest.mark.parametrize(("solver", "loss", "p"), OPERATOR, ids=repr)
def test_the_operator_problem(solver, loss, p):
    problem = schatten_problem(loss, Schatten(p), keep=40, alpha=0.1)
    one = solve(problem, solver).check()
    h = problem.at_pairs(one.value.M)
    for u, g in POWERS_OF_TWO + UNITS:
        other, unit = operator(problem, u, g)
        solution = solve(other, solver).check()
        for count in ("iterations", "rank"):
            assert solution.stats[count] == one.stats[count]
        scaled = other.at_pairs(solution.value.M) / unit
        if (u, g) in POWERS_OF_TWO and p in (1, 2):  # no power is taken, and nothing is rounded
            assert np.array_equal(scaled, h)
        np.testing.assert_allclose(scaled, h, rtol=0, atol=1e-8 * np.abs(h).max())


REGULARIZERS = (PowerNorm(1.5), PowerNorm(3.0), HalfSquare(), Norm())


def power(regularizer):
    return {HalfSquare: 2.0, Norm: 1.0}.get(type(regularizer)) or regularizer.r


def binary(problem, units_f, units_g, u):
    """The problem with values and features of f and of g in the units (values, features)."""
    loss, u, factor = in_units(problem.loss, u)
    (a, g_x), (b, g_y) = units_f, units_g
    other = replace(
        problem,
        z=u * problem.z,
        loss=loss,
        alpha_x=factor * (g_x / a) ** power(problem.regularizer_x) * problem.alpha_x,
        alpha_y=factor * (g_y / b) ** power(problem.regularizer_y) * problem.alpha_y,
    )
    sections_x = FeatureSections(g_x * problem.sections_x.phi, problem.spaces.p)
    sections_y = FeatureSections(g_y * problem.sections_y.phi, problem.spaces.p_conjugate)
    other.__dict__.update(sections_x=sections_x, sections_y=sections_y)
    return other


def same_functions(problem, solver, others):
    """``others``: problems in other units, with the unit of their values."""
    one = solve(problem, solver).check()
    functions = getattr(one.value, "functions", one.value)
    h = problem.at_pairs(*functions)
    assert np.abs(h).max() > 0
    for other, u in others:
        solution = solve(other, solver).check()
        assert abs(solution.stats["iterations"] - one.stats["iterations"]) <= 1  # rounding
        scaled = other.at_pairs(*getattr(solution.value, "functions", solution.value)) / u
        np.testing.assert_allclose(scaled, h, rtol=0, atol=2e-7 * np.abs(h).max())


@every_loss
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_the_separable_problem(loss, regularizer):
    problem = separable_problem(1.5, loss, (regularizer, regularizer))  # of g it is 3
    others = []
    for u, g in POWERS_OF_TWO[1:] + UNITS[1:]:
        u = in_units(loss, u)[1]
        others.append((binary(problem, (u, g), (u, 3 / g), u), u))
    same_functions(problem, DualNewton(tol=1e-4), others)


PRODUCT = [(loss, kinds) for loss in SMOOTH for kinds in PENALTIES[:2]]
PRODUCT += [(Squared(), PENALTIES[2])]  # R(t) = t takes a second with other losses


@pytest.mark.parametrize(("loss", "kinds"), PRODUCT, ids=repr)
def test_the_product_problem(loss, kinds):
    problem = product_problem(2.0, loss, kinds)
    others = []
    for u, a, g in [(1e6, 1.0, 1e-6), (4.0**-9, 4.0**4, 4.0**5)]:
        u = in_units(loss, u)[1]
        others.append((binary(problem, (a, g), (u / a, 3 / g), u), u))
    same_functions(problem, Alternating(), others)


def test_molar_units():
    """|·| and the nuclear norm are both of degree 1: α has no unit."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(8, 2))
    Z = np.sin(X[:, :1]) * Y[:, 0] + 0.1 * rng.normal(size=(12, 8))
    seen = rng.uniform(size=Z.shape) < 0.6
    pairs, fits = Pairs.from_mask(X, Y, seen), []
    for unit in (1.0, 1e3, 1e-3, 1e-6, 1e-9):
        loss = EpsilonInsensitive(0.1 * unit)
        machine = BinaryKernelMachine(RBF(0.3), RBF(0.3), loss=loss, alpha=0.3)
        h = machine.fit(pairs, unit * Z[seen]).predict(pairs) / unit
        fits.append((machine.rank_, h))
    assert {rank for rank, _ in fits} == {4}
    for _, h in fits:
        np.testing.assert_allclose(h, fits[0][1], rtol=0, atol=1e-9)


@every_loss
@pytest.mark.parametrize("p", [1, 1.5])
@pytest.mark.parametrize("u", [1e-120, 1e120])
def test_responses_near_the_limits_of_floats(loss, p, u):
    problem = schatten_problem(loss, Schatten(p), keep=40, alpha=0.1)
    solver = SpectralNewton() if loss.smooth and p > 1 else ADMM(tol=1e-4)
    one, (other, unit) = solve(problem, solver).check(), operator(problem, u, 1.0)
    solution = solve(other, solver).check()
    h = problem.at_pairs(one.value.M)
    scaled = other.at_pairs(solution.value.M) / unit
    np.testing.assert_allclose(scaled, h, rtol=0, atol=1e-8 * np.abs(h).max())
    certificate = solution.certificate
    assert certificate.relative_gap == relative_gap(certificate.primal, certificate.dual)
    assert one.certificate.relative_gap == pytest.approx(certificate.relative_gap, abs=1e-13)
