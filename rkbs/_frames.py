"""Arrays of torch, pandas and polars as numpy arrays; none of the three is imported here."""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np


def is_tensor(x: Any) -> bool:
    """Whether ``x`` is a torch tensor: if there is one, torch is already in ``sys.modules``."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def to_numpy(x: Any, name: str) -> np.ndarray:
    """``x`` as a numpy array in the machine's byte order; what is missing is NaN.

    A tensor is detached and brought to the CPU, bfloat16 as float32; longdouble is rounded to
    float64, in which everything is computed.

    Raises
    ------
    TypeError
        For masked and sparse arrays, lazy frames, tensors without data, and for sequences that are
        not rectangular.
    """
    refuse_without_numbers(x, name)
    if is_tensor(x):
        return _of_tensor(x)
    try:
        array = np.asarray(x)
    except (RuntimeError, TypeError, ValueError) as error:  # ragged sequences, tensors in lists
        raise TypeError(f"{name} must be a rectangular array of real numbers: {error}") from error
    if array.dtype == object and (kinds := _kinds(x)) and kinds <= set("fiub"):
        array = _of_nullable(x, array, kinds)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        with np.errstate(over="ignore"):  # beyond float64 is infinity, which is then refused
            return array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def refuse_without_numbers(x: Any, name: str) -> None:
    """``TypeError``, with what to pass, for what numpy would take for other numbers or for none."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must not be a masked array, whose mask would be lost: pass "
            f"{name}.filled(np.nan), or leave the masked entries out"
        )
    if any(hasattr(dtype, "is_temporal") and dtype.is_temporal() for dtype in _dtypes(x)):
        raise TypeError(
            f"{name} must be an array of real numbers, got dates or times, of which polars would "
            "make whole numbers: express them as numbers of a unit that you choose"
        )
    if is_tensor(x) and x.is_meta:
        raise TypeError(f"{name} must hold numbers, got a tensor on the device meta")
    if is_tensor(x):
        method = "to_dense" * (str(x.layout) != "torch.strided")
    else:  # scipy's sparse arrays, polars' lazy frames
        method = next((name for name in ("toarray", "collect") if hasattr(x, name)), "")
    if method:
        raise TypeError(f"{name} must be a dense array of real numbers: pass {name}.{method}()")


def _of_tensor(x: Any) -> np.ndarray:
    x = x.detach().cpu().resolve_conj().resolve_neg()
    half = x.is_floating_point() and x.dtype.itemsize < 4
    return (x.float() if half else x).numpy()  # numpy has no bfloat16


def _kinds(x: Any) -> set[str]:
    """The kinds (numpy's letters) of the columns of pandas and polars; none for anything else."""
    return {_kind(dtype) for dtype in _dtypes(x)}


def _dtypes(x: Any) -> list[Any]:
    """The dtypes of the columns of pandas and polars; none for anything else."""
    dtypes = getattr(x, "dtypes", getattr(x, "dtype", None)) if hasattr(x, "to_numpy") else None
    if dtypes is None:
        return []
    return list(dtypes) if np.iterable(dtypes) else [dtypes]


def _kind(dtype: Any) -> str:
    if hasattr(dtype, "is_numeric"):  # polars'
        return "f" if dtype.is_numeric() else "b" if str(dtype) == "Boolean" else "O"
    return getattr(dtype, "kind", "O")


def _of_nullable(x: Any, array: np.ndarray, kinds: set[str]) -> np.ndarray:
    """Nullable and decimal numbers, which numpy sees as objects: NaN where they are missing."""
    if kinds == {"b"} and all(isinstance(value, (bool, np.bool_)) for value in array.flat):
        return array.astype(bool)
    if hasattr(x, "iloc"):  # pandas, whose NA is no number to numpy
        return x.to_numpy(dtype=float, na_value=np.nan)
    return array.astype(float)


def column_names(x: Any) -> tuple[str, ...] | None:
    """The names of a data frame's columns if all are strings, as in scikit-learn; else None.

    Raises
    ------
    TypeError
        Where only some are strings.
    """
    columns = getattr(x, "columns", None)
    if columns is None or callable(columns) or is_tensor(x):
        return None
    names = list(columns)
    strings = [isinstance(column, str) for column in names]
    if any(strings) and not all(strings):
        raise TypeError(
            "column names must all be strings, or none of them, got "
            f"{sorted({type(column).__name__ for column in names})}: rename the columns, for "
            "example by X.columns = X.columns.astype(str)"
        )
    return tuple(names) if all(strings) and names else None


def check_labels(similarities: Any, name: str) -> None:
    """``check_order_of_labels`` of a frame of pandas; others have no labels of rows."""
    if hasattr(similarities, "iloc") and hasattr(similarities, "columns"):
        check_order_of_labels(list(similarities.index), list(similarities.columns), name)


def check_order_of_labels(
    rows: Sequence[Hashable], columns: Sequence[Hashable] | None, name: str
) -> None:
    """``ValueError`` for similarities whose columns are the rows' objects in another order."""
    if columns is None or len(rows) != len(columns) or list(rows) == list(columns):
        return
    if set(rows) == set(columns):
        k = next(k for k, row in enumerate(rows) if row != columns[k])
        raise ValueError(
            f"{name} has rows and columns for the same ids, but in two orders (at {k}: {rows[k]!r} "
            f"and {columns[k]!r}): bring the columns of similarities into the order of the rows, "
            f"in pandas by {name} = {name}[list({name}.index)]"
        )
