"""Folds of two-domain data: known or new rows × known or new columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from rkbs._arrays import check_count, first_equal, short_repr
from rkbs.data._cuts import Cut, Setting, check_setting, cuts
from rkbs.data._entities import Entities
from rkbs.data._groups import Groups
from rkbs.data._units import labels_of_samples, rows_and_columns
from rkbs.data.pairs import Pairs


class FoldSizes(NamedTuple):
    """How many pairs a fold trains on, tests, and leaves out of both."""

    train: int
    test: int
    neither: int


@final
@dataclass(frozen=True, eq=False, repr=False)
class PairKFold:
    """K folds over pairs, rows, columns, or rows × columns: a splitter for scikit-learn's tools.

    The four settings of two-domain data ask different things of a machine, and have different
    errors. Match ``leave`` to the use:

    - ``"pair"``: both points are known, their pair is not;
    - ``"row"``, ``"column"``: targets, or sources, are new: all their pairs are left out together;
    - ``"both"``: both are new. Rows and columns are each dealt into ``n_splits`` parts, and each of
      the ``n_splits``² blocks is tested in turn, by a fit to the pairs whose row *and* column are
      in other parts. A pair of a new row and a known column, or the reverse, is in neither: of K
      folds of a complete grid 1/K² is tested, ((K − 1)/K)² trained on, 2(K − 1)/K² left out.

    Each repeat tests every pair once, so that ``cross_val_predict`` works with one repeat. The same
    seed gives the same folds, each time.

    Parameters
    ----------
    n_splits : int, default=5
        Parts, of about as many pairs, rows or columns (or groups of them) each; ≥ 2.
    leave : {"pair", "row", "column", "both"}, default="pair"
    n_repeats : int, default=1
        Repeats, each with parts of its own.
    random_state : int, default=0
    groups_x, groups_y : arrays of shape (n_x,), (n_y,), optional
        A label, of any kind, for each row of the Pairs' X and Y, such as those of
        ``similarity_clusters``. Rows of one label are left out together; with a pair, all pairs of
        its two groups. By default a row goes with those of its id, or, without ids, with those that
        are the same point. Subsets of Pairs keep their X and Y, so that they serve nested
        cross-validation too.
    n_features_x : int, optional
        For tables with rows [x | y], as in the machines: how many columns describe x.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit; in ``split``, for more folds than there are units,
        and with ``"both"`` for blocks without a pair.

    Warns
    -----
    UserWarning
        Where equal points have different ids, and are not grouped: what is left out is then still
        there under another id.

    Notes
    -----
    The settings are those of Pahikkala et al., Brief. Bioinform. 16, 325 (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from rkbs import RBF, BinaryKernelRidge, PairKFold, Pairs
    >>> x, y = np.linspace(0, 1, 8)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> pairs, z = Pairs.grid(x, y), np.sin(x + 2 * y.T).ravel()
    >>> machine = BinaryKernelRidge(RBF(), RBF(), alpha=0.01)
    >>> for leave in ("pair", "row", "column", "both"):
    ...     cv = PairKFold(3, leave=leave)
    ...     print(leave, cv.sizes(pairs)[0], cross_val_score(machine, pairs, z, cv=cv).size)
    pair FoldSizes(train=32, test=16, neither=0) 3
    row FoldSizes(train=30, test=18, neither=0) 3
    column FoldSizes(train=32, test=16, neither=0) 3
    both FoldSizes(train=20, test=6, neither=22) 9
    """

    n_splits: int = 5
    leave: Setting = "pair"
    n_repeats: int = 1
    random_state: int = 0
    groups_x: Any = None
    groups_y: Any = None
    n_features_x: int | None = None

    __repr__ = short_repr

    def __post_init__(self) -> None:
        for name, least in (("n_splits", 2), ("n_repeats", 1), ("random_state", 0)):
            object.__setattr__(self, name, check_count(getattr(self, name), name, least))
        check_setting(self.leave)
        if self.n_features_x is not None:
            check_count(self.n_features_x, "n_features_x")

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """The number of folds, whatever the data: of ``"both"`` ``n_splits``² in a repeat."""
        return self.n_repeats * self.n_splits ** (2 if self.leave == "both" else 1)

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The numbers of the pairs to train on, and of those to test, fold by fold.

        Parameters
        ----------
        X : Pairs, or array of shape (n, d_x + d_y)
        y
            Not used.
        groups : array of shape (n,) or (n, 2), optional
            In place of ``groups_x`` and ``groups_y``, the only way for a table: a label for what is
            left out of each pair, its row, its column or itself; or two, of its row and column,
            which ``"both"`` needs.
        """
        for cut in self._cuts(X, groups):
            yield np.flatnonzero(cut.train), np.flatnonzero(cut.test)

    def get_metadata_routing(self) -> Any:
        """What scikit-learn's metadata routing may pass on: ``groups``, to ``split``."""
        from sklearn.utils.metadata_routing import MetadataRequest  # late: rkbs is light to import

        request = MetadataRequest(owner=type(self).__name__)
        request.split.add_request(param="groups", alias=True)
        return request

    def sizes(self, X: Any, groups: Any = None) -> list[FoldSizes]:
        """How many pairs each fold trains on, tests, and leaves out of both."""
        found = []
        for cut in self._cuts(X, groups):
            train, test = int(cut.train.sum()), int(cut.test.sum())
            found.append(FoldSizes(train, test, len(cut.test) - train - test))
        return found

    def _cuts(self, X: Any, groups: Any) -> Iterator[Cut]:
        rows, columns = self._labels(X, groups)
        rng = np.random.default_rng(self.random_state)
        for _ in range(self.n_repeats):
            yield from cuts(rows, columns, self.leave, self.n_splits, rng)

    def _labels(self, X: Any, groups: Any) -> tuple[np.ndarray, np.ndarray]:
        """A number for the row and one for the column of each pair: equal ones go together."""
        own = [name for name in ("groups_x", "groups_y") if getattr(self, name) is not None]
        if groups is None and isinstance(X, Pairs):
            return self._labels_of_pairs(X)
        if own and groups is not None:
            raise ValueError(f"groups must be None where {own[0]} is given: pass one of them")
        if own:
            raise TypeError(
                f"{own[0]} holds a label for each row of Pairs, and a table's rows are pairs: pass "
                "Pairs, or groups, labels of each pair, to split"
            )
        rows, columns = rows_and_columns(X, self.n_features_x)
        if groups is None:
            return rows, columns
        return labels_of_samples(groups, rows, columns, self.leave)

    def _labels_of_pairs(self, X: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """By the groups of rows, else by who they are."""
        pairs = X.compact()
        given = Groups.in_use(X, pairs, self.groups_x, self.groups_y)
        x = given.x if self.groups_x is not None else Entities(pairs.X, pairs.ids_x, "X").first()
        y = given.y if self.groups_y is not None else Entities(pairs.Y, pairs.ids_y, "Y").first()
        if self.leave != "column":
            _warn_parted(pairs.X, x, np.unique(X.i), "X")
        if self.leave != "row":
            _warn_parted(pairs.Y, y, np.unique(X.j), "Y")
        return x[pairs.i], y[pairs.j]


def _warn_parted(points: np.ndarray, labels: np.ndarray, rows: np.ndarray, domain: str) -> None:
    """Warn where equal points have different labels, by their ids or groups.

    Not where all points are equal: then they differ by their ids alone, which the kernel must see.
    """
    first = first_equal(points)
    parted = np.flatnonzero(labels != labels[first])
    if first.any() and len(parted):
        row, same = rows[parted[0]], rows[first[parted[0]]]
        warnings.warn(
            f"{len(parted)} rows in use of {domain} equal an earlier one (the first: {row} and "
            f"{same}), from which its id or group parts it, so that what is left out may still be "
            f"there. To leave equal points out together, pass groups_{domain.lower()}="
            f"np.unique({domain}, axis=0, return_inverse=True)[1].reshape(-1) to the splitter",
            stacklevel=5,
        )
