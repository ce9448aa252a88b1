"""scikit-learn's ``feature_names_in_`` in both domains, for every machine."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from rkbs import Pairs
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
)

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(8, 3)), columns=["a", "b", "c"])
Y = pd.DataFrame(RNG.normal(size=(6, 2)), columns=["u", "v"])
Z = np.sin(X.to_numpy()[:, :1]) * Y.to_numpy()[:, 0] + 0.1 * RNG.normal(size=(8, 6))
PAIRS = Pairs.grid(X, Y)
TABLE = pd.concat(
    [X.iloc[PAIRS.i].reset_index(drop=True), Y.iloc[PAIRS.j].reset_index(drop=True)], axis=1
)
MACHINES = {
    "ridge": BinaryKernelRidge(),
    "ridge-cv": BinaryKernelRidgeCV(alphas=(0.1,)),
    "nuclear": BinaryKernelMachine(alpha=0.1),
    "nuclear-cv": BinaryKernelMachineCV(alphas=(0.1,), cv=2),
}
FRAMES = {"pandas": lambda frame: frame, "polars": pl.from_pandas}
everywhere = pytest.mark.parametrize("name", MACHINES)
of_both = pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)


def fitted(name, frame=FRAMES["pandas"]):
    return clone(MACHINES[name]).fit(Pairs.grid(frame(X), frame(Y)), Z)


@everywhere
@of_both
def test_names_are_kept_and_expected(name, frame):
    machine = fitted(name, frame)
    assert machine.feature_names_in_x_.tolist() == ["a", "b", "c"]
    assert machine.feature_names_in_y_.tolist() == ["u", "v"]
    assert machine.feature_names_in_.tolist() == ["a", "b", "c", "u", "v"]
    right = machine.predict_grid(frame(X), frame(Y))
    assert np.array_equal(machine.predict(Pairs.grid(frame(X), frame(Y))), right.ravel())
    for other in (frame(X[["c", "b", "a"]]), frame(X.rename(columns={"a": "z"}))):
        with pytest.raises(ValueError, match=r"^The feature names of X should match.*same order"):
            machine.predict_grid(other, frame(Y))
        with pytest.raises(ValueError, match=r"^The feature names of X should match"):
            machine.predict(Pairs.grid(other, frame(Y)))
    with pytest.raises(ValueError, match=r"^The feature names of Y should match"):
        machine.predict_grid(frame(X), frame(Y[["v", "u"]]))


OTHERS = {  # and what is said of them, or the advice if they hold what the fit had
    "another order": (X[["c", "b", "a"]], None),
    "more columns": (X.assign(z=0.0)[["z", "c", "b", "a"]], None),
    "renamed": (X.rename(columns={"a": "z"}), r"\['a', 'b', 'c'\], got \['z', 'b', 'c'\]$"),
    "fewer columns": (X[["b", "a"]], r"\['a', 'b', 'c'\], got \['b', 'a'\]$"),
}


@of_both
@pytest.mark.parametrize("other", OTHERS)
def test_the_advice_is_to_select_columns_if_they_are_there(other, frame):
    machine, (given, says) = fitted("ridge", frame), OTHERS[other]
    with pytest.raises(ValueError, match=says or r": pass X\[.*\]$") as error:
        machine.predict_grid(frame(given), frame(Y))
    if not says:
        advice = str(error.value).rpartition(": pass ")[2]
        again = eval(advice, {"X": frame(given), "machine": machine})
        right = machine.predict_grid(frame(X), frame(Y))
        assert np.array_equal(machine.predict_grid(again, frame(Y)), right)


@everywhere
def test_names_on_one_side_only_are_warned_about(name):
    machine, nameless = fitted(name), Pairs.grid(X.to_numpy(), Y)
    with pytest.warns(UserWarning, match=r"^X does not have valid feature names, but Binary.*'b'"):
        machine.predict_grid(X.to_numpy(), Y)
    with pytest.warns(UserWarning, match=r"^X does not have valid feature names"):
        machine.predict(nameless)
    machine.fit(nameless, Z)  # a new fit forgets the old names
    assert not hasattr(machine, "feature_names_in_x_")
    assert not hasattr(machine, "feature_names_in_")
    assert machine.feature_names_in_y_.tolist() == ["u", "v"]
    with pytest.warns(UserWarning, match=r"^X has feature names, but Binary.* fitted without"):
        machine.predict_grid(X, Y)


@everywhere
def test_a_table_names_both_domains(name):
    machine = clone(MACHINES[name]).set_params(n_features_x=3).fit(TABLE, Z.ravel())
    assert machine.feature_names_in_.tolist() == ["a", "b", "c", "u", "v"]
    assert machine.feature_names_in_y_.tolist() == ["u", "v"]
    right = machine.predict(TABLE)
    assert np.array_equal(machine.predict_grid(X, Y).ravel(), right)
    assert np.array_equal(machine.predict(PAIRS), right)
    with pytest.raises(ValueError, match="feature names should match"):
        machine.predict(TABLE[TABLE.columns[::-1]])
    with pytest.raises(ValueError, match=r"^The feature names of X should match"):
        machine.predict_grid(X[["c", "b", "a"]], Y)


@pytest.mark.filterwarnings("ignore:X has feature names, but:UserWarning")
def test_a_table_is_checked_where_one_domain_had_names():
    machine = BinaryKernelRidge().fit(Pairs.grid(X.to_numpy(), Y), Z)
    right = machine.predict_grid(X.to_numpy(), Y).ravel()
    assert np.array_equal(machine.predict(TABLE), right)
    with pytest.raises(ValueError, match=r"^The feature names of Y should match"):
        machine.predict(TABLE[["a", "b", "c", "v", "u"]])
    with pytest.warns(UserWarning, match=r"^Y does not have valid feature names") as told:
        assert np.array_equal(machine.predict(TABLE.to_numpy()), right)
    assert [warning.filename for warning in told] == [__file__]


@pytest.mark.parametrize("name", ["nuclear", "nuclear-cv"])
def test_queries_and_keys_expect_them_too(name):
    machine = fitted(name)
    logits = machine.query(X) @ machine.key(Y).T
    assert np.allclose(logits + machine.intercept_, machine.predict_grid(X, Y))
    with pytest.raises(ValueError, match=r"^The feature names of X should match"):
        machine.query(X[["c", "b", "a"]])
    with pytest.raises(ValueError, match=r"^The feature names of Y should match"):
        machine.key(Y[["v", "u"]])


def test_pairs_carry_them():
    for pairs in (PAIRS[::2], PAIRS[[0, 3]].compact(), pickle.loads(pickle.dumps(PAIRS))):
        assert (pairs.feature_names_x, pairs.feature_names_y) == (("a", "b", "c"), ("u", "v"))
    table = Pairs.from_table(TABLE, 3)
    assert (table.feature_names_x, table.feature_names_y) == (("a", "b", "c"), ("u", "v"))
    assert Pairs.grid(X.to_numpy(), Y).feature_names_x is None
    named = Pairs(X.to_numpy(), Y, [0], [0], feature_names_x=("p", "q", "r"))
    assert named.feature_names_x == ("p", "q", "r")
    with pytest.raises(ValueError, match="feature_names_x must hold a name for each of 3 columns"):
        Pairs(X.to_numpy(), Y, [0], [0], feature_names_x=("p",))


def test_splitters_keep_them():
    scores = cross_val_score(BinaryKernelRidge(), PAIRS, Z.ravel(), cv=3)  # warnings are errors
    assert np.isfinite(scores).all()
