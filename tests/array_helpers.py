"""The same numbers in every kind of array, for the tables of public entries."""

import numpy as np
import pandas as pd
import polars as pl
import without_torch
from helpers import noted
from optional import torch

from rkbs import Solution


def mapped(values, folder):
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, values)
    return np.load(path, mmap_mode="r")


def read_only(values, _=None):
    values = values.copy()
    values.setflags(write=False)
    return values


def framed(values, kind):
    """A data frame, or a series of one axis."""
    if kind is pl:
        return (pl.DataFrame if values.ndim == 2 else pl.Series)(values)
    return (pd.DataFrame if values.ndim == 2 else pd.Series)(values)


ARRAYS = {
    "float16": lambda v, _: v.astype(np.float16),
    "float32": lambda v, _: v.astype(np.float32),
    "longdouble": lambda v, _: v.astype(np.longdouble),
    "byte order": lambda v, _: v.astype(v.dtype.newbyteorder()),
    "negative strides": lambda v, _: v[::-1].copy()[::-1],
    "read-only": read_only,
    "Fortran": lambda v, _: np.asfortranarray(v),
    "memory map": mapped,
    "list": lambda v, _: v.tolist(),
    "pandas": lambda v, _: framed(v, pd),
    "pandas nullable": lambda v, _: framed(v, pd).convert_dtypes(),
    "polars": lambda v, _: framed(v, pl),
    "tensor": lambda v, _: torch.tensor(v),
    "tensor with a gradient": lambda v, _: torch.tensor(v, requires_grad=True),
    "tensor float16": lambda v, _: torch.tensor(v).half(),
    "tensor bfloat16": lambda v, _: torch.tensor(v).bfloat16(),
}
"""(float64 array, folder for files) ↦ the same numbers as this kind."""
# What rounding may do, relative to the largest entry, where the result keeps the kind's precision.
ROUNDING = {"float16": 4e-3, "tensor float16": 4e-3, "tensor bfloat16": 3e-2, "float32": 1e-5}


def numbers(result):
    if isinstance(result, Solution):
        result = result.value.c
    if isinstance(result, torch.Tensor):
        result = result.detach().double().numpy()
    return np.asarray(result, dtype=float)


def assert_alike(function, folder, rounding):
    """The same numbers from every kind of array as from float64."""
    right = numbers(function(np.asarray))
    for kind, array in ARRAYS.items():
        if kind.startswith("tensor") and without_torch.is_absent():
            continue
        with noted(kind):
            found = numbers(function(lambda values, array=array: array(values, folder)))
            assert found.shape == right.shape
            assert np.abs(found - right).max() <= ROUNDING.get(kind, rounding) * np.abs(right).max()
