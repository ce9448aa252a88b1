"""Folds of pairs, rows or columns: what is left out, and the scores of fits to the rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rkbs.data._groups import Groups
from rkbs.data.pairs import Pairs
from rkbs.machines._solving import SpectralSolver
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import Leave


@dataclass(frozen=True, eq=False)
class Fold:
    """The problem of the pairs that a fold keeps, and the pairs that it leaves out.

    Attributes
    ----------
    training : SchattenProblem
        Over the rows and columns that occur in it.
    test : Pairs
    z : array of shape (n_test,)
    rows_x, rows_y : arrays of shape (n_x, n_x_training), (n_y, n_y_training)
        Rows of the kernels of all points, also of those that the fold has never seen.
    """

    training: SchattenProblem
    test: Pairs
    z: np.ndarray
    rows_x: np.ndarray
    rows_y: np.ndarray

    @classmethod
    def of(cls, problem: SchattenProblem, out: np.ndarray) -> Fold:
        """The fold that leaves out the pairs where ``out``."""
        training, rows, columns = _part(problem, ~out)
        gram_x, gram_y = problem.grams
        kernels = gram_x[:, rows], gram_y[:, columns]
        return cls(training, problem.pairs[out], problem.z[out], *kernels)

    def scores(self, solver: SpectralSolver, alphas: np.ndarray) -> list[float]:
        """The mean loss at ``test`` along the path, NaN where a fit is not certified."""
        scores = []
        for solution in solver.setup(self.training).path(alphas):
            h = self.test.entries(solution.predict_grid(self.rows_x, self.rows_y))
            loss = float(self.training.loss.value(h, self.z).mean())
            scores.append(loss if solution.certificate.passed else math.nan)
        return scores


def masks_of_folds(
    pairs: Pairs, leave: Leave, folds: int, rng: np.random.Generator, groups: Groups
) -> Iterator[np.ndarray]:
    """For each fold the mask of the pairs that it leaves out."""
    units = groups.of_pairs(pairs, leave)
    names = np.unique(units)
    if len(names) < folds:
        raise ValueError(
            f"cv={folds} folds need as many {leave}s, or groups of them, got {len(names)} "
            f"(n_samples={len(pairs)})"
        )
    for out in np.array_split(rng.permutation(names), folds):
        yield np.isin(units, out)


def check_folds(problem: SchattenProblem, held_out: list[np.ndarray]) -> None:
    """``ValueError`` that names the fold whose training responses have no best constant."""
    if not problem.offsets.constant:
        return
    for k, out in enumerate(held_out):
        try:
            problem.loss.check_constant(problem.z[~out])
        except ValueError as error:
            raise ValueError(
                f"fold {k + 1} of cv={len(held_out)} has training pairs of which {error}, another "
                "random_state, or a cv of more folds"
            ) from error


def fold_scores(folds: list[Fold], solver: SpectralSolver, alphas: np.ndarray) -> np.ndarray:
    """The score of each α and fold; an α that is not certified is not tried in later folds."""
    scores = np.full((len(alphas), len(folds)), np.nan)
    for k, fold in enumerate(folds):
        certified = ~np.isnan(scores[:, :k]).any(1)
        scores[certified, k] = fold.scores(solver, alphas[certified])
    return scores


def _part(
    problem: SchattenProblem, chosen: np.ndarray
) -> tuple[SchattenProblem, np.ndarray, np.ndarray]:
    """The problem of the chosen pairs over the rows and columns that occur in them, and these."""
    pairs = problem.pairs[chosen]
    rows, columns = np.unique(pairs.i), np.unique(pairs.j)
    gram_x, gram_y = problem.grams
    part = SchattenProblem(
        gram_x[np.ix_(rows, rows)],
        gram_y[np.ix_(columns, columns)],
        pairs.compact(),
        problem.z[chosen],
        problem.alpha,
        problem.loss,
        problem.penalty,
        offsets=problem.offsets,
    )
    return part, rows, columns
