"""The separable problem: duality, recovery, solver, against brute force over all features."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import every_two
from problem_helpers import LOSSES, SMOOTH
from problem_helpers import separable_problem as make
from scipy.optimize import minimize

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, Quadratic
from rkbs.kernels.features import PowerFeatures
from rkbs.laws import relative
from rkbs.problems.certificates import GapCertificate
from rkbs.problems.separable import SeparableProblem
from rkbs.solvers import ConvergenceError, DualNewton, solve
from rkbs.solvers.functions._smoothed_dual import SmoothedDual
from rkbs.spaces import RKBSPair, conjugate_exponent, duality_map
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm
from rkbs.terms.residual_losses import Huber, Squared

EXPONENTS = (1.25, 1.5, 2.0, 3.0, 4.0)
every_p = pytest.mark.parametrize("p", EXPONENTS)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def by_hand(problem, v, u, c):
    """Both objectives, pair by pair, from the definition; R = t^r/r of each space's own norm."""
    p, q = problem.spaces.p, problem.spaces.p_conjugate
    f, g = (v, u)
    primal = problem.alpha_x * (abs(f) ** p).sum() / p + problem.alpha_y * (abs(g) ** q).sum() / q
    dual, w_x, w_y = 0.0, np.zeros(len(v)), np.zeros(len(u))
    for i, j, z, coefficient in zip(problem.pairs.i, problem.pairs.j, problem.z, c, strict=True):
        phi_x = problem.spaces.features_x(problem.pairs.X[i : i + 1])[0]
        phi_y = problem.spaces.features_y(problem.pairs.Y[j : j + 1])[0]
        primal += problem.loss.value(phi_x @ v + phi_y @ u, z)
        dual -= problem.loss.conjugate(-coefficient, z)
        w_x, w_y = w_x + coefficient * phi_x, w_y + coefficient * phi_y
    dual -= problem.alpha_x * (abs(w_x / problem.alpha_x) ** q).sum() / q
    return primal, dual - problem.alpha_y * (abs(w_y / problem.alpha_y) ** p).sum() / p


@every_p
@every_loss
def test_certificate_is_the_gap_computed_by_hand(p, loss):
    problem = make(p, loss, keep=20)
    solution = solve(problem, DualNewton()).check()
    primal, dual = by_hand(problem, solution.value.v, solution.value.u, solution.value.c)
    assert solution.certificate.primal == pytest.approx(primal, rel=1e-12)
    assert solution.certificate.dual == pytest.approx(dual, rel=1e-12)
    assert -1e-13 <= (primal - dual) / primal <= (1e-10 if loss.smooth else 1e-6)


@pytest.mark.parametrize("regularizer", [HalfSquare(), Norm()], ids=repr)
@pytest.mark.parametrize(
    ("p", "loss", "alpha"), every_two(EXPONENTS, LOSSES, (0.01, 1.0)), ids=repr
)
def test_other_regularizers_are_certified(p, loss, regularizer, alpha):
    problem = make(p, loss, (regularizer, regularizer), (alpha, 2 * alpha))
    certificate = solve(problem, DualNewton()).check().certificate
    assert certificate.relative_gap <= (1e-10 if loss.smooth else 1e-6)
    assert certificate.primal > 0


@every_p
@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_no_point_of_the_whole_feature_space_is_better(p, loss):
    problem = make(p, loss, order=3)
    solution = solve(problem, DualNewton())
    D, q = problem.spaces.dim, conjugate_exponent(p)

    def objective(vu):
        v, u = vu[:D], vu[D:]
        slopes = problem.loss.gradient(problem.at_pairs(v, u), problem.z)
        xi, zeta = problem.expansion(slopes)
        gradient_v = xi @ problem.phi_x + problem.alpha_x * np.sign(v) * abs(v) ** (p - 1)
        gradient_u = zeta @ problem.phi_y + problem.alpha_y * np.sign(u) * abs(u) ** (q - 1)
        return problem.objective(v, u), np.concatenate([gradient_v, gradient_u])

    start = np.random.default_rng(1).standard_normal(2 * D)
    options = {"maxiter": 20_000, "maxfun": 20_000, "ftol": 1e-16, "gtol": 1e-9}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    # A first-order method meets the certified optimum from above, to its own accuracy.
    optimum = solution.certificate.primal
    assert optimum * (1 - 1e-10) <= found.fun <= optimum * (1 + 1e-6)
    assert (
        relative(
            problem.at_pairs(found.x[:D], found.x[D:]),
            problem.at_pairs(solution.value.v, solution.value.u),
        )
        < 1e-2
    )


