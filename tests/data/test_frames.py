"""Pairs of tables: ids of any order and kind, numbers kept, what is wrong named with advice."""

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from rkbs import RBF, BinaryKernelRidge, Identity, Pairs, Precomputed

RNG = np.random.default_rng(0)
DRUGS, CELLS = ["d3", "d1", "d2"], ["t2", "t1", "t4", "t3"]
WEIGHTS = {"d1": [1.0, 10.0], "d2": [2.0, 20.0], "d3": [3.0, 30.0]}
DOSES = {"t1": [0.5], "t2": [1.5], "t3": [2.5], "t4": [3.5]}
ROWS = [("d1", "t1", 1.0), ("d3", "t4", 2.0), ("d2", "t1", 3.0), ("d1", "t2", 4.0)]


def features(known, ids, names, column=None):
    frame = pd.DataFrame([known[i] for i in ids], columns=names, index=ids)
    return frame if column is None else frame.rename_axis(column).reset_index()


def table(rows=ROWS):
    return pd.DataFrame(rows, columns=["drug", "cell", "z"])


def as_polars(frame):
    known = frame.astype(object).where(frame.notna(), None)
    return pl.DataFrame({name: known[name].to_list() for name in frame.columns})


X = features(WEIGHTS, DRUGS, ["weight", "charge"])
Y = features(DOSES, CELLS, ["dose"])
LIBRARIES = {
    "pandas, ids as the index": (table(), X, Y),
    "pandas, ids in columns": (
        table(),
        features(WEIGHTS, DRUGS, ["weight", "charge"], "drug"),
        features(DOSES, CELLS, ["dose"], "cell"),
    ),
    "pandas nullable": (table().convert_dtypes(), X.convert_dtypes(), Y.convert_dtypes()),
    "pandas categories": (table().astype({"drug": "category", "cell": "category"}), X, Y),
    "pandas, another index": (table().set_index(pd.Index([7, 7, 1, 0])), X, Y),
    "pandas sparse": (
        table(),
        pd.DataFrame.sparse.from_spmatrix(
            scipy.sparse.csr_array(X.to_numpy()), index=X.index, columns=X.columns
        ),
        Y,
    ),
    "polars": (
        as_polars(table()),
        as_polars(features(WEIGHTS, DRUGS, ["weight", "charge"], "drug")),
        as_polars(features(DOSES, CELLS, ["dose"], "cell")),
    ),
}


def read(df, X=X, Y=Y, **more):
    return Pairs.from_frame(df, "drug", "cell", "z", X=X, Y=Y, **more)


@pytest.mark.parametrize("kind", LIBRARIES)
def test_pairs_go_by_their_ids(kind):
    """Each pair has the features of its own ids, whatever the order of the tables."""
    pairs, z = read(*LIBRARIES[kind])
    assert z.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert z.dtype == pairs.X.dtype == np.float64
    for k, (drug, cell, _) in enumerate(ROWS):
        assert pairs.X[pairs.i[k]].tolist() == WEIGHTS[drug]
        assert pairs.Y[pairs.j[k]].tolist() == DOSES[cell]
        assert (pairs.ids_x[pairs.i[k]], pairs.ids_y[pairs.j[k]]) == (drug, cell)
    assert (pairs.ids_x.tolist(), pairs.ids_y.tolist()) == (DRUGS, CELLS)  # those without pairs too
    assert (pairs.feature_names_x, pairs.feature_names_y) == (("weight", "charge"), ("dose",))


@pytest.mark.parametrize("kind", LIBRARIES)
def test_predictions_come_back_with_ids_in_the_same_library(kind):
    df = LIBRARIES[kind][0]
    pairs, z = read(*LIBRARIES[kind])
    for some in (pairs[[3, 1]], pickle.loads(pickle.dumps(pairs[[3, 1]])), pairs[[3, 1]].compact()):
        found = some.to_frame(prediction=z[[3, 1]], twice=2 * z[[3, 1]])
        assert type(found) is type(df)
        assert list(found.columns) == ["drug", "cell", "prediction", "twice"]
        assert found["drug"].to_list() == ["d1", "d3"]
        assert found["cell"].to_list() == ["t2", "t4"]
        assert found["twice"].to_list() == [8.0, 4.0]


def test_pairs_that_came_from_no_table_say_what_to_make():
    grid = Pairs.grid(X.to_numpy(), Y.to_numpy(), ids_x=DRUGS)
    with pytest.raises(TypeError, match=r"did not come from a data frame.*to_frame\(pd\.DataFrame"):
        grid.to_frame(z=np.arange(12))
    found = grid.to_frame(dict, z=np.arange(12).reshape(3, 4))
    assert found["x"][:5] == ["d3"] * 4 + ["d1"]
    assert found["y"][:5] == [0, 1, 2, 3, 0]  # without ids the row
    assert found["z"].tolist() == list(range(12))
    with pytest.raises(ValueError, match=r"z must hold a value for each pair, shape \(12,\) or"):
        grid.to_frame(dict, z=np.arange(3))
    with pytest.raises(ValueError, match="'x' is a column of ids"):
        grid.to_frame(dict, x=np.arange(12))


