"""RBF in scikit-learn's γ, and τ from the median distance."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics.pairwise

from rkbs import RBF

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("d", [1, 4, 7])
def test_gamma_is_that_of_scikit_learn(d):
    x, y = RNG.normal(size=(5, d)), RNG.normal(size=(4, d))
    expected = sklearn.metrics.pairwise.rbf_kernel(x, y, gamma=0.3)
    assert np.abs(RBF.from_gamma(0.3, d)(x, y) - expected).max() < 1e-15


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
@pytest.mark.parametrize(("n", "d"), [(2, 1), (9, 3), (24, 2)])
def test_the_median_distance_has_the_value_1_over_e(n, d, scale):
    x = scale * RNG.normal(size=(n, d))
    square = sorted(
        ((x[i] - x[j]) / scale) @ ((x[i] - x[j]) / scale) for i in range(n) for j in range(i)
    )
    middle = (square[(len(square) - 1) // 2] + square[len(square) // 2]) / 2
    kernel = RBF.from_median(x)
    assert kernel.tau * middle / np.sqrt(d) * scale**2 == pytest.approx(1, rel=1e-12)
    values = kernel(x, x)[np.triu_indices(n, 1)]
    assert (values <= np.exp(-1) * (1 + 1e-9)).mean() >= 0.5
    assert (values >= np.exp(-1) * (1 - 1e-9)).mean() >= 0.5


def test_of_many_points_some_are_drawn_by_the_seed():
    x = pd.DataFrame(RNG.normal(size=(400, 3)))
    few = [RBF.from_median(x, most=50, seed=seed).tau for seed in (0, 0, 1)]
    assert few[0] == few[1] != few[2]
    assert few[0] == pytest.approx(RBF.from_median(x).tau, rel=0.3)
    assert RBF.from_median(x, most=400) == RBF.from_median(x)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: RBF.from_gamma(0.0, 2), ValueError, "gamma must be positive"),
        (lambda: RBF.from_gamma("scale", 2), TypeError, "gamma must be a real number"),
        (lambda: RBF.from_gamma(1.0, 0), ValueError, "d must be at least 1"),
        (lambda: RBF.from_gamma(1.0, 2.5), TypeError, "d must be an integer"),
        (lambda: RBF.from_median([[1.0]]), ValueError, "X must hold points of which most differ"),
        (lambda: RBF.from_median(np.ones((5, 2))), ValueError, r"pass each .* np\.unique\(X, axis"),
        (lambda: RBF.from_median([1.0, 2.0]), ValueError, r"X must have shape \(\.\.\., n, d\)"),
        (lambda: RBF.from_median(np.eye(3), most=1), ValueError, "most must be at least 2"),
        (lambda: RBF.from_median(np.eye(3), most=2, seed=-1), ValueError, "seed must be at least"),
        (lambda: RBF.from_median([[0.0], [1e-300]]), ValueError, r"RBF\(tau=…\) must be positive"),
    ],
)
def test_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()
