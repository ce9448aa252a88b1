"""Points of the tensor claim are apart, it holds where close ones failed it, and f is bounded."""

import numpy as np
import pytest

from rkbs.losses import Squared
from rkbs.sections import TensorFunction
from verify.ledger import Run, Verdict
from verify.thm1_tensor import REACH, _case, spread_points, tensor_limit


@pytest.mark.parametrize("d", [1, 2])
def test_points_are_apart_in_every_coordinate(d):
    for seed in range(20):
        points = spread_points(np.random.default_rng(seed), 6, d)
        assert points.shape == (6, d)
        assert np.abs(points).max() < REACH
        assert np.diff(np.sort(points, axis=0), axis=0).min() >= REACH / 6 - 1e-12
    assert np.ptp([spread_points(np.random.default_rng(seed), 6, d)[0] for seed in (0, 1)]) > 0


def test_holds_where_close_points_had_failed():
    assert tensor_limit(Run(seed=4)).verdict is Verdict.HOLDS


def test_functions_that_differ_by_more_than_strong_convexity_allows(monkeypatch):
    right = TensorFunction.__call__
    exact = _case(Run(seed=1), 2, 1, Squared(), 7, [2, 14])
    assert max(cut["difference over its bound"] for cut in exact["cuts"]) <= 1
    monkeypatch.setattr(TensorFunction, "__call__", lambda f, points: 1.01 * right(f, points))
    wrong = _case(Run(seed=1), 2, 1, Squared(), 7, [2, 14])
    assert wrong["cuts"][-1]["difference over its bound"] > 10