def test_without_features_there_is_who_they_are():
    pairs, z = Pairs.from_frame(table(), "drug", "cell", "z")
    assert pairs.ids_x.tolist() == ["d1", "d3", "d2"]  # as they occur
    assert not pairs.X.any()
    machine = BinaryKernelRidge(Identity(), Identity(), alpha=0.5, fit_intercept=False)
    found = machine.fit(pairs, z).predict(pairs)
    assert found == pytest.approx(z / 1.5, rel=1e-12)
    new = Pairs.from_frame(table([("d2", "t1", 0), ("new", "t1", 0)]), "drug", "cell")
    assert machine.predict(new) == pytest.approx([2.0, 0.0], abs=1e-12)


def test_from_a_csv_to_predictions_for_new_drugs(tmp_path):
    """The path of a user: files in, a file out; the same numbers as from arrays."""
    table().to_csv(tmp_path / "seen.csv", index=False)
    X.to_csv(tmp_path / "drugs.csv", index_label="drug")
    drugs = pd.read_csv(tmp_path / "drugs.csv")
    pairs, z = read(pd.read_csv(tmp_path / "seen.csv"), drugs)
    machine = BinaryKernelRidge(RBF(1e-3), RBF(), alpha=0.1).fit(pairs, z)
    new_drugs = pd.DataFrame({"drug": ["n1", "n2"], "weight": [1.5, 2.5], "charge": [12.0, 28.0]})
    asked = new_drugs[["drug"]].merge(pd.DataFrame({"cell": ["t1", "t4"]}), how="cross")
    new = Pairs.from_frame(asked, "drug", "cell", X=new_drugs, Y=Y)
    found = new.to_frame(prediction=machine.predict(new))
    expected = machine.predict_grid(new_drugs[["weight", "charge"]], Y.loc[["t1", "t4"]])
    assert found["drug"].tolist() == ["n1", "n1", "n2", "n2"]
    assert found["prediction"].to_numpy() == pytest.approx(expected.ravel(), rel=1e-12)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_similarities_are_a_table_with_a_column_for_each_id(kind):
    F = RNG.normal(size=(3, 5))
    S = pd.DataFrame(F @ F.T, index=DRUGS, columns=DRUGS)
    given = as_polars(S.rename_axis("drug").reset_index()) if kind == "polars" else S
    pairs, _ = read(table(), given)
    assert np.array_equal(pairs.X, S.to_numpy())
    assert pairs.feature_names_x == tuple(DRUGS)
    other = S[DRUGS[::-1]]
    mixed = as_polars(other.rename_axis("drug").reset_index()) if kind == "polars" else other
    with pytest.raises(ValueError, match=r"^X has rows and columns for the same ids, but in two"):
        read(table(), mixed)
    with pytest.raises(ValueError, match="in two orders") as error:
        Precomputed(other)
    advised = eval(str(error.value).rpartition(" = ")[2], {"matrix": other})
    assert np.array_equal(advised.to_numpy(), S.to_numpy())


AGAIN = [*ROWS, ("d2", "t1", 7.0), ("d1", "t1", 2.0), ("d2", "t1", 8.0)]


@pytest.mark.parametrize(
    ("rule", "expected"), [("mean", [1.5, 2, 6, 4]), ("median", [1.5, 2, 7, 4])]
)
def test_repeated_pairs_are_aggregated(rule, expected):
    pairs, z = read(table(AGAIN), aggregate=rule)
    assert z.tolist() == expected
    assert pairs.to_frame(z=z)["drug"].tolist() == ["d1", "d3", "d2", "d1"]


@pytest.mark.parametrize("rule", ["mean", "median"])
def test_aggregates_are_those_of_pandas(rule):
    rows = RNG.integers(0, 3, size=(60, 2))
    df = pd.DataFrame({"drug": rows[:, 0], "cell": rows[:, 1], "z": RNG.normal(size=60)})
    pairs, z = Pairs.from_frame(df, "drug", "cell", "z", aggregate=rule)
    expected = df.groupby(["drug", "cell"], sort=False)["z"].agg(rule)
    found = pairs.to_frame(z=z).set_index(["drug", "cell"])["z"]
    assert found.index.tolist() == expected.index.tolist()
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)


BOTH = pytest.mark.parametrize("make", [lambda frame: frame, as_polars], ids=["pandas", "polars"])


