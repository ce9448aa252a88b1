"""Folds that a CV machine is given: what they may be, and what is refused."""

import re

import numpy as np
import pytest
from helpers import noted
from sklearn.model_selection import KFold

from rkbs import (
    RBF,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    PairKFold,
    Pairs,
)
from rkbs.laws import relative

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 2)), RNG.normal(size=(6, 2))
GRID = Pairs.grid(X, Y)
Z = np.sin(2 * X[GRID.i, 0]) * Y[GRID.j, 1] + 0.3 * RNG.normal(size=42)
pytestmark = pytest.mark.filterwarnings("ignore:the chosen alpha:UserWarning")
MACHINES = {
    "ridge": BinaryKernelRidgeCV(RBF(), RBF(), alphas=(0.1, 1.0)),
    "nuclear": BinaryKernelMachineCV(RBF(), RBF(), alphas=(0.3, 1.0)),
}


def scores(name, cv, pairs=GRID, z=Z, **given):
    machine = MACHINES[name].set_params(cv=cv).fit(pairs, z, **given)
    return machine.fold_rmse_ if name == "ridge" else machine.cv_scores_


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("leave", ["pair", "row", "both"])
def test_splitters_numbers_and_masks_are_the_same_folds(name, leave):
    splitter = PairKFold(3, leave=leave)
    numbers = list(splitter.split(GRID))
    masks = [tuple(np.isin(np.arange(42), part) for part in split) for split in numbers]
    expected = scores(name, splitter)
    assert expected.shape == (2, 9 if leave == "both" else 3)
    assert np.array_equal(scores(name, numbers), expected)
    assert np.array_equal(scores(name, iter(masks)), expected)


def test_a_fold_trains_on_its_pairs_and_tests_its_own():
    (split,) = [(np.arange(0, 20), np.arange(25, 42))]  # some pairs are in neither
    found = scores("ridge", [split])
    for k, alpha in enumerate((0.1, 1.0)):
        fit = BinaryKernelRidge(RBF(), RBF(), alpha).fit(GRID[split[0]], Z[split[0]])
        error = Z[split[1]] - fit.predict(GRID[split[1]])
        assert found[k, 0] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)
    predictions = MACHINES["ridge"].leave_out_predictions_
    assert np.array_equal(np.isnan(predictions), np.arange(42) < 25)


@pytest.mark.parametrize("name", MACHINES)
def test_numbers_are_of_the_samples_that_came(name):
    """Those of weight 0 count; a splitter does not see them."""
    w = (np.arange(42) % 5 > 0) * 1.0
    kept, splits = w > 0, list(KFold(3, shuffle=True, random_state=0).split(Z))
    place = np.cumsum(kept) - 1
    moved = [tuple(place[part[kept[part]]] for part in split) for split in splits]
    expected = scores(name, moved, GRID[kept], Z[kept])
    assert np.array_equal(scores(name, splits, sample_weight=w), expected)
    splitter = KFold(3, shuffle=True, random_state=1)
    expected = scores(name, list(splitter.split(Z[kept])), GRID[kept], Z[kept])
    assert np.array_equal(scores(name, splitter, sample_weight=w), expected)


def test_a_table_that_repeats_rows_leaves_a_point_out_as_a_whole():
    """By default; given folds are taken as they are."""
    rows = np.hstack([X[GRID.i], Y[GRID.j]])
    twice, z = np.vstack([rows, rows[:10]]), np.append(Z, Z[:10] + 1)
    machine = BinaryKernelRidgeCV(RBF(), RBF(), alphas=(0.3,), n_features_x=2).fit(twice, z)
    for k in (3, 30):
        same = (twice == twice[k]).all(1)
        one = BinaryKernelRidge(RBF(), RBF(), 0.3, n_features_x=2).fit(twice[~same], z[~same])
        expected = one.predict(twice[same])
        assert relative(machine.leave_out_predictions_[same], expected) < 1e-9
    parted = [(np.arange(42), np.arange(42, 52))]
    machine.set_params(cv=parted).fit(twice, z)
    one = BinaryKernelRidge(RBF(), RBF(), 0.3, n_features_x=2).fit(rows, Z)
    assert relative(machine.leave_out_predictions_[42:], one.predict(rows[:10])) < 1e-6


def test_by_default_there_are_as_many_folds_as_units_or_five():
    few = Pairs.grid(X[:3], Y)
    for name in MACHINES:
        machine = MACHINES[name].set_params(cv=None)
        assert scores("nuclear", None).shape == (2, 5)
        machine.set_params(leave="row")
        if name == "nuclear":
            assert scores(name, None, few, Z[:18]).shape == (2, 3)
        machine.set_params(leave="pair")


BAD = {
    "one number": ([5], TypeError, "cv must be a number of folds, a splitter, or hold (train, te"),
    "three": ([(range(3), range(3), range(3))], TypeError, "cv must be a number of folds"),
    "none": ([], ValueError, "cv must hold one fold at least, got none"),
    "no test": ([(np.arange(42), [])], ValueError, "cv must hold pairs to train on and to test"),
    "far": ([(np.arange(42), [42])], ValueError, "cv must hold numbers of pairs, from 0 to 41"),
    "halves": ([(np.arange(42), [0.5])], ValueError, "cv must hold numbers of pairs"),
    "short masks": ([(np.ones(3, bool),) * 2], ValueError, "or masks of them"),
    "one fold": (1, ValueError, "must be at least 2, got 1"),
    "text": ("loo", TypeError, "must be an integer, got 'loo'"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_what_is_refused(name):
    for kind, (cv, error, says) in BAD.items():
        with noted(kind), pytest.raises(error, match=re.escape(says)):
            scores(name, cv)
    with pytest.raises(ValueError, match=r"^groups_x and groups_y must be None where cv holds"):
        scores(name, KFold(3), groups_x=np.arange(7))
    MACHINES[name].set_params(cv=None)
