"""Folds of the four settings: what is tested is new, whatever is left out, and nothing leaks."""

import pickle
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, check_cv, cross_val_predict

from rkbs import RBF, BinaryKernelRidge, PairKFold, Pairs
from rkbs.data import FoldSizes, _cuts, similarity_clusters, splits
from rkbs.data._cuts import cuts
from rkbs.data._groups import Groups
from rkbs.machines._folds import cuts_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 2)), RNG.normal(size=(9, 3))
SOME = RNG.uniform(size=(10, 9)) < 0.6
SOME[3] = False
GRID, FEW = Pairs.grid(X, Y), Pairs.from_mask(X, Y, SOME)
GROUPS_X = ["b", "a", "b", "c", "a", "b", "d", "e", "e", "f"]
GROUPS_Y = np.array([3, 1, 3, 2, 1, 1, 4, 5, 5])
SETTINGS = ("pair", "row", "column", "both")
both_grids = pytest.mark.parametrize("pairs", [GRID, FEW], ids=["complete", "incomplete"])
settings = pytest.mark.parametrize("leave", SETTINGS)


def table(pairs):
    return np.hstack([pairs.X[pairs.i], pairs.Y[pairs.j]])


def leaks(pairs, cv, groups_x, groups_y, given=None, **how):
    """What is wrong with the folds, by the definition of the setting, pair by pair."""
    who = list(zip(np.asarray(groups_x)[pairs.i], np.asarray(groups_y)[pairs.j], strict=True))
    tested, wrong = Counter(), set()
    for train, test in cv.split(pairs if given is None else given, **how):
        known_x, known_y = {who[k][0] for k in train}, {who[k][1] for k in train}
        out_x, out_y = {who[k][0] for k in test}, {who[k][1] for k in test}
        if set(train) & set(test) or {who[k] for k in train} & {who[k] for k in test}:
            wrong.add("pair")
        if known_x & out_x:
            wrong.add("row")
        if known_y & out_y:
            wrong.add("column")
        neither = set(range(len(who))) - set(train) - set(test)
        if cv.leave != "both" and neither:
            wrong.add("left out of both")
        if any((who[k][0] in out_x) == (who[k][1] in out_y) for k in neither):
            wrong.add("left out needlessly")
        tested.update(test.tolist())
    if set(tested) != set(range(len(who))) or set(tested.values()) != {cv.n_repeats}:
        wrong.add("not each tested once")
    return wrong


ALLOWED = {
    "pair": {"row", "column"},
    "row": {"column"},
    "column": {"row"},
    "both": {"left out needlessly"},  # pairs of parts that are out by row and column, elsewhere
}


def faults(pairs, cv, groups_x=range(10), groups_y=range(9), **how):
    return leaks(pairs, cv, groups_x, groups_y, **how) - ALLOWED[cv.leave]


@both_grids
@settings
@pytest.mark.parametrize("repeats", [1, 3])
def test_nothing_leaks_and_everything_is_tested_once(pairs, leave, repeats):
    cv = PairKFold(3, leave=leave, n_repeats=repeats)
    assert faults(pairs, cv) == set()
    assert (
        cv.get_n_splits() == len(list(cv.split(pairs))) == repeats * (9 if leave == "both" else 3)
    )


@both_grids
@settings
@pytest.mark.parametrize("given", ["constructor", "split"])
def test_groups_are_left_out_together(pairs, leave, given):
    if given == "constructor":
        cv, how = PairKFold(3, leave=leave, groups_x=GROUPS_X, groups_y=GROUPS_Y), {}
    else:
        labels = np.column_stack([np.array(GROUPS_X)[pairs.i], GROUPS_Y[pairs.j]])
        cv, how = PairKFold(3, leave=leave), {"groups": labels}
    assert faults(pairs, cv, GROUPS_X, GROUPS_Y, **how) == set()
    assert faults(pairs, PairKFold(3, leave=leave), GROUPS_X, GROUPS_Y) != set()


