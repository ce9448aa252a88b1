"""Prediction intervals from what a machine misses by when it has not seen a pair, row or column."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rkbs._arrays import check_count, check_number
from rkbs.data._cuts import Setting, check_setting
from rkbs.data._entities import Entities
from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.data.splits import PairKFold
from rkbs.machines._left_out import (
    ExactErrors,
    count_of_folds,
    data_of_fit,
    errors_in_folds,
    units_of,
)
from rkbs.machines.pair_machine import PairMachine

_ROUNDING = 1e-12
"""Of sums of weights, far below a weight."""
_NAMES = {"pair": "pairs", "row": "rows", "column": "columns", "both": "rows or columns"}


@final
@dataclass(frozen=True, eq=False, repr=False)
class LeaveOutErrors:
    """What a machine misses by at pairs that it has not seen, in one of the four settings.

    Attributes
    ----------
    leave : {"pair", "row", "column", "both"}
        What was left out: what will be new.
    by : {"exact", "folds"}
    errors : array of shape (n,)
        z − ẑ, ẑ predicted without the pair, its row, its column, or both.
    units : int array of shape (n,)
        Whose errors they are: of one label are those of one pair, row or column, or of several that
        were left out together. With "both" rows, or columns where these are fewer.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.machines import LeaveOutErrors
    >>> found = LeaveOutErrors("row", "exact", np.array([3.0, -1.0, 2.0]), np.array([0, 0, 1]))
    >>> found, found.radius(0.6)  # two rows, of weight 1/3 each
    (LeaveOutErrors(row: 3 errors of 2 rows, exact), 3.0)
    """

    leave: Setting
    by: Literal["exact", "folds"]
    errors: np.ndarray
    units: np.ndarray

    def __repr__(self) -> str:
        return (
            f"LeaveOutErrors({self.leave}: {len(self.errors)} errors of {self.count} "
            f"{_NAMES[self.leave]}, {self.by})"
        )

    @property
    def count(self) -> int:
        """m, how many units there are."""
        return len(np.unique(self.units))

    def radius(self, coverage: float) -> float:
        """The least q such that errors of at most q have the weight ``coverage``; else infinity.

        Each of the m units has the weight 1/(m + 1), in equal parts for its errors; the last
        1/(m + 1) is that of the unit to come, whose errors are not known: infinite. With one error
        a unit q is the ⌈coverage (m + 1)⌉-th smallest of them.
        """
        coverage = check_coverage(coverage)
        _, unit, sizes = np.unique(self.units, return_inverse=True, return_counts=True)
        size = np.abs(self.errors)
        order = np.argsort(size, kind="stable")
        weight = np.cumsum(1 / (len(sizes) + 1) / sizes[unit[order]])
        place = int(np.searchsorted(weight, coverage - _ROUNDING))
        return float(size[order[place]]) if place < len(size) else math.inf


@final
@dataclass(frozen=True, eq=False, repr=False)
class Intervals:
    """ĥ(x, y) ± q: intervals that hold the response of a new pair with a given probability.

    q is a quantile of the errors |z − ẑ| that a machine makes where it has not seen the pair, its
    row, its column, or both, with the same kernels and the same α. Which of these applies is seen
    from each pair that is asked: a new drug with a known target has the errors of left-out rows.

    *What is guaranteed.* This is the jackknife: its coverage is right where predictions hardly
    depend on any one of what is left out, as those of ridge with many rows and columns do. It has
    no bound that holds for all distributions, which jackknife+ has, of 2 coverage − 1. It asks that
    the pair to come is drawn as those of the fit were: a new row as the rows, and of its pairs one
    as of theirs. It is a coverage of all such pairs together, neither for each row nor each x; in
    "both", where errors that share a row or a column depend on each other, it is an approximation
    at best. That α and kernels were chosen with these pairs is not accounted for.

    Rows have one weight each, however many pairs they have, and the row to come has one too, with
    infinite errors: with m rows left out coverages up to m/(m + 1) have finite intervals.

    Made by ``Intervals.of``; ``save`` and ``load`` keep it, its machine included.

    Attributes
    ----------
    machine : machine
        Fitted.
    settings : tuple of LeaveOutErrors

    Sources: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, JASA 113, 1094 (2018); Barber, Candès,
    Ramdas & Tibshirani, Ann. Statist. 49, 486 (2021); for units of several errors Dunn, Wasserman &
    Ramdas, JASA 118, 2491 (2023).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelRidge, Intervals, Pairs
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.uniform(size=(40, 1)), rng.uniform(size=(20, 1))
    >>> z = np.sin(3 * x + 2 * y.T) + 0.1 * rng.normal(size=(40, 20))
    >>> machine = BinaryKernelRidge(RBF(), RBF(), alpha=0.1).fit(Pairs.grid(x, y), z)
    >>> intervals = Intervals.of(machine, Pairs.grid(x, y), z)
    >>> low, high = intervals.predict(Pairs.grid([[0.5]], y[:2]), coverage=0.9)  # a new row
    >>> low.round(1), high.round(1)
    (array([0.3, 0.7]), array([0.6, 1. ]))
    """

    machine: PairMachine
    settings: tuple[LeaveOutErrors, ...]

    def __repr__(self) -> str:
        return f"Intervals({self.machine!r}, {', '.join(map(repr, self.settings))})"

    @classmethod
    def of(
        cls,
        machine: PairMachine,
        X: Pairs,
        y: Any,
        *,
        settings: Iterable[Setting] = ("pair", "row", "column"),
        groups_x: Any = None,
        groups_y: Any = None,
        cv: int | None = None,
        random_state: int = 0,
    ) -> Intervals:
        """The intervals of a fitted machine, from the pairs and responses that it was fitted to.

        Parameters
        ----------
        machine : machine
            Ridge, with or without CV, by exact leave-one-out at its α where that is cheap: see
            ``BinaryKernelRidgeCV``. Else, and for other machines, fitted anew in folds.
        X : Pairs
        y : array of shape (n,), or (n_x, n_y) for a complete grid
        settings : iterable of {"pair", "row", "column", "both"}
            What may be new where intervals are asked for; of "both" with effects, or some pairs,
            folds take 3 × 3 fits.
        groups_x, groups_y : arrays of shape (n_x,), (n_y,), optional
            Labels of what is left out together, as of ``PairKFold``; by default rows of one id, or,
            without ids, equal points.
        cv : int, optional
            The number of folds, as of ``PairKFold``; None: exact where that is cheap, else 5, or 3
            for "both".
        random_state : int, default=0
            The seed of the folds.

        Raises
        ------
        TypeError, ValueError
            For other pairs or responses than those of the fit, and settings that do not exist.
        """
        if not isinstance(machine, PairMachine):
            raise TypeError(f"machine must be a machine of rkbs, got {type(machine).__name__}")
        check_is_fitted(machine)
        pairs, z = data_of_fit(machine, X, y)
        chosen = [check_setting(each) for each in settings]
        if not chosen:
            raise ValueError("settings must name what may be new, such as ('row',), got none")
        if cv is not None:
            check_count(cv, "cv, if it is not None,", 2)
        given = Groups.in_use(X, pairs, groups_x, groups_y)
        groups = Groups(
            given.x if groups_x is not None else Entities(pairs.X, pairs.ids_x, "X").first(),
            given.y if groups_y is not None else Entities(pairs.Y, pairs.ids_y, "Y").first(),
        )
        exact = ExactErrors.of(machine, X, z, groups) if cv is None else None
        found = []
        for leave in chosen:
            errors = None if exact is None else exact.errors(leave)
            by: Literal["exact", "folds"] = "folds" if errors is None else "exact"
            if errors is None:
                more = {"groups_x": groups_x, "groups_y": groups_y, "random_state": random_state}
                folds = PairKFold(count_of_folds(cv, leave, groups, pairs), leave=leave, **more)
                errors = errors_in_folds(machine, X, z, folds)
            found.append(LeaveOutErrors(leave, by, errors, units_of(groups, pairs, leave)))
        return cls(machine, tuple(found))

    def predict(
        self, X: Pairs, coverage: float = 0.9, *, setting: Setting | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper ends for each pair.

        Parameters
        ----------
        X : Pairs
            With ids where the fit had ids: who is new is seen from them, else from the points.
        coverage : float, default=0.9
            In (0, 1).
        setting : {"pair", "row", "column", "both"}, optional
            What is new in all of the pairs. By default each has the setting that it is in.

        Returns
        -------
        low, high : arrays of shape (n,)

        Raises
        ------
        ValueError
            For pairs in a setting whose errors ``Intervals.of`` was not asked for.

        Warns
        -----
        UserWarning
            Where there are too few errors for this coverage: then intervals are infinite.
        """
        coverage = check_coverage(coverage)
        if not isinstance(X, Pairs):
            raise TypeError(f"X must be Pairs, got {type(X).__name__}: Pairs.grid(X, Y)")
        radius = np.empty(len(X))
        if setting is not None:
            radius[:] = self._radius(check_setting(setting), coverage, len(X))
        else:
            of_pairs = self.settings_of(X)
            for leave in np.unique(of_pairs).tolist():
                there = of_pairs == leave
                radius[there] = self._radius(leave, coverage, int(there.sum()))
        centers = self.machine.predict(X)
        return centers - radius, centers + radius

    def settings_of(self, X: Pairs) -> np.ndarray:
        """What is new in each pair, (n,): "pair" where both of its points are known."""
        check_is_fitted(self.machine)
        new_x = self._new(X.X, X.ids_x, "X")[X.i]
        new_y = self._new(X.Y, X.ids_y, "Y")[X.j]
        names = np.array(["pair", "row", "column", "both"])
        return names[new_x + 2 * new_y]

    def _new(self, points: np.ndarray, ids: Any, domain: str) -> np.ndarray:
        """Which points the fit did not have: by ids where both have them, else by the points."""
        known = self.machine._known(domain)
        if ids is None or known.ids is None:
            ids, known = None, Entities(known.points, None, domain)
        points = points.astype(float)
        return ~np.asarray(Entities(points, ids, domain).same(known).any(axis=1))

    def _radius(self, leave: Setting, coverage: float, count: int) -> float:
        for found in self.settings:
            if found.leave == leave:
                radius = found.radius(coverage)
                if math.isinf(radius):
                    _warn_infinite(found, coverage)
                return radius
        there = tuple(found.leave for found in self.settings)
        raise ValueError(
            f"X holds {count} pair{'s' * (count > 1)} of the setting {leave!r}, but errors are "
            f"known of {there} alone: pass settings={(*there, leave)} to Intervals.of"
        )


def check_coverage(coverage: Any) -> float:
    """A number in (0, 1)."""
    coverage = check_number(coverage, "coverage", above=0.0)
    if coverage >= 1:
        raise ValueError(f"coverage must be below 1, got {coverage!r}: 0.9 for 90 %")
    return coverage


def _warn_infinite(found: LeaveOutErrors, coverage: float) -> None:
    least, count = math.ceil(coverage / (1 - coverage) - _ROUNDING), found.count
    warnings.warn(
        f"intervals are infinite: coverage={coverage:g} takes errors of {least} "
        f"{_NAMES[found.leave]} that were left out, there are {count}, enough for a coverage of "
        f"{count / (count + 1):.3g}",
        UserWarning,
        stacklevel=4,
    )
