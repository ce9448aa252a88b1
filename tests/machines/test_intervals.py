"""Prediction intervals: exact errors of what is left out, their quantile, and its coverage."""

import math
import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Huber,
    Identity,
    Intervals,
    LowRank,
    PairKFold,
    Pairs,
    Precomputed,
    load,
    save,
)
from rkbs.machines import LeaveOutErrors

SETTINGS = ("pair", "row", "column", "both")


def world(seed, n_x, n_y):
    """Responses with effects of rows and columns that no feature tells, and noise."""
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n_x, 2)), rng.normal(size=(n_y, 2))
    rows, columns = rng.normal(size=(n_x, 1)), rng.normal(size=n_y)
    Z = np.sin(X[:, :1] + Y[:, 0]) + 0.7 * rows + 0.4 * columns
    return X, Y, Z + 0.3 * rng.normal(size=Z.shape)


def ridge(**more):
    kernel = RBF(0.5) + Identity()
    return BinaryKernelRidge(kernel, kernel, **{"alpha": 0.1, **more})


X, Y, Z = world(0, 7, 6)
GRID = Pairs.grid(X, Y)
SEEN = np.random.default_rng(1).uniform(size=Z.shape) < 0.8
SOME = Pairs.from_mask(X, Y, SEEN), Z[SEEN]


def left_out(machine, pairs, z, unit):
    """z − ẑ by a fit to all other units, one by one."""
    errors = np.empty(len(z))
    for each in np.unique(unit):
        there = unit == each
        fit = clone(machine).fit(pairs[~there], z[~there])
        errors[there] = z[there] - fit.predict(pairs[there])
    return errors


MACHINES = {
    "ridge": ridge(),
    "effects": ridge(effects=("row", "column"), effects_alpha=0.5),
    "no constant": ridge(fit_intercept=False),
    "low rank": BinaryKernelRidge(LowRank(RBF(), X, 4), RBF(), alpha=0.1),
}


@pytest.mark.parametrize("some", [False, True], ids=["grid", "some"])
@pytest.mark.parametrize("name", MACHINES)
def test_errors_are_those_of_fits_without_the_pair_row_or_column(name, some):
    pairs, z = SOME if some else (GRID, Z.ravel())
    machine = clone(MACHINES[name]).fit(pairs, z)
    found = Intervals.of(machine, pairs, z).settings
    assert [(each.leave, each.by) for each in found] == [(each, "exact") for each in SETTINGS[:3]]
    units = np.arange(len(z)), pairs.i, pairs.j
    for each, unit in zip(found, units, strict=True):
        expected = left_out(MACHINES[name], pairs, z, unit)
        assert np.abs(each.errors - expected).max() < 1e-7 * np.abs(expected).max()
        assert each.count == len(np.unique(unit))


def test_a_grid_that_lacks_few_pairs_is_exact_too():
    X, Y, Z = world(1, 20, 18)
    seen = np.ones(Z.shape, dtype=bool)
    seen[3, 4] = seen[7, 1] = False
    pairs, z = Pairs.from_mask(X, Y, seen), Z[seen]
    (found,) = Intervals.of(ridge().fit(pairs, z), pairs, z, settings=["row"]).settings
    assert (found.by, found.count) == ("exact", 20)
    for row in (0, 3, 7):
        there = pairs.i == row
        fit = ridge().fit(pairs[~there], z[~there])
        expected = z[there] - fit.predict(pairs[there])
        assert np.abs(found.errors[there] - expected).max() < 1e-7


@pytest.mark.filterwarnings("ignore:the chosen alpha")
def test_the_errors_of_a_chosen_alpha_are_at_that_alpha():
    pairs, z = SOME
    machine = BinaryKernelRidgeCV(RBF(), RBF(), alphas=(0.01, 0.1, 1.0), cv=3).fit(pairs, z)
    (found,) = Intervals.of(machine, pairs, z, settings=["column"]).settings
    plain = BinaryKernelRidge(RBF(), RBF(), alpha=machine.alpha_)
    assert found.by == "exact"
    assert np.abs(found.errors - left_out(plain, pairs, z, pairs.j)).max() < 1e-7


def test_what_belongs_together_is_left_out_together():
    """Rows of one id, equal points without ids, and what groups say."""
    twice = X[[0, 1, 2, 3, 4, 5, 5]]
    pairs, z = Pairs.grid(twice, Y), Z.ravel()
    label = np.minimum(pairs.i, 5)
    machine = BinaryKernelRidge(RBF(), RBF(), alpha=0.1).fit(pairs, z)
    (found,) = Intervals.of(machine, pairs, z, settings=["row"]).settings
    assert found.count == 6
    assert np.abs(found.errors - left_out(machine, pairs, z, label)).max() < 1e-7
    groups = [0, 0, 1, 1, 2, 2, 2]
    (found,) = Intervals.of(machine, pairs, z, settings=["row"], groups_x=groups).settings
    label = np.array(groups)[pairs.i]
    assert found.count == 3
    assert np.abs(found.errors - left_out(machine, pairs, z, label)).max() < 1e-7