@pytest.mark.parametrize("keep", [None, 17])
def test_two_is_ridge(keep):
    problem = make(2.0, keep=keep)
    solution = solve(problem, DualNewton())
    i, j = problem.pairs.i, problem.pairs.j
    gram_x, gram_y = problem.phi_x @ problem.phi_x.T, problem.phi_y @ problem.phi_y.T
    gram = gram_x[np.ix_(i, i)] / problem.alpha_x + gram_y[np.ix_(j, j)] / problem.alpha_y
    c = np.linalg.solve(gram + np.eye(len(i)), problem.z)
    assert relative(solution.value.c, c) < 1e-10
    assert relative(solution.value.v, problem.phi_x[i].T @ c / problem.alpha_x) < 1e-10
    assert relative(solution.value.u, problem.phi_y[j].T @ c / problem.alpha_y) < 1e-10


@every_p
@every_loss
def test_weak_duality_for_arbitrary_points(p, loss):
    problem, rng = make(p, loss, keep=20), np.random.default_rng(2)
    certificate = solve(problem, DualNewton(tol=1e-6)).certificate
    for _ in range(50):
        v, u = rng.standard_normal((2, problem.spaces.dim))
        inside = -rng.uniform(0.01, 0.9) * problem.loss.gradient(v[:1], problem.z)
        dual = problem.dual_objective(inside * rng.uniform(0, 1, len(problem.z)))
        assert np.isfinite(dual)
        assert dual <= certificate.primal
        assert problem.objective(v, u) >= certificate.dual
        assert problem.objective(v, u) > dual


@every_p
@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_the_dual_unknowns_carry_the_solution(p, loss):
    problem = make(p, loss, keep=20)
    solution = solve(problem, DualNewton(tol=1e-13))
    v, u = problem.primal(solution.value.c)
    assert relative(v, solution.value.v) < 1e-12
    assert relative(u, solution.value.u) < 1e-12
    slopes = problem.loss.gradient(problem.at_pairs(v, u), problem.z)
    assert relative(-slopes, solution.value.c) < 1e-5  # half the digits of the gap
    xi, zeta = problem.expansion(solution.value.c)
    for n in range(len(problem.z)):
        xi[problem.pairs.i[n]] -= solution.value.c[n]
        zeta[problem.pairs.j[n]] -= solution.value.c[n]
    np.testing.assert_allclose(np.concatenate([xi, zeta]), 0, atol=1e-14)


@every_p
def test_a_wrong_duality_map_is_not_certified(p):
    problem = make(p)
    solution = solve(problem, DualNewton())
    w_x, w_y = problem.dual_vectors(solution.value.c)
    norms = [
        np.linalg.norm(w, k)
        for w, k in ((solution.value.v, p), (solution.value.u, conjugate_exponent(p)))
    ]
    wrong = {
        "own exponent": (norms[0] * duality_map(w_x, p + 1.0), solution.value.u),
        "swapped": (
            solution.value.v,
            norms[1] * duality_map(w_y, problem.spaces.p_conjugate + 1.0),
        ),
        "sign": (-solution.value.v, solution.value.u),
        "length": (1.01 * solution.value.v, solution.value.u),
    }
    assert problem.certify((solution.value.v, solution.value.u), solution.value.c, 1e-10).passed
    for name, (v, u) in wrong.items():
        certificate = problem.certify((v, u), solution.value.c, 1e-6)
        assert not certificate.passed, name
        assert certificate.relative_gap > 1e-6


