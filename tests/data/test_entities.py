"""Identity and Constant within the domains: ids of Pairs, fits, predictions, leaving out."""

import pickle
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from optional import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from rkbs import (
    ADMM,
    EDP,
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Constant,
    Identity,
    Kernel,
    Linear,
    Pairs,
    Precomputed,
    inspect,
)

# Without intercept, as the formulas are that the fits are compared with.
ridge, ridge_cv, nuclear, nuclear_cv = (
    partial(machine, fit_intercept=False)
    for machine in (
        BinaryKernelRidge,
        BinaryKernelRidgeCV,
        BinaryKernelMachine,
        BinaryKernelMachineCV,
    )
)

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 2)), RNG.normal(size=(6, 3))
X[4], Y[5] = X[1], Y[2]  # equal features
DRUGS, CELLS = list("abcdefg"), [10, 11, 12, 13, 14, 15]
Z = RNG.normal(size=(7, 6))
NEW = RNG.normal(size=(3, 2))
KERNEL = 1.5 * RBF() + 0.5 * Identity() + 0.25 * Constant()


def told(K, ids_a, ids_b):
    """1.5 K + 0.5 [same id] + 0.25, entry by entry."""
    return np.array(
        [
            [1.5 * K[a, b] + 0.5 * (i == j) + 0.25 for b, j in enumerate(ids_b)]
            for a, i in enumerate(ids_a)
        ]
    )


def dense_ridge(gram_x, gram_y, pairs, z, alpha, rows_x, rows_y):
    """Ridge from the Gram matrix of the pairs, and its predictions for all rows × rows."""
    i, j = pairs.i, pairs.j
    gram = gram_x[np.ix_(i, i)] * gram_y[np.ix_(j, j)]
    c = np.linalg.solve(gram + alpha * np.eye(len(z)), z)
    coefficients = np.zeros((len(gram_x), len(gram_y)))
    np.add.at(coefficients, (i, j), c)
    return rows_x @ coefficients @ rows_y.T


def brute_identity(ids_a, ids_b):
    return np.array([[float(i == j) for j in ids_b] for i in ids_a])


# ---- who is who in fits and predictions


@pytest.mark.parametrize("ids_y", [None, CELLS], ids=["one side", "both sides"])
@pytest.mark.parametrize("keep", [None, 5], ids=["grid", "some"])
def test_fits_and_predictions_go_by_ids(keep, ids_y):
    pairs, z = Pairs.grid(X, Y, ids_x=DRUGS, ids_y=ids_y), Z.ravel()
    if keep:
        chosen = np.arange(42) % keep != 0
        pairs, z = pairs[chosen], z[chosen]
    machine = ridge(KERNEL, KERNEL, alpha=0.3).fit(pairs, z)
    new_X, new_ids = np.vstack([X[[4, 1]], NEW]), ["e", "b", "new", "x", "y"]
    cells = ids_y or [0, 1, 2, 3, 4, 2]  # equal points are one entity
    expected = dense_ridge(
        told(RBF()(X, X), DRUGS, DRUGS),
        told(RBF()(Y, Y), cells, cells),
        pairs,
        z,
        0.3,
        told(RBF()(new_X, X), new_ids, DRUGS),
        told(RBF()(Y, Y), cells, cells),
    )
    found = machine.predict_grid(new_X, Y, ids_x=new_ids, ids_y=ids_y)
    assert np.abs(found - expected).max() < 1e-9
    grid = Pairs.grid(new_X, Y, ids_x=new_ids, ids_y=ids_y)
    assert np.abs(machine.predict(grid) - expected.ravel()).max() < 1e-9
    assert np.abs(machine.predict(grid[3:7]) - expected.ravel()[3:7]).max() < 1e-9
    towers = machine.query(new_X, new_ids) @ machine.key(Y, ids_y).T
    assert np.abs(towers - expected).max() < 1e-9
    other = machine.predict_grid(X[[4]], Y, ids_x=["b"], ids_y=ids_y)
    assert np.abs(other - found[1]).max() < 1e-9  # "b", whose features are those of "e"
    assert np.abs(other - found[0]).max() > 1e-3


