"""The fit of a complete grid: its parts against whole matrices, and what it leaves untouched."""

import numpy as np
import pytest
import scipy.linalg

from rkbs import _linalg
from rkbs._arrays import first_equal
from rkbs._linalg import Eigen, Factors
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Custom, Linear, Precomputed
from rkbs.laws import relative
from rkbs.machines import BinaryKernelRidge
from rkbs.problems import OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import Cholesky, Spectral, solve

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((140, 3)), RNG.standard_normal((90, 2))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.3 * RNG.standard_normal((140, 90))
GRID = Pairs.grid(X, Y)
GRAMS = RBF()(X, X), RBF(0.05)(Y, Y)
CONSTANT = Offsets(constant=True)


def problem_of(alpha, offsets=CONSTANT, grams=GRAMS):
    return OperatorProblem(*grams, GRID, Z, alpha, offsets=offsets)


def test_products_in_parts_are_the_products():
    factors = Factors(*(Eigen.of(gram, "gram").range() for gram in GRAMS))
    shape = factors.products.shape
    assert shape == (140, shape[1])
    assert shape[1] < 90  # numerically of lower rank
    M, C = RNG.standard_normal(shape), RNG.standard_normal((140, 90))
    assert relative(factors.push(M), factors.left @ M @ factors.right.T) < 1e-14
    assert relative(factors.pull(C), factors.left.T @ C @ factors.right) < 1e-14
    assert relative(_linalg.inner(C.T, C, C.T), C.T @ C @ C.T) < 1e-14
    assert factors.largest == factors.products.max()
    assert [part.stop - part.start for part in _linalg.parts(130)] == [33, 33, 33, 31]
    assert np.shares_memory(factors.y.eigenvectors, factors.y.eigenvectors.base)


@pytest.mark.parametrize("offsets", [Offsets(), CONSTANT], ids=["none", "constant"])
@pytest.mark.parametrize("alpha", [1e-8, 0.1, 1e4])
def test_a_certificate_that_finds_c_is_that_of_this_c(alpha, offsets):
    problem = problem_of(alpha, offsets)
    M, _, theta = solve(problem, Spectral()).value
    for wrong in (0.0, 1e-9, 1e-3, 1.0):
        other = M + wrong * RNG.standard_normal(M.shape)
        c, found = problem.certified(other, 1e-13, theta)
        expected = problem.certify(other, problem.z - problem.fitted(other, theta), 1e-13, theta)
        assert np.array_equal(c, problem.z - problem.fitted(other, theta))
        assert found.kkt_residual == pytest.approx(expected.kkt_residual, rel=1e-6, abs=1e-14)
        assert found.relative_gap == pytest.approx(expected.relative_gap, rel=1e-6, abs=1e-26)
        assert found.passed == (wrong == 0)


def test_a_permuted_grid_has_the_same_certificate():
    problem, order = problem_of(0.1), np.random.default_rng(1).permutation(len(GRID))
    other = OperatorProblem(*GRAMS, GRID[order], problem.z[order], 0.1, offsets=CONSTANT)
    M, c, theta = solve(problem, Spectral()).value
    worse = M + 1e-3
    straight = problem.certify(worse, c, 1e-8, theta)
    assert other.certify(worse, c[order], 1e-8, theta).kkt_residual == pytest.approx(
        straight.kkt_residual
    )
    assert relative(other.certified(M, 1e-8, theta)[0], c[order]) < 1e-12


@pytest.mark.parametrize("alpha", [1e-12, 1e-6, 1e-3, 0.1, 1e3])
def test_the_digits_of_c_at_every_alpha(alpha):
    """Against the eigendecomposition in extended precision, one product after the other."""
    grams = RBF(3.0)(X[:20], X[:20]), RBF(3.0)(Y[:15], Y[:15])
    pairs = Pairs.grid(X[:20], Y[:15])
    problem = OperatorProblem(*grams, pairs, Z[:20, :15], alpha)
    c = solve(problem, Spectral()).check().value.c
    K = np.kron(*grams)
    a = np.linalg.solve(K + alpha * np.eye(300), problem.z)
    for _ in range(3):  # refined
        long = K.astype(np.longdouble) @ a + np.longdouble(alpha) * a
        a = a + np.linalg.solve(K + alpha * np.eye(300), (problem.z - long).astype(float))
    assert np.linalg.norm(c - alpha * a) < 1e-11 * np.linalg.norm(c)


def test_a_state_can_be_asked_again():
    state = Spectral().setup(problem_of(1.0))
    rotated, first = state.rotated.copy(), state.solve(0.3)
    list(state.path([10.0, 1e-9]))
    assert np.array_equal(state.rotated, rotated)
    for again in (state.solve(0.3), solve(problem_of(0.3), Spectral())):
        for found, expected in zip(again.value, first.value, strict=True):
            assert np.array_equal(found, expected)


