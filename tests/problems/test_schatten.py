"""The operator problem: against explicit feature maps, written out by hand."""

import mpmath
import numpy as np
import pytest
from helpers import every_two
from problem_helpers import LOSSES, PHI_X, PHI_Y, loss_by_hand
from problem_helpers import schatten_problem as make
from scipy.optimize import minimize

from rkbs import _linalg
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Laplace, Linear
from rkbs.laws import relative
from rkbs.machines import BinaryKernelMachine
from rkbs.problems import OperatorProblem
from rkbs.problems.schatten import SchattenProblem, operator_norm, singular_values
from rkbs.solvers import ADMM, Cholesky, Factorized, SpectralNewton, solve
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten

EXPONENTS = (1, 1.25, 1.5, 2, 3, 4)


def conjugate_by_hand(loss, c, z):
    """Σ ℓ*(−c; z), infinite outside its domain, allowing for 1e-12 of rounding there."""
    if isinstance(loss, Squared):
        return (c * c / 2 - c * z).sum()
    if isinstance(loss, Logistic):
        a = np.clip(c * z, 1e-300, 1 - 1e-16)
        return np.inf if abs(c * z - a).max() > 1e-12 else (a @ np.log(a)) + (1 - a) @ np.log1p(-a)
    if isinstance(loss, Hinge):
        return np.inf if abs(c * z - 0.5).max() > 0.5 + 1e-12 else -(c @ z)
    if isinstance(loss, Huber):
        return np.inf if abs(c).max() > loss.delta + 1e-12 else (c * c / 2 - c * z).sum()
    return np.inf if abs(c).max() > 1 + 1e-12 else (loss.epsilon * abs(c) - c * z).sum()


def gap_by_hand(problem, A, c):
    """The relative duality gap of T = Φ_Xᵀ A Φ_Y and c, in the feature space."""
    p, alpha, pairs = problem.penalty.p, problem.alpha, problem.pairs
    T = PHI_X.T @ A @ PHI_Y
    h = np.array([PHI_X[i] @ T @ PHI_Y[j] for i, j in zip(pairs.i, pairs.j, strict=True)])
    primal = loss_by_hand(problem.loss, h, problem.z)
    primal += alpha * (np.linalg.svd(T)[1] ** p).sum() / p
    G = sum(
        c_n * np.outer(PHI_X[i], PHI_Y[j]) for c_n, i, j in zip(c, pairs.i, pairs.j, strict=True)
    )
    s = np.linalg.svd(G)[1] / alpha
    if p == 1:
        conjugate = 0.0 if s[0] <= 1 + 1e-12 else np.inf
    else:
        q = p / (p - 1)
        conjugate = (s**q).sum() / q
    dual = -conjugate_by_hand(problem.loss, c, problem.z) - alpha * conjugate
    return (primal - dual) / abs(primal)


@pytest.mark.parametrize(("loss", "p", "keep"), every_two(LOSSES, EXPONENTS, [None, 40]), ids=repr)
def test_solutions_are_optimal_in_the_feature_space(loss, p, keep):
    problem = make(loss, Schatten(p), keep)
    tol = 1e-8 if loss.smooth else 1e-6
    other = Factorized() if p == 1 else SpectralNewton()
    solvers = [ADMM(tol=tol)] + [other] * loss.smooth
    objectives = []
    for solver in solvers:
        solution = solve(problem, solver).check()
        M, c, _ = solution.value
        assert abs(gap_by_hand(problem, problem.expansion(M), c)) <= tol * 1.01
        assert np.isfinite(solution.certificate.relative_gap)
        objectives.append(solution.certificate.primal)
    assert max(objectives) - min(objectives) <= 2 * tol * max(objectives)


def test_lbfgs_over_every_entry_of_the_operator_finds_nothing_better():
    problem = make(Logistic(), Schatten(1.5), keep=40)
    pairs, z, alpha = problem.pairs, problem.z, problem.alpha

    def objective(t):
        T = t.reshape(5, 5)
        h = (PHI_X @ T @ PHI_Y.T)[pairs.i, pairs.j]
        U, s, Vt = np.linalg.svd(T)
        pull = PHI_X.T @ pairs.matrix(-z / (1 + np.exp(z * h))) @ PHI_Y
        value = np.log1p(np.exp(-z * h)).sum() + alpha * (s**1.5).sum() / 1.5
        return value, (pull + alpha * (U * np.sqrt(s)) @ Vt).ravel()

    start = np.random.default_rng(0).standard_normal(25)
    found = minimize(objective, start, jac=True, options={"maxiter": 5000, "gtol": 1e-10})
    solution = solve(problem, SpectralNewton())
    assert found.fun == pytest.approx(solution.certificate.primal, rel=1e-10)
    T = PHI_X.T @ problem.expansion(solution.value.M) @ PHI_Y
    assert relative(T, found.x.reshape(5, 5)) < 1e-4


