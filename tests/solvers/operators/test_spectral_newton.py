"""SpectralNewton: derivatives of matrix functions, agreement with other solvers, few steps."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from problem_helpers import as_labels
from problem_helpers import schatten_problem as make

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.laws import relative
from rkbs.problems import OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, Cholesky, ConvergenceError, Spectral, SpectralNewton, solve
from rkbs.solvers.operators import spectral_newton
from rkbs.solvers.operators._spectral_calculus import SpectralDerivative
from rkbs.solvers.operators._spectral_charts import DualChart, PrimalChart, _solve
from rkbs.solvers.operators.spectral_newton import _step
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten

EXPONENTS = (1.25, 1.5, 2, 3, 4)
SHAPES = ((5, 5), (7, 4), (3, 6))


def apply(function, M):
    P, sigma, Qt = np.linalg.svd(M, full_matrices=False)
    return (P * function(sigma)) @ Qt


def derivative(M, power):
    return SpectralDerivative.of(
        np.linalg.svd(M), lambda s: s**power, lambda s: power * s ** (power - 1)
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("power", [1.0, 1.5, 2.0, 3.0])
def test_the_derivative_by_finite_differences(shape, power):
    rng = np.random.default_rng(0)
    M, E = rng.standard_normal((2, *shape))
    step = 1e-6
    wanted = apply(lambda s: s**power, M + step * E) - apply(lambda s: s**power, M - step * E)
    assert relative(derivative(M, power)(E), wanted / (2 * step)) < 1e-8


@pytest.mark.parametrize("shape", SHAPES)
def test_the_derivative_where_singular_values_meet_or_vanish(shape):
    rng = np.random.default_rng(1)
    P, Q = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in shape)
    sigma = np.array([2.0, 2.0, 1e-9, 0.0, 0.0])[: min(shape)]
    M = (P[:, : len(sigma)] * sigma) @ Q[:, : len(sigma)].T
    E, step = rng.standard_normal(shape), 1e-5
    cube = [apply(lambda s: s**3, M + t * E) for t in (step, -step)]
    assert relative(derivative(M, 3.0)(E), (cube[0] - cube[1]) / (2 * step)) < 1e-8
    assert relative(derivative(M, 1.0)(E), E) < 1e-13


@pytest.mark.parametrize("shape", SHAPES)
def test_the_derivative_is_positive_self_adjoint_and_has_its_root(shape):
    rng = np.random.default_rng(2)
    M, E, F = rng.standard_normal((3, *shape))
    D = derivative(M, 2.0)
    assert (D(E) * F).sum() == pytest.approx((E * D(F)).sum())
    assert (D(E) * E).sum() > 0
    assert relative(D.sqrt()(D.sqrt()(E)), D(E)) < 1e-13
    assert D.diagonal().shape == shape
    assert D.diagonal().min() > 0
    # Its sum misses the trace by the coupling of W_kk with itself alone.
    units = np.eye(E.size).reshape(-1, *shape)
    trace = sum((D(unit) * unit).sum() for unit in units)
    m = min(shape)
    coupling = (D.symmetric - D.antisymmetric)[np.arange(m), np.arange(m)].sum() / 2
    assert D.diagonal().sum() + coupling == pytest.approx(trace)


def left_of(chart):
    """What Newton's method makes 0: the gradient in M, or R_X M R_Yᵀ − h."""
    if isinstance(chart, DualChart):
        return chart.problem.at_pairs(chart.M) - chart.unknown
    gradient = apply(chart.problem.penalty.gradient, chart.M)
    return chart.problem.alpha * gradient - chart.problem.pull(chart.c)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("keep", [None, 40])
@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.5)], ids=repr)
def test_newtons_direction_takes_away_what_is_left_to_first_order(loss, p, keep, constant):
    """By central differences: along it the derivative of what is left is minus what is left."""
    problem = replace(make(loss, Schatten(p), keep), offsets=Offsets(constant))
    products = problem.factors.products
    M = np.random.default_rng(1).standard_normal(products.shape) / np.sqrt(products)
    chart = (PrimalChart if p >= 2 else DualChart).of(problem, M)
    direction, slope, _ = chart.direction(1e-13)
    step = 1e-5
    ahead, behind = (chart.moved(length * direction) for length in (step, -step))
    change = (left_of(ahead) - left_of(behind)) / (2 * step)
    assert relative(change, -left_of(chart)) < 1e-8
    assert slope < 0
    assert (ahead.merit - behind.merit) / (2 * step) == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize("overflows", ["direction", "moved", ""])
def test_a_step_that_fails_tells_its_cost(overflows):
    """Where its trials overflow, or none of them is better; a direction that does has none."""

    class Uphill:
        merit = 1.0

        def direction(self, forcing):
            if overflows == "direction":
                raise np.linalg.LinAlgError
            return np.zeros(1), -1.0, 7

        def moved(self, step):
            if overflows == "moved":
                raise np.linalg.LinAlgError
            worse = Uphill()
            worse.merit = 2.0
            return worse

    assert _step(Uphill(), 0.1) == (None, 0 if overflows == "direction" else 7)