def test_the_order_of_what_is_predicted_does_not_matter():
    """Row numbers of another array are no ids."""
    machine = ridge(Identity(), Identity(), alpha=0.1)
    machine.fit(Pairs.grid(X, Y, ids_x=DRUGS, ids_y=CELLS), Z)
    whole = machine.predict_grid(X, Y, ids_x=DRUGS, ids_y=CELLS)
    assert np.abs(whole - Z / 1.1).max() < 1e-12  # of orthonormal features
    order, other = [5, 0, 3], [4, 1]
    part = machine.predict_grid(
        X[order], Y[other], ids_x=np.array(DRUGS)[order], ids_y=np.array(CELLS)[other]
    )
    assert np.abs(part - whole[np.ix_(order, other)]).max() < 1e-12
    assert not machine.predict_grid(X, Y, ids_x=list("tuvwxyz"), ids_y=CELLS).any()


def test_without_ids_equal_points_are_one_entity():
    machine = ridge(Identity(), Identity(), alpha=0.1).fit(Pairs.grid(X, Y), Z)
    points = np.vstack([NEW[:1], X[4:5], X[:1] * (1 + 1e-15), -0.0 * X[:1] + X[:1]])
    found = machine.predict_grid(points, Y)
    ids_x, ids_y = [0, 1, 2, 3, 1, 5, 6], [0, 1, 2, 3, 4, 2]
    expected = dense_ridge(
        brute_identity(ids_x, ids_x),
        brute_identity(ids_y, ids_y),
        Pairs.grid(X, Y),
        Z.ravel(),
        0.1,
        brute_identity([-1, 1, -2, 0], ids_x),
        brute_identity(ids_y, ids_y),
    )
    assert np.abs(found - expected).max() < 1e-12
    assert not found[[0, 2]].any()
    table = np.hstack([X[[4, 0]], Y[[1, 2]]])
    assert np.abs(machine.predict(table) - found[[1, 3], [1, 2]]).max() < 1e-12


def test_repeated_ids_are_one_entity():
    ids = ["a", "b", "c", "d", "b", "f", "g"]
    machine = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=ids), Z)
    plain = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y), Z)
    named = machine.predict_grid(X, Y, ids_x=ids)
    assert np.abs(named - plain.predict_grid(X, Y)).max() < 1e-10
    assert np.array_equal(named[1], named[4])
    distinct = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    assert np.abs(distinct.predict_grid(X, Y, ids_x=DRUGS) - named).max() > 1e-2


@pytest.mark.parametrize("tall", [False, True])
def test_similarities_and_identity(tall):
    """Precomputed is asked for indices, Identity who they are."""
    everyone = np.vstack([X, NEW])
    G = RBF()(everyone, X) if tall else RBF()(X, X)
    kernel = 1.5 * Precomputed(G) + 0.5 * Identity() + 0.25 * Constant()
    points, named = Precomputed.points(len(G)), ["u", "v", "w"]
    for ids in (None, DRUGS):
        machine = ridge(kernel, RBF(), alpha=0.3)
        machine.fit(Pairs.grid(points[:7], Y, ids_x=ids), Z)
        others = points[[6, 2, *range(7, len(G))]]
        names = ids and ["g", "c", *named[: len(G) - 7]]
        found = machine.predict_grid(others, Y, ids_x=names)
        similar = RBF()(everyone, X)[others[:, 0].astype(int)]
        expected = dense_ridge(
            told(RBF()(X, X), DRUGS, DRUGS),
            RBF()(Y, Y),
            Pairs.grid(X, Y),
            Z.ravel(),
            0.3,
            told(similar, ["g", "c", *named][: len(others)], DRUGS),
            RBF()(Y, Y),
        )
        assert np.abs(found - expected).max() < 1e-9


