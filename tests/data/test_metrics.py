"""Scores against their definitions: every two samples compared, every row on its own."""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, somersd
from sklearn.metrics import (
    average_precision_score,
    mean_squared_error,
    roc_auc_score,
    root_mean_squared_error,
)

from rkbs.data.metrics import (
    UndefinedScoreError,
    auc,
    aupr,
    c_index,
    mse,
    rmse,
    score_by_unit,
)

RNG = np.random.default_rng(0)
METRICS = {"c_index": c_index, "auc": auc, "aupr": aupr, "mse": mse, "rmse": rmse}
COUNTS = st.integers(-3, 3)


def by_definition(z, h):
    """The fraction of ordered pairs z_m > z_n with h_m > h_n, a tie of h counting ½: exact."""
    found = [
        Fraction(1) if h[m] > h[n] else Fraction(int(h[m] == h[n]), 2)
        for m in range(len(z))
        for n in range(len(z))
        if z[m] > z[n]
    ]
    return sum(found) / len(found)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=2, max_size=40))
def test_c_index_is_its_definition_with_all_ties(samples):
    z, h = np.array(samples).T
    if np.ptp(z) == 0:
        with pytest.raises(UndefinedScoreError):
            c_index(z, h)
        return
    assert c_index(z, h) == float(by_definition(z, h))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 63, 64, 65, 200])
@pytest.mark.parametrize("decimals", [0, 1, 12])
def test_c_index_of_any_number_of_samples(n, decimals):
    z, h = np.round(RNG.normal(size=(2, n)), decimals)
    z[0] = z[1] + 1
    assert c_index(z, h) == float(by_definition(z, h))


def test_c_index_of_many_samples_is_that_of_other_counts():
    """Somers' D by SciPy's contingency table, and Kendall's τ by its Fenwick tree."""
    z, h = RNG.integers(0, 40, 3000), RNG.integers(0, 30, 3000)
    h += z // 2
    assert c_index(z, h) == pytest.approx((1 + somersd(z, h).statistic) / 2, rel=1e-12)
    z, h = RNG.normal(size=(2, 200_001))
    assert c_index(z, h + z) == pytest.approx((1 + kendalltau(z, h + z).statistic) / 2, rel=1e-12)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=2, max_size=30), st.permutations(range(30)))
def test_c_index_knows_no_order_of_samples_no_scale_and_reverses(samples, order):
    z, h = np.array(samples).T
    if np.ptp(z) == 0:
        return
    score, order = c_index(z, h), [k for k in order if k < len(z)]
    assert c_index(z[order], h[order]) == score
    assert c_index(np.exp(z), 3.0 * h - 7) == score
    assert c_index(z, -h) == pytest.approx(1 - score, abs=1e-15)
    assert c_index(z, z) == 1


def test_extremes_and_whole_grids():
    z = RNG.normal(size=(5, 4))
    assert (c_index(z, z), c_index(z, -z), c_index(z, 0 * z)) == (1.0, 0.0, 0.5)
    assert (mse(z, z), rmse(z, z + 2), mse(z, z + 2)) == (0.0, pytest.approx(2), pytest.approx(4))
    assert c_index(z, z**3) == c_index(z.ravel(), z.ravel()) == 1
    assert c_index([0.0, -0.0, 1.0], [1.0, 0.0, 2.0]) == 1  # -0 is 0


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_areas_are_scikit_learns_and_auc_is_the_c_index_of_labels(threshold):
    z = RNG.normal(size=50)
    labels = z > (threshold or 0)
    h = np.round(z + RNG.normal(size=50), 1)
    given_z = z if threshold else 2.0 * labels - 1
    assert auc(given_z, h, threshold) == roc_auc_score(labels, h)
    assert auc(given_z, h, threshold) == pytest.approx(c_index(labels * 1, h), rel=1e-14)
    assert aupr(given_z, h, threshold) == average_precision_score(labels, h)
    assert aupr(labels, h) == aupr(5 + 2 * labels, h) == aupr(labels * 1.0, 3 * h)


def test_squared_errors_are_scikit_learns():
    z, h = RNG.normal(size=(2, 30))
    assert mse(z, h) == pytest.approx(mean_squared_error(z, h), rel=1e-14)
    assert rmse(z, h) == pytest.approx(root_mean_squared_error(z, h), rel=1e-14)


@pytest.mark.parametrize("name", METRICS)
def test_units_are_scored_each_on_its_own(name):
    units = np.array(["b", "a", "c", "d"])[RNG.integers(0, 4, 60)]
    z, h = RNG.integers(0, 2, 60), RNG.normal(size=60)
    z[units == "c"] = 1
    found = score_by_unit(METRICS[name], z, h, units)
    assert found.units.tolist() == ["a", "b", "c", "d"]
    ranks = name not in ("mse", "rmse")
    assert found.undefined == ranks
    expected = []
    for unit, score in zip(found.units, found.scores, strict=True):
        if unit == "c" and ranks:
            assert np.isnan(score)
            continue
        expected.append(METRICS[name](z[units == unit], h[units == unit]))
        assert score == expected[-1]
    assert found.mean == pytest.approx(np.mean(expected), rel=1e-15)


