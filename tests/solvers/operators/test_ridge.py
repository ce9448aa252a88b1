"""Solvers against dense algebra, brute force and each other; certificates recomputed outside."""

import tracemalloc
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, Laplace, Quadratic
from rkbs.laws import optimality_residual, relative
from rkbs.problems import OperatorProblem
from rkbs.solvers import (
    Cholesky,
    ConjugateGradient,
    ConvergenceError,
    Solution,
    Spectral,
    solve,
)
from rkbs.solvers.operators import incomplete
from rkbs.solvers.operators._pair_routes import Route, Routes
from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Logistic

KERNELS = (RBF(), Laplace())
SOLVERS = {
    "spectral": Spectral(),
    "cholesky": Cholesky(),
    "cg": ConjugateGradient(tol=1e-12),
}


def make(n_x=7, n_y=6, keep=None, alpha=0.3, seed=0, kernels=KERNELS):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_x, 3)), rng.standard_normal((n_y, 2))
    pairs = Pairs.grid(X, Y)
    if keep is not None:
        pairs = pairs[np.sort(rng.permutation(len(pairs))[:keep])]
    z = rng.standard_normal(len(pairs))
    return OperatorProblem(kernels[0](X, X), kernels[1](Y, Y), pairs, z, alpha)


def coefficients(problem, solver):
    """c/α, the expansion's coefficients at the pairs."""
    return solve(problem, solver).value.c / problem.alpha


def dense_gram(problem):
    i, j = problem.pairs.i, problem.pairs.j
    return problem.gram_x[np.ix_(i, i)] * problem.gram_y[np.ix_(j, j)]


@pytest.fixture
def in_coordinates(monkeypatch):
    """Conjugate gradients in M, also where a factor would be cheaper."""
    route = Route("coordinates", 0, 0.0)
    monkeypatch.setattr(Routes, "cheapest", lambda *_: route)


@pytest.mark.parametrize("keep", [None, 25])
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("alpha", [1e-4, 0.3, 1e3])
def test_solution_equals_dense_lu(name, keep, alpha):
    problem = make(keep=keep, alpha=alpha)
    if name == "spectral" and keep:
        with pytest.raises(ValueError, match="complete grid"):
            solve(problem, SOLVERS[name])
        return
    solution = solve(problem, SOLVERS[name])
    gram = dense_gram(problem)
    expected = np.linalg.solve(gram + alpha * np.eye(len(gram)), problem.z)
    c = solution.value.c / alpha
    assert relative(c, expected) < 1e-8
    assert solution.certificate.passed
    assert optimality_residual(problem, c) < 1e-9
    assert relative(problem.at_pairs(solution.value.M), gram @ expected) < 1e-9
    assert relative(problem.expansion(solution.value.M), problem.pairs.matrix(expected)) < 1e-6


def test_order_of_a_complete_grid_does_not_matter():
    problem = make()
    order = np.random.default_rng(1).permutation(len(problem.z))
    shuffled = OperatorProblem(
        problem.gram_x, problem.gram_y, problem.pairs[order], problem.z[order], problem.alpha
    )
    straight, permuted = solve(problem, Spectral()), solve(shuffled, Spectral())
    assert relative(permuted.value.M, straight.value.M) < 1e-12
    assert relative(permuted.value.c, straight.value.c[order]) < 1e-12
    assert permuted.certificate.passed


def test_kernel_ridge_on_the_kronecker_product_is_the_same_machine():
    problem = make()
    twin = KernelRidge(kernel="precomputed", alpha=problem.alpha)
    twin.fit(np.kron(problem.gram_x, problem.gram_y), problem.z)
    assert relative(coefficients(problem, Spectral()), twin.dual_coef_) < 1e-11


@pytest.mark.parametrize("keep", [None, 30])
@pytest.mark.parametrize("leave", ["pair", "row", "column"])
def test_leave_one_out_equals_brute_force(leave, keep):
    problem = make(6, 6, keep=keep, alpha=0.05)
    state = (Spectral() if keep is None else Cholesky()).setup(problem)
    fast = state.leave_out_residuals(problem.alpha, leave)
    gram, pairs = dense_gram(problem), problem.pairs
    slow = np.empty_like(fast)
    for k in range(len(pairs)):
        out = {
            "pair": np.arange(len(pairs)) == k,
            "row": pairs.i == pairs.i[k],
            "column": pairs.j == pairs.j[k],
        }[leave]
        inside = gram[np.ix_(~out, ~out)] + problem.alpha * np.eye((~out).sum())
        slow[k] = problem.z[k] - gram[k, ~out] @ np.linalg.solve(inside, problem.z[~out])
    assert relative(fast, slow) < 1e-10


