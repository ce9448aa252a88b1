"""Who the points of a domain are: their ids, or the points themselves."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import first_equal
from rkbs._frames import is_tensor


def as_ids(ids: Any, name: str, points: np.ndarray, domain: str) -> np.ndarray | None:
    """An id for each row of ``points``, (n,) of Python objects; None for None.

    Raises
    ------
    TypeError
        For what is no sequence of hashable objects.
    ValueError
        For another length, missing ids, and one id of points that differ.
    """
    if ids is None:
        return None
    labels = _as_list(ids, name, domain)
    if len(labels) != len(points):
        raise ValueError(
            f"{name} must hold an id for each of {len(points)} rows of {domain}, got {len(labels)}"
        )
    missing = [is_missing(label) for label in labels]
    if any(missing):
        raise ValueError(
            f"{name} must name every row of {domain}, but has {labels[missing.index(True)]!r} for "
            f"row {missing.index(True)}: give what has no name of its own a label that no other "
            f"row has, such as ('row', {missing.index(True)})"
        )
    array = np.fromiter(labels, dtype=object, count=len(labels))  # tuples stay whole
    first = _codes(array)
    differ = np.argwhere(points != points[first])
    if len(differ):
        row, column = differ[0]
        raise ValueError(
            f"{name} gives the id {labels[row]!r} to rows {first[row]} and {row} of {domain}, "
            f"which differ in column {column}: one entity has one row of features. Average them, "
            "or give each row an id of its own"
        )
    return array


def _as_list(ids: Any, name: str, domain: str) -> list[Any]:
    ordered = isinstance(ids, Iterable) and not isinstance(ids, (str, bytes, set, frozenset, dict))
    axes = getattr(ids, "ndim", 1)
    if not ordered or axes != 1:
        got = f"{axes} axes" if ordered else f"{ids!r:.50}"
        raise TypeError(f"{name} must be a sequence with an id for each row of {domain}, got {got}")
    values = is_tensor(ids) or isinstance(ids, np.ma.MaskedArray)  # of which the masked are None
    labels = ids.tolist() if values else list(ids)
    for k, label in enumerate(labels):
        if not _is_hashable(label):
            raise TypeError(
                f"{name} must hold hashable ids, such as strings or integers, got "
                f"{type(label).__name__} for row {k} of {domain}"
            )
    return labels


def _is_hashable(label: Any) -> bool:
    try:
        hash(label)
    except TypeError:  # a tuple that holds a list
        return False
    return True


def is_missing(label: Any) -> bool:
    """Whether a label is None, NaN or another "not available", or a tuple that holds one."""
    if isinstance(label, tuple):
        return any(map(is_missing, label))
    if label is None:
        return True
    try:
        return bool(label != label)  # NaN is not itself
    except (TypeError, ValueError):  # pandas' NA does not say
        return True


def _codes(labels: Iterable[Hashable]) -> np.ndarray:
    """The number of the first label that equals each, (n,)."""
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, k) for k, label in enumerate(labels)], dtype=int)


@final
@dataclass(frozen=True, eq=False)
class Entities:
    """Points of a domain, and who they are.

    Attributes
    ----------
    points : array of shape (n, d)
    ids : array of shape (n,) of objects, or None
        Rows of one id are one entity. None: equal points are.
    domain : {"X", "Y"}
    """

    points: np.ndarray
    ids: np.ndarray | None
    domain: str

    def first(self) -> np.ndarray:
        """The number of the first row that is the same entity, (n,)."""
        return first_equal(self.points) if self.ids is None else _codes(self.ids)

    def same(self, known: Entities) -> np.ndarray:
        """Which of these are which of those of a fit: (n, m) of bool.

        Raises
        ------
        ValueError
            Where only one of the two has ids, or ids of another kind, or an id that names another
            point there.
        """
        size = len(self.points)
        if self.ids is None and known.ids is None:
            if not self._comparable(known):
                return np.zeros((size, len(known.points)), dtype=bool)
            codes = first_equal(np.concatenate([self.points, known.points]))
        else:
            self._check_ids(known)
            codes = _codes([*self.ids, *known.ids])
        same = codes[:size, None] == codes[size:]
        self._check_points(known, same)
        return same

    def _comparable(self, known: Entities) -> bool:
        """Not where similarities to the fit's objects meet the numbers of these."""
        return self.points.shape[1] == known.points.shape[1]

    def _check_ids(self, known: Entities) -> None:
        name, entry = f"ids_{self.domain.lower()}", f"Pairs with {self.domain}'s ids"
        if self.ids is None:
            raise ValueError(
                f"{self.domain} comes without ids, but the machine was fitted with {name} and its "
                f"kernel, effects or repair ask who is who: predict Pairs that carry {name}, or "
                f"pass {name} to predict_grid (ids to query and key). New entities take ids that "
                "the fit did not have"
            )
        if known.ids is None:
            raise ValueError(
                f"{self.domain} comes with {name}, but the machine was fitted without, and its "
                f"kernel, effects or repair ask who is who: fit {entry}, or predict without "
                f"{name}, so that equal points are one entity"
            )
        new, old = ({kind_of_label(label) for label in ids} for ids in (self.ids, known.ids))
        if not new & old:
            raise ValueError(
                f"{name} holds {' and '.join(sorted(new))}, but in the fit it held "
                f"{' and '.join(sorted(old))}, none of which it can equal: pass ids of the fit's "
                "kind"
            )

    def _check_points(self, known: Entities, same: np.ndarray) -> None:
        """An id of the fit must come with the features of the fit."""
        if not self._comparable(known):
            return
        rows = np.flatnonzero(same.any(1))
        there = same[rows].argmax(1)
        differ = np.argwhere(self.points[rows] != known.points[there])
        if len(differ):
            k, column = differ[0]
            raise ValueError(
                f"ids_{self.domain.lower()} gives the id {self.ids[rows[k]]!r} to row {rows[k]} "
                f"of {self.domain}, which differs in column {column} from the point of that id in "
                "the fit: pass its features as they were there, or an id that the fit did not have"
            )


def kind_of_label(label: Any) -> str:
    """The word for what a label can equal: numbers equal numbers, others those of their type."""
    if isinstance(label, (numbers.Number, np.bool_)):
        return "numbers"
    kinds = (kind for kind in (str, bytes, tuple) if isinstance(label, kind))
    return next(kinds, type(label)).__name__


def distinct(
    points: np.ndarray, ids: Any, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The points of a table without repetition, the row of each there, and their ids."""
    ids, told = as_ids(ids, name, points, "the table"), points
    if ids is not None:  # of equal points those of one id, in the order of the table
        codes = {label: k for k, label in enumerate(dict.fromkeys(ids))}
        told = np.column_stack([points, [codes[label] for label in ids]])
    _, first, rows = np.unique(told, axis=0, return_index=True, return_inverse=True)
    return points[first], rows.reshape(-1), None if ids is None else ids[first]