@pytest.mark.parametrize("p", EXPONENTS)
def test_coordinates_are_the_operator(p):
    problem = make(penalty=Schatten(p), keep=40)
    assert problem.factors.products.shape == (4, 4)  # the dependent feature is no direction
    M = np.random.default_rng(3).standard_normal((4, 4))
    A = problem.expansion(M)
    T = PHI_X.T @ A @ PHI_Y
    np.testing.assert_allclose(singular_values(T)[:4], singular_values(M), rtol=1e-10)
    h = (PHI_X @ T @ PHI_Y.T)[problem.pairs.i, problem.pairs.j]
    np.testing.assert_allclose(problem.at_pairs(M), h, rtol=1e-9, atol=1e-12)
    c = np.random.default_rng(4).standard_normal(40)
    assert (problem.pull(c) * M).sum() == pytest.approx(c @ problem.at_pairs(M))
    assert problem.certify(M, c, 1e-8) == problem.certify(M, c, 1e-8)
    assert problem.certify(M, c, 1e-8).primal == problem.objective(M)
    assert problem.certify(M, c, 1e-8).dual == problem.dual_objective(c)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("p", EXPONENTS)
def test_weak_duality(loss, p):
    problem, rng = make(loss, Schatten(p), keep=40), np.random.default_rng(5)
    for _ in range(20):
        M = rng.standard_normal((4, 4)) * 10.0 ** rng.integers(-2, 2)
        bound, c = problem.bound(-loss.gradient(problem.at_pairs(M), problem.z))
        assert np.isfinite(bound)
        assert bound == pytest.approx(problem.dual_objective(c), rel=1e-10, abs=1e-10)
        assert problem.objective(M) >= bound
        assert problem.objective(-M) >= bound


@pytest.mark.parametrize("seed", range(8))
def test_a_dual_point_is_feasible_also_where_the_pull_cancels(seed):
    """C in the span of eigenvectors with eigenvalue 1e-9, but for 1e-6: the norm in 50 digits."""
    rng = np.random.default_rng(seed)
    left, right = np.linalg.qr(rng.standard_normal((2, 4, 4)))[0]
    gram_x, gram_y = ((Q * [1, 0.5, 1e-9, 1e-9]) @ Q.T for Q in (left, right))
    C = left[:, 2:] @ rng.standard_normal((2, 2)) @ right[:, 2:].T
    c = (C + 1e-6 * np.outer(left[:, 0], right[:, 0])).ravel()
    pairs = Pairs.grid(np.zeros((4, 1)), np.zeros((4, 1)))
    problem = SchattenProblem((gram_x + gram_x.T) / 2, (gram_y + gram_y.T) / 2, pairs, c, 0.9e-6)

    def exact(c):
        factors = [problem.factors.left.T, problem.pairs.matrix(c), problem.factors.right]
        with mpmath.workdps(50):
            A, B, D = (mpmath.matrix(factor.tolist()) for factor in factors)
            return mpmath.svd_r(A * B * D, compute_uv=False)[0]

    _, scaled = problem.bound(c)
    assert exact(c) > problem.alpha
    assert (1 - 1e-8) * problem.alpha < exact(scaled) <= problem.alpha


@pytest.mark.parametrize("keep", [None, 40])
def test_p_2_is_the_ridge_problem(keep):
    problem = make(penalty=Schatten(2), keep=keep)
    ridge = OperatorProblem(problem.gram_x, problem.gram_y, problem.pairs, problem.z, problem.alpha)
    M, c, _ = solve(ridge, Cholesky()).value
    assert problem.objective(M) == pytest.approx(ridge.objective(M), rel=1e-12)
    assert problem.dual_objective(c) == pytest.approx(ridge.dual_objective(c), rel=1e-12)
    assert problem.certify(M, c, 1e-12).passed
    A = problem.pairs.matrix(c) / problem.alpha
    assert relative(problem.factors.push(M), ridge.gram_x @ A @ ridge.gram_y) < 1e-12


