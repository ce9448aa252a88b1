"""The estimators: scikit-learn's contract, pairs, certificates, bad input."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, L2Distance, Laplace, Linear, Precomputed, Quadratic
from rkbs.laws import optimality_residual, relative
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    spectral,
)
from rkbs.problems import OperatorProblem
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, Cholesky, ConjugateGradient, ConvergenceError, SpectralNewton
from rkbs.terms.losses import Hinge, Huber, Logistic, Squared
from rkbs.terms.spectral_penalties import Schatten

MACHINES = {
    "ridge": BinaryKernelRidge(n_features_x=1),
    "ridge-cv": BinaryKernelRidgeCV(n_features_x=1),
    "nuclear": BinaryKernelMachine(n_features_x=1, solver=ADMM(tol=0.5)),
    "nuclear-cv": BinaryKernelMachineCV(
        n_features_x=1, n_alphas=2, ratio=0.3, cv=2, solver=ADMM(tol=0.05)
    ),
}

EXPECTED_FAILURES = {
    "check_positive_only_tag_during_fit": "the iris table it uses holds one row twice: a pair "
    "with two responses, which rkbs refuses",
}
NEEDS = {
    "check_array_api_input": "needs SCIPY_ARRAY_API in the environment",
}


def data(n_x=15, n_y=12, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n_x, 3)), rng.standard_normal((n_y, 2))
    Z = np.sin(X[:, :1] + Y[:, 0]) + 0.5 * X[:, 1:2] * Y[:, 1]
    return X, Y, Z


SKLEARN = [
    (name, check)
    for name, machine in MACHINES.items()
    for _, check in estimator_checks_generator(machine)
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:(the chosen alpha|no certified fit):UserWarning")
@pytest.mark.parametrize(
    ("name", "check"), SKLEARN, ids=[f"{name}-{check.func.__name__}" for name, check in SKLEARN]
)
def test_scikit_learn_checks(name, check):
    wanted = check.func.__name__
    if wanted in EXPECTED_FAILURES:
        with pytest.raises(AssertionError) as error:
            check(clone(MACHINES[name]))
        assert "must not repeat a pair" in str(error.value.__cause__)
        return
    if wanted in NEEDS:
        pytest.skip(NEEDS[wanted])
    check(clone(MACHINES[name]))


def test_scikit_learn_checks_are_many_and_the_exceptions_exist():
    names = {check.func.__name__ for _, check in SKLEARN}
    assert len(names) > 40
    assert EXPECTED_FAILURES.keys() <= names


def test_certificate_is_that_of_the_fit():
    X, Y, Z = data()
    pairs = Pairs.grid(X, Y)
    machine = BinaryKernelRidge(RBF(), Laplace(), alpha=0.1, fit_intercept=False).fit(pairs, Z)
    problem = OperatorProblem(RBF()(X, X), Laplace()(Y, Y), pairs, Z, 0.1)
    assert optimality_residual(problem, machine.dual_coef_.reshape(-1)) < 1e-12
    assert machine.certificate_.passed
    assert machine.certificate_.kkt_residual < 1e-12


def test_prediction_is_the_finite_expansion():
    X, Y, Z = data()
    new_x, new_y, _ = data(5, 4, seed=1)
    machine = BinaryKernelRidge(alpha=0.1).fit(Pairs.grid(X, Y), Z)
    A, k = machine.dual_coef_, RBF()
    expected = np.full((5, 4), machine.intercept_)
    for i in range(len(X)):
        for j in range(len(Y)):
            expected += A[i, j] * k(new_x, X[i : i + 1]) * k(Y[j : j + 1], new_y)
    assert relative(machine.predict_grid(new_x, new_y), expected) < 1e-12
    grid = Pairs.grid(new_x, new_y)
    assert relative(machine.predict(grid), expected.reshape(-1)) < 1e-12
    few = grid[[17, 3, 8]]  # sparse: another path of the code
    assert relative(machine.predict(few), expected.reshape(-1)[[17, 3, 8]]) < 1e-12


def test_sparse_prediction_crosses_chunks(monkeypatch):
    monkeypatch.setattr("rkbs.machines.base._CHUNK", 3)
    X, Y, Z = data()
    machine = BinaryKernelRidge().fit(Pairs.grid(X, Y), Z)
    diagonal = Pairs(X[:12], Y, np.arange(12), np.arange(12))
    expected = np.diag(machine.predict_grid(X[:12], Y))
    assert relative(machine.predict(diagonal), expected) < 1e-13


@pytest.mark.parametrize("solver", [None, Cholesky(), ConjugateGradient()])
def test_incomplete_grid_equals_kernel_ridge(solver):
    X, Y, Z = data()
    pairs = Pairs.grid(X, Y)[np.random.default_rng(3).permutation(180)[:100]]
    z = Z[pairs.i, pairs.j]
    machine = BinaryKernelRidge(alpha=0.1, solver=solver, fit_intercept=False).fit(pairs, z)
    gram = RBF()(X, X)[np.ix_(pairs.i, pairs.i)] * RBF()(Y, Y)[np.ix_(pairs.j, pairs.j)]
    twin = KernelRidge(kernel="precomputed", alpha=0.1).fit(gram, z)
    assert relative(machine.predict(pairs), twin.predict(gram)) < 1e-8


def test_many_incomplete_pairs_go_to_conjugate_gradients():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((60, 2)), rng.standard_normal((50, 2))
    pairs = Pairs.from_mask(X, Y, rng.random((60, 50)) < 0.8)
    assert len(pairs) > 2000
    z = rng.standard_normal(len(pairs))
    machine = BinaryKernelRidge(fit_intercept=False).fit(pairs, z)
    assert machine.certificate_.kkt_residual <= 1e-10
    problem = OperatorProblem(RBF()(X, X), RBF()(Y, Y), pairs, z, 1.0)
    assert optimality_residual(problem, machine.dual_coef_[pairs.i, pairs.j]) <= 1e-10


def test_rows_without_pairs_are_dropped():
    X, Y, Z = data()
    pairs = Pairs(X, Y, np.array([2, 2, 5]), np.array([0, 4, 4]))
    machine = BinaryKernelRidge().fit(pairs, Z[pairs.i, pairs.j])
    assert machine.X_fit_.shape == (2, 3)
    assert machine.dual_coef_.shape == (2, 2)


def test_table_rows_are_pairs():
    X, Y, Z = data()
    pairs = Pairs.grid(X, Y)
    table = np.hstack([X[pairs.i], Y[pairs.j]])
    by_table = BinaryKernelRidge(n_features_x=3).fit(table, Z.reshape(-1))
    by_pairs = BinaryKernelRidge().fit(pairs, Z)
    assert relative(by_table.predict(table), by_pairs.predict(pairs)) < 1e-10
    twice = np.vstack([table[:2], table[:2]])
    assert np.array_equal(*np.split(by_table.predict(twice), 2))


@pytest.mark.parametrize("gamma", [0.5, -0.5])
def test_machine_of_an_asymmetric_indefinite_kernel(gamma):
    rng = np.random.default_rng(0)
    WQ, WK = rng.standard_normal((2, 3)), rng.standard_normal((2, 2))
    X, Y, Z = data()
    kappa = Quadratic(gamma).pullback(WQ, WK)
    machine = BinaryKernelRidge.from_kernel(kappa, alpha=0.2).fit(Pairs.grid(X, Y), Z)
    assert machine.certificate_.passed
    assert machine.kernel_x == kappa.domain_x
    assert machine.predict_grid(X, Y).shape == Z.shape


def test_cross_validation_and_grid_search_on_pairs():
    X, Y, Z = data()
    pairs, z = Pairs.grid(X, Y), Z.reshape(-1)
    scores = cross_val_score(
        BinaryKernelRidge(alpha=0.1), pairs, z, cv=KFold(4, shuffle=True, random_state=0)
    )
    assert scores.shape == (4,)
    assert scores.min() > 0.5
    new_rows = cross_val_score(BinaryKernelRidge(), pairs, z, groups=pairs.i, cv=GroupKFold(3))
    assert np.isfinite(new_rows).all()
    search = GridSearchCV(
        BinaryKernelRidge(), {"alpha": [1e-2, 1.0, 1e3], "kernel_x": [RBF(), Linear()]}, cv=3
    ).fit(pairs, z)
    assert search.best_params_["alpha"] < 1e3
    assert relative(search.predict(pairs), search.best_estimator_.predict(pairs)) == 0


def test_clone_and_pickle():
    X, Y, Z = data()
    machine = BinaryKernelRidge(RBF(0.5), EDP(), alpha=0.2, solver=Cholesky())
    assert clone(machine).get_params() == machine.get_params()
    fitted = machine.fit(Pairs.grid(X, Y), Z)
    again = pickle.loads(pickle.dumps(fitted))
    assert relative(again.predict_grid(X, Y), fitted.predict_grid(X, Y)) < 1e-14
    assert again.certificate_ == fitted.certificate_


@pytest.mark.parametrize("leave", ["pair", "row", "column"])
@pytest.mark.parametrize("keep", [None, 40])
def test_cv_chooses_by_brute_force_leave_one_out(leave, keep):
    X, Y, Z = data(8, 7)
    Z = Z + 0.3 * np.random.default_rng(5).standard_normal(Z.shape)
    pairs = Pairs.grid(X, Y)
    if keep:
        pairs = pairs[np.random.default_rng(6).permutation(len(pairs))[:keep]]
    z = Z[pairs.i, pairs.j]
    alphas = (0.01, 0.1, 1.0, 10.0)
    machine = BinaryKernelRidgeCV(alphas=alphas, leave=leave).fit(pairs, z)
    groups = {"pair": np.arange(len(pairs)), "row": pairs.i, "column": pairs.j}[leave]
    rmse = []
    for alpha in alphas:
        errors = np.empty(len(pairs))
        for group in np.unique(groups):
            out = groups == group
            one = BinaryKernelRidge(alpha=alpha, solver=Cholesky()).fit(pairs[~out], z[~out])
            errors[out] = z[out] - one.predict(pairs[out])
        rmse.append(np.sqrt(np.mean(errors**2)))
    assert relative(machine.leave_out_rmse_, np.array(rmse)) < 1e-10
    assert machine.alpha_ == alphas[int(np.argmin(rmse))]
    best = BinaryKernelRidge(alpha=machine.alpha_).fit(pairs, z)
    assert relative(machine.predict(pairs), best.predict(pairs)) < 1e-10


def test_limits():
    X, Y, Z = data()
    pairs = Pairs.grid(X, Y)
    strong = BinaryKernelRidge(alpha=1e9, fit_intercept=False).fit(pairs, Z)
    assert np.abs(strong.predict(pairs)).max() < 1e-5
    mean = BinaryKernelRidge(alpha=1e9).fit(pairs, Z + 7)
    assert np.abs(mean.predict(pairs) - Z.mean() - 7).max() < 1e-5
    weak = BinaryKernelRidge(Laplace(), Laplace(), alpha=1e-9).fit(pairs, Z)
    assert relative(weak.predict(pairs), Z.reshape(-1)) < 1e-6
    zero = BinaryKernelRidge().fit(pairs, 0 * Z)
    assert not zero.dual_coef_.any()
    assert zero.certificate_.kkt_residual == 0


def bad_inputs():
    X, Y, Z = data(4, 3)
    pairs, z = Pairs.grid(X, Y), Z.reshape(-1)
    hole = z.copy()
    hole[1] = np.nan
    indefinite = Precomputed(np.eye(4) - 0.9)
    skew = Precomputed(np.eye(4) + np.triu(np.ones((4, 4)), 1))
    rows = Pairs.grid(Precomputed.points(4), Y)
    ridge = BinaryKernelRidge
    machine = BinaryKernelMachine
    return {
        "domains": (
            lambda: machine().fit((X, Y), Z),
            TypeError,
            r"two arrays: for all pairs of two domains pass Pairs.grid\(X, Y\)",
        ),
        "domains in a list": (
            lambda: ridge().fit([X, Y], Z),
            TypeError,
            r"pass Pairs.grid\(X, Y\)",
        ),
        "another split": (
            lambda: machine(n_features_x=2).fit(pairs, z),
            ValueError,
            "n_features_x=2 contradicts the Pairs, whose X has 3 columns",
        ),
        "the loss's class": (
            lambda: machine(loss=Hinge).fit(pairs, np.sign(z)),
            TypeError,
            r"the class Hinge: did you mean Hinge\(\)\?",
        ),
        "0-1 labels": (
            lambda: machine(loss=Hinge()).fit(pairs, (z > 0).astype(int)),
            ValueError,
            r"pass 2\*z - 1",
        ),
        "true and false": (
            lambda: machine(loss=Hinge()).fit(pairs, z > 0),
            TypeError,
            r"pass 2\*z - 1",
        ),
        "holes": (
            lambda: machine().fit(pairs, hole.reshape(4, 3)),
            ValueError,
            r"by seen = ~np.isnan\(z\), Pairs.from_mask\(X, Y, seen\), z\[seen\]",
        ),
        "the kernel's class": (
            lambda: machine(RBF).fit(pairs, z),
            TypeError,
            r"kernel_x must be a Kernel or None, got the class RBF: did you mean RBF\(\)\?",
        ),
        "labels": (lambda: machine(loss=Hinge()).fit(pairs, z), ValueError, "z must be −1 or 1"),
        "loss's type": (lambda: machine(loss="hinge").fit(pairs, z), TypeError, "loss must be a L"),
        "penalty's type": (
            lambda: machine(penalty=1.5).fit(pairs, z),
            TypeError,
            "penalty must be a SpectralPenalty",
        ),
        "machine's alpha": (
            lambda: machine(alpha=0).fit(pairs, z),
            ValueError,
            "alpha must be pos",
        ),
        "machine's solver": (
            lambda: machine(solver=ADMM).fit(pairs, z),
            TypeError,
            "solver must be a Solver",
        ),
        "another problem's solver": (
            lambda: machine(solver=Cholesky()).fit(pairs, z),
            TypeError,
            r"one of this machine \(ADMM\(\), .*Cholesky solves problems of class OperatorProblem",
        ),
        "ridge with the other's solver": (
            lambda: ridge(solver=ADMM()).fit(pairs, z),
            TypeError,
            r"one of this machine \(Spectral\(\), Cholesky\(\), ConjugateGradient\(\)\) or None",
        ),
        "a loss with kinks": (
            lambda: machine(loss=Hinge(), solver=SpectralNewton()).fit(pairs, np.sign(z - 9)),
            ValueError,
            "needs a smooth loss",
        ),
        "NaN response": (lambda: ridge().fit(pairs, hole), ValueError, "z contains NaN"),
        "short response": (lambda: ridge().fit(pairs, z[:5]), ValueError, "z must have shape"),
        "transposed": (lambda: ridge().fit(pairs, Z.T), ValueError, r"or \(4, 3\)"),
        "text response": (lambda: ridge().fit(pairs, ["a"] * 12), TypeError, "z must be an array"),
        "no response": (lambda: ridge().fit(pairs), ValueError, "z must hold a response"),
        "alpha": (lambda: ridge(alpha=-1).fit(pairs, z), ValueError, "alpha must be positive"),
        "alphas": (
            lambda: BinaryKernelRidgeCV(alphas=(1.0, 0.0)).fit(pairs, z),
            ValueError,
            "alphas must be positive",
        ),
        "alphas' type": (
            lambda: BinaryKernelRidgeCV(alphas=1.0).fit(pairs, z),
            TypeError,
            "alphas must be a sequence",
        ),
        "solver's type": (
            lambda: ridge(solver="spectral").fit(pairs, z),
            TypeError,
            "solver must be a Solver",
        ),
        "huge responses": (lambda: ridge().fit(pairs, z * 1e200), ValueError, "z has the largest"),
        "tiny responses": (lambda: ridge().fit(pairs, z * 1e-200), ValueError, "z has the largest"),
        "no alphas": (
            lambda: BinaryKernelRidgeCV(alphas=()).fit(pairs, z),
            ValueError,
            "alphas must hold",
        ),
        "kernel's type": (lambda: ridge("rbf").fit(pairs, z), TypeError, "kernel_x must be"),
        "distance kernel": (
            lambda: ridge(kernel_y=L2Distance()).fit(pairs, z),
            ValueError,
            "kernel_y must be a Mercer kernel",
        ),
        "indefinite": (
            lambda: ridge(indefinite).fit(rows, z),
            ValueError,
            "^kernel_x=.* is no Mercer kernel: its matrix G is indefinite, its eigenvalues from -",
        ),
        "asymmetric": (
            lambda: ridge(skew).fit(rows, z),
            ValueError,
            "^kernel_x=.* is no Mercer kernel: its matrix G is asymmetric, max",
        ),
        "a table without its split": (
            lambda: ridge().fit(np.ones((3, 4)), np.arange(3.0)),
            ValueError,
            r"^n_features_x must be given for a table of 4 columns with rows \[x \| y\]",
        ),
        "hidden indefinite": (
            lambda: ridge(RBF() + Quadratic(-3.0)).fit(pairs, z),
            ValueError,
            "gram_x must be positive semi-definite",
        ),
        "hidden asymmetric": (
            lambda: ridge(EDP().pullback(np.eye(3), np.eye(3)[[1, 2, 0]])).fit(pairs, z),
            ValueError,
            "gram_x must be symmetric",
        ),
        "overflow": (
            lambda: ridge(EDP()).fit(Pairs.grid(1e3 * X, Y), z),
            OverflowError,
            "EDP",
        ),
        "other features": (
            lambda: ridge().fit(pairs, z).predict_grid(Y, Y),
            ValueError,
            "X has 2 features",
        ),
        "one column": (lambda: ridge().fit(X[:, :1], z[:4]), ValueError, r"1 feature\(s\)"),
        "split": (lambda: ridge(n_features_x=3).fit(X, z[:4]), ValueError, "n_features_x must"),
        "repeated rows": (
            lambda: ridge(n_features_x=2).fit(np.ones((3, 4)), np.arange(3.0)),
            ValueError,
            "must not repeat a pair",
        ),
    }


@pytest.mark.parametrize("name", bad_inputs())
def test_bad_input_names_the_argument(name):
    call, error, message = bad_inputs()[name]
    with pytest.raises(error, match=message):
        call()


def test_a_fit_that_cannot_be_certified_raises():
    X, Y, Z = data()
    with pytest.raises(ConvergenceError, match="raise the regularization"):
        BinaryKernelRidge(alpha=1e-12, solver=ConjugateGradient(tol=1e-12, max_iter=1)).fit(
            Pairs.grid(X, Y)[:170], Z.reshape(-1)[:170]
        )


def test_float32_input_fits_as_its_float64_copy():
    X, Y, Z = data(60, 50)
    X = np.linspace(-1, 1, 60)[:, None]
    X, Y, Z = X.astype(np.float32), Y.astype(np.float32), Z.astype(np.float32)
    low = BinaryKernelRidge(RBF(), EDP(), alpha=0.1).fit(Pairs.grid(X, Y), Z)
    grid = Pairs.grid(X.astype(float), Y.astype(float))
    high = BinaryKernelRidge(RBF(), EDP(), alpha=0.1).fit(grid, Z.astype(float))
    assert low.predict_grid(X, Y).dtype == np.float64
    assert relative(low.predict_grid(X, Y), high.predict_grid(X, Y)) < 1e-12
    gram = RBF()(X, X)
    assert gram.dtype == np.float32
    assert np.linalg.eigvalsh(gram.astype(float))[0] < -1e-8  # indefinite by its own rounding
    rows = Pairs.grid(Precomputed.points(60), Y)
    with pytest.raises(ValueError, match="came in float32"):
        BinaryKernelRidge(Precomputed(gram), EDP(), alpha=0.1).fit(rows, Z)


@pytest.mark.parametrize("shape", [(5, 1), (1, 4), (1, 1)])
def test_thin_grids_take_a_matrix_or_a_vector(shape):
    X, Y, Z = data(*shape)
    pairs = Pairs.grid(X, Y)
    by_matrix, by_vector = (BinaryKernelRidge().fit(pairs, z) for z in (Z, Z.reshape(-1)))
    assert np.array_equal(by_matrix.dual_coef_, by_vector.dual_coef_)


def test_a_fit_does_not_change_with_what_it_came_from():
    X, Y, Z = data()
    machine = BinaryKernelRidge().fit(Pairs.grid(X, Y), Z)
    new = X[:3].copy()
    before = machine.predict_grid(new, Y[:2].copy())
    again = Y[:2].copy()
    X *= 2
    Y *= 2
    machine.set_params(kernel_x=Linear())
    assert np.array_equal(machine.predict_grid(new, again), before)


def test_score_takes_the_matrix_that_fit_takes():
    X, Y, Z = data()
    pairs = Pairs.grid(X, Y)
    machine = BinaryKernelRidge(alpha=0.1).fit(pairs, Z)
    assert machine.score(pairs, Z) == machine.score(pairs, Z.reshape(-1)) > 0.5


# ---- any loss, any Schatten norm


@pytest.mark.parametrize("keep", [None, 120])
def test_schatten_2_is_ridge_regression(keep):
    X, Y, Z = data()
    pairs = Pairs.grid(X, Y)
    if keep:
        pairs = pairs[np.sort(np.random.default_rng(3).permutation(180)[:keep])]
    z = Z[pairs.i, pairs.j]
    machine = BinaryKernelMachine(penalty=Schatten(2), alpha=0.1).fit(pairs, z)
    ridge = BinaryKernelRidge(alpha=0.1).fit(pairs, z)
    new = data(5, 4, seed=1)[:2]
    assert relative(machine.predict_grid(*new), ridge.predict_grid(*new)) < 1e-10
    assert relative(machine.predict(pairs), ridge.predict(pairs)) < 1e-10


def test_the_nuclear_norm_machine_has_low_rank_and_its_expansion():
    X, Y, Z = data(30, 25)
    Z = Z + 0.1 * np.random.default_rng(5).standard_normal(Z.shape)
    pairs = Pairs.grid(X, Y)
    machine = BinaryKernelMachine(RBF(), Laplace(), alpha=2.0).fit(pairs, Z)
    assert 1 <= machine.rank_ <= 8
    assert np.sum(machine.singular_values_ > 1e-8) == machine.rank_
    assert machine.certificate_.passed
    A, k_x, k_y = machine.dual_coef_, RBF()(X, X), Laplace()(Y, Y)
    # ‖T‖_* of T = Σ A_ij Φ_X(x_i) ⊗ Φ_Y(y_j), by Gram matrices only: √eig(K_X A K_Y Aᵀ).
    nuclear = np.sqrt(np.abs(np.linalg.eigvals(k_x @ A @ k_y @ A.T))).sum()
    values = k_x @ A @ k_y + machine.intercept_
    objective = ((values - Z) ** 2).sum() / 2 + 2.0 * nuclear
    assert objective == pytest.approx(machine.certificate_.primal, rel=1e-4)
    assert machine.score(pairs, Z) > 0.5


@pytest.mark.parametrize(
    ("params", "solver"),
    [
        ({}, "ADMM"),
        ({"penalty": Schatten(1.5)}, "SpectralNewton"),
        ({"penalty": Schatten(3), "loss": Logistic()}, "SpectralNewton"),
        ({"penalty": Schatten(8), "loss": Huber(0.5)}, "ADMM"),
        ({"penalty": Schatten(3), "loss": Hinge(), "solver": ADMM(tol=1e-5)}, "ADMM"),
        ({"loss": Logistic()}, "ADMM"),
    ],
)
def test_every_loss_and_penalty_is_fitted_by_what_can(params, solver, monkeypatch):
    X, Y, Z = data()
    used = []
    solve = spectral.solve
    monkeypatch.setattr(
        spectral, "solve", lambda problem, by: used.append(type(by).__name__) or solve(problem, by)
    )
    z = np.sign(Z) if params.get("loss", Squared()).labels else Z
    pairs = Pairs.grid(X, Y)[np.random.default_rng(0).permutation(180)[:150]]
    machine = BinaryKernelMachine(alpha=0.5, **params).fit(pairs, z[pairs.i, pairs.j])
    assert used == [solver]
    assert machine.certificate_.passed
    loss, penalty = params.get("loss", Squared()), params.get("penalty", Schatten(1))
    problem = SchattenProblem(
        RBF()(X, X), RBF()(Y, Y), pairs, z[pairs.i, pairs.j], 0.5, loss, penalty
    )
    h = machine.predict(pairs)
    value = loss.value(h, problem.z).sum() + 0.5 * penalty.value(machine.singular_values_)
    assert value == pytest.approx(machine.certificate_.primal, rel=1e-8)
    assert np.mean(np.sign(h) == np.sign(problem.z)) > 0.8


@pytest.mark.parametrize(("p", "sizes"), [(1.05, (24, 22)), (1.25, (30, 27))])
def test_hubers_loss_near_p_1_is_left_to_admm(p, sizes):
    """Newton's method stalls in the dual chart, on the kinks of ℓ'."""
    X, Y, Z = data(*sizes, 2)
    Z = Z + 0.3 * np.random.default_rng(2).standard_normal(Z.shape)
    pairs, loss = Pairs.grid(X, Y), Huber(0.05)
    with pytest.raises(ConvergenceError, match="SpectralNewton stopped"):
        BinaryKernelMachine(
            loss=loss, penalty=Schatten(p), alpha=1e-3, solver=SpectralNewton(max_iter=60)
        ).fit(pairs, Z)
    machine = BinaryKernelMachine(loss=loss, penalty=Schatten(p), alpha=1e-3).fit(pairs, Z)
    assert machine.certificate_.relative_gap <= 1e-6
    problem = SchattenProblem(RBF()(X, X), RBF()(Y, Y), pairs, Z, 1e-3, loss, Schatten(p))
    assert isinstance(machine._solver(problem), ADMM)


def test_the_general_machine_in_scikit_learn():
    X, Y, Z = data()
    pairs, z = Pairs.grid(X, Y), Z.reshape(-1)
    machine = BinaryKernelMachine(RBF(0.5), EDP(), Huber(), Schatten(1.5), 0.2, 3, SpectralNewton())
    assert clone(machine).get_params() == machine.get_params()
    fitted = machine.set_params(kernel_y=RBF()).fit(pairs, z)
    again = pickle.loads(pickle.dumps(fitted))
    assert relative(again.predict_grid(X, Y), fitted.predict_grid(X, Y)) < 1e-14
    assert again.certificate_ == fitted.certificate_
    search = GridSearchCV(
        BinaryKernelMachine(), {"alpha": [0.1, 10.0], "penalty": [Schatten(1), Schatten(1.5)]}, cv=3
    ).fit(pairs, z)
    assert search.best_params_["alpha"] == 0.1
    table = np.hstack([X[pairs.i], Y[pairs.j]])
    by_table = BinaryKernelMachine(n_features_x=3).fit(table, z)
    by_pairs = BinaryKernelMachine().fit(pairs, z)
    assert relative(by_table.predict(table), by_pairs.predict(pairs)) < 1e-3


def test_the_general_machine_of_an_asymmetric_indefinite_kernel():
    rng = np.random.default_rng(0)
    X, Y, Z = data()
    kappa = Quadratic(-0.5).pullback(rng.standard_normal((2, 3)), rng.standard_normal((2, 2)))
    machine = BinaryKernelMachine.from_kernel(kappa, penalty=Schatten(1.5)).fit(Pairs.grid(X, Y), Z)
    assert machine.certificate_.passed
    assert machine.kernel_x == kappa.domain_x
    assert machine.rank_ <= 6


def test_a_general_fit_that_cannot_be_certified_raises():
    X, Y, Z = data()
    with pytest.raises(ConvergenceError, match="ADMM stopped at a relative duality gap"):
        BinaryKernelMachine(alpha=0.1, solver=ADMM(max_iter=2)).fit(Pairs.grid(X, Y), Z)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0])
def test_iota_of_the_operator_expands_over_the_observed_pairs(p):
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal((6, 2)), rng.standard_normal((5, 2))
    mask = rng.uniform(size=(6, 5)) < 0.7
    pairs = Pairs.from_mask(X, Y, mask)
    machine = BinaryKernelMachine(penalty=Schatten(p), alpha=0.1)
    machine.fit(pairs, rng.standard_normal(len(pairs)))
    assert not machine.iota_coef_[~mask].any()
    assert machine.iota_coef_[mask].all()
    roots = [np.linalg.cholesky(RBF()(points, points)) for points in (X, Y)]
    T = roots[0].T @ machine.dual_coef_ @ roots[1]
    image = roots[0].T @ machine.iota_coef_ @ roots[1]
    U, sigma, Vt = np.linalg.svd(T, full_matrices=False)
    if p == 1:  # a member of the subdifferential: norm 1, and pairs to ‖T‖_*
        assert np.linalg.norm(image, 2) <= 1 + 1e-6
        assert (image * T).sum() == pytest.approx(sigma.sum(), rel=1e-6)
    else:
        assert relative((U * sigma ** (p - 1)) @ Vt, image) < 1e-5


# ---- the fit in two factors


def smooth_data():
    """Points so close for RBF() that A, whose entries reach 1e9, keeps half of the digits."""
    rng = np.random.default_rng(0)
    X, Y = rng.uniform(-2, 2, (60, 1)), rng.uniform(-2, 2, (60, 1))
    return X, Y, np.sin(X + Y.T) + 0.1 * rng.standard_normal((60, 60))


@pytest.mark.parametrize("alpha", [1e-2, 1.0])
@pytest.mark.parametrize("p", [1, 1.5, 2, 3, 4, 8])
def test_predictions_have_the_certified_objective(p, alpha):
    X, Y, Z = smooth_data()
    machine = BinaryKernelMachine(penalty=Schatten(p), alpha=alpha).fit(Pairs.grid(X, Y), Z)
    penalty = alpha * (machine.singular_values_**p).sum() / p

    def error(H):
        return abs(((H - Z) ** 2).sum() / 2 + penalty - machine.certificate_.primal) / (
            machine.certificate_.primal
        )

    grid = machine.predict_grid(X, Y)
    assert error(grid) <= 1e-12
    assert machine.query(X).shape == (60, machine.rank_)
    assert relative(machine.query(X) @ machine.key(Y).T + machine.intercept_, grid) == 0
    assert relative(machine.predict(Pairs.grid(X, Y)).reshape(60, 60), grid) == 0
    if p > 2:  # as predictions were made once: they would not pass
        by_expansion = RBF()(X, X) @ machine.dual_coef_ @ RBF()(Y, Y)
        assert error(by_expansion + machine.intercept_) > 1e-10


def test_queries_and_keys_of_new_points():
    X, Y, Z = data()
    new_x, new_y, _ = data(5, 4, seed=1)
    machine = BinaryKernelMachine(alpha=0.5).fit(Pairs.grid(X, Y), Z)
    by_expansion = RBF()(new_x, X) @ machine.dual_coef_ @ RBF()(Y, new_y)
    logits = machine.query(new_x) @ machine.key(new_y).T
    assert relative(logits, by_expansion) < 1e-10
    assert relative(machine.predict_grid(new_x, new_y), logits + machine.intercept_) == 0
    with pytest.raises(ValueError, match="X has 2 features"):
        machine.query(new_y)
    with pytest.raises(
        TypeError, match=r"X must be points of one domain, got Pairs: pass pairs\.X"
    ):
        machine.query(Pairs.grid(new_x, new_y))
    with pytest.raises(ValueError, match="Y has 3 features"):
        machine.key(new_x)
    with pytest.raises(NotFittedError):
        BinaryKernelMachine().query(X)
    again = pickle.loads(pickle.dumps(machine))
    assert np.array_equal(again.query(new_x), machine.query(new_x))


def test_a_fit_of_nothing_has_no_dimension():
    X, Y, Z = data()
    machine = BinaryKernelMachine(alpha=1e6).fit(Pairs.grid(X, Y), Z)
    assert machine.rank_ == 0
    assert machine.query(X).shape == (15, 0)
    assert np.ptp(machine.predict_grid(X, Y)) == 0
    assert machine.intercept_ == pytest.approx(Z.mean())
    assert machine.dual_coef_.shape == (15, 12)
    assert machine.alpha_max_ < 1e6
    just = BinaryKernelMachine(alpha=0.99 * machine.alpha_max_).fit(Pairs.grid(X, Y), Z)
    assert just.rank_ >= 1


def test_a_failed_fit_says_where_its_alpha_is():
    X, Y, Z = data()
    with pytest.raises(ConvergenceError, match=r"alpha is 0\.\d+ of alpha_max_ = \d"):
        BinaryKernelMachine(alpha=0.1, solver=ADMM(max_iter=2)).fit(Pairs.grid(X, Y), Z)
    with pytest.raises(ConvergenceError, match=r"tol or max_iter\.$"):  # there is no such α
        BinaryKernelMachine(penalty=Schatten(3), solver=SpectralNewton(max_iter=1)).fit(
            Pairs.grid(X, Y), Z
        )
