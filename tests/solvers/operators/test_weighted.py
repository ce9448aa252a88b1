"""Ridge with weights of pairs: every way of every solver against dense algebra, and its limits."""

import numpy as np
import pytest

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Laplace
from rkbs.laws import relative
from rkbs.problems import LowRankGram, OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import (
    Cholesky,
    ConjugateGradient,
    NumpyBackend,
    RefinedConjugateGradient,
    Spectral,
    solve,
)
from rkbs.solvers.operators._pair_routes import Route, Routes
from rkbs.solvers.operators._pair_weights import PairWeights, product_weights
from rkbs.terms import Huber, Squared, Weighted

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((11, 2)), RNG.standard_normal((9, 2))
GRAMS = RBF(0.3)(X, X), Laplace()(Y, Y)
GRID = Pairs.grid(X, Y)
SOME = GRID[np.sort(RNG.permutation(99)[:60])]
Z = 3 + RNG.standard_normal(99)
OFFSETS = {
    "none": Offsets(),
    "constant": Offsets(True),
    "effects": Offsets(True, np.arange(11) // 2, np.arange(9), 0.4),
}
WAYS = (Route("plain", 0, 0.0), Route("dense", 0, 0.0), Route("features", 20, 0.0))
WAYS += (Route("features", 98, 0.0), Route("coordinates", 0, 0.0))


def problem_of(pairs, w, alpha=0.05, offsets="constant", grams=GRAMS):
    z = GRID.matrix(Z)[pairs.i, pairs.j]
    return OperatorProblem(
        *grams, pairs, z, alpha, Weighted(Squared(), w), offsets=OFFSETS[offsets]
    )


def weights(pairs, spread=1.0):
    return np.exp(spread * RNG.standard_normal(len(pairs)))


def dense(problem):
    """c and the values on the grid, of (K + αW⁻¹) c/α + Eθ = z and Eᵀc = Dθ, K of np.kron."""
    pairs, offsets, alpha = problem.pairs, problem.offsets, problem.alpha
    cells, K = pairs.i * 9 + pairs.j, np.kron(*GRAMS)
    E, D = offsets.matrix(pairs), np.diag(offsets.decay(alpha))
    noise = np.diag(alpha / problem.loss.weights)
    system = np.block([[K[np.ix_(cells, cells)] + noise, E], [alpha * E.T, -D]])
    found = np.linalg.lstsq(system, np.append(problem.z, np.zeros(len(D))), rcond=1e-15)[0]
    a, theta = np.split(found, [len(pairs)])
    return alpha * a, K[:, cells] @ a + offsets.matrix(GRID) @ theta


def on_grid(problem, point):
    h = problem.factors.push(point.M).ravel()
    return h + problem.offsets.at_pairs(point.theta, GRID) if problem.offsets.size else h


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.way}{way.rank or ''}")
@pytest.mark.parametrize("offsets", OFFSETS)
@pytest.mark.parametrize("pairs", [GRID, SOME], ids=["grid", "some"])
def test_every_way_of_conjugate_gradients(way, offsets, pairs, monkeypatch):
    monkeypatch.setattr(Routes, "cheapest", lambda *_: way)
    problem = problem_of(pairs, weights(pairs), offsets=offsets)
    solution = solve(problem, ConjugateGradient(1e-12)).check()
    c, h = dense(problem)
    assert relative(solution.value.c, c) < 1e-9
    assert relative(on_grid(problem, solution.value), h) < 1e-9
    assert solution.stats["iterations"] > 0
    if way.way == "dense" or (way.rank == 98 and pairs is GRID):
        assert solution.stats["iterations"] <= 3  # the preconditioner is exact


@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_the_preconditioner_of_coordinates_is_exact_for_one_weight(spread, monkeypatch):
    monkeypatch.setattr(Routes, "cheapest", lambda *_: WAYS[-1])
    problem = problem_of(GRID, 7.0 * weights(GRID, spread), alpha=1e-3)
    steps = solve(problem, ConjugateGradient()).check().stats["iterations"]
    assert steps <= 2 if spread == 0 else steps > 10


@pytest.mark.parametrize("offsets", OFFSETS)
def test_weights_over_ten_orders_of_magnitude(offsets):
    w = 10.0 ** RNG.uniform(-5, 5, 60)
    problem = problem_of(SOME, w, offsets=offsets)
    c, h = dense(problem)
    for solver in (Cholesky(), ConjugateGradient(1e-12)):
        solution = solve(problem, solver).check()
        assert relative(on_grid(problem, solution.value), h) < 1e-8
        assert relative(solution.value.c, c) < 1e-8


