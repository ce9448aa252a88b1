"""The comparison on finite data: samples, costs, intervals, and choices by training data alone."""

from dataclasses import replace

import numpy as np
import optional
import pytest
from optional import torch
from scipy import stats

from rkbs.data.pairs import Pairs
from verify.studies import contestants, finite_sample
from verify.studies.finite_sample import KINDS, Sample, Training, interval
from verify.studies.finite_table import ratio

trained = optional.module("verify.studies.trained_attention")
BUDGET = trained.Budget(width=4, steps=20)


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("target", ["asymmetric", "waves_2d"])
def test_test_points_are_no_training_points(target, share):
    sample = Sample.draw(target, 8, 0.3, share, seed=3)
    pairs = sample.training.pairs
    for points, new in ((pairs.X, sample.X_new), (pairs.Y, sample.Y_new)):
        distances = np.linalg.norm(points[:, None] - new, axis=-1)
        assert distances.shape == (8, finite_sample.NEW)
        assert distances.min() > 0
    assert len(pairs) == share * 64
    assert sample.training.held.sum() == round(0.2 * len(pairs))


def test_seeds_differ_and_repeat():
    first, again, other = (Sample.draw("kink", 6, 0.3, 1.0, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.training.z, again.training.z)
    assert np.abs(first.training.z - other.training.z).min() > 0


def test_errors_by_kind_against_a_hand_count():
    sample = Sample.draw("kink", 6, 0.3, 0.5, seed=0)
    pairs, clean = sample.training.pairs, sample.clean
    shift = np.zeros_like(clean)
    shift[pairs.i, pairs.j] = 1
    shift[6:, :6], shift[:6, 6:], shift[6:, 6:] = 2, 3, 4

    def predict(X, Y):
        np.testing.assert_array_equal(X, np.vstack([pairs.X, sample.X_new]))
        np.testing.assert_array_equal(Y, np.vstack([pairs.Y, sample.Y_new]))
        return clean + shift

    found = sample.errors(predict)
    assert tuple(found) == KINDS
    assert list(found.values()) == pytest.approx([1, 0, 2, 3, 4])
    assert "unobserved" not in Sample.draw("kink", 6, 0.3, 1.0, 0).errors(lambda X, Y: 0)


def test_responses_are_the_surface_with_noise_of_the_size_that_is_said():
    standard = finite_sample.standard_deviation("kink")
    # |t − s| has E = 2/3 and E² = 2/3: variance 2/3 − 4/9.
    assert standard == pytest.approx(np.sqrt(2 / 9), rel=1e-3)
    sample = Sample.draw("kink", 60, 0.3, 1.0, seed=0)
    pairs = sample.training.pairs
    exact = np.abs(pairs.X - pairs.Y.T) / standard
    np.testing.assert_allclose(sample.clean[:60, :60], exact)
    assert (sample.training.z - pairs.entries(exact)).std() == pytest.approx(0.3, rel=0.05)


def test_interval_is_scipys():
    values = np.random.default_rng(0).normal(2, 3, 7)
    mean, low, high = interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert ratio(values)["low"] == pytest.approx(np.exp(expected.low))
    with pytest.raises(ValueError, match="at least two"):
        interval([1.0])


def test_the_floor_is_met_by_the_truncated_svd_only():
    sample = Sample.draw("waves_2d", 5, 0.3, 1.0, seed=0)
    u, s, vt = np.linalg.svd(sample.clean[5:, 5:])
    best = np.zeros_like(sample.clean)
    best[5:, 5:] = (u[:, :3] * s[:3]) @ vt[:3]
    assert sample.errors(lambda X, Y: best)["both new"] == pytest.approx(sample.floor(3))
    assert sample.floor(2) > sample.floor(3) > 0


@pytest.mark.parametrize("dim", [1, 2])
def test_attention_flops_against_torchs_counter(dim):
    from torch.utils.flop_counter import FlopCounterMode

    from rkbs.attention import TwoTowerEnsemble

    n, d = 6, 3
    X = np.random.default_rng(0).uniform(-1, 1, (n, dim))
    training = Training(Pairs.grid(X, X), np.zeros(n * n), np.zeros(n * n, dtype=bool))
    ensemble = TwoTowerEnsemble.random([d], [BUDGET.width], [0], d_x=dim, d_y=dim)
    points = torch.as_tensor(X)[None]
    with FlopCounterMode(display=False) as counter:
        ensemble(points, points).square().sum().backward()
    hand = 2 * n * 4 * (4 * dim + 6 * d) + 6 * n * n * d  # m = 4
    assert counter.get_total_flops() == hand
    assert trained.flops_of(training, d, BUDGET) == BUDGET.steps * hand


def test_kernel_flops_by_hand():
    X = np.arange(3.0)[:, None]
    grid = Pairs.grid(X, X)
    # n³ = 27; for each of two widths 2 · 9 + 4 + 5 · 20 + 12 = 134.
    assert contestants.ridge_flops(grid, taus=2, alphas=5) == 2 * 134 * 27
    # Six pairs, 6³ = 216, 6² = 36: 18 · 27 + 9 · 216 + 4 · (12 · 36 + 32 · 27) + 3 · 6 · 36.
    assert contestants.ridge_flops(grid[:6], taus=2, alphas=3) == 2 * (486 + 1944 + 5184 + 648)
    each = 24 + 0.1 * (4 * 4 + 2 * 8 / 3)
    assert contestants.nuclear_flops(grid, 10) == pytest.approx(10 * each * 27)
    assert contestants.nuclear_flops(grid[:6], 10) == pytest.approx(10 * (each + 8) * 27)


def one_attention(training):
    return trained.attention([training], BUDGET, 0, "cpu")[0][0]


CONTESTANTS = {
    "means": contestants.means,
    "ridge": contestants.ridge,
    "nuclear norm": contestants.nuclear,
    "attention": one_attention,
    "limit": lambda training: trained.limit(training, BUDGET, 0)[2],
}


@pytest.mark.parametrize("name", CONTESTANTS)
def test_contestants_see_training_data_only(name):
    """Another surface everywhere else changes no choice and no prediction."""
    sample = Sample.draw("asymmetric", 6, 0.3, 1.0, seed=0)
    other = replace(sample, clean=sample.clean + 5)
    fits = [CONTESTANTS[name](s.training) for s in (sample, other)]
    assert fits[0].chosen == fits[1].chosen
    X, Y = sample.X_new, sample.Y_new
    np.testing.assert_array_equal(fits[0].predict(X, Y), fits[1].predict(X, Y))
    assert sample.errors(fits[0].predict) != other.errors(fits[1].predict)


def test_attention_fits_no_held_out_pair_before_it_has_chosen():
    """Responses of held-out pairs do not reach the models that are being compared."""
    training = Sample.draw("asymmetric", 6, 0.3, 1.0, seed=0).training
    moved = training.held * (np.arange(36) % 2 - 0.5)  # the mean of all responses is kept
    moved[training.held] -= moved[training.held].mean()
    assert np.abs(moved).max() > 0.1
    other = replace(training, z=training.z + moved)
    settings = [trained.Setting(0, 2, 1e-3)]
    found = [trained._train([t], settings, BUDGET, 0, "cpu") for t in (training, other)]
    (heads, losses) = zip(*found, strict=True)
    points = training.pairs.X
    np.testing.assert_allclose(*(h[0](points, points) for h in heads), atol=1e-5)
    assert abs(losses[0][0] - losses[1][0]) > 1e-3
    refitted = trained._train([other], settings, BUDGET, 0, "cpu", refit=True)[0][0]
    assert np.abs(refitted(points, points) - heads[0][0](points, points)).max() > 1e-3


def test_a_batch_of_samples_is_the_samples_one_by_one():
    trainings = [Sample.draw("asymmetric", 6, 0.3, 1.0, seed).training for seed in (4, 5)]
    together = trained.attention(trainings, BUDGET, 4, "cpu")[0]
    alone = [
        trained.attention([t], BUDGET, s, "cpu")[0][0]
        for t, s in zip(trainings, (4, 5), strict=True)
    ]
    for a, b, training in zip(together, alone, trainings, strict=True):
        assert a.chosen == b.chosen
        assert a.flops == b.flops
        X, Y = training.pairs.X, training.pairs.Y
        np.testing.assert_allclose(a.predict(X, Y), b.predict(X, Y), atol=1e-4)


def test_means_know_what_they_know():
    X, Y = np.arange(3.0)[:, None], np.arange(2.0)[:, None]
    z = np.add.outer([0.0, 1.0, 5.0], [-1.0, 1.0]).ravel()
    fit = contestants.means(Training(Pairs.grid(X, Y), z, np.zeros(6, dtype=bool)))
    new = np.array([[9.0]])
    np.testing.assert_allclose(fit.predict(X, Y).ravel(), z)
    np.testing.assert_allclose(fit.predict(new, Y), [[1.0, 3.0]])
    np.testing.assert_allclose(fit.predict(X, new).ravel(), [0.0, 1.0, 5.0])
    np.testing.assert_allclose(fit.predict(new, new), [[2.0]])
