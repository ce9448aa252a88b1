"""The machine of any loss and penalty: expansions, factors, default solvers, certificates."""

import pickle

import numpy as np
import pytest
from machine_helpers import data
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from rkbs.data.pairs import Pairs
from rkbs.kernels import EDP, RBF, Laplace, Quadratic
from rkbs.laws import relative
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelRidge,
    _solving,
)
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers import ADMM, ConvergenceError, Factorized, SpectralNewton
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import Huber, Squared
from rkbs.terms.spectral_penalties import Schatten


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
        ({"loss": Logistic(), "solver": Factorized()}, "Factorized"),
        ({"loss": Hinge()}, "ADMM"),
    ],
)
def test_every_loss_and_penalty_is_fitted_by_what_can(params, solver, monkeypatch):
    X, Y, Z = data()
    used = []
    solve = _solving.solve
    monkeypatch.setattr(
        _solving, "solve", lambda problem, by: used.append(type(by).__name__) or solve(problem, by)
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


@pytest.mark.parametrize(
    ("sizes", "loss", "solver"),
    [
        ((100, 100), Squared(), "Factorized"),
        ((130, 100), Logistic(), "Factorized"),
        ((100, 99), Squared(), "ADMM"),
        ((99, 100), Huber(1.0), "ADMM"),
        ((100, 100), Hinge(), "ADMM"),
    ],
)
def test_factors_are_the_default_from_100_points_on(sizes, loss, solver):
    X, Y = (np.zeros((n, 1)) for n in sizes)
    pairs = Pairs(X, Y, [0], [0])
    problem = SchattenProblem(X @ X.T, Y @ Y.T, pairs, np.ones(1), 1.0, loss, Schatten(1))
    assert type(BinaryKernelMachine(loss=loss)._solver(problem)).__name__ == solver


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
