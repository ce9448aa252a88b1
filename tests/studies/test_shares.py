"""The exact interval of a share."""

import pytest
from scipy import stats

from verify.studies.shares import clopper_pearson


def test_of_nothing_and_of_all_it_is_a_root():
    assert clopper_pearson(0, 20, 0.05) == pytest.approx((0, 1 - 0.025 ** (1 / 20)))
    assert clopper_pearson(20, 20, 0.05) == pytest.approx((0.025 ** (1 / 20), 1))
    assert clopper_pearson(0, 0, 0.05) == (0, 1)


def test_its_ends_are_where_the_tails_have_half_the_level():
    low, high = clopper_pearson(7, 19, 0.1)
    assert stats.binom.sf(6, 19, low) == pytest.approx(0.05)
    assert stats.binom.cdf(7, 19, high) == pytest.approx(0.05)