@pytest.mark.parametrize("leave", ["row", "column"])
def test_labels_of_samples_may_be_those_of_what_is_left_out(leave):
    labels = np.array(GROUPS_X)[FEW.i] if leave == "row" else GROUPS_Y[FEW.j]
    cv = PairKFold(3, leave=leave)
    assert faults(FEW, cv, GROUPS_X, GROUPS_Y, groups=labels) == set()
    parts = {tuple(test) for _, test in cv.split(FEW, groups=labels)}
    folds = GroupKFold(3).split(FEW, groups=labels)  # as many of scikit-learn's, dealt otherwise
    assert sum(map(len, parts)) == sum(len(test) for _, test in folds)
    days = np.arange(len(FEW)) % 5
    for train, test in PairKFold(5).split(FEW, groups=days):
        assert not set(days[train]) & set(days[test])


SABOTAGES = {
    "rows parted": ("row", {"row": lambda rows, columns: np.arange(len(rows))}),
    "columns parted": ("column", {"column": lambda rows, columns: np.arange(len(rows))}),
    "columns for rows": ("row", {"row": lambda rows, columns: columns}),
    "pairs parted": ("pair", {"pair": lambda rows, columns: np.arange(len(rows))}),
}


def sabotaged(change):
    """cuts that leave out other units than they were asked to."""

    def wrong(rows, columns, leave, folds, rng):
        part = _cuts._parts(change[leave](rows, columns), leave, folds, rng)
        for k in range(folds):
            yield _cuts.Cut(part != k, part == k)

    return wrong


@pytest.mark.parametrize("name", SABOTAGES)
def test_a_sabotaged_splitter_is_noticed(name, monkeypatch):
    leave, change = SABOTAGES[name]
    cv = PairKFold(3, leave=leave, groups_x=GROUPS_X, groups_y=GROUPS_Y)
    assert faults(GRID, cv, GROUPS_X, GROUPS_Y) == set()
    monkeypatch.setattr(splits, "cuts", sabotaged(change))
    assert faults(GRID, cv, GROUPS_X, GROUPS_Y) != set()


WRONG_BLOCKS = {
    "trains on the rest": lambda cut: cut._replace(train=~cut.test),
    "tests what it trains on": lambda cut: cut._replace(test=cut.train),
    "tests nothing of the last": lambda cut: cut._replace(test=cut.test & (np.arange(90) < 89)),
}


@pytest.mark.parametrize("wrong", WRONG_BLOCKS)
def test_a_sabotaged_block_is_noticed(wrong, monkeypatch):
    monkeypatch.setattr(splits, "cuts", lambda *all: map(WRONG_BLOCKS[wrong], cuts(*all)))
    assert faults(GRID, PairKFold(3, leave="both")) != set()


def test_what_is_left_out_of_both_is_said():
    cv = PairKFold(3, leave="both")
    sizes = cv.sizes(Pairs.grid(RNG.normal(size=(6, 1)), RNG.normal(size=(9, 1))))
    assert sizes == [FoldSizes(train=24, test=6, neither=24)] * 9  # (2/3)², (1/3)², 4/9 of 54
    for (train, test), size in zip(cv.split(FEW), cv.sizes(FEW), strict=True):
        assert size == (len(train), len(test), len(FEW) - len(train) - len(test))
    assert {size.neither for size in PairKFold(4, leave="row").sizes(FEW)} == {0}


@settings
def test_parts_are_about_as_large(leave):
    for size in PairKFold(4, leave=leave).sizes(GRID):
        least, most = {
            "pair": (22, 23),
            "row": (2 * 9, 3 * 9),
            "column": (2 * 10, 3 * 10),
            "both": (2 * 2, 3 * 3),
        }[leave]
        assert least <= size.test <= most


def folds(cv, pairs, **how):
    return [(train.tolist(), test.tolist()) for train, test in cv.split(pairs, **how)]


