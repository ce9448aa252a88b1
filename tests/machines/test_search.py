"""scikit-learn's validation and searches over kernels, in the four settings of two-domain data."""

import inspect
import pickle
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    ParameterGrid,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)

from rkbs import (
    ADMM,
    RBF,
    BinaryKernelMachine,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Constant,
    Huber,
    Identity,
    Laplace,
    Linear,
    PairKFold,
    Pairs,
    PairScorer,
    Precomputed,
    Schatten,
)
from rkbs.data import auc, aupr, c_index, mse, rmse, similarity_clusters
from rkbs.kernels import combine
from rkbs.machines import grid_edges

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 2)), RNG.normal(size=(9, 3))
SEEN = RNG.uniform(size=(12, 9)) < 0.8
PAIRS = Pairs.from_mask(X, Y, SEEN)
Z = (np.sin(X[:, :1] + Y[:, 0]) + 0.1 * RNG.normal(size=(12, 9)))[SEEN]
TABLE = np.hstack([X[PAIRS.i], Y[PAIRS.j]])
MACHINE = BinaryKernelRidge(RBF(), RBF(), alpha=0.1)
SETTINGS = ("pair", "row", "column", "both")
settings = pytest.mark.parametrize("leave", SETTINGS)


def by_hand(machine, leave, folds=3):
    """The mean squared errors of a loop over folds, with every score written out."""
    scores, cv = [], PairKFold(folds, leave=leave)
    for train, test in cv.split(PAIRS):
        fit = clone(machine).fit(PAIRS[train], Z[train])
        h = [
            fit.predict_grid(X[i : i + 1], Y[j : j + 1]).item()
            for i, j in zip(PAIRS.i[test], PAIRS.j[test], strict=True)
        ]
        scores.append(np.mean((np.array(h) - Z[test]) ** 2))
    return scores


@settings
@pytest.mark.parametrize("data", ["pairs", "table"])
def test_cross_validation_is_a_loop_by_hand(leave, data):
    machine, given, cv = MACHINE, PAIRS, PairKFold(3, leave=leave)
    if data == "table":  # in the order of the pairs, whose folds are then other ones: pass them on
        machine, given = clone(MACHINE).set_params(n_features_x=2), TABLE
        cv = list(cv.split(PAIRS))
    scores = cross_val_score(machine, given, Z, cv=cv, scoring=PairScorer(mse))
    assert -scores == pytest.approx(by_hand(MACHINE, leave), rel=1e-9)


@settings
def test_many_scores_at_once(leave):
    scoring = {
        "order": PairScorer(c_index),
        "rmse": PairScorer(rmse, per="column"),
        "area": PairScorer(partial(aupr, threshold=0.0)),
        "r2": "r2",
    }
    found = cross_validate(MACHINE, PAIRS, Z, cv=PairKFold(3, leave=leave), scoring=scoring)
    assert found["test_order"].mean() > 0.6
    assert all(np.isfinite(found[f"test_{name}"]).all() for name in scoring)
    assert (found["test_rmse"] < 0).all()


KERNELS = [RBF(0.3), RBF(1e-4) + Constant(), None, Linear()]