@pytest.mark.parametrize("mutant", ["loss", "regularizer", "dual above the primal"])
def test_a_wrong_conjugate_is_not_certified(mutant, monkeypatch):
    problem = make()
    solution = solve(problem, DualNewton())
    target, formula = {
        "loss": (Squared, lambda self, u, z: u * u + u * z),
        "regularizer": (PowerNorm, lambda self, s: s**self.r / self.r),
        "dual above the primal": (Squared, lambda self, u, z: u * u / 4 + u * z),
    }[mutant]
    monkeypatch.setattr(target, "conjugate", formula)
    certificate = problem.certify((solution.value.v, solution.value.u), solution.value.c, 1e-6)
    assert not certificate.passed
    assert (certificate.relative_gap < 0) == (mutant != "loss")


@pytest.mark.parametrize("p", EXPONENTS[::2])
@every_loss
def test_zero_threshold(p, loss):
    problem = make(p, loss, (Norm(), Norm()))
    x, y = problem.zero_threshold()
    at = replace(problem, alpha_x=x * (1 + 1e-12), alpha_y=y * (1 + 1e-12))
    solution = solve(at, DualNewton())
    assert not solution.value.v.any()
    assert not solution.value.u.any()
    assert solution.certificate.passed
    assert solution.stats["iterations"] == 0
    for below in (replace(at, alpha_x=0.99 * x), replace(at, alpha_y=0.99 * y)):
        nonzero = solve(below, DualNewton()).check()
        assert nonzero.value.v.any() or nonzero.value.u.any()
        zero = below.objective(np.zeros_like(nonzero.value.v), np.zeros_like(nonzero.value.u))
        assert nonzero.certificate.primal < zero


def test_one_function_can_be_exactly_zero():
    problem = make(3.0, Squared(), (Norm(), Norm()))
    x, y = problem.zero_threshold()
    solution = solve(replace(problem, alpha_x=0.3 * x, alpha_y=1.5 * y), DualNewton()).check()
    assert solution.value.v.any()
    assert not solution.value.u.any()


def test_mixed_regularizers_and_features_that_vanish_on_the_data():
    features = PowerFeatures(Quadratic(1.0), 2, 2)
    spaces = RKBSPair(features, features, features.dim, 1.5)
    X = np.column_stack([np.linspace(-1, 1, 6), np.zeros(6)])  # four features use x_2 or its sign
    problem = SeparableProblem(
        spaces,
        Pairs.grid(X, X),
        np.random.default_rng(3).standard_normal(36),
        0.1,
        0.1,
        Huber(0.3),
        Norm(),
        PowerNorm(4.0),
    )
    solution = solve(problem, DualNewton()).check()
    vanishing = ~problem.phi_x.any(0)
    assert 0 < vanishing.sum() < features.dim
    assert not solution.value.v[vanishing].any()


def test_responses_that_cost_nothing_are_answered_by_zero():
    problem = replace(make(), z=np.zeros(30))
    solution = solve(problem, DualNewton()).check()
    assert not solution.value.v.any()
    assert solution.certificate.primal == 0


@every_p
@every_loss
@pytest.mark.parametrize(
    "regularizer", [PowerNorm(1.5), PowerNorm(3.0), HalfSquare(), Norm()], ids=repr
)
def test_the_smoothed_dual_has_its_derivatives(p, loss, regularizer):
    problem = make(p, loss, (regularizer, regularizer), (1.0, 1.0), keep=12)
    dual = SmoothedDual.of(problem).with_lengths(np.array([0.7, 1.3]))
    rng, theta = np.random.default_rng(4), 0.3
    c = -0.8 * problem.loss.interior(problem.z) + rng.uniform(-0.05, 0.05, 12)
    value, gradient, hessian, columns = dual.jet(c, theta)
    assert value == pytest.approx(dual.value(c, theta), rel=1e-13)  # another order of summation
    for direction in rng.standard_normal((3, 12)):
        up, down = (dual.jet(c + step * direction, theta) for step in (1e-6, -1e-6))
        assert (up[0] - down[0]) / 2e-6 == pytest.approx(gradient @ direction, rel=1e-6, abs=1e-7)
        assert relative((up[1] - down[1]) / 2e-6, hessian.dense @ direction) < 1e-6
    assert np.linalg.eigvalsh(hessian.dense)[0] > 0
    loss_gradient = -problem.loss.barrier(-c, problem.z, theta * dual.mu)[1]
    assert relative(loss_gradient + columns.sum(1), gradient) < 1e-12