def test_the_factors_are_shared_along_a_path(monkeypatch):
    problem, calls = make(), []
    decompose = _linalg.Eigen.of.__func__
    monkeypatch.setattr(
        _linalg.Eigen,
        "of",
        classmethod(lambda cls, *args: calls.append(args[1]) or decompose(cls, *args)),
    )
    solutions = list(ADMM().setup(problem).path([2.0, 1.0, 0.5]))
    assert all(solution.certificate.passed for solution in solutions)
    assert problem.with_alpha(0.1).factors is problem.factors
    assert calls == ["gram_x", "gram_y"]
    assert problem.with_alpha(0.1).alpha == 0.1
    assert problem.alpha == 0.2


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_zero_threshold(loss):
    problem = make(loss, keep=40)
    threshold = problem.zero_threshold()
    zero = np.zeros((4, 4))
    above, below = problem.with_alpha(threshold), problem.with_alpha(threshold * 0.99)
    solution = solve(above, ADMM())
    assert not solution.value.M.any()
    assert solution.stats["rank"] == solution.stats["iterations"] == 0
    assert abs(solution.certificate.relative_gap) < 1e-12
    solution = solve(below, ADMM(tol=1e-9)).check()
    assert solution.stats["rank"] >= 1
    assert below.objective(solution.value.M) < below.objective(zero)
    assert make(loss, Schatten(1.5)).zero_threshold() == np.inf


def test_no_signal_has_no_threshold():
    problem = SchattenProblem(np.eye(2), np.eye(2), CORNERS_2, np.zeros(4), 1.0)
    assert problem.zero_threshold() == 0
    solution = solve(problem, ADMM())
    assert solution.certificate.relative_gap == 0
    assert not solution.value.M.any()


CORNERS_2 = Pairs.grid(np.zeros((2, 1)), np.zeros((2, 1)))


@pytest.mark.parametrize("penalty", [Schatten(1), Schatten(1.5), Schatten(3)])
def test_a_kernel_of_zeros_is_solved_by_zero(penalty):
    problem = SchattenProblem(
        np.zeros((2, 2)), np.eye(2), CORNERS_2, np.ones(4), 1.0, penalty=penalty
    )
    solution = solve(problem, ADMM())
    assert solution.certificate.passed
    assert not problem.expansion(solution.value.M).any()
    assert solve(problem, ADMM()).value.M.shape == (0, 2)


def test_scale_of_kernel_and_response_do_not_matter():
    problem = make(keep=40)
    M = solve(problem, ADMM(tol=1e-10)).value.M
    scaled = SchattenProblem(
        1e6 * problem.gram_x, 1e-2 * problem.gram_y, problem.pairs, 1e3 * problem.z, 0.2 * 1e5
    )
    solution = solve(scaled, ADMM(tol=1e-10)).check()
    assert relative(solution.value.M * 1e2, 1e3 * M) < 1e-4


def test_kernels_of_many_points():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((40, 2)), rng.standard_normal((30, 2))
    Z = np.sin(X[:, :1] + Y[:, 0]) + 0.1 * rng.standard_normal((40, 30))
    problem = SchattenProblem(RBF()(X, X), Laplace()(Y, Y), Pairs.grid(X, Y), Z, 1.0)
    problem = problem.with_alpha(0.05 * problem.zero_threshold())
    solution = solve(problem, ADMM()).check()
    assert 1 <= solution.stats["rank"] <= 6
    grid = problem.gram_x @ problem.expansion(solution.value.M) @ problem.gram_y
    np.testing.assert_allclose(grid.ravel(), problem.at_pairs(solution.value.M), atol=1e-6)


@pytest.mark.parametrize("p", EXPONENTS)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_features_of_size_zero_predict_zero(loss, p):
    Y, z = np.random.default_rng(0).standard_normal((4, 2)), np.tile([1.0, -1.0], 6)
    grid = Pairs.grid(np.zeros((3, 2)), Y)
    for pairs in (grid, grid[:9]):
        for constant in (False, True):
            machine = BinaryKernelMachine(
                Linear(), Linear(), loss, Schatten(p), fit_intercept=constant
            )
            h = machine.fit(pairs, z[: len(pairs)]).predict(pairs)
            assert np.ptp(h) == 0
            assert constant or not h.any()
            assert machine.certificate_.passed


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("shape", [(1, 1), (40, 25), (25, 40), (0, 3)])
def test_the_operator_norm_is_the_largest_singular_value(shape, scale):
    """Well within what ``into_domain`` allows for, 1e-14 and 1e-15 for each of them."""
    M = scale * np.random.default_rng(0).standard_normal(shape)
    largest = singular_values(M).max(initial=0.0)
    assert abs(operator_norm(M) - largest) <= 1e-14 * largest
    assert operator_norm(0 * M) == 0.0
