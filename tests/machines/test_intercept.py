"""Machines with an intercept and effects, as their users see them."""

import pickle
import re

import numpy as np
import pytest
from helpers import every_two
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Pairs,
)
from rkbs.problems import OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, Cholesky, ConjugateGradient, Spectral, solve
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import EpsilonInsensitive, Squared
from rkbs.terms.spectral_penalties import Schatten

N_X, N_Y = 8, 6
RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(N_X, 2)), RNG.normal(size=(N_Y, 2))
Z = 7 + 2 * np.sin(X[:, :1]) + RNG.normal(size=(N_X, N_Y))
MASK = RNG.random((N_X, N_Y)) < 0.5
MASK[0], MASK[:, 3] = np.arange(N_Y) == 2, np.arange(N_X) == 4  # a row and a column of one pair
IDS = {"ids_x": list("abcdefgh"), "ids_y": list(range(N_Y))}
GRID, HALF, NAMED = (
    Pairs.grid(X, Y),
    Pairs.from_mask(X, Y, MASK),
    Pairs.grid(X, Y, **IDS),
)
ONE_EACH = Pairs(X, Y, np.arange(N_X), np.arange(N_X) % N_Y)
KERNEL, BOTH = RBF(0.5), ("row", "column")


def ridge(**params):
    return BinaryKernelRidge(KERNEL, KERNEL, **params)


def entries(gram_x, gram_y, pairs, others):
    return gram_x[np.ix_(pairs.i, others.i)] * gram_y[np.ix_(pairs.j, others.j)]


# ---- the constant


def test_a_target_far_from_all_others_is_predicted_at_the_intercept():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(40, 3)), rng.normal(size=(30, 2))
    Z = 7 + np.sin(X[:, :1]) * Y[:, 0] + 0.1 * rng.normal(size=(40, 30))
    machine = BinaryKernelRidge(RBF(0.1), RBF(0.1), alpha=0.1).fit(Pairs.grid(X, Y), Z)
    far = machine.predict_grid(X[:1] + 20, Y)
    assert np.abs(far - machine.intercept_).max() < 1e-9
    assert abs(machine.intercept_ - 7) < 0.1
    without = BinaryKernelRidge(RBF(0.1), RBF(0.1), alpha=0.1, fit_intercept=False)
    assert np.abs(without.fit(Pairs.grid(X, Y), Z).predict_grid(X[:1] + 20, Y)).max() < 1e-9
    assert without.intercept_ == 0


@pytest.mark.parametrize("pairs", [GRID, HALF, ONE_EACH], ids=["grid", "half", "one each"])
def test_the_constant_is_joint_and_not_the_mean_of_the_responses(pairs):
    z = pairs.entries(Z)
    machine = ridge(alpha=0.1).fit(pairs, z)
    H = entries(KERNEL(X, X), KERNEL(Y, Y), pairs, pairs)
    weights = np.linalg.solve(
        H + 0.1 * np.eye(len(z)), np.ones(len(z))
    )  # generalized least squares
    assert machine.intercept_ == pytest.approx(weights @ z / weights.sum(), rel=1e-9)
    assert abs(machine.intercept_ - z.mean()) > 0.01
    assert abs(machine.dual_coef_.sum()) <= 1e-12 * np.abs(machine.dual_coef_).sum()


