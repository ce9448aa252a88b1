"""Machines with kernels of low rank: large domains, and the limits where nothing is left out."""

import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    ConjugateGradient,
    Identity,
    Laplace,
    Linear,
    LowRank,
    Pairs,
)
from rkbs.kernels import Constant

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(size=(60, 2)), RNG.uniform(size=(50, 2))
Z = 5 + np.sin(3 * X[:, :1] + 2 * Y[:, 0]) + 0.1 * RNG.standard_normal((60, 50))
NEW = RNG.uniform(size=(7, 2))
DATA = {"grid": Pairs.grid(X, Y), "half": Pairs.from_mask(X, Y, RNG.uniform(size=Z.shape) < 0.5)}
DATA["few"] = DATA["half"][::60]


def low(kernel, rank=1000, seed=0):
    return LowRank(kernel, X, rank, seed=seed), LowRank(kernel, Y, rank, seed=seed)


def responses(pairs):
    return Z[pairs.i, pairs.j]


@pytest.mark.parametrize("effects", [(), ("row",), ("row", "column")], ids=str)
@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("kernel", [RBF(2.0), Laplace(), Linear()], ids=repr)
def test_with_all_landmarks_it_is_the_exact_machine(kernel, name, effects):
    pairs = DATA[name]
    machines = [
        BinaryKernelRidge(*kernels, alpha=0.1, effects=effects).fit(pairs, responses(pairs))
        for kernels in ((kernel, kernel), low(kernel))
    ]
    one, other = machines
    assert abs(one.predict(pairs) - other.predict(pairs)).max() < 1e-8
    assert abs(one.predict_grid(NEW, NEW) - other.predict_grid(NEW, NEW)).max() < 1e-8
    assert abs(one.dual_coef_ - other.dual_coef_.toarray()).max() < 1e-7
    assert one.intercept_ == pytest.approx(other.intercept_, abs=1e-7)
    assert other.left_out_x_.share < 1e-12
    assert one.left_out_x_ is None
    assert other.certificate_.passed


@pytest.mark.parametrize("name", DATA)
def test_it_is_ridge_regression_on_the_products_of_features(name):
    pairs, (k_x, k_y) = DATA[name], low(RBF(2.0), 8)
    z = responses(pairs)
    machine = BinaryKernelRidge(k_x, k_y, alpha=0.3).fit(pairs, z)
    used = pairs.compact()
    F, G = k_x.features(X)[pairs.i], k_y.features(Y)[pairs.j]
    phi = (F[:, :, None] * G[:, None]).reshape(len(z), -1)
    A = np.hstack([phi - phi.mean(0)])
    w = np.linalg.solve(A.T @ A + 0.3 * np.eye(64), A.T @ (z - z.mean()))
    b = z.mean() - phi.mean(0) @ w
    right = k_x.features(NEW) @ w.reshape(8, 8) @ k_y.features(NEW).T + b
    assert abs(machine.predict_grid(NEW, NEW) - right).max() < 1e-8
    assert abs(machine.intercept_ - b) < 1e-8
    assert abs(machine.predict(pairs) - phi @ w - b).max() < 1e-8
    assert machine.query_coef_.shape == (8, 8)
    assert machine.dual_coef_.shape == (len(used.X), len(used.Y))
    assert machine.dual_coef_.nnz == len(pairs)
    logits = machine.query(NEW) @ machine.key(NEW).T + machine.intercept_
    assert abs(logits - right).max() < 1e-8


def test_what_is_left_out_falls_with_the_rank_and_so_does_the_error():
    pairs = DATA["half"]
    exact = BinaryKernelRidge(RBF(2.0), RBF(2.0), alpha=0.1).fit(pairs, responses(pairs))
    right, last = exact.predict_grid(X, Y), (np.inf, np.inf)
    for rank in (2, 8, 20, 40):
        machine = BinaryKernelRidge(*low(RBF(2.0), rank), alpha=0.1).fit(pairs, responses(pairs))
        now = machine.left_out_x_.share, np.linalg.norm(machine.predict_grid(X, Y) - right)
        assert now[0] < last[0]
        assert now[1] < last[1]
        last = now


def test_one_domain_may_have_it_alone():
    pairs = DATA["half"]
    mixed = BinaryKernelRidge(low(Laplace())[0], Laplace(), alpha=0.1).fit(pairs, responses(pairs))
    exact = BinaryKernelRidge(Laplace(), Laplace(), alpha=0.1).fit(pairs, responses(pairs))
    assert abs(mixed.predict(pairs) - exact.predict(pairs)).max() < 1e-8
    assert mixed.left_out_y_ is None
    assert mixed.left_out_x_.share < 1e-12


