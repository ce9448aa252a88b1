"""What the contestants on the kinase data are told, choose and predict, on a made table."""

from dataclasses import replace

import numpy as np
import pytest
from kinase_helpers import made

from rkbs import BinaryKernelMachine, BinaryKernelRidge
from rkbs.kernels import alignment_weights
from verify.studies import kinase_binding as study
from verify.studies.kinase_binding import (
    CONTESTANTS,
    IDENTITY,
    MEANS,
    NUCLEAR,
    NUCLEAR_LEARNED,
    RIDGE,
    RIDGE_LEARNED,
    Contest,
    Contestant,
    Domain,
    quick_contestants,
)
from verify.studies.kinase_splits import COLD, KNOWN, cold, deepdta, inner, similarities

SETTINGS = (KNOWN, *COLD)


def split_of(data, setting, seed=0):
    return deepdta(data) if setting == KNOWN else cold(data, setting, seed)


def few(name, count=2):
    """A contestant with some of its choices."""
    one = CONTESTANTS[name]
    return Contestant(one.machine, one.told[:count])


def shuffled(data, split):
    """Other responses of what is to be predicted."""
    z = data.z.copy().ravel()
    z[split.cut.test] = 100 * np.random.default_rng(0).standard_normal(split.cut.test.sum())
    return replace(data, z=z.reshape(data.z.shape))


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_choice_and_no_prediction_sees_what_is_to_be_predicted(setting):
    data = made()
    split = split_of(data, setting)
    for name in (NUCLEAR, RIDGE, NUCLEAR_LEARNED):
        before, after = (
            Contest(table, split).predict(few(name)) for table in (data, shuffled(data, split))
        )
        assert np.array_equal(before.pop("predicted"), after.pop("predicted"))
        assert before == after
    contest = Contest(data, split)
    assert np.isnan(contest.z[split.cut.test]).all()
    assert np.isfinite(contest.z[split.cut.train]).all()
    assert (
        contest.means()["shrinkage"] == Contest(shuffled(data, split), split).means()["shrinkage"]
    )


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", CONTESTANTS)
def test_a_fit_is_certified_and_that_of_a_dense_solve(setting, name):
    """Ridge from the Gram matrix of the pairs; the nuclear norm by its duality gap alone."""
    data = made()
    split = split_of(data, setting)
    contest, one = Contest(data, split), few(name, 1)
    found = contest.predict(one)
    assert found["by_hand"] < 1e-9
    assert found["residual"] < (1e-9 if one.is_ridge else 1e-6)
    if not one.is_ridge:
        return
    Z = np.where(split.cut.train.reshape(data.z.shape), data.z, np.nan)
    grams = []
    for domain, S, responses in zip(one.told[0], similarities(data), (Z, Z.T), strict=True):
        seen = np.flatnonzero(~np.isnan(responses).all(1))
        weights = domain.weights
        if weights == "alignf":
            points = seen[:, None].astype(float)
            weights = alignment_weights(domain.kernels(S), points, responses[seen])
        powers = [S**p for p in domain.powers]
        terms = [*powers, np.eye(len(S)), np.ones((len(S), len(S)))]
        grams.append(sum(w * term for w, term in zip(weights, terms, strict=True)))
    (i, j), a = np.divmod(np.arange(data.z.size), data.z.shape[1]), split.cut.train
    gram = grams[0][i][:, i] * grams[1][j][:, j]
    ones = np.ones((a.sum(), 1))
    system = np.block([[gram[np.ix_(a, a)] + found["alpha"] * np.eye(a.sum()), ones], [ones.T, 0]])
    *c, b = np.linalg.solve(system, np.append(data.z.ravel()[a], 0))
    expected = gram[np.ix_(split.cut.test, a)] @ c + b
    assert np.abs(found["predicted"] - expected).max() < 1e-6


@pytest.mark.parametrize("setting", [KNOWN, "both new"])
def test_the_error_of_a_choice_is_that_of_machines_in_the_inner_folds(setting):
    data = made()
    split = split_of(data, setting)
    contest = Contest(data, split)
    for name, alpha in ((RIDGE, 0.3), (NUCLEAR, 0.5), (RIDGE_LEARNED, 0.3)):
        one = few(name, 1)
        (error,) = contest.errors(one, one.told[0], (alpha,))
        squares = []
        for cut in inner(data, split):
            kernels = (
                study.combine(domain.kernels(S), domain.weights)
                for domain, S in zip(one.told[0], similarities(data), strict=True)
            )
            machine = one.machine(*kernels, alpha=alpha)
            machine.fit(contest.grid[cut.train], data.z.ravel()[cut.train])
            squares.append(
                (machine.predict(contest.grid[cut.test]) - data.z.ravel()[cut.test]) ** 2
            )
        assert error == pytest.approx(np.concatenate(squares).mean(), rel=1e-2)


