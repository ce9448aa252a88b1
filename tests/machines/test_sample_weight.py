"""Weights of samples: what they mean, in every machine, by refits and by dense linear algebra."""

import io
import pickle
import re

import numpy as np
import pytest
from helpers import noted
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from rkbs import (
    ADMM,
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Cholesky,
    ConjugateGradient,
    Factorized,
    Hinge,
    Huber,
    Identity,
    Intervals,
    Laplace,
    Logistic,
    LowRank,
    PairKFold,
    Pairs,
    PairScorer,
    Posterior,
    Precomputed,
    Schatten,
    Spectral,
    load,
    save,
)
from rkbs.data import rmse
from rkbs.kernels import combine
from rkbs.laws import relative
from rkbs.machines._solving import ridge_solver
from rkbs.solvers import NumpyBackend, RefinedConjugateGradient

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 2)), RNG.normal(size=(6, 2))
GRID = Pairs.grid(X, Y)
SOME = GRID[np.sort(RNG.permutation(42)[:30])]
Z = np.sin(2 * X[GRID.i, 0]) * Y[GRID.j, 1] + 0.3 * RNG.normal(size=42) + 5.0
COUNTS = RNG.integers(0, 4, 42)
TIGHT = Factorized(tol=1e-13)
EFFECTS = {"effects": ("row", "column"), "effects_alpha": 0.7}


def table(pairs):
    return np.hstack([pairs.X[pairs.i], pairs.Y[pairs.j]])


def responses(pairs, values=Z):
    return values[pairs.i * len(Y) + pairs.j]


RIDGES = {
    "ridge": BinaryKernelRidge(RBF(), Laplace(), alpha=0.3),
    "without a constant": BinaryKernelRidge(RBF(), Laplace(), alpha=0.3, fit_intercept=False),
    "effects": BinaryKernelRidge(RBF(), Laplace(), alpha=0.3, **EFFECTS),
    "entities": BinaryKernelRidge(RBF() + 0.5 * Identity(), Laplace(), alpha=0.3),
    "low rank": BinaryKernelRidge(LowRank(RBF(), X), RBF(), alpha=0.3),
    "iterations": BinaryKernelRidge(RBF(), Laplace(), 0.3, solver=ConjugateGradient(1e-12)),
}
OTHERS = {
    "leave-one-out": BinaryKernelRidgeCV(RBF(), Laplace()),
    "leave rows out": BinaryKernelRidgeCV(RBF(), Laplace(), leave="row", **EFFECTS),
    "nuclear": BinaryKernelMachine(RBF(), Laplace(), alpha=0.5, solver=TIGHT),
    "Huber": BinaryKernelMachine(RBF(), Laplace(), Huber(0.3), alpha=0.2, solver=TIGHT),
    "Schatten 1.5": BinaryKernelMachine(RBF(), Laplace(), None, Schatten(1.5), alpha=0.2),
    "logistic": BinaryKernelMachine(RBF(), RBF(), Logistic(), Schatten(3), alpha=0.2),
    "hinge": BinaryKernelMachine(RBF(), RBF(), Hinge(), Schatten(2), 0.5, solver=ADMM(1e-10)),
}
MACHINES = RIDGES | OTHERS
NEAR = {"hinge": 2e-5, "Huber": 1e-6, "Schatten 1.5": 1e-6}
"""How near fits of one minimizer come: a gap of g leaves √g of it."""
pytestmark = pytest.mark.filterwarnings("ignore:the chosen alpha:UserWarning")
every_machine = pytest.mark.parametrize("name", MACHINES)


def fitted(name, pairs, z, **weights):
    machine = clone(MACHINES[name])
    if getattr(machine, "loss", None) is not None and machine.loss.labels:
        z = np.sign(z - 5.0)
    return machine.fit(pairs, z, **weights)


@every_machine
@pytest.mark.parametrize("pairs", [GRID, SOME], ids=["grid", "some"])
def test_integers_are_repeated_observations(name, pairs):
    """Rows of a table that repeat are pairs of their own, to copies of a point: another path."""
    z, counts = responses(pairs), responses(pairs, COUNTS)
    machine, rows = MACHINES[name], table(pairs)
    by_weight = fitted(name, pairs, z, sample_weight=counts)
    MACHINES[name].set_params(n_features_x=2)
    try:
        repeated = fitted(name, rows.repeat(counts, axis=0), z.repeat(counts))
    finally:
        machine.set_params(n_features_x=None)
    new = RNG.normal(size=(9, 2))
    found, expected = (fit.predict_grid(new, new[:5]) for fit in (by_weight, repeated))
    assert np.ptp(expected) > 0.1
    assert relative(found, expected) < NEAR.get(name, 1e-8)
    if hasattr(by_weight, "leave_out_rmse_"):
        assert relative(by_weight.leave_out_rmse_, repeated.leave_out_rmse_) < 1e-8
        assert by_weight.alpha_ == repeated.alpha_


