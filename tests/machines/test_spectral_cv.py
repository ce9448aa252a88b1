"""``BinaryKernelMachineCV``: what it chooses, what its folds see, and what it refuses."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from helpers import every_two, final_below
from problem_helpers import LOSSES, as_labels, loss_by_hand
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from rkbs import BinaryKernelMachine, BinaryKernelMachineCV, ConvergenceError, Pairs
from rkbs.data._groups import Groups
from rkbs.kernels import RBF, Linear
from rkbs.laws import relative
from rkbs.machines import spectral_cv
from rkbs.problems.certificates import GapCertificate
from rkbs.solvers import ADMM, SpectralNewton, State
from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.spectral_penalties import Schatten
from rkbs.terms.weighted import Weighted

KERNELS = RBF(0.5), RBF(0.5)
LEAVES = ("pair", "row", "column")
at_an_end = pytest.mark.filterwarnings("ignore:the chosen alpha:UserWarning")
at_zero = pytest.mark.filterwarnings("ignore:no certified fit:UserWarning")


def truth(X, Y):
    """A response of rank 2."""
    f = np.stack([np.sin(X[:, 0]), X[:, 1] * np.exp(-(X[:, 2] ** 2))])
    return 2 * f.T @ np.stack([np.cos(Y[:, 0]), np.tanh(Y[:, 1])])


def points(seed, n=25, m=22):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)), rng.standard_normal((m, 2))


def planted(seed, **sizes):
    X, Y = points(seed, **sizes)
    Z = truth(X, Y)
    return X, Y, Z + 0.5 * np.random.default_rng(seed + 50).standard_normal(Z.shape)


@pytest.mark.parametrize(("leave", "seed"), [("pair", 0), ("row", 1), ("column", 0)])
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


@at_an_end
@pytest.mark.parametrize("leave", LEAVES)
def test_scores_are_those_of_single_fits(leave):
    X, Y, Z = planted(3, n=12, m=10)
    pairs = Pairs.from_mask(X, Y, np.random.default_rng(0).random(Z.shape) < 0.7)
    z = np.sign(Z[pairs.i, pairs.j])
    params = {"loss": Logistic(), "penalty": Schatten(1.5)}
    machine = BinaryKernelMachineCV(*KERNELS, alphas=(0.1, 1.0), leave=leave, cv=3, **params)
    machine.fit(pairs, z)
    assert list(machine.alphas_) == [1.0, 0.1]
    groups = Groups.single(pairs)
    parts = spectral_cv.cuts_of(pairs, leave, 3, np.random.default_rng(0), groups)
    masks = [cut.test for cut in parts]
    assert all(np.array_equal(cut.train, ~cut.test) for cut in parts)
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
    machine = BinaryKernelMachineCV(
        Linear(), Linear(), leave=used, cv=4, n_alphas=6, fit_intercept=False
    )
    scores = machine.fit(pairs, Z).cv_scores_
    return bool(np.allclose(scores, 0.5, rtol=1e-12))


@at_an_end
@at_zero
@pytest.mark.parametrize("leave", ["row", "column"])
def test_a_fold_never_sees_what_it_leaves_out(leave, monkeypatch):
    assert learns_nothing_of_new(leave, leave)
    assert not learns_nothing_of_new(leave, "pair")
    fold = spectral_cv.cuts_of
    monkeypatch.setattr(  # a leak: folds of pairs under the name of another
        spectral_cv, "cuts_of", lambda pairs, leave, *rest: fold(pairs, "pair", *rest)
    )
    assert not learns_nothing_of_new(leave, leave)


def score_of_separate_fits(X, Y, pairs, z, leave, folds, **params):
    """The criterion from its definition: folds, training sets and losses written out here."""
    units = {"pair": np.arange(len(pairs)), "row": pairs.i, "column": pairs.j}[leave]
    means = []
    for out in np.array_split(np.random.default_rng(0).permutation(np.unique(units)), folds):
        held = np.isin(units, out)
        seen = Pairs(X, Y, pairs.i[~held], pairs.j[~held])
        fitted = BinaryKernelMachine(*KERNELS, **params).fit(seen, z[~held])
        h = fitted.predict_grid(X, Y)[pairs.i[held], pairs.j[held]]
        means.append(loss_by_hand(params["loss"], h, z[held]) / held.sum())
    return np.mean(means)


@at_an_end
@at_zero
@pytest.mark.parametrize(
    ("loss", "p", "leave"), every_two(LOSSES, (1, 1.5, 2, 3), LEAVES), ids=repr
)
def test_the_chosen_alpha_has_the_least_score_of_separate_fits(loss, p, leave):
    X, Y, Z = planted(4, n=7, m=6)
    pairs = Pairs.from_mask(X, Y, np.random.default_rng(1).random(Z.shape) < 0.9)
    z = as_labels(loss, pairs.entries(Z))
    params, alphas = {"loss": loss, "penalty": Schatten(p)}, (8.0, 0.5, 0.02)
    machine = BinaryKernelMachineCV(*KERNELS, alphas=alphas, leave=leave, cv=2, **params)
    machine.fit(pairs, z)
    scores = [
        score_of_separate_fits(X, Y, pairs, z, leave, 2, alpha=alpha, **params) for alpha in alphas
    ]
    # Fits with kinked losses that interpolate are the same at every weak α: of equals the larger.
    assert machine.alpha_ == alphas[int(np.argmax(scores <= min(scores) * (1 + 1e-6)))]
    assert not np.isnan(machine.cv_scores_).any()
    np.testing.assert_allclose(machine.cv_scores_.mean(1), scores, rtol=0.02)


def test_every_loss_is_among_them():
    assert {type(loss) for loss in LOSSES} == final_below(Loss) - {Weighted}


def rises_then_falls():
    """One feature explains all, and three large ones, which strong α fit first, explain nothing."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=20)
    X, Y = np.c_[30 * rng.normal(size=(20, 3)), 0.3 * signal], np.eye(6)
    Z = np.outer(signal, rng.normal(size=6)) + 0.05 * rng.normal(size=(20, 6))
    return Pairs.grid(X, Y), Z


