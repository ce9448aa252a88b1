"""Row numbers of pairs, and which pairs are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from rkbs._arrays import check_count
from rkbs._frames import to_numpy


def as_indices(values: Any, name: str, size: int, domain: str) -> np.ndarray:
    """Row numbers of a domain, a copy; a ``TypeError`` or ``ValueError`` that names them."""
    values = to_numpy(values, name)
    if values.size == 0:
        raise ValueError(f"{name} must name at least one pair, got none")
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be a 1-D integer array of row numbers of {domain}, got {values.dtype} "
            f"of shape {values.shape}"
        )
    if values.min() < 0 or values.max() >= size:
        raise ValueError(
            f"{name} must lie from 0 to {size - 1} (rows of {domain}), got values from "
            f"{values.min()} to {values.max()}"
        )
    return values.astype(np.intp)


def as_split(n_features_x: Any, columns: int) -> int:
    """How many of a table's columns describe x: ``ValueError`` unless some are left for y."""
    split = check_count(n_features_x, "n_features_x")
    if not split < columns:
        raise ValueError(
            f"n_features_x must be from 1 to {columns - 1} for a table of {columns} columns, got "
            f"{n_features_x}"
        )
    return split


def rising(i: np.ndarray, j: np.ndarray, n_y: int) -> bool:
    """Whether the pairs are in row-major order, each once."""
    cells = i * n_y
    cells += j
    return bool((cells[1:] > cells[:-1]).all())


def as_key(key: Any, size: int) -> np.ndarray:
    """Row numbers, or a mask of ``size`` pairs."""
    plain = isinstance(key, (list, range))
    array = to_numpy(key, "the key of pairs[key]") if plain or hasattr(key, "__array__") else None
    if plain and not len(key):
        array = array.astype(np.intp)  # numpy makes [] a float array
    if array is None or array.ndim != 1 or array.dtype.kind not in "iub":
        got = f"{array.dtype} of shape {array.shape}" if array is not None else repr(key)
        raise TypeError(f"pairs are chosen by a slice, an index array or a mask, got {got}")
    if array.dtype.kind == "b" and len(array) != size:
        raise ValueError(f"a mask of pairs must have length {size}, got {len(array)}")
    return array