@pytest.mark.parametrize("mean", [0.0, 1e9, -1e12])
@pytest.mark.parametrize("alpha", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize("pairs", [GRID, HALF], ids=["grid", "half"])
def test_a_mean_far_larger_than_what_varies_costs_no_digits_of_it(pairs, alpha, mean):
    z = np.round(pairs.entries(Z) * 2**10) / 2**10  # exact in floats with every mean
    plain, moved = (ridge(alpha=alpha, effects=BOTH).fit(pairs, z + m) for m in (0.0, mean))
    rounding = 4 * np.finfo(float).eps * abs(mean)
    assert abs(moved.intercept_ - mean - plain.intercept_) <= 1e-6 + rounding
    assert np.abs(moved.row_effects_ - plain.row_effects_).max() <= 1e-6
    size = np.abs(plain.dual_coef_).max()
    assert np.abs(moved.dual_coef_ - plain.dual_coef_).max() <= 1e-6 * size


# ---- leave-one-out is a refit, whatever is added


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    ("pairs", "added", "leave"),
    every_two(
        (GRID, HALF, NAMED), [((), None), (("row",), 0.02), (BOTH, None)], ("pair", "row", "column")
    ),
)
def test_leave_one_out_is_that_of_refits(pairs, added, fit_intercept, leave):
    effects, weight = added
    added = {"effects": effects, "effects_alpha": weight, "fit_intercept": fit_intercept}
    z, alphas = pairs.entries(Z), (0.05,)
    label = {"pair": np.arange(len(pairs)), "row": pairs.i, "column": pairs.j}[leave]
    machine = BinaryKernelRidgeCV(KERNEL, KERNEL, alphas=alphas, leave=leave, **added)
    machine.fit(pairs, z)
    for alpha, found in zip(alphas, machine.leave_out_rmse_, strict=True):
        residuals = np.empty(len(z))
        for name in np.unique(label):
            out = label == name
            refit = ridge(alpha=alpha, **added).fit(pairs[~out], z[~out])
            residuals[out] = z[out] - refit.predict(pairs[out])
        assert found == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-9)


# ---- effects