@pytest.mark.parametrize("alpha", [1e-13, 1e-6, 1.0])
@pytest.mark.parametrize("offsets", OFFSETS)
def test_three_solvers_agree_where_weights_are_products(offsets, alpha):
    u, v = np.exp(RNG.standard_normal(11)), np.exp(RNG.standard_normal(9))
    problem = problem_of(GRID, np.outer(u, v).ravel(), alpha, offsets)
    grid, pairs = (solve(problem, solver).check() for solver in (Spectral(), Cholesky()))
    assert grid.stats["solver"] == "Spectral"
    assert relative(on_grid(problem, grid.value), on_grid(problem, pairs.value)) < 1e-9
    assert grid.certificate.kkt_residual < 1e-12
    path = list(Spectral().setup(problem).path([alpha, 2 * alpha]))
    assert np.array_equal(path[0].value.M, grid.value.M)


def test_a_gram_matrix_by_its_features():
    F = RNG.standard_normal((11, 3))
    w = weights(SOME)
    by_features = problem_of(SOME, w, grams=(LowRankGram(F), GRAMS[1]))
    by_matrix = problem_of(SOME, w, grams=(F @ F.T, GRAMS[1]))
    for solver in (Cholesky(), ConjugateGradient(1e-12)):
        found, expected = (solve(p, solver).check() for p in (by_features, by_matrix))
        assert relative(found.value.c, expected.value.c) < 1e-9


@pytest.mark.parametrize("few", [False, True], ids=["of pairs", "of features"])
def test_the_path_of_few_pairs_is_diagonal_in_one_basis(few):
    grams = (np.outer(X[:, 0], X[:, 0]), GRAMS[1]) if few else GRAMS  # rank 1: features are few
    problem = problem_of(SOME, weights(SOME), grams=grams, offsets="effects")
    state = Cholesky().setup(problem)
    for alpha, solution in zip([1.0, 0.01], state.path([1.0, 0.01]), strict=True):
        alone = solve(problem.with_alpha(alpha), ConjugateGradient(1e-13)).check()
        assert relative(solution.check().value.c, alone.value.c) < 1e-8


def test_products_are_told_from_other_weights():
    u, v = np.exp(RNG.standard_normal(11)), np.exp(RNG.standard_normal(9))
    found = product_weights(GRID, np.outer(u, v).ravel())
    assert relative(np.outer(*found), np.outer(u, v)) < 1e-14
    other = np.outer(u, v)
    other[5, 5] *= 1 + 1e-13
    assert product_weights(GRID, other.ravel()) is None
    assert product_weights(SOME, np.ones(60)) is None


def test_sums_of_weights():
    w = weights(SOME)
    heavy, plain = PairWeights(w), PairWeights(None)
    E = OFFSETS["effects"].matrix(SOME)
    assert relative(heavy.gram(OFFSETS["effects"], SOME), E.T @ np.diag(w) @ E) < 1e-14
    assert np.array_equal(plain.gram(OFFSETS["effects"], SOME), E.T @ E)
    assert (plain.total(SOME), plain.mean(), plain.effective(SOME)) == (60, 1, 60)
    assert heavy.total(SOME) == pytest.approx(w.sum())
    assert 1 < heavy.effective(SOME) < 60
    assert PairWeights(np.full(60, 3.0)).effective(SOME) == pytest.approx(60)


def test_what_is_refused():
    problem = problem_of(SOME, weights(SOME))
    for solver, says in (
        (RefinedConjugateGradient(backend=NumpyBackend()), "needs the squared loss, got Weighted"),
        (Spectral(), "needs a complete grid"),
    ):
        with pytest.raises(ValueError, match=says):
            solve(problem, solver)
    with pytest.raises(ValueError, match=r"products, w_ij = u_i v_j.*ConjugateGradient\(\)"):
        solve(problem_of(GRID, weights(GRID)), Spectral())
    huber = OperatorProblem(*GRAMS, SOME, problem.z, 1.0, Weighted(Huber(), weights(SOME)))
    for solver in (Cholesky(), ConjugateGradient()):
        with pytest.raises(ValueError, match="needs the squared loss, got Weighted"):
            solve(huber, solver)
    with pytest.raises(ValueError, match=r"weights must hold one for each response, shape \(60,\)"):
        problem_of(SOME, np.ones(59))
    state = Spectral().setup(problem_of(GRID, np.ones(99) * 2.0))
    for call, says in (
        (lambda: state.leave_out_residuals(0.1, "both"), "no closed form for weighted pairs"),
        (lambda: state.generalized_rmse([0.1]), "knows no weights"),
    ):
        with pytest.raises(ValueError, match=says):
            call()