def test_a_score_that_rises_may_fall_again():
    pairs, Z = rises_then_falls()
    with pytest.warns(UserWarning, match="pass a smaller ratio than 0.0001"):
        machine = BinaryKernelMachineCV(Linear(), Linear(), leave="row").fit(pairs, Z)
    assert machine.cv_scores_.shape == (20, 5)
    score = machine.cv_scores_.mean(1)
    best = int(np.argmin(score))
    assert machine.alpha_ == machine.alphas_[best] <= 1e-3 * machine.alpha_max_
    rise = int(np.argmax(score))
    assert score[rise] > 1.3 * score[0] > 100 * score[best]
    assert rise < best
    by_advice = BinaryKernelMachineCV(Linear(), Linear(), leave="row", ratio=1e-8)
    with warnings.catch_warnings(action="ignore"):  # the end is flat to the solver's tolerance
        by_advice.fit(pairs, Z)
    assert by_advice.alpha_ < machine.alpha_
    assert by_advice.cv_scores_.mean(1).min() < score[best]


def test_a_choice_at_an_end_of_the_path_is_said():
    rng = np.random.default_rng(0)
    pairs, noise = Pairs.grid(*points(0, n=12, m=10)), rng.standard_normal((12, 10))
    with pytest.warns(UserWarning, match="predicts held-out responses better than T = 0"):
        nothing = BinaryKernelMachineCV(*KERNELS, n_alphas=4, leave="row").fit(pairs, noise)
    assert nothing.alpha_ == nothing.alpha_max_
    assert nothing.rank_ == 0
    X, Y, Z = planted(0, n=12, m=10)
    for alphas, says in (((20.0, 10.0), "the smallest of the 2"), ((1.0, 1e-3), "the largest")):
        with pytest.warns(UserWarning, match=says):
            BinaryKernelMachineCV(*KERNELS, alphas=alphas).fit(Pairs.grid(X, Y), Z)
    with pytest.warns(
        UserWarning, match=r"the smallest of the 2 .*: pass a smaller ratio than 0.1"
    ):
        BinaryKernelMachineCV(*KERNELS, n_alphas=2, ratio=0.1).fit(Pairs.grid(X, Y), Z)
    for single in ({"alphas": [0.1]}, {"n_alphas": 1}, {"alphas": [0.1, 0.1]}):
        machine = BinaryKernelMachineCV(*KERNELS, **single).fit(Pairs.grid(X, Y), Z)
        assert machine.certificate_.passed


@at_an_end
def test_ties_go_to_the_larger_alpha():
    """From the thresholds of all folds on the fit is 0, and its score the same."""
    pairs, noise = Pairs.grid(*points(0, n=12, m=10)), np.ones((12, 10))
    noise[::2] = -1
    largest = BinaryKernelMachine(*KERNELS, alpha=1e9).fit(pairs, noise).alpha_max_
    alphas = largest * np.array([2.0, 8.0, 4.0])
    machine = BinaryKernelMachineCV(*KERNELS, alphas=alphas)
    with pytest.warns(UserWarning, match="better than T = 0"):
        machine.fit(pairs, noise)
    assert np.ptp(machine.cv_scores_.mean(1)) == 0
    assert machine.alpha_ == max(alphas)