@pytest.mark.parametrize(
    "build",
    [
        lambda k: (k + Linear()).T.T,
        lambda k: (Linear() + k).T,
        lambda k: (k * RBF()).pullback(None, None) + Linear(),
        lambda k: 2.0 * k + Linear() * Constant(),
        lambda k: Listed([k, Linear()]),
    ],
)
def test_ids_reach_identity_through_the_algebra(build):
    """The same kernel with its Identity replaced by a table of who is who."""
    kernel = build(Identity())
    machine = ridge(kernel, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    ids = np.array(["c", "e", "z"])
    new = np.vstack([X[[2, 4]], NEW[:1]])
    everyone, names = np.vstack([X, new[2:]]), [*DRUGS, "z"]
    same = brute_identity(names, names)
    table = build(Precomputed(same))

    def gram(rows, columns):
        total = np.empty((len(rows), len(columns)))
        for a, i in enumerate(rows):
            for b, j in enumerate(columns):
                total[a, b] = value(table, everyone[i], everyone[j], i, j)
        return total

    expected = dense_ridge(
        gram(range(7), range(7)),
        RBF()(Y, Y),
        Pairs.grid(X, Y),
        Z.ravel(),
        0.3,
        gram([2, 4, 7], range(7)),
        RBF()(Y, Y),
    )
    assert np.abs(machine.predict_grid(new, Y, ids_x=ids) - expected).max() < 1e-9


class Listed(Kernel):
    """A user's sum of several kernels, which holds them in a list."""

    is_mercer = is_symmetric = True
    is_positive = None

    def __init__(self, kernels):
        self.kernels = kernels

    def feature_dim(self, d):
        return None

    def formula(self, x, y):
        return sum(kernel(x, y) for kernel in self.kernels)


def value(kernel, x, y, i, j):
    """κ(x, y) of one pair; a Precomputed leaf is asked for (i, j)."""
    name = type(kernel).__name__
    if name == "Precomputed":
        return kernel.matrix[i, j]
    if name == "Listed":
        return sum(value(part, x, y, i, j) for part in kernel.kernels)
    if name in ("Sum", "Product"):
        a, b = value(kernel.a, x, y, i, j), value(kernel.b, x, y, i, j)
        return a + b if name == "Sum" else a * b
    if name == "Scaled":
        return kernel.factor * value(kernel.kernel, x, y, i, j)
    if name == "Transpose":
        return value(kernel.kernel, y, x, j, i)
    if name == "Pullback":
        return value(kernel.kernel, x, y, i, j)
    return kernel(x[None], y[None])[0, 0]


def test_transposes_turn_who_is_who():
    """(n, m) with n ≠ m, where a matrix that is not turned does not fit."""
    same = np.array([[True, False, False], [False, False, True]])
    kernel = (Identity() + Linear()).T._told(lambda: same)
    x, y = X[:2], X[4:7]
    assert np.abs(kernel(x, y) - same - Linear()(x, y)).max() < 1e-15


def test_behind_a_map_images_are_compared():
    """The effect of a group: the first column, whatever the ids."""
    grouped = np.column_stack([[0.0, 1, 0, 1, 1, 0, 2], np.arange(7)])
    kernel = Identity().pullback(lambda x: x[:, :1], lambda x: x[:, :1])
    machine = ridge(kernel, Identity(), alpha=0.1)
    machine.fit(Pairs.grid(grouped, Y, ids_x=DRUGS, ids_y=CELLS), Z)
    # Of a group's indicator with n members: the sum over n + α.
    groups = grouped[:, 0]
    new = np.array([[1.0, 50], [3.0, 0]])
    expected = np.array([Z[groups == 1].sum(0) / 3.1, np.zeros(6)])
    assert np.abs(machine.predict_grid(new, Y, ids_y=CELLS) - expected).max() < 1e-12


def test_a_constant_alone_leaves_the_columns():
    machine = ridge(Constant(), Identity(), alpha=0.7)
    machine.fit(Pairs.grid(X, Y, ids_y=CELLS), Z)
    expected = np.tile(Z.sum(0) / 7.7, (3, 1))
    assert np.abs(machine.predict_grid(NEW, Y, ids_y=CELLS) - expected).max() < 1e-12


def test_identity_in_both_domains_is_soft_thresholding():
    """The nuclear norm of a complete matrix: singular values less α, from numpy alone."""
    machine = nuclear(Identity(), Identity(), alpha=1.2, solver=ADMM(tol=1e-12))
    machine.fit(Pairs.grid(X, Y, ids_x=DRUGS, ids_y=CELLS), Z)
    left, s, right = np.linalg.svd(Z, full_matrices=False)
    expected = left * np.maximum(s - 1.2, 0) @ right
    assert 0 < machine.rank_ < 6
    found = machine.predict_grid(X, Y, ids_x=DRUGS, ids_y=CELLS)
    assert np.abs(found - expected).max() < 1e-6


# ---- leaving out


@pytest.mark.parametrize("ids", [False, True], ids=["without ids", "ids"])
@pytest.mark.parametrize("leave", ["pair", "row", "column"])
@pytest.mark.parametrize("keep", [None, 5], ids=["grid", "some"])
@pytest.mark.filterwarnings("ignore:[XY] holds", "ignore:the chosen alpha")
def test_leave_one_out_is_a_refit(keep, leave, ids):
    """Without a row, and predicting it as new: by dense solves of what is left."""
    drugs = DRUGS if ids else [0, 1, 2, 3, 1, 5, 6]
    cells = CELLS if ids else [0, 1, 2, 3, 4, 2]
    names = {"ids_x": drugs, "ids_y": cells} if ids else {}
    pairs, z = Pairs.grid(X, Y, **names), Z.ravel()
    if keep:
        chosen = np.arange(42) % keep != 0
        pairs, z = pairs[chosen], z[chosen]
    machine = ridge_cv(KERNEL, KERNEL, alphas=(0.3, 2.0), leave=leave).fit(pairs, z)
    gram_x, gram_y = told(RBF()(X, X), drugs, drugs), told(RBF()(Y, Y), cells, cells)
    labels = {"pair": np.arange(len(z)), "row": pairs.i, "column": pairs.j}[leave]
    for alpha, rmse in zip((0.3, 2.0), machine.leave_out_rmse_, strict=True):
        errors = []
        for label in np.unique(labels):
            out = labels == label
            h = dense_ridge(gram_x, gram_y, pairs[~out], z[~out], alpha, gram_x, gram_y)
            errors.append(h[pairs.i[out], pairs.j[out]] - z[out])
        assert rmse == pytest.approx(np.sqrt(np.mean(np.concatenate(errors) ** 2)), rel=1e-9)


@pytest.mark.parametrize("leave", ["row", "column"])
@pytest.mark.filterwarnings("ignore:[XY] holds", "ignore:the chosen alpha")
def test_folds_of_the_nuclear_norm_are_refits_of_new_entities(leave):
    pairs = Pairs.grid(X, Y, ids_x=DRUGS, ids_y=CELLS)
    machine = nuclear_cv(
        KERNEL,
        KERNEL,
        alphas=(0.5, 2.0),
        leave=leave,
        cv=6 if leave == "column" else 7,
        solver=ADMM(tol=1e-10),
    ).fit(pairs, Z)
    index = pairs.i if leave == "row" else pairs.j
    order = np.random.default_rng(0).permutation(np.unique(index))
    for k, alpha in enumerate(machine.alphas_):
        for fold, label in enumerate(order):
            out = index == label
            single = nuclear(KERNEL, KERNEL, alpha=alpha, solver=ADMM(tol=1e-10))
            h = single.fit(pairs[~out], Z.ravel()[~out]).predict(pairs[out])
            score = ((h - Z.ravel()[out]) ** 2).mean() / 2
            assert machine.cv_scores_[k, fold] == pytest.approx(score, rel=1e-4)


@pytest.mark.filterwarnings("ignore:the chosen alpha")
def test_a_constant_kernel_leaks_nothing(recwarn):
    pairs = Pairs.grid(X[:4], Y[:5], ids_x=DRUGS[:4])
    ridge_cv(Constant(), RBF(), leave="row").fit(pairs, Z[:4, :5])
    assert not [w for w in recwarn if "holds" in str(w.message)]
    same = Pairs.grid(X[[0, 0, 0, 0]], Y[:5])
    with pytest.warns(UserWarning, match="X holds 3 rows in use that equal an earlier one"):
        ridge_cv(RBF(), RBF(), leave="row").fit(same, Z[:4, :5])


# ---- Pairs carry ids


def ids_of(pairs):
    return [
        (pairs.ids_x[i], pairs.ids_y[j])
        for i, j in zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)
    ]