def test_leave_one_out_refuses_an_unknown_choice():
    with pytest.raises(ValueError, match="leave must be one of"):
        Spectral().setup(make()).leave_out_residuals(1.0, "neither")


@pytest.mark.parametrize("keep", [None, 25])
def test_path_equals_separate_solves(keep):
    problem = make(keep=keep)
    solver = Spectral() if keep is None else Cholesky()
    state, alphas = solver.setup(problem), (1e-3, 0.3, 30.0)
    for alpha, solution in zip(alphas, state.path(alphas), strict=True):
        other = problem.with_alpha(alpha)
        assert relative(solution.value.M, solve(other, solver).value.M) < 1e-13
        assert optimality_residual(other, solution.value.c / alpha) < 1e-10
    if keep is None:
        first, second = state.path([0.1, 1.0])
        assert relative(second.value.M, state.solve(1.0).value.M) == 0
        assert np.linalg.norm(second.value.M) < np.linalg.norm(first.value.M)


def objectives(problem, M, c):
    """Primal and dual objective of ridge in extended precision, where differences keep digits."""
    long = np.longdouble
    left, right = problem.factors.left.astype(long), problem.factors.right.astype(long)
    C = np.zeros((len(left), len(right)), long)
    C[problem.pairs.i, problem.pairs.j] = c
    residual = (left @ M.astype(long) @ right.T)[problem.pairs.i, problem.pairs.j] - problem.z
    pulled, alpha, c = left.T @ C @ right, long(problem.alpha), c.astype(long)
    primal = (residual**2).sum() / 2 + alpha / 2 * (M.astype(long) ** 2).sum()
    return primal, (c * problem.z - c**2 / 2).sum() - (pulled**2).sum() / (2 * alpha)


@pytest.mark.parametrize("keep", [None, 25])
def test_certificate_bounds_the_excess_objective_and_sees_errors(keep):
    problem = make(keep=keep)
    M, c, _ = solve(problem, Cholesky()).value
    optimum, best = problem.objective(M), objectives(problem, M, c)[0]
    rng = np.random.default_rng(2)
    for size in (1e-6, 1e-3, 1.0):
        worse = M + size * rng.standard_normal(M.shape)
        for dual in (problem.z - problem.at_pairs(worse), c):
            certificate = problem.certify(worse, dual, 1e-8)
            assert not certificate.passed
            primal, bound = objectives(problem, worse, dual)
            assert problem.objective(worse) == pytest.approx(float(primal), rel=1e-12)
            assert problem.dual_objective(dual) == pytest.approx(float(bound), rel=1e-12, abs=1e-12)
            excess, gap = float(primal - best), float(primal - bound)
            # Against the best dual point both are one number, to the rounding of their differences.
            rounding = 16 * np.finfo(np.longdouble).eps * primal if dual is c else 0
            assert 0 < excess <= gap + rounding
            found = certificate.relative_gap * max(abs(primal), abs(bound))
            if keep is not None:
                assert float(found) == pytest.approx(gap)
            elif dual is not c:  # less than the gap, and as good a bound: the excess itself
                found = certificate.relative_gap * primal
                assert float(found) == pytest.approx(excess)
            else:
                assert excess <= certificate.relative_gap * primal * (1 + 1e-9)
    assert problem.dual_objective(c) == pytest.approx(optimum, rel=1e-12)
    assert problem.certify(0 * M, 0 * c, 1e-8).kkt_residual == pytest.approx(1.0)
    assert not problem.certify(M * np.nan, c, 1e-8).passed
    assert not problem.certify(M, c * np.nan, 1e-8).passed


