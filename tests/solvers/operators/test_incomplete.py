"""Ridge on some pairs: its products, its preconditioner, and fits against dense algebra."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgError, lstsq

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.laws import relative
from rkbs.machines import BinaryKernelRidge
from rkbs.problems import Offsets, OperatorProblem
from rkbs.solvers import Cholesky, ConjugateGradient, ConvergenceError, solve
from rkbs.solvers.operators import _pair_routes
from rkbs.solvers.operators._pair_expansion import solve_expansion
from rkbs.solvers.operators._pair_features import (
    PairFeatures,
    dense_inverse,
    effects_weight,
    of_sum_zero,
)
from rkbs.solvers.operators._pair_preconditioner import Preconditioner
from rkbs.solvers.operators._pair_products import PairProducts, Pattern
from rkbs.solvers.operators._pair_routes import Route, Routes


def drawn(n_x, n_y, keep, seed=0, ordered=True):
    """So many pairs of a grid, row by row or in any order."""
    flat = np.random.default_rng(seed).permutation(n_x * n_y)[:keep]
    return np.divmod(np.sort(flat) if ordered else flat, n_y)


def some(n_x=40, n_y=30, keep=360, alpha=0.1, scales=(1.0, 1.0), offsets=None, gamma=0.3):
    """Responses of a smooth surface with noise."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((n_x, 3)), rng.standard_normal((n_y, 3))
    i, j = drawn(n_x, n_y, keep)
    z = 2 + np.sin(X[i, 0] + Y[j, 0]) + X[i, 1] + 0.1 * rng.standard_normal(keep)
    kernel = RBF(gamma)
    grams = (scale * kernel(A, A) for scale, A in zip(scales, (X, Y), strict=True))
    return OperatorProblem(
        *grams, Pairs(X, Y, i, j), z, alpha * np.prod(scales), offsets=offsets or Offsets()
    )


# ---- products


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("keep", [1, 7, 200, 629, 630])
@pytest.mark.parametrize("spread_by", ["rows", "dense"])
@pytest.mark.parametrize("dots_by", ["sampled", "rows", "dense"])
def test_every_way_gives_the_same_products(dots_by, spread_by, keep, ordered):
    rng = np.random.default_rng(1)
    i, j = drawn(21, 30, keep, ordered=ordered)
    A, B = rng.standard_normal((21, 5)), rng.standard_normal((30, 5))
    c, C = rng.standard_normal(keep), np.zeros((21, 30))
    C[i, j] = c
    pattern = Pattern(i, j, (21, 30), dots_by, spread_by)
    assert relative(pattern.dots(A, B), (A @ B.T)[i, j]) < 1e-14
    assert relative(pattern.spread(c, B), C @ B) < 1e-14


@pytest.mark.parametrize("ranks", [(21, 30), (2, 30), (21, 2)])
@pytest.mark.parametrize("sizes", [(21, 30), (60, 8)])
@pytest.mark.parametrize("density", [0.02, 0.1, 0.3, 1.0])
def test_products_with_factors(density, sizes, ranks):
    rng = np.random.default_rng(2)
    keep = int(density * np.prod(sizes))
    i, j = drawn(*sizes, keep)
    L, R = (rng.standard_normal(shape) for shape in zip(sizes, ranks, strict=True))
    M, c, C = rng.standard_normal(ranks), rng.standard_normal(keep), np.zeros(sizes)
    C[i, j] = c
    products = PairProducts(L, R, i, j)
    assert relative(products.at_pairs(M), (L @ M @ R.T)[i, j]) < 1e-13
    assert relative(products.pull(c), L.T @ C @ R) < 1e-13
    assert relative(products.gram(c), (L @ L.T @ C @ R @ R.T)[i, j]) < 1e-13
    assert products.at_pairs(M) @ c == pytest.approx(np.vdot(M, products.pull(c)), rel=1e-10)