def test_every_constructor_and_subset_carries_ids():
    names = {"ids_x": DRUGS, "ids_y": CELLS}
    grid = Pairs.grid(X, Y, **names)
    everything = [(drug, cell) for drug in DRUGS for cell in CELLS]
    assert ids_of(grid) == everything
    assert ids_of(Pairs(X, Y, [2, 5], [0, 4], **names)) == [("c", 10), ("f", 14)]
    mask = np.zeros((7, 6), dtype=bool)
    mask[3, 1] = mask[6, 2] = True
    sparse = Pairs.from_mask(X, Y, mask, **names)
    assert ids_of(sparse) == ids_of(sparse.compact()) == [("d", 11), ("g", 12)]
    assert sparse.compact().ids_x.tolist() == ["d", "g"]
    for key in (slice(3, 20, 4), [5, 0], np.arange(42) % 3 == 0):
        picked = ids_of(grid[key])
        assert picked == [everything[k] for k in np.arange(42)[key]]
        assert ids_of(grid[key].compact()) == picked
    assert ids_of(pickle.loads(pickle.dumps(grid))) == everything
    assert Pairs.grid(X, Y).ids_x is None
    assert Pairs.grid(X, Y, ids_y=CELLS)[:3].compact().ids_y.tolist() == CELLS[:3]


