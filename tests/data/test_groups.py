"""What is left out together: groups of rows against refits, and equal points under several ids."""

import os
import warnings
from pathlib import Path

import flint
import numpy as np
import pandas as pd
import pytest
from helpers import every_two
from sklearn.base import clone

from rkbs import Pairs, Precomputed
from rkbs.data._groups import Groups
from rkbs.kernels import RBF, Linear
from rkbs.laws import relative
from rkbs.machines import (
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
)
from rkbs.machines._folds import cuts_of
from rkbs.problems import OperatorProblem
from rkbs.problems.offsets import Offsets
from rkbs.solvers import Spectral
from rkbs.solvers.operators import _leave_out

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 2)), RNG.normal(size=(6, 2))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.3 * RNG.normal(size=(7, 6))
GROUPS_X = ["b", "a", "b", "c", "a", "b", "d"]
GROUPS_Y = np.array([3, 1, 3, 2, 1, 1])
SOME = RNG.uniform(size=Z.shape) < 0.7
SOME[2], SOME[2, 1] = False, True
LEAVES = ("pair", "row", "column")
DAVIS = Path(os.environ.get("RKBS_DATA", "../shared/data")) / "davis"
alphas = (0.03, 0.3, 3.0)
MACHINES = {
    "ridge-cv": BinaryKernelRidgeCV(alphas=(1.0,)),
    "nuclear-cv": BinaryKernelMachineCV(alphas=(1.0,), cv=2),
}


def left_out(pairs, leave, groups_x, groups_y):
    """For each pair the mask of all that goes with it, by the definition."""
    x, y = np.asarray(groups_x)[pairs.i], np.asarray(groups_y)[pairs.j]
    rows, columns = x[:, None] == x, y[:, None] == y
    return {"pair": rows & columns, "row": rows, "column": columns}[leave]


def refitted(pairs, z, alpha, leave, groups_x, groups_y, fit_intercept=True):
    """The residual of each pair by a machine fitted without all that goes with it."""
    residuals = []
    for n, out in enumerate(left_out(pairs, leave, groups_x, groups_y)):
        machine = BinaryKernelRidge(RBF(), Linear(), alpha=alpha, fit_intercept=fit_intercept)
        machine.fit(pairs[~out], z[~out])
        at = pairs.X[pairs.i[n]][None], pairs.Y[pairs.j[n]][None]
        residuals.append(z[n] - machine.predict_grid(*at).item())
    return np.array(residuals)


@pytest.mark.parametrize(
    ("leave", "given", "mask"),
    every_two(LEAVES, ["both", "x", "y", "none"], [np.ones_like(SOME), SOME]),
)
def test_exact_leave_out_is_that_of_refits(mask, given, leave):
    pairs, z = Pairs.from_mask(X, Y, mask), Z[mask]
    groups_x = GROUPS_X if given in ("both", "x") else None
    groups_y = GROUPS_Y if given in ("both", "y") else None
    machine = BinaryKernelRidgeCV(RBF(), Linear(), alphas=alphas, leave=leave)
    with warnings.catch_warnings(action="ignore"):  # the best α may be at an end
        machine.fit(pairs, z, groups_x=groups_x, groups_y=groups_y)
    singles = range(7) if groups_x is None else groups_x, range(6) if groups_y is None else groups_y
    for alpha, rmse in zip(alphas, machine.leave_out_rmse_, strict=True):
        residuals = refitted(pairs, z, alpha, leave, *singles)
        assert rmse == pytest.approx(np.sqrt(np.mean(residuals**2)), rel=1e-9)


@pytest.mark.parametrize("alpha", [1e-9, 1e-2, 1e6])
@pytest.mark.parametrize("least", [0.0, np.inf], ids=["matrix", "root"])
@pytest.mark.parametrize("constant", [False, True])
def test_blocks_are_solved_by_their_matrix_or_its_root(constant, least, alpha, monkeypatch):
    monkeypatch.setattr(_leave_out, "_REGULAR", least)
    pairs, z, offsets = Pairs.grid(X, Y), Z.ravel(), Offsets(constant)
    grams = RBF()(X, X), Linear()(Y, Y)
    state = Spectral().setup(OperatorProblem(*grams, pairs, z, alpha, offsets=offsets))
    groups = Groups.in_use(pairs, pairs, GROUPS_X, GROUPS_Y)
    right = refitted(pairs, z, alpha, "pair", GROUPS_X, GROUPS_Y, constant)
    # An inverse condition of α/λ is left to the matrix, and all digits to its root.
    assert relative(state.leave_out_residuals(alpha, "pair", groups), right) < (
        1e-9 if least or alpha > 1e-9 else 1e-5
    )


