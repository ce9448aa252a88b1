"""Loaders of real two-domain data from a local folder; nothing is downloaded or shipped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from rkbs._arrays import as_matrix, short_repr


class DataNotFoundError(FileNotFoundError):
    """A data set is not on this machine; the message says where to get it."""


def data_folder(name: str, source: str) -> Path:
    """The folder of a data set: ``$RKBS_DATA/<name>``, or ``data/<name>`` without the variable.

    Raises
    ------
    DataNotFoundError
        Naming the folder that was tried and ``source``, where the data set is published.
    """
    folder = Path(os.environ.get("RKBS_DATA") or "data") / name
    if folder.is_dir():
        return folder
    raise DataNotFoundError(
        f"no data set {name!r} in {folder}. Get it from {source} and set RKBS_DATA to the folder "
        f"that holds {name}/"
    )


@final
@dataclass(frozen=True, eq=False)
class DrugResponse:
    """GDSC drug response, 124 drugs × 124 cell lines, complete.

    Attributes
    ----------
    z : array of shape (124, 124)
        ln IC50 (natural logarithm of a concentration in µM), a row per drug.
    drug_kernels, cell_kernels : dict of name to array of shape (124, 124)
        Symmetric positive semi-definite similarity matrices.
    fold : int array of shape (124, 124)
        The published outer fold, 0 … 9, of each pair.
    """

    z: np.ndarray
    drug_kernels: dict[str, np.ndarray]
    cell_kernels: dict[str, np.ndarray]
    fold: np.ndarray

    __repr__ = short_repr


GDSC_SOURCE = "the pairwiseMKL package (Cichonska et al. 2018, github.com/aalto-ics-kepaco)"


def load_gdsc(folder: Path | str | None = None) -> DrugResponse:
    """Read the GDSC subset of Cichonska et al. (Bioinformatics 34, i509, 2018).

    The folder holds ``Labels.txt``, ``Drug_kernels/``, ``Cell_line_kernels/`` and
    ``Folds/outer_folds.txt``. Fold numbers are read in row-major order of the labels.

    Parameters
    ----------
    folder : path, optional
        By default ``$RKBS_DATA/gdsc`` or ``data/gdsc``.

    Raises
    ------
    DataNotFoundError
        Where the folder is missing.
    ValueError
        Where a file does not have the shape it should.
    """
    if not isinstance(folder, (str, Path, type(None))):
        raise TypeError(f"folder must be a path or None, got {folder!r}")
    folder = Path(folder) if folder else data_folder("gdsc", GDSC_SOURCE)
    z = _table(folder / "Labels.txt")
    fold = _table(folder / "Folds" / "outer_folds.txt").astype(int)
    if fold.size != z.size:
        raise ValueError(f"outer_folds.txt must hold {z.size} numbers, got {fold.size}")
    return DrugResponse(
        z=z,
        drug_kernels=_kernels(folder / "Drug_kernels", z.shape[0]),
        cell_kernels=_kernels(folder / "Cell_line_kernels", z.shape[1]),
        fold=fold.reshape(z.shape),
    )


def _kernels(folder: Path, size: int) -> dict[str, np.ndarray]:
    kernels, paths = {}, {}
    for path in sorted(folder.glob("K*_*.txt*")):
        kernel = _table(path)
        if kernel.shape != (size, size):
            raise ValueError(f"{path.name} must have shape {(size, size)}, got {kernel.shape}")
        name = path.name.split(".")[0].split("_", 1)[1]
        if name in kernels:
            raise ValueError(
                f"{paths[name].name} and {path.name} in {folder} are both kernel {name!r}: keep one"
            )
        kernels[name], paths[name] = kernel, path
    if not kernels:
        raise DataNotFoundError(f"no kernels K*_*.txt in {folder}. Get the data from {GDSC_SOURCE}")
    return kernels


def _table(path: Path) -> np.ndarray:
    if not path.exists():
        raise DataNotFoundError(f"no {path.name} in {path.parent}. Get the data from {GDSC_SOURCE}")
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path.name} is not a table of numbers: {error}") from error
    return as_matrix(table, path.name)
