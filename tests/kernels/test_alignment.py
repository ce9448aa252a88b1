"""ALIGNF: weights against a general optimizer of the alignment itself, and planted kernels."""

import numpy as np
import pytest
from scipy.optimize import minimize

from rkbs.kernels import RBF, Constant, Laplace, Linear, Precomputed, alignment_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(14, 3))
KERNELS = (RBF(0.2), Linear(), Laplace(3.0), RBF(3.0))


def alignment(weights, kernels, X, target):
    """The cosine of HKH and T, from its definition."""
    n = len(X)
    H = np.eye(n) - 1 / n
    K = sum(w * kernel(X, X) for w, kernel in zip(weights, kernels, strict=True))
    R = H @ target.reshape(n, -1)
    K, T = H @ K @ H, R @ R.T
    return np.vdot(K, T) / (np.linalg.norm(K) * np.linalg.norm(T))


@pytest.mark.parametrize("columns", [1, 6])
@pytest.mark.parametrize("seed", range(4))
def test_no_other_weights_are_aligned_better(seed, columns):
    rng = np.random.default_rng(seed)
    target = np.sin(2 * X[:, :1]) + X @ rng.normal(size=(3, columns))
    target += 0.5 * rng.normal(size=target.shape)
    found = alignment_weights(KERNELS, X, target)
    best = alignment(found, KERNELS, X, target)
    assert (found >= 0).all()
    for _ in range(3):
        result = minimize(
            lambda w: -alignment(w, KERNELS, X, target), rng.uniform(size=4), method="SLSQP",
            bounds=[(0, None)] * 4, options={"ftol": 1e-14, "maxiter": 500},
        )  # fmt: skip
        assert -result.fun <= best + 1e-12
    assert -result.fun > best - 1e-6
    shares = np.array(np.meshgrid(*[np.linspace(0, 1, 5)] * 4)).reshape(4, -1).T[1:]
    assert max(alignment(w, KERNELS, X, target) for w in shares) <= best + 1e-12


def planted(weights, n=60, columns=4000):
    """Responses whose covariance is a sum of kernels, nearly, and the kernels."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, 3))
    K = sum(w * kernel(X, X) for w, kernel in zip(weights, KERNELS[:3], strict=True))
    root = np.linalg.cholesky(K + 1e-10 * np.eye(n))
    return X, root @ rng.normal(size=(n, columns))


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.3, 1.0)])
def test_weights_of_planted_kernels_come_back(weights):
    points, target = planted(weights)
    found = alignment_weights(KERNELS[:3], points, target)
    shares = found / found.sum()
    assert np.abs(shares - np.array(weights) / np.sum(weights)).max() < 0.05


def test_no_scale_matters():
    target = X[:, :2] + np.sin(3 * X[:, 1:])
    found = alignment_weights(KERNELS, X, target)
    scales = np.array([1e-6, 1.0, 1e5, 3.0])
    scaled = [s * kernel for s, kernel in zip(scales.tolist(), KERNELS, strict=True)]
    assert alignment_weights(scaled, X, target) * scales == pytest.approx(
        found, rel=1e-9, abs=1e-12
    )
    moved = 1e6 * target + np.array([3.0, -5.0])
    assert alignment_weights(KERNELS, X, moved) == pytest.approx(found, rel=1e-7, abs=1e-9)
    G = sum(w * kernel(X, X) for w, kernel in zip(found, KERNELS, strict=True))
    H = np.eye(14) - 1 / 14
    assert np.trace(H @ G @ H) == pytest.approx(13)


def test_kernels_that_are_the_same_share_what_one_has():
    target = np.sin(2 * X[:, 0]) + X[:, 1]
    alone = alignment_weights([RBF(0.2), Linear()], X, target)
    for twin in (RBF(0.2), RBF(0.2) + Constant()):  # no centered matrix sees a constant
        both = alignment_weights([RBF(0.2), Linear(), twin], X, target)
        assert both[0] + both[2] == pytest.approx(alone[0], rel=1e-6)
        assert both[1] == pytest.approx(alone[1], rel=1e-6)
    assert alignment_weights([Constant(), Linear()], X, target)[0] == 0


def test_missing_responses_are_those_of_their_column():
    target = X @ RNG.normal(size=(3, 5))
    target[RNG.uniform(size=target.shape) < 0.3] = np.nan
    filled = np.where(np.isnan(target), np.nanmean(target, 0), target)
    found = alignment_weights(KERNELS, X, target)
    assert found == pytest.approx(alignment_weights(KERNELS, X, filled), rel=1e-9)
    empty = np.column_stack([target, np.full(14, np.nan)])
    assert alignment_weights(KERNELS, X, empty) == pytest.approx(found, rel=1e-12)


GRAM = Precomputed(np.diag([1.0, -9.0, 1.0]))
BAD = [
    (
        (KERNELS, X, X[:5]),
        ValueError,
        r"target must have shape \(14,\) or \(14, m\), .* got \(5, 3\)",
    ),
    ((KERNELS, X, np.full(14, np.inf)), ValueError, "target must hold finite numbers, or NaN"),
    ((KERNELS, X, np.ones(14)), ValueError, "no kernel is aligned with the responses"),
    (([Constant()], X, X), ValueError, "no kernel is aligned with the responses"),
    (([GRAM], Precomputed.points(3), [1.0, 0.0, -1.0]), ValueError, "no positive variance, tr"),
    (([], X, X), ValueError, "kernels must hold at least one"),
    ((KERNELS, X[0], X), ValueError, r"X must have shape .*, a row per point"),
]


@pytest.mark.parametrize(("arguments", "error", "says"), BAD, ids=[row[2][:30] for row in BAD])
def test_bad_arguments_are_named(arguments, error, says):
    with pytest.raises(error, match=says):
        alignment_weights(*arguments)
