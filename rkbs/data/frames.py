"""Pairs from tables of ids and from sparse matrices, and predictions back into tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Self, overload

import numpy as np

from rkbs._arrays import as_matrix, as_real
from rkbs.data import _tables
from rkbs.data._tables import Origin

Aggregate = Literal["mean", "median"]


class TablesMixin:
    """What makes ``Pairs`` of tables, and tables of ``Pairs``."""

    X: np.ndarray
    Y: np.ndarray
    i: np.ndarray
    j: np.ndarray
    ids_x: np.ndarray | None
    ids_y: np.ndarray | None
    origin: Origin | None

    @overload
    @classmethod
    def from_frame(
        cls, df: Any, x: str, y: str, z: None = None, *, X: Any = None, Y: Any = None
    ) -> Self: ...

    @overload
    @classmethod
    def from_frame(
        cls,
        df: Any,
        x: str,
        y: str,
        z: str,
        *,
        X: Any = None,
        Y: Any = None,
        aggregate: Aggregate | None = None,
    ) -> tuple[Self, np.ndarray]: ...

    @classmethod
    def from_frame(
        cls: type[Any],
        df: Any,
        x: str,
        y: str,
        z: str | None = None,
        *,
        X: Any = None,
        Y: Any = None,
        aggregate: Aggregate | None = None,
    ) -> Any:
        """The pairs of a table with a row for each: an id of X, an id of Y, and a response.

        Parameters
        ----------
        df : data frame of pandas or polars
        x, y : str
            Its columns of ids: strings, integers, any hashable objects.
        z : str, optional
            Its column of responses.
        X, Y : data frames, optional
            A row of features for each id, the ids in a column called ``x``, ``y``, or, in pandas,
            as the index. A matrix of similarities is such a table too, a row and a column for each
            id: the kernel ``Precomputed`` takes it. Without X all points are 0: nothing is known of
            them but who they are, which is what ``Identity`` asks. Sparse features keep their ids
            in ``pd.DataFrame.sparse.from_spmatrix(features, index=ids)``.
        aggregate : {"mean", "median"}, optional
            The response of a pair that has several rows.

        Returns
        -------
        Pairs, or (Pairs, array of shape (n,)) where ``z`` is given
            In the order of the rows of ``df``, over all rows of X and of Y in their order, with
            ``ids_x`` and ``ids_y``.

        Raises
        ------
        TypeError, ValueError
            Naming the ids: those that have no row in X or two, features and responses that are
            missing, pairs that occur more than once.

        Examples
        --------
        >>> import pandas as pd
        >>> from rkbs import RBF, BinaryKernelRidge, Pairs
        >>> drugs = pd.DataFrame({"drug": ["a", "b"], "weight": [0.5, 1.5]})
        >>> cells = pd.DataFrame({"dose": [0.0, 1.0]}, index=["u", "v"])
        >>> seen = pd.DataFrame({"drug": list("aab"), "cell": list("uvu"), "z": [1.0, 2.0, 3.0]})
        >>> pairs, z = Pairs.from_frame(seen, x="drug", y="cell", z="z", X=drugs, Y=cells)
        >>> machine = BinaryKernelRidge(RBF(), RBF(), alpha=1e-9).fit(pairs, z)
        >>> pairs[[2, 0]].to_frame(h=machine.predict(pairs[[2, 0]]).round(3))
          drug cell    h
        0    b    u  3.0
        1    a    u  1.0
        """
        _tables.check_frame(df, "df", "with a row for each pair")
        _tables.check_aggregate(aggregate, z is not None)
        labels = _tables.labels_of(df, x, "df", "x="), _tables.labels_of(df, y, "df", "y=")
        domain_x = _tables.domain_of(X, "X", x, labels[0])
        domain_y = _tables.domain_of(Y, "Y", y, labels[1])
        i = _tables.row_numbers(labels[0], domain_x, "X", x)
        j = _tables.row_numbers(labels[1], domain_y, "Y", y)
        responses = None if z is None else _tables.responses_of(df, z, labels)
        cells = i * len(domain_y.ids) + j
        count, rows = _tables.repeated(cells)
        if count and aggregate is None:
            k = rows[0]
            raise ValueError(
                f"df holds {count} pair{'s' * (count > 1)} more than once (the first: "
                f"{labels[0][k]!r} and {labels[1][k]!r}, in {len(rows)} rows): "
                + _once(df, x, y, z is not None)
            )
        chosen, responses = _tables.one_each(cells, responses, aggregate)
        pairs = cls(
            domain_x.points,
            domain_y.points,
            i[chosen],
            j[chosen],
            feature_names_x=domain_x.names,
            feature_names_y=domain_y.names,
            ids_x=domain_x.ids,
            ids_y=domain_y.ids,
            origin=Origin(x, y, type(df)),
        )
        return pairs if responses is None else (pairs, responses)

    @classmethod
    def from_sparse(
        cls: type[Any],
        responses: Any,
        X: Any,
        Y: Any,
        *,
        ids_x: Any = None,
        ids_y: Any = None,
        aggregate: Aggregate | None = None,
    ) -> tuple[Any, Any]:
        """The pairs whose responses a sparse matrix stores, zeros that it stores included.

        Parameters
        ----------
        responses : sparse matrix or array of scipy, of shape (n_x, n_y)
        X, Y : arrays, data frames or sparse matrices of shape (n_x, d_x), (n_y, d_y)
            Features, which are held dense.
        ids_x, ids_y : sequences of length n_x, n_y, or None
            As of ``Pairs``.
        aggregate : {"mean", "median"}, optional
            The response of a pair that a COO matrix stores several times, of which scipy would take
            the sum.

        Returns
        -------
        Pairs, array of shape (n,)

        Raises
        ------
        TypeError, ValueError
            For dtypes and shapes that do not fit, and for pairs that are stored more than once.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.sparse import coo_array
        >>> from rkbs import Pairs
        >>> ratings = coo_array(([5.0, 3.0], ([0, 2], [1, 0])), shape=(3, 2))
        >>> Pairs.from_sparse(ratings, np.eye(3), np.eye(2))
        (Pairs(2 of 3 × 2, incomplete), array([5., 3.]))
        """
        if not hasattr(responses, "tocoo"):
            raise TypeError(
                f"responses must be a sparse matrix of scipy, got {type(responses).__name__}: the "
                "responses of a dense one are Pairs.from_mask(X, Y, seen), Z[seen]"
            )
        _tables.check_aggregate(aggregate, True)
        X, Y = _tables.dense(X, "X"), _tables.dense(Y, "Y")
        shape = (len(as_matrix(X, "X")), len(as_matrix(Y, "Y")))
        if responses.shape != shape:
            raise ValueError(
                f"responses must have shape {shape}, a row for each of X and a column for each of "
                f"Y, got {responses.shape}"
            )
        stored = responses.tocoo()
        i, j = stored.row.astype(np.intp), stored.col.astype(np.intp)
        z = as_real(stored.data, "responses.data")
        cells = i * shape[1] + j
        count, rows = _tables.repeated(cells)
        if count and aggregate is None:
            k = rows[0]
            raise ValueError(
                f"responses stores {count} pair{'s' * (count > 1)} more than once (the first: row "
                f'{i[k]}, column {j[k]}, {len(rows)} times): pass aggregate="mean", or '
                "responses.tocsr() for their sum"
            )
        chosen, found = _tables.one_each(cells, z, aggregate)
        return cls(X, Y, i[chosen], j[chosen], ids_x=ids_x, ids_y=ids_y), found

    def to_frame(
        self, frame: Callable[[dict[str, Any]], Any] | None = None, /, **columns: Any
    ) -> Any:
        """A table with a row for each pair: its two ids, and what is given of it.

        Parameters
        ----------
        frame : callable, optional
            Makes a table of a dict of columns: ``pd.DataFrame``, ``pl.DataFrame``, ``dict``. By
            default the class of the table that the pairs came from.
        **columns : arrays of shape (n,), or (n_x, n_y) for a complete grid
            Values of the pairs, such as ``prediction=machine.predict(pairs)``.

        Returns
        -------
        data frame
            Its first two columns are called as in the table that the pairs came from, or x and y.
            Without ids they hold row numbers of X and of Y.

        Raises
        ------
        TypeError, ValueError
            Where no class of tables is known, for other shapes, and for names that are taken.
        """
        origin = self.origin or Origin("x", "y", type(None))
        make = frame or (origin.frame if self.origin else None)
        if not callable(make):
            raise TypeError(
                "these Pairs did not come from a data frame: say what to make, such as "
                "pairs.to_frame(pd.DataFrame, prediction=machine.predict(pairs))"
            )
        if taken := {origin.x, origin.y} & set(columns):
            raise ValueError(f"{sorted(taken)[0]!r} is a column of ids: call the values otherwise")
        ids = (
            (origin.x, self.ids_x, self.i),
            (origin.y, self.ids_y, self.j),
        )
        table = {
            name: (rows if known is None else known[rows]).tolist() for name, known, rows in ids
        }
        found = {name: _tables.as_column(value, name, self) for name, value in columns.items()}
        return make(table | found)


def _once(df: Any, x: str, y: str, responses: bool) -> str:
    """What to write so that each pair occurs once."""
    if responses:
        return 'pass aggregate="mean", or "median"'
    if hasattr(df, "iloc"):
        return f"pass df.drop_duplicates([{x!r}, {y!r}])"
    return f"pass df.unique([{x!r}, {y!r}], maintain_order=True)"
