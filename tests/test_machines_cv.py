"""``BinaryKernelMachineCV``: what it chooses, what its folds see, and what it refuses."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from rkbs import BinaryKernelMachine, BinaryKernelMachineCV, ConvergenceError, Pairs
from rkbs.kernels import RBF, Linear
from rkbs.laws import relative
from rkbs.losses import Hinge, Logistic
from rkbs.machines import schatten_cv
from rkbs.penalties import Schatten
from rkbs.solvers import ADMM, SpectralNewton

KERNELS = RBF(0.5), RBF(0.5)
LEAVES = ("pair", "row", "column")


def truth(X, Y):
    """A response of rank 2."""
    f = np.stack([np.sin(X[:, 0]), X[:, 1] * np.exp(-(X[:, 2] ** 2))])
    return 2 * f.T @ np.stack([np.cos(Y[:, 0]), np.tanh(Y[:, 1])])


def points(seed, n=40, m=35):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)), rng.standard_normal((m, 2))


def planted(seed, **sizes):
    X, Y = points(seed, **sizes)
    Z = truth(X, Y)
    return X, Y, Z + 0.5 * np.random.default_rng(seed + 50).standard_normal(Z.shape)


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("seed", range(2))
def test_the_chosen_alpha_predicts_nearly_best(leave, seed):
    X, Y, Z = planted(seed)
    pairs = Pairs.grid(X, Y)
    machine = BinaryKernelMachineCV(*KERNELS, leave=leave).fit(pairs, Z)
    new_x, new_y = points(seed + 100)
    at = {"pair": (X, Y), "row": (new_x, Y), "column": (X, new_y)}[leave]

    def error(fitted):
        return np.sqrt(np.mean((fitted.predict_grid(*at) - truth(*at)) ** 2))

    fits = [BinaryKernelMachine(*KERNELS, alpha=a).fit(pairs, Z) for a in machine.alphas_]
    errors = np.array([error(fitted) for fitted in fits])
    assert error(machine) <= 1.1 * errors.min()
    assert errors.max() > 2 * errors.min()  # the choice matters
    assert machine.alphas_[0] == machine.alpha_max_ == fits[0].alpha_max_
    assert machine.alphas_[-1] == pytest.approx(1e-4 * machine.alpha_max_)
    assert machine.alpha_ == machine.alphas_[int(np.nanargmin(machine.cv_scores_.mean(1)))]
    chosen = fits[int(np.nanargmin(machine.cv_scores_.mean(1)))]
    assert relative(machine.predict_grid(X, Y), chosen.predict_grid(X, Y)) < 1e-12
    assert machine.rank_ == chosen.rank_
    assert machine.certificate_.passed


@pytest.mark.parametrize("leave", LEAVES)
def test_scores_are_those_of_single_fits(leave):
    X, Y, Z = planted(3, n=12, m=10)
    pairs = Pairs.from_mask(X, Y, np.random.default_rng(0).random(Z.shape) < 0.7)
    z = np.sign(Z[pairs.i, pairs.j])
    params = {"loss": Logistic(), "penalty": Schatten(1.5)}
    machine = BinaryKernelMachineCV(*KERNELS, alphas=(0.1, 1.0), leave=leave, cv=3, **params)
    machine.fit(pairs, z)
    assert list(machine.alphas_) == [1.0, 0.1]
    masks = list(schatten_cv._folds(pairs, leave, 3, np.random.default_rng(0)))
    assert np.array_equal(sum(masks), np.ones(len(pairs)))
    for k, alpha in enumerate(machine.alphas_):
        for fold, out in enumerate(masks):
            single = BinaryKernelMachine(*KERNELS, alpha=alpha, **params)
            h = single.fit(pairs[~out], z[~out]).predict(pairs[out])
            score = np.log1p(np.exp(-z[out] * h)).mean()
            assert machine.cv_scores_[k, fold] == pytest.approx(score, rel=1e-4)


def learns_nothing_of_new(leave, used):
    """Whether scores of ``used`` folds are those of h = 0, where what is new cannot be known.

    Under one-hot features nothing ties a row (column) to the others, while in its own row every
    response is the same: a fold that saw any pair of it would predict the rest.
    """
    rng = np.random.default_rng(0)
    effect = np.sign(rng.standard_normal(12))
    Z = np.tile(effect, (10, 1)) if leave == "column" else np.tile(effect[:, None], (1, 10))
    pairs = Pairs.grid(np.eye(Z.shape[0]), np.eye(Z.shape[1]))
    machine = BinaryKernelMachineCV(Linear(), Linear(), leave=used, cv=4, n_alphas=6)
    scores = machine.fit(pairs, Z).cv_scores_
    return bool(np.allclose(scores, 0.5, rtol=1e-12))


@pytest.mark.parametrize("leave", ["row", "column"])
def test_a_fold_never_sees_what_it_leaves_out(leave, monkeypatch):
    assert learns_nothing_of_new(leave, leave)
    assert not learns_nothing_of_new(leave, "pair")
    fold = schatten_cv._folds
    monkeypatch.setattr(  # a leak: folds of pairs under the name of another
        schatten_cv, "_folds", lambda pairs, leave, *rest: fold(pairs, "pair", *rest)
    )
    assert not learns_nothing_of_new(leave, leave)


def test_a_path_ends_where_its_score_has_turned(monkeypatch):
    X, Y, Z = planted(0)
    pairs = Pairs.grid(X, Y)
    ended = BinaryKernelMachineCV(*KERNELS).fit(pairs, Z)
    monkeypatch.setattr("rkbs.machines.schatten_cv._TURNED", np.inf)
    whole = BinaryKernelMachineCV(*KERNELS).fit(pairs, Z)
    assert not np.isnan(whole.cv_scores_).any()
    for some, all_of_them in zip(ended.cv_scores_.T, whole.cv_scores_.T, strict=True):
        last = int(np.isfinite(some).sum()) - 1
        np.testing.assert_array_equal(some[: last + 1], all_of_them[: last + 1])
        assert last < len(some) - 1
        assert some[last] > 1.2 * some[:last].min()
        assert (some[1:last] <= 1.2 * np.minimum.accumulate(some[:last])[1:]).all()
    assert ended.alpha_ == whole.alpha_


def test_seeds_make_the_folds():
    X, Y, Z = planted(0, n=12, m=10)
    pairs = Pairs.grid(X, Y)
    fits = [
        BinaryKernelMachineCV(*KERNELS, n_alphas=4, random_state=seed).fit(pairs, Z)
        for seed in (7, 7, 8)
    ]
    assert np.array_equal(fits[0].cv_scores_, fits[1].cv_scores_, equal_nan=True)
    assert np.array_equal(fits[0].predict_grid(X, Y), fits[1].predict_grid(X, Y))
    assert not np.allclose(fits[0].cv_scores_[1:], fits[2].cv_scores_[1:])


def test_an_alpha_without_certificate_loses_only_itself(monkeypatch):
    X, Y, Z = planted(0, n=12, m=10)
    pairs = Pairs.grid(X, Y)
    machine = BinaryKernelMachineCV(*KERNELS, ratio=1e-7, n_alphas=8, solver=ADMM(1e-9, 120))
    machine.fit(pairs, Z)
    failed = np.isnan(machine.cv_scores_)
    assert failed.any()
    assert not failed[0].any()
    assert (failed == np.maximum.accumulate(failed, 0)).all()  # a path stays stopped
    assert machine.alpha_ in machine.alphas_[~failed.any(1)]
    assert machine.certificate_.passed
    with pytest.raises(ConvergenceError, match="no α on the path was certified in every fold"):
        BinaryKernelMachineCV(alphas=[1e-3], solver=ADMM(1e-9, 2)).fit(pairs, Z)
    # The final fit misses at the α of least score: the next one is taken.
    solve, best = schatten_cv.solve, machine.alpha_
    weak = ADMM(1e-9, 1)
    monkeypatch.setattr(
        schatten_cv,
        "solve",
        lambda problem, solver: solve(problem, weak if problem.alpha == best else solver),
    )
    again = clone(machine).fit(pairs, Z)
    means = np.where(again.alphas_ == best, np.inf, again.cv_scores_.mean(1))
    assert again.alpha_ == again.alphas_[int(np.nanargmin(means))] != best


def test_it_is_an_estimator():
    X, Y, Z = planted(0, n=12, m=10)
    machine = BinaryKernelMachineCV.from_kernel(RBF(), penalty=Schatten(3), alphas=[1.0, 5.0], cv=2)
    assert clone(machine).get_params() == machine.get_params()
    fitted = machine.fit(Pairs.grid(X, Y), Z)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_grid(X, Y), fitted.predict_grid(X, Y))
    assert np.array_equal(fitted.query(X) @ fitted.key(Y).T, fitted.predict_grid(X, Y))
    none = BinaryKernelMachineCV(n_alphas=3).fit(Pairs.grid(X, Y), 0 * Z)
    assert none.rank_ == none.alpha_max_ == 0


BAD = [
    ({"leave": "rows"}, ValueError, "leave must be one of"),
    ({"cv": 1}, ValueError, "cv must be at least 2"),
    ({"cv": 2.0}, TypeError, "cv must be an integer"),
    ({"leave": "column", "cv": 11}, ValueError, "cv=11 folds need as many columns, got 10"),
    ({"random_state": -1}, ValueError, "random_state must be at least 0"),
    ({"random_state": "a"}, TypeError, "random_state must be an integer"),
    ({"alphas": ()}, ValueError, "alphas must hold"),
    ({"alphas": [1.0, -1.0]}, ValueError, "alphas must be positive"),
    ({"alphas": 1.0}, TypeError, "alphas must be a sequence"),
    ({"n_alphas": 0}, ValueError, "n_alphas must be at least 1"),
    ({"ratio": 1.0}, ValueError, r"ratio must lie in \(0, 1\)"),
    ({"ratio": 0}, ValueError, r"ratio must lie in \(0, 1\)"),
    ({"ratio": "small"}, TypeError, "ratio must be a real number"),
    ({"penalty": Schatten(2)}, ValueError, r"alphas must be given with penalty=Schatten\(p=2\)"),
    ({"loss": Hinge()}, ValueError, "z must be −1 or 1"),
    ({"loss": "hinge"}, TypeError, "loss must be a Loss"),
    ({"solver": SpectralNewton()}, ValueError, "twice differentiable"),
    ({"solver": 3}, TypeError, "solver must be a Solver"),
]


@pytest.mark.parametrize(("params", "error", "says"), BAD, ids=[row[2] for row in BAD])
def test_bad_arguments_are_named(params, error, says):
    X, Y, Z = planted(0, n=12, m=10)
    with pytest.raises(error, match=says):
        BinaryKernelMachineCV(**params).fit(Pairs.grid(X, Y), Z)
