"""Ridge at any scale of features and α: against explicit features, exact arithmetic and mutants."""

import itertools
import warnings
from dataclasses import replace

import flint
import numpy as np
import pytest
from helpers import every_two
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from rkbs._linalg import Eigen
from rkbs.data._entities import Entities
from rkbs.data.pairs import Pairs
from rkbs.kernels import KERNELS, RBF, Linear, Precomputed, Quadratic, TaylorEDP
from rkbs.laws import relative
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    _within,
    ridge_cv,
)
from rkbs.problems import OperatorProblem
from rkbs.solvers import (
    Cholesky,
    ConjugateGradient,
    ConvergenceError,
    DenseState,
    Spectral,
    SpectralState,
    solve,
)
from rkbs.terms.spectral_penalties import Schatten

SCALES = [(1e-6, 1e-6), (1e-6, 1e6), (1, 1), (1e3, 1), (1e6, 1e6)]
ALPHAS = (1e-6, 1.0, 1e6, 1e12)
PATHS = {  # how many of the 7 × 6 pairs, and the solver
    "complete": (42, Spectral()),
    "few": (32, Cholesky()),
    "fewer than features": (18, Cholesky()),
    "many": (32, ConjugateGradient(tol=1e-11)),
}


def points(scales, seed=0, sizes=(7, 6)):
    rng = np.random.default_rng(seed)
    X, Y = (rng.standard_normal((n, d)) for n, d in zip(sizes, (3, 2), strict=True))
    return scales[0] * X, scales[1] * Y, rng.standard_normal(sizes)


def some(pairs, Z, keep, seed=1):
    pairs = pairs[np.sort(np.random.default_rng(seed).permutation(len(pairs))[:keep])]
    return pairs, Z[pairs.i, pairs.j]


def products(left, right):
    """Rows left_n ⊗ right_n."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


LINEAR = Linear(), Linear()


def primal(phi, z, alpha, new, constant=False):
    """Ridge regression on explicit features, by scikit-learn's singular value decomposition."""
    return Ridge(alpha, fit_intercept=constant, solver="svd").fit(phi, z).predict(new)


def weights(phi, z, alpha, rank=None):
    """Those of ``primal``, a tenth of its time; of so many singular values."""
    U, sigma, Vt = np.linalg.svd(phi, full_matrices=False)
    U, sigma, Vt = U[:, :rank], sigma[:rank], Vt[:rank]
    return Vt.T @ (sigma / (sigma**2 + alpha) * (U.T @ z))


def product_features(X, Y):
    """⟨φ, φ'⟩ is the product of the two linear kernels, x·x'/√d_x and y·y'/√d_y."""
    return products(X, Y) / (X.shape[1] * Y.shape[1]) ** 0.25


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("path", PATHS)
def test_linear_features_at_any_scale(path, scales):
    keep, solver = PATHS[path]
    X, Y, Z = points(scales)
    pairs, z = some(Pairs.grid(X, Y), Z, keep)
    new = Pairs.grid(*points(scales, 5, (4, 3))[:2])
    phi = product_features(X[pairs.i], Y[pairs.j])
    phi_new = product_features(new.X[new.i], new.Y[new.j])
    for alpha in ALPHAS:
        machine = BinaryKernelRidge(*LINEAR, alpha, solver=solver, fit_intercept=False)
        machine.fit(pairs, z)
        assert relative(machine.predict(pairs), primal(phi, z, alpha, phi)) < 1e-9
        assert relative(machine.predict(new), primal(phi, z, alpha, phi_new)) < 1e-9
        towers = machine.query(new.X) @ machine.key(new.Y).T
        assert np.array_equal(towers, machine.predict_grid(new.X, new.Y))
        c, used = z - primal(phi, z, alpha, phi), pairs.compact()
        assert np.abs(alpha * machine.dual_coef_[used.i, used.j] - c).max() < 1e-9


GRAMS = {
    "linear": Linear(),
    "quadratic": Quadratic(),
    "Taylor": TaylorEDP(4),
    "RBF": RBF(),
    "rank 4": 4,
    "rank 12": 12,
}


def gram_of(kernel, X, seed):
    """The Gram matrix of a kernel on X, or of so many random features, as large as X."""
    if not isinstance(kernel, int):
        return kernel(X, X)
    features = np.random.default_rng(seed).standard_normal((len(X), kernel))
    gram = np.abs(X).max() ** 2 * features @ features.T
    return (gram + gram.T) / 2