def test_conjugate_gradients_tell_their_iterations():
    """As many as the matrix has different eigenvalues."""
    eigenvalues = np.array([[1.0, 2.0, 4.0], [2.0, 4.0, 1.0]])
    right = np.random.default_rng(0).standard_normal((2, 3))
    solution, used = _solve(lambda E: eigenvalues * E, right, 1e-10)
    assert relative(solution, right / eigenvalues) < 1e-10  # the residual asked for
    assert used == 3


@pytest.mark.parametrize("p", [1.25, 1.5])
@pytest.mark.parametrize("keep", [None, 40])
def test_a_settled_chart_means_the_same_with_h_at_the_values_or_on_the_kink(keep, p):
    """A third of h is on the curved part of ℓ' and stays; the rest meets its value or a kink."""
    delta = 0.5
    problem = make(Huber(delta), Schatten(p), keep, alpha=3.0)
    sides = np.resize([-3.0, 0.2, 3.0], len(problem.z)) * delta
    chart = DualChart(problem, problem.z + sides)
    settled = chart.settled()
    # Bisected to 2^−52 of ways that are 4 long; M is a power of what c pulls, the 4th at most.
    assert abs(chart.at_pairs - chart.unknown).max() < 4
    assert abs(settled.c - chart.c).max() < 1e-14
    assert relative(settled.M, chart.M) < 1e-12
    h, z, flat = chart.unknown, problem.z, abs(sides) > delta
    assert (settled.unknown[~flat] == h[~flat]).all()
    low = np.where(sides > 0, z + delta, -np.inf)
    high = np.where(sides > 0, np.inf, z - delta)
    wanted = np.clip(chart.at_pairs, low, high)
    crosses = flat & (wanted != chart.at_pairs)
    assert crosses.any()
    assert (flat & ~crosses).any()
    assert abs(settled.unknown - wanted)[flat].max() < 1e-14
    assert (problem.loss.curvature(settled.unknown, z)[crosses] == 1).all()


@pytest.mark.parametrize(("p", "alpha"), [(1.1, 1e-3), (1.5, 1e-3)])
def test_a_chart_is_settled_where_its_step_fails_and_nowhere_else(p, alpha, monkeypatch):
    """Huber's kinks stop Newton's method here, and its iterations count the failed steps' too."""
    problem, settle = make(Huber(0.5), Schatten(p), alpha=alpha), DualChart.settled
    events, inner = [], []

    def step(chart, forcing):
        moved, used = _step(chart, forcing)
        if isinstance(chart, DualChart):  # not a start's
            events.append("fails" if moved is None else "moves")
            inner.append(used)
        return moved, used

    def settled(self):
        events.append("settles")
        return settle(self)

    monkeypatch.setattr(spectral_newton, "_step", step)
    monkeypatch.setattr(DualChart, "settled", settled)
    solution = solve(problem, SpectralNewton()).check()
    before = [events[k - 1] for k, event in enumerate(events) if event == "settles"]
    assert before
    assert set(before) == {"fails"}
    # Each but one that fails when settled, with which it ends.
    assert all(
        event != "fails" or events[k + 1] == "settles" for k, event in enumerate(events[:-1])
    )
    assert sum(inner) == solution.stats["inner"]

    monkeypatch.setattr(DualChart, "settled", lambda self: self)
    assert not solve(problem, SpectralNewton()).certificate.passed


@pytest.mark.parametrize("alpha", [1e-2, 0.2, 50.0])
@pytest.mark.parametrize("keep", [None, 40])
@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.5)], ids=repr)
def test_few_steps_from_any_side(loss, p, keep, alpha):
    problem = make(loss, Schatten(p), keep, alpha)
    solution = solve(problem, SpectralNewton()).check()
    assert solution.stats["iterations"] <= 60
    gradient = -problem.pull(problem.loss.gradient(problem.at_pairs(solution.value.M), problem.z))
    sigma = np.linalg.svd(solution.value.M)[1]
    ours = alpha * apply(lambda s: s ** (p - 1), solution.value.M)
    # Where p < 2, rounding of tiny singular values shows in their powers.
    assert np.linalg.norm(ours - gradient) <= 1e-4 * np.linalg.norm(gradient)
    assert sigma[0] > 0


@pytest.mark.parametrize("keep", [None, 40])
def test_p_2_is_ridge_regression_to_1e_10(keep):
    problem = make(penalty=Schatten(2), keep=keep)
    ridge = OperatorProblem(problem.gram_x, problem.gram_y, problem.pairs, problem.z, problem.alpha)
    M, c, _ = solve(ridge, Spectral() if keep is None else Cholesky()).value
    solution = solve(problem, SpectralNewton()).check()
    assert relative(solution.value.M, M) < 1e-10
    assert relative(solution.value.c, c) < 1e-10


