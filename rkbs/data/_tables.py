"""Tables of pandas and polars: their ids, the features of each id, and one response a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from rkbs._arrays import as_real, check_finite
from rkbs._frames import check_order_of_labels, column_names, refuse_without_numbers, to_numpy
from rkbs.data._entities import is_missing, kind_of_label

_SHOWN = 3
"""Ids in a message."""


@final
@dataclass(frozen=True)
class Origin:
    """The table that pairs came from.

    Attributes
    ----------
    x, y : str
        Names of its columns of ids.
    frame : type
        Its class: called with a dict of columns, it makes another such table.
    """

    x: str
    y: str
    frame: type


class Domain(NamedTuple):
    """Points of a domain with an id for each row, and the names of their features."""

    points: np.ndarray
    ids: list[Hashable]
    names: tuple[str, ...] | None


def check_frame(frame: Any, name: str, wanted: str) -> None:
    """``TypeError`` for what is no data frame: what it is, and what to pass."""
    if hasattr(frame, "collect"):
        refuse_without_numbers(frame, name)
    if hasattr(frame, "columns") and hasattr(frame, "to_numpy") and not callable(frame.columns):
        return
    if hasattr(frame, "toarray"):
        advice = f": pass pd.DataFrame.sparse.from_spmatrix({name}, index=ids)"
    else:
        advice = f": pass pd.DataFrame({name}, index=ids)" * hasattr(frame, "__array__")
    raise TypeError(
        f"{name} must be a data frame of pandas or polars, {wanted}, got "
        f"{type(frame).__name__}{advice}"
    )


def labels_of(frame: Any, column: str, name: str, argument: str = "") -> list[Hashable]:
    """The ids of a column, none of them missing.

    Raises
    ------
    ValueError
        For a column that is not there, and for rows without an id.
    """
    if column not in list(frame.columns):
        there = ", ".join(map(repr, list(frame.columns)[:8]))
        raise ValueError(f"{argument}{column!r} is no column of {name}, which has {there}")
    labels: list[Hashable] = frame[column].to_list()
    missing = [is_missing(label) for label in labels]
    if any(missing):
        drop = "dropna(subset=[{!r}])" if hasattr(frame, "iloc") else "drop_nulls({!r})"
        raise ValueError(
            f"{name}[{column!r}] names nothing in {_rows(sum(missing))} (the first: row "
            f"{missing.index(True)}): leave them out by {name} = {name}.{drop.format(column)}"
        )
    return labels


def domain_of(given: Any, name: str, column: str, used: Sequence[Hashable]) -> Domain:
    """The points of ``X`` or ``Y``: a row of features, or of similarities, for each id.

    Parameters
    ----------
    given : data frame or None
        With the ids in ``column``, or, in pandas, as its index. None: nothing is known but who
        they are, and all points are 0.
    name : {"X", "Y"}
    column : str
    used : sequence
        The ids of the pairs.

    Raises
    ------
    TypeError, ValueError
        For what is no table of numbers, repeated ids, features that are missing.
    """
    if given is None:
        ids = list(dict.fromkeys(used))
        return Domain(np.zeros((len(ids), 1)), ids, None)
    check_frame(given, name, "with a row for each id")
    if column in list(given.columns):
        ids, by = labels_of(given, column, name), f"[{column!r}]"
        features = given[[each for each in given.columns if each != column]]
    elif hasattr(given, "iloc"):
        ids, by, features = list(given.index), ".index", given
        if any(map(is_missing, ids)):
            raise ValueError(f"{name}.index must name every row of {name}, but holds a missing id")
    else:
        raise ValueError(
            f"{name} must have a column {column!r} with the ids of its rows, got the columns "
            f"{list(given.columns)[:8]}"
        )
    _check_once(ids, name, by, hasattr(given, "iloc"))
    names = column_names(features)
    check_order_of_labels(ids, names, name)
    points = to_numpy(features, name)
    _check_known(points, ids, list(features.columns), name)
    return Domain(points, ids, names)


def _check_once(ids: Sequence[Hashable], name: str, by: str, pandas: bool) -> None:
    if len(set(ids)) == len(ids):
        return
    twice, count = Counter(ids).most_common(1)[0]
    keep = f"{name}[~{name}{by}.duplicated()]" if pandas else f"{name}.unique({by[1:-1]})"
    raise ValueError(
        f"{name} has {count} rows for the id {twice!r}: keep one row an id, such as the "
        f"first of each by {name} = {keep}"
    )


def _check_known(
    points: np.ndarray, ids: Sequence[Hashable], columns: list[Any], name: str
) -> None:
    """``ValueError`` that names the ids of rows with missing features."""
    if points.dtype.kind != "f" or points.ndim != 2:
        return
    missing = np.isnan(points)
    rows = np.flatnonzero(missing.any(1))
    if len(rows):
        column = columns[int(missing[rows[0]].argmax())]
        lacking = _listed([ids[k] for k in rows.tolist()])
        raise ValueError(
            f"{name} contains NaN in the rows of {lacking} (the first in the column {column!r}): "
            f"fill in what is missing, as by {name} = {name}.fillna({name}.mean()), or leave "
            "these ids out of both tables"
        )


def row_numbers(labels: Sequence[Hashable], domain: Domain, name: str, column: str) -> np.ndarray:
    """The row of each id in its domain.

    Raises
    ------
    ValueError
        Naming ids that have no row.
    """
    known = {label: k for k, label in enumerate(domain.ids)}
    unknown = [label for label in dict.fromkeys(labels) if label not in known]
    if not unknown:
        return np.array([known[label] for label in labels], dtype=np.intp)
    asked, there = ({kind_of_label(label) for label in ids} for ids in (labels, domain.ids))
    if not asked & there:
        advice = (
            f"df[{column!r}] holds {' and '.join(sorted(asked))}, the ids of {name} are "
            f"{' and '.join(sorted(there))}: bring both to one kind, or, where the ids of {name} "
            f"are a column of it, name it {column!r}"
        )
    else:
        advice = f"add their rows to {name}, or leave their pairs out of df"
    raise ValueError(
        f"{name} has no row for {_listed(unknown)} of the {len(set(labels))} ids in "
        f"df[{column!r}]: {advice}"
    )


def responses_of(frame: Any, column: str, ids: tuple[Sequence[Any], Sequence[Any]]) -> np.ndarray:
    """The responses of a column.

    Raises
    ------
    TypeError, ValueError
        For what holds no numbers, and for missing ones: how many, the first pair, what to write.
    """
    if column not in list(frame.columns):
        labels_of(frame, column, "df", "z=")
    where = f"df[{column!r}]"
    z = to_numpy(frame[column], where)
    if z.dtype.kind == "b":
        raise TypeError(
            f"{where} must hold real numbers, got booleans: make labels −1 and 1 of them, "
            f"2 * {where}.astype(int) - 1 in pandas"
        )
    if z.dtype.kind == "f" and (missing := np.flatnonzero(np.isnan(z))).size:
        k = missing[0]
        keep = f"df[{where}.astype(float).notna()]"
        if not hasattr(frame, "iloc"):
            keep = f"df.filter({where}.is_finite())"
        raise ValueError(
            f"{where} has no response in {_rows(len(missing))} (the first: row {k}, {ids[0][k]!r} "
            f"and {ids[1][k]!r}): leave them out by df = {keep}"
        )
    return as_real(z, where)


def one_each(
    cells: np.ndarray, z: np.ndarray | None, aggregate: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The first place of each cell, in order, and its response: the mean or median of several.

    Parameters
    ----------
    cells : int array of shape (n,)
    z : array of shape (n,), or None
    aggregate : {"mean", "median"} or None
        None where no cell repeats.
    """
    _, first, inverse, counts = np.unique(
        cells, return_index=True, return_inverse=True, return_counts=True
    )
    if z is None or aggregate is None:
        order = np.sort(first)
        return order, None if z is None else z[order]
    if aggregate == "mean":
        found = np.bincount(inverse, z) / counts
    else:
        ranked = z[np.lexsort((z, inverse))]
        start = np.cumsum(counts) - counts
        found = (ranked[start + (counts - 1) // 2] + ranked[start + counts // 2]) / 2
    order = np.argsort(first)
    return first[order], found[order]


def repeated(cells: np.ndarray) -> tuple[int, np.ndarray]:
    """How many cells occur more than once, and where the first of these does."""
    values, counts = np.unique(cells, return_counts=True)
    if not (counts > 1).any():
        return 0, np.zeros(0, int)
    twice = np.isin(cells, values[counts > 1])
    return int((counts > 1).sum()), np.flatnonzero(cells == cells[twice.argmax()])


def check_aggregate(aggregate: str | None, responses: bool) -> None:
    """``ValueError`` for another rule than there is, or one for no responses."""
    if aggregate not in (None, "mean", "median"):
        raise ValueError(f'aggregate must be "mean", "median" or None, got {aggregate!r}')
    if aggregate is not None and not responses:
        raise ValueError(f"aggregate={aggregate!r} is of responses: name their column by z")


def as_column(values: Any, name: str, pairs: Any) -> np.ndarray:
    """Values of the pairs, (n,), also from the matrix of a complete grid."""
    column: np.ndarray = to_numpy(values, name)
    grid = (len(pairs.X), len(pairs.Y))
    if pairs.is_complete and column.shape == grid:
        column = pairs.entries(column)
    if column.shape != (len(pairs),):
        expected = f"({len(pairs)},)" + f" or {grid}" * pairs.is_complete
        raise ValueError(
            f"{name} must hold a value for each pair, shape {expected}, got shape {column.shape}"
        )
    return column


def dense(points: Any, name: str) -> Any:
    """Points that may be sparse: kernels need all of their coordinates."""
    if not hasattr(points, "toarray"):
        return points
    return check_finite(np.asarray(points.toarray(), dtype=float), name)


def _listed(labels: Sequence[Hashable]) -> str:
    shown = ", ".join(map(repr, labels[:_SHOWN]))
    return shown if len(labels) <= _SHOWN else f"{shown} and {len(labels) - _SHOWN} more"


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count > 1)}"
