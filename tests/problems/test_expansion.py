"""Expansion problems: one side, factors, and paths of solutions."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from helpers import every_two
from problem_helpers import LOSSES, as_labels, norm

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP
from rkbs.kernels import features as features_module
from rkbs.kernels.features import PowerFeatures
from rkbs.laws import relative
from rkbs.problems.expansion import OneSidedProblem, Side
from rkbs.problems.product import GivenOther
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import DualNewton, solve
from rkbs.solvers.functions import _optimality as optimality_module
from rkbs.spaces import RKBSPair
from rkbs.spaces import sections as sections_module
from rkbs.spaces.sections import FeatureSections
from rkbs.spaces.tensor_sections import TensorSections
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm
from rkbs.terms.residual_losses import Squared

REGULARIZERS = (HalfSquare(), Norm(), PowerNorm(1.5), PowerNorm(3.0))
X = np.random.default_rng(0).uniform(-0.9, 0.9, (8, 2))
WHOLE = PowerFeatures(EDP(), 2, 22)
"""The whole space, to rounding."""
SECTIONS = {
    "p=1.5": lambda: FeatureSections(PowerFeatures(EDP(), 2, 4)(X), 1.5),
    "p=3": lambda: FeatureSections(PowerFeatures(EDP(), 2, 4)(X), 3.0),
    "m=1": lambda: TensorSections(X, 1),
    "m=2": lambda: TensorSections(X, 2),
}
every_space = pytest.mark.parametrize("space", SECTIONS)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
every_regularizer = pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)


def responses(loss, n, seed=1):
    return as_labels(loss, np.random.default_rng(seed).standard_normal(n))


def make(space, loss=None, regularizer=None, alpha=0.2):
    loss = loss or Squared()
    sections = SECTIONS[space]()
    return OneSidedProblem(sections, responses(loss, 8), alpha, loss, regularizer or HalfSquare())


def explicit(sections):
    return sections.phi if isinstance(sections, FeatureSections) else WHOLE(sections.X)


def penalties(regularizer, t, s):
    """R(t) and R*(s), written out."""
    if isinstance(regularizer, Norm):
        return t, 0.0 if s <= 1 + 1e-13 else np.inf
    r = 2.0 if isinstance(regularizer, HalfSquare) else regularizer.r
    dual = r / (r - 1)
    return t**r / r, s**dual / dual


def by_hand(problem, function, c):
    """Both objectives from all the features, point by point."""
    sections, loss, alpha = problem.sections, problem.loss, problem.alpha
    phi, p = explicit(sections), sections.p
    q = p / (p - 1)
    w = sum(coefficient * row for coefficient, row in zip(c, phi, strict=True))
    if isinstance(sections, FeatureSections):
        v = function
    elif function.length == 0:
        v = np.zeros(phi.shape[1])
    else:  # from the function's own coefficients
        own = function.xi @ phi
        v = function.length * np.sign(own) * np.abs(own) ** (q - 1) / norm(own, q) ** (q - 1)
    R, conjugate = penalties(problem.regularizer, norm(v, p), norm(w, q) / alpha)
    primal, dual = alpha * R, -alpha * conjugate
    for row, z, coefficient in zip(phi, problem.z, c, strict=True):
        primal += float(loss.value(row @ v, z))
        dual -= float(loss.conjugate(-coefficient, z))
    return primal, dual


# ---- one side


@pytest.mark.parametrize(
    ("space", "loss", "regularizer"), every_two(SECTIONS, LOSSES, REGULARIZERS), ids=repr
)
def test_certificate_is_the_gap_computed_by_hand(space, loss, regularizer):
    problem = make(space, loss, regularizer)
    solution = solve(problem, DualNewton()).check()
    primal, dual = by_hand(problem, solution.value.v, solution.value.c)
    # A tensor's norms are bounded from above, by what rounding may have taken.
    rel = 1e-10 if isinstance(problem.sections, TensorSections) else 1e-11
    assert solution.certificate.primal == pytest.approx(primal, rel=rel)
    assert solution.certificate.dual == pytest.approx(dual, rel=rel)
    assert -1e-11 <= (primal - dual) / primal <= (1e-10 if loss.smooth else 1e-6)
    zero = problem.objective(problem.sections.function(np.zeros(8), 0.0))
    assert primal < 0.95 * zero  # something was learned


@pytest.mark.parametrize("space", ["m=1", "p=2"])
def test_two_is_kernel_ridge(space):
    z, new = responses(Squared(), 8), np.random.default_rng(5).uniform(-0.9, 0.9, (6, 2))
    sections = TensorSections(X, 1) if space == "m=1" else FeatureSections(WHOLE(X), 2.0)
    solution = solve(OneSidedProblem(sections, z, 0.2), DualNewton()).check()
    gram = np.exp(X @ X.T / np.sqrt(2))
    ridge = np.linalg.solve(gram + 0.2 * np.eye(8), z)
    assert relative(solution.value.c, 0.2 * ridge) < 1e-10
    assert relative(sections.at_points(solution.value.v), gram @ ridge) < 1e-10
    f = solution.value.v
    values = f(new) if space == "m=1" else WHOLE(new) @ f
    assert relative(values, np.exp(new @ X.T / np.sqrt(2)) @ ridge) < 1e-10
    assert sections.norm(f) == pytest.approx(np.sqrt(ridge @ gram @ ridge), rel=1e-10)
    assert solution.certificate.primal == pytest.approx(0.1 * z @ ridge, rel=1e-10)


@every_space
@every_loss
def test_zero_threshold_is_exact_and_sharp(space, loss):
    problem = make(space, loss, Norm())
    (threshold,) = problem.zero_threshold()
    sections = problem.sections
    slopes = loss.gradient(np.zeros(8), problem.z)
    q = sections.p / (sections.p - 1)
    assert threshold == pytest.approx(norm(slopes @ explicit(sections), q), rel=1e-12)
    above = solve(replace(problem, alpha=threshold * (1 + 1e-12)), DualNewton())
    assert above.certificate.passed
    assert above.stats["iterations"] == 0
    assert sections.norm(above.value.v) == 0
    smaller = replace(problem, alpha=0.99 * threshold)
    below = solve(smaller, DualNewton()).check()
    assert sections.norm(below.value.v) > 0
    assert below.certificate.primal < smaller.objective(above.value.v)
    # A dual bound above zero's objective minus something: zero is not optimal, with a margin.
    assert smaller.objective(above.value.v) > below.certificate.primal * (1 + 1e-7)


@every_space
@every_regularizer
def test_no_other_function_of_the_space_is_better(space, regularizer):
    problem, rng = make(space, Logistic(), regularizer), np.random.default_rng(8)
    solution = solve(problem, DualNewton()).check()
    sections = problem.sections
    length = sections.norm(solution.value.v)
    for scale in (1e-4, 1e-1, 1.0):
        near = solution.value.c + scale * rng.standard_normal(8)
        other = sections.function(near, length * rng.uniform(0.5, 1.5))
        assert problem.objective(other) > solution.certificate.dual
        assert problem.objective(other) > solution.certificate.primal * (1 - 1e-10)
        inside = rng.uniform(0, 1, 8) * problem.z / 2
        assert problem.dual_objective(inside) <= solution.certificate.primal


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sections": np.eye(8)}, TypeError, "sections must be a Sections"),
        ({"loss": "squared"}, TypeError, "loss must be a DualLoss"),
        ({"regularizer": 2}, TypeError, "regularizer must be a Regularizer"),
        ({"z": np.ones(7)}, ValueError, r"z must have shape \(8,\).*got \(7,\)"),
        ({"z": np.ones((8, 1))}, ValueError, r"z must have shape \(8,\).*got \(8, 1\)"),
        ({"z": np.ones((1, 8))}, ValueError, r"z must have shape \(8,\).*got \(1, 8\)"),
        ({"z": 1.0}, ValueError, r"z must have shape \(8,\)"),
        ({"z": np.full(8, np.nan)}, ValueError, "z contains NaN"),
        ({"z": ["a"] * 8}, TypeError, "z must be an array of real numbers"),
        ({"z": None}, TypeError, "z must be an array of real numbers"),
        ({"z": np.zeros((2, 2, 2))}, ValueError, "z must"),
        ({"alpha": 0.0}, ValueError, "alpha must be positive"),
        ({"alpha": np.nan}, ValueError, "alpha must be positive"),
        ({"alpha": "1"}, TypeError, "alpha must be a real number"),
        ({"loss": Hinge()}, ValueError, "z must be −1 or 1"),
    ],
)
@pytest.mark.parametrize("space", ["p=3", "m=2"])
def test_bad_problems_name_the_argument(space, change, error, message):
    with pytest.raises(error, match=message):
        replace(make(space), **change)


@every_space
@every_regularizer
def test_responses_that_cost_nothing_are_answered_by_zero(space, regularizer):
    problem = replace(make(space, Squared(), regularizer), z=np.zeros(8))
    solution = solve(problem, DualNewton()).check()
    assert problem.sections.norm(solution.value.v) == 0
    assert solution.certificate.primal == solution.certificate.dual == 0


@pytest.mark.parametrize("scale", [1e-3, 1e2])
@every_loss
def test_the_length_is_found_however_far_it_is_from_one(scale, loss):
    """R(t) = t starts from the length 1: the solution's is 1/scale times that of unit features."""
    problem = make("p=1.5", loss, Norm())
    unit = solve(problem, DualNewton()).check()
    features = FeatureSections(scale * problem.sections.phi, 1.5)
    changed = replace(problem, sections=features, alpha=scale * problem.alpha)
    solution = solve(changed, DualNewton()).check()
    within = 1e-9 if loss.smooth else 2e-6
    assert solution.certificate.primal == pytest.approx(unit.certificate.primal, rel=within)
    assert relative(solution.value.v, unit.value.v / scale) < 1e-2