@settings
def test_a_seed_gives_the_same_folds_each_time_and_another_other_ones(leave):
    cv = PairKFold(3, leave=leave, n_repeats=2)
    found = folds(cv, GRID)
    assert found == folds(cv, GRID) == folds(pickle.loads(pickle.dumps(cv)), GRID)
    assert found != folds(PairKFold(3, leave=leave, n_repeats=2, random_state=1), GRID)
    per_repeat = len(found) // 2
    assert found[:per_repeat] == folds(PairKFold(3, leave=leave), GRID)
    assert found[:per_repeat] != found[per_repeat:]


@settings
def test_a_table_of_a_grid_has_the_folds_of_its_pairs(leave):
    cv = PairKFold(3, leave=leave, n_features_x=2)
    right = folds(PairKFold(3, leave=leave), GRID)
    assert folds(cv, table(GRID)) == folds(cv, pd.DataFrame(table(GRID))) == right
    assert folds(PairKFold(3, leave=leave), table(GRID)[:, [0, 2]]) == right  # one column each


@settings
@pytest.mark.parametrize("labels", [None, np.column_stack([np.array(GROUPS_X)[FEW.i], FEW.j])])
def test_nothing_leaks_from_a_table(leave, labels):
    cv, groups_x = PairKFold(3, leave=leave, n_features_x=2), range(10)
    order = RNG.permutation(len(FEW))
    pairs, how = FEW[order], {}
    if labels is not None:
        groups_x, how = GROUPS_X, {"groups": labels[order]}
    assert faults(pairs, cv, groups_x, given=table(pairs), **how) == set()


@pytest.mark.parametrize("leave", ["pair", "row", "column"])
def test_folds_are_those_of_the_machines(leave):
    """Of one seed, so that what a machine chooses by can be made again."""
    groups = Groups.in_use(FEW, FEW.compact(), GROUPS_X, GROUPS_Y)
    parts = cuts_of(FEW.compact(), leave, 3, np.random.default_rng(5), groups)
    cv = PairKFold(3, leave=leave, random_state=5, groups_x=GROUPS_X, groups_y=GROUPS_Y)
    for cut, (_, test) in zip(parts, cv.split(FEW), strict=True):
        assert np.array_equal(np.flatnonzero(cut.test), test)


# ---- who is who

TWICE = np.vstack([X[:5], X[:5]])


@settings
def test_equal_points_without_ids_are_one(leave):
    cv, same = PairKFold(3, leave=leave), np.tile(np.arange(5), 2)
    assert faults(Pairs.grid(TWICE, Y), cv, same) == set()
    assert faults(Pairs.grid(Y, TWICE), cv, range(9), same) == set()


@settings
@pytest.mark.parametrize("domain", "XY")
def test_equal_points_that_ids_or_groups_part_are_reported_and_the_advice_works(leave, domain):
    """But where all points are equal: then ids are all there is."""
    ids = [f"drug {k}" for k in range(10)]
    pairs = {
        "X": Pairs.grid(TWICE, Y, ids_x=ids),
        "Y": Pairs.grid(Y, TWICE, ids_y=ids),
    }[domain]
    name, cv = f"groups_{domain.lower()}", PairKFold(2, leave=leave)
    if leave == {"X": "column", "Y": "row"}[domain]:
        folds(cv, pairs)  # warnings are errors
        return
    says = rf"^5 rows in use of {domain} equal an earlier one \(the first: 5 and 0\)"
    for parting in (cv, PairKFold(2, leave=leave, **{name: ids})):
        with pytest.warns(UserWarning, match=says) as told:
            folds(parting, pairs)
    advice = str(told[0].message).partition(f"{name}=")[2].removesuffix(" to the splitter")
    labels = eval(advice, {"np": np, domain: TWICE})
    cv = PairKFold(2, leave=leave, **{name: labels})
    folds(cv, pairs)
    same = np.tile(np.arange(5), 2)
    assert faults(pairs, cv, *((same,) if domain == "X" else (range(9), same))) == set()


