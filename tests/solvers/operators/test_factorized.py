"""Factorized: closed forms, brute force in feature space, growth of the rank, hand-over to ADMM."""

from dataclasses import replace

import numpy as np
import pytest
from problem_helpers import PHI_X, PHI_Y, SMOOTH, loss_by_hand
from problem_helpers import schatten_problem as make

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Laplace
from rkbs.laws import relative
from rkbs.problems import SchattenProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import ADMM, Factorized, solve
from rkbs.solvers.operators import _truncated_svd
from rkbs.solvers.operators._factor_descent import Descent
from rkbs.solvers.operators._factor_points import FactorTerm
from rkbs.solvers.operators._thin_products import ThinProducts
from rkbs.solvers.operators._truncated_svd import Deflated, leading
from rkbs.terms.margin_losses import Logistic
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten


def problem_of(n_x=60, n_y=50, fraction=0.02, loss=None, keep=1.0, constant=False, seed=0):
    """Noisy values of a few products of functions, α a fraction of the zero threshold."""
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_x, 2)), rng.standard_normal((n_y, 2))
    Z = np.outer(np.sin(X[:, 0]), Y[:, 1]) + np.outer(X[:, 1], np.cos(Y[:, 0])) + 2
    Z += 0.3 * rng.standard_normal(Z.shape)
    loss = loss or Squared()
    Z = np.sign(Z - 2) if loss.labels else Z
    pairs = Pairs.from_mask(X, Y, rng.random(Z.shape) < keep)
    problem = SchattenProblem(
        RBF()(X, X), Laplace()(Y, Y), pairs, pairs.entries(Z), 1.0, loss, offsets=Offsets(constant)
    )
    return problem.with_alpha(fraction * problem.zero_threshold())


@pytest.mark.parametrize("fraction", [0.999, 0.5, 0.05])
def test_with_identity_kernels_a_grid_has_its_singular_values_cut(fraction):
    """The closed form: Z = P diag(σ) Qᵀ becomes P diag(max(σ − α, 0)) Qᵀ."""
    Z = np.random.default_rng(0).standard_normal((30, 45))
    P, sigma, Qt = np.linalg.svd(Z, full_matrices=False)
    alpha = fraction * sigma[0]
    grid = Pairs.grid(np.zeros((30, 1)), np.zeros((45, 1)))
    problem = SchattenProblem(np.eye(30), np.eye(45), grid, Z, alpha)
    solution = solve(problem, Factorized(1e-12)).check()
    kept = np.maximum(sigma - alpha, 0)
    fitted = grid.matrix(problem.at_pairs(solution.value.M))
    np.testing.assert_allclose(fitted, (P * kept) @ Qt, atol=1e-6)
    assert solution.stats["rank"] == np.count_nonzero(kept)
    lost = np.minimum(sigma, alpha)
    value = (lost**2).sum() / 2 + alpha * kept.sum()
    assert solution.certificate.primal == pytest.approx(value, rel=1e-12)


