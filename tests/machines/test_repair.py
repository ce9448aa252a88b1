"""Similarities as they are: repaired from the training objects, new ones from their rows."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict

from rkbs import (
    RBF,
    BinaryKernelMachine,
    BinaryKernelMachineCV,
    BinaryKernelRidge,
    BinaryKernelRidgeCV,
    Clip,
    Constant,
    Flip,
    Identity,
    L2Distance,
    Pairs,
    Precomputed,
    Shift,
    Symmetrize,
)

RNG = np.random.default_rng(0)
N, M, NEW = 14, 9, 3
F = RNG.normal(size=(N + NEW, 4))
NOISE = RNG.normal(size=(N + NEW, N + NEW))
ALL = np.round(F @ F.T / 4 + 0.2 * (NOISE + NOISE.T), 3)  # indefinite, three digits
SKEW = ALL + 0.01 * RNG.normal(size=ALL.shape)
Y = RNG.normal(size=(M, 2))
Z = RNG.normal(size=(N, M))
MATRICES = {"symmetric": ALL, "asymmetric": SKEW}
BY_HAND = {  # the training matrix and the rows of new objects, by the eigenvalues
    "shift": lambda w, U, S, R: (S - w[0] * np.eye(len(S)), R @ U[:, 1:] @ U[:, 1:].T),
    "clip": lambda w, U, S, R: (U * w.clip(0) @ U.T, R @ U[:, w > 0] @ U[:, w > 0].T),
    "flip": lambda w, U, S, R: (U * abs(w) @ U.T, R @ U * np.sign(w) @ U.T),
}
repairs = pytest.mark.parametrize("repair", BY_HAND)
matrices = pytest.mark.parametrize("kind", MATRICES)
KINDS = {  # how the objects come: the points of the fit, and points of them that are predicted
    "numbers": (lambda S, rows: Precomputed.points(len(S))[rows], lambda S, R, rows: R),
    "rows": (lambda S, rows: S[rows], lambda S, R, rows: R),
}


def by_hand(S, R, repair):
    half = (S + S.T) / 2
    return BY_HAND[repair](*np.linalg.eigh(half), half, R)


def dense(K, gram_y, pairs, z, alpha, rows):
    """Ridge from the Gram matrix of the pairs; its predictions for all rows × Y."""
    i, j = pairs.i, pairs.j
    c = np.linalg.solve(K[np.ix_(i, i)] * gram_y[np.ix_(j, j)] + alpha * np.eye(len(z)), z)
    A = np.zeros((len(K), len(gram_y)))
    A[i, j] = c
    return rows @ A @ gram_y


def ridge(kernel, **more):
    return BinaryKernelRidge(kernel, RBF(), alpha=0.3, fit_intercept=False, **more)


@pytest.mark.parametrize("keep", [None, 3], ids=["grid", "some"])
@pytest.mark.parametrize("points", ["numbers", "rows"])
@repairs
@matrices
def test_fits_and_predictions_are_those_of_the_repaired_matrix(kind, repair, points, keep):
    S, R = MATRICES[kind][:N, :N], MATRICES[kind][N:, :N]
    given = S if points == "rows" else Precomputed.points(N)
    pairs, z = Pairs.grid(given, Y), Z.ravel()
    if keep:
        chosen = RNG.random(N * M) < 0.7
        pairs, z = pairs[chosen], z[chosen]
    assert len(np.unique(pairs.i)) == N
    K, rows = by_hand(S, R, repair)
    machine = ridge(Precomputed(S), repair_x=repair).fit(pairs, z)
    expected = dense(K, RBF()(Y, Y), pairs, z, 0.3, np.vstack([K, rows]))
    assert np.abs(machine.predict_grid(given, Y) - expected[:N]).max() < 1e-9
    assert np.abs(machine.predict_grid(R, Y) - expected[N:]).max() < 1e-9
    assert np.abs(machine.predict(Pairs.grid(R, Y)[::5]) - expected[N:].ravel()[::5]).max() < 1e-9
    order = [3, 0, 7]
    assert np.abs(machine.predict_grid(given[order], Y) - expected[order]).max() < 1e-9
    assert machine.repair_x_.negative == (np.linalg.eigvalsh((S + S.T) / 2) < 0).sum() > 0
    assert machine.repair_y_ is None


@repairs
def test_new_objects_may_be_rows_of_a_taller_matrix(repair):
    S, R = SKEW[:N, :N], SKEW[N:, :N]
    plain = ridge(Precomputed(S), repair_x=repair).fit(Pairs.grid(S, Y), Z)
    tall = ridge(Precomputed(np.vstack([S, R])), repair_x=repair)
    tall.fit(Pairs.grid(Precomputed.points(N), Y), Z)
    found = tall.predict_grid(Precomputed.points(N + NEW), Y)
    expected = np.vstack([plain.predict_grid(S, Y), plain.predict_grid(R, Y)])
    assert np.abs(found - expected).max() < 1e-12


@repairs
def test_the_objects_in_use_alone_are_learned_from(repair):
    """Of a larger matrix, where the others come later: by their numbers or by their rows."""
    use = np.array([16, 2, 3, 5, 8, 9, 11, 12])
    new = np.array([0, 1, 4])
    pairs = Pairs.grid(Precomputed.points(N + NEW), Y)
    keep = np.isin(pairs.i, use)
    z = RNG.normal(size=keep.sum())
    K, rows = by_hand(ALL[np.ix_(np.sort(use), np.sort(use))], ALL[new][:, np.sort(use)], repair)
    machine = ridge(Precomputed(ALL), repair_x=repair).fit(pairs[keep], z)
    expected = dense(K, RBF()(Y, Y), Pairs.grid(np.zeros((8, 1)), Y), z, 0.3, rows)
    for at in (Precomputed.points(N + NEW)[new], ALL[new]):
        assert np.abs(machine.predict_grid(at, Y) - expected).max() < 1e-9


@repairs
def test_cross_validation_sees_no_left_out_object(repair):
    """Folds over objects: each repair is learned from the others, and left-out ones are new."""
    pairs = Pairs.grid(ALL, Y)
    z = RNG.normal(size=len(pairs))
    machine = ridge(Precomputed(ALL), repair_x=repair)
    found = cross_val_predict(machine, pairs, z, cv=GroupKFold(4), groups=pairs.i)
    for train, test in GroupKFold(4).split(pairs, groups=pairs.i):
        known, left = np.unique(pairs.i[train]), np.unique(pairs.i[test])
        K, rows = by_hand(ALL[np.ix_(known, known)], ALL[np.ix_(left, known)], repair)
        grid = Pairs.grid(np.zeros((len(known), 1)), Y)
        expected = dense(K, RBF()(Y, Y), grid, z[train], 0.3, rows)
        assert np.abs(found[test] - expected.ravel()).max() < 1e-9


def test_a_grid_search_chooses_the_repair():
    """Responses of the shifted model: everything that the matrix says of others is right."""
    pairs = Pairs.grid(ALL, Y)
    grid = {"repair_x": ["shift", "clip", Flip()], "alpha": [0.1, 1.0]}
    search = GridSearchCV(ridge(Precomputed(ALL)), grid, cv=3).fit(
        pairs, RNG.normal(size=len(pairs))
    )
    assert len(search.cv_results_["params"]) == 6
    assert search.best_estimator_.repair_x_.repair in (Shift(), Clip(), Flip())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


MACHINES = {
    "ridge": BinaryKernelRidge(alpha=0.5),
    "ridge-cv": BinaryKernelRidgeCV(alphas=(0.5,)),
    "nuclear": BinaryKernelMachine(alpha=0.2),
    "nuclear-cv": BinaryKernelMachineCV(alphas=(0.2,), cv=2),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("repair", [Shift(), Clip(), Flip()], ids=repr)
def test_every_machine_fits_in_both_domains_as_with_the_repaired_matrix(name, repair):
    S, R = SKEW[:N, :N], SKEW[N:, :N]
    T = ALL[:M, :M]
    left, right = repair.learn(S), repair.learn(T)
    machine = clone(MACHINES[name]).set_params(
        kernel_x=Precomputed(S), kernel_y=Precomputed(T), repair_x=repair, repair_y=repair
    )
    machine.fit(Pairs.grid(S, T), Z)
    assert machine.repair_x_.change == left.change
    assert machine.repair_y_.change == right.change
    tall = Precomputed(np.vstack([left.gram, left.rows(R)]))
    plain = clone(MACHINES[name]).set_params(kernel_x=tall, kernel_y=Precomputed(right.gram))
    plain.fit(Pairs.grid(Precomputed.points(N), right.gram), Z)
    expected = plain.predict_grid(Precomputed.points(N + NEW), right.gram)
    found = np.vstack([machine.predict_grid(S, T), machine.predict_grid(R, T)])
    assert np.abs(found - expected).max() < 1e-6 * np.abs(expected).max()
    again = pickle.loads(pickle.dumps(machine))
    assert np.array_equal(again.predict_grid(R, T), machine.predict_grid(R, T))
    assert again.repair_x_.repair == repair


def test_training_objects_as_new_ones():
    """From clip and flip their training predictions, from shift those less δ U₊ U₊ᵀ A K_Y."""
    S = ALL[:N, :N]
    for repair in BY_HAND:
        machine = ridge(Precomputed(S), repair_x=repair).fit(
            Pairs.grid(Precomputed.points(N), Y), Z
        )
        known, new = machine.predict_grid(Precomputed.points(N), Y), machine.predict_grid(S, Y)
        found = machine.repair_x_
        lost = found.shift * found.transform @ machine.dual_coef_ @ RBF()(Y, Y)
        assert np.abs(known - new - lost).max() < 1e-10
        assert (np.abs(lost).max() > 1e-2) == (repair == "shift")


def test_ids_say_who_is_known():
    """Two objects of equal similarities, and a known one by its id; ids that are missing."""
    codes = np.array([*range(N), 3])
    S = ALL[np.ix_(codes, codes)]
    ids = [f"d{k}" for k in range(N + 1)]
    z = np.vstack([Z, RNG.normal(size=(1, M))])
    machine = ridge(Precomputed(S), repair_x="shift").fit(Pairs.grid(S, Y, ids_x=ids), z)
    expected = dense(
        S - np.linalg.eigvalsh(S)[0] * np.eye(N + 1), RBF()(Y, Y), Pairs.grid(S, Y), z.ravel(), 0.3,
        S - np.linalg.eigvalsh(S)[0] * np.eye(N + 1),
    )  # fmt: skip
    assert np.abs(machine.predict_grid(S, Y, ids_x=ids) - expected).max() < 1e-9
    assert np.abs(expected[3] - expected[N]).max() > 1e-2
    new = machine.predict_grid(S[[3]], Y, ids_x=["another"])
    assert np.abs(new - expected[3]).max() > 1e-2
    with pytest.raises(ValueError, match=r"X comes without ids.*kernel, effects or repair ask who"):
        machine.predict_grid(S, Y)
    plain = ridge(Precomputed(S), repair_x="shift").fit(Pairs.grid(S, Y), z)  # one entity
    same = plain.predict_grid(S, Y)
    assert np.abs(same[3] - same[N]).max() < 1e-12


def test_from_tables_to_predictions_for_new_drugs():
    """Columns of new rows are the training ids, in their order; others are refused."""
    ids = [f"d{k}" for k in range(N)]
    S = pd.DataFrame(SKEW[:N, :N], index=ids, columns=ids)
    R = pd.DataFrame(SKEW[N:, :N], index=["n0", "n1", "n2"], columns=ids)
    cells = pd.DataFrame(Y, index=[f"c{k}" for k in range(M)], columns=["a", "b"])
    seen = pd.DataFrame(
        {"drug": np.repeat(ids, M), "cell": np.tile(cells.index, N), "z": Z.ravel()}
    )
    pairs, z = Pairs.from_frame(seen, "drug", "cell", "z", X=S, Y=cells)
    machine = ridge(Precomputed(S), repair_x="clip").fit(pairs, z)
    asked = pd.DataFrame({"drug": ["n2", "n0"], "cell": ["c1", "c5"]})
    new = Pairs.from_frame(asked, "drug", "cell", X=R, Y=cells)
    K, rows = by_hand(S.to_numpy(), R.to_numpy(), "clip")
    expected = dense(K, RBF()(Y, Y), pairs, z, 0.3, rows)[[2, 0], [1, 5]]
    assert new.to_frame(h=machine.predict(new))["h"].to_numpy() == pytest.approx(expected, rel=1e-8)
    other = Pairs.from_frame(asked, "drug", "cell", X=R[ids[::-1]], Y=cells)
    with pytest.raises(ValueError, match=r"feature names of X should match .* in the same order"):
        machine.predict(other)


@pytest.mark.parametrize("ids", [None, [f"d{k}" for k in range(N)]], ids=["points", "ids"])
def test_effects_of_new_rows_are_those_of_new_entities(ids):
    """Also where the fit knows its objects by their numbers, which no row can equal."""
    S, R = ALL[:N, :N], ALL[N:, :N]
    machine = ridge(Precomputed(S), repair_x="shift", effects=("row",), effects_alpha=0.1)
    machine.fit(Pairs.grid(Precomputed.points(N), Y, ids_x=ids), Z)
    new = ids and ["u", "v", "w"]
    found = machine.predict_grid(R, Y, ids_x=new)
    logits = machine.query(R, new) @ machine.key(Y).T
    assert np.abs(found - logits).max() < 1e-12
    assert np.abs(machine.row_effects_).max() > 0.1
    if ids:  # a known one is known by its id
        at = machine.predict_grid(S[[4]], Y, ids_x=["d4"])
        known = machine.predict_grid(Precomputed.points(N)[[4]], Y, ids_x=["d4"])
        assert np.abs(at - known).max() < 1e-12


def test_the_number_of_similarities_is_said():
    machine = ridge(Precomputed(ALL), repair_x="clip")
    machine.fit(Pairs.grid(Precomputed.points(N + NEW), Y)[: N * M], Z.ravel())
    with pytest.raises(ValueError, match=r"fitted with 1 in that domain: pass these, or 17 sim"):
        machine.predict_grid(ALL[:, :5], Y)


def test_kernels_that_are_made_of_a_matrix_take_rows():
    S, R = ALL[:N, :N], ALL[N:, :N]
    kernel = 0.5 * Precomputed(S) + 0.1 * Identity() + 0.2 * Constant()
    machine = ridge(kernel, repair_x="shift").fit(Pairs.grid(Precomputed.points(N), Y), Z)
    sums = 0.5 * S + 0.1 * np.eye(N) + 0.2
    K, rows = by_hand(sums, 0.5 * R + 0.2, "shift")
    expected = dense(K, RBF()(Y, Y), Pairs.grid(S, Y), Z.ravel(), 0.3, rows)
    assert np.abs(machine.predict_grid(R, Y) - expected).max() < 1e-9
    two = ridge(Precomputed(S) + Precomputed(2 * S), repair_x="shift")
    two.fit(Pairs.grid(Precomputed.points(N), Y), Z)
    with pytest.raises(ValueError, match=f"X has {N} features, but the machine was fitted with 1"):
        two.predict_grid(R, Y)  # of which of the two matrices?
    with pytest.raises(ValueError, match="y holds rows of similarities, of which row 0 is none"):
        clone(two).fit(Pairs.grid(S, Y), Z)


def test_any_kernel_of_similarities_can_be_repaired():
    """τ − distance of points: new points need no rows, the kernel has them."""
    X, new = RNG.normal(size=(N, 3)), RNG.normal(size=(2, 3))
    kernel = 0.5 * Constant() + -1.0 * L2Distance()
    K, rows = by_hand(kernel(X, X), kernel(new, X), "flip")
    machine = ridge(kernel, repair_x="flip").fit(Pairs.grid(X, Y), Z)
    expected = dense(K, RBF()(Y, Y), Pairs.grid(X, Y), Z.ravel(), 0.3, rows)
    assert np.abs(machine.predict_grid(new, Y) - expected).max() < 1e-9


def test_what_is_mercer_is_left_alone():
    X = RNG.normal(size=(N, 3))
    plain = ridge(RBF()).fit(Pairs.grid(X, Y), Z)
    for repair in (*BY_HAND, "symmetrize"):
        machine = ridge(RBF(), repair_x=repair, repair_y=repair).fit(Pairs.grid(X, Y), Z)
        assert np.array_equal(machine.predict_grid(X, Y), plain.predict_grid(X, Y))
        assert machine.repair_x_.change == 0


SMALL = F[:N] @ F[:N].T + 1e-3 * np.triu(RNG.normal(size=(N, N)), 1) + 0.1 * np.eye(N)


@pytest.mark.parametrize(("S", "advised"), [(ALL[:N, :N], "shift"), (SMALL, "symmetrize")])
def test_advice_works_when_followed(S, advised):
    grid = Pairs.grid(Precomputed.points(N), Y)
    for make in (lambda **more: ridge(Precomputed(S), **more).fit(grid, Z),
                 lambda **more: BinaryKernelRidge.from_kernel(Precomputed(S), repair_y="shift", **more)):  # fmt: skip  # noqa: E501
        with pytest.raises(ValueError, match=r"is no .* kernel: its matrix G is") as error:
            make()
        advice = str(error.value).split("Pass the estimator ")[1].split(" (")[0]
        assert advice == f'repair_x="{advised}"'
        make(**eval(f"dict({advice})"))
    with pytest.raises(ValueError, match="Pass the estimator repair_x="):
        ridge(RBF()).set_params(kernel_y=Precomputed(S)).fit(Pairs.grid(Y, S), Z.T)


def test_symmetrizing_alone_may_not_be_enough():
    machine = ridge(Precomputed(SKEW[:N, :N]), repair_x="symmetrize")
    with pytest.raises(
        ValueError, match=r'gram_x must be positive semi-definite.*repair_x="shift"'
    ):
        machine.fit(Pairs.grid(Precomputed.points(N), Y), Z)
    found = machine.set_params(kernel_x=Precomputed(SMALL)).fit(Pairs.grid(SMALL, Y), Z).repair_x_
    assert (found.repair, found.shift, found.negative) == (Symmetrize(), 0, 0)
    assert found.asymmetry == np.abs(SMALL - SMALL.T).max() > 0


@pytest.mark.parametrize(
    ("repair", "error", "says"),
    [
        ("clamp", ValueError, 'repair_x must be one of "symmetrize", "shift", "clip", "flip", a'),
        (Clip, TypeError, r"repair_x must be a Repair.*did you mean Clip\(\)"),
        (True, TypeError, "repair_x must be a Repair, one of its names or None, got True"),
    ],
)
def test_refused(repair, error, says):
    with pytest.raises(error, match=says):
        ridge(RBF(), repair_x=repair).fit(Pairs.grid(Y, Y), np.ones((M, M)))
