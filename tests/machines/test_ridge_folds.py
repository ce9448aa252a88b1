"""α of ridge on grids that are not complete: exact with missing pairs, else in folds."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from helpers import every_two
from ridge_helpers import left_out, predictions, root
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from rkbs import RBF, BinaryKernelRidgeCV, ConvergenceError, Pairs
from rkbs.data._groups import Groups
from rkbs.kernels import Linear
from rkbs.machines import _solving, _ways, ridge_cv
from rkbs.machines._folds import cuts_of
from rkbs.solvers import State
from rkbs.solvers.operators import _missing

LEAVES = ("pair", "row", "column", "both")
ALPHAS = (10.0, 0.05, 1.0)
RNG = np.random.default_rng(0)
X, Y = 2 * RNG.normal(size=(11, 3)), 2 * RNG.normal(size=(9, 2))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.3 * RNG.normal(size=(11, 9)) + 2.0
SOME = np.random.default_rng(1).random(Z.shape) < 0.7
HALF, SEEN = Pairs.from_mask(X, Y, SOME), Z[SOME]
ROOTS = root(RBF(), X), root(RBF(), Y)
EFFECTS = {
    (): {},
    ("row",): {"rows": np.arange(11)},
    ("row", "column"): {"rows": np.arange(11), "columns": np.arange(9)},
}
quiet = pytest.mark.filterwarnings("ignore:the chosen alpha:UserWarning")


def machine(**params):
    return BinaryKernelRidgeCV(RBF(), RBF(), **{"alphas": ALPHAS, **params})


def parts_by_hand(leave, folds, seed=0):
    """Training and test pairs of each fold, from the definition."""
    rng = np.random.default_rng(seed)

    def out(units):
        return [np.isin(units, o) for o in np.array_split(rng.permutation(np.unique(units)), folds)]

    if leave != "both":
        units = {"pair": HALF.i * 9 + HALF.j, "row": HALF.i, "column": HALF.j}[leave]
        return [(~test, test) for test in out(units)]
    rows, columns = out(HALF.i), out(HALF.j)
    return [(~(r | c), r & c) for r, c in zip(rows, columns, strict=True)]


def errors_by_hand(leave, folds, alpha, **offsets):
    """The squared errors of each fold, by least squares in explicit coordinates."""
    found = []
    for training, test in parts_by_hand(leave, folds):
        seen, new = ((HALF.i[some], HALF.j[some]) for some in (training, test))
        h = predictions(*ROOTS, seen, SEEN[training], new, alpha, **offsets)
        found.append((SEEN[test] - h) ** 2)
    return found


@quiet
@pytest.mark.parametrize("dense", [False, True], ids=["iterative", "dense"])
@pytest.mark.parametrize(
    ("leave", "constant", "effects"), every_two(LEAVES, (False, True), tuple(EFFECTS)), ids=repr
)
def test_fold_errors_are_those_of_separate_refits(leave, constant, effects, dense, monkeypatch):
    if not dense:
        monkeypatch.setattr(_solving, "FEW_PAIRS", 0)
    fitted = machine(leave=leave, cv=3, fit_intercept=constant, effects=effects).fit(HALF, SEEN)
    assert fitted.leave_out_by_ == "folds"
    assert fitted.fold_rmse_.shape == (3, 3)
    assert (fitted.leave_out_bound_ >= 0).all()
    for k, alpha in enumerate(ALPHAS):
        squares = errors_by_hand(leave, 3, alpha, constant=constant, **EFFECTS[effects])
        each = np.array([np.sqrt(part.mean()) for part in squares])
        whole = np.sqrt(np.concatenate(squares).mean())
        assert abs(fitted.leave_out_rmse_[k] - whole) <= fitted.leave_out_bound_[k] + 1e-9
        tolerance = 1e-8 if dense else 3e-3  # the rough fits of folds keep this easily
        np.testing.assert_allclose(fitted.fold_rmse_[k], each, rtol=tolerance)
    assert fitted.alpha_ == ALPHAS[int(np.argmin(fitted.leave_out_rmse_))]
    assert fitted.certificate_.passed


@quiet
@pytest.mark.parametrize("leave", LEAVES)
def test_near_ties_are_fitted_until_their_errors_tell_them_apart(leave, monkeypatch):
    monkeypatch.setattr(_solving, "FEW_PAIRS", 0)
    near = (1.0, 1.0 + 1e-6, 1.0 - 1e-6, 30.0)
    fitted = machine(leave=leave, cv=3, alphas=near).fit(HALF, SEEN)
    exact = [np.sqrt(np.concatenate(errors_by_hand(leave, 3, alpha)).mean()) for alpha in near]
    np.testing.assert_allclose(fitted.leave_out_rmse_[:3], exact[:3], rtol=1e-8)
    assert (fitted.leave_out_bound_[:3] < 1e-6).all()


@quiet
@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("leave", LEAVES[:3])
def test_with_missing_pairs_leave_one_out_is_exact(leave, constant, monkeypatch):
    monkeypatch.setattr(_ways, "_TRIVIAL", 0)
    mask = np.ones(Z.shape, dtype=bool)
    mask[[0, 3, 3], [1, 0, 5]] = False
    pairs, z = Pairs.from_mask(X, Y, mask), Z[mask]
    fitted = machine(leave=leave, fit_intercept=constant).fit(pairs, z)
    assert fitted.leave_out_by_ == "missing"
    assert fitted.fold_rmse_ is None
    assert not fitted.leave_out_bound_.any()
    label = Groups.single(pairs).of_pairs(pairs, leave)
    for alpha, rmse in zip(ALPHAS, fitted.leave_out_rmse_, strict=True):
        residuals = left_out(*ROOTS, pairs, z, label, alpha, constant=constant)
        assert rmse == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-8)
    monkeypatch.setattr(_missing, "_REGULAR", 1.0)  # as if rounding left no digits
    again = clone(fitted).fit(pairs, z)
    assert again.leave_out_by_ == "pairs"
    np.testing.assert_allclose(again.leave_out_rmse_, fitted.leave_out_rmse_, rtol=1e-8)
    monkeypatch.setattr(_ways, "FEW_PAIRS", 0)
    assert clone(fitted).fit(pairs, z).leave_out_by_ == "folds"
    assert clone(fitted).set_params(cv="exact").fit(pairs, z).leave_out_by_ == "pairs"


@quiet
def test_the_way_is_exact_where_that_is_cheap_and_what_is_asked_for():
    grid = Pairs.grid(X, Y)
    ways = {
        "grid": [
            (grid, {}),
            (grid, {"cv": "exact"}),
            (grid, {"effects": ("row",)}),
            (grid, {"leave": "both"}),
            (grid, {"leave": "both", "cv": "exact"}),
        ],
        "pairs": [(HALF, {}), (HALF, {"cv": "exact"})],
        "folds": [
            (grid, {"cv": 2}),
            (grid, {"leave": "both", "cv": 2}),
            (grid, {"leave": "both", "effects": ("row",)}),
            (HALF, {"leave": "both"}),
        ],
    }
    for way, cases in ways.items():
        for pairs, params in cases:
            fitted = machine(**params).fit(pairs, pairs.entries(Z))
            assert fitted.leave_out_by_ == way, params
            assert (fitted.fold_rmse_ is None) == (way != "folds")


@quiet
def test_a_row_and_a_column_at_once_are_left_to_folds_where_that_has_no_closed_form(monkeypatch):
    grid, labels = Pairs.grid(X, Y), {"groups_x": np.arange(11) // 2}
    assert machine(leave="both").fit(grid, Z, groups_x=np.arange(11)[::-1]).leave_out_by_ == "grid"
    assert machine(leave="both").fit(grid, Z, **labels).leave_out_by_ == "folds"
    exact = machine(leave="both", cv="exact")
    with pytest.raises(ValueError, match="no closed form for groups of several rows or columns, g"):
        exact.fit(grid, Z, **labels)
    with pytest.raises(ValueError, match="no closed form beside effects of rows or columns, got"):
        clone(exact).set_params(effects=("column",)).fit(grid, Z)
    monkeypatch.setattr(_ways, "_MOST_OPERATIONS", 9 * 9**4 / 3 + 4 * 9**3 * 11 / 3 + 6 * 99**2)
    assert machine(leave="both").fit(grid, Z).leave_out_by_ == "grid"
    monkeypatch.setattr(_ways, "_MOST_OPERATIONS", 9 * 9**4 / 3 + 4 * 9**3 * 11 / 3 + 6 * 98**2)
    assert machine(leave="both").fit(grid, Z).leave_out_by_ == "folds"
    assert exact.fit(grid, Z).leave_out_by_ == "grid"


def separate_refits(data, z, leave, alpha):
    """The prediction of each pair by a fit to those that share nothing with it: one by one."""
    h = np.empty(len(z))
    for k in range(len(z)):
        row, column = data.i == data.i[k], data.j == data.j[k]
        out = {"pair": row & column, "row": row, "column": column, "both": row | column}[leave]
        seen, new = ((data.i[some], data.j[some]) for some in (~out, [k]))
        h[k] = predictions(*ROOTS, seen, z[~out], new, alpha)[0]
    return h


@quiet
@pytest.mark.parametrize("way", ["grid", "shuffled", "missing", "pairs"])
@pytest.mark.parametrize("leave", LEAVES)
def test_predictions_of_what_is_left_out_are_kept(leave, way, monkeypatch):
    if leave == "both" and way in ("missing", "pairs"):
        return  # in folds, below
    monkeypatch.setattr(_ways, "_TRIVIAL", 0 if way == "missing" else 300)
    grid = Pairs.grid(X, Y)
    some = np.arange(99) if way == "grid" else np.random.default_rng(5).permutation(99)
    some = some[: 97 if way in ("missing", "pairs") else 99]
    fitted = machine(leave=leave).fit(grid[some], Z.ravel()[some])
    assert fitted.leave_out_by_ == way.replace("shuffled", "grid")
    expected = separate_refits(grid[some], Z.ravel()[some], leave, fitted.alpha_)
    found = fitted.leave_out_predictions_
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    rmse = np.sqrt(np.mean((found - Z.ravel()[some]) ** 2))
    assert rmse == pytest.approx(np.min(fitted.leave_out_rmse_), rel=1e-10)


@quiet
@pytest.mark.parametrize("leave", LEAVES)
def test_predictions_in_folds_are_those_of_separate_refits(leave):
    fitted = machine(leave=leave, cv=3).fit(HALF, SEEN)
    found, tested = fitted.leave_out_predictions_, np.zeros(len(SEEN), dtype=bool)
    for training, test in parts_by_hand(leave, 3):
        seen, new = ((HALF.i[part], HALF.j[part]) for part in (training, test))
        h = predictions(*ROOTS, seen, SEEN[training], new, fitted.alpha_)
        np.testing.assert_allclose(found[test], h, rtol=0, atol=1e-2)
        tested |= test
    assert np.array_equal(np.isnan(found), ~tested)
    assert tested.all() == (leave != "both")


@quiet
@pytest.mark.parametrize("leave", LEAVES)
def test_seeds_make_the_folds(leave):
    fits = [machine(leave=leave, cv=3, random_state=s).fit(HALF, SEEN) for s in (7, 7, 8)]
    assert np.array_equal(fits[0].fold_rmse_, fits[1].fold_rmse_)
    assert np.array_equal(fits[0].predict(HALF), fits[1].predict(HALF))
    assert not np.allclose(fits[0].fold_rmse_, fits[2].fold_rmse_)


def error_of_the_unknown(leave):
    """Of signs that only what is left out could tell: no features tie rows, or columns."""
    rng = np.random.default_rng(0)
    rows, columns = np.sign(rng.normal(size=(2, 12)))
    Z = {"row": np.tile(rows[:, None], 12), "column": np.tile(columns, (12, 1))}.get(
        leave, np.outer(rows, columns)
    )
    fitted = BinaryKernelRidgeCV(
        Linear(), Linear(), (0.1, 1.0), leave=leave, cv=4, fit_intercept=False
    )
    with warnings.catch_warnings(action="ignore"):
        return fitted.fit(Pairs.grid(np.eye(12), np.eye(12)), Z).leave_out_rmse_


@pytest.mark.parametrize("leave", ["row", "column", "both"])
def test_a_fold_never_sees_what_it_leaves_out(leave, monkeypatch):
    assert np.allclose(error_of_the_unknown(leave), 1.0, rtol=1e-12)

    def leaking(*args):
        for cut in cuts_of(*args):
            yield cut._replace(train=np.ones_like(cut.train))

    monkeypatch.setattr(ridge_cv, "cuts_of", leaking)
    assert (error_of_the_unknown(leave) < 0.95).all()


@pytest.mark.parametrize("folds", [2, 3, 5])
@pytest.mark.parametrize("grouped", [False, True])
def test_both_leaves_out_rows_and_columns(folds, grouped):
    groups = Groups(np.arange(11) // 2, np.arange(9)) if grouped else Groups.single(HALF)
    for training, test in cuts_of(HALF, "both", folds, np.random.default_rng(3), groups):
        for labels, index in ((groups.x, HALF.i), (groups.y, HALF.j)):
            assert not set(labels[index[training]]) & set(labels[index[test]])
        rows, columns = (np.unique(index[test]) for index in (HALF.i, HALF.j))
        assert (np.isin(HALF.i, rows) & np.isin(HALF.j, columns))[test].all()


@quiet
@pytest.mark.parametrize("leave", LEAVES)
def test_groups_are_left_out_together(leave, monkeypatch):
    seen = []

    def watched(pairs, *args):
        for cut in cuts_of(pairs, *args):
            seen.append((pairs, cut))
            yield cut

    monkeypatch.setattr(ridge_cv, "cuts_of", watched)
    gx, gy = np.arange(11) // 2, np.arange(9) // 3
    machine(leave=leave, cv=2).fit(HALF, SEEN, groups_x=gx, groups_y=gy)
    for pairs, (training, test) in seen:
        x, y = gx[pairs.i], gy[pairs.j]
        units = {"pair": [x * 9 + y], "row": [x], "column": [y], "both": [x, y]}[leave]
        assert not any(set(unit[training]) & set(unit[test]) for unit in units)


@quiet
def test_without_a_number_there_are_as_many_folds_as_there_can_be(monkeypatch):
    monkeypatch.setattr(_ways, "FEW_PAIRS", 0)
    assert machine(leave="row").fit(HALF, SEEN).fold_rmse_.shape == (3, 5)
    few = HALF[HALF.i < 3]
    assert machine(leave="row").fit(few, SEEN[HALF.i < 3]).fold_rmse_.shape == (3, 3)


@quiet
def test_an_alpha_without_certificate_in_a_fold_is_named_and_not_chosen(monkeypatch):
    path, best = State.path, machine(cv=3).fit(HALF, SEEN).alpha_
    bad = {best}

    def failing(self, alphas):
        for solution in path(self, alphas):
            far = solution.problem.alpha in bad and len(solution.problem.z) < len(SEEN)
            certificate = replace(solution.certificate, kkt_residual=np.inf)
            yield replace(solution, certificate=certificate) if far else solution

    monkeypatch.setattr(State, "path", failing)
    with pytest.warns(ConvergenceWarning, match=f"in some fold.*alpha = {best:.3g}"):
        fitted = machine(cv=3).fit(HALF, SEEN)
    failed = np.array(ALPHAS) == best
    assert np.isnan(fitted.leave_out_rmse_[failed]).all()
    assert fitted.alpha_ == ALPHAS[int(np.nanargmin(fitted.leave_out_rmse_))] != best
    bad |= set(ALPHAS)
    with pytest.raises(ConvergenceError, match="certified in every fold: pass larger alphas"):
        machine(cv=3).fit(HALF, SEEN)


@quiet
def test_progress_is_a_line_for_each_fold(capsys):
    machine(cv=3).fit(HALF, SEEN)
    assert not capsys.readouterr().out
    machine(cv=3, verbose=1).fit(HALF, SEEN)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"fold {k} of 3" for k in (1, 2, 3)]


BAD = [
    ({"cv": 1}, ValueError, "cv, .*must be at least 2"),
    ({"cv": 2.5}, TypeError, "cv, .*must be an integer"),
    ({"cv": "all"}, TypeError, 'cv, if it is not None or "exact", must be an integer'),
    ({"cv": 12, "leave": "row"}, ValueError, "12 folds need as many rows, .*got 11"),
    ({"cv": 10, "leave": "both"}, ValueError, "10 folds need as many columns, .*got 9"),
    ({"cv": "exact", "leave": "both"}, ValueError, "no closed form on a grid that lacks pairs"),
    ({"leave": "rows"}, ValueError, "leave must be one of .*'both'"),
    ({"random_state": -1}, ValueError, "random_state must be at least 0"),
    ({"alphas": ()}, ValueError, "alphas must hold"),
]


@pytest.mark.parametrize(("params", "error", "says"), BAD, ids=[row[2] for row in BAD])
def test_bad_arguments_are_named(params, error, says):
    with pytest.raises(error, match=says):
        machine(**params).fit(HALF, SEEN)


def test_folds_without_pairs_are_named():
    """Of three pairs of 2 × 2, where one of the two folds may have nothing to test on."""
    pairs = Pairs.from_mask(Y[:2], Y[:2], np.tri(2, dtype=bool))
    groups = Groups.single(pairs)
    with pytest.raises(ValueError, match="leaves no pair to test in 1 of 2 folds: pass fewer"):
        [cuts_of(pairs, "both", 2, np.random.default_rng(k), groups) for k in range(9)]


def test_exact_for_too_many_pairs_has_advice_that_works():
    points = np.random.default_rng(0).normal(size=(150, 2))
    mask = np.random.default_rng(0).random((150, 150)) < 0.95
    pairs, z = (
        Pairs.from_mask(points, points, mask),
        np.random.default_rng(1).normal(size=mask.sum()),
    )
    with pytest.raises(ValueError, match=r"at most 20000 pairs, got .*BinaryKernelRidgeCV\(cv=5\)"):
        machine(cv="exact").fit(pairs, z)
    with pytest.warns(UserWarning, match="the largest"):
        assert machine(cv=5, alphas=(10.0, 100.0)).fit(pairs, z).leave_out_by_ == "folds"
