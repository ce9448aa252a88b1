"""Exact leave-out, and fits, on grids that lack few pairs."""

import numpy as np
import pytest
from helpers import every_two
from ridge_helpers import left_out, root

from rkbs import RBF, Cholesky, OperatorProblem, Pairs
from rkbs.data._groups import Groups
from rkbs.problems import Offsets
from rkbs.solvers.operators import _missing
from rkbs.solvers.operators._missing import DigitsLostError, MissingPairs

RNG = np.random.default_rng(0)
X, Y = 2 * RNG.normal(size=(7, 3)), 2 * RNG.normal(size=(6, 2))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.3 * RNG.normal(size=(7, 6)) + 2.0
ROWS, COLUMNS = np.array([0, 0, 1, 2, 2, 2, 3]), np.array([0, 1, 1, 2, 3, 3])
LEAVES = ("pair", "row", "column")
LACKING = {
    "one": [(2, 3)],
    "of one row": [(2, 0), (2, 3), (2, 4)],
    "of one column": [(0, 3), (2, 3), (5, 3)],
    "scattered": [(0, 0), (2, 3), (5, 1), (6, 5), (3, 2)],
}


def lacking(name):
    mask = np.ones(Z.shape, dtype=bool)
    mask[tuple(np.transpose(LACKING[name]))] = False
    return Pairs.from_mask(X, Y, mask), Z[mask]


def problem(name, alpha, constant):
    pairs, z = lacking(name)
    grams = RBF()(X, X), RBF()(Y, Y)
    return OperatorProblem(*grams, pairs, z, alpha, offsets=Offsets(constant))


@pytest.mark.parametrize("alpha", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize(
    ("name", "leave", "grouped"), every_two(tuple(LACKING), LEAVES, (False, True))
)
def test_leave_out_is_that_of_refits(name, leave, grouped, constant, alpha):
    given = problem(name, alpha, constant)
    groups = Groups(ROWS, COLUMNS) if grouped else Groups.single(given.pairs)
    found = MissingPairs(given).leave_out_residuals(alpha, leave, groups)
    label = groups.of_pairs(given.pairs, leave)
    roots = root(RBF(), X), root(RBF(), Y)
    right = left_out(*roots, given.pairs, given.z, label, alpha, constant=constant)
    assert np.abs(found - right).max() < 1e-8 * np.abs(right).max()


@pytest.mark.parametrize("alpha", [1e-6, 0.1, 1e4])
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("name", LACKING)
def test_fits_are_those_of_dense_algebra(name, constant, alpha):
    given = problem(name, alpha, constant)
    found = MissingPairs(given).solve(alpha)
    right = Cholesky().setup(given).solve(alpha).check()
    assert found.certificate.passed
    assert found.certificate.tolerance == 1e-10
    assert found.stats["solver"] == "MissingPairs"
    for ours, theirs in zip(found.value, right.value, strict=True):
        assert np.linalg.norm(ours - theirs) <= 1e-8 * np.linalg.norm(theirs)


def test_a_fit_that_misses_its_tolerance_is_made_by_conjugate_gradients():
    given = problem("scattered", 0.1, True)
    assert MissingPairs(given, tol=1e-20).solve(0.1).stats["solver"] == "ConjugateGradient"


@pytest.mark.parametrize("leave", LEAVES)
def test_digits_that_are_lost_are_said(leave, monkeypatch):
    monkeypatch.setattr(_missing, "_REGULAR", 1.0)
    given = problem("scattered", 0.1, True)
    with pytest.raises(DigitsLostError):
        MissingPairs(given).leave_out_residuals(0.1, leave)
    assert MissingPairs(given).solve(0.1).stats["solver"] == "ConjugateGradient"


def test_few_missing_pairs_without_effects_suit():
    assert MissingPairs.suit(problem("one", 1.0, True))
    pairs, z = lacking("one")
    grams = RBF()(X, X), RBF()(Y, Y)
    effects = Offsets(rows=np.arange(7))
    assert not MissingPairs.suit(OperatorProblem(*grams, pairs, z, 1.0, offsets=effects))
    grid = Pairs.grid(X, Y)
    assert not MissingPairs.suit(OperatorProblem(*grams, grid, Z, 1.0))


def test_both_has_no_closed_form():
    with pytest.raises(ValueError, match="leave must be one of"):
        MissingPairs(problem("one", 1.0, True)).leave_out_residuals(1.0, "both")