@at_an_end
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


@at_an_end
def test_an_alpha_without_certificate_loses_only_itself(monkeypatch):
    X, Y, Z = planted(0, n=12, m=10)
    pairs, path = Pairs.grid(X, Y), State.path
    machine = BinaryKernelMachineCV(*KERNELS, n_alphas=8)
    whole = clone(machine).fit(pairs, Z)
    best = whole.alpha_

    def failing(self, alphas):
        """The α that was best without this fails its certificate in the first fold."""
        for alpha, solution in zip(alphas, path(self, alphas), strict=True):
            tried.append(alpha)
            far = alpha == best
            yield replace(solution, certificate=GapCertificate(1.0, 0.0, 1e-4)) if far else solution

    tried = []
    monkeypatch.setattr(State, "path", failing)
    with pytest.warns(ConvergenceWarning, match=f"in some fold.*alpha = {best:.3g}"):
        machine.fit(pairs, Z)
    others = whole.alphas_ != best
    assert np.isnan(machine.cv_scores_[~others]).all()
    np.testing.assert_allclose(machine.cv_scores_[others], whole.cv_scores_[others], rtol=1e-3)
    means = np.where(others, whole.cv_scores_.mean(1), np.inf)
    assert machine.alpha_ == whole.alphas_[int(np.argmin(means))]
    assert tried.count(best) == 1  # the other folds save the time
    assert machine.certificate_.passed


def test_where_no_alpha_is_certified_the_advice_works():
    X, Y, Z = planted(0, n=12, m=10)
    pairs, weak = Pairs.grid(X, Y), ADMM(1e-9, 2)
    with pytest.raises(ConvergenceError, match=r"no α .*pass larger alphas, or a solver"):
        BinaryKernelMachineCV(alphas=[1e-3], solver=weak).fit(pairs, Z)
    large = BinaryKernelMachineCV(alphas=[1e3], solver=weak).fit(pairs, Z)
    patient = BinaryKernelMachineCV(alphas=[1e-3], solver=ADMM(1e-4, 20_000)).fit(pairs, Z)
    assert large.certificate_.passed
    assert patient.certificate_.passed


@at_an_end
def test_where_the_final_fit_misses_the_next_best_is_taken(monkeypatch):
    X, Y, Z = planted(0, n=12, m=10)
    pairs, solve = Pairs.grid(X, Y), spectral_cv.solve
    machine = BinaryKernelMachineCV(*KERNELS, n_alphas=8).fit(pairs, Z)
    best = machine.alpha_
    weak = ADMM(1e-9, 1)
    monkeypatch.setattr(
        spectral_cv,
        "solve",
        lambda problem, solver: solve(problem, weak if problem.alpha == best else solver),
    )
    with pytest.warns(ConvergenceWarning, match=f"next best was taken.*alpha = {best:.3g}"):
        again = clone(machine).fit(pairs, Z)
    means = np.where(again.alphas_ == best, np.inf, again.cv_scores_.mean(1))
    assert again.alpha_ == again.alphas_[int(np.argmin(means))] != best
    monkeypatch.setattr(spectral_cv, "solve", lambda problem, _: solve(problem, ADMM(1e-9, 1)))
    with pytest.raises(ConvergenceError, match="certified in every fold and in the fit to all"):
        BinaryKernelMachineCV(*KERNELS, alphas=[0.1]).fit(pairs, Z)


@at_an_end
def test_it_is_an_estimator():
    X, Y, Z = planted(0, n=12, m=10)
    machine = BinaryKernelMachineCV.from_kernel(RBF(), penalty=Schatten(3), alphas=[1.0, 5.0], cv=2)
    assert clone(machine).get_params() == machine.get_params()
    fitted = machine.fit(Pairs.grid(X, Y), Z)
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_grid(X, Y), fitted.predict_grid(X, Y))
    logits = fitted.query(X) @ fitted.key(Y).T
    assert np.array_equal(logits + fitted.intercept_, fitted.predict_grid(X, Y))
    none = BinaryKernelMachineCV(n_alphas=3).fit(Pairs.grid(X, Y), 0 * Z)
    assert none.rank_ == none.alpha_max_ == 0


BAD = [
    ({"leave": "rows"}, ValueError, "leave must be one of"),
    ({"cv": 1}, ValueError, "cv must be at least 2"),
    ({"cv": 2.0}, TypeError, "cv must be an integer"),
    (
        {"leave": "column", "cv": 11},
        ValueError,
        "11 folds need as many columns, or groups of them, got 10",
    ),
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