def follow(error, df):
    """The table after what the message advises."""
    return eval(
        re.search(r"df = (df.*)$|pass (df\..*)$", str(error.value)).expand(r"\1\2"), {"df": df}
    )


@BOTH
def test_advice_for_missing_responses_works(make):
    df = make(table([*ROWS, ("d2", "t2", None), ("d3", "t2", None)]))
    with pytest.raises(
        ValueError, match=r"df\['z'\] has no response in 2 rows \(the first: row 4, 'd2' and 't2'\)"
    ) as error:
        Pairs.from_frame(df, "drug", "cell", "z")
    assert Pairs.from_frame(follow(error, df), "drug", "cell", "z")[1].tolist() == [1, 2, 3, 4]


def test_advice_for_responses_that_are_no_numbers_in_polars_works():
    df = pl.DataFrame({"drug": ["a", "b", "c"], "cell": ["u"] * 3, "z": [1.0, float("nan"), None]})
    with pytest.raises(ValueError, match="no response in 2 rows") as error:
        Pairs.from_frame(df, "drug", "cell", "z")
    assert Pairs.from_frame(follow(error, df), "drug", "cell", "z")[1].tolist() == [1.0]


@BOTH
def test_advice_for_missing_ids_works(make):
    df = make(table([*ROWS, (None, "t2", 1.0)]))
    with pytest.raises(ValueError, match=r"df\['drug'\] names nothing in 1 row \(the first: row 4"):
        Pairs.from_frame(df, "drug", "cell", "z")
    with pytest.raises(ValueError, match="leave them out by") as error:
        Pairs.from_frame(df, "drug", "cell")
    assert len(Pairs.from_frame(follow(error, df), "drug", "cell")) == 4


@BOTH
def test_advice_for_repeated_pairs_works(make):
    df = make(table(AGAIN))
    with pytest.raises(ValueError, match=r'2 pairs more than once.*pass aggregate="mean"') as error:
        Pairs.from_frame(df, "drug", "cell", "z")
    assert "'d1' and 't1', in 2 rows" in str(error.value)
    with pytest.raises(ValueError, match="2 pairs more than once") as error:
        Pairs.from_frame(df, "drug", "cell")
    assert len(Pairs.from_frame(follow(error, df), "drug", "cell")) == 4


@BOTH
def test_advice_for_repeated_rows_of_features_works(make):
    twice = features(WEIGHTS, ["d1", "d2", "d1", "d3"], ["weight", "charge"], "drug")
    X = make(twice)
    with pytest.raises(ValueError, match="X has 2 rows for the id 'd1': keep one") as error:
        read(make(table()), X, make(features(DOSES, CELLS, ["dose"], "cell")))
    kept = eval(str(error.value).rpartition(" = ")[2], {"X": X})
    assert sorted(kept["drug"].to_list()) == ["d1", "d2", "d3"]
    with pytest.raises(ValueError, match="X has 2 rows for the id 'd1'") as error:
        read(table(), twice.set_index("drug"))
    kept = eval(str(error.value).rpartition(" = ")[2], {"X": twice.set_index("drug")})
    assert kept.index.tolist() == ["d1", "d2", "d3"]


