"""Arrangements of kernels of few features: what is built, and its row."""

import numpy as np
import pytest

from rkbs.kernels import TaylorEDP
from verify.studies.arrangements import CASES, Arrangements, circle, features, row_of


@pytest.mark.parametrize("d", [2, 5])
def test_circle(d):
    q, k = circle(7, d, (0.5, 3.0))
    own = np.einsum("hid,hid->hi", q, k) / np.sqrt(d)
    assert np.allclose(own, [[0.5] * 7, [3.0] * 7])


def test_features_are_each_head_s_own():
    kernel, parameters = features(3, 2, (5,), 0)
    assert [tuple(p.shape) for p in parameters] == [(5, 3, 2), (5, 3), (5, 3, 2), (5, 3)]
    assert kernel.rank_bound(2) == 3


@pytest.mark.parametrize("name", CASES)
def test_kernels_have_the_features_that_are_told(name):
    case = CASES[name]
    told = case.make((), 0)[0].rank_bound(case.d)
    assert told == (case.D or np.inf)


def test_a_row_of_keys_that_are_all_the_same():
    same = np.ones((1, 4, 2))
    row = row_of(Arrangements("T2", "by hand", TaylorEDP(2), same, same))
    assert row["trace"] == pytest.approx(1)
    assert row["mean_log"] == pytest.approx(np.log(4))
    assert row["R"] == 0
    assert row["squares"] == pytest.approx(3)
    assert row["apart"] < 1e-15