@pytest.mark.usefixtures("in_coordinates")
def test_conjugate_gradient_stops_on_its_certificate_and_says_when_it_cannot():
    problem = make(12, 12, keep=60, alpha=1e-6)
    good = solve(problem, ConjugateGradient(tol=1e-9))
    assert good.certificate.kkt_residual <= 1e-9
    gram = dense_gram(problem)
    h = gram @ np.linalg.solve(gram + 1e-6 * np.eye(60), problem.z)
    assert relative(problem.at_pairs(good.value.M), h) < 1e-9
    assert optimality_residual(problem, good.value.c / 1e-6) <= 1e-9
    bad = solve(problem, ConjugateGradient(tol=1e-9, max_iter=2))
    assert not bad.certificate.passed
    assert bad.stats["iterations"] == 2
    with pytest.raises(ConvergenceError, match="raise the regularization"):
        bad.check()
    assert isinstance(good.check(), Solution)


@pytest.mark.usefixtures("in_coordinates")
@pytest.mark.parametrize(
    ("alpha", "factor", "routes"),
    [
        (1e-12, 1.0, ["pairs"]),
        (1e-6, 1.0, ["operator", "pairs"]),
        (1e-6, 2.0, ["operator", "pairs"]),
        (1.0, 1.0, ["operator"]),
    ],
)
def test_every_step_of_conjugate_gradients_is_counted(alpha, factor, routes, monkeypatch):
    """Those for M, and those that mend the expansion, also if they spoil it and are dropped."""
    solvers = {"operator": incomplete._descend, "pairs": incomplete.solve_expansion}
    taken = []

    def counted(name, *given):
        value, steps = solvers[name](*given)
        taken.append((name, steps))
        return factor * value if name == "pairs" else value, steps

    monkeypatch.setattr(incomplete, "_descend", partial(counted, "operator"))
    monkeypatch.setattr(incomplete, "solve_expansion", partial(counted, "pairs"))
    solution = solve(make(keep=25, alpha=alpha), ConjugateGradient()).check()
    assert [name for name, _ in taken] == routes
    assert min(steps for _, steps in taken) > 0
    assert solution.stats["iterations"] == sum(steps for _, steps in taken)


@pytest.mark.parametrize(
    ("part", "most", "runs"), [(0.1, 100, 6), (0.4, 100, 15), (0.6, 100, 1), (0.4, 3, 3)]
)
def test_runs_of_conjugate_gradients_go_on_while_they_halve_what_is_left(
    part, most, runs, monkeypatch
):
    """Runs of one step, after which so large a part of the gradient is left, of 0.85 to 1e-6."""
    problem, allowed = make(), []
    best = solve(problem, Cholesky()).value.M

    def run(self, M, c, G, most):
        allowed.append(most)
        return best + part * (M - best), 1

    monkeypatch.setattr(incomplete._Descent, "run", run)
    products = incomplete.PairProducts.of(problem)
    M, steps = incomplete._descend(problem, products, np.zeros_like(best), 1e-6, most)
    assert allowed == [most - k for k in range(steps)]
    assert steps == runs
    assert relative(M, best) == pytest.approx(part**runs, rel=1e-6)


def test_conjugate_gradient_is_exact_at_once_on_a_complete_grid():
    solution = solve(make(), ConjugateGradient())
    assert solution.stats["iterations"] <= 2


def test_conjugate_gradient_never_forms_the_kernel_of_the_pairs():
    problem = make(60, 60, keep=2400, alpha=0.1)
    tracemalloc.start()
    solution = solve(problem, ConjugateGradient())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solution.certificate.passed
    assert peak < 8 * 2400**2 / 10


def test_singular_gram_matrices_are_fine():
    problem = make(kernels=(Quadratic(), EDP()), n_x=20)
    assert np.linalg.matrix_rank(problem.gram_x) == 10
    assert optimality_residual(problem, coefficients(problem, Spectral())) < 1e-10


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
@pytest.mark.parametrize("domain", ["gram_x", "gram_y"])
def test_indefinite_gram_matrices_are_refused_by_name(solver, domain):
    problem = make()
    grams = {"gram_x": problem.gram_x, "gram_y": problem.gram_y}
    grams[domain] = grams[domain] - 2.0 * np.eye(len(grams[domain]))
    bad = OperatorProblem(**grams, pairs=problem.pairs, z=problem.z, alpha=5.0)
    with pytest.raises(ValueError, match=f"{domain} must be positive semi-definite"):
        solve(bad, solver)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gram_x": np.ones((7, 6))}, "gram_x must have shape"),
        ({"gram_x": np.triu(np.ones((7, 7)))}, "gram_x must be symmetric"),
        ({"gram_y": np.full((6, 6), np.nan)}, "gram_y contains NaN"),
        ({"loss": Logistic()}, "z must be −1 or 1"),
        ({"gram_y": np.eye(6) + 1e-9 * np.triu(np.ones((6, 6)))}, "gram_y must be symmetric"),
        ({"z": np.ones(41)}, "z must have shape"),
        ({"z": np.full(42, np.inf)}, "z contains NaN or infinity"),
        ({"alpha": 0.0}, "alpha must be positive"),
        ({"alpha": np.nan}, "alpha must be positive"),
    ],
)
def test_bad_problems_name_the_argument(change, message):
    problem = make()
    arguments = {
        "gram_x": problem.gram_x,
        "gram_y": problem.gram_y,
        "pairs": problem.pairs,
        "z": problem.z,
        "alpha": 1.0,
    }
    with pytest.raises(ValueError, match=message):
        OperatorProblem(**{**arguments, **change})


