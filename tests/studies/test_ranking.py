"""Rank correlations of predictors: against scipy's, and against what must come out."""

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from verify.studies.ranking import rank_correlations, ranked


def test_rows_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (50, 9)), rng.normal(size=(50, 9))
    expected = [spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(rank_correlations(x, y), expected, atol=1e-12)
    assert rank_correlations(np.ones((2, 4)), y[:2, :4]).tolist() == [0, 0]
    assert rank_correlations(np.array([1.0, np.inf, 2.0]), np.array([1.0, 3.0, 2.0])) == (
        pytest.approx(1)
    )


def test_p_is_that_of_a_permutation_test():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=6), rng.normal(size=6)
    rho = spearmanr(x, y).statistic
    ranks = y.argsort().argsort()
    every = np.array([*itertools.permutations(ranks)])  # 720
    centered = x.argsort().argsort() - 2.5
    exact = (every @ centered <= 17.5 * rho + 1e-9).mean()  # Σ of squared ranks
    found = ranked({"x": x}, y, 20000, 0.05)["x"]["p"]
    assert found == pytest.approx(exact, abs=4 * np.sqrt(exact / 20000))


def test_what_predicts_is_told_from_what_does_not():
    rng = np.random.default_rng(2)
    good = rng.normal(size=12)
    found = ranked(
        {"good": good, "bad": rng.normal(size=12)}, -good + 0.1 * rng.normal(size=12), 2000, 0.05
    )
    assert found["good"]["rho"] < -0.9
    assert found["good"]["p"] < 0.01 < found["bad"]["p"]
    assert found["good"]["behind"] == [0, 0]
    assert found["bad"]["behind"][1] < 0
    assert found["good"]["interval"][0] <= found["good"]["rho"] <= found["good"]["interval"][1]