@pytest.mark.parametrize("named", [("ids_x", "ids_y"), ("ids_x",), ()], ids=str)
def test_rows_of_a_table_are_gathered_by_entity(named):
    order = np.random.default_rng(1).permutation(42)
    grid = Pairs.grid(X, Y, ids_x=DRUGS, ids_y=CELLS)[order]
    table = np.hstack([grid.X[grid.i], grid.Y[grid.j]])
    given = {"ids_x": grid.ids_x[grid.i], "ids_y": grid.ids_y[grid.j]}
    if not named:
        with pytest.raises(ValueError, match="must not repeat a pair"):
            Pairs.from_table(table, 2)  # points 1 and 4 are one
        return
    keep = slice(None) if len(named) == 2 else grid.j != 5
    pairs = Pairs.from_table(table[keep], 2, **{name: given[name][keep] for name in named})
    assert np.array_equal(np.hstack([pairs.X[pairs.i], pairs.Y[pairs.j]]), table[keep])
    assert len(pairs.X) == 7
    assert np.array_equal(pairs.ids_x[pairs.i], given["ids_x"][keep])
    assert (pairs.ids_y is None) == (len(named) == 1)


LABELS = {
    "strings": DRUGS,
    "array": np.array(DRUGS),
    "objects": np.array(DRUGS, dtype=object),
    "index": pd.Index(DRUGS),
    "series": pd.Series(DRUGS, index=range(7, 0, -1)),
    "categories": pd.Series(DRUGS, dtype="category"),
    "polars": pl.Series(DRUGS),
    "tuples": [("drug", k) for k in range(7)],
    "mixed": ["a", 1, 2.5, ("b", 2), b"c", None.__class__, frozenset({1})],
    "integers": range(7),
    "numpy integers": np.arange(7),
    "tensor": torch.arange(7),
    "dates": pd.date_range("2020-01-01", periods=7),
    "datetime64": np.arange("2020-01-01", "2020-01-08", dtype="datetime64[D]"),
}


