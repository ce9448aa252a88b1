"""Sums of products of kernels in a machine: its limits, its twins, searches, files, intervals."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from rkbs import (
    RBF,
    BinaryKernelRidge,
    Constant,
    Identity,
    Intervals,
    Laplace,
    Linear,
    PairKFold,
    Pairs,
    PairScorer,
    Posterior,
    Quadratic,
    load,
    save,
)
from rkbs.data import rmse
from rkbs.kernels import PairwiseSum, combine
from rkbs.laws import relative
from rkbs.machines import PairwiseKernelRidge, grid_edges
from rkbs.solvers import ConjugateGradient, ConvergenceError, PairwiseConjugateGradient

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 2)), RNG.normal(size=(9, 2))
GRID = Pairs.grid(X, Y)
SOME = GRID[np.sort(RNG.permutation(108)[:80])]
Z = np.sin(2 * X[GRID.i, 0]) + X[GRID.i, 1] * Y[GRID.j, 0] + 0.1 * RNG.normal(size=108) + 4
Z_SOME = Z[SOME.i * 9 + SOME.j]
KERNEL = PairwiseSum([(RBF(), Constant()), (Linear(), Linear()), (RBF(), RBF())], (1.0, 0.5, 0.2))
NEW = RNG.normal(size=(5, 2)), RNG.normal(size=(4, 2))


def dense(kernel, pairs, z, alpha, new, w=None):
    """h at new pairs, with a constant, of the matrix of the kernel itself."""
    n, noise = len(z), alpha / (np.ones(len(z)) if w is None else w)
    system = np.block(
        [[kernel(pairs) + np.diag(noise), np.ones((n, 1))], [np.ones((1, n)), np.zeros((1, 1))]]
    )
    found = np.linalg.solve(system, np.append(z, 0.0))
    return kernel(new, pairs) @ found[:n] + found[n]


@pytest.mark.parametrize("pairs", [GRID, SOME], ids=["grid", "some"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
def test_predictions_are_those_of_the_kernel_of_pairs(pairs, weighted):
    z = Z[pairs.i * 9 + pairs.j]
    w = np.exp(RNG.normal(size=len(z))) if weighted else None
    machine = PairwiseKernelRidge(KERNEL, alpha=0.1).fit(pairs, z, w)
    new = Pairs.grid(*NEW)
    expected = dense(KERNEL, pairs, z, 0.1, new, w)
    assert relative(machine.predict(new), expected) < 1e-11
    by_towers = machine.query(NEW[0]) @ machine.key(NEW[1]).T + machine.intercept_
    assert relative(by_towers, machine.predict_grid(*NEW)) < 1e-13
    a = machine.dual_coef_[pairs.i, pairs.j]
    assert relative(KERNEL(new, pairs) @ a + machine.intercept_, expected) < 1e-11
    assert abs(a.sum()) < 1e-10 * np.abs(a).sum()
    assert machine.certificate_.kkt_residual < 1e-12


def test_one_product_is_binary_kernel_ridge():
    options = {"alpha": 0.2, "effects": ("row", "column"), "effects_alpha": 0.7}
    one = PairwiseKernelRidge(PairwiseSum([(RBF(), Laplace())], [3.0]), **options)
    two = BinaryKernelRidge(3.0 * RBF(), Laplace(), **options)
    found, expected = (machine.fit(SOME, Z_SOME) for machine in (one, two))
    assert relative(found.predict_grid(*NEW), expected.predict_grid(*NEW)) < 1e-10
    assert relative(found.row_effects_, expected.row_effects_) < 1e-9
    assert relative(PairwiseKernelRidge().fit(SOME, Z_SOME).predict(GRID),
                    BinaryKernelRidge().fit(SOME, Z_SOME).predict(GRID)) < 1e-10  # fmt: skip


def test_products_of_one_kernel_of_x_are_a_sum_in_y():
    kernel = PairwiseSum([(RBF(), Linear()), (RBF(), Laplace())], (2.0, 0.3))
    found = PairwiseKernelRidge(kernel, alpha=0.2).fit(SOME, Z_SOME)
    twin = BinaryKernelRidge(RBF(), combine([Linear(), Laplace()], (2.0, 0.3)), alpha=0.2)
    assert relative(found.predict_grid(*NEW), twin.fit(SOME, Z_SOME).predict_grid(*NEW)) < 1e-10


def test_main_effects_are_sums_of_functions():
    kernel = PairwiseSum([(RBF(), Constant()), (Constant(), Laplace())], (1.0, 2.0))
    h = PairwiseKernelRidge(kernel, alpha=0.1).fit(SOME, Z_SOME).predict_grid(*NEW)
    mixed = h - h.mean(0) - h.mean(1, keepdims=True) + h.mean()
    assert np.abs(mixed).max() < 1e-12


def test_a_search_finds_the_product_that_made_the_responses():
    kernel = PairwiseSum([(Linear(), Linear()), (RBF(), RBF())])
    z = X[GRID.i, 0] * Y[GRID.j, 1] + 0.3 * RNG.normal(size=108)
    weights = [(1, 0), (0.5, 0.5), (0, 1)]
    grid = {"kernel__weights": weights, "kernel__products__1__kernel_x__tau": [0.5, 2.0]}
    search = GridSearchCV(
        PairwiseKernelRidge(kernel, alpha=0.3), grid, cv=PairKFold(4, leave="both"),
        scoring=PairScorer(rmse),
    ).fit(GRID, z)  # fmt: skip
    assert search.best_params_["kernel__weights"] == (1, 0)
    assert len(search.best_estimator_.query_coef_) == 1  # products of weight 0 take no part
    assert not any("weights" in name and "sum" not in name for name in grid_edges(search))
    plain = BinaryKernelRidge(Linear(), Linear(), alpha=0.3).fit(GRID, z)
    assert relative(search.predict(GRID), plain.predict(GRID)) < 1e-9


def test_weights_and_repeated_rows():
    counts = RNG.integers(0, 3, 80)
    table = np.hstack([X[SOME.i], Y[SOME.j]])
    by_weight = PairwiseKernelRidge(KERNEL, alpha=0.2).fit(SOME, Z_SOME, counts)
    repeated = PairwiseKernelRidge(KERNEL, alpha=0.2, n_features_x=2)
    repeated.fit(table.repeat(counts, axis=0), Z_SOME.repeat(counts))
    assert relative(by_weight.predict_grid(*NEW), repeated.predict_grid(*NEW)) < 1e-9
    kept = counts > 0
    without = PairwiseKernelRidge(KERNEL, alpha=0.2).fit(SOME[kept], Z_SOME[kept], counts[kept])
    assert np.array_equal(by_weight.predict(GRID), without.predict(GRID))


def test_entities_ids_and_names_come_back():
    ids = [f"d{k}" for k in range(12)]
    pairs = Pairs.grid(X, Y, ids_x=ids)
    kernel = PairwiseSum([(RBF(), RBF()), (Identity(), Constant())], (1.0, 2.0))
    machine = PairwiseKernelRidge(kernel, alpha=0.2).fit(pairs, Z)
    new = Pairs.grid(np.vstack([X[:1], NEW[0][:1]]), Y, ids_x=["d0", "new"])
    assert relative(machine.predict(new), dense(kernel, pairs, Z, 0.2, new)) < 1e-10
    with pytest.raises(ValueError, match=r"^X comes without ids"):
        machine.predict(GRID)


def test_files_and_clones(tmp_path):
    machine = PairwiseKernelRidge(KERNEL, 0.2, solver=PairwiseConjugateGradient(1e-11))
    machine.fit(SOME, Z_SOME)
    save(machine, tmp_path / "machine")
    again = load(tmp_path / "machine")
    assert np.array_equal(again.predict_grid(*NEW), machine.predict_grid(*NEW))
    assert again.get_params() == clone(machine).get_params() == machine.get_params()


def test_intervals_are_of_fits_in_folds():
    machine = PairwiseKernelRidge(KERNEL, alpha=0.1).fit(SOME, Z_SOME)
    found = Intervals.of(machine, SOME, Z_SOME, settings=("row",), cv=4)
    (errors,) = found.settings
    expected = np.empty(80)
    for train, test in PairKFold(4, leave="row").split(SOME):
        one = PairwiseKernelRidge(KERNEL, alpha=0.1).fit(SOME[train], Z_SOME[train])
        expected[test] = Z_SOME[test] - one.predict(SOME[test])
    assert errors.by == "folds"
    assert relative(errors.errors, expected) < 1e-12


BAD = {
    "no sum": ({"kernel": RBF()}, TypeError, "^kernel must be a PairwiseSum or None, got RBF"),
    "indefinite": (
        {"kernel": PairwiseSum([(RBF(), RBF()), (RBF(), Quadratic(-1.0))])},
        ValueError,
        r"^kernel.products\[1\].kernel_y must be a Mercer kernel",
    ),
    "solver": ({"solver": ConjugateGradient()}, TypeError, "^solver must be .*but ConjugateGrad"),
    "alpha": ({"alpha": 0.0}, ValueError, "^alpha must be positive"),
    "effects": ({"effects": ("both",)}, ValueError, "^effects must be"),
    "intercept": ({"fit_intercept": 1}, TypeError, "^fit_intercept must be True or False"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_are_named(name):
    params, error, says = BAD[name]
    with pytest.raises(error, match=says):
        PairwiseKernelRidge(**params).fit(SOME, Z_SOME)


def test_what_it_is_no_machine_for():
    machine = PairwiseKernelRidge(KERNEL).fit(SOME, Z_SOME)
    with pytest.raises(TypeError, match="machine must be BinaryKernelRidge or BinaryKernelRidgeCV"):
        Posterior.of(machine, SOME, Z_SOME)
    weak = PairwiseKernelRidge(KERNEL, 1e-9, solver=PairwiseConjugateGradient(1e-16, 1))
    with pytest.raises(ConvergenceError, match="PairwiseConjugateGradient stopped at a relative"):
        weak.fit(SOME, Z_SOME)