def test_the_choice_is_the_least_of_what_was_tried(monkeypatch):
    data = made()
    contest, one = Contest(data, cold(data, "new drugs", 0)), few(RIDGE, 3)
    errors = {told: contest.errors(one, told, study._RIDGES) for told in one.told}
    told, alpha, error = contest.choose(one)
    assert error == min(found.min() for found in errors.values())
    assert errors[told][study._RIDGES.index(alpha)] == error
    first = Contest(data, cold(data, "new drugs", 0), folds=1)
    assert len(first.cuts) == 1
    assert first.errors(one, one.told[0], (0.1,)) != contest.errors(one, one.told[0], (0.1,))


def test_alphas_of_the_nuclear_norm_go_down_from_where_nothing_is_seen():
    data = made()
    split = deepdta(data)
    contest, one = Contest(data, split), few(NUCLEAR, 1)
    alphas = contest._alphas(one, one.told[0])
    assert list(alphas) == sorted(alphas, reverse=True)
    kernels = (
        study.combine(domain.kernels(S), domain.weights)
        for domain, S in zip(one.told[0], similarities(data), strict=True)
    )
    machine = BinaryKernelMachine(*kernels, alpha=1.0)
    machine.fit(contest.grid[split.cut.train], data.z.ravel()[split.cut.train])
    assert np.array(alphas) / machine.alpha_max_ == pytest.approx(study._SHARES)


def test_what_contestants_are_told():
    assert {name for name, one in CONTESTANTS.items() if one.is_ridge} == {RIDGE, RIDGE_LEARNED}
    assert len(set(CONTESTANTS[NUCLEAR].told)) == 16
    assert CONTESTANTS[NUCLEAR].told == CONTESTANTS[RIDGE].told
    assert all(not domain.powers for domain in CONTESTANTS[IDENTITY].told[0])
    S = similarities(made())[0]
    domain = Domain((2, 4), (1.0, 0.5, 0.1, 2.0))
    points = np.arange(len(S))[:, None]
    by_kernels = study.combine(domain.kernels(S), domain.weights)(points, points)
    expected = S**2 + 0.5 * S**4 + 0.1 * np.eye(len(S)) + 2
    assert np.abs(by_kernels - expected).max() < 1e-14
    assert np.abs(domain.gram(S, points[:, 0], made().z) - expected).max() < 1e-14
    for setting in SETTINGS:
        (quick,) = quick_contestants(setting).items()
        assert set(quick[1].told) < set(CONTESTANTS[quick[0]].told)
        assert len(quick[1].told) == 2


def test_a_cell_scores_every_contestant_and_says_which_was_chosen(monkeypatch):
    data = made()
    monkeypatch.setattr(study, "load_davis", lambda: data)
    monkeypatch.setattr(study, "CONTESTANTS", {name: few(name, 1) for name in CONTESTANTS})
    split = cold(data, "new targets", 1)
    result = study.work({"setting": "new targets", "seed": 1, "quick": False}, "cpu")
    found, z = result["found"], data.z.ravel()[split.cut.test]
    assert set(found) == {MEANS, *CONTESTANTS}
    assert found[result["chosen"]]["inner"] == min(row["inner"] for row in found.values())
    predicted = Contest(data, split).predict(few(RIDGE, 1))["predicted"]
    assert found[RIDGE]["mse"] == pytest.approx(np.mean((predicted - z) ** 2))
    assert result["split"] == study.digest(data, split)
    assert result["shared"]["sequences"] == 0
    # Similarities tell of new targets here, and the identity nothing.
    assert found[RIDGE]["mse"] < 0.7 * found[IDENTITY]["mse"]
    quick = study.work({"setting": KNOWN, "seed": 0, "quick": True}, "cpu")
    assert set(quick["found"]) == {MEANS, NUCLEAR}


def test_ridge_is_the_machine_of_its_name():
    assert CONTESTANTS[RIDGE].machine is BinaryKernelRidge
    assert CONTESTANTS[NUCLEAR].machine is BinaryKernelMachine