def test_a_problem_of_eigendecompositions():
    eigen = tuple(Eigen.of(gram, "gram") for gram in GRAMS)
    given, plain = problem_of(0.1, grams=eigen), problem_of(0.1)
    assert all(found is expected for found, expected in zip(given.eigen, eigen, strict=True))
    for found, expected in zip(given.grams, GRAMS, strict=True):
        cut = len(found) ** 1.5 * np.finfo(float).eps  # eigenvalues that count as zero
        assert relative(found, expected) < cut + 1e-14
    assert given.predict_grid(solve(given, Spectral()).value, GRAMS[0][:3], GRAMS[1][:2]) == (
        pytest.approx(
            plain.predict_grid(solve(plain, Spectral()).value, GRAMS[0][:3], GRAMS[1][:2])
        )
    )
    small = tuple(Eigen.of(gram[:6, :6], "gram") for gram in GRAMS)
    corner = OperatorProblem(*small, Pairs.grid(X[:6], Y[:6]), Z[:6, :6], 0.1)
    # Any solver: the matrices are formed again.
    fits = [solve(corner, solver).check().value.c for solver in (Spectral(), Cholesky())]
    assert relative(*fits) < 1e-10
    with pytest.raises(ValueError, match=r"gram_x must decompose a matrix of shape \(140, 140\)"):
        problem_of(0.1, grams=(eigen[1], eigen[1]))


@pytest.mark.parametrize("spend", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_factors_of_the_expansion(spend, turned):
    grams, z = (GRAMS, Z) if not turned else (GRAMS[::-1], Z.T)
    pairs = Pairs.grid(*(np.zeros((len(gram), 1)) for gram in grams))
    problem = OperatorProblem(*grams, pairs, z, 0.1)
    M, before = solve(problem, Spectral()).value.M, problem.eigen[0].eigenvectors.copy()
    expected = problem.expansion(M)
    query, key = problem.factored_expansion(M, spend=spend)
    assert query.shape[1] == key.shape[1] == min(M.shape)
    assert relative(query @ key.T, expected) < 1e-12
    assert np.array_equal(problem.eigen[0].eigenvectors, before) == (not spend)


def test_a_low_rank_fit_keeps_no_whole_matrix_of_eigenvectors():
    fit = BinaryKernelRidge(Linear(), Linear(), 0.1).fit(GRID, Z)
    for array in (fit.query_coef_, fit.key_coef_):
        assert array.shape[1] == 2
        assert array.base is None


def test_nothing_of_the_caller_is_overwritten():
    """Kernels that hand out what they hold, and responses of every layout."""
    kept, z = [gram.copy() for gram in GRAMS], Z.copy()
    custom = Custom(lambda x, y: kept[len(x) == 90], is_mercer=True)
    machine = BinaryKernelRidge(custom, custom, 0.1)
    machine.fit(GRID, z)
    twin = BinaryKernelRidge(RBF(), RBF(0.05), 0.1).fit(GRID, Z)
    assert relative(machine.dual_coef_, twin.dual_coef_) < 1e-13
    assert all(np.array_equal(*two) for two in zip(kept, GRAMS, strict=True))
    assert np.array_equal(z, Z)
    solve(problem_of(0.1, grams=tuple(kept)), Spectral())
    assert all(np.array_equal(*two) for two in zip(kept, GRAMS, strict=True))


def test_a_precomputed_matrix_is_decomposed_once(monkeypatch):
    calls, right = [], scipy.linalg.eigh
    monkeypatch.setattr(scipy.linalg, "eigh", lambda a, **k: calls.append(len(a)) or right(a, **k))
    for name in ("eigh", "eigvalsh", "svd"):
        monkeypatch.setattr(np.linalg, name, lambda *_: pytest.fail("decomposed again"))
    indices = Pairs.grid(Precomputed.points(140), Precomputed.points(90))
    BinaryKernelRidge(*map(Precomputed, GRAMS), 0.1).fit(indices, Z)
    assert calls == [140, 90]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (np.eye(3), True),
        (np.ones((3, 3)), None),
        (np.zeros((2, 2)), None),
        (np.diag([1.0, -1e-30]), None),
        (np.diag([1.0, -1e-12]), False),
        (np.diag([1.0, 1e-12]), True),
        (np.diag([-1.0, -2.0]), False),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), False),
        (np.array([[1.0, 0.5], [0.4, 1.0]]), False),
        (1e200 * np.eye(2), True),
        (1e-200 * np.diag([1.0, -1.0]), False),
    ],
)
def test_whether_a_precomputed_matrix_is_mercer(matrix, expected):
    assert Precomputed(matrix).is_mercer is expected


def test_equal_rows_are_found_without_a_second_matrix(monkeypatch):
    rows = np.array([[1.0, 0.0], [2.0, 1.0], [1.0, -0.0], [2.0, 1.0], [0.0, 1.0]])
    assert first_equal(rows).tolist() == [0, 1, 0, 1, 4]
    monkeypatch.setattr("rkbs._arrays.hash", lambda row: 7, raising=False)  # all collide
    assert first_equal(rows).tolist() == [0, 1, 0, 1, 4]