@every_machine
def test_a_weight_of_zero_leaves_the_pair_out(name):
    weights = RNG.uniform(0.5, 2.0, 42) * (RNG.uniform(size=42) < 0.6)
    weights[GRID.i == 3] = 0.0  # a row of X that is not in use
    kept = weights > 0
    by_weight = fitted(name, GRID, Z, sample_weight=weights.reshape(7, 6))
    without = fitted(name, GRID[kept], Z[kept], sample_weight=weights[kept])
    assert np.array_equal(by_weight.predict(GRID), without.predict(GRID))
    assert by_weight.X_fit_.shape == (6, 2)
    if hasattr(by_weight, "leave_out_predictions_"):
        assert np.array_equal(np.isnan(by_weight.leave_out_predictions_), ~kept)


@every_machine
def test_weights_and_alpha_are_of_one_unit(name):
    """And α_e: of powers of two to the last bits, but where tolerances are of another unit."""
    weights = RNG.uniform(0.1, 3.0, 42)
    plain = fitted(name, GRID, Z, sample_weight=weights)
    machine = clone(MACHINES[name])
    scaled = {
        key: 64 * np.asarray(value)
        for key, value in machine.get_params(deep=False).items()
        if key in ("alpha", "alphas", "effects_alpha") and value is not None
    }
    z = np.sign(Z - 5.0) if name in ("logistic", "hinge") else Z
    scaled = machine.set_params(**scaled).fit(GRID, z, sample_weight=64 * weights)
    assert relative(scaled.predict(GRID), plain.predict(GRID)) < NEAR.get(name, 1e-9)


@every_machine
def test_ones_change_nothing(name):
    plain, ones = (fitted(name, SOME, responses(SOME), sample_weight=w) for w in (None, [1] * 30))
    assert np.array_equal(plain.predict(SOME), ones.predict(SOME))
    assert ones.sample_weight_ is None


# ---- dense linear algebra, which shares nothing with the solvers


def by_dense_algebra(machine, pairs, z, w):
    """a and h on the grid: (K + αW⁻¹) a + Eθ = z, Eᵀa α = Dθ, K of np.kron."""
    cells = pairs.i * len(Y) + pairs.j
    K = np.kron(machine.kernel_x(X, X), machine.kernel_y(Y, Y))
    E = [np.ones((42, 1))] * machine.fit_intercept
    if machine.effects:
        E += [np.kron(np.eye(7), np.ones((6, 1))), np.kron(np.ones((7, 1)), np.eye(6))]
    E = np.hstack([*E, np.zeros((42, 0))])
    decay = np.full(E.shape[1], machine.effects_alpha or machine.alpha)
    decay[: int(machine.fit_intercept)] = 0.0
    system = np.block(
        [
            [K[np.ix_(cells, cells)] + machine.alpha * np.diag(1 / w), E[cells]],
            [machine.alpha * E[cells].T, -np.diag(decay)],
        ]
    )
    found = np.linalg.lstsq(system, np.append(z, np.zeros(len(decay))), rcond=1e-15)[0]
    a, theta = np.split(found, [len(z)])
    return a, K[:, cells] @ a + E @ theta


@pytest.mark.parametrize("kind", ["product", "free"])
@pytest.mark.parametrize("pairs", [GRID, SOME], ids=["grid", "some"])
@pytest.mark.parametrize("name", ["ridge", "without a constant", "effects", "iterations"])
def test_the_conditions_hold_in_dense_algebra(name, pairs, kind):
    w = RNG.uniform(0.1, 4.0, 7)[pairs.i] * RNG.uniform(0.1, 4.0, 6)[pairs.j]
    w = w if kind == "product" else RNG.uniform(0.01, 9.0, len(pairs))
    z = responses(pairs)
    machine = fitted(name, pairs, z, sample_weight=w)
    a, h = by_dense_algebra(machine, pairs, z, w)
    assert relative(machine.predict(GRID), h) < 1e-10
    assert relative(machine.dual_coef_[pairs.i, pairs.j], a) < 1e-9
    left = w * (z - machine.predict(pairs))  # α a = W (z − h)
    assert relative(machine.alpha * machine.dual_coef_[pairs.i, pairs.j], left) < 1e-9
    assert machine.certificate_.kkt_residual < 1e-11
    assert np.array_equal(machine.sample_weight_, w)


