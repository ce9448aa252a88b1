"""Points of the tensor claim are apart, and it holds where close points had failed it."""

import numpy as np
import pytest

from verify.ledger import Run, Verdict
from verify.thm1_tensor import REACH, spread_points, tensor_limit


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