@pytest.mark.parametrize("alpha", [True, "1", None, np.ones(2), 1j])
def test_alpha_must_be_a_number(alpha):
    with pytest.raises(TypeError, match="alpha must be a real number"):
        make(alpha=alpha)


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_linear_algebra_solvers_refuse_other_losses(solver):
    class Cubic(Loss):
        def value(self, h, z):
            return abs(h - z) ** 3

        def gradient(self, h, z):
            return 3 * (h - z) * abs(h - z)

        def conjugate(self, u, z):
            return u * z + 2 * (abs(u) / 3) ** 1.5

        curvature = prox = None

    problem = make()
    other = OperatorProblem(problem.gram_x, problem.gram_y, problem.pairs, problem.z, 1.0, Cubic())
    with pytest.raises(ValueError, match="squared loss"):
        solve(other, solver)


def test_dense_solver_has_a_limit():
    n = 150
    pairs = Pairs.grid(np.arange(n)[:, None], np.arange(n)[:, None])
    problem = OperatorProblem(np.eye(n), np.eye(n), pairs, np.ones(n * n), 1.0)
    with pytest.raises(ValueError, match="at most 20000 pairs, got 22500: use ConjugateGradient"):
        solve(problem, Cholesky())


def test_a_system_whose_alpha_is_lost_in_rounding_is_solved():
    problem = make(30, 30, keep=700, alpha=1e-17, kernels=(EDP(), EDP()))
    assert np.array_equal(dense_gram(problem) + 1e-17 * np.eye(700), dense_gram(problem))
    M, c, _ = solve(problem, Cholesky()).check().value
    primal, dual = objectives(problem, M, c)
    assert 0 <= primal - dual <= 1e-12 * primal


@pytest.mark.parametrize("name", SOLVERS)
def test_a_tolerance_below_rounding_is_a_named_failure(name):
    solver = replace(SOLVERS[name], tol=1e-18)
    with pytest.raises(ConvergenceError, match="raise the regularization"):
        solve(make(keep=None if name == "spectral" else 25), solver).check()


@pytest.mark.parametrize(
    ("make_solver", "error", "message"),
    [
        (lambda: Spectral(tol=0.0), ValueError, "tol must be positive"),
        (lambda: Cholesky(tol=float("nan")), ValueError, "tol must be positive"),
        (lambda: ConjugateGradient(tol=-1), ValueError, "tol must be positive"),
        (lambda: ConjugateGradient(max_iter=0), ValueError, "max_iter must be at least 1"),
        (lambda: ConjugateGradient(max_iter=2.5), TypeError, "max_iter must be an integer"),
    ],
)
def test_solver_parameters_are_checked(make_solver, error, message):
    with pytest.raises(error, match=message):
        make_solver()


def test_rows_and_columns_without_pairs_change_nothing():
    problem = make(7, 6, keep=25)
    X, Y = np.zeros((10, 1)), np.zeros((9, 1))
    grams = [np.eye(10), np.eye(9)]
    grams[0][:7, :7], grams[1][:6, :6] = problem.gram_x, problem.gram_y
    more = OperatorProblem(*grams, Pairs(X, Y, problem.pairs.i, problem.pairs.j), problem.z, 0.3)
    for solver in (Cholesky(), ConjugateGradient()):
        c = solve(more, solver).check().value.c
        assert relative(c, solve(problem, solver).value.c) < 1e-8