def root(gram):
    """R with K = R Rᵀ, eigenvalues within rounding of 0 left out."""
    part = Eigen.of(gram, "gram").range()
    return part.eigenvectors * np.sqrt(part.eigenvalues)


def exact(features, z, alpha, rows=None):
    """φ(rows)·v, v the ridge weights of all features, in ball arithmetic of 450 digits."""
    rows = features if rows is None else rows
    phi, new = (flint.arb_mat(matrix.tolist()) for matrix in (features, rows))
    z = flint.arb_mat([[float(value)] for value in z])
    wide = phi.ncols() > phi.nrows()
    system = phi * phi.transpose() if wide else phi.transpose() * phi
    for k in range(system.nrows()):
        system[k, k] += float(alpha)
    values = (
        new * (phi.transpose() * system.solve(z))
        if wide
        else new * system.solve(phi.transpose() * z)
    )
    return np.array([float(values[k, 0].mid()) for k in range(values.nrows())])


@pytest.fixture
def digits():
    before, flint.ctx.prec = flint.ctx.prec, 1500
    yield
    flint.ctx.prec = before


def unclear(features):
    """Whether the pairs all but miss a feature: then rounding decides whether they see it."""
    sizes = np.maximum(np.linalg.norm(features, axis=0), 1e-300)
    gram = (features / sizes).T @ (features / sizes)
    values = np.linalg.eigvalsh(gram)[-min(features.shape) :]
    return values[0] < 1e-10


def problems(name, scales, keep):
    """The problem, and the features of its pairs and of the whole grid."""
    X, Y, Z = points(scales)
    grams = gram_of(GRAMS[name], X, 2), gram_of(GRAMS[name], Y, 3)
    grid = Pairs.grid(X, Y)
    pairs, z = some(grid, Z, keep)
    left, right = map(root, grams)
    features = [products(left[each.i], right[each.j]) for each in (pairs, grid)]
    return OperatorProblem(*grams, pairs, z, 1.0), *features


def solved(problem, path):
    """The solution, or None where conjugate gradients say that they cannot.

    They may, with fewer pairs than coordinates and α below the rounding of the largest features.
    """
    solution = solve(problem, PATHS[path][1])
    if not solution.certificate.passed:
        products = problem.factors.products
        assert path == "many"
        assert len(problem.z) < products.size
        assert problem.alpha < 1e-10 * products.max()
        with pytest.raises(ConvergenceError, match="ConjugateGradient stopped at a relative KKT"):
            solution.check()
        return None
    return solution.value


@pytest.mark.parametrize("scales", [(1, 1), (1e-6, 1e6), (1e6, 1e6)])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", GRAMS)
def test_every_gram_matrix_is_solved_exactly(name, path, scales, digits):
    problem, features, whole = problems(name, scales, PATHS[path][0])
    for alpha in () if unclear(features) else (1e-6, 1e6):
        at = problem.with_alpha(alpha)
        if (point := solved(at, path)) is None:
            continue
        h = exact(features, at.z, alpha, whole).reshape(7, 6)
        left = at.z - at.pairs.entries(h)
        # Off the pairs of a fit that is as close as rounding conjugate gradients lose some digits.
        assert relative(at.factors.push(point.M), h) < (1e-6 if path == "many" else 1e-9)
        assert relative(at.at_pairs(point.M), at.pairs.entries(h)) < 1e-9
        assert np.abs(point.c - left).max() < 1e-9 * np.abs(at.z).max()


def test_most_cases_of_every_gram_matrix_are_clear():
    for name in GRAMS:
        cases = itertools.product([(1, 1), (1e-6, 1e6), (1e6, 1e6)], (42, 32, 18))
        seen = [not unclear(problems(name, *case)[1]) for case in cases]
        assert sum(seen) >= 5, name


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("keep", [42, 32, 18])
@pytest.mark.parametrize("leave", ["pair", "row", "column"])
def test_leave_out_at_any_scale(leave, keep, scales):
    X, Y, Z = points(scales)
    pairs, z = some(Pairs.grid(X, Y), Z, keep)
    phi = product_features(X[pairs.i], Y[pairs.j])
    label = {"pair": np.arange(len(z)), "row": pairs.i, "column": pairs.j}[leave]
    rmse = []
    for alpha in ALPHAS:
        left = np.empty(len(z))
        for name in np.unique(label):
            out = label == name
            left[out] = z[out] - phi[out] @ weights(phi[~out], z[~out], alpha)
        rmse.append(np.sqrt(np.mean(left**2)))
        problem = OperatorProblem(Linear()(X, X), Linear()(Y, Y), pairs, z, alpha)
        state = (Spectral() if problem.pairs.is_complete else Cholesky()).setup(problem)
        assert relative(state.leave_out_residuals(alpha, leave), left) < 1e-9
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the best may be at the end of the path
        cv = BinaryKernelRidgeCV(*LINEAR, alphas=ALPHAS, leave=leave, fit_intercept=False)
        cv.fit(pairs, z)
    assert relative(cv.leave_out_rmse_, np.array(rmse)) < 1e-9


