"""All tables of small integers, and what their rows select: brute force, in integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def strict(tables: np.ndarray, target: Sequence[int], factors: Sequence[int] = ()) -> np.ndarray:
    """How many rows i of each table have their strictly largest entry at π(i): brute force."""
    tables = tables * np.array(factors or [1] * tables.shape[-1], dtype=tables.dtype)
    n = range(tables.shape[-1])
    return sum(
        np.all([tables[:, i, target[i]] > tables[:, i, j] for j in n if j != target[i]], axis=0)
        for i in n
    )


def all_entries(places: int, most: int) -> np.ndarray:
    """All vectors of the integers 0, …, most, (·, places)."""
    return np.indices((most + 1,) * places, dtype=np.int16).reshape(places, -1).T


def symmetric_tables(n: int, most: int) -> np.ndarray:
    """All symmetric n × n tables of the integers 0, …, most."""
    places = [(i, j) for i in range(n) for j in range(i, n)]
    entries = all_entries(len(places), most)
    tables = np.empty((len(entries), n, n), dtype=np.int16)
    for place, (i, j) in enumerate(places):
        tables[:, i, j] = tables[:, j, i] = entries[:, place]
    return tables


def is_psd(tables: np.ndarray) -> np.ndarray:
    """By all principal minors, in integers, n ≤ 3."""
    diagonal = np.diagonal(tables, axis1=1, axis2=2)
    good = (diagonal >= 0).all(-1)
    n = tables.shape[-1]
    for i in range(n):
        for j in range(i):
            good &= diagonal[:, i] * diagonal[:, j] >= tables[:, i, j] ** 2
    if n == 3:
        a, b, c = diagonal.T
        x, y, z = tables[:, 0, 1], tables[:, 0, 2], tables[:, 1, 2]
        good &= a * b * c + 2 * x * y * z - a * z * z - b * y * y - c * x * x >= 0
    return good