@pytest.mark.parametrize("pairs", [GRID, SOME], ids=["grid", "some"])
def test_the_conditions_of_the_nuclear_norm_hold_in_dense_algebra(pairs):
    """Σ c = 0, ‖R_XᵀCR_Y‖ = α and ⟨R_XᵀCR_Y, M⟩ = α ‖M‖_* with c = W(z − h), R from Cholesky."""
    w, z = RNG.uniform(0.1, 4.0, len(pairs)), responses(pairs)
    machine = fitted("nuclear", pairs, z, sample_weight=w)
    h = machine.predict(pairs)
    c = w * (z - h)
    R_X, R_Y = (
        np.linalg.cholesky(kernel(points, points) + 1e-13 * np.eye(len(points)))
        for kernel, points in ((RBF(), X), (Laplace(), Y))
    )
    assert abs(c.sum()) < 1e-9 * np.abs(c).sum()
    norm = np.linalg.norm(R_X.T @ pairs.matrix(c) @ R_Y, 2)
    assert norm == pytest.approx(machine.alpha, rel=1e-6)
    aligned = c @ (h - machine.intercept_)
    assert aligned == pytest.approx(machine.alpha * machine.singular_values_.sum(), rel=1e-6)
    assert machine.rank_ > 0
    assert relative(machine.alpha * machine.iota_coef_, pairs.matrix(c)) < 1e-6


def test_products_keep_the_grid_and_its_closed_form():
    u, v = RNG.uniform(0.1, 4.0, 7), RNG.uniform(0.1, 4.0, 6)
    machine = clone(RIDGES["ridge"])
    problem, _ = machine._problem(machine._samples(GRID, Z, np.outer(u, v)), 0.3)
    assert ridge_solver(problem) == Spectral()
    w = np.outer(u, v)
    w[2, 3] *= 1 + 1e-12
    other, _ = machine._problem(machine._samples(GRID, Z, w), 0.3)
    assert ridge_solver(other) == Cholesky()
    free = clone(machine).set_params(solver=Spectral())
    free.fit(GRID, Z, sample_weight=np.outer(u, v))
    with pytest.raises(ValueError, match=r"Spectral needs weights that are products.*Conjugate"):
        free.fit(GRID, Z, sample_weight=w)


# ---- choice of α


@pytest.mark.parametrize("leave", ["pair", "row", "column"])
@pytest.mark.parametrize("kind", ["product", "free", "some"])
def test_leave_one_out_is_that_of_weighted_refits(leave, kind):
    pairs = SOME if kind == "some" else GRID
    w = RNG.uniform(0.1, 4.0, 7)[pairs.i] * RNG.uniform(0.1, 4.0, 6)[pairs.j]
    w = RNG.uniform(0.1, 4.0, len(pairs)) if kind == "free" else w
    z, labels = responses(pairs), np.array([0, 0, 1, 2, 3, 4, 5])
    machine = BinaryKernelRidgeCV(RBF(), Laplace(), alphas=(0.05, 0.5), leave=leave, **EFFECTS)
    machine.fit(pairs, z, w, groups_x=labels)
    assert machine.leave_out_by_ == ("grid" if kind == "product" else "pairs")
    groups = {"row": labels[pairs.i], "column": pairs.j}.get(leave, 10 * labels[pairs.i] + pairs.j)
    errors = []
    for alpha in (0.05, 0.5):
        one, found = BinaryKernelRidge(RBF(), Laplace(), alpha, **EFFECTS), np.empty(len(z))
        for group in np.unique(groups):
            out = groups == group
            one.fit(pairs[~out], z[~out], w[~out])
            found[out] = one.predict(pairs[out])
        errors.append(np.sqrt(np.average((z - found) ** 2, weights=w)))
        if alpha == machine.alpha_:
            assert relative(machine.leave_out_predictions_, found) < 1e-10
    assert relative(machine.leave_out_rmse_, np.array(errors)) < 1e-10


