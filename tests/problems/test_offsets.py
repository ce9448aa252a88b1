"""Constants and effects beside the operator: against systems of equations and scikit-learn."""

import itertools

import numpy as np
import pytest
from helpers import every_two
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, SVR

from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.problems import OperatorProblem
from rkbs.problems._least_pull import slope_bounds
from rkbs.problems.offsets import Offsets, balanced, best_constant
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import (
    ADMM,
    Cholesky,
    ConjugateGradient,
    Factorized,
    Spectral,
    SpectralNewton,
    solve,
)
from rkbs.solvers.operators._offset_system import OffsetSystem
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.spectral_penalties import Schatten

N_X, N_Y = 8, 6
RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(N_X, 2)), RNG.normal(size=(N_Y, 2))
GRAMS = RBF(0.5)(X, X), RBF(0.5)(Y, Y)
MASK = RNG.random((N_X, N_Y)) < 0.6
GRID, HALF = Pairs.grid(X, Y), Pairs.from_mask(X, Y, MASK)
Z = 7 + 2 * RNG.normal(size=(N_X, N_Y))
LABELS = np.where(Z > 6.3, 1.0, -1.0)
ROWS, COLUMNS = np.arange(N_X), np.arange(N_Y)
OFFSETS = {
    "constant": Offsets(True),
    "rows": Offsets(False, ROWS),
    "constant and rows": Offsets(True, ROWS, weight=0.3),
    "constant and columns": Offsets(True, None, COLUMNS, weight=5.0),
    "all": Offsets(True, ROWS, COLUMNS),
    "shared": Offsets(True, ROWS // 2, COLUMNS // 3, weight=0.02),
}
LOSSES = (Squared(), Huber(0.4), EpsilonInsensitive(0.2), Logistic(), Hinge())
SOLVERS = {
    "Spectral": (Spectral(), GRID),
    "Cholesky, grid": (Cholesky(), GRID),
    "Cholesky": (Cholesky(), HALF),
    "ConjugateGradient, grid": (ConjugateGradient(), GRID),
    "ConjugateGradient": (ConjugateGradient(), HALF),
}


def gram_of(pairs):
    return GRAMS[0][np.ix_(pairs.i, pairs.i)] * GRAMS[1][np.ix_(pairs.j, pairs.j)]


def indicators(offsets, pairs):
    """E, written out."""
    parts = [np.ones((len(pairs), 1))] if offsets.constant else []
    for labels, index in ((offsets.rows, pairs.i), (offsets.columns, pairs.j)):
        if labels is not None:
            parts.append(np.equal.outer(labels[index], np.unique(labels)).astype(float))
    return np.hstack(parts)


def weights(offsets, alpha):
    effects = alpha if offsets.weight is None else offsets.weight
    return np.array([0.0] * offsets.constant + [effects] * sum(offsets.sizes[1:]))


def bordered(K, E, D, z, alpha):
    """c and θ from one system: c + Kc/α + Eθ = z, Eᵀc = Dθ."""
    n, p = E.shape
    system = np.block([[K / alpha + np.eye(n), E], [E.T, -np.diag(D)]])
    solution = np.linalg.solve(system, np.concatenate([z, np.zeros(p)]))
    return solution[:n], solution[n:]


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize("name", SOLVERS)
def test_ridge_solves_the_bordered_system(name, offsets, alpha):
    solver, pairs = SOLVERS[name]
    z = pairs.entries(Z)
    problem = OperatorProblem(*GRAMS, pairs, z, alpha, offsets=offsets)
    E, D = indicators(offsets, pairs), weights(offsets, alpha)
    c, theta = bordered(gram_of(pairs), E, D, z, alpha)
    point = solve(problem, solver).check().value
    assert np.abs(point.c - c).max() <= 1e-8
    assert np.abs(point.theta - theta).max() <= 1e-8
    assert np.abs(problem.fitted(point.M, point.theta) - (z - c)).max() <= 1e-8
    assert problem.objective(point.M, point.theta) == pytest.approx(
        problem.dual_objective(problem.feasible(point.c)), rel=1e-12
    )


@pytest.mark.parametrize("alpha", [1e-12, 1e-9, 1e-6])
@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
def test_conjugate_gradients_know_the_offsets_where_alpha_is_near_rounding(offsets, alpha):
    """There it is the coefficients a = c/α that they seek, with the effects as a kernel."""
    z, K = HALF.entries(Z), gram_of(HALF)
    problem = OperatorProblem(*GRAMS, HALF, z, alpha, offsets=offsets)
    right = bordered(K, indicators(offsets, HALF), weights(offsets, alpha), z, alpha)
    point = solve(problem, ConjugateGradient()).check().value
    # They end at a residual of 1e-11, which K's condition makes an error of.
    assert 1e-11 * np.linalg.cond(K) < 1e-6
    for found, expected in zip((point.c, point.theta), right, strict=True):
        assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)


