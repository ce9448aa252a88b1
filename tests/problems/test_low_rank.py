"""Problems stated by features against those stated by Gram matrices, and against explicit ones."""

import numpy as np
import pytest

from rkbs import ADMM, Cholesky, ConjugateGradient, Pairs, SchattenProblem, Spectral, solve
from rkbs._linalg import Eigen
from rkbs.problems import LowRankGram, Offsets, OperatorProblem
from rkbs.solvers.operators._pair_products import PairProducts
from rkbs.solvers.operators._pair_routes import Routes

RNG = np.random.default_rng(0)
N_X, N_Y = 60, 50
F_X, F_Y = RNG.standard_normal((N_X, 7)), RNG.standard_normal((N_Y, 4)) * [1, 0.1, 10, 1e-3]
X, Y = np.zeros((N_X, 1)), np.zeros((N_Y, 1))
NEW_X, NEW_Y = RNG.standard_normal((3, 7)), RNG.standard_normal((2, 4))
OFFSETS = {
    "none": Offsets(),
    "constant": Offsets(True),
    "rows": Offsets(True, np.arange(N_X)),
    "columns": Offsets(False, None, np.arange(N_Y) // 2),
    "effects": Offsets(True, np.arange(N_X) // 3, np.arange(N_Y), 0.3),
}


def some(count):
    flat = np.sort(np.random.default_rng(1).permutation(N_X * N_Y)[:count])
    return Pairs(X, Y, *np.divmod(flat, N_Y))


def both(count, offsets=None, alpha=0.2):
    """One problem by features, and by Gram matrices."""
    pairs = some(count)
    z = 3 + np.random.default_rng(2).standard_normal(count)
    grams = [(LowRankGram(F_X), LowRankGram(F_Y)), (F_X @ F_X.T, F_Y @ F_Y.T)]
    offsets = offsets or Offsets()
    return [OperatorProblem(*gram, pairs, z, alpha, offsets=offsets) for gram in grams]


def by_hand(problem):
    """The weights of all products of features, by normal equations with dense offsets."""
    pairs, E = problem.pairs, problem.offsets.matrix(problem.pairs)
    phi = np.einsum("na,nb->nab", F_X[pairs.i], F_Y[pairs.j]).reshape(len(pairs), -1)
    A = np.hstack([phi, E])
    decay = problem.offsets.decay(problem.alpha)
    D = np.diag(np.concatenate([np.full(phi.shape[1], problem.alpha), decay]))
    found = np.linalg.lstsq(np.vstack([A, np.sqrt(D)]), np.append(problem.z, np.zeros(len(D))))[0]
    return found[: phi.shape[1]].reshape(7, 4), found[phi.shape[1] :]


@pytest.mark.parametrize("name", OFFSETS)
@pytest.mark.parametrize("count", [40, 300, 2000, N_X * N_Y])
@pytest.mark.parametrize("solver", [ConjugateGradient(), Cholesky(1e-10)], ids=repr)
def test_fits_are_those_of_explicit_features(solver, count, name):
    low, dense = both(count, OFFSETS[name])
    solution = solve(low, solver).check()
    weights, theta = by_hand(low)
    found = low.expansion(solution.value.M)
    assert found.shape == (7, 4)
    assert abs(found - weights).max() < 1e-8 * abs(weights).max()
    assert abs(low.offsets.at_pairs(solution.value.theta - theta, low.pairs)).max(initial=0) < 1e-7
    other = solve(dense, solver).check()
    assert abs(solution.value.c - other.value.c).max() < 1e-8
    Q, K = low.factored_expansion(solution.value.M)
    assert abs(Q @ K.T - weights).max() < 1e-8 * abs(weights).max()
    if low.offsets.size <= int(low.offsets.constant):
        values = NEW_X @ weights @ NEW_Y.T + theta.sum()
        assert abs(solution.predict_grid(NEW_X, NEW_Y) - values).max() < 1e-7


@pytest.mark.parametrize("count", [40, N_X * N_Y])
def test_the_certificate_is_that_of_the_gram_matrices(count):
    low, dense = both(count, Offsets(True))
    rng = np.random.default_rng(3)
    M, c = rng.standard_normal((7, 4)), rng.standard_normal(count)
    theta, c = np.array([0.5]), c - c.mean()
    # the same operator in the other problem's coordinates
    x, y = (one.left.T @ other.left for one, other in _same_sides(dense, low))
    turned = (x / dense.factors.x.eigenvalues[:, None]) @ M @ (y.T / dense.factors.y.eigenvalues)
    one, other = low.certify(M, c, 1e-10, theta), dense.certify(turned, c, 1e-10, theta)
    assert one.kkt_residual == pytest.approx(other.kkt_residual, rel=1e-9)
    assert one.relative_gap == pytest.approx(other.relative_gap, rel=1e-9)
    assert not one.passed


def _same_sides(dense, low):
    class Side:
        def __init__(self, left):
            self.left = left

    pairs = ((dense.factors.left, low.factors.left), (dense.factors.right, low.factors.right))
    return [tuple(map(Side, pair)) for pair in pairs]


def test_a_wrong_solution_is_noticed():
    low, _ = both(300, Offsets(True))
    M, c, theta = solve(low, ConjugateGradient()).check().value
    for wrong in ((0.9 * M, c, theta), (M, 0.9 * c, theta), (M, c, theta + 0.1), (-M, c, theta)):
        assert not low.certify(*wrong[:2], 1e-6, wrong[2]).passed


def test_one_domain_may_be_by_features():
    low, dense = both(300)
    mixed = OperatorProblem(dense.gram_x, low.gram_y, low.pairs, low.z, low.alpha)
    solution = solve(mixed, ConjugateGradient()).check()
    weights, _ = by_hand(low)
    rows = NEW_X @ F_X.T
    assert abs(solution.predict_grid(rows, NEW_Y) - NEW_X @ weights @ NEW_Y.T).max() < 1e-8
    assert mixed.expansion(solution.value.M).shape == (N_X, 4)


def test_products_at_few_pairs_are_those_of_the_grid():
    low, _ = both(40)
    assert low._by_pairs
    assert not both(2000)[0]._by_pairs
    M, c = RNG.standard_normal((7, 4)), RNG.standard_normal(40)
    factors, pairs = low.factors, low.pairs
    assert np.allclose(low.at_pairs(M), pairs.entries(factors.push(M)), rtol=0, atol=1e-13)
    assert np.allclose(low.pull(c), factors.pull(pairs.matrix(c)), rtol=0, atol=1e-13)
    assert abs(np.vdot(low.at_pairs(M), c) - np.vdot(M, low.pull(c))) < 1e-12


def test_nothing_of_the_size_of_a_domain_squared_is_formed(monkeypatch):
    """Of 30,000 points it would be 7 GB; and no Gram matrix of a domain for products at pairs."""
    n, rng = 30_000, np.random.default_rng(0)
    F = rng.standard_normal((2, n, 3))
    pairs = Pairs(np.zeros((n, 1)), np.zeros((n, 1)), np.arange(n), rng.permutation(n))
    z = (F[0][pairs.i] * F[1][pairs.j]).sum(1) + 1
    monkeypatch.setattr(PairProducts, "grams", None)
    monkeypatch.setattr(Pairs, "_as_matrix", None)
    monkeypatch.setattr(Pairs, "entries", None)
    problem = OperatorProblem(*map(LowRankGram, F), pairs, z, 0.1, offsets=Offsets(True))
    solution = solve(problem, ConjugateGradient()).check()
    assert abs(problem.expansion(solution.value.M) - np.eye(3)).max() < 1e-3
    assert abs(solution.value.theta[0] - 1) < 1e-3


def test_a_nuclear_norm_by_features():
    problems = [
        SchattenProblem(*grams, some(1500), RNG.standard_normal(1500) + F_Y[0, 0], 2.0)
        for grams in [(LowRankGram(F_X), LowRankGram(F_Y))]
    ]
    problem = problems[0]
    dense = SchattenProblem(F_X @ F_X.T, F_Y @ F_Y.T, problem.pairs, problem.z, 2.0)
    one, other = (solve(each, ADMM(1e-10)).check() for each in (problem, dense))
    assert abs(one.value.c - other.value.c).max() < 1e-4 * abs(other.value.c).max()
    assert problem.objective(one.value.M) == pytest.approx(dense.objective(other.value.M), rel=1e-9)


def test_the_eigendecomposition_of_features():
    F = F_Y[:, [0, 1, 2, 3, 0]]  # of rank 4
    beside = RNG.standard_normal((N_Y, 3))
    beside[:, 2] = beside[:, 0] + F[:, 1]
    eigen = Eigen.of_features(F, beside)
    U, s = eigen.eigenvectors, eigen.eigenvalues
    assert U.shape == (N_Y, 6)  # two more dimensions
    assert abs(U.T @ U - np.eye(6)).max() < 1e-13
    assert abs((U * s) @ U.T - F @ F.T).max() < 1e-12 * s.max()
    assert (s[:2] == 0).all()
    assert abs(beside - U @ (U.T @ beside)).max() < 1e-12
    part = eigen.range()
    assert abs(F @ part.turn - part.eigenvectors * np.sqrt(part.eigenvalues)).max() < 1e-13
    assert Eigen.of_features(F, np.zeros((N_Y, 0))).range().turn.shape == (5, 4)


def test_equal_rows_have_equal_eigenvectors():
    F = np.vstack([F_X, F_X[:5]])
    U = Eigen.of_features(F, np.zeros((65, 0))).eigenvectors
    assert (U[:5] == U[60:]).all()


def test_small_singular_values_keep_their_digits():
    """Of F Fᵀ itself they would be rounding."""
    Q = np.linalg.qr(RNG.standard_normal((30, 3)))[0]
    s = Eigen.of_features(Q * [1.0, 1e-3, 1e-6], np.zeros((30, 0))).eigenvalues
    assert np.allclose(s, [1e-12, 1e-6, 1.0], rtol=1e-9)


@pytest.mark.parametrize("constant", [False, True])
def test_factors_lie_row_by_row_whatever_states_the_gram_matrix(constant):
    """Solvers gather rows of them, which takes far longer column by column."""
    low, dense = both(40, Offsets(constant))
    given = [dense.eigen[0], dense.eigen[1]]
    decomposed = OperatorProblem(*given, low.pairs, low.z, 1.0, offsets=Offsets(constant))
    assert not dense.eigen[0].eigenvectors.flags.c_contiguous
    for problem in (low, dense, decomposed):
        assert problem.factors.left.flags.c_contiguous
        assert problem.factors.right.flags.c_contiguous


def test_a_large_gram_matrix_is_not_formed_to_save_steps():
    low, dense = both(40)
    for problem, formed in ((low, False), (dense, True)):
        routes = Routes(problem, PairProducts.of(problem))
        assert any(route.way == "dense" for route in routes.by_way(problem, 1e-10)) == formed
        assert np.isfinite(routes.products.cost_of_gram) == formed


def test_blocks():
    problem, K, i = both(40)[0], F_X @ F_X.T, np.array([3, 1, 3])
    assert problem.gram_x.shape == K.shape
    assert len(problem.gram_x) == N_X
    assert np.allclose(problem.grams_of(i, i)[0], K[np.ix_(i, i)])
    assert np.allclose(problem.grams[0], K)


def test_too_many_effects_for_memory():
    n = 2500
    F, i = np.ones((n, 1)), np.arange(n)
    pairs, offsets = Pairs(F, F, i, i), Offsets(True, i, i)
    with pytest.raises(ValueError, match=r"4000 effects.* got 5000: leave effects out"):
        OperatorProblem(LowRankGram(F), LowRankGram(F), pairs, np.ones(n), 1.0, offsets=offsets)


def test_no_features_at_all():
    problem = OperatorProblem(
        LowRankGram(np.zeros((N_X, 2))), LowRankGram(F_Y), some(40), np.ones(40), 1.0
    )
    solution = solve(problem, ConjugateGradient()).check()
    assert solution.value.M.shape == (0, 4)
    assert (solution.predict_grid(np.zeros((3, 2)), NEW_Y) == 0).all()


WRONG = [
    (lambda: OperatorProblem(LowRankGram(F_Y), LowRankGram(F_Y), some(9), np.ones(9), 1.0),
     r"gram_x must have shape \(60, 60\), a row per point, got \(50, 50\)"),
    (lambda: solve(both(N_X * N_Y)[0], Spectral()), r"LowRankGram has its range alone: use Conjug"),
    (lambda: solve(both(40)[0], Cholesky()).predict_grid(NEW_X[:, :3], NEW_Y),
     "x must hold a row of features per new point, with 7 columns for the features of gram_x, got"),
    (lambda: solve(both(40)[1], Cholesky()).predict_grid(NEW_X, NEW_Y),
     "x must hold a row of the kernel per new point, with 60 columns for the problem's points"),
    (lambda: LowRankGram(np.array([[np.nan]])), "features contains NaN"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