REFUSED = {
    "no frame": (
        lambda: read(ROWS),
        TypeError,
        "df must be a data frame of pandas or polars.*list",
    ),
    "an array": (
        lambda: read(table(), X.to_numpy()),
        TypeError,
        r"X must.*pd\.DataFrame\(X, index",
    ),
    "sparse": (
        lambda: read(table(), scipy.sparse.eye_array(3)),
        TypeError,
        r"X must be a data frame.*pass pd\.DataFrame\.sparse\.from_spmatrix\(X, index=ids\)",
    ),
    "lazy": (
        lambda: read(as_polars(table()).lazy()),
        TypeError,
        r"df must be a dense.*df\.collect",
    ),
    "column x": (
        lambda: Pairs.from_frame(table(), "drugs", "cell"),
        ValueError,
        r"^x='drugs' is no column of df, which has 'drug', 'cell', 'z'$",
    ),
    "column y": (lambda: Pairs.from_frame(table(), "drug", "q"), ValueError, "^y='q' is no column"),
    "column z": (
        lambda: Pairs.from_frame(table(), "drug", "cell", "q"),
        ValueError,
        "^z='q' is no column",
    ),
    "no ids": (
        lambda: read(as_polars(table()), as_polars(X), Y),
        ValueError,
        r"X must have a column 'drug' with the ids of its rows, got the columns \['weight', 'char",
    ),
    "unknown": (
        lambda: read(table(), X.loc[["d1"]]),
        ValueError,
        r"X has no row for 'd3', 'd2' of the 3 ids in df\['drug'\]: add their rows to X",
    ),
    "many unknown": (
        lambda: read(table([(f"n{k}", "t1", 1.0) for k in range(9)])),
        ValueError,
        "X has no row for 'n0', 'n1', 'n2' and 6 more of the 9 ids",
    ),
    "another kind": (
        lambda: read(table(), X.reset_index(drop=True)),
        ValueError,
        r"df\['drug'\] holds str, the ids of X are numbers: bring both to one kind.*name it 'drug'",
    ),
    "missing features": (
        lambda: read(table(), X.assign(charge=[1.0, None, None])),
        ValueError,
        r"X contains NaN in the rows of 'd1', 'd2' \(the first in the column 'charge'\): fill in",
    ),
    "missing id of features": (
        lambda: read(table(), X.set_index(pd.Index(["d1", None, "d2"]))),
        ValueError,
        r"X\.index must name every row",
    ),
    "text": (lambda: read(table(), X.assign(charge="+")), TypeError, "X must be an array of real"),
    "labels": (
        lambda: read(table().assign(z=[True, False, True, True])),
        TypeError,
        r"df\['z'\] must hold real numbers, got booleans: .*2 \* df\['z'\]",
    ),
    "words": (
        lambda: read(table().assign(z="high")),
        TypeError,
        r"df\['z'\] must be an array of r",
    ),
    "infinite": (
        lambda: read(table().assign(z=[1.0, np.inf, 1.0, 1.0])),
        ValueError,
        r"df\['z'\] contains NaN or infinity \(first at index \(1,\)\)",
    ),
    "aggregate": (lambda: read(table(), aggregate="sum"), ValueError, 'aggregate must be "mean"'),
    "aggregate of nothing": (
        lambda: Pairs.from_frame(table(), "drug", "cell", aggregate="mean"),
        ValueError,
        "aggregate='mean' is of responses: name their column by z",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    function, error, says = REFUSED[name]
    with pytest.raises(error, match=says):
        function()


def test_fingerprints_may_be_booleans():
    bits = pd.DataFrame(RNG.integers(0, 2, size=(3, 6)).astype(bool), index=DRUGS)
    pairs, _ = read(table(), bits.rename(columns=str))
    assert np.array_equal(pairs.X, bits.to_numpy().astype(float))


# ---- sparse matrices

MATRIX = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, -3.0]])
SPARSE = {
    kind: getattr(scipy.sparse, kind)(MATRIX)
    for kind in ("coo_array", "csr_array", "csc_array", "coo_matrix", "csr_matrix", "lil_array")
}


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("points", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_what_a_sparse_matrix_stores_are_the_responses(kind, points):
    pairs, z = Pairs.from_sparse(
        SPARSE[kind], points(np.eye(2)), points(np.eye(3)), ids_x=["a", "b"]
    )
    assert np.array_equal(pairs.matrix(z), MATRIX)
    assert len(pairs) == 3
    assert np.array_equal(pairs.X, np.eye(2))
    assert pairs.ids_x.tolist() == ["a", "b"]


def test_stored_zeros_are_responses():
    stored = scipy.sparse.csr_array(([0.0, 2.0], [0, 1], [0, 1, 2]), shape=(2, 2))
    pairs, z = Pairs.from_sparse(stored, np.eye(2), np.eye(2))
    assert (len(pairs), z.tolist()) == (2, [0.0, 2.0])


def test_sparse_matrices_with_repeated_pairs():
    stored = scipy.sparse.coo_array(([1.0, 2.0, 4.0], ([0, 1, 0], [1, 0, 1])), shape=(2, 2))
    with pytest.raises(ValueError, match=r"1 pair more than once .*row 0, column 1, 2 times"):
        Pairs.from_sparse(stored, np.eye(2), np.eye(2))
    pairs, z = Pairs.from_sparse(stored, np.eye(2), np.eye(2), aggregate="mean")
    assert pairs.matrix(z).tolist() == [[0.0, 2.5], [2.0, 0.0]]


@pytest.mark.parametrize(
    ("responses", "error", "says"),
    [
        (MATRIX, TypeError, "responses must be a sparse matrix of scipy, got ndarray: the resp"),
        (SPARSE["csr_array"].T, ValueError, r"responses must have shape \(2, 3\).*got \(3, 2\)"),
        (SPARSE["csr_array"] * np.nan, ValueError, r"responses\.data contains NaN"),
        (SPARSE["csr_array"] * 1j, TypeError, r"responses\.data must be an array of real numbers"),
        (scipy.sparse.csr_array((2, 3)), ValueError, "i must name at least one pair"),
    ],
)
def test_sparse_responses_refused(responses, error, says):
    with pytest.raises(error, match=says):
        Pairs.from_sparse(responses, np.eye(2), np.eye(3))