@pytest.mark.parametrize(
    ("leave", "data"),
    [*((leave, PAIRS) for leave in SETTINGS), ("row", TABLE), ("column", pd.DataFrame(TABLE))],
    ids=[*SETTINGS, "table", "frame"],
)
def test_a_grid_search_over_kernels_takes_the_best_of_the_hand_made_scores(leave, data):
    table = not isinstance(data, Pairs)
    machine = clone(MACHINE).set_params(n_features_x=2 if table else None)
    cv = PairKFold(3, leave=leave, n_features_x=2 if table else None)
    grid = {"kernel_x": KERNELS, "alpha": [1e-2, 1.0]}
    search = GridSearchCV(machine, grid, cv=cv, scoring=PairScorer(rmse)).fit(data, Z)
    errors = {}
    for kernel in KERNELS:
        for alpha in grid["alpha"]:
            squared = []
            for train, test in cv.split(data):
                fit = BinaryKernelRidge(kernel, RBF(), alpha=alpha).fit(PAIRS[train], Z[train])
                squared.append(np.mean((fit.predict(PAIRS[test]) - Z[test]) ** 2))
            errors[repr(kernel), alpha] = np.mean(np.sqrt(squared))
    best = search.best_params_["kernel_x"], search.best_params_["alpha"]
    assert (repr(best[0]), best[1]) == min(errors, key=errors.get)
    found = -search.cv_results_["mean_test_score"]
    params = [(repr(p["kernel_x"]), p["alpha"]) for p in search.cv_results_["params"]]
    assert found == pytest.approx([errors[each] for each in params], rel=1e-8)
    assert search.best_estimator_.certificate_.passed
    assert len(pd.DataFrame(search.cv_results_)) == 8
    assert np.array_equal(search.predict(data), search.best_estimator_.predict(data))


def test_similarities_and_their_mixtures():
    G = RBF()(X, X)
    pairs = Pairs(Precomputed.points(12), Y, PAIRS.i, PAIRS.j)
    kernels = [Precomputed(G), Precomputed(G @ G) + Identity(), Precomputed(np.eye(12))]
    cv = PairKFold(3, leave="row", groups_x=similarity_clusters(G, 0.9))
    search = GridSearchCV(MACHINE, {"kernel_x": kernels}, cv=cv, scoring=PairScorer(rmse))
    search.fit(pairs, Z)
    assert search.best_index_ in (0, 1)  # no other point is like a new one in the identity
    matrices = {"kernel_x__matrix": [np.eye(12), G]}
    search = GridSearchCV(BinaryKernelRidge(Precomputed(G), RBF()), matrices, cv=cv)
    assert search.fit(pairs, Z).best_index_ == 1


def test_a_nested_search_leaves_groups_out_at_both_levels(monkeypatch):
    groups = np.arange(12) // 2
    cv = PairKFold(3, leave="row", groups_x=groups)
    fits = []
    fit = BinaryKernelRidge.fit
    monkeypatch.setattr(
        BinaryKernelRidge, "fit", lambda self, X, y: fits.append(X) or fit(self, X, y)
    )
    search = GridSearchCV(MACHINE, {"kernel_x__tau": [0.1, 1.0]}, cv=PairKFold(2, leave="row",
        groups_x=groups), scoring=PairScorer(c_index))  # fmt: skip
    found = cross_validate(search, PAIRS, Z, cv=cv, return_indices=True, error_score="raise")
    assert len(fits) == 3 * (2 * 2 + 1)
    for k, test in enumerate(found["indices"]["test"]):
        new = set(groups[PAIRS.i[test]])
        for pairs in fits[5 * k : 5 * k + 5]:
            assert not new & set(groups[pairs.i])
        inner = [set(groups[pairs.i]) for pairs in fits[5 * k : 5 * k + 4]]
        assert all(len(each) == 2 for each in inner)  # half of the four that are known


def test_a_random_search_and_one_that_was_sent_to_another_process():
    params = {"kernel_x__tau": loguniform(0.1, 3), "alpha": loguniform(0.01, 1)}
    cv, scoring = PairKFold(2, leave="both"), PairScorer(partial(aupr, threshold=0.5))
    search = RandomizedSearchCV(MACHINE, params, n_iter=3, cv=cv, scoring=scoring, random_state=0)
    again = pickle.loads(pickle.dumps(search)).fit(PAIRS, Z)
    assert again.best_params_ == search.fit(PAIRS, Z).best_params_
    assert clone(search).cv.leave == "both"


def test_a_learning_curve_on_new_rows():
    sizes, _, scores = learning_curve(
        MACHINE, PAIRS, Z, cv=PairKFold(3, leave="row"), scoring=PairScorer(rmse), shuffle=True,
        random_state=0, train_sizes=[0.2, 1.0],
    )  # fmt: skip
    assert sizes[0] < sizes[1]
    assert scores[0].mean() < scores[1].mean()