@pytest.mark.parametrize("leave", ["pair", "row", "both"])
def test_folds_pass_weights_on(leave):
    w = RNG.uniform(0.1, 4.0, 42)
    cv = PairKFold(3, leave=leave)
    machine = BinaryKernelRidgeCV(RBF(), Laplace(), alphas=(0.05, 0.5, 5.0), leave=leave, cv=cv)
    machine.fit(GRID, Z, w)
    errors, weights = np.zeros((3, 0)), np.zeros(0)
    for train, test in cv.split(GRID):
        fits = [
            BinaryKernelRidge(RBF(), Laplace(), a).fit(GRID[train], Z[train], w[train])
            for a in (0.05, 0.5, 5.0)
        ]
        missed = [Z[test] - fit.predict(GRID[test]) for fit in fits]
        errors, weights = np.hstack([errors, missed]), np.append(weights, w[test])
    expected = np.sqrt((errors**2 * weights).sum(1) / weights.sum())
    assert machine.leave_out_by_ == "folds"
    assert machine.alpha_ == (0.05, 0.5, 5.0)[int(np.argmin(expected))]
    bound = machine.leave_out_bound_ + 1e-12
    assert (np.abs(machine.leave_out_rmse_ - expected) <= bound).all()
    assert relative(machine.leave_out_rmse_, expected) < 1e-2


def test_a_path_of_any_loss_is_scored_by_weights():
    w, cv = RNG.uniform(0.1, 4.0, 42), list(KFold(2, shuffle=True, random_state=0).split(Z))
    alphas = (0.5, 0.2)
    machine = BinaryKernelMachineCV(RBF(), Laplace(), Huber(0.2), alphas=alphas, cv=cv)
    machine.set_params(solver=TIGHT).fit(GRID, Z, w)
    one = BinaryKernelMachine(RBF(), Laplace(), Huber(0.2), solver=TIGHT)
    for k, (train, test) in enumerate(cv):
        for row, alpha in enumerate(alphas):
            fit = one.set_params(alpha=alpha).fit(GRID[train], Z[train], w[train])
            loss = Huber(0.2).value(fit.predict(GRID[test]), Z[test])
            mean = np.average(loss, weights=w[test])
            assert machine.cv_scores_[row, k] == pytest.approx(mean, rel=1e-5)


# ---- scikit-learn


SCORINGS = {
    "R²": None,
    "one": PairScorer(rmse),
    "several": {"rmse": PairScorer(rmse), "row": PairScorer(rmse, per="row")},
}


@pytest.mark.parametrize("scoring", SCORINGS)
def test_searches_pass_weights_to_fits_and_scores_of_folds(scoring):
    w, cv, machine = RNG.uniform(0.1, 4.0, 42), PairKFold(3), BinaryKernelRidge(RBF(), Laplace())
    search = GridSearchCV(
        machine, {"alpha": [0.05, 0.5]}, cv=cv, scoring=SCORINGS[scoring], refit=False
    ).fit(GRID, Z, sample_weight=w)

    def score(fit, *data):
        return fit.score(*data) if scoring == "R²" else PairScorer(rmse)(fit, *data)

    expected = [
        [
            score(
                machine.set_params(alpha=a).fit(GRID[train], Z[train], w[train]),
                *(GRID[test], Z[test], w[test]),
            )
            for train, test in cv.split(GRID)
        ]
        for a in (0.05, 0.5)
    ]
    name = "rmse" if scoring == "several" else "score"
    found = np.array([search.cv_results_[f"split{k}_test_{name}"] for k in range(3)])
    assert relative(found.T, np.array(expected)) < 1e-12


def test_routing_scores_by_weights_too():
    import sklearn

    w, cv = RNG.uniform(0.1, 4.0, 42), PairKFold(3)
    with sklearn.config_context(enable_metadata_routing=True):
        machine = BinaryKernelRidge(RBF(), Laplace(), 0.1).set_fit_request(sample_weight=True)
        found = cross_validate(
            machine, GRID, Z, cv=cv, scoring=PairScorer(rmse), params={"sample_weight": w}
        )["test_score"]
    for (train, test), score in zip(cv.split(GRID), found, strict=True):
        fit = BinaryKernelRidge(RBF(), Laplace(), 0.1).fit(GRID[train], Z[train], w[train])
        assert -score == pytest.approx(rmse(Z[test], fit.predict(GRID[test]), w[test]), rel=1e-12)


def test_scores_take_weights():
    w = RNG.uniform(0.1, 4.0, (7, 6))
    machine = fitted("ridge", GRID, Z, sample_weight=w)
    h = machine.predict(GRID)
    mean = np.average(Z, weights=w.ravel())
    unexplained = w.ravel() @ (Z - h) ** 2 / (w.ravel() @ (Z - mean) ** 2)
    assert machine.score(GRID, Z.reshape(7, 6), w) == pytest.approx(1 - unexplained, rel=1e-12)
    with pytest.raises(ValueError, match=r"^sample_weight must hold a weight for each pair"):
        machine.score(GRID, Z, w[:3])