@pytest.mark.parametrize("pairs", [GRID, HALF, ONE_EACH], ids=["grid", "half", "one each"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weight", [1e-6, 1e-13, 1e-20])
def test_solvers_agree_on_effects_of_hardly_any_weight(weight, fit_intercept, pairs):
    """What all pairs leave open the penalty decides, also where rounding hides it."""
    z, predictions = pairs.entries(Z), []
    solvers = [Spectral()] * pairs.is_complete + [Cholesky(), ConjugateGradient()]
    for solver in solvers:
        machine = ridge(
            effects=BOTH, effects_alpha=weight, fit_intercept=fit_intercept, solver=solver
        ).fit(pairs, z)
        total = machine.row_effects_.sum()
        assert total == pytest.approx(machine.column_effects_.sum(), abs=1e-10)
        assert abs(total) < 1e-10 or not fit_intercept
        predictions.append(machine.predict_grid(np.vstack([X, X[:1] + 9]), Y))
    for other in predictions[1:]:
        assert np.abs(other - predictions[0]).max() < 1e-6


def test_a_certificate_sees_effects_moved_into_the_constant():
    offsets = Offsets(True, np.arange(N_X), np.arange(N_Y), 1e-12)
    problem = OperatorProblem(
        KERNEL(X, X), KERNEL(Y, Y), GRID, GRID.entries(Z), 1.0, offsets=offsets
    )
    M, c, theta = solve(problem, Spectral()).check().value
    for kind in (slice(1, 1 + N_X), slice(1 + N_X, None)):
        moved = theta.copy()
        moved[0], moved[kind] = moved[0] + 1e-4, moved[kind] - 1e-4
        assert np.abs(problem.fitted(M, moved) - problem.fitted(M, theta)).max() < 1e-14
        assert not problem.certify(M, c, 1e-8, moved).passed
    assert np.abs(offsets.centered(moved, GRID) - theta).max() < 1e-12


def test_ties_are_the_null_space_of_the_offsets():
    for pairs, kinds in (
        (GRID, 2),
        (HALF, 2),
        (ONE_EACH, 7),
    ):  # 6 sets of entities, one of two rows
        for constant in (True, False):
            offsets = Offsets(constant, np.arange(N_X), np.arange(N_Y))
            E, N = offsets.matrix(pairs), offsets.ties(pairs)
            assert np.abs(E @ N).max() == 0
            assert np.linalg.matrix_rank(N) == N.shape[1] == E.shape[1] - np.linalg.matrix_rank(E)
            assert N.shape[1] == kinds - (not constant)
            assert np.array_equal(offsets.gram(pairs), E.T @ E)


def test_effects_go_by_ids():
    twin = np.vstack([X[:1], X[:-1]])  # the first two are equal points of two entities
    two = ridge(effects=("row",)).fit(Pairs.grid(twin, Y, ids_x=IDS["ids_x"]), Z)
    assert abs(two.row_effects_[0] - two.row_effects_[1]) > 1e-3
    one = ridge(effects=("row",)).fit(Pairs.grid(twin, Y), Z)
    assert one.row_effects_[0] == one.row_effects_[1]
    known = two.predict_grid(twin[:1], Y, ids_x=["a"])
    new = two.predict_grid(twin[:1], Y, ids_x=["z"])
    assert np.abs(known - new - two.row_effects_[0]).max() < 1e-12


TIED = [(None, None), (8, None), (None, 6), (8, 6), (6, 6), (1, 1)]
"""How many effects rows and columns have; as many of both are no less than others."""


@pytest.mark.parametrize("counts", TIED)
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("pairs", [GRID, HALF, ONE_EACH], ids=["grid", "half", "one each"])
def test_ties_are_all_of_the_null_space(pairs, constant, counts):
    labels = (
        None if count is None else np.arange(size) % count
        for size, count in zip((N_X, N_Y), counts, strict=True)
    )
    offsets = Offsets(constant, *labels)
    E, N = offsets.matrix(pairs), offsets.ties(pairs)
    assert N.shape == (offsets.size, offsets.size - np.linalg.matrix_rank(E))
    if N.size:
        assert np.abs(E @ N).max() == 0
        assert np.linalg.matrix_rank(N) == N.shape[1]


@pytest.mark.parametrize(
    ("fitted", "asked", "words"),
    [
        (GRID, NAMED, "fitted without, and its kernel, effects or repair ask who is who"),
        (NAMED, GRID, "fitted with ids_x and its kernel, effects or repair ask who is who"),
        (NAMED, Pairs.grid(X, Y, ids_x=range(N_X), ids_y=range(N_Y)), "ids of the fit's kind"),
    ],
)
def test_effects_need_ids_on_both_sides_or_none(fitted, asked, words):
    machine = ridge(effects=BOTH).fit(fitted, Z)
    with pytest.raises(ValueError, match=words):
        machine.predict(asked)
    assert np.isfinite(ridge().fit(fitted, Z).predict(asked)).all()  # nobody asks


def test_predictions_with_effects_are_one_by_every_way():
    machine = ridge(effects=BOTH, n_features_x=None).fit(GRID, Z)
    far_x, far_y = np.vstack([X, X + 9, X - 9]), np.vstack([Y, Y + 9, Y - 9])
    grid = machine.predict_grid(far_x, far_y)
    pairs = Pairs(far_x, far_y, np.arange(24), np.arange(24) % 18)
    assert np.abs(machine.predict(pairs) - grid[pairs.i, pairs.j]).max() < 1e-12
    table = np.column_stack([far_x[pairs.i], far_y[pairs.j]])
    by_table = ridge(effects=BOTH, n_features_x=2).fit(
        np.column_stack([X[GRID.i], Y[GRID.j]]), Z.ravel()
    )
    assert np.abs(by_table.predict(table) - grid[pairs.i, pairs.j]).max() < 1e-10
    assert np.abs(grid[-1, -1] - machine.intercept_) < 1e-9  # far and new: the constant alone


# ---- labels


def test_labels_of_one_class_have_no_logit():
    labels = -np.ones((N_X, N_Y))
    labels[0] = 1
    with pytest.raises(ValueError, match=r"both classes, got -1 alone.*fit_intercept=False"):
        BinaryKernelMachine(loss=Logistic()).fit(GRID[N_Y:], labels[1:].ravel())
    machine = BinaryKernelMachineCV(loss=Logistic(), penalty=Schatten(2), alphas=(1.0,), cv=4)
    words = re.compile(r"fold \d of cv=4 has training pairs of which .*random_state")
    with pytest.raises(ValueError, match=words):
        clone(machine).set_params(leave="row").fit(GRID, labels)
    assert clone(machine).set_params(leave="column").fit(GRID, labels).intercept_ < 0
    fitted = clone(machine).set_params(leave="row", fit_intercept=False).fit(GRID, labels)
    assert fitted.intercept_ == 0


@pytest.mark.parametrize("share", [0.15, 0.3, 0.5])
@pytest.mark.parametrize("pairs", [GRID, HALF], ids=["grid", "half"])
def test_the_threshold_of_the_hinge_loss_is_nearly_the_least(pairs, share):
    """From it on T = 0 is certified, and 4% below an operator is better."""
    values = pairs.entries(Z)
    z = np.where(values > np.quantile(values, 1 - share), 1.0, -1.0)
    problem = SchattenProblem(
        KERNEL(X, X), KERNEL(Y, Y), pairs, z, 1.0, Hinge(), Schatten(1), offsets=Offsets(True)
    )
    b, c = problem.without_operator
    assert abs(c.sum()) <= 1e-13 * np.abs(c).sum()
    threshold = problem.zero_threshold()
    at = solve(problem.with_alpha(1.000001 * threshold), ADMM(tol=1e-10)).check()
    assert not at.value.M.any()
    below = solve(problem.with_alpha(0.96 * threshold), ADMM(tol=1e-7))
    assert below.certificate.primal < problem.loss.value(np.full_like(z, b), z).sum() * (1 - 1e-6)


def test_ties_at_kinks_have_one_subgradient_of_the_least_pull():
    """Integer responses at ±ε: of many subgradients the zero one, where it is one."""
    z = np.array([0.0, 1.0, 2.0, 1.0] * 2).repeat(6)
    problem = SchattenProblem(
        KERNEL(X, X),
        KERNEL(Y, Y),
        GRID,
        z,
        1.0,
        EpsilonInsensitive(1.0),
        Schatten(1),
        offsets=Offsets(True),
    )
    assert problem.without_operator[0] == pytest.approx(1.0)
    assert problem.zero_threshold() <= 1e-9


# ---- parameters


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"fit_intercept": 1}, TypeError, "fit_intercept must be True or False, got 1"),
        ({"fit_intercept": None}, TypeError, "fit_intercept must be True or False, got None"),
        ({"effects": "row"}, ValueError, r'such as \("row",\), got .row'),
        ({"effects": ("rows",)}, ValueError, "effects must be a tuple"),
        ({"effects": ("row", "row")}, ValueError, "effects must be a tuple"),
        ({"effects": None}, ValueError, "effects must be a tuple"),
        ({"effects": BOTH, "effects_alpha": -1}, ValueError, "effects_alpha must be positive"),
        ({"effects": BOTH, "effects_alpha": "1"}, TypeError, "effects_alpha must be a real"),
        ({"effects_alpha": 1.0}, ValueError, "of which there are none: pass effects="),
    ],
)
@pytest.mark.parametrize("kind", [BinaryKernelRidge, BinaryKernelRidgeCV])
def test_parameters_that_do_not_fit(kind, params, error, words):
    with pytest.raises(error, match=words):
        kind(KERNEL, KERNEL, **params).fit(GRID, Z)


