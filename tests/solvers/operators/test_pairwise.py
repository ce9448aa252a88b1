"""Ridge with sums of Kronecker products: dense algebra with np.kron, and its certificate."""

from dataclasses import replace

import numpy as np
import pytest

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Laplace, Linear
from rkbs.laws import relative
from rkbs.problems import OperatorProblem, PairwiseProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import ConjugateGradient, PairwiseConjugateGradient, solve
from rkbs.solvers.operators import pairwise
from rkbs.terms import Huber, Squared, Weighted

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((11, 2)), RNG.standard_normal((9, 2))
GRAMS = [
    (RBF(0.3)(X, X), Laplace()(Y, Y)),
    (0.5 * Linear()(X, X), np.ones((9, 9))),
    (np.eye(11), 2.0 * RBF()(Y, Y)),
]
GRID = Pairs.grid(X, Y)
SOME = GRID[np.sort(RNG.permutation(99)[:60])]
Z = 3 + RNG.standard_normal(99)
OFFSETS = {
    "none": Offsets(),
    "constant": Offsets(True),
    "effects": Offsets(True, np.arange(11) // 2, np.arange(9), 0.4),
}


def problem_of(pairs, offsets="constant", weighted=False, alpha=0.05, grams=GRAMS):
    z = GRID.matrix(Z)[pairs.i, pairs.j]
    loss = Weighted(Squared(), np.exp(RNG.standard_normal(len(pairs)))) if weighted else Squared()
    return PairwiseProblem(grams, pairs, z, alpha, loss, offsets=OFFSETS[offsets])


def dense(problem):
    """c and the values on the grid, K the sum of np.kron."""
    pairs, offsets, alpha = problem.pairs, problem.offsets, problem.alpha
    cells, K = pairs.i * 9 + pairs.j, sum(np.kron(*pair) for pair in problem.grams)
    E, D = offsets.matrix(pairs), np.diag(offsets.decay(alpha))
    w = getattr(problem.loss, "weights", np.ones(len(pairs)))
    system = np.block([[K[np.ix_(cells, cells)] + np.diag(alpha / w), E], [alpha * E.T, -D]])
    found = np.linalg.lstsq(system, np.append(problem.z, np.zeros(len(D))), rcond=1e-15)[0]
    a, theta = np.split(found, [len(pairs)])
    return alpha * a, K[:, cells] @ a + offsets.matrix(GRID) @ theta


def on_grid(problem, point):
    parts = zip(problem.terms, problem.parts(point.M), strict=True)
    h = sum(term.factors.push(part).ravel() for term, part in parts)
    return h + problem.offsets.at_pairs(point.theta, GRID) if problem.offsets.size else h


@pytest.mark.parametrize("way", ["dense", "features", "weights"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("offsets", OFFSETS)
@pytest.mark.parametrize("pairs", [GRID, SOME], ids=["grid", "some"])
def test_dense_algebra_agrees(pairs, offsets, weighted, way, monkeypatch):
    if way != "dense":
        monkeypatch.setattr(pairwise, "_FEW", 0)
    if way == "features":
        monkeypatch.setattr(pairwise, "_MOST", 40)
    if way == "weights":  # as where rounding hides α
        monkeypatch.setattr(pairwise.PairFeatures, "inverse", _hidden)
    problem = problem_of(pairs, offsets, weighted)
    solution = solve(problem, PairwiseConjugateGradient(1e-12)).check()
    c, h = dense(problem)
    assert relative(solution.value.c, c) < 1e-9
    assert relative(on_grid(problem, solution.value), h) < 1e-9
    steps = solution.stats["iterations"]
    assert steps <= 3 if way == "dense" else steps > 5


def _hidden(*_):
    raise np.linalg.LinAlgError


def test_all_features_make_an_exact_preconditioner(monkeypatch):
    monkeypatch.setattr(pairwise, "_FEW", 0)
    few = [(Linear()(X, X), Linear()(Y, Y)), (Linear()(X, X) ** 2, np.ones((9, 9)))]
    problem = problem_of(GRID, grams=few, alpha=1e-4)
    assert solve(problem, PairwiseConjugateGradient()).check().stats["iterations"] <= 3


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_one_product_is_the_operator_problem(weighted):
    problem = problem_of(SOME, "effects", weighted, grams=GRAMS[:1])
    twin = OperatorProblem(
        *GRAMS[0], SOME, problem.z, 0.05, problem.loss, offsets=OFFSETS["effects"]
    )
    found, expected = (
        solve(one, solver(1e-12)).check()
        for one, solver in ((problem, PairwiseConjugateGradient), (twin, ConjugateGradient))
    )
    assert relative(found.value.M, expected.value.M.ravel()) < 1e-8
    other = twin.certify(found.value.M.reshape(11, 9), found.value.c, 1e-12, found.value.theta)
    assert found.certificate.kkt_residual == pytest.approx(other.kkt_residual, rel=1e-6)
    assert problem.objective(found.value.M, found.value.theta) == pytest.approx(
        twin.objective(expected.value.M, expected.value.theta), rel=1e-12
    )


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("offsets", OFFSETS)
def test_the_certificate_bites_and_its_gap_bounds_the_excess(offsets, weighted):
    problem = problem_of(SOME, offsets, weighted)
    best = solve(problem, PairwiseConjugateGradient(1e-13)).check()
    M, c, theta = best.value
    least = problem.objective(M, theta)
    assert problem.dual_objective(c) == pytest.approx(least, rel=1e-9)
    for size in (1e-2, 1e-5):
        for part, start, stop in (("M", 0, 99), ("M", 99, len(M)), ("c", 0, 60), ("theta", 0, 99)):
            value = getattr(best.value, part)
            if not value[start:stop].any():
                continue
            moved = value.copy()
            moved[start:stop] *= 1 + size * RNG.standard_normal(len(moved[start:stop]))
            point = best.value._replace(**{part: moved})
            found = problem.certify(point.M, point.c, 1e-13, point.theta)
            assert found.kkt_residual > 1e-4 * size
            assert not found.passed
            excess = problem.objective(point.M, point.theta) - least
            primal = problem.objective(point.M, point.theta)
            assert excess <= found.relative_gap * max(primal, least) + 1e-12 * primal


def test_scales_and_losses_are_checked():
    problem = problem_of(SOME)
    huber = replace(problem, loss=Huber())
    bad = (
        (lambda: solve(huber, PairwiseConjugateGradient()), ValueError, "needs the squared loss"),
        (
            lambda: problem_of(SOME, grams=[]),
            ValueError,
            "^grams must hold .* at least one product",
        ),
        (lambda: problem_of(SOME, grams=[GRAMS[0][:1]]), ValueError, "^grams must hold"),
        (lambda: problem_of(SOME, grams=[GRAMS[0][::-1]]), ValueError, "^gram_x must have shape"),
        (lambda: problem_of(SOME, alpha=0.0), ValueError, "^alpha must be positive"),
        (lambda: PairwiseConjugateGradient(tol=0.0), ValueError, "^tol must be positive"),
        (lambda: PairwiseConjugateGradient(max_iter=0), ValueError, "^max_iter must be at least 1"),
    )
    for call, error, says in bad:
        with pytest.raises(error, match=says):
            call()
    value = solve(problem, PairwiseConjugateGradient()).value
    rows = [gram[:2] for gram, _ in GRAMS], [gram[:3] for _, gram in GRAMS]
    h = problem.predict_grid(value, *rows)
    assert relative(h.ravel(), on_grid(problem, value).reshape(11, 9)[:2, :3].ravel()) < 1e-12
    with pytest.raises(ValueError, match="rows of the kernel of each of 3 products, got 2 and 3"):
        problem.predict_grid(value, rows[0][:2], rows[1])
    effects = problem_of(SOME, "effects")
    with pytest.raises(ValueError, match="rows of kernels do not say whose effects"):
        effects.predict_grid(solve(effects, PairwiseConjugateGradient()).value, *rows)


def test_kernels_of_no_features_leave_the_constant(monkeypatch):
    monkeypatch.setattr(pairwise, "_FEW", 0)
    nothing = [(np.zeros((11, 11)), np.ones((9, 9)))]
    solution = solve(problem_of(SOME, grams=nothing), PairwiseConjugateGradient()).check()
    z = GRID.matrix(Z)[SOME.i, SOME.j]
    assert solution.value.theta[0] == pytest.approx(z.mean(), rel=1e-12)


def test_a_fit_ends_where_its_tolerance_is_kept(monkeypatch):
    monkeypatch.setattr(pairwise, "_FEW", 0)
    monkeypatch.setattr(pairwise.PairFeatures, "inverse", _hidden)
    problem = problem_of(SOME)
    rough, exact = (
        solve(problem, PairwiseConjugateGradient(tol)).check().stats["iterations"]
        for tol in (1e-2, 1e-12)
    )
    assert 0 < rough < exact / 2


def test_responses_may_come_as_the_matrix_of_a_grid():
    problem = PairwiseProblem(GRAMS, GRID, Z.reshape(11, 9), 1)
    assert problem.z.shape == (99,)
    assert isinstance(problem.alpha, float)
    found, expected = (
        solve(one, PairwiseConjugateGradient()).value.c
        for one in (problem, problem_of(GRID, "none", alpha=1.0))
    )
    assert np.array_equal(found, expected)
