"""ADMM: every loss and penalty, paths, failures; certificates as test_schatten recomputes them."""

import numpy as np
import pytest
from problem_helpers import schatten_problem as make

from rkbs._linalg import svd
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Laplace
from rkbs.laws import relative
from rkbs.problems import OperatorProblem
from rkbs.problems.schatten import SchattenProblem, singular_values
from rkbs.solvers import ADMM, ConvergenceError, Spectral, solve
from rkbs.solvers.operators._splitting import Splitting, _balance, _relative, _stiffness
from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Hinge
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten


def problem_of(n_x=50, n_y=40, fraction=0.05, loss=None, keep=1.0, kernels=None, seed=0):
    """Noisy values of a few products of functions, α a fraction of the zero threshold."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_x, 2)), rng.standard_normal((n_y, 2))
    Z = np.outer(np.sin(X[:, 0]), Y[:, 1]) + np.outer(X[:, 1], np.cos(Y[:, 0]))
    Z += 0.3 * rng.standard_normal(Z.shape)
    loss = loss or Squared()
    Z = np.sign(Z) if loss.labels else Z
    pairs = Pairs.from_mask(X, Y, rng.random(Z.shape) < keep)
    kernel_x, kernel_y = kernels or (RBF(), Laplace())
    problem = SchattenProblem(
        kernel_x(X, X), kernel_y(Y, Y), pairs, pairs.entries(Z), 1.0, loss, Schatten(1)
    )
    return problem.with_alpha(fraction * problem.zero_threshold())


@pytest.mark.parametrize("fraction", [0.2, 0.05, 0.01])
@pytest.mark.parametrize("kernels", [(RBF(), RBF()), (Laplace(), Laplace())], ids=repr)
def test_the_nuclear_norm_on_a_complete_grid_takes_few_iterations(kernels, fraction):
    solution = solve(problem_of(fraction=fraction, kernels=kernels), ADMM()).check()
    assert solution.stats["iterations"] <= 300
    assert solution.stats["rank"] == np.sum(singular_values(solution.value.M) > 1e-8)
    assert 1 <= solution.stats["rank"] < 30


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("loss", [Squared(), Huber(0.3), Hinge(), EpsilonInsensitive()], ids=repr)
def test_every_loss_reaches_1e_6(loss, keep):
    if isinstance(loss, Squared) and keep == 1:
        keep = 0.99
    solution = solve(problem_of(30, 25, loss=loss, keep=keep), ADMM(tol=1e-6)).check()
    assert solution.certificate.relative_gap > -1e-12
    assert solution.stats["iterations"] < 3000


@pytest.mark.parametrize("keep", [1.0, 0.999])
def test_with_and_without_the_splitting_of_the_loss(keep):
    """A complete grid, and the same with a handful of pairs missing: nearly the same operator."""
    whole = solve(problem_of(), ADMM()).value.M
    most = problem_of(keep=keep)
    assert relative(solve(most, ADMM()).value.M, whole) < (0.1 if keep < 1 else 1e-15)


def test_p_2_is_ridge_regression():
    problem = problem_of()
    problem = SchattenProblem(
        problem.gram_x, problem.gram_y, problem.pairs, problem.z, 0.5, penalty=Schatten(2)
    )
    ridge = OperatorProblem(problem.gram_x, problem.gram_y, problem.pairs, problem.z, 0.5)
    M = solve(ridge, Spectral()).value.M
    solution = solve(problem, ADMM(tol=1e-14)).check()
    assert relative(solution.value.M, M) < 1e-6
    assert solution.certificate.primal == pytest.approx(ridge.objective(M), rel=1e-13)


def test_a_path_agrees_with_single_solves_and_is_faster():
    problem = problem_of(keep=0.7)
    threshold = problem.zero_threshold()
    alphas = threshold * np.array([2.0, 1.0, 0.3, 0.2, 0.15, 0.1])
    path = list(ADMM().setup(problem).path(alphas))
    alone = [solve(problem.with_alpha(alpha), ADMM()) for alpha in alphas]
    assert all(solution.certificate.passed for solution in path)
    for one, other in zip(path, alone, strict=True):
        assert one.certificate.primal == pytest.approx(other.certificate.primal, rel=2e-8)
    for solution in path[:2]:
        assert not solution.value.M.any()
        assert solution.stats["iterations"] == 0  # known without any
    ranks = [solution.stats["rank"] for solution in path]
    assert ranks == sorted(ranks)
    work = [sum(s.stats["iterations"] for s in solutions) for solutions in (path, alone)]
    assert work[0] < work[1]


def test_a_failed_certificate_is_returned():
    problem = problem_of()
    solution = solve(problem, ADMM(max_iter=3))
    assert not solution.certificate.passed
    assert solution.certificate.relative_gap > 1e-8
    assert np.isfinite(solution.certificate.relative_gap)
    assert solution.stats["iterations"] == 3
    with pytest.raises(ConvergenceError, match="ADMM stopped at a relative duality gap"):
        solution.check()


@pytest.mark.parametrize("max_iter", [50, 60, 120])
def test_the_best_point_is_returned_not_the_last(max_iter, monkeypatch):
    """With the hinge loss objectives rise again between certificates."""
    values, objective = [], Splitting.objective

    def recorded(self, problem):
        values.append(objective(self, problem))
        return values[-1]

    monkeypatch.setattr(Splitting, "objective", recorded)
    problem = make(Hinge(), keep=40, alpha=0.05)
    solution = solve(problem, ADMM(tol=1e-12, max_iter=max_iter))
    assert values[-1] > min(values) * (1 + 1e-4)
    assert solution.certificate.primal == pytest.approx(min(values), rel=1e-13)
    assert problem.objective(solution.value.M) == pytest.approx(min(values), rel=1e-13)


@pytest.mark.parametrize("loss", [Hinge(), EpsilonInsensitive(0.2)], ids=repr)
def test_every_dual_point_is_in_the_domain_of_the_conjugate(loss):
    """Multipliers on its edge are rounded to both sides of it."""
    problem = make(loss, keep=40, alpha=0.05)
    splitting = Splitting.of(problem)
    for iteration in range(300):
        splitting.step(problem)
        for c in splitting.data.duals(splitting.M, splitting.N):
            assert np.isfinite(loss.conjugate(-c, problem.z)).all()
        if iteration % 10 == 9:
            splitting.balance()


def test_a_loss_without_a_known_interior_is_solved_too():
    class Absolute(Loss):
        """|h − z|, which is EpsilonInsensitive(0), with an open end: no ``interior``."""

        smooth = False
        like = EpsilonInsensitive(0.0)
        value, gradient, prox = like.value, like.gradient, like.prox
        conjugate, curvature = like.conjugate, like.curvature

    problem = make(Absolute(), keep=40)
    known = solve(make(EpsilonInsensitive(0.0), keep=40), ADMM(tol=1e-6)).check()
    assert solve(problem, ADMM(tol=1e-6)).check().certificate.primal == pytest.approx(
        known.certificate.primal, rel=2e-6
    )


def test_a_matrix_on_which_lapack_gives_up(monkeypatch):
    """gesdd fails on rare finite matrices; gesvd takes its place."""
    right, calls = np.linalg.svd, []

    def fragile(matrix, **how):
        if how.get("full_matrices") is False and len(calls) < 3:
            calls.append(1)
            raise np.linalg.LinAlgError("SVD did not converge")
        return right(matrix, **how)

    matrix = np.random.default_rng(0).standard_normal((5, 4))
    monkeypatch.setattr(np.linalg, "svd", fragile)
    U, sigma, Vt = svd(matrix)
    assert calls
    np.testing.assert_allclose((U * sigma) @ Vt, matrix, atol=1e-14)


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-9])
def test_it_stops_at_the_first_certificate_within_the_tolerance(tol):
    """Certificates are made every 10 iterations, and after the last."""
    problem = problem_of(20, 15, fraction=0.01)
    solution = solve(problem, ADMM(tol=tol)).check()
    n = solution.stats["iterations"]
    assert n % 10 == 0
    assert solution.certificate.tolerance == tol
    assert solution.certificate.relative_gap <= tol
    before = solve(problem, ADMM(tol=tol, max_iter=n - 10))
    assert before.certificate.relative_gap > tol
    assert before.stats["iterations"] == n - 10


def test_weights_are_balanced_ever_more_rarely(monkeypatch):
    steps, balanced = [], []
    step = Splitting.step
    monkeypatch.setattr(Splitting, "step", lambda self, p: (steps.append(1), step(self, p))[1])
    monkeypatch.setattr(Splitting, "balance", lambda self: balanced.append(len(steps)))
    solve(problem_of(6, 5), ADMM(tol=1e-300, max_iter=2500))
    assert balanced == [*range(10, 401, 10), 600, 900, 1350, 2030]


@pytest.mark.parametrize(
    ("primal", "dual", "factor"),
    [
        (4.0, 1.0, 2.0), (1.0, 4.0, 0.5), (1.2, 1.0, 1.0), (1.0, 1.2, 1.0), (1.22, 1.0, 1.22**0.5),
        (1.0, 1.22, 1.22**-0.5), (100.0, 1.0, 5.0), (1.0, 100.0, 0.2), (0.0, 1.0, 1.0),
        (1.0, 0.0, 1.0),
    ],
)  # fmt: skip
def test_a_weight_follows_its_residuals_within_bounds(primal, dual, factor):
    assert _balance(primal, dual) == pytest.approx(factor)


def test_residuals_are_relative_whatever_their_size():
    for scale in (1e-100, 1e-3, 1.0, 1e100):
        found = _relative(scale * np.array([3.0, 4.0]), scale * np.array([0.0, 10.0]))
        assert found == pytest.approx(0.5)
    assert _relative(np.ones(2), np.zeros(2)) == 0


def test_the_stiffness_is_the_second_derivative_of_the_loss():
    """Of the squared loss 1, whatever the responses and their signs; times 7 for 7 times it."""
    problem = problem_of(6, 5)
    assert problem.z.min() < 0 < problem.z.max()
    assert _stiffness(problem) == pytest.approx(1)
    steep = problem_of(6, 5, loss=EpsilonInsensitive(0.0))
    assert _stiffness(steep) == pytest.approx(len(steep.z) / np.abs(steep.z).sum())
    silent = SchattenProblem(problem.gram_x, problem.gram_y, problem.pairs, 0 * problem.z, 1.0)
    assert _stiffness(silent) == 1


@pytest.mark.parametrize("p", [1, 1.3, 2, 4])
def test_a_start_halves_the_largest_singular_value_of_the_least_squares_fit(p):
    """With all λ_i μ_j and the stiffness one, the fit is the responses in the eigenbases."""
    eye, Z = np.eye(5), np.random.default_rng(0).normal(size=(5, 4))
    problem = SchattenProblem(
        eye, eye[:4, :4], Pairs.grid(eye, eye[:4]), Z, 0.3, Squared(), Schatten(p)
    )
    sigma = np.linalg.norm(Z, 2)
    rho = Splitting.of(problem).rho
    assert Schatten(p).prox(np.array([sigma]), 0.3 / rho).item() == pytest.approx(sigma / 2)


def test_sigma_are_the_singular_values_of_n_from_the_start_on():
    problem = problem_of(8, 5)
    splitting = Splitting.of(problem)
    for _ in range(4):
        sigma = singular_values(splitting.N)
        np.testing.assert_allclose(splitting.sigma, sigma, rtol=1e-12, atol=1e-14, strict=True)
        splitting.step(problem)
    assert splitting.sigma.any()


def test_balancing_moves_no_multiplier():
    """ρW and ρ_H U are what the weights' change must leave alone."""
    splitting = Splitting.of(problem_of(8, 7, keep=0.7))
    for _ in range(3):
        splitting.step(problem_of(8, 7, keep=0.7))
    before = splitting.rho * splitting.W, splitting.data.rho * splitting.data.U
    rho = splitting.rho, splitting.data.rho
    splitting.balance()
    assert splitting.rho != rho[0]
    assert splitting.data.rho != rho[1]
    after = splitting.rho * splitting.W, splitting.data.rho * splitting.data.U
    for one, other in zip(before, after, strict=True):
        assert relative(other, one) < 1e-14