def test_machines_with_effects_live_in_scikit_learn():
    machine = ridge(effects=BOTH, effects_alpha=0.5).fit(NAMED, Z)
    again = pickle.loads(pickle.dumps(machine))
    assert np.array_equal(again.predict(NAMED), machine.predict(NAMED))
    assert clone(machine).get_params() == machine.get_params()
    choices = {"effects": [(), ("row",), BOTH], "fit_intercept": [True, False]}
    search = GridSearchCV(ridge(), choices, cv=3, error_score="raise").fit(NAMED, Z.ravel())
    assert search.best_params_["fit_intercept"]
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 6


def test_responses_of_every_kind():
    expected = ridge(effects=BOTH).fit(GRID, np.round(Z)).predict(GRID)
    for kind in (np.int64, np.uint8, np.float16, np.float32):
        found = ridge(effects=BOTH).fit(GRID, np.round(Z).astype(kind)).predict(GRID)
        assert np.abs(found - expected).max() < 1e-12


@pytest.mark.parametrize("loss", [Squared(), Hinge()])
@pytest.mark.parametrize("shape", [(1, 6), (8, 1), (1, 2)])
def test_grids_of_one_row_or_column(shape, loss):
    pairs, z = Pairs.grid(X[: shape[0]], Y[: shape[1]]), Z[: shape[0], : shape[1]]
    z = z if loss.of_residual else np.where(z > z.mean(), 1.0, -1.0)
    assert BinaryKernelMachine(KERNEL, KERNEL, loss, alpha=0.1).fit(pairs, z).certificate_.passed
    if loss.of_residual:
        machine = ridge(alpha=0.1, effects=BOTH).fit(pairs, z)
        assert machine.predict(pairs).mean() == pytest.approx(z.mean(), rel=1e-12)