@every_machine
def test_pipelines_clones_and_files(name, tmp_path):
    w = RNG.uniform(0.1, 4.0, 42)
    machine = fitted(name, GRID, Z, sample_weight=w)
    assert not hasattr(clone(machine), "sample_weight_")
    assert np.array_equal(
        pickle.load(io.BytesIO(pickle.dumps(machine))).predict(GRID), machine.predict(GRID)
    )
    save(machine, tmp_path / "machine")
    again = load(tmp_path / "machine")
    assert np.array_equal(again.predict(GRID), machine.predict(GRID))
    assert np.array_equal(again.sample_weight_, w)
    if name == "ridge":
        pipeline = make_pipeline(FunctionTransformer(), clone(machine).set_params(n_features_x=2))
        pipeline.fit(table(GRID), Z, binarykernelridge__sample_weight=w)
        assert relative(pipeline.predict(table(GRID)), machine.predict(GRID)) < 1e-12


# ---- what is refused

BAD = {
    "negative": (-np.ones(42), ValueError, "must not be negative, got -1 for pair 0"),
    "NaN": (np.full(42, np.nan), ValueError, "contains NaN or infinity .* has the weight 0"),
    "infinite": (np.full(42, np.inf), ValueError, "contains NaN or infinity"),
    "zeros": (np.zeros(42), ValueError, "must hold a weight above zero for one pair at least"),
    "short": (np.ones(41), ValueError, r"for each pair, shape \(42,\) or \(7, 6\), got .*\(41,\)"),
    "transposed": (np.ones((6, 7)), ValueError, r"got shape \(6, 7\)"),
    "a number": (2.0, ValueError, r"got shape \(\)"),
    "text": (["a"] * 42, TypeError, "must be an array of real numbers"),
    "boolean": (np.ones(42, bool), TypeError, "must be an array of real numbers, got dtype bool"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_weights(kind):
    weights, error, says = BAD[kind]
    for name in ("ridge", "leave-one-out", "nuclear"):
        with noted(name), pytest.raises(error, match=f"^sample_weight .*{says}"):
            fitted(name, GRID, Z, sample_weight=weights)


def test_what_knows_no_weights_says_so():
    w = RNG.uniform(0.1, 4.0, 42)
    learned = BinaryKernelRidge(combine([RBF(), Laplace()], "alignf"), RBF())
    machine = fitted("ridge", GRID, Z, sample_weight=w)
    refused = {
        "knows no sample_weight: learn them": lambda: learned.fit(GRID, Z, w),
        "needs the squared loss": lambda: (
            clone(learned)
            .set_params(kernel_x=RBF(), solver=RefinedConjugateGradient(backend=NumpyBackend()))
            .fit(GRID, Z, w)
        ),
        "fitted with sample_weight": lambda: Intervals.of(machine, GRID, Z),
        "fitted with sample_weight, by which": lambda: Posterior.of(machine, GRID, Z),
        "no closed form for weighted pairs": lambda: BinaryKernelRidgeCV(
            RBF(), RBF(), leave="both", cv="exact"
        ).fit(GRID, Z, w),
    }
    for says, call in refused.items():
        with pytest.raises(ValueError, match=re.escape(says)):
            call()
    weights = learned.fit(GRID, Z).kernel_x_.weights  # as advised
    learned.set_params(kernel_x__weights=weights).fit(GRID, Z, w)
    both = BinaryKernelRidgeCV(RBF(), RBF(), leave="both", cv=2).fit(GRID, Z, w)
    assert both.leave_out_by_ == "folds"


def test_similarities_and_repairs_take_weights():
    S = RBF()(X, X) + 0.2 * np.diag([1, -1, 1, -1, 1, -1, 1.0])
    w, pairs = RNG.uniform(0.1, 4.0, 42), Pairs.grid(Precomputed.points(7), Y)
    machine = BinaryKernelRidge(Precomputed(S), RBF(), repair_x="clip").fit(pairs, Z, w)
    clipped = BinaryKernelRidge(Precomputed(machine.repair_x_.gram), RBF()).fit(pairs, Z, w)
    assert relative(machine.predict(pairs), clipped.predict(pairs)) < 1e-12