def test_responses_may_be_a_list_of_integers():
    problem = replace(make("m=2"), z=[1, -1, 2, 0, 1, 1, -2, 3])
    assert problem.z.dtype == float
    assert solve(problem, DualNewton()).certificate.passed


def test_the_wrong_number_of_functions_is_refused():
    problem = make("p=3")
    v = np.zeros(problem.sections.phi.shape[1])
    with pytest.raises(TypeError, match="needs a function per side, 1, got 2"):
        problem.objective(v, v)
    with pytest.raises(ValueError, match="zip"):
        problem.primal(np.zeros(8), (1.0, 1.0))


# ---- mutants


def wrong_exponent(w, q):
    """ι of the exponent q + 1."""
    with np.errstate(all="ignore"):
        return np.sign(w) * (np.abs(w) / norm(w, q + 1)) ** q


def unnormalized(w, q):
    """The powers without ‖w‖^{q−1}."""
    return np.sign(w) * np.abs(w) ** (q - 1)


def not_certified(problem):
    solution = solve(problem, DualNewton(tol=1e-6, max_iter=60))
    certificate = problem.certify(solution.value.functions, solution.value.c, 1e-6)
    return not solution.certificate.passed and not certificate.passed


@pytest.mark.parametrize("space", ["p=1.5", "p=3"])
@pytest.mark.parametrize("mutant", [wrong_exponent, unnormalized, lambda w, q: -w])
def test_a_wrong_duality_map_is_not_certified(space, mutant, monkeypatch):
    problem = make(space)
    assert not not_certified(problem)
    right = FeatureSections.dual_curve

    def dual_curve(self, w, epsilon):
        s, _, diagonal, weight = right(self, w, epsilon)
        return s, mutant(w, self.q), diagonal, weight

    # The map has two homes for two purposes: exact, and smoothed with its derivatives.
    monkeypatch.setattr(FeatureSections, "dual_curve", dual_curve)
    for module in (sections_module, optimality_module):
        monkeypatch.setattr(module, "duality_map", mutant)
    assert not_certified(problem)