@pytest.mark.parametrize("p", [1.5, 3])
def test_a_path_is_cheaper_than_its_points(p):
    problem = make(Logistic(), Schatten(p), keep=40)
    alphas = (2.0, 1.5, 1.0, 0.7)
    path = list(SpectralNewton().setup(problem).path(alphas))
    alone = [solve(problem.with_alpha(alpha), SpectralNewton()) for alpha in alphas]
    for one, other in zip(path, alone, strict=True):
        assert one.certificate.passed
        assert one.certificate.primal == pytest.approx(other.certificate.primal, rel=1e-12)
        assert relative(one.value.M, other.value.M) < 1e-4
    assert sum(s.stats["iterations"] for s in path) <= sum(s.stats["iterations"] for s in alone)


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.5)], ids=repr)
@pytest.mark.parametrize("p", [3, 4])
def test_warm_starts_take_half_of_the_steps_of_cold_ones(p, loss):
    problem, alphas = make(loss, Schatten(p), keep=40), (2.0, 1.9, 1.8, 1.7, 1.6)
    warm = list(SpectralNewton().setup(problem).path(alphas))[1:]
    cold = [solve(problem.with_alpha(alpha), SpectralNewton()) for alpha in alphas[1:]]
    for one, other in zip(warm, cold, strict=True):
        assert one.certificate.passed
        assert 2 * one.stats["iterations"] <= other.stats["iterations"]


@pytest.mark.parametrize("p", [1.25, 1.5])
@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.5)], ids=repr)
def test_a_start_ends_with_the_first_weight_that_hardly_changes(loss, p, monkeypatch):
    """Ridge problems are its rounds: each but the first has a weight 10% from the one before."""
    weights, iterate = [], SpectralNewton._iterate

    def recorded(self, problem, chart):
        weights.extend([problem.alpha] * isinstance(chart, PrimalChart))
        return iterate(self, problem, chart)

    monkeypatch.setattr(SpectralNewton, "_iterate", recorded)
    solve(make(loss, Schatten(p), keep=40), SpectralNewton()).check()
    assert 1 <= len(weights) < 8  # it did not end at the most rounds
    assert (np.abs(np.divide(weights[1:], weights[:-1]) - 1) >= 0.1).all()


def test_no_signal():
    problem = make(penalty=Schatten(1.5))
    flat = SchattenProblem(
        problem.gram_x, problem.gram_y, problem.pairs, 0 * problem.z, 1.0, penalty=Schatten(1.5)
    )
    for penalty in (Schatten(1.5), Schatten(3)):
        still = SchattenProblem(flat.gram_x, flat.gram_y, flat.pairs, flat.z, 1.0, penalty=penalty)
        solution = solve(still, SpectralNewton()).check()
        assert not solution.value.M.any()
        assert solution.stats["iterations"] == 0


def test_a_failed_certificate_is_returned():
    problem = make(Logistic(), Schatten(3), keep=40, alpha=1e-3)
    solution = solve(problem, SpectralNewton(max_iter=1))
    assert not solution.certificate.passed
    assert solution.stats["iterations"] == 1
    with pytest.raises(ConvergenceError, match="SpectralNewton stopped at a relative duality gap"):
        solution.check()


@pytest.mark.parametrize(
    ("loss", "p", "says"), [(Hinge(), 2, "needs a smooth loss"), (Squared(), 1, "needs a penalty")]
)
def test_what_it_cannot_solve_is_sent_to_admm(loss, p, says):
    problem = make(loss, Schatten(p))
    with pytest.raises(ValueError, match=rf"{says}.*use ADMM\(\)"):
        solve(problem, SpectralNewton())
    assert solve(problem, ADMM(tol=1e-6)).certificate.passed


@pytest.mark.parametrize(
    ("tau", "p", "alpha", "size"),
    [
        (1 / 1800, 20.0, 1e3, 1.0),
        (1.0, 20.0, 1e3, 1.0),
        (1.0, 1.05, 1.0, 1e100),
        (1.0, 1.5, 1.0, 1e100),
    ],
)
def test_what_overflows_is_solved_or_ends_in_a_failed_certificate(tau, p, alpha, size):
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (25, 1)), rng.uniform(-1, 1, (20, 1))
    z = size * rng.standard_normal(500)
    problem = SchattenProblem(
        RBF(tau)(X, X), RBF(tau)(Y, Y), Pairs.grid(X, Y), z, alpha, Squared(), Schatten(p)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solution = solve(problem, SpectralNewton())
    assert solution.certificate.passed == (size == 1)


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Huber(0.5)], ids=repr)
@pytest.mark.parametrize("p", [8.0, 12.0, 20.0])
def test_large_exponents_are_solved_where_alpha_is_not_weak(loss, p):
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-1, 1, (8, 2)), rng.uniform(-1, 1, (7, 2))
    z = as_labels(loss, rng.standard_normal(56))
    for alpha in (1.0, 10.0, 100.0):
        problem = SchattenProblem(
            RBF(1.0)(X, X), RBF(1.0)(Y, Y), Pairs.grid(X, Y), z, alpha, loss, Schatten(p)
        )
        solve(problem, SpectralNewton()).check()