@pytest.mark.parametrize("leave", SETTINGS)
@pytest.mark.parametrize(
    ("machine", "plain"),
    [
        (BinaryKernelMachine(alpha=0.3, loss=Huber(0.5)), None),
        (
            BinaryKernelMachineCV(alphas=(0.1, 0.3, 1.0), cv=2),
            lambda machine: BinaryKernelMachine(alpha=machine.alpha_),
        ),
        (ridge(), None),
    ],
    ids=["nuclear norm", "nuclear norm cv", "ridge"],
)
@pytest.mark.filterwarnings("ignore:the chosen alpha")
def test_other_machines_are_fitted_anew_in_folds(machine, plain, leave):
    machine = clone(machine).fit(GRID, Z)
    plain = clone(machine) if plain is None else plain(machine)
    more = {"cv": 3, "random_state": 4}
    (found,) = Intervals.of(machine, GRID, Z, settings=[leave], **more).settings
    expected = np.empty(Z.size)
    for train, test in PairKFold(3, leave=leave, random_state=4).split(GRID):
        fit = clone(plain).fit(GRID[train], Z.ravel()[train])
        expected[test] = Z.ravel()[test] - fit.predict(GRID[test])
    assert found.by == "folds"
    assert np.abs(found.errors - expected).max() < 1e-12


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.75, 0.8, 0.9, 0.95])
def test_the_radius_is_the_weighted_quantile(coverage):
    """Against a search through all errors in exact arithmetic."""
    rng = np.random.default_rng(0)
    for sizes in ([1] * 9, [1] * 19, [3, 1, 5, 2], [2] * 30):
        units = np.repeat(np.arange(len(sizes)), sizes)
        errors = rng.normal(size=len(units)).round(1)  # some of them equal
        order = rng.permutation(len(units))
        found = LeaveOutErrors("row", "exact", errors[order], units[order]).radius(coverage)
        level, best = Fraction(str(coverage)), math.inf
        for q in sorted(set(abs(errors))):
            inside = [
                Fraction(int((abs(errors[units == k]) <= q).sum()), size)
                for k, size in enumerate(sizes)
            ]
            if sum(inside) / (len(sizes) + 1) >= level:
                best = q
                break
        assert found == best
        if set(sizes) == {1}:
            rank = math.ceil(level * (len(sizes) + 1))
            assert best == (sorted(abs(errors))[rank - 1] if rank <= len(sizes) else math.inf)


def inside(intervals, pairs, z, **more):
    low, high = intervals.predict(pairs, **more)
    return np.mean((low <= z) & (z <= high))


def test_coverage_is_as_asked_in_every_setting_and_by_other_errors_it_is_not():
    """90 ± 3 % over 40 worlds: of new rows, columns and both; and by errors of left-out pairs."""
    n_x, n_y, new, found, wrong = 60, 50, 10, [], []
    for seed in range(40):
        X, Y, Z = world(seed, n_x + new, n_y + new)
        pairs, z = Pairs.grid(X[:n_x], Y[:n_y]), Z[:n_x, :n_y]
        intervals = Intervals.of(ridge().fit(pairs, z), pairs, z, settings=SETTINGS)
        parts = {
            "row": (slice(n_x, None), slice(n_y)),
            "column": (slice(n_x), slice(n_y, None)),
            "both": (slice(n_x, None), slice(n_y, None)),
        }
        asked = [(Pairs.grid(X[x], Y[y]), Z[x, y].ravel()) for x, y in parts.values()]
        for name, (where, _) in zip(parts, asked, strict=True):
            assert (intervals.settings_of(where) == name).all()
        found.append([inside(intervals, *each) for each in asked])
        wrong.append([inside(intervals, *each, setting="pair") for each in asked])
    assert np.abs(np.mean(found, 0) - 0.9).max() < 0.03
    assert np.mean(wrong, 0).max() < 0.8


def test_coverage_of_known_pairs_is_as_asked():
    found = []
    for seed in range(20):
        X, Y, Z = world(seed, 30, 24)
        pairs, z = Pairs.grid(X, Y), Z.ravel()
        seen = np.random.default_rng(seed).permutation(len(z)) >= 60
        intervals = Intervals.of(ridge().fit(pairs[seen], z[seen]), pairs[seen], z[seen])
        assert (intervals.settings_of(pairs[~seen]) == "pair").all()
        found.append(inside(intervals, pairs[~seen], z[~seen]))
    assert abs(np.mean(found) - 0.9) < 0.03


def test_each_pair_has_the_interval_of_what_is_new_in_it():
    pairs, z = Pairs.grid(X[:6], Y[:5]), Z[:6, :5]
    intervals = Intervals.of(ridge().fit(pairs, z), pairs, z, settings=SETTINGS)
    names = intervals.settings_of(GRID).reshape(7, 6)
    assert (names[:6, :5] == "pair").all()
    assert (names[6, :5] == "row").all()
    assert (names[:6, 5] == "column").all()
    assert names[6, 5] == "both"
    low, high = intervals.predict(GRID, coverage=0.8)
    radius = {each.leave: each.radius(0.8) for each in intervals.settings}
    expected = np.array([radius[name] for name in names.ravel()])
    assert np.allclose((high - low) / 2, expected, rtol=1e-12)
    assert np.allclose((high + low) / 2, intervals.machine.predict(GRID), atol=1e-12)
    assert len(set(radius.values())) == 4