def moved(M, problem):
    """The coordinate that counts most, by 1e-6 of itself."""
    size = np.abs(M) * np.sqrt(problem.factors.products + problem.alpha)
    other = M.copy()
    other[np.unravel_index(size.argmax(), M.shape)] *= 1 + 1e-6
    return other


def off_the_pairs(M, problem):
    """M with a thousandth of itself added in a direction that changes no value at the pairs."""
    factors, pairs = problem.factors, problem.pairs
    features = products(factors.left[pairs.i], factors.right[pairs.j])
    unseen = np.linalg.svd(features)[2][len(features) :]
    return M + 1e-3 * np.linalg.norm(M) * unseen[-1].reshape(M.shape) if len(unseen) else -M


def truncated(M, problem):
    """Without the coordinate that counts least of those that count for 1e-3 of the most."""
    size = np.abs(M) * np.sqrt(problem.factors.products + problem.alpha)
    least = np.where(size > 1e-3 * size.max(), size, np.inf).argmin()
    other = M.copy()
    other[np.unravel_index(least, M.shape)] = 0.0
    return other


@pytest.mark.parametrize(("name", "scales", "path"), every_two(GRAMS, SCALES, [*PATHS]), ids=repr)
def test_the_certificate_is_sharp_at_any_scale(name, path, scales):
    keep, solver = PATHS[path]
    problem, features, _ = problems(name, scales, keep)
    for alpha in () if unclear(features) else ALPHAS:
        at = problem.with_alpha(alpha)
        if (point := solved(at, path)) is None:
            continue
        M, c, _ = point
        mutants = {
            "α": solve(problem.with_alpha(1.01 * alpha), solver).value[:2],
            "one coordinate": (moved(M, at), c),
            "truncated": (truncated(M, at), c),
            "off the pairs": (off_the_pairs(M, at), c),
            "zero": (0 * M, c),
            "sign": (-M, c),
            "NaN": (M * np.nan, c),
            "c": (M, 1.01 * c),
        }
        weight = np.sqrt(at.factors.products + alpha)  # of coordinates at their own scale
        for what, (mutant, dual) in mutants.items():
            # A wrong α is no mutant where α changes nothing, nor a wrong c where it is rounding.
            wrong_M = not relative(weight * mutant, weight * M) < 2e-7
            if wrong_M or np.linalg.norm(dual - c) > 1e-6 * np.linalg.norm(at.z):
                for other in (dual, at.z - at.at_pairs(mutant)) if wrong_M else (dual,):
                    assert not at.certify(mutant, other, solver.tol).passed, what


@pytest.mark.parametrize("solver", [Cholesky(), ConjugateGradient()])
@pytest.mark.parametrize("alpha", [1e-12, 1.0])
@pytest.mark.parametrize("scale", [1e-3, 1, 1e6])
def test_what_no_pair_sees_is_zero(solver, alpha, scale):
    """Points on two axes of either domain, and pairs of the first axes and of the second."""
    rng = np.random.default_rng(0)
    turn_x, turn_y = (np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(2))
    axes = np.repeat(np.eye(2), 5, axis=0) * rng.uniform(1, 2, (10, 1))
    X, Y = scale * axes @ turn_x, scale * axes[::-1] @ turn_y
    same = np.kron(np.eye(2)[::-1], np.ones((5, 5))) > 0
    pairs = Pairs.from_mask(X, Y, same)
    z = rng.standard_normal(len(pairs))
    machine = BinaryKernelRidge(*LINEAR, alpha, solver=solver, fit_intercept=False).fit(pairs, z)
    h = machine.predict_grid(X, Y)
    phi = product_features(X[pairs.i], Y[pairs.j])
    assert np.abs(h[same] - phi @ weights(phi, z, alpha, 2)).max() < 1e-9
    assert np.abs(h[~same]).max() < 1e-6 * np.abs(h).max()