def solved_exactly(U, V, D, C):
    """((U ⊗ V) diag(D) (U ⊗ V)ᵀ)⁻¹ (U ⊗ V) C of these floats, in ball arithmetic of 300 digits."""
    with flint.ctx.workprec(1000):
        W, right = (flint.arb_mat(part.tolist()) for part in (np.kron(U, V), C.reshape(-1, 1)))
        weighted = W * flint.arb_mat(np.diag(D.ravel()).tolist())
        solution = (weighted * W.transpose()).solve(W * right)
        return np.array([float(entry.mid()) for entry in solution.entries()])


@pytest.mark.parametrize("decades", [0, 4, 8, 12, 16, 30])
@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (1, 4), (4, 5)])
def test_blocks_of_any_shape_and_condition_keep_their_digits(shape, decades):
    """D is 1 in fewer places than the block has rows, and so many decades below in the others.

    From 20 decades on the matrix has no Cholesky factor in floating point.
    """
    rng = np.random.default_rng(0)
    U, V = (
        np.linalg.qr(rng.normal(size=(n, n)))[0][:k] for n, k in zip((7, 6), shape, strict=True)
    )
    D = 10.0**-decades * rng.uniform(1, 2, (7, 6))
    few = np.arange(min(5, len(U) * len(V) - 1))
    D[few, few] = 1.0
    C = D * rng.normal(size=(7, 6))
    matrix = np.einsum("ia,ja,ab,kb,lb->ikjl", U, U, D, V, V, optimize=True)
    matrix = matrix.reshape(len(U) * len(V), -1)
    found = _leave_out._block(matrix, U, V, D, C)
    # 1e-10 is what a matrix at the edge of being regular leaves.
    assert relative(found.ravel(), solved_exactly(U, V, D, C)) < 1e-9


def test_large_groups_take_no_more_room_than_their_pairs(monkeypatch):
    """Of 40 × 40 points in 4 × 4 groups a block's root has 1600 × 100 entries."""
    monkeypatch.setattr(_leave_out.np, "kron", None)
    points = np.random.default_rng(0).normal(size=(40, 2))
    machine = BinaryKernelRidgeCV(alphas=(1.0,))
    labels = np.arange(40) % 4
    machine.fit(Pairs.grid(points, points), points @ points.T, groups_x=labels, groups_y=labels)
    assert machine.leave_out_rmse_ > 0


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("mask", [np.ones_like(SOME), SOME], ids=["complete", "incomplete"])
def test_one_group_leaves_nothing_to_train_on(name, leave, mask):
    machine, pairs = clone(MACHINES[name]).set_params(leave=leave), Pairs.from_mask(X, Y, mask)
    with pytest.raises(ValueError, match=f"{leave}s, or groups of them, got 1 "):
        machine.fit(pairs, Z[mask], groups_x=np.ones(7), groups_y=np.ones(6))


@pytest.mark.parametrize("leave", LEAVES)
def test_folds_hold_whole_groups(leave):
    pairs, z = Pairs.from_mask(X, Y, SOME), Z[SOME]
    machine = BinaryKernelMachineCV(RBF(), Linear(), alphas=(0.3,), cv=2, leave=leave)
    machine.fit(pairs, z, groups_x=GROUPS_X, groups_y=GROUPS_Y)
    together = left_out(pairs, leave, GROUPS_X, GROUPS_Y)
    scores = []
    groups = Groups.in_use(pairs, pairs, GROUPS_X, GROUPS_Y)
    folds = [cut.test for cut in cuts_of(pairs, leave, 2, np.random.default_rng(0), groups)]
    for out in folds:
        assert (together[out] <= out).all()  # whoever goes with a pair that is out is out
        fit = BinaryKernelMachine(RBF(), Linear(), alpha=0.3).fit(pairs[~out], z[~out])
        scores.append(np.mean((fit.predict(pairs[out]) - z[out]) ** 2) / 2)
    assert sum(out.sum() for out in folds) == len(pairs)
    assert machine.cv_scores_[0] == pytest.approx(scores, rel=1e-3)