def test_who_is_new_is_seen_from_ids_and_from_rows_of_similarities():
    ids = list("abcdefg")
    fit = Pairs.grid(X[:6], Y, ids_x=ids[:6])
    intervals = Intervals.of(ridge().fit(fit, Z[:6]), fit, Z[:6])
    asked = Pairs(X[[5, 5]], Y[:1], [0, 1], [0, 0], ids_x=["f", "new"])
    assert intervals.settings_of(asked).tolist() == ["pair", "row"]
    S = X @ X.T + 3 * np.eye(7)
    fit = Pairs.grid(Precomputed.points(6), Y)
    machine = BinaryKernelRidge(Precomputed(S[:6, :6]), RBF()).fit(fit, Z[:6])
    intervals = Intervals.of(machine, fit, Z[:6])
    assert set(intervals.settings_of(Pairs.grid(S[6:, :6], Y))) == {"row"}
    assert set(intervals.settings_of(fit)) == {"pair"}


def test_too_few_errors_make_infinite_intervals_with_the_reason():
    intervals = Intervals.of(ridge().fit(GRID, Z), GRID, Z)
    message = r"coverage=0.9 takes errors of 9 rows .*there are 7, enough for a coverage of 0.875"
    with pytest.warns(UserWarning, match=message):
        low, high = intervals.predict(GRID[:3], setting="row")
    assert (low == -np.inf).all()
    assert (high == np.inf).all()
    with warnings.catch_warnings(action="error"):
        low, high = intervals.predict(GRID[:3], 0.875, setting="row")
        assert np.isfinite(high - low).all()


def test_intervals_are_saved_with_their_machine(tmp_path):
    intervals = Intervals.of(ridge().fit(*SOME), *SOME, settings=SETTINGS)
    save(intervals, tmp_path / "a")
    again = load(tmp_path / "a")
    asked = Pairs.grid(X + np.arange(7)[:, None] % 2, Y)
    for ours, theirs in zip(intervals.predict(asked, 0.8), again.predict(asked, 0.8), strict=True):
        assert np.array_equal(ours, theirs)
    assert repr(again) == repr(intervals)
    with pytest.raises(NotFittedError):
        save(Intervals(ridge(), intervals.settings), tmp_path / "b")


FITTED = ridge().fit(GRID, Z)
ROWS = Intervals.of(FITTED, GRID, Z, settings=["row"])
BAD = {
    "no machine": (lambda: Intervals.of(RBF(), GRID, Z), TypeError, "machine must be .* got RBF"),
    "not fitted": (lambda: Intervals.of(ridge(), GRID, Z), NotFittedError, "not fitted"),
    "a table": (lambda: Intervals.of(FITTED, X, Z), TypeError, "X must be Pairs, got ndarray"),
    "other pairs": (
        lambda: Intervals.of(FITTED, Pairs.grid(X + 1, Y), Z),
        ValueError,
        r"those of the fit \(7, 2\), and other values",
    ),
    "fewer rows": (
        lambda: Intervals.of(FITTED, Pairs.grid(X[:5], Y), Z[:5]),
        ValueError,
        r"rows of X in use have shape \(5, 2\), those of the fit \(7, 2\)$",
    ),
    "other responses": (
        lambda: Intervals.of(FITTED, GRID, Z[::-1]),
        ValueError,
        "y must be the responses that machine was fitted to, in the order of the pairs: they",
    ),
    "responses": (lambda: Intervals.of(FITTED, GRID, Z[:3]), ValueError, "z must have shape"),
    "no setting": (lambda: Intervals.of(FITTED, GRID, Z, settings=["x"]), ValueError, "leave must"),
    "no settings": (
        lambda: Intervals.of(FITTED, GRID, Z, settings=()),
        ValueError,
        "settings must",
    ),
    "folds": (lambda: Intervals.of(FITTED, GRID, Z, cv=1), ValueError, "cv, if it is not None,"),
    "coverage 1": (lambda: ROWS.predict(GRID, 1), ValueError, "coverage must be below 1, got 1"),
    "coverage 90": (lambda: ROWS.predict(GRID, 90), ValueError, "below 1, got 90.*0.9 for 90 %"),
    "coverage 0": (lambda: ROWS.predict(GRID, 0), ValueError, "coverage must be"),
    "points": (lambda: ROWS.predict(X), TypeError, "X must be Pairs, got ndarray: Pairs.grid"),
    "other setting": (
        lambda: ROWS.predict(GRID, 0.5),
        ValueError,
        r"42 pairs of the setting 'pair'.*pass settings=\('row', 'pair'\) to Intervals.of",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