@pytest.mark.parametrize("scales", [(1, 1), (1, 1e8), (1e8, 1e8)])
@pytest.mark.parametrize("alpha", [1e-12, 1e-4, 1.0])
def test_a_point_under_two_ids_is_one_point_at_new_points(alpha, scales, digits):
    """Its responses contradict each other, so that what is left of them is large at any α."""
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((4, 4)) * [1, 1e-2, 1, 3], rng.standard_normal((3, 3))
    X[1] = X[0]
    X, Y = scales[0] * X, scales[1] * Y
    pairs = Pairs.grid(X, Y)[[0, 1, 2, 4, 5, 7, 9, 11]]
    z = rng.standard_normal(8)
    new = Pairs.grid(
        scales[0] * rng.standard_normal((2, 4)), scales[1] * rng.standard_normal((2, 3))
    )
    phi, rows = (products(each.X[each.i], each.Y[each.j]) / 12**0.25 for each in (pairs, new))
    machine = BinaryKernelRidge(*LINEAR, alpha, fit_intercept=False).fit(pairs, z)
    assert relative(machine.predict(pairs), exact(phi, z, alpha)) < 1e-11
    assert relative(machine.predict(new), exact(phi, z, alpha, rows)) < 1e-11


@pytest.mark.parametrize("name", [name for name, k in KERNELS.items() if k.is_mercer])
def test_equal_points_have_equal_eigenvectors(name):
    """A matrix product may round equal rows differently, and eigenvectors do."""
    X = np.random.default_rng(0).standard_normal((33, 5))[np.r_[:33, 0:33:2]]
    X[:, 0] *= 1e-3
    kernel = KERNELS[name]
    gram = _within.gram(kernel, Entities(X, None, "X"))
    assert relative(gram, kernel(X, X)) < 1e-15
    part = Eigen.of(gram, "gram_x").range()
    assert np.array_equal(part.eigenvectors[:33:2], part.eigenvectors[33:])
    assert relative(part.eigenvectors * part.eigenvalues @ part.eigenvectors.T, gram) < 1e-13
    assert relative(part.eigenvectors.T @ part.eigenvectors, np.eye(len(part.eigenvalues))) < 1e-13


def test_responses_that_no_operator_sees_are_solved_by_zero():
    X, Y, Z = points((1e3, 1e3))
    basis = np.linalg.qr(X, "complete")[0]
    Z = basis[:, 3:] @ basis[:, 3:].T @ Z  # no column of Z is a combination of X's
    machine = BinaryKernelRidge(*LINEAR, fit_intercept=False).fit(Pairs.grid(X, Y), Z)
    assert np.abs(machine.predict_grid(X, Y)).max() < 1e-12


def test_features_of_size_zero_predict_zero():
    X, Y, Z = points((0, 1))
    for path, (keep, solver) in PATHS.items():
        pairs, z = some(Pairs.grid(X, Y), Z, keep)
        machine = BinaryKernelRidge(*LINEAR, solver=solver, fit_intercept=False).fit(pairs, z)
        assert not machine.predict_grid(X + 1, Y).any(), path


@pytest.mark.parametrize("constant", [False, True])
def test_all_three_machines_agree_with_primal_ridge_at_any_scale(constant):
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(30, 3)), rng.normal(size=(20, 2))
    Z = np.sin(X[:, :1]) + Y[:, 0] + 0.1 * rng.normal(size=(30, 20))
    for scale in (1, 10, 100):
        pairs = Pairs.grid(scale * X, scale * Y)
        phi = product_features(pairs.X[pairs.i], pairs.Y[pairs.j])
        alphas = scale**4 * np.logspace(-3, 5, 9)
        machines = (
            BinaryKernelMachine(*LINEAR, penalty=Schatten(2), fit_intercept=constant),
            BinaryKernelRidge(*LINEAR, fit_intercept=constant),
            BinaryKernelRidgeCV(*LINEAR, alphas=alphas, fit_intercept=constant),
        )
        for machine in machines:
            machine.fit(pairs, Z)
            right = primal(phi, Z.ravel(), getattr(machine, "alpha_", 1.0), phi, constant)
            assert np.abs(machine.predict(pairs) - right).max() < 1e-13


def test_a_noisy_half_of_large_quadratic_features_takes_any_alpha():
    rng = np.random.default_rng(0)
    X, Y = 100 * rng.normal(size=(30, 3)), 100 * rng.normal(size=(20, 2))
    Z = rng.normal(size=(30, 20))
    seen = rng.uniform(size=Z.shape) < 0.5
    pairs = Pairs.from_mask(X, Y, seen)
    machine = BinaryKernelRidgeCV(Quadratic(), Quadratic(), alphas=(1e-3, 1e12))
    with pytest.warns(UserWarning, match=r"alpha = 1e\+12 is the largest of the 2"):
        machine.fit(pairs, Z[seen])
    assert machine.alpha_ == 1e12
    assert np.isfinite(machine.leave_out_rmse_).all()
    alone = BinaryKernelRidgeCV(Quadratic(), Quadratic(), alphas=(1e12,)).fit(pairs, Z[seen])
    assert alone.alpha_ == 1e12