@pytest.mark.parametrize("name", LABELS)
def test_ids_of_any_kind(name):
    ids = LABELS[name]
    machine = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=ids), Z)
    reference = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    order = [3, 4, 1]
    picked = [machine.ids_x_[k] for k in order]
    expected = reference.predict_grid(X[order], Y, ids_x=["d", "e", "b"])
    assert np.array_equal(machine.predict_grid(X[order], Y, ids_x=picked), expected)
    assert np.array_equal(machine.predict(Pairs.grid(X, Y, ids_x=ids))[18:24], expected[0])


def test_numbers_are_compared_as_numbers():
    machine = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y, ids_x=np.arange(7)), Z)
    expected = machine.predict_grid(X, Y, ids_x=list(range(7)))
    assert np.array_equal(machine.predict_grid(X, Y, ids_x=np.arange(7.0)), expected)
    assert np.array_equal(machine.predict_grid(X, Y, ids_x=torch.arange(7)), expected)


BAD_IDS = [
    (DRUGS[:6], ValueError, "ids_x must hold an id for each of 7 rows of X, got 6"),
    ("abcdefg", TypeError, "ids_x must be a sequence with an id for each row of X, got 'abcdefg'"),
    (set(DRUGS), TypeError, "ids_x must be a sequence"),
    (dict.fromkeys(DRUGS), TypeError, "ids_x must be a sequence"),
    (7, TypeError, "ids_x must be a sequence .* got 7"),
    (np.zeros((7, 1)), TypeError, "ids_x must be a sequence .* got 2 axes"),
    (pd.DataFrame({"a": DRUGS}), TypeError, "got 2 axes"),
    (np.array("a"), TypeError, "got 0 axes"),
    ([*DRUGS[:6], None], ValueError, "ids_x must name every row of X, but has None for row 6"),
    ([*range(6), np.nan], ValueError, "but has nan for row 6"),
    (pd.Series([*range(6), None], dtype="Int64"), ValueError, "has <NA> for row 6"),
    (pd.Series([*DRUGS[:3], None, *DRUGS[4:]]), ValueError, "for row 3"),
    (pd.DatetimeIndex([*["2020-01-01"] * 6, None]), ValueError, "has NaT for row 6"),
    (np.ma.masked_array(range(7), [0] * 6 + [1]), ValueError, "for row 6"),
    ([("a", np.nan), *DRUGS[1:]], ValueError, "for row 0"),
    ([["a"]] * 7, TypeError, "ids_x must hold hashable ids, .* got list for row 0 of X"),
    ([*DRUGS[:6], (1, [2])], TypeError, "got tuple for row 6"),
    (
        ["a", "b", "a", "d", "e", "f", "g"],
        ValueError,
        "gives the id 'a' to rows 0 and 2 of X, which",
    ),
]


@pytest.mark.parametrize(("ids", "error", "says"), BAD_IDS)
def test_bad_ids_are_named(ids, error, says):
    for build in (
        lambda: Pairs.grid(X, Y, ids_x=ids),
        lambda: Pairs(X, Y, [0], [0], ids_x=ids),
        lambda: Pairs.from_mask(X, Y, np.ones((7, 6), bool), ids_x=ids),
    ):
        with pytest.raises(error, match=says):
            build()
    machine = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    with pytest.raises(error, match=says):
        machine.predict_grid(X, Y, ids_x=ids)
    with pytest.raises(error, match=says.replace("ids_x", "ids")):
        machine.query(X, ids)
    with pytest.raises(
        error, match=says.replace("rows of X", "rows of the table").split(" of X")[0]
    ):
        Pairs.from_table(np.hstack([X, Y[:1].repeat(7, 0)]), 2, ids_x=ids)