def test_the_ways_that_are_chosen():
    def ways(n_x, n_y, keep):
        pattern = Pattern.of(*drawn(n_x, n_y, keep), (n_x, n_y))
        return pattern.dots_by, pattern.spread_by

    assert ways(300, 300, 2400) == ("sampled", "rows")
    assert ways(300, 300, 2401) == ("rows", "rows")
    assert ways(300, 300, 5401) == ("dense", "rows")
    assert ways(300, 300, 9001) == ("dense", "dense")


def test_the_small_factor_is_multiplied_first():
    i, j = drawn(40, 40, 100)
    wide, narrow = np.ones((40, 40)), np.ones((40, 3))
    assert PairProducts(narrow, wide, i, j).turned
    assert not PairProducts(wide, narrow, i, j).turned


def test_a_product_with_the_gram_matrix_is_cheap_for_few_pairs_and_full_ranks():
    wide = np.ones((300, 300))
    few, some = (PairProducts(wide, wide, *drawn(300, 300, n)) for n in (450, 18000))
    assert few.cost_of_gram < few.cost_of_step / 3
    assert some.cost_of_gram < some.cost_of_step
    thin = PairProducts(wide[:, :2], wide[:, :2], *drawn(300, 300, 18000))
    assert thin.cost_of_step < thin.cost_of_gram


# ---- the preconditioner

