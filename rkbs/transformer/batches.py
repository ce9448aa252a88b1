"""Batches in an order that a seed fixes, whatever is trained on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import check_count

Batch = dict[str, Tensor]
"""Columns of examples: sequences (B, n), filled up by padding, and labels (B,)."""
_POOL = 50
"""Batches whose examples are sorted by length together, so that little is padding."""


@final
class Batches:
    """Columns of examples, cut into batches of like length; each epoch in an order of its own.

    The order depends on the seed, the epoch, and the lengths alone, so that models of different
    kernels see the same batches, and a run that was interrupted goes on with the next.

    Parameters
    ----------
    columns : mapping of name to sequence
        As many entries in each: sequences of token numbers, or one number for each example.
    size : int
        Examples in a batch.
    seed : int
    pad : int
        What fills sequences up.
    shuffle : bool
        False: every epoch in the order of the columns, for evaluation.

    Raises
    ------
    TypeError, ValueError
        For columns that are none, or of different lengths, and for empty sequences.

    Examples
    --------
    >>> from rkbs.transformer import Batches
    >>> batches = Batches({"tokens": [[5, 6, 7], [8, 9], [5]], "labels": [0, 1, 0]}, size=2)
    >>> len(batches)  # of an epoch
    2
    >>> next(iter(Batches({"tokens": [[5, 6, 7], [8, 9]]}, size=2, shuffle=False)))
    {'tokens': tensor([[5, 6, 7],
            [8, 9, 0]])}
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[Any]],
        size: int,
        *,
        seed: int = 0,
        pad: int = 0,
        shuffle: bool = True,
    ) -> None:
        if not isinstance(columns, Mapping) or not columns:
            raise TypeError(
                "columns must map names to sequences of examples, as {'tokens': [[5, 6], [7]]}, "
                f"got {type(columns).__name__}"
            )
        self.size, self.seed = check_count(size, "size"), check_count(seed, "seed", least=0)
        self.pad, self.shuffle = check_count(pad, "pad", least=0), shuffle
        self.columns = {name: _column(column, name) for name, column in columns.items()}
        counts = {name: len(column) for name, column in self.columns.items()}
        if len(set(counts.values())) > 1 or 0 in counts.values():
            raise ValueError(f"columns must have as many examples each, one or more, got {counts}")
        self.count = next(iter(counts.values()))
        self._epoch = lru_cache(maxsize=1)(self._order)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self.count // self.size)

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the first epoch."""
        return map(self.at, range(len(self)))

    def at(self, step: int) -> Batch:
        """The batch of a step, 0 for the first; epochs follow each other."""
        epoch, place = divmod(check_count(step, "step", least=0), len(self))
        chosen = self._epoch(epoch if self.shuffle else 0)[place]
        return {name: self._filled(name, chosen) for name in self.columns}

    def _filled(self, name: str, chosen: np.ndarray) -> Tensor:
        rows = [self.columns[name][k] for k in chosen]
        if not isinstance(rows[0], np.ndarray):
            return torch.tensor(rows)
        filled = np.full((len(rows), max(map(len, rows))), self.pad, dtype=np.int64)
        for line, row in zip(filled, rows, strict=True):
            line[: len(row)] = row
        return torch.from_numpy(filled)

    def _order(self, epoch: int) -> list[np.ndarray]:
        """The examples of each batch of an epoch."""
        if not self.shuffle:
            return np.split(np.arange(self.count), range(self.size, self.count, self.size))
        rng = np.random.default_rng([self.seed, epoch])
        order, pool = rng.permutation(self.count), _POOL * self.size
        for start in range(0, self.count, pool):
            part = order[start : start + pool]
            order[start : start + pool] = part[np.argsort(self._lengths[part], kind="stable")]
        batches = np.split(order, range(self.size, self.count, self.size))
        return [batches[k] for k in rng.permutation(len(batches))]

    @cached_property
    def _lengths(self) -> np.ndarray:
        lengths = np.zeros(self.count, dtype=int)
        for column in self.columns.values():
            if isinstance(column[0], np.ndarray):
                lengths += [len(row) for row in column]
        return lengths

    @cached_property
    def digest(self) -> str:
        """A hash of the examples and of all that their order depends on."""
        found = hashlib.sha256(repr((self.size, self.seed, self.pad, self.shuffle)).encode())
        for name, column in self.columns.items():
            found.update(name.encode())
            for row in column:
                found.update(np.asarray(row, np.int64).tobytes() + b";")
        return found.hexdigest()[:16]


def _column(column: Any, name: str) -> list[Any]:
    """Sequences as arrays, or labels as ints."""
    rows = [np.asarray(row) for row in column]
    for place, row in enumerate(rows):
        if row.dtype.kind not in "iu" and row.size:
            raise TypeError(
                f"columns[{name!r}] must hold whole numbers, got {row.dtype} in entry {place}: "
                "encode texts first, as BPE.encode does"
            )
        if row.ndim != rows[0].ndim or row.ndim > 1:
            raise ValueError(
                f"columns[{name!r}] must hold sequences of numbers, or one number for each "
                f"example, got shape {row.shape} in entry {place}"
            )
        if row.size == 0:
            raise ValueError(
                f"columns[{name!r}] has an empty sequence, entry {place}: leave it out"
            )
    return [row.astype(np.int64) if row.ndim else int(row) for row in rows]