def proximal_gradients(problem, steps=40_000):
    """FISTA on the operator between the features themselves, and its objective by hand."""
    pairs, z, alpha = problem.pairs, problem.z, problem.alpha
    length = np.linalg.norm(PHI_X, 2) ** 2 * np.linalg.norm(PHI_Y, 2) ** 2
    T = point = np.zeros((5, 5))
    momentum = 1.0
    for _ in range(steps):
        h = (PHI_X @ point @ PHI_Y.T)[pairs.i, pairs.j]
        r = h - z
        if isinstance(problem.loss, Logistic):
            slopes = -z / (1 + np.exp(z * h))
        else:
            slopes = r if isinstance(problem.loss, Squared) else np.clip(r, -0.5, 0.5)
        C = np.zeros((9, 8))
        C[pairs.i, pairs.j] = slopes
        U, s, Vt = np.linalg.svd(point - PHI_X.T @ C @ PHI_Y / length)
        new = (U * np.maximum(s - alpha / length, 0)) @ Vt
        restart = ((point - new) * (new - T)).sum() > 0
        following = 1.0 if restart else (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        point = new + (0.0 if restart else (momentum - 1) / following) * (new - T)
        done = np.abs(new - T).max() < 1e-13
        T, momentum = new, following
        if done:
            break
    h = (PHI_X @ T @ PHI_Y.T)[pairs.i, pairs.j]
    return T, loss_by_hand(problem.loss, h, z) + alpha * np.linalg.svd(T)[1].sum()


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
@pytest.mark.parametrize("keep", [None, 40])
@pytest.mark.parametrize("alpha", [1.0, 0.1])
def test_proximal_gradients_in_the_feature_space_find_the_same(loss, keep, alpha):
    problem = make(loss, Schatten(1), keep, alpha)
    T, value = proximal_gradients(problem)
    solution = solve(problem, Factorized(1e-11)).check()
    assert solution.certificate.primal == pytest.approx(value, rel=1e-9)
    assert relative(PHI_X.T @ problem.expansion(solution.value.M) @ PHI_Y, T) < 1e-4
    assert solution.stats["rank"] == np.sum(np.linalg.svd(T)[1] > 1e-7)


CASES = [(loss, keep, constant) for loss in SMOOTH for keep in (1.0, 0.4) for constant in (0, 1)]


@pytest.mark.parametrize(("loss", "keep", "constant"), CASES)
def test_it_is_certified_and_agrees_with_admm(loss, keep, constant):
    problem = problem_of(30, 25, loss=loss, keep=keep, constant=bool(constant))
    solution = solve(problem, Factorized(1e-9)).check()
    M, c, theta = solution.value
    assert "handed_over" not in solution.stats
    assert solution.certificate == problem.certify(M, c, 1e-9, theta)
    assert np.linalg.norm(problem.pull(c), 2) <= problem.alpha
    assert solution.stats["rank"] == np.linalg.matrix_rank(M)
    other = solve(problem, ADMM(1e-7)).check().certificate
    assert other.dual <= solution.certificate.primal <= other.primal * (1 + 1e-9)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_derivatives_are_those_of_finite_differences(loss, constant):
    """On a grid, by both terms of the squared loss, and on some of the pairs."""
    for keep in (1.0, 0.4):
        problem = problem_of(9, 7, loss=loss, keep=keep, constant=constant)
        term, rng = FactorTerm.of(problem), np.random.default_rng(1)
        rows = problem.factors.left.shape[1]
        X, D = rng.standard_normal((2, sum(problem.factors.products.shape), 2)) / 3
        step = 1e-5
        before, after = term.at(X - step * D), term.at(X + step * D)
        point = term.at(X)
        slope = -(after.value - before.value) / (2 * step)
        assert np.vdot(point.slope, D) == pytest.approx(slope, rel=1e-6)
        bend = -(after.slope - before.slope) / (2 * step)
        smooth = not isinstance(loss, Huber)  # whose second derivative jumps
        assert relative(point.bend(D), bend) < (1e-7 if smooth else 0.2)
        h = problem.with_best_offsets(X[:rows] @ X[rows:].T)
        G = problem.pull(-loss.gradient(h, problem.z))
        np.testing.assert_allclose(point.times(D[rows:]), G @ D[rows:], atol=1e-10)
        np.testing.assert_allclose(point.transposed_times(D[:rows]), G.T @ D[:rows], atol=1e-10)
        curved = loss.curvature(h, problem.z)
        for k, found in enumerate(point.curvatures(D[:rows], D[rows:])):
            e = problem.at_pairs(np.outer(D[:rows, k], D[rows:, k]))
            expected = curved @ e**2 - constant * (curved @ e) ** 2 / curved.sum()
            assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("keep", [1.0, 0.4])
def test_a_rank_that_does_not_grow_is_not_certified(keep, monkeypatch):
    """A mutant: without growth the factors are stationary, and the certificate tells."""
    problem, grown = problem_of(fraction=0.02, keep=keep), Descent.grown
    found = solve(problem, Factorized(1e-8)).check()
    assert found.stats["rank"] > 1

    def once(self, start, beyond):
        if len(start.parts.sigma):
            return None
        return grown(self, start, beyond.chosen(np.arange(len(beyond.sigma)) < 1))

    monkeypatch.setattr(Descent, "grown", once)
    monkeypatch.setattr(ADMM, "_iterate", lambda self, problem, start: found)
    stuck = Factorized._handed_over
    seen = []

    def watched(self, problem, at, steps):
        seen.append((at, self._solution(problem, at, steps)))
        return stuck(self, problem, at, steps)

    monkeypatch.setattr(Factorized, "_handed_over", watched)
    solve(problem, Factorized(1e-8))
    ((at, alone),) = seen
    assert len(at.parts.sigma) == 1
    assert at.gap() < 1e-8  # as good as its rank can be
    assert not alone.certificate.passed
    assert alone.certificate.primal > found.certificate.primal * (1 + 1e-4)


@pytest.mark.parametrize(("loss", "keep"), [(Squared(), 1.0), (Logistic(), 0.5)])
def test_what_it_does_not_reach_is_handed_over_to_admm(loss, keep):
    problem = problem_of(30, 25, loss=loss, keep=keep, constant=True)
    for max_iter in (1, 4):
        solution = solve(problem, Factorized(1e-7, max_iter)).check()
        assert solution.stats["solver"] == "Factorized"
        assert solution.stats["iterations"] == max_iter
        assert solution.stats["handed_over"] > 0
        assert solution.certificate.tolerance == 1e-7
    near = solve(problem, Factorized(1e-7, 12))
    assert near.stats.get("handed_over", 0) < solve(problem, ADMM(1e-7)).stats["iterations"]


@pytest.mark.parametrize("keep", [1.0, 0.5])
def test_a_path_agrees_with_single_solves_and_is_faster(keep):
    problem = problem_of(keep=keep, constant=True)
    threshold = problem.zero_threshold()
    alphas = threshold * np.array([2.0, 1.0, 0.3, 0.2, 0.15, 0.1, 0.3])
    path = list(Factorized().setup(problem).path(alphas))
    alone = [solve(problem.with_alpha(alpha), Factorized()) for alpha in alphas]
    for one, other in zip(path, alone, strict=True):
        assert one.check().certificate.primal == pytest.approx(other.certificate.primal, rel=2e-8)
        assert one.stats["rank"] == other.stats["rank"]
    for solution in path[:2]:
        assert not solution.value.M.any()
        assert solution.stats["iterations"] == solution.stats["rank"] == 0
    work = [sum(s.stats["iterations"] for s in solutions) for solutions in (path, alone)]
    assert work[0] < work[1]


def test_more_pairs_than_lie_in_a_row_and_factors_with_zeros_are_the_same(monkeypatch):
    """Scalar products column by column, row by row, and of the whole grid; sparse and dense."""
    rng = np.random.default_rng(0)
    A, B, c = rng.standard_normal((20, 3)), rng.standard_normal((15, 3)), rng.standard_normal(300)
    grid = Pairs.grid(np.zeros((20, 1)), np.zeros((15, 1)))
    mixed = grid[rng.permutation(300)]
    for pairs, most in ((grid, 1300), (mixed, 1300), (mixed, 1)):
        monkeypatch.setattr("rkbs.solvers.operators._thin_products._IN_A_ROW", most)
        cells = ThinProducts(pairs)
        np.testing.assert_allclose(cells.dots(A, B), (A @ B.T)[pairs.i, pairs.j], atol=1e-14)
        np.testing.assert_allclose(cells.matrix(c) @ B, pairs.matrix(c) @ B, atol=1e-13)
    pairs = grid[np.sort(rng.permutation(300)[:150])]
    problem = SchattenProblem(np.eye(20), np.eye(15), pairs, c[:150], 0.5)
    sparse = solve(problem, Factorized()).check()
    monkeypatch.setattr("rkbs.solvers.operators._thin_products._FULL", 0.0)
    dense = solve(problem, Factorized()).check()
    assert sparse.certificate.primal == pytest.approx(dense.certificate.primal, rel=1e-8)


@pytest.mark.parametrize("shape", [(70, 90), (90, 70), (8, 6)])
def test_leading_singular_values_are_those_of_the_whole_matrix(shape, monkeypatch):
    rng = np.random.default_rng(0)
    G = rng.standard_normal(shape)
    U, V = (np.linalg.qr(rng.standard_normal((n, 2)))[0] for n in shape)

    class Known:
        times = staticmethod(lambda v: G @ v)
        transposed_times = staticmethod(lambda u: G.T @ u)

    left = (G - U @ (U.T @ G)) @ (np.eye(shape[1]) - V @ V.T) / 3.0
    expected = np.linalg.svd(left, compute_uv=False)[:4]
    for fails in (False, True):
        if fails:  # where ARPACK gives up the whole matrix is decomposed

            def refuse(*args, **how):
                raise _truncated_svd.ArpackError(-9)

            monkeypatch.setattr(_truncated_svd, "svds", refuse)
        found = leading(Deflated(Known, U, V, 3.0), 4, 1e-10)
        np.testing.assert_allclose(found.sigma, expected, rtol=1e-9)
        np.testing.assert_allclose(left @ found.V, found.U * found.sigma, atol=1e-6)
    assert leading(Deflated(Known, U, V, 3.0), 0, 1e-10).U.shape == (shape[0], 0)


def test_without_features_there_is_nothing_to_find():
    problem = make(keep=40)
    zero = replace(problem, gram_x=0 * problem.gram_x)
    solution = solve(zero, Factorized()).check()
    assert solution.value.M.shape == (0, 4)
    assert solution.stats["rank"] == 0