@pytest.mark.parametrize("space", ["p=3", "m=2"])
@pytest.mark.parametrize("regularizer", [HalfSquare(), PowerNorm(3.0)], ids=repr)
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_wrong_conjugate_of_the_regularizer_is_not_certified(
    space, regularizer, factor, monkeypatch
):
    problem, right = make(space, Squared(), regularizer), type(regularizer).conjugate
    assert not not_certified(problem)
    monkeypatch.setattr(type(regularizer), "conjugate", lambda self, s: factor * right(self, s))
    assert not_certified(problem)


@pytest.mark.parametrize("m", [2, 3])
def test_a_tensor_without_its_power_is_not_certified(m, monkeypatch):
    """Without the m-th power of n! it is the tensor of other features: the true ones refuse it."""
    X5, series = X[:5], features_module._factorial_series
    explicit = FeatureSections(WHOLE(X5), 2 * m / (2 * m - 1))
    truth = OneSidedProblem(explicit, responses(Squared(), 5), 0.2)

    def certificate():
        found = solve(replace(truth, sections=TensorSections(X5, m)), DualNewton(tol=1e-8)).check()
        return truth.certify(truth.primal(found.value.c), found.value.c, 1e-6)

    assert certificate().passed
    monkeypatch.setattr(features_module, "_factorial_series", lambda t, m: series(t, 1))
    assert not certificate().passed