EFFECTS = {
    "none": {},
    "constant": {"constant": True},
    "rows": {"constant": True, "rows": np.arange(40) // 2},
    "both": {"constant": True, "rows": np.arange(40), "columns": np.arange(30), "weight": 0.01},
    "columns alone": {"columns": np.arange(30), "weight": 3.0},
}


@pytest.mark.parametrize("gamma", [0.01, 0.3])  # with numerical ranks of a part, and in full
@pytest.mark.parametrize("effects", EFFECTS)
def test_it_is_exact_on_a_complete_grid(effects, gamma):
    offsets = Offsets(**EFFECTS[effects])
    problem = some(keep=1200, offsets=offsets, gamma=gamma)
    M = np.random.default_rng(3).standard_normal(problem.factors.products.shape)
    h, E = problem.at_pairs(M), offsets.matrix(problem.pairs)
    D = np.diag(offsets.decay(problem.alpha))
    rest = h - E @ (np.linalg.pinv(E.T @ E + D) @ (E.T @ h))
    G = problem.pull(rest) + problem.alpha * M
    weight = np.sqrt(problem.factors.products + problem.alpha)
    assert relative(weight * Preconditioner.of(problem)(G), weight * M) < 1e-6


@pytest.mark.parametrize("effects", EFFECTS)
def test_steps_on_half_a_grid_are_few_with_any_offsets(effects):
    problem = some(keep=600, offsets=Offsets(**EFFECTS[effects]), alpha=1.0)
    solution = solve(problem, ConjugateGradient()).check()
    assert solution.stats["iterations"] <= 25


# ---- the largest features


@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("rank", [1, 17, 1200])
def test_the_inverse_of_features_is_that_of_their_gram_matrix(rank, effects):
    problem = some(offsets=Offsets(**EFFECTS[effects]), alpha=0.3)
    largest = Routes(problem, PairProducts.of(problem)).largest[:rank]
    a, b = np.unravel_index(largest, problem.factors.products.shape)
    phi = problem.factors.left[np.ix_(problem.pairs.i, a)]
    phi = phi * problem.factors.right[np.ix_(problem.pairs.j, b)]
    E = problem.offsets.matrix(problem.pairs)[:, int(problem.offsets.constant) :]
    P = phi @ phi.T + effects_weight(problem) * E @ E.T + problem.alpha * np.eye(360)
    c = np.random.default_rng(5).standard_normal(360)
    features = PairFeatures.of(problem, [problem], [largest])
    found = features.inverse(problem.alpha, effects_weight(problem))
    assert relative(found(c), np.linalg.solve(P, c)) < 1e-9
    if rank == 1200:
        assert (
            relative(dense_inverse(problem, PairProducts.of(problem))(c), np.linalg.solve(P, c))
            < 1e-9
        )
    if problem.offsets.constant:
        between = np.block([[P, np.ones((360, 1))], [np.ones((1, 360)), np.zeros((1, 1))]])
        c = c - c.mean()
        best = np.linalg.solve(between, np.append(c, 0.0))[:-1]
        assert relative(of_sum_zero(problem, found)(c), best) < 1e-8


def test_the_largest_features_are_those_that_pairs_see_most():
    problem = some(keep=200)
    routes = Routes(problem, PairProducts.of(problem))
    M = np.eye(problem.factors.products.size).reshape(-1, *problem.factors.products.shape)
    size = np.array([np.linalg.norm(problem.at_pairs(one)) ** 2 for one in M])
    assert np.corrcoef(np.log(size), np.log(routes.seen))[0, 1] > 0.97
    assert np.all(np.diff(routes.seen[routes.largest]) <= 0)
    assert len(routes.largest) == size.size
    assert len(routes.unknown) == size.size + 1
    assert routes.unknown[-1] == 0.0


def test_the_largest_of_more_coordinates_than_are_ever_known():
    problem = some(90, 80, 2000, gamma=1.0)
    routes = Routes(problem, PairProducts.of(problem))
    assert len(routes.largest) == len(set(routes.largest)) == 4097 < routes.size
    best = np.sort(routes.seen)[::-1][:4097]
    np.testing.assert_allclose(routes.seen[routes.largest], best, rtol=1e-15)
    np.testing.assert_allclose(routes.top, best, rtol=1e-15)
    assert len(routes.unknown) == 4097
    rest = routes.seen.sum() - best[:9].sum()
    assert routes.unknown[9] == pytest.approx((best[9] ** 0.5 + (rest / 2000) ** 0.5) ** 2)


# ---- the routes


def test_routes_that_are_cheapest():
    """On small grids as measured: a factor for small α, features for moderate, M for most pairs."""

    def way(n, keep, alpha, **kwargs):
        problem = some(n, n, keep, alpha, gamma=1.0, **kwargs)
        return Routes(problem, PairProducts.of(problem)).cheapest(problem, 1e-10).way

    assert way(150, 1500, 1e-4) == "dense"
    assert way(150, 1500, 1.0) == "features"
    assert way(150, 1500, 1000.0) == "plain"
    assert way(150, 18000, 1.0) == "coordinates"
    assert way(30, 900, 1e-3) == "coordinates"


WAYS = [
    Route("dense", 0, 0.0),
    Route("features", 50, 0.0),
    Route("coordinates", 0, 0.0),
    Route("plain", 0, 0.0),
]


@pytest.fixture(params=WAYS, ids=lambda route: route.way)
def route(request, monkeypatch):
    """Each of the ways, whatever it costs."""
    monkeypatch.setattr(Routes, "cheapest", lambda *_: request.param)
    return request.param


def test_warm_starts_save_steps(route):
    """Except by a factor, which is exact from anywhere."""
    problem = some(alpha=1.0, offsets=Offsets(constant=True))
    state, alphas = ConjugateGradient().setup(problem), np.geomspace(1.5, 1, 5)
    warm = sum(found.check().stats["iterations"] for found in state.path(alphas))
    cold = sum(state.solve(alpha).stats["iterations"] for alpha in alphas)
    assert warm == cold if route.way == "dense" else warm < cold


def test_what_the_expansion_does_not_reach_goes_on_in_coordinates(monkeypatch):
    problem = some()
    monkeypatch.setattr(Routes, "cheapest", lambda *_: WAYS[1])
    monkeypatch.setattr(PairProducts, "gram", lambda self, a: a)  # of another kernel
    solution = solve(problem, ConjugateGradient()).check()
    assert np.linalg.norm(solution.value.c - dense(problem)[1]) < 1e-8 * np.linalg.norm(problem.z)


def test_a_factor_that_rounding_forbids_is_done_without(monkeypatch):
    def none(*_):
        raise LinAlgError

    problem = some()
    monkeypatch.setattr(Routes, "cheapest", lambda *_: WAYS[0])
    monkeypatch.setattr(_pair_routes, "dense_inverse", none)
    solution = solve(problem, ConjugateGradient()).check()
    assert np.linalg.norm(solution.value.c - dense(problem)[1]) < 1e-8 * np.linalg.norm(problem.z)


# ---- fits against dense algebra


def dense(problem):
    """θ and c of [K + αI, αE; αEᵀ, −αD] without the solvers' code."""
    i, j = problem.pairs.i, problem.pairs.j
    K = problem.gram_x[np.ix_(i, i)] * problem.gram_y[np.ix_(j, j)]
    E, alpha = problem.offsets.matrix(problem.pairs), problem.alpha
    D = np.diag(problem.offsets.decay(alpha))
    inverse = np.linalg.inv(K / alpha + np.eye(len(K)))
    theta = np.linalg.pinv(E.T @ inverse @ E + D) @ (E.T @ (inverse @ problem.z))
    return theta, inverse @ (problem.z - E @ theta)


def textbook(problem, tol=1e-10):
    """Steps of conjugate gradients on (K + αI) a = z, and K."""
    i, j = problem.pairs.i, problem.pairs.j
    K = problem.gram_x[np.ix_(i, i)] * problem.gram_y[np.ix_(j, j)]
    r = step = problem.z
    steps, enough = 0, tol * np.linalg.norm(r)
    while np.linalg.norm(r) > enough:
        image = K @ step + problem.alpha * step
        size = r @ r
        r = r - size / (step @ image) * image
        step, steps = r + (r @ r) / size * step, steps + 1
    return steps, K


@pytest.mark.parametrize("kept", [400, 1500])
@pytest.mark.parametrize("alpha", [1000.0, 100.0, 10.0, 1.0, 0.1])
def test_few_pairs_take_no_more_products_than_plain_conjugate_gradients(alpha, kept, monkeypatch):
    """But the three of M and of the certificate, and one more where the tolerance is kept twice."""
    problem = some(150, 150, kept, alpha, gamma=1.0)
    products, made = PairProducts.of(problem), []
    monkeypatch.setattr(PairProducts, "gram", lambda self, a: made.append(1) or self.by_factors(a))
    route = Routes(problem, products).cheapest(problem, 1e-10)
    solution = solve(problem, ConjugateGradient()).check()
    assert route.way != "coordinates"
    assert len(made) == solution.stats["iterations"] <= textbook(problem)[0] + 1


@pytest.mark.parametrize("effects", ["none", "both"])
@pytest.mark.parametrize("kind", ["random", "power law", "block"])
@pytest.mark.parametrize("alpha", [1000.0, 10.0, 0.1])
def test_the_estimated_steps_are_those_taken_up_to_a_factor(alpha, kind, effects):
    """Of plain conjugate gradients, from the eigenvalues of the domains alone."""
    mask = pattern_of(kind, (150, 150), 0.05, np.random.default_rng(0))
    whole = some(150, 150, 22500, alpha, gamma=1.0)
    pairs, z = Pairs.from_mask(whole.pairs.X, whole.pairs.Y, mask), whole.z[mask.ravel()]
    offsets = Offsets(rows=np.arange(150), weight=alpha) if effects == "both" else Offsets()
    problem = OperatorProblem(whole.gram_x, whole.gram_y, pairs, z, alpha, offsets=offsets)
    plain = Route("plain", 0, 0.0)
    with by(plain):
        taken = solve(problem, ConjugateGradient()).check().stats["iterations"]
    routes = Routes(problem, PairProducts.of(problem))
    estimated = routes.steps(problem.alpha, 1e-10)
    assert taken / 3 <= estimated <= 3 * taken


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("effects", EFFECTS)
@pytest.mark.parametrize("alpha", [100.0, 1.0, 1e-2])
@pytest.mark.parametrize("keep", [60, 360, 900])
def test_fits_with_offsets_are_those_of_dense_algebra(keep, alpha, effects):
    problem = some(keep=keep, alpha=alpha, offsets=Offsets(**EFFECTS[effects]))
    solution = solve(problem, ConjugateGradient()).check()
    theta, c = dense(problem)
    _, found, offsets = solution.value
    scale = np.linalg.norm(problem.z)
    assert np.linalg.norm(found - c) < 1e-8 * scale
    assert np.linalg.norm(offsets - theta) < 1e-6 * max(np.linalg.norm(theta), 1e-12)
    assert solution.certificate.kkt_residual < 1e-10


def test_steps_of_the_expansion_are_counted_and_bounded():
    problem = some(alpha=1e-3)
    gram, start = PairProducts.of(problem).by_factors, np.zeros_like(problem.z)
    assert solve_expansion(problem, gram, start, 1e-10, 3)[1] == 3


def test_a_small_alpha_on_half_a_grid_is_certified():
    problem = some(150, 150, 11250, 1e-4)
    assert solve(problem, ConjugateGradient()).check().certificate.kkt_residual < 1e-10


@pytest.mark.usefixtures("route")
@pytest.mark.parametrize("keep", [60, 360, 900])
@pytest.mark.parametrize("scales", [(1e-6, 1e-6), (1e6, 1e6), (1e-6, 1e6)])
def test_fits_are_the_same_at_extreme_scales(scales, keep):
    c = [
        solve(some(keep=keep, scales=each), ConjugateGradient()).check().value.c
        for each in ((1.0, 1.0), scales)
    ]
    assert relative(c[1], c[0]) < 1e-8


def test_entities_that_share_their_points():
    """Each point under two ids, which see the same operator and have effects of their own."""
    rng = np.random.default_rng(4)
    X, Y = np.repeat(rng.standard_normal((20, 2)), 2, 0), rng.standard_normal((30, 2))
    i, j = drawn(40, 30, 500)
    pairs, z = Pairs(X, Y, i, j, ids_x=np.arange(40)), rng.standard_normal(500)
    fits = [
        BinaryKernelRidge(RBF(), RBF(), 0.1, solver=solver, effects=("row",)).fit(pairs, z)
        for solver in (Cholesky(), ConjugateGradient())
    ]
    assert relative(*(fit.predict(pairs) for fit in fits)) < 1e-8
    assert relative(*(fit.row_effects_ for fit in fits)) < 1e-7


# ---- any pairs of any grid, against the features themselves


def pattern_of(kind, shape, density, rng):
    """A mask of pairs, at least one."""
    n_x, n_y = shape
    mask = rng.random(shape) < density
    if kind == "power law":
        mask = rng.random(shape) * np.multiply.outer(1.0 + np.arange(n_x), 1.0 + np.arange(n_y))
        mask = mask <= np.quantile(mask, density)
    if kind == "block":
        mask = mask.copy()
        mask[: (n_x + 1) // 2, : (n_y + 1) // 2] = True
    if kind == "row":
        mask = np.arange(n_x)[:, None] == np.full(n_y, rng.integers(n_x))
    if kind == "diagonal":
        mask = np.eye(*shape) > 0
    mask[0, 0] |= not mask.any()
    return mask


def features_of(kind, n, scale, rng):
    """Features of n points, (n, d)."""
    if kind == "identity":
        return scale * np.eye(n)
    d = {"few": min(n, 2), "as many": n, "decaying": n}[kind]
    fall = 10.0 ** -np.arange(d) if kind == "decaying" else np.ones(d)
    return scale * rng.standard_normal((n, d)) * fall


@dataclass
class Given:
    """Pairs with explicit features, and the dense least squares problem of their weights."""

    problem: OperatorProblem
    phi: np.ndarray

    def c(self):
        """z − Φw of w = argmin ‖Φw − z‖² + α‖w‖² by one QR decomposition of all the features."""
        d, z, alpha = self.phi.shape[1], self.problem.z, self.problem.alpha
        tall, right = np.vstack([self.phi, np.sqrt(alpha) * np.eye(d)]), np.append(z, np.zeros(d))
        return z - self.phi @ lstsq(tall, right, lapack_driver="gelsy")[0]

    def enough(self):
        """How far c may be off: 1e-8 of z, and what the rounding of the Gram matrices makes of it.

        They are formed, and decomposed, to some n · eps · λ_max, with n ≤ 9: of K that is
        4 n · eps · λ_max(K_X) λ_max(K_Y), and (K + αI)⁻¹ magnifies it by 1/α at most.
        """
        largest = self.problem.factors.products.max(initial=0.0)
        rounding = 36 * np.finfo(float).eps * largest / self.problem.alpha
        return (1e-8 + rounding) * np.linalg.norm(self.problem.z)


@st.composite
def given_pairs(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kinds = st.sampled_from(["few", "as many", "decaying", "identity"])
    scales = st.sampled_from([1e-6, 1.0, 1e6])
    phi_x, phi_y = (features_of(draw(kinds), n, draw(scales), rng) for n in shape)
    patterns = st.sampled_from(["random", "power law", "block", "row", "diagonal"])
    mask = pattern_of(draw(patterns), shape, draw(st.sampled_from([0.1, 0.4, 0.8, 1.0])), rng)
    grams = phi_x @ phi_x.T, phi_y @ phi_y.T
    largest = np.prod([np.linalg.eigvalsh(gram)[-1] for gram in grams])
    alpha = largest * 10.0 ** -draw(st.floats(-2, 9.99))
    pairs = Pairs.from_mask(np.zeros((shape[0], 1)), np.zeros((shape[1], 1)), mask)
    z = draw(scales) * rng.standard_normal(len(pairs))
    phi = phi_x[pairs.i][:, :, None] * phi_y[pairs.j][:, None, :]
    return Given(OperatorProblem(*grams, pairs, z, alpha), phi.reshape(len(pairs), -1))


ANY = st.sampled_from([None, *WAYS])


@contextmanager
def by(route):
    """A way, or the one that is estimated to be cheapest."""
    with pytest.MonkeyPatch.context() as patch:
        if route is not None:
            patch.setattr(Routes, "cheapest", lambda *_: route)
        yield


@settings(max_examples=150)
@given(given_pairs(), ANY)
def test_any_pairs_are_solved_and_as_their_features_are(case, route):
    """For α from 1e-10 λ_max(K_X) λ_max(K_Y) on no residual is above its tolerance."""
    with by(route):
        solution = solve(case.problem, ConjugateGradient()).check()
    assert np.linalg.norm(solution.value.c - case.c()) <= case.enough()


@settings(max_examples=100)
@given(given_pairs(), ANY, st.integers(1, 6))
def test_a_residual_above_its_tolerance_is_an_error(case, route, most):
    """With too few steps: what does not raise is right."""
    with by(route):
        solution = solve(case.problem, ConjugateGradient(max_iter=most))
    assert solution.stats["iterations"] <= most
    if solution.certificate.passed:
        assert np.linalg.norm(solution.value.c - case.c()) <= case.enough()
    else:
        with pytest.raises(ConvergenceError, match="above the tolerance 1e-10"):
            solution.check()


@given(given_pairs(), st.integers(0, 1), st.floats(-1, -1e-3))
def test_indefinite_matrices_are_refused(case, side, least):
    problem = case.problem
    grams = [problem.gram_x, problem.gram_y]
    v = np.ones(len(grams[side])) / np.sqrt(len(grams[side]))
    top = np.linalg.eigvalsh(grams[side])[-1]
    grams[side] = grams[side] + (least * top - v @ grams[side] @ v) * np.outer(v, v)
    wrong = OperatorProblem(*grams, problem.pairs, problem.z, problem.alpha)
    name = ("gram_x", "gram_y")[side]
    with pytest.raises(ValueError, match=f"{name} must be positive semi-definite"):
        solve(wrong, ConjugateGradient())
