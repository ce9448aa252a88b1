"""Ids of the points of Pairs: which there may be, and that subsets and tables carry them."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from entity_helpers import CELLS, DRUGS, KERNEL, X, Y, Z, ridge, ridge_cv
from optional import torch

from rkbs import (
    EDP,
    RBF,
    Constant,
    Identity,
    Pairs,
    inspect,
)


def ids_of(pairs):
    return [
        (pairs.ids_x[i], pairs.ids_y[j])
        for i, j in zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)
    ]


def test_every_constructor_and_subset_carries_ids():
    names = {"ids_x": DRUGS, "ids_y": CELLS}
    grid = Pairs.grid(X, Y, **names)
    everything = [(drug, cell) for drug in DRUGS for cell in CELLS]
    assert ids_of(grid) == everything
    assert ids_of(Pairs(X, Y, [2, 5], [0, 4], **names)) == [("c", 10), ("f", 14)]
    mask = np.zeros((7, 6), dtype=bool)
    mask[3, 1] = mask[6, 2] = True
    sparse = Pairs.from_mask(X, Y, mask, **names)
    assert ids_of(sparse) == ids_of(sparse.compact()) == [("d", 11), ("g", 12)]
    assert sparse.compact().ids_x.tolist() == ["d", "g"]
    for key in (slice(3, 20, 4), [5, 0], np.arange(42) % 3 == 0):
        picked = ids_of(grid[key])
        assert picked == [everything[k] for k in np.arange(42)[key]]
        assert ids_of(grid[key].compact()) == picked
    assert ids_of(pickle.loads(pickle.dumps(grid))) == everything
    assert Pairs.grid(X, Y).ids_x is None
    assert Pairs.grid(X, Y, ids_y=CELLS)[:3].compact().ids_y.tolist() == CELLS[:3]


@pytest.mark.parametrize("named", [("ids_x", "ids_y"), ("ids_x",), ()], ids=str)
def test_rows_of_a_table_are_gathered_by_entity(named):
    order = np.random.default_rng(1).permutation(42)
    grid = Pairs.grid(X, Y, ids_x=DRUGS, ids_y=CELLS)[order]
    table = np.hstack([grid.X[grid.i], grid.Y[grid.j]])
    given = {"ids_x": grid.ids_x[grid.i], "ids_y": grid.ids_y[grid.j]}
    if not named:
        with pytest.raises(ValueError, match="must not repeat a pair"):
            Pairs.from_table(table, 2)  # points 1 and 4 are one
        return
    keep = slice(None) if len(named) == 2 else grid.j != 5
    pairs = Pairs.from_table(table[keep], 2, **{name: given[name][keep] for name in named})
    assert np.array_equal(np.hstack([pairs.X[pairs.i], pairs.Y[pairs.j]]), table[keep])
    assert len(pairs.X) == 7
    assert np.array_equal(pairs.ids_x[pairs.i], given["ids_x"][keep])
    assert (pairs.ids_y is None) == (len(named) == 1)


LABELS = {
    "strings": DRUGS,
    "array": np.array(DRUGS),
    "objects": np.array(DRUGS, dtype=object),
    "index": pd.Index(DRUGS),
    "series": pd.Series(DRUGS, index=range(7, 0, -1)),
    "categories": pd.Series(DRUGS, dtype="category"),
    "polars": pl.Series(DRUGS),
    "tuples": [("drug", k) for k in range(7)],
    "mixed": ["a", 1, 2.5, ("b", 2), b"c", None.__class__, frozenset({1})],
    "integers": range(7),
    "numpy integers": np.arange(7),
    "tensor": torch.arange(7),
    "dates": pd.date_range("2020-01-01", periods=7),
    "datetime64": np.arange("2020-01-01", "2020-01-08", dtype="datetime64[D]"),
}


@pytest.mark.parametrize("name", LABELS)
def test_ids_of_any_kind(name):
    ids = LABELS[name]
    machine = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=ids), Z)
    reference = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    order = [3, 4, 1]
    picked = [machine.ids_x_[k] for k in order]
    expected = reference.predict_grid(X[order], Y, ids_x=["d", "e", "b"])
    assert np.array_equal(machine.predict_grid(X[order], Y, ids_x=picked), expected)
    assert np.array_equal(machine.predict(Pairs.grid(X, Y, ids_x=ids))[18:24], expected[0])


def test_numbers_are_compared_as_numbers():
    machine = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y, ids_x=np.arange(7)), Z)
    expected = machine.predict_grid(X, Y, ids_x=list(range(7)))
    assert np.array_equal(machine.predict_grid(X, Y, ids_x=np.arange(7.0)), expected)
    assert np.array_equal(machine.predict_grid(X, Y, ids_x=torch.arange(7)), expected)


BAD_IDS = [
    (DRUGS[:6], ValueError, "ids_x must hold an id for each of 7 rows of X, got 6"),
    ("abcdefg", TypeError, "ids_x must be a sequence with an id for each row of X, got 'abcdefg'"),
    (set(DRUGS), TypeError, "ids_x must be a sequence"),
    (dict.fromkeys(DRUGS), TypeError, "ids_x must be a sequence"),
    (7, TypeError, "ids_x must be a sequence .* got 7"),
    (np.zeros((7, 1)), TypeError, "ids_x must be a sequence .* got 2 axes"),
    (pd.DataFrame({"a": DRUGS}), TypeError, "got 2 axes"),
    (np.array("a"), TypeError, "got 0 axes"),
    ([*DRUGS[:6], None], ValueError, "ids_x must name every row of X, but has None for row 6"),
    ([*range(6), np.nan], ValueError, "but has nan for row 6"),
    (pd.Series([*range(6), None], dtype="Int64"), ValueError, "has <NA> for row 6"),
    (pd.Series([*DRUGS[:3], None, *DRUGS[4:]]), ValueError, "for row 3"),
    (pd.DatetimeIndex([*["2020-01-01"] * 6, None]), ValueError, "has NaT for row 6"),
    (np.ma.masked_array(range(7), [0] * 6 + [1]), ValueError, "for row 6"),
    ([("a", np.nan), *DRUGS[1:]], ValueError, "for row 0"),
    ([["a"]] * 7, TypeError, "ids_x must hold hashable ids, .* got list for row 0 of X"),
    ([*DRUGS[:6], (1, [2])], TypeError, "got tuple for row 6"),
    (
        ["a", "b", "a", "d", "e", "f", "g"],
        ValueError,
        "gives the id 'a' to rows 0 and 2 of X, which",
    ),
]


@pytest.mark.parametrize(("ids", "error", "says"), BAD_IDS)
def test_bad_ids_are_named(ids, error, says):
    for build in (
        lambda: Pairs.grid(X, Y, ids_x=ids),
        lambda: Pairs(X, Y, [0], [0], ids_x=ids),
        lambda: Pairs.from_mask(X, Y, np.ones((7, 6), bool), ids_x=ids),
    ):
        with pytest.raises(error, match=says):
            build()
    machine = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    with pytest.raises(error, match=says):
        machine.predict_grid(X, Y, ids_x=ids)
    with pytest.raises(error, match=says.replace("ids_x", "ids")):
        machine.query(X, ids)
    with pytest.raises(
        error, match=says.replace("rows of X", "rows of the table").split(" of X")[0]
    ):
        Pairs.from_table(np.hstack([X, Y[:1].repeat(7, 0)]), 2, ids_x=ids)


def test_inspection_of_entity_kernels():
    report = inspect(Identity() + Constant(), X)
    assert report.is_within_domain_gram
    assert report.rank == 6  # two of the points are one
    assert inspect(EDP() * Identity(), X[:4]).rank == 4


def test_pandas_and_tensors_of_features_keep_their_ids():
    frame = pd.DataFrame(X, columns=["u", "v"], index=DRUGS)
    machine = ridge(KERNEL, RBF(), alpha=0.3)
    machine.fit(Pairs.grid(frame, torch.tensor(Y), ids_x=frame.index), Z)
    part = frame.loc[["e", "a"]]
    found = machine.predict_grid(part, torch.tensor(Y), ids_x=part.index)
    reference = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    assert np.array_equal(found, reference.predict_grid(X[[4, 0]], Y, ids_x=["e", "a"]))


def test_a_missing_label_of_a_group_is_named_whatever_it_is():
    labels = pd.array([*DRUGS[:2], pd.NA, *DRUGS[3:]], dtype="string")
    machine = ridge_cv(RBF(), RBF(), leave="row")
    with pytest.raises(ValueError, match=r"groups_x must label every row of X.* none for row 2"):
        machine.fit(Pairs.grid(X, Y), Z, groups_x=labels)
