"""Pairs of two domains: the data of a binary problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from rkbs._arrays import as_floating, as_matrix, check_count, check_finite, is_tensor


@final
@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """The cross-domain pairs (X[i_1], Y[j_1]), …, (X[i_n], Y[j_n]): a complete grid or some of it.

    Behaves as an array of n samples, so scikit-learn's splitters, ``cross_val_score`` and
    ``GridSearchCV`` work on it: a subset of pairs keeps the domains and drops pairs. For folds
    of new targets or new sources, pass ``groups=pairs.i`` or ``pairs.j`` to ``GroupKFold``.

    Parameters
    ----------
    X : array of shape (n_x, d_x)
        Targets.
    Y : array of shape (n_y, d_y)
        Sources.
    i, j : int arrays of shape (n,)
        Row numbers in X and in Y; each pair at most once.

    Raises
    ------
    TypeError, ValueError
        For dtypes or shapes that do not fit, NaN, no pairs, indices out of range, repeated pairs.
    """

    X: np.ndarray
    Y: np.ndarray
    i: np.ndarray
    j: np.ndarray

    def __post_init__(self) -> None:
        X, Y = as_matrix(self.X, "X"), as_matrix(self.Y, "Y")
        i, j = _as_indices(self.i, "i", len(X), "X"), _as_indices(self.j, "j", len(Y), "Y")
        if i.shape != j.shape:
            raise ValueError(f"i and j must be equally long, got {i.shape[0]} and {j.shape[0]}")
        _, first, counts = np.unique(i * len(Y) + j, return_index=True, return_counts=True)
        if (counts > 1).any():
            k = first[counts > 1][0]
            raise ValueError(
                f"i, j must not repeat a pair: (i={i[k]}, j={j[k]}) occurs {counts.max()} times. "
                "Average repeated responses first."
            )
        for name, value in (("X", X), ("Y", Y), ("i", i), ("j", j)):
            object.__setattr__(self, name, value)

    @classmethod
    def grid(cls, X: Any, Y: Any) -> Pairs:
        """All n_x · n_y pairs, in row-major order: pair k is (X[k // n_y], Y[k % n_y])."""
        n_x, n_y = len(as_matrix(X, "X")), len(as_matrix(Y, "Y"))
        return cls(X, Y, np.repeat(np.arange(n_x), n_y), np.tile(np.arange(n_y), n_x))

    @classmethod
    def from_mask(cls, X: Any, Y: Any, mask: Any) -> Pairs:
        """The pairs where the boolean ``mask`` of shape (n_x, n_y) is True, in row-major order."""
        mask = np.asarray(mask)
        shape = (len(as_matrix(X, "X")), len(as_matrix(Y, "Y")))
        if mask.dtype != bool or mask.shape != shape:
            raise ValueError(
                f"mask must be boolean of shape {shape}, got {mask.dtype} of shape {mask.shape}"
            )
        if not mask.any():
            raise ValueError("mask must be True for at least one pair, got none")
        return cls(X, Y, *np.nonzero(mask))

    @classmethod
    def from_table(cls, table: Any, n_features_x: int) -> Pairs:
        """The pairs of a table whose rows are [x | y]: equal points become one row of X or Y.

        Parameters
        ----------
        table : array of shape (n, d_x + d_y)
        n_features_x : int
            d_x, the number of leading columns that describe the target.
        """
        table = as_matrix(table, "table")
        if not check_count(n_features_x, "n_features_x") < table.shape[1]:
            raise ValueError(
                f"n_features_x must be from 1 to {table.shape[1] - 1} for a table of "
                f"{table.shape[1]} columns, got {n_features_x}"
            )
        X, i = np.unique(table[:, :n_features_x], axis=0, return_inverse=True)
        Y, j = np.unique(table[:, n_features_x:], axis=0, return_inverse=True)
        return cls(X, Y, i.reshape(-1), j.reshape(-1))

    def __len__(self) -> int:
        return len(self.i)

    def __repr__(self) -> str:
        kind = "complete grid" if self.is_complete else "incomplete"
        return f"Pairs({len(self)} of {len(self.X)} × {len(self.Y)}, {kind})"

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d_x + d_y), as if each pair were a row [x | y]."""
        return len(self), self.X.shape[1] + self.Y.shape[1]

    @property
    def ndim(self) -> int:
        """2, as for any array of samples."""
        return 2

    def __getitem__(self, key: Any) -> Pairs:
        """The chosen pairs, domains kept; ``pairs[key]`` and ``pairs[key, ...]`` are the same."""
        if isinstance(key, tuple) and len(key) == 2 and key[1] is Ellipsis:
            key = key[0]
        if isinstance(key, list):
            key = np.asarray(key, dtype=None if key else np.intp)  # numpy makes [] a float array
        if not isinstance(key, slice) and not (
            isinstance(key, np.ndarray) and key.ndim == 1 and key.dtype.kind in "iub"
        ):
            raise TypeError(f"pairs are chosen by a slice, an index array or a mask, got {key!r}")
        i, j = self.i[key], self.j[key]
        if not len(i):
            raise ValueError("pairs[key] must name at least one pair, got none")
        return Pairs(self.X, self.Y, i, j)

    @property
    def is_complete(self) -> bool:
        """Whether every cross-domain pair is present."""
        return len(self) == len(self.X) * len(self.Y)

    @cached_property
    def _is_row_major_grid(self) -> bool:
        """A complete grid in ``grid``'s order, where values are reshaped instead of indexed."""
        return self.is_complete and bool((np.diff(self.i * len(self.Y) + self.j) == 1).all())

    def compact(self) -> Pairs:
        """The same pairs over the rows of X and Y that occur in them."""
        if self.is_complete:
            return self
        used_x, i = np.unique(self.i, return_inverse=True)
        used_y, j = np.unique(self.j, return_inverse=True)
        if len(used_x) == len(self.X) and len(used_y) == len(self.Y):
            return self
        return Pairs(self.X[used_x], self.Y[used_y], i, j)

    def matrix(self, z: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """The values z of the pairs as a matrix (n_x, n_y), ``fill`` where there is no pair."""
        if self._is_row_major_grid:
            return np.array(z, dtype=float).reshape(len(self.X), len(self.Y))
        out = np.full((len(self.X), len(self.Y)), fill)
        out[self.i, self.j] = z
        return out

    def values(self, matrix: np.ndarray) -> np.ndarray:
        """The entries of a matrix (n_x, n_y) at the pairs: the inverse of ``matrix``."""
        matrix, shape = np.asarray(matrix), (len(self.X), len(self.Y))
        if matrix.shape != shape:
            raise ValueError(f"matrix must have shape {shape}, got {matrix.shape}")
        return matrix.reshape(-1) if self._is_row_major_grid else matrix[self.i, self.j]

    def responses(self, z: Any) -> np.ndarray:
        """Check responses, shape (n,), or (n_x, n_y) for a complete grid, and return them as (n,).

        Raises
        ------
        TypeError, ValueError
            For dtypes or shapes that do not fit, NaN or infinity.
        """
        z = z.detach().cpu().numpy() if is_tensor(z) else z
        if isinstance(z, np.ndarray) and z.dtype.kind == "b":
            raise TypeError(
                "z must be an array of real numbers, got dtype bool: for labels pass 2*z - 1"
            )
        z = as_floating(z, "z")
        known = "Pairs.from_mask(X, Y, ~np.isnan(Z))" if z.ndim == 2 else "pairs[~np.isnan(z)]"
        hint = f": pairs without a response are left out, by {known}" * bool(np.isnan(z).any())
        check_finite(z, "z", hint)
        grid = (len(self.X), len(self.Y))
        if self.is_complete and z.shape == grid:
            z = self.values(z)
        if z.shape != (len(self),):
            expected = f"({len(self)},)" + f" or {grid}" * self.is_complete
            raise ValueError(f"z must have shape {expected}, got shape {z.shape}")
        return as_matrix(z[:, None], "z")[:, 0].astype(float)


def _as_indices(values: Any, name: str, size: int, domain: str) -> np.ndarray:
    values = np.asarray(values)
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
