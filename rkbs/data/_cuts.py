"""Cuts of pairs into those to train on, those to test and, of new rows × columns, neither."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Literal, NamedTuple, get_args

import numpy as np

Setting = Literal["pair", "row", "column", "both"]
"""What is new in what is predicted: a pair of known ones, its row, its column, or both."""


class Cut(NamedTuple):
    """Masks of pairs, each of shape (n,).

    Attributes
    ----------
    train, test : bool arrays
        No pair is in both. Where both row and column are new, some pairs are in neither: those of
        a new row with a known column, or of a known row with a new column.
    """

    train: np.ndarray
    test: np.ndarray


def check_setting(leave: Setting) -> Setting:
    """``leave`` itself, or a ``ValueError`` that names the choices."""
    if leave not in get_args(Setting):
        raise ValueError(f"leave must be one of {get_args(Setting)}, got {leave!r}")
    return leave


def cuts(
    rows: np.ndarray,
    columns: np.ndarray,
    leave: Setting,
    folds: int,
    rng: np.random.Generator,
    *,
    every_block: bool = True,
) -> Iterator[Cut]:
    """Cuts that test each pair once: ``folds`` of them, or ``folds``² of new rows × columns.

    Parameters
    ----------
    rows, columns : int arrays of shape (n,)
        Whoever has one number is left out together.
    leave : {"pair", "row", "column", "both"}
    folds : int
        The number of parts, of about as many pairs, rows or columns each.
    rng : numpy Generator
    every_block : bool
        False: of new rows × columns only ``folds`` cuts, of the k-th part of each, which test
        about a ``folds``-th of all pairs.

    Raises
    ------
    ValueError
        For fewer pairs, rows or columns than folds, and for cuts that have no pair to test, or
        none to train on.
    """
    if leave == "both":
        a, b = _parts(rows, "row", folds, rng), _parts(columns, "column", folds, rng)
        blocks = [(k, m) for k, m in product(range(folds), repeat=2) if every_block or k == m]
        _check_blocks(a, b, folds, blocks)
        for k, m in blocks:
            yield Cut((a != k) & (b != m), (a == k) & (b == m))
        return
    part = _parts(units(rows, columns, leave), leave, folds, rng)
    for k in range(folds):
        yield Cut(part != k, part == k)


def units(rows: np.ndarray, columns: np.ndarray, leave: str) -> np.ndarray:
    """The number of what each pair is left out with: of its row, its column or the two, (n,)."""
    if leave == "pair":
        return rows * (columns.max() + 1) + columns
    return {"row": rows, "column": columns}[leave]


def _parts(units: np.ndarray, name: str, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The part, 0 … folds − 1, of each unit, (n,): about as many units in each."""
    names, unit = np.unique(units, return_inverse=True)
    if len(names) < folds:
        raise ValueError(
            f"{folds} folds need as many {name}s, or groups of them, got {len(names)} "
            f"(n_samples={len(units)}): pass fewer folds"
        )
    part = np.empty(len(names), dtype=int)
    for k, chosen in enumerate(np.array_split(rng.permutation(len(names)), folds)):
        part[chosen] = k
    return part[unit]


def _check_blocks(a: np.ndarray, b: np.ndarray, folds: int, blocks: list[tuple[int, int]]) -> None:
    """``ValueError`` where a block of rows × columns, or what is left without both, has no pair."""
    tested = np.bincount(a * folds + b, minlength=folds * folds).reshape(folds, folds)
    trained = len(a) - tested.sum(1, keepdims=True) - tested.sum(0) + tested
    for sizes, what in ((tested, "to test"), (trained, "to train on")):
        if empty := sum(sizes[block] == 0 for block in blocks):
            raise ValueError(
                f"leave='both' with {folds} parts of rows × {folds} of columns leaves no pair "
                f"{what} in {empty} of {len(blocks)} folds: pass fewer folds, or another "
                "random_state"
            )