def test_a_fold_without_a_score_is_an_error_that_says_why():
    labels = np.where(PAIRS.i == 0, 1.0, -1.0)
    cv, scoring = PairKFold(3, leave="row"), PairScorer(auc)
    with pytest.warns(UserWarning, match="labels must be of two classes"):
        scores = cross_val_score(MACHINE, PAIRS, labels, cv=cv, scoring=scoring)
    assert np.isnan(scores).sum() == 2
    with pytest.raises(ValueError, match=r"^labels must be of two classes, got one for all"):
        cross_val_score(MACHINE, PAIRS, labels, cv=cv, scoring=scoring, error_score="raise")


@pytest.mark.parametrize("routing", [False, True])
def test_labels_of_pairs_reach_the_splitter(routing):
    """Also by scikit-learn's metadata routing."""
    labels = np.column_stack([PAIRS.i // 2, PAIRS.j // 2])
    cv = PairKFold(2, leave="both")
    folds = list(cv.split(PAIRS, groups=labels))
    right = cross_val_score(MACHINE, PAIRS, Z, cv=folds)
    assert not np.allclose(right, cross_val_score(MACHINE, PAIRS, Z, cv=cv))
    with config_context(enable_metadata_routing=routing):
        given = {"params": {"groups": labels}} if routing else {"groups": labels}
        assert cross_val_score(MACHINE, PAIRS, Z, cv=cv, **given) == pytest.approx(right)
        search = GridSearchCV(MACHINE, {"alpha": [0.1]}, cv=cv).fit(PAIRS, Z, groups=labels)
        assert search.cv_results_["mean_test_score"] == pytest.approx([right.mean()])


# ---- edges of what was tried


def searched(grid, **best):
    """A search of which this was the best."""
    search = GridSearchCV(MACHINE, grid)
    search.cv_results_ = {"params": list(ParameterGrid(grid))}
    search.best_params_ = best
    return search


def test_choices_at_an_edge_are_named():
    alphas = {"alpha": [1.0, 0.1, 10.0]}
    assert grid_edges(searched(alphas, alpha=1.0)) == {}
    assert grid_edges(searched(alphas, alpha=0.1)) == {"alpha": "0.1 is the least of 3"}
    assert grid_edges(searched(alphas, alpha=10.0)) == {"alpha": "10 is the greatest of 3"}
    assert grid_edges(searched({"alpha": [0.1]}, alpha=0.1)) == {}  # there was no choice


def test_edges_are_those_of_kernels_of_one_kind_too():
    grid = {"kernel_x": [RBF(0.1), RBF(1.0), Laplace(5.0), None, 2.0 * RBF(3.0)], "alpha": [1, 2]}
    assert grid_edges(searched(grid, kernel_x=RBF(1.0), alpha=2)) == {
        "alpha": "2 is the greatest of 2"
    }
    assert grid_edges(searched(grid, kernel_x=RBF(0.1), alpha=1)) == {
        "alpha": "1 is the least of 2",
        "kernel_x__tau": "0.1 is the least of 3",
    }
    mixed = {"kernel_x": [RBF() + factor * Identity() for factor in (0.1, 1.0, 10.0)]}
    found = grid_edges(searched(mixed, kernel_x=mixed["kernel_x"][2]))
    assert found == {"kernel_x__b__factor": "10 is the greatest of 3"}
    flags = {"fit_intercept": [False, True], "kernel_y": [Linear(), None]}
    assert grid_edges(searched(flags, fit_intercept=True, kernel_y=None)) == {}


def test_weights_of_several_kernels_have_edges_by_their_shares():
    kernel = combine([RBF(), Linear()])
    grid = {"kernel_x": [kernel], "kernel_x__weights": ["alignf", (1, 3), [2, 2], (9, 1), (18, 2)]}
    for weights, edges in {
        (2, 2): {"sum of kernel_x__weights": "4 is the least of 3"},
        (9, 1): {
            "kernel_x__weights[0]": "0.9 is the greatest of 3",
            "kernel_x__weights[1]": "0.1 is the least of 3",
        },
    }.items():
        assert grid_edges(searched(grid, kernel_x=kernel, kernel_x__weights=weights)) == edges
    assert grid_edges(searched(grid, kernel_x=kernel, kernel_x__weights="alignf")) == {}
    both = {"kernel_x": [RBF(9.0), RBF(1.0)], "kernel_x__tau": [2.0, 3.0, 4.0]}
    assert grid_edges(searched(both, kernel_x=RBF(1.0), kernel_x__tau=3.0)) == {}
    whole = {"kernel_x": [combine([RBF(), Linear()], w) for w in ((1, 0), (0.5, 0.5), (0, 1))]}
    assert grid_edges(searched(whole, kernel_x=whole["kernel_x"][0])) == {}  # nothing is beyond


def test_edges_of_a_search_that_was_made():
    grid = {"kernel_x__tau": [1e-6, 1e-5], "kernel_y": [RBF(), Linear()]}
    search = GridSearchCV(MACHINE, grid, cv=PairKFold(2), scoring=PairScorer(rmse)).fit(PAIRS, Z)
    assert grid_edges(search) == {"kernel_x__tau": "1e-05 is the greatest of 2"}
    with pytest.raises(TypeError, match=r"^search must be a fitted search.*got GridSearchCV: "):
        grid_edges(clone(search))
    with pytest.raises(TypeError, match=r"^search must be a fitted search.*got BinaryKernelRidge"):
        grid_edges(MACHINE)


# ---- parameters of what a machine consists of


def test_losses_penalties_and_solvers_have_parameters_too():
    machine = BinaryKernelMachine(RBF(), RBF(), Huber(0.5), Schatten(1.0), solver=ADMM(tol=1e-6))
    params = machine.get_params()
    assert (params["loss__delta"], params["penalty__p"], params["solver__tol"]) == (0.5, 1.0, 1e-6)
    machine.set_params(loss__delta=2.0, penalty__p=1.5, solver__max_iter=7, kernel_x__tau=3.0)
    assert (machine.loss, machine.penalty) == (Huber(2.0), Schatten(1.5))
    assert (machine.solver, machine.kernel_x) == (ADMM(tol=1e-6, max_iter=7), RBF(3.0))
    assert clone(machine).get_params() == machine.get_params()
    with pytest.raises(ValueError, match=r"^loss__tau is no parameter of Huber\(.*it has loss__d"):
        machine.set_params(loss__tau=1.0)
    with pytest.raises(ValueError, match=r"^loss__delta is no parameter of None; it has none"):
        BinaryKernelMachine().set_params(loss__delta=1.0)
    with pytest.raises(ValueError, match=r"^delta must be positive and finite, got -1\.0"):
        machine.set_params(loss__delta=-1.0)


def test_a_grid_search_over_the_parameters_of_a_loss():
    z = Z + 5 * (RNG.uniform(size=len(Z)) < 0.1)  # outliers
    machine = BinaryKernelMachine(RBF(), RBF(), Huber(50.0), Schatten(2.0), alpha=0.3)
    grid = {"loss__delta": [0.05, 50.0], "penalty__p": [1.0]}
    search = GridSearchCV(machine, grid, cv=PairKFold(2), scoring=PairScorer(c_index)).fit(PAIRS, z)
    assert search.best_estimator_.loss == Huber(0.05)


def test_every_parameter_of_the_machines_can_be_set_by_the_name_it_is_given_under():
    for machine in (BinaryKernelRidgeCV(RBF() + Identity(), RBF()), BinaryKernelMachine(RBF())):
        params = machine.get_params()
        assert set(inspect.signature(type(machine)).parameters) <= set(params)
        for name, value in params.items():
            with warnings.catch_warnings(action="error"):
                clone(machine).set_params(**{name: value})
