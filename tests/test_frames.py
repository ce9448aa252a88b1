"""Arrays of other libraries: numbers kept, what is missing seen, advice that works."""

import datetime
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from optional import torch

from rkbs import BinaryKernelRidge, Pairs
from rkbs._frames import column_names, to_numpy

X = np.array([[0.5, -2.0], [1.0, 3.25], [-4.0, 0.0]])
MISSING = [[1.0, np.nan], [2.0, 3.0]]
SAME = {
    "pandas": pd.DataFrame(X, columns=list("ab")),
    "pandas nullable": pd.DataFrame(X).convert_dtypes(),
    "pandas mixed": pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(np.float32)}),
    "polars": pl.DataFrame(X),
    "polars decimal": pl.DataFrame([[Decimal(x) for x in column] for column in X.T.tolist()]),
    "tensor": torch.tensor(X),
    "tensor with a gradient": torch.tensor(X, requires_grad=True),
    "bfloat16": torch.tensor(X).bfloat16(),
    "float16": torch.tensor(X).half(),
    "negative bit": torch.complex(torch.zeros(3, 2), torch.tensor(-X).float()).conj().imag,
    "longdouble": X.astype(np.longdouble),
    "byte order": X.astype(">f4"),
    "negative strides": X[::-1][::-1],
    "Fortran": np.asfortranarray(X),
    "list": X.tolist(),
}
LACKING = {
    "pandas": pd.DataFrame(MISSING),
    "pandas nullable": pd.DataFrame(MISSING).convert_dtypes(),
    "pandas nullable and bool": pd.DataFrame({"a": [1, 2], "b": [None, True]}).convert_dtypes(),
    "polars": pl.DataFrame({"a": [1, 2], "b": [None, 3]}),
    "polars bool": pl.DataFrame({"a": [True, False], "b": [None, True]}),
    "polars decimal": pl.DataFrame({"a": [Decimal(1), Decimal(2)], "b": [None, Decimal(3)]}),
}


@pytest.mark.parametrize("kind", SAME)
def test_numbers_are_kept(kind):
    array = to_numpy(SAME[kind], "x")
    assert type(array) is np.ndarray
    assert array.dtype.isnative
    assert array.dtype.itemsize <= 8
    assert np.array_equal(array, X)


@pytest.mark.parametrize("kind", LACKING)
def test_what_is_missing_is_nan(kind):
    array = to_numpy(LACKING[kind], "x")
    assert array.dtype == np.float64
    assert np.isnan(array).sum() == 1
    with pytest.raises(ValueError, match=r"^X contains NaN or infinity \(first at index \(0, 1\)"):
        Pairs.grid(LACKING[kind], X)


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.ma.masked_array(X, X > 1), r"must not be a masked.*x\.filled\(np\.nan\)"),
        (scipy.sparse.csr_array(X), r"must be a dense array of real numbers: pass x\.toarray\(\)$"),
        (torch.tensor(X).to_sparse(), r"must be a dense array.*: pass x\.to_dense\(\)$"),
        (pl.DataFrame(X).lazy(), r"must be a dense array.*: pass x\.collect\(\)$"),
        (torch.empty(3, 2, device="meta"), "must hold numbers, got a tensor on the device meta"),
        ([[1.0], [2.0, 3.0]], "must be a rectangular array of real numbers"),
        ([[torch.ones(1, requires_grad=True)]], "must be a rectangular array of real numbers"),
    ],
)
def test_refused_with_what_to_pass(x, says):
    with pytest.raises(TypeError, match=f"^x {says}"):
        to_numpy(x, "x")