@every_p
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e3])
def test_smoothing_leaves_room_in_the_domain_of_a_plain_norm(p, alpha):
    """R*(s/λ) of R(t) = t is finite for s ≤ λ alone; at c = 0 s is the smoothing's own norm."""
    problem = make(p, regularizers=(Norm(), Norm()), alphas=(alpha, alpha), keep=12)
    dual = SmoothedDual.of(problem)
    for penalty, s in zip(dual.penalties, dual.norms(np.zeros(12), 1.0)[:, 0], strict=True):
        assert 0 < s <= alpha * (0.5 + 1e-12)
        plain = penalty.side.sections.smoothing(
            penalty.side.gather(np.abs(problem.loss.gradient(np.zeros(12), problem.z)))
        )
        assert np.max(penalty.epsilon / plain) <= 1 + 1e-12  # never more than without the bound
    assert dual.lengths.min() > 0


@every_p
def test_without_a_scale_the_size_of_c_is_that_of_the_slopes(p):
    problem = make(p, keep=12)
    dual, same, half = (SmoothedDual.of(problem, *scale) for scale in ((), (1.0,), (0.5,)))
    c = np.random.default_rng(0).standard_normal(12)
    assert dual.value(c, 1.0) == same.value(c, 1.0) != half.value(c, 1.0)
    assert dual.mu == problem.loss.value(np.zeros(12), problem.z).mean()


@every_p
def test_the_smoothed_dual_tends_to_the_dual(p):
    problem, rng = make(p, keep=12), np.random.default_rng(4)
    c = rng.standard_normal(12)
    dual = SmoothedDual.of(problem)
    differences = [abs(dual.value(c, theta) + problem.dual_objective(c)) for theta in (1e-1, 1e-9)]
    assert differences[1] < 1e-8 * abs(problem.dual_objective(c))
    assert differences[1] < differences[0]


def test_failure_is_named():
    solution = solve(make(1.25, alphas=(1e-3, 1e-3)), DualNewton(max_iter=2))
    assert not solution.certificate.passed
    assert solution.stats["iterations"] == 2
    with pytest.raises(ConvergenceError, match=r"relative duality gap .* raise the regularization"):
        solution.check()


@pytest.mark.parametrize(
    ("primal", "dual"), [(np.nan, 0.0), (1.0, np.nan), (1.0, -np.inf), (np.inf, 1.0), (1.0, 2.0)]
)
def test_certificate_refuses_what_is_not_a_gap(primal, dual):
    assert not GapCertificate(primal, dual, 1e-3).passed
    assert GapCertificate(1.0, 1.0 - 1e-4, 1e-3).passed


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tol": 0.0}, ValueError, "tol must be positive and finite"),
        ({"tol": "1"}, TypeError, "tol must be a real number"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
    ],
)
def test_bad_solvers_name_the_argument(arguments, error, message):
    with pytest.raises(error, match=message):
        DualNewton(**arguments)


def test_solver_has_a_limit_for_losses_with_kinks():
    X = np.arange(71.0)[:, None] / 71
    spaces = RKBSPair.from_kernel(EDP(), 1, 2)
    problem = SeparableProblem(spaces, Pairs.grid(X, X), np.ones(71 * 71), 1.0, 1.0, Hinge())
    with pytest.raises(ValueError, match=r"at most 5000 pairs .* got 5041"):
        solve(problem, DualNewton())
    assert solve(replace(problem, loss=Logistic()), DualNewton()).certificate.passed
