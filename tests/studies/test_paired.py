"""Paired comparisons, against SciPy's tests, simulation, and definitions written out."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from verify.studies.paired import (
    equivalence_power,
    holm,
    interval,
    p_difference,
    p_equivalence,
    rank_correlation,
)

RNG = np.random.default_rng(0)
SAMPLES = [RNG.normal(m, s, n) for m, s, n in ((0, 1, 5), (0.3, 0.2, 5), (-2, 3, 9), (0, 1, 2))]


@pytest.mark.parametrize("x", SAMPLES, ids=len)
def test_intervals_and_tests_are_scipys(x):
    test = stats.ttest_1samp(x, 0.0)
    assert p_difference(x) == pytest.approx(test.pvalue)
    low, high = test.confidence_interval(0.9)
    assert interval(x, 0.1) == pytest.approx((low, high))
    for margin in (0.1, 1.0):
        both = (
            stats.ttest_1samp(x, -margin, alternative="greater").pvalue,
            stats.ttest_1samp(x, margin, alternative="less").pvalue,
        )
        assert p_equivalence(x, margin) == pytest.approx(max(both))
        # Equivalence at α is the interval of 1 − 2α within the margin.
        inside = max(map(abs, interval(x, 0.1))) < margin
        assert (p_equivalence(x, margin) < 0.05) == inside


def test_no_spread():
    assert (p_difference([0.0, 0.0]), p_difference([0.1, 0.1])) == (1.0, 0.0)
    assert (p_equivalence([0.1, 0.1], 0.2), p_equivalence([0.3, 0.3], 0.2)) == (0.0, 1.0)


@pytest.mark.parametrize(("deviation", "count"), [(0.002, 5), (0.004, 5), (0.01, 5), (0.004, 2)])
def test_power_is_what_simulation_finds(deviation, count):
    x = np.random.default_rng(1).normal(0, deviation, (200_000, count))
    half = stats.t.ppf(0.95, count - 1) * x.std(1, ddof=1) / math.sqrt(count)
    found = (abs(x.mean(1)) + half < 0.005).mean()
    assert equivalence_power(deviation, count, 0.005, 0.05) == pytest.approx(found, abs=0.005)


def test_power_at_the_ends():
    assert equivalence_power(1e-9, 5, 0.005, 0.05) == pytest.approx(1.0, abs=1e-6)
    assert equivalence_power(0.0, 5, 0.005, 0.05) == 1.0
    assert equivalence_power(10.0, 5, 0.005, 0.05) < 1e-3


def test_holm_rejects_as_the_procedure_says():
    """Step down: the k-th smallest of m against α/(m − k + 1), until one fails."""
    for p in itertools.product((0.004, 0.011, 0.02, 0.6), repeat=3):
        named = dict(zip("abc", p, strict=True))
        adjusted = holm(named)
        assert list(adjusted) == list(named)
        for level in (0.01, 0.025, 0.05):
            rejected = set()
            for k, name in enumerate(sorted(named, key=named.get)):
                if named[name] * (3 - k) >= level:
                    break
                rejected.add(name)
            assert {name for name in named if adjusted[name] < level} == rejected


def test_rank_correlation_is_spearmans():
    for x, y in itertools.pairwise(RNG.integers(0, 4, (8, 6)).tolist()):
        if len(set(x)) > 1 and len(set(y)) > 1:
            assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0.0
    assert rank_correlation([1, math.inf, 3], [1, 9, 2]) == pytest.approx(1.0)


@pytest.mark.parametrize("wrong", [[1.0], [1.0, math.nan], [[1.0, 2.0]]])
def test_too_little_is_refused(wrong):
    with pytest.raises(ValueError, match="differences must be two finite numbers or more"):
        interval(wrong, 0.05)
    with pytest.raises(ValueError, match="count must be at least 2"):
        equivalence_power(1.0, 1, 0.1, 0.05)