@pytest.mark.parametrize("name", ["at_points", "dual_norm"])
def test_tensor_sections_with_a_wrong_power_are_not_certified(name, monkeypatch):
    problem, right = make("m=2"), getattr(TensorSections, name)
    assert not not_certified(problem)
    wrong = {
        "at_points": lambda self, f: (
            right(self, f) * self.dual_norm(f.xi)
        ),  # ‖w‖^{q−2} for ‖w‖^{q−1}
        "dual_norm": lambda self, xi, epsilon=0.0: right(self, xi, epsilon) ** 2,
    }[name]
    monkeypatch.setattr(TensorSections, name, wrong)
    assert not_certified(problem)


# ---- factors

INDEX = np.array([0, 3, 3, 1, 7, 7, 7, 2, 5, 0, 4, 6])
FACTOR = np.array([1.0, -0.5, 2.0, 0.3, 1.5, 0.0, -1.0, 0.7, -2.0, 0.1, 0.0, 1.0])


def given(space, loss, regularizer, index=INDEX, factor=FACTOR):
    side = Side(SECTIONS[space](), index, 0.2, regularizer, factor)
    return GivenOther(side, responses(loss, len(index)), loss)


@every_space
@pytest.mark.parametrize(
    ("loss", "regularizer"),
    [*((loss, HalfSquare()) for loss in LOSSES), (Squared(), Norm()), (Hinge(), Norm())],
    ids=repr,
)
def test_a_factor_is_a_scaling_of_the_features(space, loss, regularizer):
    problem, rng = given(space, loss, regularizer), np.random.default_rng(2)
    sections = problem.side.sections
    scaled = FACTOR[:, None] * explicit(sections)[INDEX]
    same = OneSidedProblem(FeatureSections(scaled, sections.p), problem.z, 0.2, loss, regularizer)
    for _ in range(3):
        c = 0.02 * rng.uniform(0, 1, 12) * np.sign(problem.z)  # inside every domain
        v, function = same.primal(c, (1.3,))[0], problem.primal(c, (1.3,))[0]
        assert problem.objective(function) == pytest.approx(same.objective(v), rel=1e-12)
        assert np.isfinite(same.dual_objective(c))
        assert problem.dual_objective(c) == pytest.approx(same.dual_objective(c), rel=1e-11)
    found, expected = solve(problem, DualNewton()).check(), solve(same, DualNewton()).check()
    within = 1e-9 if loss.smooth else 2e-6
    assert found.certificate.primal == pytest.approx(expected.certificate.primal, rel=within)
    assert problem.zero_threshold() == pytest.approx(same.zero_threshold(), rel=1e-12)


def test_a_factor_of_one_is_no_factor():
    for loss in LOSSES:
        index, plain = np.arange(8), make("p=3", loss)
        for factor in (1.0, np.ones(8)):
            problem = given("p=3", loss, HalfSquare(), index, factor)
            found, expected = solve(problem, DualNewton()), solve(plain, DualNewton())
            np.testing.assert_array_equal(found.value.c, expected.value.c)


# ---- paths

FACTORS = np.logspace(1, -1, 7)


@functools.cache
def separable(loss, p=1.5, regularizer=None, keep=20):
    spaces = RKBSPair.from_kernel(EDP(), 2, 3, p)
    rng = np.random.default_rng(6)
    pairs = Pairs.grid(rng.uniform(-1, 1, (6, 2)), rng.uniform(-1, 1, (5, 2)))
    pairs = pairs[np.sort(rng.permutation(30)[:keep])]
    kinds = (regularizer,) * 2 if regularizer else (PowerNorm(p), PowerNorm(p / (p - 1)))
    return SeparableProblem(spaces, pairs, responses(loss, keep), 0.2, 0.1, loss, *kinds)


@pytest.mark.parametrize(
    ("p", "loss"), list(zip((1.5, 3.0, 3.0, 1.5, 3.0), LOSSES, strict=True)), ids=repr
)
def test_a_path_finds_what_cold_solves_find_in_fewer_steps(loss, p):
    problem = separable(loss, p)
    problems = [problem.with_alpha(alpha) for alpha in FACTORS]
    warm = list(DualNewton().setup(problem).path(FACTORS))
    cold = [solve(problem, DualNewton()) for problem in problems]
    within = 1e-9 if loss.smooth else 2e-6
    for a, b, problem in zip(warm, cold, problems, strict=True):
        a.check()
        assert a.certificate.primal == pytest.approx(b.certificate.primal, rel=within)
        again = problem.certify(a.value.functions, a.value.c, 1e-6)
        assert (again.primal, again.dual) == (a.certificate.primal, a.certificate.dual)
    steps = [sum(s.stats["iterations"] for s in solutions) for solutions in (warm, cold)]
    assert steps[0] < steps[1]
    assert warm[0].stats == cold[0].stats  # the first has nothing to start from