def test_a_matrix_has_its_rows_as_units():
    z, h = RNG.normal(size=(2, 5, 4))
    rows = np.broadcast_to(np.arange(5)[:, None], (5, 4))
    found = score_by_unit(c_index, z, h, rows)
    assert found.scores.tolist() == [c_index(*both) for both in zip(z, h, strict=True)]


def test_a_fault_of_a_metric_is_no_undefined_score():
    with pytest.raises(ValueError, match="two classes, got 3"):
        score_by_unit(auc, [1, 2, 3], [1, 2, 3], [0, 0, 0])
    with pytest.raises(UndefinedScoreError, match=r"^the score is defined in none of 2 units$"):
        _ = score_by_unit(c_index, [1, 1, 2, 2], [1, 2, 3, 4], [0, 0, 1, 1]).mean


Z, H = [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]
BAD = {
    "lengths": (mse, (Z, H[:2]), ValueError, r"one shape.*got shapes \(3,\) and \(2,\)"),
    "shapes": (c_index, ([Z], H), ValueError, r"got shapes \(1, 3\) and \(3,\)"),
    "none": (mse, ([], []), ValueError, "at least one entry"),
    "nan": (c_index, ([1.0, np.nan, 2.0], H), ValueError, "^z contains NaN"),
    "inf": (mse, (Z, [1.0, np.inf, 2.0]), ValueError, "^h contains NaN or infinity"),
    "text": (c_index, (["a", "b", "c"], H), TypeError, "^z must be an array of real numbers"),
    "constant z": (c_index, ([2.0] * 3, H), UndefinedScoreError, r"differ, got.*2\.0.* alone$"),
    "one class": (auc, ([1, 1, 1], H), UndefinedScoreError, "two classes, got one for all 3"),
    "one class by threshold": (
        aupr,
        (Z, H, 9.0),
        UndefinedScoreError,
        r"two classes, got one for all 3 of z by threshold=9\.0$",
    ),
    "three classes": (auc, (Z, H), ValueError, "3 different values: pass a threshold"),
    "threshold": (auc, (Z, H, "7"), TypeError, "^threshold must be a real number"),
    "units": (
        partial(score_by_unit, mse),
        (Z, H, [0, 1]),
        ValueError,
        "^units must label each of 3 responses, got 2 labels",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    function, arguments, error, says = BAD[case]
    with pytest.raises(error, match=says):
        function(*arguments)


def test_weighted_c_index_is_its_definition():
    for n in (2, 7, 33):
        z, h = RNG.integers(0, 5, (2, n)).astype(float)
        z[0], w = z[1] + 1, np.exp(RNG.normal(size=n))
        above = z[:, None] > z
        order = (h[:, None] > h) + (h[:, None] == h) / 2
        both = np.outer(w, w) * above
        assert c_index(z, h, w) == pytest.approx((both * order).sum() / both.sum(), rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_integer_weights_are_repeated_samples(name):
    metric = METRICS[name]
    metric = partial(metric, threshold=2.5) if name in ("auc", "aupr") else metric
    z, h, w = RNG.integers(0, 6, 60) * 1.0, RNG.integers(0, 9, 60) / 2, RNG.integers(0, 4, 60)
    expected = metric(z.repeat(w), h.repeat(w))
    assert metric(z, h, sample_weight=w) == pytest.approx(expected, rel=1e-13)
    assert metric(z, h, sample_weight=7.5 * w) == pytest.approx(expected, rel=1e-13)
    units = np.arange(60) % 7
    found = score_by_unit(metric, z, h, units, w)
    repeated = score_by_unit(metric, z.repeat(w), h.repeat(w), units.repeat(w))
    np.testing.assert_allclose(found.scores, repeated.scores, rtol=1e-13)
    alone = score_by_unit(metric, z, h, units, w * (units != 3))  # a unit of weight 0 is none
    assert 3 not in alone.units
    with pytest.raises(UndefinedScoreError):
        c_index(z, h, sample_weight=(z == z[0]) * 1.0)


BAD_WEIGHTS = {
    "shape": (np.ones(3), ValueError, r"must have the shape of z, \(4,\), got shape \(3,\)"),
    "negative": ([-1, 1, 1, 1], ValueError, "must hold no negative weight"),
    "zeros": ([0, 0, 0, 0], ValueError, "not zeros alone"),
    "NaN": ([np.nan, 1, 1, 1], ValueError, "contains NaN"),
    "text": (["a"] * 4, TypeError, "must be an array of real numbers"),
}


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_bad_weights(case):
    weights, error, says = BAD_WEIGHTS[case]
    z, h = [0.0, 1.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0]
    for metric in METRICS.values():
        with pytest.raises(error, match=f"^sample_weight .*{says}"):
            metric(z, h, sample_weight=weights)
    with pytest.raises(error, match=f"^sample_weight .*{says}"):
        score_by_unit(mse, z, h, [0, 0, 1, 1], weights)
