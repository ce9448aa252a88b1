"""The product reading: objective, halves, stationary points, against formulas written out here."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from helpers import every_two
from problem_helpers import KINKED, LOSSES, PENALTIES, SMOOTH, left_side, norm, penalty, power
from problem_helpers import features_at_pairs as features
from problem_helpers import product_problem as make

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP
from rkbs.laws import relative
from rkbs.problems.certificates import StationarityCertificate
from rkbs.problems.product import ProductProblem
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import Alternating, ConvergenceError, DualNewton, solve
from rkbs.solvers.functions import alternating as alternating_module
from rkbs.spaces import RKBSPair
from rkbs.spaces import sections as sections_module
from rkbs.terms.margin_losses import Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm
from rkbs.terms.residual_losses import Huber, Squared

EXPONENTS = (1.5, 2.0, 3.0)
every_p = pytest.mark.parametrize("p", EXPONENTS)


def residual_by_hand(problem, v, u):
    """The worse relative residual of the two expansions, pair by pair."""
    p, q = problem.spaces.p, problem.spaces.p / (problem.spaces.p - 1)
    x, y = features(problem)
    expansion_v, expansion_u = np.zeros_like(v), np.zeros_like(u)
    for phi_x, phi_y, z in zip(x, y, problem.z, strict=True):
        f, g = phi_x @ v, phi_y @ u
        slope = problem.loss.gradient(np.array(f * g), z)
        expansion_v -= slope * g * phi_x
        expansion_u -= slope * f * phi_y
    residuals = []
    for alpha, kind, w, exponent, expansion in (
        (problem.alpha_x, problem.regularizer_x, v, p, expansion_v),
        (problem.alpha_y, problem.regularizer_y, u, q, expansion_u),
    ):
        left = alpha * left_side(w, exponent, kind)
        residuals.append(np.linalg.norm(left - expansion) / np.linalg.norm(left))
    return max(residuals)


def objective_by_hand(problem, v, u):
    x, y = features(problem)
    total = problem.alpha_x * penalty(v, problem.spaces.p, problem.regularizer_x)
    q = problem.spaces.p / (problem.spaces.p - 1)
    total += problem.alpha_y * penalty(u, q, problem.regularizer_y)
    for phi_x, phi_y, z in zip(x, y, problem.z, strict=True):
        total += problem.loss.value(np.array((phi_x @ v) * (phi_y @ u)), z)
    return float(total)


# ---- the problem


@every_p
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("kinds", PENALTIES, ids=repr)
def test_objective_by_hand(p, loss, kinds):
    problem = make(p, loss, kinds)
    rng = np.random.default_rng(1)
    x, y = features(problem)
    for _ in range(3):
        v, u = rng.standard_normal((2, problem.spaces.dim))
        assert relative(problem.at_pairs(v, u), (x @ v) * (y @ u)) < 1e-13
        found = problem.objective(v, u)
        assert found == pytest.approx(objective_by_hand(problem, v, u), rel=1e-13)
        assert problem.objective(-v, -u) == found
        scaled = problem.at_pairs(3 * v, u / 3)
        assert relative(scaled, problem.at_pairs(v, u)) < 1e-13


@every_p
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("kinds", PENALTIES, ids=repr)
def test_with_one_function_fixed_only_its_penalty_is_missing(p, loss, kinds):
    problem, rng = make(p, loss, kinds), np.random.default_rng(2)
    q = p / (p - 1)
    for _ in range(3):
        v, u = rng.standard_normal((2, problem.spaces.dim))
        whole = problem.objective(v, u)
        of_v, of_u = problem.given("g", u), problem.given("f", v)
        missing_u = 0.2 * penalty(u, q, kinds[1])
        missing_v = 0.1 * penalty(v, p, kinds[0])
        assert whole - of_v.objective(v) == pytest.approx(missing_u, rel=1e-10)
        assert whole - of_u.objective(u) == pytest.approx(missing_v, rel=1e-10)
        assert relative(of_v.at_pairs(v), problem.at_pairs(v, u)) < 1e-13
        assert relative(of_u.at_pairs(u), problem.at_pairs(v, u)) < 1e-13


@every_p
@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
@pytest.mark.parametrize("kinds", PENALTIES, ids=repr)
def test_certificate_and_left_sides_by_hand(p, loss, kinds):
    problem, rng = make(p, loss, kinds), np.random.default_rng(3)
    for _ in range(3):
        v, u = rng.standard_normal((2, problem.spaces.dim))
        left_v, left_u = problem.left_sides(v, u)
        assert relative(left_v, 0.1 * left_side(v, p, kinds[0])) < 1e-12
        assert relative(left_u, 0.2 * left_side(u, p / (p - 1), kinds[1])) < 1e-12
        certificate = problem.certify(v, u, 1e-8)
        assert certificate.residual == pytest.approx(residual_by_hand(problem, v, u), rel=1e-11)
        assert not certificate.passed


def test_zero_is_stationary_as_always():
    zero = np.zeros(make().spaces.dim)
    assert make().certify(zero, zero, 1e-8).residual == 0


@pytest.mark.parametrize("zero", ["f", "g"])
def test_a_zero_function_beside_another_is_not_certified(zero):
    problem = make()
    v, u = np.random.default_rng(1).standard_normal((2, problem.spaces.dim))
    v, u = v * (zero == "g"), u * (zero == "f")
    certificate = problem.certify(v, u, 1e300)
    assert certificate.residual == np.inf
    assert not certificate.passed


@pytest.mark.parametrize("broken", ["f", "g"])
def test_nan_in_either_function_is_not_certified(broken, monkeypatch):
    problem = make()
    v, u = np.random.default_rng(1).standard_normal((2, problem.spaces.dim))
    lefts = {"f": problem.left_sides(v, u)[0], "g": problem.left_sides(v, u)[1]}
    lefts[broken] = lefts[broken] * np.nan
    monkeypatch.setattr(ProductProblem, "left_sides", lambda self, v, u: tuple(lefts.values()))
    certificate = problem.certify(v, u, 1e300)
    assert np.isnan(certificate.residual)
    assert not certificate.passed


@pytest.mark.parametrize("fixed", ["h", None, 0])
def test_fixed_is_f_or_g(fixed):
    with pytest.raises(ValueError, match='fixed must be "f" or "g"'):
        make().given(fixed, np.ones(10))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tol": 0.0}, ValueError, "tol must be positive and finite"),
        ({"tol": "1"}, TypeError, "tol must be a real number"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"seed": 0.5}, TypeError, "seed must be an integer"),
    ],
)
def test_bad_solvers_name_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        Alternating(**arguments)


def test_solvers_refuse_problems_of_another_class():
    product = make()
    arguments = (product.spaces, product.pairs, product.z, 0.1, 0.2)
    separable = SeparableProblem(*arguments)
    with pytest.raises(TypeError, match="of class ProductProblem, got SeparableProb"):
        solve(separable, Alternating())
    with pytest.raises(TypeError, match="of class ExpansionProblem, got ProductProb"):
        solve(product, DualNewton())
    with pytest.raises(TypeError, match="of class ProductProblem, got NoneType"):
        Alternating().setup(None)


# ---- stationary points


def slopes(problem, v, u):
    """Central differences of the objective, written out in 50 digits, in every coordinate."""
    x, y = (rows.tolist() for rows in features(problem))
    p = mpmath.mpf(problem.spaces.p)
    z = [mpmath.mpf(float(value)) for value in problem.z]
    exponents, alphas = (p, p / (p - 1)), (problem.alpha_x, problem.alpha_y)
    powers = power(problem.regularizer_x), power(problem.regularizer_y)

    def loss(h, z):
        if isinstance(problem.loss, Squared):
            return (h - z) ** 2 / 2
        assert problem.loss.labels
        return mpmath.log(1 + mpmath.exp(-z * h))

    def penalty(w, k):
        total = mpmath.fsum(abs(a) ** exponents[k] for a in w)
        return mpmath.mpf(alphas[k]) * total ** (powers[k] / exponents[k]) / powers[k]

    def at(w):
        f = [mpmath.fdot(row, w[0]) for row in x]
        g = [mpmath.fdot(row, w[1]) for row in y]
        data = mpmath.fsum(loss(a * b, c) for a, b, c in zip(f, g, z, strict=True))
        return data + penalty(w[0], 0) + penalty(w[1], 1)

    def slope(k, m):
        both = []
        for step in (mpmath.mpf(10) ** -20, -(mpmath.mpf(10) ** -20)):
            w = [[mpmath.mpf(float(a)) for a in part] for part in (v, u)]
            w[k][m] += step
            both.append(at(w))
        return float((both[0] - both[1]) * 10**20 / 2)

    with mpmath.workdps(50):
        return [np.array([slope(k, m) for m in range(len(v))]) for k in (0, 1)]


@pytest.mark.parametrize(
    ("p", "kinds", "loss"),
    every_two(EXPONENTS, PENALTIES[:2], [Squared(), Logistic()]),
    ids=repr,
)
def test_nothing_changes_at_first_order_in_any_coordinate(p, loss, kinds):
    problem = make(p, loss, kinds, alphas=(0.05, 0.05))
    v, u = solve(problem, Alternating(tol=1e-9)).check().value
    found = slopes(problem, v, u)
    lefts = [
        0.05 * left_side(w, exponent, kind)
        for w, exponent, kind in zip((v, u), (p, p / (p - 1)), kinds, strict=True)
    ]
    for slope, left in zip(found, lefts, strict=True):
        assert np.abs(slope).max() < 2e-9 * np.linalg.norm(left)
    away = slopes(problem, v * (1 + 1e-5), u)
    assert np.abs(away[0]).max() > 1e-7 * np.linalg.norm(lefts[0])


@pytest.mark.parametrize(
    ("p", "loss"),
    [(1.5, Squared()), (1.5, Logistic()), (2.0, Squared()), (2.0, Huber(0.5)), (3.0, Logistic())],
)
def test_the_solution_certified_by_hand(p, loss):
    problem = make(p, loss)
    solution = solve(problem, Alternating()).check()
    v, u = solution.value
    residual = residual_by_hand(problem, v, u)
    assert residual <= 1.001e-8
    assert solution.certificate.residual == pytest.approx(residual, abs=1e-12)
    objectives = solution.stats["objectives"]
    assert len(objectives) == solution.stats["iterations"] > 1
    assert objectives[-1] == pytest.approx(objective_by_hand(problem, v, u), rel=1e-13)
    # No rise beyond the inner gap of 1e-12; the first rounds must gain something.
    assert (np.diff(objectives) <= 1e-11 * np.array(objectives[:-1])).all()
    assert objectives[0] > objectives[-1] * (1 + 1e-6)
    zero = np.zeros_like(v)
    assert objectives[-1] < 0.9 * problem.objective(zero, zero)


@every_p
def test_a_stationary_point_with_its_sign_changed_is_stationary(p):
    problem = make(p)
    solution = solve(problem, Alternating()).check()
    v, u = solution.value
    assert problem.certify(-v, -u, 1e-8).residual == solution.certificate.residual
    assert problem.objective(-v, -u) == problem.objective(v, u)
    for wrong in ((-v, u), (v, -u), (1.001 * v, u), (2 * v, u / 2)):
        assert problem.certify(*wrong, 1e-5).residual > 1e-4


@every_p
def test_each_half_is_globally_optimal_given_the_other(p):
    problem = make(p, Logistic())
    v, u = solve(problem, Alternating()).check().value
    for fixed, given, own in (("g", u, v), ("f", v, u)):
        half = problem.given(fixed, given)
        best = solve(half, DualNewton()).check()
        assert half.objective(own) == pytest.approx(best.certificate.primal, rel=1e-9)
        assert relative(own, best.value.v) < 1e-3


def test_the_start_is_the_seed():
    problem = make(3.0)
    first, second = solve(problem, Alternating(seed=1)), solve(problem, Alternating(seed=1))
    np.testing.assert_array_equal(first.value.v, second.value.v)
    other = solve(problem, Alternating(seed=2))
    assert other.stats["objectives"][0] != first.stats["objectives"][0]
    assert other.check().certificate.passed


# ---- p = 2 on orthonormal features: the rank-1 problem


def orthonormal(alphas, seed=0, keep=None):
    """Features whose columns are orthonormal over the points: K_X and K_Y are projections."""
    rng = np.random.default_rng(seed)
    X, Y = (np.linalg.qr(rng.standard_normal((n, 4)))[0] for n in (7, 6))
    rows = [np.arange(float(n))[:, None] for n in (7, 6)]
    spaces = RKBSPair(lambda x: X[x[:, 0].astype(int)], lambda y: Y[y[:, 0].astype(int)], 4, 2.0)
    Z = 3 * rng.standard_normal((7, 6))
    problem = ProductProblem(spaces, Pairs.grid(*rows), Z, *alphas)
    return problem, X, Y, Z


@pytest.mark.parametrize("alphas", [(0.5, 0.5), (0.2, 1.8), (2.0, 0.3)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_is_the_soft_thresholded_singular_value(alphas, seed):
    """½‖X v uᵀ Yᵀ − Z‖² + (λ_X‖v‖² + λ_Y‖u‖²)/2 is least at σ = σ_1 − √(λ_X λ_Y), ‖v‖‖u‖ = σ."""
    problem, X, Y, Z = orthonormal(alphas, seed)
    U, sigma, Vt = np.linalg.svd(X.T @ Z @ Y)
    shrink = np.sqrt(alphas[0] * alphas[1])
    top = sigma[0] - shrink
    assert top > 0.5
    solution = solve(problem, Alternating()).check()
    v, u = solution.value
    assert relative(np.outer(v, u), top * np.outer(U[:, 0], Vt[0])) < 1e-7
    assert np.linalg.norm(v) ** 2 == pytest.approx(top * np.sqrt(alphas[1] / alphas[0]), rel=1e-7)
    assert np.linalg.norm(u) ** 2 == pytest.approx(top * np.sqrt(alphas[0] / alphas[1]), rel=1e-7)
    expected = ((Z**2).sum() - top**2) / 2
    assert solution.stats["objectives"][-1] == pytest.approx(expected, rel=1e-12)
    # Every singular pair with σ_k > √(λ_X λ_Y) is stationary, none but the first is best.
    for k in range(4):
        length = sigma[k] - shrink
        if length > 0:
            v = np.sqrt(length * np.sqrt(alphas[1] / alphas[0])) * U[:, k]
            u = np.sqrt(length * np.sqrt(alphas[0] / alphas[1])) * Vt[k]
            assert problem.certify(v, u, 1e-12).passed
            assert problem.objective(v, u) >= expected - 1e-12
            assert not problem.certify(v, 1.01 * u, 1e-4).passed


def test_above_the_top_singular_value_zero_is_found():
    """f = g = 0 is then the optimum, and stationary; half of it is not."""
    problem, X, Y, Z = orthonormal((1.0, 1.0))
    top = np.linalg.norm(X.T @ Z @ Y, 2)
    for factor, nonzero in ((0.9, True), (1.3, False)):
        changed = replace(problem, alpha_x=factor * top, alpha_y=factor * top)
        solution = solve(changed, Alternating())
        assert bool(solution.value.v.any()) == bool(solution.value.u.any()) == nonzero
        assert solution.check().certificate.passed
        if not nonzero:
            assert solution.certificate.residual == 0
            assert solution.stats["objectives"][-1] == pytest.approx((Z**2).sum() / 2, rel=1e-12)
            one_sided = changed.certify(np.ones_like(solution.value.v), solution.value.u, 1e-8)
            assert not one_sided.passed


# ---- what cannot be certified, and what must not be


@pytest.mark.parametrize("loss", KINKED, ids=repr)
def test_kinked_losses_are_refused_by_name(loss):
    problem = make(3.0, loss)
    with pytest.raises(ValueError, match="loss must be smooth"):
        solve(problem, Alternating())
    with pytest.raises(ValueError, match="loss must be smooth"):
        problem.certify(*np.ones((2, problem.spaces.dim)), 1e-8)
    assert solve(problem.given("g", np.ones(problem.spaces.dim)), DualNewton()).certificate.passed


def test_the_norm_itself_as_regularizer():
    """R(t) = t: certified like the others, with the length an unknown of the final polish."""
    p = 1.5
    problem = make(p, Squared(), (Norm(), Norm()), (0.5, 0.5), keep=12)
    solution = solve(problem, Alternating()).check()
    assert residual_by_hand(problem, *solution.value) <= 1.001e-8
    objectives = np.array(solution.stats["objectives"])
    assert (np.diff(objectives) <= 1e-9 * objectives[:-1]).all()
    # Scaling (tf, g/t) leaves the data term alone, so at its best λ_X‖f‖ = λ_Y‖g‖.
    v, u = solution.value
    assert 0.5 * norm(v, p) == pytest.approx(0.5 * norm(u, p / (p - 1)), rel=1e-7)


@pytest.mark.parametrize(
    ("p", "kinds", "loss"),
    every_two(
        EXPONENTS,
        [(Norm(), Norm()), (Norm(), HalfSquare()), PENALTIES[2]],
        [Squared(), Logistic()],
    ),
    ids=repr,
)
def test_with_the_norm_a_few_rounds_do(p, loss, kinds):
    solution = solve(make(p, loss, kinds), Alternating(max_iter=10)).check()
    assert residual_by_hand(make(p, loss, kinds), *solution.value) <= 1.001e-8


@every_p
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_the_unit_of_the_responses_does_not_matter(p, scale):
    """z ↦ sz with λ ↦ sλ takes (f, g) to √s (f, g), where R(t) = t²/2."""
    problem = make(p)
    scaled = replace(problem, z=scale * problem.z, alpha_x=0.1 * scale, alpha_y=0.2 * scale)
    ones = solve(problem, Alternating(max_iter=10)).check().value
    others = solve(scaled, Alternating(max_iter=10)).check().value
    for one, other in zip(ones, others, strict=True):
        assert min(relative(other, sign * np.sqrt(scale) * one) for sign in (1, -1)) < 1e-6


@every_p
@pytest.mark.parametrize("loss", [Squared(), Huber(5e5)], ids=repr)
def test_large_responses_with_a_penalty_that_is_weak_beside_them(p, loss):
    """The objective cannot tell the penalty from rounding; the equations can."""
    problem = make(p, loss)
    problem = replace(problem, z=1e6 * problem.z)
    solution = solve(problem, Alternating(max_iter=10)).check()
    assert residual_by_hand(problem, *solution.value) <= 1.1e-8


@pytest.mark.parametrize("kinds", [(HalfSquare(),) * 2, (Norm(),) * 2], ids=repr)
@pytest.mark.parametrize("fixed", ["f", "g"])
def test_the_half_beside_a_zero_function_is_zero(kinds, fixed):
    problem = make(3.0, Squared(), kinds)
    half = problem.given(fixed, np.zeros(problem.spaces.dim))
    solution = solve(half, DualNewton()).check()
    assert not solution.value.v.any()
    assert solution.certificate.primal == pytest.approx((problem.z**2).sum() / 2, rel=1e-14)


@pytest.mark.parametrize("kinds", [(HalfSquare(),) * 2, (Norm(),) * 2], ids=repr)
def test_a_penalty_too_strong_gives_zero(kinds):
    solution = solve(make(3.0, Squared(), kinds, alphas=(20.0, 20.0)), Alternating())
    assert not solution.value.v.any()
    assert not solution.value.u.any()
    assert solution.certificate.passed


def test_too_few_rounds_are_an_honest_failure():
    solution = solve(make(), Alternating(max_iter=2))
    assert solution.stats["iterations"] == len(solution.stats["objectives"]) == 2
    assert not solution.certificate.passed
    assert solution.certificate.residual == residual_of(make(), solution)
    with pytest.raises(ConvergenceError, match="Alternating stopped at a relative stationarity"):
        solution.check()


def residual_of(problem, solution):
    return problem.certify(*solution.value, 1e-8).residual


@pytest.mark.parametrize(
    ("residual", "passed"), [(1e-9, True), (1e-7, False), (np.inf, False), (np.nan, False)]
)
def test_the_certificate_refuses_what_is_not_small(residual, passed):
    certificate = StationarityCertificate(residual, 1e-8)
    assert certificate.passed == passed
    assert "relative stationarity residual" in certificate.describe()


# ---- mutants


def wrong_exponent(w, q):
    return np.sign(w) * (np.abs(w) / norm(w, q + 1)) ** q


@pytest.mark.parametrize("mutant", [wrong_exponent, lambda w, q: w / norm(w, 2)])
def test_a_wrong_duality_map_is_not_certified(mutant, monkeypatch):
    """In the alternating solves, without the polish, whose equations would mend it."""
    monkeypatch.setattr(alternating_module, "_polish", lambda problem, v, u, tol: (v, u))
    problem = make(1.5)
    assert solve(problem, Alternating(1e-6, max_iter=30)).certificate.passed
    monkeypatch.setattr(sections_module, "duality_map", mutant)
    monkeypatch.setattr(alternating_module, "_INNER", DualNewton(1e-14, max_iter=50))
    assert not solve(problem, Alternating(1e-6, max_iter=5)).certificate.passed


def test_the_best_point_is_returned_not_the_last(monkeypatch):
    """Rounds that are spoiled after the twelfth leave what was found before."""
    monkeypatch.setattr(alternating_module, "_polish", lambda problem, v, u, tol: (v, u))
    problem, right, rounds = make(1.5), alternating_module._round, []
    expected = solve(problem, Alternating(1e-12, max_iter=12))

    def spoiled(problem, u, balance):
        v, u, proof = right(problem, u, balance)
        rounds.append(1.0 if len(rounds) < 12 else 1.0001)
        return v * rounds[-1], u, proof

    monkeypatch.setattr(alternating_module, "_round", spoiled)
    found = solve(problem, Alternating(1e-12, max_iter=16))
    assert found.stats["iterations"] == 16
    assert found.certificate.residual <= expected.certificate.residual < 1e-5


@pytest.mark.parametrize(
    ("target", "name", "mutant"),
    [
        (HalfSquare, "derivative", lambda self, t: t * t),
        (HalfSquare, "derivative", lambda self, t: 1.0),
        (Squared, "gradient", lambda self, h, z: (h - z) / 2),
        (Squared, "gradient", lambda self, h, z: z - h),
    ],
)
def test_a_wrong_derivative_is_not_certified(target, name, mutant, monkeypatch):
    problem = make(1.5)
    v, u = solve(problem, Alternating()).check().value
    monkeypatch.setattr(target, name, mutant)
    assert problem.certify(v, u, 1e-8).residual > 1e-3


@pytest.mark.parametrize("dropped", ["f", "g"])
def test_an_expansion_without_the_other_function_is_not_certified(dropped, monkeypatch):
    problem, right = make(1.5), ProductProblem.given
    v, u = solve(problem, Alternating()).check().value

    def without_factor(self, fixed, coefficients):
        given = right(self, fixed, coefficients)
        return replace(given, side=replace(given.side, factor=1.0)) if fixed == dropped else given

    monkeypatch.setattr(ProductProblem, "given", without_factor)
    assert problem.certify(v, u, 1e-8).residual > 1e-3


@pytest.mark.parametrize("p", [1.5, 2.0])
def test_a_failed_solve_is_no_proof_of_zero(p):
    """Responses of 1e20 at α = 0.05 are beyond the inner solves; zero is far from best."""
    rng = np.random.default_rng(0)
    spaces = RKBSPair.from_kernel(EDP(), 2, 5, p)
    pairs = Pairs.grid(*(rng.uniform(-1, 1, (n, 2)) for n in (7, 6)))
    z = rng.standard_normal(42)
    assert solve(ProductProblem(spaces, pairs, z, 0.05, 0.05), Alternating()).value.v.any()
    for size in (1e10, 1e20):
        huge = solve(ProductProblem(spaces, pairs, size * z, 0.05, 0.05), Alternating(max_iter=3))
        assert huge.value.v.any()
        assert not huge.certificate.passed


def test_a_far_heavier_penalty_of_one_side_does_not_win():
    """Only λ_X λ_Y matters for t²/2: (cf, g/c) has the same values."""
    rng = np.random.default_rng(0)
    spaces = RKBSPair.from_kernel(EDP(), 2, 5, 1.5)
    pairs = Pairs.grid(*(rng.uniform(-1, 1, (n, 2)) for n in (7, 6)))
    z = rng.standard_normal(42)
    for ratio in (1.0, 1e10, 1e-10):
        problem = ProductProblem(spaces, pairs, z, 0.05 / ratio, 0.05 * ratio)
        solution = solve(problem, Alternating()).check()
        assert problem.objective(*solution.value) < 0.95 * (z**2).sum() / 2


def test_rounds_that_only_shrink_end_in_zero():
    """Just below the threshold the rounds tend to (0, 0) without end."""
    spaces = RKBSPair.from_kernel(EDP(), 2, 3, 2.0)
    for seed, alpha in ((9, 3.0), (0, 5.0)):
        rng = np.random.default_rng(seed)
        X, Y = rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, (6, 2))
        z = np.sign(rng.standard_normal(18))
        problem = ProductProblem(spaces, Pairs.grid(X, Y), z, alpha, alpha, loss=Logistic())
        solution = solve(problem, Alternating()).check()
        zero = problem.objective(*(0 * f for f in solution.value))
        assert problem.objective(*solution.value) <= zero
