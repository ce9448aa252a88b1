"""Pairs of two domains: the data of a binary problem."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from rkbs._arrays import as_floating, as_matrix, check_finite
from rkbs._frames import column_names, is_tensor, to_numpy
from rkbs.data._entities import as_ids, distinct
from rkbs.data._indices import as_indices, as_key, as_split, rising
from rkbs.data._tables import Origin
from rkbs.data.frames import TablesMixin


@final
@dataclass(frozen=True, eq=False, repr=False)
class Pairs(TablesMixin):
    """The cross-domain pairs (X[i_1], Y[j_1]), …, (X[i_n], Y[j_n]): a complete grid or some of it.

    Behaves as an array of n samples, so scikit-learn's splitters, ``cross_val_score`` and
    ``GridSearchCV`` work on it: a subset of pairs keeps the domains and drops pairs. For folds
    of new targets or new sources, pass ``groups=pairs.i`` or ``pairs.j`` to ``GroupKFold``.

    Parameters
    ----------
    X : array of shape (n_x, d_x)
        Targets. Data may come in frames of pandas or polars, and in tensors, here and elsewhere.
    Y : array of shape (n_y, d_y)
        Sources.
    i, j : int arrays of shape (n,)
        Row numbers in X and in Y; each pair at most once.
    feature_names_x, feature_names_y : tuple of str or None
        The columns' names, by default those of the data frames X and Y if all are strings. A
        machine that was fitted with names expects them again, in the same order.
    ids_x, ids_y : sequences of length n_x, n_y, or None
        Who the rows of X and of Y are, for the kernel ``Identity``: strings, integers, any hashable
        objects, compared as they are. Rows of one id are one entity and must be equal points; rows
        of two ids are two entities, also where their features are equal. None: equal points are
        one entity. Other kernels see the points alone.
    origin : Origin or None
        Kept by ``from_frame``: names and class of the table that ``to_frame`` makes.

    Raises
    ------
    TypeError, ValueError
        For dtypes or shapes that do not fit, NaN, no pairs, indices out of range, repeated pairs,
        missing ids, an id of points that differ.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Pairs
    >>> X, Y = np.array([[0.0], [1.0], [2.0]]), np.array([[5.0], [6.0]])
    >>> pairs = Pairs.from_mask(X, Y, np.array([[True, True], [False, True], [True, False]]))
    >>> pairs, pairs[pairs.i > 0]
    (Pairs(4 of 3 × 2, incomplete), Pairs(2 of 3 × 2, incomplete))
    >>> pairs.matrix([1.0, 2.0, 3.0, 4.0])
    array([[1., 2.],
           [0., 3.],
           [4., 0.]])
    """

    X: np.ndarray
    Y: np.ndarray
    i: np.ndarray
    j: np.ndarray
    feature_names_x: tuple[str, ...] | None = field(default=None, kw_only=True)
    feature_names_y: tuple[str, ...] | None = field(default=None, kw_only=True)
    ids_x: np.ndarray | None = field(default=None, kw_only=True)
    ids_y: np.ndarray | None = field(default=None, kw_only=True)
    origin: Origin | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        names = {
            "feature_names_x": self.feature_names_x or column_names(self.X),
            "feature_names_y": self.feature_names_y or column_names(self.Y),
        }
        X, Y = as_matrix(self.X, "X"), as_matrix(self.Y, "Y")
        for (name, columns), domain in zip(names.items(), (X, Y), strict=True):
            if columns is not None and len(columns) != domain.shape[1]:
                raise ValueError(
                    f"{name} must hold a name for each of {domain.shape[1]} columns, got "
                    f"{len(columns)}"
                )
        i, j = as_indices(self.i, "i", len(X), "X"), as_indices(self.j, "j", len(Y), "Y")
        if i.shape != j.shape:
            raise ValueError(f"i and j must be equally long, got {i.shape[0]} and {j.shape[0]}")
        if not rising(i, j, len(Y)):  # else there is nothing to sort
            _, first, counts = np.unique(i * len(Y) + j, return_index=True, return_counts=True)
            if (counts > 1).any():
                k = first[counts > 1][0]
                raise ValueError(
                    f"i, j must not repeat a pair: (i={i[k]}, j={j[k]}) occurs {counts.max()} "
                    "times. Average repeated responses first."
                )
        ids = {
            "ids_x": as_ids(self.ids_x, "ids_x", X, "X"),
            "ids_y": as_ids(self.ids_y, "ids_y", Y, "Y"),
        }
        for name, value in {"X": X, "Y": Y, "i": i, "j": j, **names, **ids}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def grid(cls, X: Any, Y: Any, *, ids_x: Any = None, ids_y: Any = None) -> Pairs:
        """All n_x · n_y pairs, in row-major order: pair k is (X[k // n_y], Y[k % n_y])."""
        n_x, n_y = len(as_matrix(X, "X")), len(as_matrix(Y, "Y"))
        i, j = np.repeat(np.arange(n_x), n_y), np.tile(np.arange(n_y), n_x)
        return cls(X, Y, i, j, ids_x=ids_x, ids_y=ids_y)

    @classmethod
    def from_mask(cls, X: Any, Y: Any, mask: Any, *, ids_x: Any = None, ids_y: Any = None) -> Pairs:
        """The pairs where the boolean ``mask`` of shape (n_x, n_y) is True, in row-major order."""
        mask = to_numpy(mask, "mask")
        shape = (len(as_matrix(X, "X")), len(as_matrix(Y, "Y")))
        if mask.dtype != bool or mask.shape != shape:
            raise ValueError(
                f"mask must be boolean of shape {shape}, got {mask.dtype} of shape {mask.shape}"
            )
        if not mask.any():
            raise ValueError("mask must be True for at least one pair, got none")
        return cls(X, Y, *np.nonzero(mask), ids_x=ids_x, ids_y=ids_y)

    @classmethod
    def from_table(
        cls, table: Any, n_features_x: int, *, ids_x: Any = None, ids_y: Any = None
    ) -> Pairs:
        """The pairs of a table whose rows are [x | y]: equal points become one row of X or Y.

        Of points with ids, those that are one entity do.

        Parameters
        ----------
        table : array of shape (n, d_x + d_y)
        n_features_x : int
            d_x, the number of leading columns that describe the target.
        ids_x, ids_y : sequences of length n, or None
            Who the target and the source of each row of the table are.
        """
        names, table = column_names(table), as_matrix(table, "table")
        split = as_split(n_features_x, table.shape[1])
        X, i, ids_x = distinct(table[:, :split], ids_x, "ids_x")
        Y, j, ids_y = distinct(table[:, split:], ids_y, "ids_y")
        names_x, names_y = (names[:split], names[split:]) if names else (None, None)
        return cls(
            X,
            Y,
            i,
            j,
            feature_names_x=names_x,
            feature_names_y=names_y,
            ids_x=ids_x,
            ids_y=ids_y,
        )

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
        if not isinstance(key, slice):
            key = as_key(key, len(self))
        i, j = self.i[key], self.j[key]
        if not len(i):
            raise ValueError("pairs[key] must name at least one pair, got none")
        return replace(self, i=i, j=j)

    @property
    def is_complete(self) -> bool:
        """Whether every cross-domain pair is present."""
        return len(self) == len(self.X) * len(self.Y)

    @cached_property
    def _is_row_major_grid(self) -> bool:
        """A complete grid in ``grid``'s order, where values are reshaped instead of indexed."""
        return self.is_complete and rising(self.i, self.j, len(self.Y))

    def compact(self) -> Pairs:
        """The same pairs over the rows of X and Y that occur in them."""
        if self.is_complete:
            return self
        used_x, i = np.unique(self.i, return_inverse=True)
        used_y, j = np.unique(self.j, return_inverse=True)
        if len(used_x) == len(self.X) and len(used_y) == len(self.Y):
            return self
        return replace(
            self,
            X=self.X[used_x],
            Y=self.Y[used_y],
            i=i,
            j=j,
            ids_x=None if self.ids_x is None else self.ids_x[used_x],
            ids_y=None if self.ids_y is None else self.ids_y[used_y],
        )

    def matrix(self, z: ArrayLike, fill: float = 0.0) -> np.ndarray:
        """The values z of the pairs as a matrix (n_x, n_y), ``fill`` where there is no pair."""
        matrix = self._as_matrix(z, fill)
        return matrix.copy() if self._is_row_major_grid else matrix

    def _as_matrix(self, z: ArrayLike, fill: float = 0.0) -> np.ndarray:
        """As ``matrix``, to be read: it may be z itself, in another shape."""
        if self._is_row_major_grid:
            return np.asarray(z, dtype=float).reshape(len(self.X), len(self.Y))
        out = np.full((len(self.X), len(self.Y)), fill)
        out[self.i, self.j] = z
        return out

    def entries(self, matrix: ArrayLike) -> np.ndarray:
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
        given, z = z, to_numpy(z, "z")
        if z.dtype.kind == "b":
            labels = "z" if z is given else "np.asarray(z, dtype=int)"
            raise TypeError(
                "z must be an array of real numbers, got dtype bool: for labels pass "
                f"2*{labels} - 1"
            )
        z = as_floating(z, "z")
        check_finite(z, "z", _leave_out(given, z.ndim) * bool(np.isnan(z).any()))
        grid = (len(self.X), len(self.Y))
        if self.is_complete and z.shape == grid:
            z = self.entries(z)
        if z.shape != (len(self),):
            expected = f"({len(self)},)" + f" or {grid}" * self.is_complete
            raise ValueError(f"z must have shape {expected}, got shape {z.shape}")
        return as_matrix(z[:, None], "z")[:, 0].astype(float)


def _leave_out(z: Any, axes: int) -> str:
    """What to write so that pairs without a response are left out."""
    if isinstance(z, np.ndarray):
        first = ""
    elif is_tensor(z):
        first = "z = z.numpy(force=True), "
    elif hasattr(z, "iloc"):  # pandas, whose nullable tables are objects to numpy
        first = "z = z.to_numpy(dtype=float, na_value=np.nan), "
    else:
        first = "z = np.asarray(z, dtype=float), "
    pairs = "Pairs.from_mask(X, Y, seen)" if axes == 2 else "pairs[seen]"
    return f": leave pairs without a response out by {first}seen = ~np.isnan(z), {pairs}, z[seen]"