def test_points_that_differ_by_their_ids_alone_are_parted():
    pairs = Pairs.grid(np.zeros((6, 1)), Y, ids_x=list("abcdef"))
    assert faults(pairs, PairKFold(3, leave="row"), range(6)) == set()
    with pytest.raises(ValueError, match="3 folds need as many rows, or groups of them, got 1 "):
        folds(PairKFold(3, leave="row"), Pairs.grid(np.zeros((6, 1)), Y))


def test_a_row_that_is_reported_is_one_of_x():
    """Not one of those in use."""
    points = np.vstack([Y[:2, :2], TWICE])
    pairs = Pairs.grid(points, Y, ids_x=list("abcdefghijkl"))
    with pytest.warns(UserWarning, match="the first: 7 and 2"):
        folds(PairKFold(2, leave="row"), pairs[pairs.i > 0])


# ---- clusters


def test_clusters_are_connected_components():
    """Against the reflexive, symmetric and transitive closure, by powers of the adjacency."""
    for seed in range(20):
        S = np.random.default_rng(seed).uniform(size=(12, 12))
        linked = (S >= 0.9) | (S.T >= 0.9) | np.eye(12, dtype=bool)
        together = np.linalg.matrix_power(linked.astype(float), 12) > 0
        labels = similarity_clusters(S, 0.9)
        assert np.array_equal(labels[:, None] == labels, together)
        assert np.unique(labels, return_index=True)[1].tolist() == sorted(
            {int(np.flatnonzero(row)[0]) for row in together}
        )


def test_folds_over_clusters_have_no_similar_point_in_training():
    S = RBF()(X, X)
    labels = similarity_clusters(S, 0.7)
    assert 3 < len(set(labels)) < 10
    for train, test in PairKFold(3, leave="row", groups_x=labels).split(FEW):
        assert S[np.ix_(FEW.i[test], FEW.i[train])].max() < 0.7
    assert similarity_clusters(S, 1.0).tolist() == list(range(10))
    assert similarity_clusters(S, 0.0).tolist() == [0] * 10


# ---- scikit-learn


@settings
def test_every_pair_is_predicted_once(leave):
    """By hand, with a fit for each fold; in the order of the pairs."""
    z = np.sin(X[GRID.i, 0] + Y[GRID.j, 0])
    machine, cv = BinaryKernelRidge(RBF(), RBF(), alpha=0.1), PairKFold(3, leave=leave)
    expected = np.empty(len(z))
    for train, test in cv.split(GRID):
        expected[test] = clone(machine).fit(GRID[train], z[train]).predict(GRID[test])
    assert np.array_equal(cross_val_predict(machine, GRID, z, cv=cv), expected)


def test_it_is_a_splitter_to_scikit_learn():
    cv = PairKFold(4, leave="row", groups_x=np.arange(10))
    assert check_cv(cv) is cv
    assert repr(cv) == (
        "PairKFold(n_splits=4, leave='row', n_repeats=1, random_state=0, groups_x=int64[10], "
        "groups_y=None, n_features_x=None)"
    )


def few_pairs():
    """The diagonal: no block of different rows and columns has one."""
    return Pairs(X, Y, range(9), range(9))