TABLES = {
    "masked": (np.ma.masked_array(X, X > 1), r"must not be a masked array"),
    "lazy": (pl.DataFrame(X).lazy(), r"must be a dense array.*\.collect\(\)$"),
    "meta": (torch.empty(3, 2, device="meta"), "must hold numbers"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_refuse_them_too(kind):
    table, says = TABLES[kind]
    machine = BinaryKernelRidge().fit(X, X[:, 0])
    with pytest.raises(TypeError, match=f"^X {says}"):
        BinaryKernelRidge().fit(table, X[:, 0])
    with pytest.raises(TypeError, match=f"^X {says}"):
        machine.predict(table)
    with pytest.raises(TypeError, match=f"^z {says}"):
        BinaryKernelRidge().fit(X, table[:, 0] if hasattr(table, "shape") else table)


@pytest.mark.parametrize(
    "x", [X[:, 0], torch.tensor(X[:, 0]), pd.Series(X[:, 0]), pl.Series(X[:, 0]), [0.5, 1.0, -4.0]]
)
def test_advice_for_a_single_feature_works(x):
    with pytest.raises(ValueError, match="Reshape a single feature with") as error:
        Pairs.grid(x, X)
    advice = str(error.value).split("feature with ")[1].rstrip(".")
    assert np.array_equal(Pairs.grid(eval(advice, {"np": np, "X": x}), X).X, X[:, :1])


@pytest.mark.parametrize("x", [pd.DataFrame({"a": ["u", "v"]}), pl.DataFrame({"a": ["u", "v"]})])
def test_text_is_no_number(x):
    with pytest.raises(TypeError, match=r"^X must be an array of real numbers.*: encode text"):
        Pairs.grid(x, X)


def test_names_of_columns():
    assert column_names(pd.DataFrame(X, columns=list("ab"))) == ("a", "b")
    assert column_names(pl.DataFrame({"u": [1.0]})) == ("u",)
    for nameless in (pd.DataFrame(X), X, torch.tensor(X), pd.Series([1.0]), [1.0]):
        assert column_names(nameless) is None
    with pytest.raises(TypeError, match=r"column names must all be strings.*X\.columns"):
        column_names(pd.DataFrame(X, columns=["a", 1]))


KEYS = {
    "mask": [True, False, True, True, False, False],
    "index": [0, 2, 3],
}
AS_KEY = {
    "numpy": np.asarray,
    "pandas": pd.Series,
    "pandas, another index": lambda key: pd.Series(key, index=range(9, 9 - len(key), -1)),
    "pandas nullable": lambda key: pd.Series(key).convert_dtypes(),
    "polars": pl.Series,
    "tensor": torch.tensor,
    "list": list,
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", AS_KEY)
def test_pairs_are_chosen_by_any_mask_or_index(kind, key):
    pairs = Pairs.grid(X, X[:2])
    assert pairs[AS_KEY[kind](KEYS[key])].i.tolist() == pairs.i[[0, 2, 3]].tolist()
    assert pairs[range(2)].j.tolist() == [0, 1]


@pytest.mark.parametrize("kind", AS_KEY)
def test_a_mask_of_another_length_is_refused(kind):
    with pytest.raises(ValueError, match=r"^a mask of pairs must have length 6, got 2$"):
        Pairs.grid(X, X[:2])[AS_KEY[kind]([True, False])]


Z = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
RESPONSES = {
    "numpy": np.array,
    "pandas": lambda z: (pd.DataFrame if z.ndim == 2 else pd.Series)(z),
    "pandas nullable": lambda z: (pd.DataFrame if z.ndim == 2 else pd.Series)(z).convert_dtypes(),
    "polars": lambda z: (pl.DataFrame if z.ndim == 2 else pl.Series)(z),
    "tensor": lambda z: torch.tensor(z, requires_grad=True),
    "list": lambda z: z.tolist(),
}


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("kind", RESPONSES)
def test_advice_for_holes_works(kind, axes):
    """The three expressions that the message gives, run as a user would run them."""
    Y, z = X[:2], RESPONSES[kind](Z if axes == 2 else Z.ravel())
    with pytest.raises(ValueError, match="z contains NaN") as error:
        Pairs.grid(X, Y).responses(z)
    advice = re.search(r"by (?:z = (.*\)), )?seen = (.*), (P.*|p.*), (z.*)$", str(error.value))
    known = {"np": np, "Pairs": Pairs, "X": X, "Y": Y, "pairs": Pairs.grid(X, Y), "z": z}
    known["z"] = eval(advice[1], known) if advice[1] else z
    known["seen"] = eval(advice[2], known)
    pairs, responses = eval(advice[3], known), eval(advice[4], known)
    assert pairs.responses(responses).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert pairs.i.tolist() == [0, 1, 1, 2, 2]


@pytest.mark.parametrize("kind", RESPONSES)
def test_advice_for_labels_works(kind):
    labels = RESPONSES[kind](np.arange(6.0))
    above = [z > 2 for z in labels] if isinstance(labels, list) else labels > 2
    pairs = Pairs.grid(X, X[:2])
    with pytest.raises(TypeError, match=r"dtype bool: for labels pass 2\*") as error:
        pairs.responses(above)
    advice = str(error.value).split("pass ")[1]
    assert pairs.responses(eval(advice, {"np": np, "z": above})).tolist() == [-1.0] * 3 + [1.0] * 3


def test_masks_of_a_grid_may_be_frames():
    seen = ~np.isnan(Z)
    for mask in (pd.DataFrame(seen), pd.DataFrame(seen).convert_dtypes(), pl.DataFrame(seen)):
        assert len(Pairs.from_mask(X, X[:2], mask)) == 5


DAY = datetime.date(2020, 1, 1)
DATES = [
    pl.DataFrame({"a": [1.5], "b": [DAY]}),
    pl.DataFrame({"a": [DAY], "b": [DAY]}),
    pl.DataFrame({"a": [1.5], "b": [datetime.timedelta(hours=1)]}),
    pd.DataFrame({"a": [1.5], "b": [DAY]}),
]


@pytest.mark.parametrize("frame", DATES)
def test_dates_are_no_numbers(frame):
    """Beside floats polars would hand out numbers of days, or of microseconds."""
    with pytest.raises(TypeError, match=r"^X must be an array of real numbers, got d"):
        Pairs.grid(frame, X)
    with pytest.raises((TypeError, ValueError)):
        BinaryKernelRidge().fit(frame, [1.0])


def test_dates_are_no_responses():
    with pytest.raises(TypeError, match=r"^z must be an array of real numbers, got dates"):
        Pairs.grid(X[:1], X[:1]).responses(pl.Series([DAY]))