@pytest.mark.parametrize(
    "machine",
    [BinaryKernelRidgeCV(alphas=(0.1,)), BinaryKernelMachine(alpha=0.5)],
    ids=lambda machine: type(machine).__name__,
)
def test_elsewhere_it_is_a_kernel_like_any_other(machine):
    found = [
        clone(machine).set_params(kernel_x=k_x, kernel_y=k_y).fit(DATA["grid"], Z)
        for k_x, k_y in ((Laplace(), Laplace()), low(Laplace()))
    ]
    one, other = (each.predict_grid(NEW, NEW) for each in found)
    assert abs(one - other).max() < 1e-4


def test_beside_an_effect_of_each_entity_in_the_kernel():
    k_x, k_y = low(Laplace())
    pairs = DATA["half"]
    found = [
        BinaryKernelRidge(a + 0.5 * Identity(), b + Constant()).fit(pairs, responses(pairs))
        for a, b in ((Laplace(), Laplace()), (k_x, k_y))
    ]
    assert abs(found[0].predict(pairs) - found[1].predict(pairs)).max() < 1e-8
    assert found[1].left_out_x_ is None  # a sum, whose Gram matrix is formed


def test_scikit_learns_ways():
    pairs, (k_x, k_y) = DATA["half"], low(RBF(2.0), 10)
    machine = BinaryKernelRidge(k_x, k_y, alpha=0.1)
    right = clone(machine).fit(pairs, responses(pairs))
    again = pickle.loads(pickle.dumps(right))
    assert np.array_equal(again.predict(pairs), right.predict(pairs))
    other = clone(machine).set_params(kernel_x__kernel__tau=1.0, kernel_y__rank=5)
    other.fit(pairs, responses(pairs))
    assert other.kernel_x_.kernel.tau == 1.0
    assert other.key_coef_.shape[0] == 5
    assert right.score(pairs, responses(pairs)) > 0.9


def test_rows_without_pairs_are_left_out():
    pairs = DATA["half"][DATA["half"].i % 2 == 0]
    machine = BinaryKernelRidge(*low(Laplace()), alpha=0.1).fit(pairs, responses(pairs))
    exact = BinaryKernelRidge(Laplace(), Laplace(), alpha=0.1).fit(pairs, responses(pairs))
    assert len(machine.X_fit_) == 30
    assert abs(machine.predict_grid(NEW, NEW) - exact.predict_grid(NEW, NEW)).max() < 1e-8


def test_points_of_another_dimension_are_named():
    machine = BinaryKernelRidge(*low(Laplace()), solver=ConjugateGradient())
    machine.fit(DATA["half"], responses(DATA["half"]))
    with pytest.raises(ValueError, match="X has 1 features, but the machine was fitted with 2"):
        machine.predict_grid(NEW[:, :1], NEW)
    with pytest.raises(ValueError, match="must share their last axis"):
        BinaryKernelRidge(LowRank(Laplace(), X[:, :1])).fit(DATA["half"], responses(DATA["half"]))


N = 4000
LARGE_X, LARGE_Y = RNG.uniform(size=(N, 2)), RNG.uniform(size=(N, 2))


@pytest.mark.parametrize("constant", [False, True])
def test_a_fit_with_few_of_the_pairs_forms_nothing_of_the_size_of_the_grid(constant):
    """And takes a few steps: a constant costs none of them."""
    flat = np.unique(np.concatenate([np.arange(N) * (N + 1), RNG.choice(N * N, N)]))
    pairs = Pairs(LARGE_X, LARGE_Y, *np.divmod(flat, N))
    z = np.sin(3 * LARGE_X[pairs.i, 0] + 2 * LARGE_Y[pairs.j, 0])
    kernels = LowRank(RBF(2.0), LARGE_X, 20), LowRank(RBF(2.0), LARGE_Y, 20)
    solver = ConjugateGradient(max_iter=40)
    machine = BinaryKernelRidge(*kernels, alpha=1.0, fit_intercept=constant, solver=solver)
    tracemalloc.start()
    machine.fit(pairs, z)
    predicted = machine.predict(pairs)
    block = machine.predict_grid(LARGE_X[:50], LARGE_Y[:50])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * N**2 / 4
    F, G = kernels[0].features(LARGE_X), kernels[1].features(LARGE_Y)
    phi = np.einsum("na,nb->nab", F[pairs.i], G[pairs.j]).reshape(len(z), -1)
    offset = int(constant)
    A = np.hstack([phi, np.ones((len(z), offset))])
    penalty = np.diag([1.0] * phi.shape[1] + [0.0] * offset)
    right = A @ np.linalg.solve(A.T @ A + penalty, A.T @ z)
    assert abs(predicted - right).max() < 1e-8
    at = (pairs.i < 50) & (pairs.j < 50)
    assert abs(block[pairs.i[at], pairs.j[at]] - right[at]).max() < 1e-8