@pytest.mark.parametrize("z", [0.0, 1.0])
@pytest.mark.parametrize("constant", [False, True])
def test_of_equal_errors_the_largest_alpha_is_taken_without_a_word(constant, z):
    """No response at all, or none that any operator sees."""
    pairs = Pairs.grid(np.zeros((3, 1)), points((1, 1))[1])
    alphas = (0.1, 10.0, 1.0)
    machine = BinaryKernelRidgeCV(
        Linear(), RBF(), alphas=alphas, leave="column", fit_intercept=constant
    )
    machine.fit(pairs, np.full(18, z))  # warnings are errors
    assert machine.alpha_ == 10.0
    assert np.ptp(machine.leave_out_rmse_) == 0
    assert machine.leave_out_rmse_[0] == pytest.approx(0.0 if constant else z)


@pytest.mark.parametrize("state", [SpectralState, DenseState])
def test_alphas_without_certificate_are_left_out_by_name(state, monkeypatch):
    X, Y, Z = points((1, 1))
    pairs, z = some(Pairs.grid(X, Y), Z, 42 if state is SpectralState else 32)
    alphas = (0.01, 0.1, 1.0, 10.0, 100.0)
    fit = BinaryKernelRidgeCV(RBF(2.0), RBF(2.0), alphas=alphas).fit
    monkeypatch.setattr(ridge_cv, "warn_end_of_path", lambda alpha, alphas: None)
    whole = fit(pairs, z).leave_out_rmse_
    best, second = (alphas[k] for k in np.argsort(whole)[:2])
    right = state.path

    def wrong(self, alphas, failing):
        for solution in right(self, alphas):
            certificate = replace(solution.certificate, kkt_residual=np.nan)
            fails = solution.problem.alpha in failing
            yield replace(solution, certificate=certificate) if fails else solution

    monkeypatch.setattr(state, "path", lambda self, alphas: wrong(self, alphas, {best, second}))
    names = ", ".join(f"{alpha:g}" for alpha in sorted((best, second)))
    with pytest.warns(ConvergenceWarning, match=f"in the fit to all pairs.*alpha = {names}"):
        machine = fit(pairs, z)
    failed = np.isin(alphas, (best, second))
    assert np.isnan(machine.leave_out_rmse_[failed]).all()
    assert np.array_equal(machine.leave_out_rmse_[~failed], whole[~failed])
    assert machine.alpha_ == np.array(alphas)[~failed][np.argmin(whole[~failed])]
    monkeypatch.setattr(state, "path", lambda self, path: wrong(self, path, set(alphas)))
    with pytest.raises(ConvergenceError, match="none of alphas was certified"):
        fit(pairs, z)


def test_weak_alphas_on_half_a_grid_are_certified():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, 60, 5))
    pairs = Pairs.from_mask(X, Y, rng.random((60, 60)) < 0.5)
    z = np.sin(X[pairs.i, 0] + Y[pairs.j, 0]) + 0.1 * rng.standard_normal(len(pairs))
    problem = OperatorProblem(RBF(0.3)(X, X), RBF(0.3)(Y, Y), pairs, z, 1e-4)
    solution = solve(problem, ConjugateGradient()).check()
    assert solution.stats["iterations"] < 2000
    other = solve(problem, Cholesky()).check()
    assert relative(problem.at_pairs(solution.value.M), problem.at_pairs(other.value.M)) < 1e-8


def test_a_precomputed_gram_matrix_is_its_kernel():
    X, Y, Z = points((1e3, 1e-2))
    rows = Pairs.grid(Precomputed.points(7), Precomputed.points(6))
    given = Precomputed(Linear()(X, X)), Precomputed(Linear()(Y, Y))
    for path, (keep, solver) in PATHS.items():
        pairs, z = some(rows, Z, keep)
        machine = BinaryKernelRidge(*given, alpha=0.1, solver=solver, fit_intercept=False)
        machine.fit(pairs, z)
        phi = product_features(X[pairs.i], Y[pairs.j])
        assert relative(machine.predict(pairs), primal(phi, z, 0.1, phi)) < 1e-9, path