def test_ids_must_be_there_at_both_times_if_the_kernel_asks():
    with_ids = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    without = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y), Z)
    lacking = (
        "X comes without ids, but the machine was fitted with ids_x .* pass ids_x to predict_grid"
    )
    for predict in (
        lambda: with_ids.predict_grid(X, Y),
        lambda: with_ids.predict(Pairs.grid(X, Y)),
        lambda: with_ids.predict(np.hstack([X[:1], Y[:1]])),
        lambda: with_ids.query(X),
    ):
        with pytest.raises(ValueError, match=lacking):
            predict()
    with pytest.raises(ValueError, match="X comes with ids_x, but the machine was fitted without"):
        without.predict_grid(X, Y, ids_x=DRUGS)
    # A kernel that does not ask takes them or leaves them.
    plain = ridge(RBF(), KERNEL).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    assert np.array_equal(plain.predict_grid(X, Y), plain.predict_grid(X, Y, ids_x=DRUGS))
    with pytest.raises(ValueError, match="Y comes with ids_y, but"):
        plain.predict_grid(X, Y, ids_y=CELLS)


def test_ids_and_features_must_agree_with_the_fit():
    machine = ridge(KERNEL, RBF()).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    moved = X.copy()
    moved[3, 1] += 1e-9
    with pytest.raises(ValueError, match="the id 'd' to row 3 of X, which differs in column 1"):
        machine.predict_grid(moved, Y, ids_x=DRUGS)
    with pytest.raises(ValueError, match="ids_x holds numbers, but in the fit it held str"):
        machine.predict_grid(X, Y, ids_x=range(7))
    new = machine.predict_grid(moved[3:4], Y, ids_x=["a new one"])
    assert np.isfinite(new).all()


def test_machines_with_ids_live_in_scikit_learn():
    pairs = Pairs.grid(X, Y, ids_x=DRUGS, ids_y=CELLS)
    machine = clone(ridge(KERNEL, Identity() + Constant(), alpha=0.5))
    found = cross_val_predict(machine, pairs, Z.ravel(), cv=3)
    for fold in np.array_split(np.arange(42), 3):
        rest = np.setdiff1d(np.arange(42), fold)
        gram_y = brute_identity(CELLS, CELLS) + 1
        gram_x = told(RBF()(X, X), DRUGS, DRUGS)
        h = dense_ridge(gram_x, gram_y, pairs[rest], Z.ravel()[rest], 0.5, gram_x, gram_y)
        assert np.abs(found[fold] - h[pairs.i[fold], pairs.j[fold]]).max() < 1e-9
    again = pickle.loads(pickle.dumps(machine.fit(pairs, Z)))
    assert np.array_equal(again.predict(pairs), machine.predict(pairs))
    assert machine.score(pairs, Z) > 0.5


def test_inspection_of_entity_kernels():
    report = inspect(Identity() + Constant(), X)
    assert report.is_within_domain_gram
    assert report.rank == 6  # two of the points are one
    assert inspect(EDP() * Identity(), X[:4]).rank == 4


def test_pandas_and_tensors_of_features_keep_their_ids():
    frame = pd.DataFrame(X, columns=["u", "v"], index=DRUGS)
    machine = ridge(KERNEL, RBF(), alpha=0.3)
    machine.fit(Pairs.grid(frame, torch.tensor(Y), ids_x=frame.index), Z)
    part = frame.loc[["e", "a"]]
    found = machine.predict_grid(part, torch.tensor(Y), ids_x=part.index)
    reference = ridge(KERNEL, RBF(), alpha=0.3).fit(Pairs.grid(X, Y, ids_x=DRUGS), Z)
    assert np.array_equal(found, reference.predict_grid(X[[4, 0]], Y, ids_x=["e", "a"]))


def test_a_missing_label_of_a_group_is_named_whatever_it_is():
    labels = pd.array([*DRUGS[:2], pd.NA, *DRUGS[3:]], dtype="string")
    machine = ridge_cv(RBF(), RBF(), leave="row")
    with pytest.raises(ValueError, match=r"groups_x must label every row of X.* none for row 2"):
        machine.fit(Pairs.grid(X, Y), Z, groups_x=labels)