# A protein under two ids, responses of which nothing can be learned about a new one.
TWICE, W = np.vstack([Y, Y]), RNG.normal(size=(7, 6))
TWO = np.tile(W, 2) + 0.01 * RNG.normal(size=(7, 12))
CONCERNED = {"pair": "XY", "row": "X", "column": "Y"}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("domain", "XY")
def test_equal_points_are_reported_and_the_advice_works(name, domain, leave):
    machine = clone(MACHINES[name]).set_params(leave=leave)
    grid = Pairs.grid(X, TWICE) if domain == "Y" else Pairs.grid(TWICE, X)
    z = TWO if domain == "Y" else TWO.T
    if domain not in CONCERNED[leave]:
        machine.fit(grid, z)  # warnings are errors
        return
    says = rf"^{domain} holds 6 rows in use that equal an earlier one \(the first: 6 and 0\)"
    with pytest.warns(UserWarning, match=says) as caught:
        machine.fit(grid, z)
    advice = str(caught[0].message).split("such as ")[1].split(" (of")[0]
    groups = eval(advice, {"np": np, domain: TWICE})
    machine.fit(grid, z, **{f"groups_{domain.lower()}": groups})


def test_leave_one_column_out_no_longer_leaks():
    machine = BinaryKernelRidgeCV(RBF(), RBF(), leave="column", alphas=(1e-3, 1e-1, 10.0, 1e3))
    with pytest.warns(UserWarning, match=r"^(Y holds 6 rows|the chosen alpha)"):
        leaking = machine.fit(Pairs.grid(X, TWICE), TWO).leave_out_rmse_.min()
    groups = np.tile(np.arange(6), 2)
    with warnings.catch_warnings(action="ignore"):  # any α will do: there is nothing to learn
        right = machine.fit(Pairs.grid(X, TWICE), TWO, groups_y=groups).leave_out_rmse_.min()
    assert leaking < 0.1
    assert right > 0.9 * np.sqrt((W**2).mean())


def test_equal_rows_of_a_similarity_matrix_are_equal_points():
    G = RBF()(TWICE, TWICE)
    machine = BinaryKernelRidgeCV(RBF(), Precomputed(G), alphas=(1.0,), leave="column")
    grid = Pairs.grid(X, Precomputed.points(12))
    with pytest.warns(UserWarning, match=r"^Y holds 6 rows in use.*Precomputed matrix"):
        machine.fit(grid, TWO)
    machine.fit(grid, TWO, groups_y=np.unique(G, axis=0, return_inverse=True)[1].reshape(-1))


@pytest.mark.skipif(not DAVIS.is_dir(), reason=f"no data set davis in {DAVIS.parent}")
def test_davis_has_442_ids_of_384_sequences():
    G = np.loadtxt(DAVIS / "target-target_similarities_WS.txt")
    points, z = Precomputed.points(len(G)), RNG.normal(size=(3, len(G)))
    machine = BinaryKernelRidgeCV(Linear(), Precomputed(G), alphas=(1.0,), leave="column")
    with pytest.warns(UserWarning, match=r"^Y holds 58 rows in use that equal an earlier one"):
        machine.fit(Pairs.grid(np.eye(3), points), z)


@pytest.mark.parametrize("name", MACHINES)
def test_labels_that_do_not_fit(name):
    machine, grid = clone(MACHINES[name]).set_params(leave="row"), Pairs.grid(X, Y)
    for labels, error, says in [
        (GROUPS_X[:3], ValueError, r"^groups_x must have shape \(7,\).*each row of X, got.*\(3,\)"),
        (np.ones((7, 2)), ValueError, r"^groups_x must have shape \(7,\)"),
        ([1.0, np.nan, *range(5)], ValueError, "^groups_x must label every row.* none for row 1$"),
        (["a", None, *"bcdef"], ValueError, "^groups_x must label every row.* none for row 1$"),
    ]:
        with pytest.raises(error, match=says):
            machine.fit(grid, Z, groups_x=labels)
    table, machine = np.hstack([X[grid.i], Y[grid.j]]), machine.set_params(n_features_x=2)
    with pytest.raises(TypeError, match=r"^groups_y holds a label for each row of Y.*pass Pairs$"):
        machine.fit(table, Z.ravel(), groups_y=GROUPS_Y)


def test_labels_of_any_kind():
    right = clone(MACHINES["ridge-cv"]).set_params(leave="row")
    rmse = right.fit(Pairs.grid(X, Y), Z, groups_x=GROUPS_X).leave_out_rmse_
    for labels in (np.array(GROUPS_X), pd.Series(GROUPS_X), pd.Categorical(GROUPS_X)):
        assert right.fit(Pairs.grid(X, Y), Z, groups_x=labels).leave_out_rmse_ == rmse
