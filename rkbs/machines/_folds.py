"""Folds of pairs, rows, columns or both: what is left out, and fits to the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from rkbs._linalg import Eigen
from rkbs.data._cuts import Cut, Setting, cuts
from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.machines._at_pairs import values_at_pairs
from rkbs.problems.gram import GramProblem, OperatorPoint
from rkbs.problems.offsets import Offsets
from rkbs.terms.weighted import part_of, weights_of

_FOLDS = 5
_Problem = TypeVar("_Problem", bound=GramProblem)


@dataclass(frozen=True, eq=False)
class Fold(Generic[_Problem]):
    """The problem of the pairs that a fold keeps, and the pairs that it leaves out.

    A Gram matrix of which it leaves out rows is cut and decomposed anew: so its grid is as complete
    as it can be, and smaller. Else, whatever the pairs, the whole one serves, which is decomposed
    once: rows without pairs change nothing.

    Attributes
    ----------
    training : GramProblem
    test : Pairs
    tested : int array of shape (n_test,)
        Their numbers among all pairs.
    z : array of shape (n_test,)
    weights : array of shape (n_test,), or None
        Those of the pairs to test, all 1 where there are none.
    left, right : arrays of shape (n_x, r_x), (n_y, r_y)
        Of all points the coordinates that ``training`` sees, also of those it has never seen.
    offsets : Offsets
        Of all points.
    """

    training: _Problem
    test: Pairs
    tested: np.ndarray
    z: np.ndarray
    weights: np.ndarray | None
    left: np.ndarray
    right: np.ndarray
    offsets: Offsets

    @classmethod
    def of(cls, problem: _Problem, cut: Cut, leave: Setting) -> Fold[_Problem]:
        """The fold of a cut by what ``leave`` says."""
        pairs = problem.pairs
        rows = _kept(pairs.i[cut.train], len(pairs.X), leave in ("row", "both"))
        columns = _kept(pairs.j[cut.train], len(pairs.Y), leave in ("column", "both"))
        training = _part(problem, cut.train, rows, columns)
        factors = training.factors
        left = factors.left if rows is None else problem.grams[0][:, rows] @ factors.dual_left
        right = (
            factors.right if columns is None else problem.grams[1][:, columns] @ factors.dual_right
        )
        tested = np.flatnonzero(cut.test)
        test, z, weights = pairs[tested], problem.z[tested], weights_of(problem.loss)
        weights = None if weights is None else weights[tested]
        return cls(training, test, tested, z, weights, left, right, problem.offsets)

    def mean(self, values: np.ndarray) -> float:
        """The mean of values of the pairs to test, by their weights."""
        if self.weights is None:
            return float(np.mean(values))
        return float(np.average(values, weights=self.weights))

    @property
    def total(self) -> float:
        """The sum of these weights."""
        return float(len(self.z)) if self.weights is None else float(self.weights.sum())

    @cached_property
    def reach(self) -> float:
        """The mean square at ``test`` of ‖φ_n‖, φ_n = L_i ⊗ R_j, h = ⟨φ_n, M⟩ + ….

        With a constant of φ_n less its mean at the training pairs: by so much b takes back. All
        means are weighted.
        """
        left, right = (np.einsum("ik,ik->i", part, part) for part in (self.left, self.right))
        mean = self.mean(left[self.test.i] * right[self.test.j])
        if not self.offsets.constant:
            return mean
        center = self.training.pull(_shares(weights_of(self.training.loss), self.training.z))
        share = self.test.matrix(_shares(self.weights, self.z))
        along = float(np.vdot(self.left.T @ share @ self.right, center))
        return max(mean - 2 * along + float(np.vdot(center, center)), 0.0)

    def predict(self, point: OperatorPoint) -> np.ndarray:
        """h at ``test``: what the fit has never seen has the effect 0."""
        one, rows, _ = self.training.offsets.sizes
        b = float(point.theta[0]) if one else 0.0
        effects = point.theta[one : one + rows], point.theta[one + rows :]
        row = b + _effects(effects[0], self.offsets.rows, len(self.left))
        column = _effects(effects[1], self.offsets.columns, len(self.right))
        return values_at_pairs(self.test, self.left @ point.M, self.right, row, column)


def _shares(weights: np.ndarray | None, z: np.ndarray) -> np.ndarray:
    """What each of some pairs has of their mean."""
    return np.full_like(z, 1 / len(z)) if weights is None else weights / weights.sum()


def _kept(used: np.ndarray, size: int, cut: bool) -> np.ndarray | None:
    """The rows in use, or None where the Gram matrix stays whole."""
    rows = np.unique(used)
    return rows if cut and len(rows) < size else None


def _effects(theta: np.ndarray, labels: np.ndarray | None, size: int) -> np.ndarray:
    """The effects of all rows, of those with the first labels."""
    if labels is None:
        return np.zeros(size)
    known = np.zeros(int(labels.max()) + 1)
    known[: len(theta)] = theta
    return known[labels]


def _part(
    problem: _Problem, chosen: np.ndarray, rows: np.ndarray | None, columns: np.ndarray | None
) -> _Problem:
    """The problem of the chosen pairs over some rows and columns, over all where None."""
    pairs, (x, y), offsets = problem.pairs[chosen], problem.eigen, problem.offsets
    changes = {"z": problem.z[chosen], "loss": part_of(problem.loss, chosen)}
    if rows is not None:
        pairs = replace(pairs, X=pairs.X[rows], i=np.searchsorted(rows, pairs.i), ids_x=None)
        changes["gram_x"] = problem.grams[0][np.ix_(rows, rows)]
        x = Eigen.of(changes["gram_x"], "gram_x")
        offsets = replace(offsets, rows=None if offsets.rows is None else offsets.rows[rows])
    if columns is not None:
        pairs = replace(pairs, Y=pairs.Y[columns], j=np.searchsorted(columns, pairs.j), ids_y=None)
        changes["gram_y"] = problem.grams[1][np.ix_(columns, columns)]
        y = Eigen.of(changes["gram_y"], "gram_y")
        labels = offsets.columns
        offsets = replace(offsets, columns=None if labels is None else labels[columns])
    return problem._decomposed((x, y), **changes | {"pairs": pairs, "offsets": offsets})


def cuts_of(
    pairs: Pairs, leave: Setting, folds: int, rng: np.random.Generator, groups: Groups
) -> list[Cut]:
    """The cuts of the folds.

    With "both" fold k leaves out the k-th part of the rows and the k-th part of the columns, tests
    on their pairs with each other and trains on the pairs of the others.
    """
    rows, columns = groups.x[pairs.i], groups.y[pairs.j]
    return list(cuts(rows, columns, leave, folds, rng, every_block=False))


def check_units(pairs: Pairs, leave: Setting, groups: Groups) -> None:
    """``ValueError`` where there is but one of what is left out, and so none to train on."""
    for part in _parts_of(leave):
        if np.ptp(groups.of_pairs(pairs, part)) == 0:
            raise ValueError(
                f"leave={leave!r} needs two {part}s, or groups of them, got 1 "
                f"(n_samples={len(pairs)}): without it no pair is left to train on"
            )


def _parts_of(leave: Setting) -> tuple[str, ...]:
    """What is left out: of "both" rows and columns."""
    return ("row", "column") if leave == "both" else (leave,)


def count_of_folds(cv: int | None, pairs: Pairs, leave: Setting, groups: Groups) -> int:
    """The number of folds, by default 5, or that of what there is to leave out."""
    if cv is not None:
        return int(cv)
    units = [len(np.unique(groups.of_pairs(pairs, part))) for part in _parts_of(leave)]
    return max(2, min(_FOLDS, *units))


def check_folds(problem: GramProblem, parts: list[Cut]) -> None:
    """``ValueError`` that names the fold whose training responses have no best constant."""
    if not problem.offsets.constant:
        return
    for k, cut in enumerate(parts):
        try:
            problem.loss.check_constant(problem.z[cut.train])
        except ValueError as error:
            raise ValueError(
                f"fold {k + 1} of cv={len(parts)} has training pairs of which {error}, another "
                "random_state, or a cv of more folds"
            ) from error
