"""Pairs: construction, indexing, and life inside scikit-learn's splitters."""

import pickle

import numpy as np
import pytest
from helpers import points
from sklearn.model_selection import GroupKFold, KFold, train_test_split
from sklearn.utils import _safe_indexing, shuffle

from rkbs import Pairs

X, Y = points((4, 2)), points((3, 5), 1)
GRID = Pairs.grid(X, Y)
MASK = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)


def index_set(pairs):
    return list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))


def test_grid_is_row_major():
    assert index_set(GRID) == [(k // 3, k % 3) for k in range(12)]
    assert (len(GRID), GRID.shape, GRID.ndim, GRID.is_complete) == (12, (12, 7), 2, True)
    assert repr(GRID) == "Pairs(12 of 4 × 3, complete grid)"
    assert np.array_equal(GRID.X, X)
    assert np.array_equal(GRID.Y, Y)


def test_from_mask_is_row_major():
    pairs = Pairs.from_mask(X, Y, MASK)
    assert index_set(pairs) == [(0, 0), (0, 2), (2, 0), (2, 1), (3, 2)]
    assert not pairs.is_complete
    assert repr(pairs) == "Pairs(5 of 4 × 3, incomplete)"
    assert index_set(Pairs.from_mask(X, Y, np.ones((4, 3), bool))) == index_set(GRID)


@pytest.mark.parametrize("source", [GRID, Pairs.from_mask(X, Y, MASK)], ids=repr)
def test_from_table_finds_the_domains_again(source):
    order = np.random.default_rng(0).permutation(len(source))
    table = np.hstack([source.X[source.i], source.Y[source.j]])[order]
    pairs = Pairs.from_table(table, 2)
    assert np.array_equal(np.hstack([pairs.X[pairs.i], pairs.Y[pairs.j]]), table)
    assert len(pairs.X) == len(set(source.i.tolist()))
    assert len(pairs.Y) == len(set(source.j.tolist()))
    assert pairs.is_complete == source.is_complete


def test_integers_and_lists_become_floats():
    pairs = Pairs.grid([[1, 2]], [[3], [4]])
    assert pairs.X.dtype == pairs.Y.dtype == np.float64
    assert index_set(pairs) == [(0, 0), (0, 1)]


def test_compact_keeps_the_points_of_each_pair():
    pairs = Pairs.from_mask(X, Y, MASK & [True, False, True])
    small = pairs.compact()
    assert np.array_equal(small.X, X[[0, 2, 3]])
    assert np.array_equal(small.Y, Y[[0, 2]])
    assert np.array_equal(small.X[small.i], pairs.X[pairs.i])
    assert np.array_equal(small.Y[small.j], pairs.Y[pairs.j])
    assert small.compact() is small
    assert GRID.compact() is GRID


@pytest.mark.parametrize(
    "pairs", [GRID, GRID[::-1], Pairs.from_mask(X, Y, MASK)[[4, 0, 3]]], ids=repr
)
def test_matrix_and_responses_go_round(pairs):
    z = np.arange(len(pairs)) + 1.0
    matrix = pairs.matrix(z, fill=np.nan)
    assert matrix.shape == (4, 3)
    assert np.array_equal(matrix[pairs.i, pairs.j], z)
    assert np.isnan(matrix).sum() == 12 - len(pairs)
    assert np.array_equal(pairs.entries(matrix), z)
    assert pairs.matrix(z).sum() == z.sum()
    assert np.array_equal(pairs.responses(z), z)
    assert pairs.responses(z.astype(int).tolist()).dtype == np.float64
    if pairs.is_complete:
        assert np.array_equal(pairs.responses(matrix), z)
    else:
        with pytest.raises(ValueError, match=r"z must have shape \(\d,\), got shape \(4, 3\)"):
            pairs.responses(np.nan_to_num(matrix))


def test_the_matrix_of_a_grid_is_no_view_of_its_values():
    pairs, z = Pairs.grid(np.zeros((2, 1)), np.zeros((3, 1))), np.arange(6.0)
    pairs.matrix(z)[0, 0] = 7
    assert z[0] == 0


@pytest.mark.parametrize(
    ("i", "j"),
    [([0, 0, 1], [1, 1, 0]), ([0, 1, 0], [0, 0, 0]), ([1, 0, 1], [2, 0, 2]), ([0, 0], [0, 0])],
)
def test_a_repeated_pair_is_refused_in_any_order(i, j):
    with pytest.raises(ValueError, match=r"must not repeat a pair: .* occurs 2 times"):
        Pairs(np.zeros((2, 1)), np.zeros((3, 1)), np.array(i), np.array(j))


def test_a_complete_grid_in_another_order_is_not_taken_for_one_in_rows():
    z = np.arange(6.0)
    for order in ([3, 4, 5, 0, 1, 2], [1, 0, 2, 3, 4, 5], [0, 3, 1, 4, 2, 5], [5, 4, 3, 2, 1, 0]):
        pairs = Pairs.grid(np.zeros((2, 1)), np.zeros((3, 1)))[order]
        assert pairs.is_complete
        assert np.array_equal(pairs.matrix(z[order]), z.reshape(2, 3))
        assert np.array_equal(pairs.entries(z.reshape(2, 3)), z[order])


def test_a_grid_of_one_column_takes_its_responses_as_a_vector():
    pairs = Pairs.grid(X, Y[:1])[::-1]
    z = np.arange(4.0)
    assert np.array_equal(pairs.responses(z), z)


KEYS = [
    slice(2, 9, 3),
    slice(None, None, -1),
    [3, 0, 7],
    np.array([-1, 2]),
    np.arange(12) % 2 == 0,
    [True] * 3 + [False] * 9,
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing(key):
    part = GRID[key]
    expected = np.arange(12)[key]
    assert index_set(part) == [(k // 3, k % 3) for k in expected]
    assert part.X is GRID.X or np.array_equal(part.X, GRID.X)
    assert index_set(GRID[key, ...]) == index_set(part)
    assert index_set(_safe_indexing(GRID, key)) == index_set(part)


def test_pickling():
    assert index_set(pickle.loads(pickle.dumps(GRID[2:5]))) == index_set(GRID[2:5])


def test_scikit_learn_splits_pairs():
    z = GRID.matrix(np.arange(12.0))[GRID.i, GRID.j]
    seen = []
    for train, test in KFold(4, shuffle=True, random_state=0).split(GRID, z):
        seen += index_set(GRID[test])
        assert not set(index_set(GRID[train])) & set(index_set(GRID[test]))
    assert sorted(seen) == index_set(GRID)
    train, test, z_train, z_test = train_test_split(GRID, z, test_size=0.25, random_state=0)
    for part, values in ((train, z_train), (test, z_test)):
        assert np.array_equal(part.i * 3 + part.j, values)
    assert (len(train), len(test)) == (9, 3)
    mixed, z_mixed = shuffle(GRID, z, random_state=1)
    assert np.array_equal(mixed.i * 3 + mixed.j, z_mixed)
    assert not np.array_equal(z_mixed, z)


@pytest.mark.parametrize("side", ["i", "j"])
def test_groups_leave_out_whole_targets_or_sources(side):
    for train, test in GroupKFold(3).split(GRID, groups=getattr(GRID, side)):
        left_out = set(getattr(GRID[test], side).tolist())
        assert left_out
        assert not left_out & set(getattr(GRID[train], side).tolist())


def test_the_first_nan_of_a_grid_is_where_it_is():
    z = np.ones((3, 4))
    z[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"z contains NaN .*index \(1, 2\)"):
        Pairs.grid(np.eye(3), np.eye(4)).responses(z)