@pytest.mark.parametrize("space", ["m=2", "p=3"])
def test_a_path_of_one_sided_problems(space):
    state = DualNewton(tol=1e-8).setup(make(space, Logistic()))
    alphas = 0.1 * FACTORS
    warm, cold = list(state.path(alphas)), [state.solve(alpha) for alpha in alphas]
    for a, b in zip(warm, cold, strict=True):
        assert a.check().certificate.primal == pytest.approx(b.certificate.primal, rel=1e-8)
    steps = [sum(s.stats["iterations"] for s in solutions) for solutions in (warm, cold)]
    assert steps[0] < steps[1]


@pytest.mark.parametrize("loss", [Squared(), Hinge()], ids=repr)
def test_a_path_may_cross_the_zero_threshold(loss):
    problem = separable(loss, 3.0, Norm())
    largest = max(t / a for t, a in zip(problem.zero_threshold(), (0.2, 0.1), strict=True))
    alphas = 0.2 * largest * np.array([2.0, 1.0 + 1e-9, 0.9, 0.5, 1.5, 0.2])
    warm = list(DualNewton().setup(problem).path(alphas))
    zero = [not (s.check().value.v.any() or s.value.u.any()) for s in warm]
    assert zero == [True, True, False, False, True, False]
    for alpha, solution in zip(alphas, warm, strict=True):
        cold = solve(problem.with_alpha(alpha), DualNewton())
        within = 1e-9 if loss.smooth else 2e-6
        assert solution.certificate.primal == pytest.approx(cold.certificate.primal, rel=within)


def test_problems_of_a_path_share_the_features():
    problem = separable(Squared())
    scaled = problem.with_alpha(0.6)
    assert scaled.phi_x is problem.phi_x
    assert scaled.phi_y is problem.phi_y
    assert scaled.sides[0].sections.phi is problem.phi_x
    assert (scaled.alpha_x, scaled.alpha_y) == pytest.approx((0.6, 0.3), rel=1e-15)
    assert tuple(side.alpha for side in scaled.sides) == (scaled.alpha_x, scaled.alpha_y)
    assert (problem.alpha_x, problem.alpha_y) == (0.2, 0.1)
    assert tuple(side.alpha for side in problem.sides) == (0.2, 0.1)
    v, u = np.random.default_rng(0).standard_normal((2, problem.spaces.dim))
    data = problem.loss.value(problem.at_pairs(v, u), problem.z).sum()
    penalty = problem.objective(v, u) - data
    assert scaled.objective(v, u) == pytest.approx(data + 3 * penalty, rel=1e-13)


@pytest.mark.parametrize(
    ("alpha", "error", "message"),
    [
        (0.0, ValueError, "alpha must be positive and finite"),
        (-1.0, ValueError, "alpha must be positive and finite"),
        (np.inf, ValueError, "alpha must be positive and finite"),
        (np.nan, ValueError, "alpha must be positive and finite"),
        (1e308, ValueError, r"alpha must be near enough to alpha_x = 0.2 .* got 1e\+308"),
        ("2", TypeError, "alpha must be a real number"),
        (True, TypeError, "alpha must be a real number"),
        (np.ones(2), TypeError, "alpha must be a real number"),
    ],
)
def test_a_bad_alpha_is_refused(alpha, error, message):
    with pytest.raises(error, match=message):
        separable(Squared()).with_alpha(alpha)


@pytest.mark.parametrize(("m", "n", "h", "alpha"), [(3, 3, 0.39, 4.1e-4), (3, 5, 0.6, 3.8e-3)])
def test_a_tensor_that_cancels_is_not_certified_beyond_its_digits(m, n, h, alpha):
    """Close points and a weak penalty: the dual must stay below what explicit features attain."""
    points = h * np.linspace(-1, 1, n)[:, None]
    z = np.random.default_rng(70).standard_normal(n)
    found = solve(OneSidedProblem(TensorSections(points, m), z, alpha), DualNewton())
    whole = FeatureSections(PowerFeatures(EDP(), 1, 45)(points), 2 * m / (2 * m - 1))
    explicit = solve(OneSidedProblem(whole, z, alpha), DualNewton(tol=1e-9)).check()
    assert found.certificate.dual <= explicit.certificate.primal * (1 + 1e-12)
    assert found.certificate.primal >= explicit.certificate.dual * (1 - 1e-12)
