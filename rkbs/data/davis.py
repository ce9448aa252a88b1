"""The kinase binding data of Davis et al., with DeepDTA's folds, from a local folder."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from rkbs._arrays import as_matrix, short_repr
from rkbs.data.gdsc import DataNotFoundError, data_folder

DAVIS_SOURCE = (
    "DeepDTA's data folder (Öztürk et al. 2018, github.com/hkmztrk/DeepDTA, data/davis; keep Y as "
    "numpy's Y.npz)"
)
TEST = -1
"""The fold of the pairs that are judged, and never chosen by."""


@final
@dataclass(frozen=True, eq=False)
class KinaseBinding:
    """Davis: how strongly 68 drugs bind 442 kinases, complete.

    Attributes
    ----------
    z : array of shape (68, 442)
        pK_d = −log₁₀(K_d / 1 M), a row per drug; 5 where no binding was found up to 10 µM.
    drug_similarity : array of shape (68, 68)
        Of the two-dimensional structures, in [0, 1].
    target_similarity : array of shape (442, 442)
        Smith-Waterman scores of the sequences, as published: not normalized.
    fold : int array of shape (68, 442)
        DeepDTA's folds over pairs: 0 … 4 its training parts, −1 its test list.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.data import KinaseBinding
    >>> scores = np.array([[9.0, 9.0, 2.0], [9.0, 9.0, 2.0], [2.0, 2.0, 4.0]])
    >>> data = KinaseBinding(np.ones((1, 3)), np.ones((1, 1)), scores, np.array([[-1, 0, 0]]))
    >>> data.target_groups  # the first two targets have one sequence
    array([0, 0, 1])
    """

    z: np.ndarray
    drug_similarity: np.ndarray
    target_similarity: np.ndarray
    fold: np.ndarray

    __repr__ = short_repr

    @property
    def target_groups(self) -> np.ndarray:
        """A label for each target, shape (442,): equal for equal rows of the similarity."""
        rows = self.target_similarity
        _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[group.reshape(-1)]


def load_davis(folder: Path | str | None = None) -> KinaseBinding:
    """Read the kinase data of Davis et al. (Nat. Biotechnol. 29, 1046, 2011) as DeepDTA has it.

    The folder holds ``Y.npz`` (K_d in nM, the array ``Y``), ``drug-drug_similarities_2D.txt``,
    ``target-target_similarities_WS.txt``, and in ``folds/`` the lists of DeepDTA's setting 1,
    ``train_fold_setting1.txt`` (parts) and ``test_fold_setting1.txt``: pairs, numbered row by row.

    Parameters
    ----------
    folder : path, optional
        By default ``$RKBS_DATA/davis`` or ``data/davis``.

    Raises
    ------
    DataNotFoundError
        Where the folder, or a file, is missing.
    ValueError
        Where a file does not hold what it should: K_d that are not positive numbers, matrices of
        other shapes, lists of pairs that do not name every pair once.
    """
    if not isinstance(folder, (str, Path, type(None))):
        raise TypeError(f"folder must be a path or None, got {folder!r}")
    folder = Path(folder) if folder else data_folder("davis", DAVIS_SOURCE)
    nanomolar = _affinities(_found(folder / "Y.npz"))
    n_drugs, n_targets = nanomolar.shape
    return KinaseBinding(
        z=9 - np.log10(nanomolar),
        drug_similarity=_similarity(folder / "drug-drug_similarities_2D.txt", n_drugs),
        target_similarity=_similarity(folder / "target-target_similarities_WS.txt", n_targets),
        fold=_folds(folder / "folds", nanomolar.size).reshape(nanomolar.shape),
    )


def _found(path: Path) -> Path:
    if not path.exists():
        raise DataNotFoundError(
            f"no {path.name} in {path.parent}. Get the data from {DAVIS_SOURCE}"
        )
    return path


def _affinities(path: Path) -> np.ndarray:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} must hold the array Y, as numpy's savez writes it")
    with np.load(path, allow_pickle=False) as file:
        if "Y" not in file:
            raise ValueError(f"{path.name} must hold the array Y, got {sorted(file)}")
        found = as_matrix(file["Y"], path.name)
    if found.min() <= 0:
        raise ValueError(f"{path.name} must hold K_d > 0 in nM, got {found.min():g}")
    return found


def _similarity(path: Path, size: int) -> np.ndarray:
    try:
        found = as_matrix(np.loadtxt(_found(path), ndmin=2), path.name)
    except ValueError as error:
        raise ValueError(f"{path.name} is no table of finite numbers: {error}") from error
    if found.shape != (size, size):
        raise ValueError(f"{path.name} must have shape {(size, size)}, got {found.shape}")
    return found


def _folds(folder: Path, size: int) -> np.ndarray:
    """The fold of each pair, from lists that name every pair once."""
    train, test = (folder / f"{part}_fold_setting1.txt" for part in ("train", "test"))
    parts = [_numbers(test, _json(test)), *(_numbers(train, part) for part in _json(train))]
    names = np.concatenate(parts)
    if not np.array_equal(np.sort(names), np.arange(size)):
        raise ValueError(
            f"the lists in {folder} must name each of the pairs 0 … {size - 1} once, got "
            f"{len(names)} numbers, {len(np.unique(names))} of them different"
        )
    fold = np.empty(size, int)
    for k, part in enumerate(parts, start=TEST):
        fold[part] = k
    return fold


def _json(path: Path) -> list:
    text = _found(path).read_text(encoding="utf-8")
    try:
        return list(json.loads(text))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path.name} must hold a list in JSON: {error}") from error


def _numbers(path: Path, part: object) -> np.ndarray:
    if not isinstance(part, list) or not all(type(name) is int for name in part):
        raise ValueError(f"{path.name} must hold lists of whole numbers, got {str(part)[:40]!r}")
    return np.array(part, int)