ROWS = PairKFold(3, leave="row")
BAD = {
    "n_splits": (lambda: PairKFold(1), ValueError, "^n_splits must be at least 2, got 1"),
    "n_splits kind": (lambda: PairKFold(2.5), TypeError, "^n_splits must be an integer"),
    "leave": (lambda: PairKFold(leave="cold"), ValueError, "^leave must be one of.*'both'.*cold"),
    "n_repeats": (lambda: PairKFold(n_repeats=0), ValueError, "^n_repeats must be at least 1"),
    "seed": (lambda: PairKFold(random_state=None), TypeError, "^random_state must be an integer"),
    "n_features_x": (lambda: PairKFold(n_features_x=0), ValueError, "^n_features_x must be at l"),
    "many folds": (
        lambda: folds(PairKFold(11, leave="row"), GRID),
        ValueError,
        r"^11 folds need as many rows, or groups of them, got 10 \(n_samples=90\): pass fewer",
    ),
    "many folds of columns": (
        lambda: folds(PairKFold(10, leave="both"), GRID),
        ValueError,
        "^10 folds need as many columns",
    ),
    "few groups": (
        lambda: folds(PairKFold(3, leave="row", groups_x=[0, 1] * 5), GRID),
        ValueError,
        "^3 folds need as many rows, or groups of them, got 2 ",
    ),
    "empty blocks": (
        lambda: folds(PairKFold(9, leave="both"), few_pairs()),
        ValueError,
        "^leave='both' with 9 parts of rows × 9 of columns leaves no pair to test in 72 of 81 f",
    ),
    "nothing to train on": (
        lambda: folds(PairKFold(2, leave="both"), Pairs(X, Y, [0, 0, 0, 1], [0, 1, 2, 0])),
        ValueError,
        "leaves no pair to t",
    ),
    "labels of X": (
        lambda: folds(PairKFold(3, leave="row", groups_x=[1, 2, 3]), GRID),
        ValueError,
        r"^groups_x must have shape \(10,\), a label for each row of X, got shape \(3,\)",
    ),
    "a label is missing": (
        lambda: folds(PairKFold(3, leave="row", groups_x=[None, *range(9)]), GRID),
        ValueError,
        "^groups_x must label every row of X, but has none for row 0",
    ),
    "labels of X with a table": (
        lambda: folds(PairKFold(3, groups_x=range(10), n_features_x=2), table(GRID)),
        TypeError,
        "^groups_x holds a label for each row of Pairs.*pass Pairs, or groups",
    ),
    "labels twice": (
        lambda: folds(PairKFold(3, leave="row", groups_x=GROUPS_X), GRID, groups=GRID.i),
        ValueError,
        "^groups must be None where groups_x is given",
    ),
    "labels of pairs": (
        lambda: folds(ROWS, GRID, groups=GROUPS_X),
        ValueError,
        r"^groups must have shape \(90,\).*or \(90, 2\).*got shape \(10,\)",
    ),
    "one label of two": (
        lambda: folds(PairKFold(3, leave="both"), GRID, groups=GRID.i),
        ValueError,
        r"^groups must have shape \(90, 2\) with leave='both'",
    ),
    "a pair has no label": (
        lambda: folds(ROWS, GRID, groups=[None, *range(89)]),
        ValueError,
        "^groups must label every pair, but has none for 0",
    ),
    "two labels of a row": (
        lambda: folds(ROWS, GRID, groups=np.arange(90) // 2),
        ValueError,
        "^groups must have one label for each row, but pairs 0 and 2 are of one row",
    ),
    "a table": (lambda: folds(ROWS, table(GRID)), ValueError, "^n_features_x must be given.*of 5"),
    "a table of one column": (
        lambda: folds(ROWS, X[:, :1]),
        ValueError,
        "two columns or more, got 1$",
    ),
    "columns": (
        lambda: folds(PairKFold(3, n_features_x=5), table(GRID)),
        ValueError,
        "^n_features_x must be from 1 to 4 for a table of 5 columns, got 5",
    ),
    "two domains": (lambda: folds(ROWS, (X, Y)), TypeError, "^X must be a rectangular array"),
    "clusters": (lambda: similarity_clusters(X, 0.5), ValueError, "^similarity must be a square"),
    "level": (lambda: similarity_clusters(np.eye(2), "1"), TypeError, "^at_least must be a real"),
    "no similarity": (
        lambda: similarity_clusters([[1, np.nan], [0, 1]], 0.5),
        ValueError,
        "^similarity contains NaN",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    function, error, says = BAD[case]
    with warnings.catch_warnings(action="error"), pytest.raises(error, match=says):
        function()