def leave_out(pairs, label, offsets, alpha):
    """Refits without each set of pairs, by the bordered system; an effect that is gone is 0."""
    z, K = pairs.entries(Z), gram_of(pairs)
    E, D, out = indicators(offsets, pairs), weights(offsets, alpha), np.empty(len(pairs))
    for name in np.unique(label):
        left, kept = label == name, label != name
        c, theta = bordered(K[np.ix_(kept, kept)], E[kept], D, z[kept], alpha)
        out[left] = z[left] - K[np.ix_(left, kept)] @ c / alpha - E[left] @ theta
    return out


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("kind", "leave", "name"),
    every_two(OFFSETS, ("pair", "row", "column"), ("Spectral", "Cholesky, grid", "Cholesky")),
)
def test_leave_out_is_that_of_refits(kind, leave, name, grouped):
    offsets, (solver, pairs) = OFFSETS[kind], SOLVERS[name]
    groups = Groups(ROWS // 3, np.maximum(COLUMNS, 2)) if grouped else Groups.single(pairs)
    label = groups.of_pairs(pairs, leave)
    for alpha in (0.01, 1.0):
        problem = OperatorProblem(*GRAMS, pairs, pairs.entries(Z), alpha, offsets=offsets)
        found = solver.setup(problem).leave_out_residuals(alpha, leave, groups)
        assert np.abs(found - leave_out(pairs, label, offsets, alpha)).max() <= 1e-8


def test_effects_of_a_row_left_out_are_zero():
    offsets = OFFSETS["rows"]
    E, D = indicators(offsets, GRID), weights(offsets, 1.0)
    kept = GRID.i != 3
    theta = bordered(gram_of(GRID)[np.ix_(kept, kept)], E[kept], D, GRID.entries(Z)[kept], 1.0)[1]
    assert theta[3] == 0


def responses(loss):
    return LABELS if loss.labels else Z


def schatten(loss, p, share, pairs=GRID):
    z = pairs.entries(responses(loss))
    problem = SchattenProblem(*GRAMS, pairs, z, 1.0, loss, Schatten(p), offsets=Offsets(True))
    pull = problem.pull(problem.without_operator[1])
    return problem.with_alpha(share * np.linalg.norm(pull, 2))


SMOOTH = [
    (loss, p, SpectralNewton()) for loss in LOSSES if loss.smooth for p in (1.3, 1.5, 2, 3, 4)
]
SMOOTH += [(loss, 1, Factorized()) for loss in LOSSES if loss.smooth]
ANY = [(loss, p, ADMM(tol=1e-8)) for loss in LOSSES for p in (1, 1.5, 2, 3)]


@pytest.mark.parametrize("pairs", [GRID, HALF], ids=["grid", "half"])
@pytest.mark.parametrize(("loss", "p", "solver"), SMOOTH + ANY)
def test_a_constant_is_certified_and_c_sums_to_zero(loss, p, solver, pairs):
    problem = schatten(loss, p, 0.1, pairs)
    M, c, theta = solve(problem, solver).check().value
    assert abs(c.sum()) <= 1e-13 * np.abs(c).sum()
    primal = problem.objective(M, theta)
    for step in (-1e-3, 1e-3):  # the constant is a minimizer beside M, by hand
        h = problem.at_pairs(M) + theta[0] + step
        penalty = problem.alpha * problem.penalty.value(np.linalg.svd(M, compute_uv=False))
        assert loss.value(h, problem.z).sum() + penalty >= primal * (1 - 1e-12)
    for wrong in (0.9 * theta, theta + 1):
        assert not problem.certify(M, c, solver.tol, wrong).passed
    shifted = c + 1e-3 * np.abs(c).max()
    assert problem.dual_objective(shifted) == -np.inf


@pytest.mark.parametrize("loss", LOSSES)
def test_the_constant_is_that_of_a_search_over_problems_without(loss):
    """inf over b of the problem of ℓ(h + b), whose responses are shifted, or by search of b."""
    problem = schatten(loss, 1, 0.1)
    solution = solve(problem, ADMM(tol=1e-9)).check()
    if loss.of_residual:

        def value(b):
            without = SchattenProblem(
                *GRAMS, GRID, problem.z - b, problem.alpha, loss, problem.penalty
            )
            return solve(without, ADMM(tol=1e-9)).check().certificate.primal

        best = minimize_scalar(value, (4, 7, 10), tol=1e-6).fun
        assert solution.certificate.primal == pytest.approx(best, rel=1e-7)
    without = SchattenProblem(*GRAMS, GRID, problem.z, problem.alpha, loss, problem.penalty)
    assert solution.certificate.primal < solve(without, ADMM(tol=1e-6)).certificate.dual


def features(pairs):
    left, right = (np.linalg.cholesky(gram + 1e-14 * np.eye(len(gram))) for gram in GRAMS)
    return (left[pairs.i][:, :, None] * right[pairs.j][:, None, :]).reshape(len(pairs), -1)


@pytest.mark.parametrize("pairs", [GRID, HALF], ids=["grid", "half"])
@pytest.mark.parametrize("loss", [Logistic(), Hinge(), EpsilonInsensitive(0.2)])
def test_p_two_is_the_machine_of_scikit_learn_with_its_intercept(loss, pairs):
    z, K = pairs.entries(responses(loss)), gram_of(pairs)
    alpha = 0.3
    problem = SchattenProblem(*GRAMS, pairs, z, alpha, loss, Schatten(2), offsets=Offsets(True))
    M, _, theta = solve(problem, ADMM(tol=1e-10)).check().value
    h = problem.fitted(M, theta)
    if isinstance(loss, Logistic):
        twin = LogisticRegression(C=1 / alpha, tol=1e-12, max_iter=10_000).fit(features(pairs), z)
        reference, b = twin.decision_function(features(pairs)), twin.intercept_[0]
    elif isinstance(loss, Hinge):
        twin = SVC(C=1 / alpha, kernel="precomputed", tol=1e-10).fit(K, z)
        reference, b = twin.decision_function(K), twin.intercept_[0]
    else:
        twin = SVR(C=1 / alpha, epsilon=0.2, kernel="precomputed", tol=1e-10).fit(K, z)
        reference, b = twin.predict(K), twin.intercept_[0]
    assert np.abs(h - reference).max() <= 1e-3
    assert theta[0] == pytest.approx(b, abs=1e-3)


@pytest.mark.parametrize("p", [1.5, 2, 3])
def test_newton_and_admm_agree_on_the_constant(p):
    problem = schatten(Logistic(), p, 0.05, HALF)
    first, second = (solve(problem, s).check().value for s in (SpectralNewton(), ADMM(tol=1e-10)))
    assert np.abs(first.M - second.M).max() <= 1e-4
    assert abs(first.theta[0] - second.theta[0]) <= 1e-4


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_the_best_constant(loss, shift):
    rng = np.random.default_rng(4)
    for _ in range(20):
        h = rng.normal(size=9) * 10 ** rng.uniform(-3, 2) + shift
        z = np.sign(rng.normal(size=9) + 0.3) if not loss.of_residual else rng.normal(size=9) + 3
        if not loss.of_residual:
            z[:2] = 1, -1
        b, c = best_constant(loss, h, z)

        def value(b, h=h, z=z):
            return loss.value(h + b, z).sum()

        reach = np.ptp(z - h) + 10.0
        middle = (z - h).mean()
        found = minimize_scalar(value, bounds=(middle - reach, middle + reach), method="bounded")
        assert value(b) <= found.fun * (1 + 1e-9) + 1e-11 * shift
        assert abs(c.sum()) <= 1e-12 * np.abs(c).sum()
        # −c is a subgradient: ℓ lies above its tangents there
        for t in (-1.0, -0.1, 0.1, 1.0):
            rise = loss.value(h + b + t, z) - loss.value(h + b, z) + c * t
            assert (rise >= -1e-9 * (1 + shift)).all()


@pytest.mark.parametrize("share", [0.5, 1e-1, 1e-3])
@pytest.mark.parametrize("shift", [0.0, -30.0, 700.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_constant_of_rare_labels_is_their_log_odds(share, shift, sign, monkeypatch):
    """Also far beyond the spread of z − h; and sooner than by the 50 halvings to rounding."""
    points, right = [], Logistic.gradient

    def recorded(self, h, z):
        points.append(h)
        assert len(points) < 999  # an endless search is no result
        return right(self, h, z)

    monkeypatch.setattr(Logistic, "gradient", recorded)
    z = np.where(np.arange(2000) < 2000 * share, sign, -sign)
    b, c = best_constant(Logistic(), np.full(2000, shift), z)
    assert b == pytest.approx(sign * np.log(share / (1 - share)) - shift, rel=1e-12)
    assert abs(c.sum()) <= 1e-13 * np.abs(c).sum()
    assert shift or len(points) < 50


class Falling(Logistic):
    """ℓ(h; z) = −zh, which no constant minimizes, and which does not say so."""

    def value(self, h, z):
        return -z * h

    def gradient(self, h, z):
        return -z * np.ones_like(h)

    def check_constant(self, z):
        return z


@pytest.mark.parametrize("label", [1.0, -1.0])
@pytest.mark.parametrize(
    ("loss", "message"),
    [(Logistic(), "labels of both classes"), (Falling(), "no constant minimizes")],
    ids=["known", "found"],
)
def test_where_no_constant_is_best_the_error_says_so(loss, message, label):
    with pytest.raises(ValueError, match=message):
        best_constant(loss, np.linspace(-1, 1, 9), np.full(9, label))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1.0, 1e8])
def test_bounds_of_the_slopes_hold_a_subgradient_of_sum_zero(size, seed):
    """One response of another size than most moves the best constant off its kink, by rounding."""
    z = np.random.default_rng(seed).normal(size=9)
    z[0] *= size
    loss = EpsilonInsensitive(0.0)  # the median of nine, which is one of them
    b, c = best_constant(loss, np.zeros(9), z)
    low, high = slope_bounds(loss, b, z)
    assert low.sum() <= 0 <= high.sum()
    assert (low <= c).all()
    assert (c <= high).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_zero_threshold_with_a_constant(loss):
    problem = schatten(loss, 1, 1.0)
    threshold = problem.zero_threshold()
    assert threshold == pytest.approx(problem.alpha)
    at = solve(problem.with_alpha(1.0001 * threshold), ADMM()).check().value
    assert not at.M.any()
    assert at.theta[0] == pytest.approx(problem.without_operator[0])
    if loss.smooth:  # of the hinge loss's subgradients of sum 0 one is taken, not the least
        below = solve(problem.with_alpha(0.99 * threshold), ADMM(tol=1e-7)).check().value
        assert below.M.any()


def test_responses_without_variation_need_no_operator():
    z = np.full(len(GRID), 0.1 + 0.2)
    for offsets in (OFFSETS["constant"], OFFSETS["all"]):
        problem = OperatorProblem(*GRAMS, GRID, z, 0.1, offsets=offsets)
        for solver in (Spectral(), Cholesky(), ConjugateGradient()):
            M, c, theta = solve(problem, solver).check().value
            assert not M.any()
            assert not c.any()
            assert problem.fitted(M, theta) == pytest.approx(z, rel=1e-15)
    spectral = SchattenProblem(*GRAMS, GRID, z, 0.1, offsets=Offsets(True))
    assert spectral.zero_threshold() == 0
    assert not solve(spectral, ADMM()).check().value.M.any()


def test_a_weak_alpha_and_an_operator_that_knows_the_constant():
    """K + 1 has the constant as a feature: all weight goes to the free one."""
    grams = tuple(gram + 1.0 for gram in GRAMS)
    for alpha, solver in itertools.product((1e-8, 1e-3), (Spectral(), Cholesky())):
        problem = OperatorProblem(*grams, GRID, GRID.entries(Z), alpha, offsets=Offsets(True))
        point = solve(problem, solver).check().value
        K = grams[0][np.ix_(GRID.i, GRID.i)] * grams[1][np.ix_(GRID.j, GRID.j)]
        c, theta = bordered(K, np.ones((len(GRID), 1)), np.zeros(1), problem.z, alpha)
        assert point.theta[0] == pytest.approx(theta[0], rel=1e-6)
        assert np.abs(point.c - c).max() <= 1e-6 * np.abs(c).max()


@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
def test_a_system_that_rounding_makes_singular_is_solved_in_its_range(offsets):
    """Of a weight below all rounding, what is seen of rank one, and exact."""
    faint = Offsets(offsets.constant, offsets.rows, offsets.columns, 1e-30)
    v = faint.sums(np.ones(len(GRID)), GRID)  # orthogonal to the ties
    seen = np.outer(v, v)
    theta = OffsetSystem.of(faint, GRID, seen, 1.0).solve(v)
    assert np.abs(seen @ theta - v).max() <= 1e-12 * np.abs(v).max()


def test_wrong_offsets_are_not_certified():
    problem = OperatorProblem(*GRAMS, GRID, GRID.entries(Z), 0.5, offsets=OFFSETS["all"])
    M, c, theta = solve(problem, Spectral()).check().value
    for k in (0, 1, N_X + 1):
        wrong = theta.copy()
        wrong[k] += 1e-4 * np.abs(theta[k])
        assert not problem.certify(M, c, 1e-8, wrong).passed
        assert problem.certify(M, c, 1e-8, wrong).relative_gap > 1e-12
    assert not problem.certify(M, c + 1e-6, 1e-8, theta).passed
    heavier = OperatorProblem(
        *GRAMS, GRID, GRID.entries(Z), 0.5, offsets=Offsets(True, ROWS, COLUMNS, 0.6)
    )
    assert not heavier.certify(M, c, 1e-8, theta).passed


def test_balanced_keeps_every_entry_in_its_interval():
    c = np.array([1.0, 2.0, -0.5, 0.0])
    made = balanced(c)
    assert made.sum() == pytest.approx(0, abs=1e-15)
    assert ((made * c >= 0) & (np.abs(made) <= np.abs(c))).all()
    assert not balanced(np.abs(c)).any()
    assert not balanced(np.zeros(3)).any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Offsets(weight=0.0), "effects_alpha must be positive"),
        (
            lambda: SchattenProblem(*GRAMS, GRID, Z, 1.0, offsets=Offsets(True, ROWS)),
            "hold a constant at most",
        ),
        (
            lambda: OperatorProblem(
                *GRAMS, GRID, np.ones((N_X, N_Y)), 1.0, Logistic(), offsets=Offsets(True)
            ),
            "labels of both classes",
        ),
        (
            lambda: OperatorProblem(*GRAMS, GRID, Z, 1.0, offsets=Offsets(True)).objective(
                np.zeros((N_X, N_Y))
            ),
            r"theta must have shape \(1,\)",
        ),
    ],
)
def test_what_does_not_fit(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_hinge_labels_of_one_class_have_a_minimizer():
    problem = SchattenProblem(
        *GRAMS, GRID, np.ones((N_X, N_Y)), 1.0, Hinge(), offsets=Offsets(True)
    )
    M, _, theta = solve(problem, ADMM()).check().value
    assert not M.any()
    assert problem.objective(M, theta) == 0
