"""Kernels of low rank against dense algebra, and what they say they leave out."""

import numpy as np
import pytest
from optional import torch

from rkbs.kernels import (
    EDP,
    RBF,
    Constant,
    Identity,
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    LowRank,
    Precomputed,
    Quadratic,
)

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (150, 2))
NEW = RNG.uniform(-1.2, 1.2, (40, 2))


def nystrom(kernel, landmarks, x, y):
    """k(x, P) k(P, P)⁻¹ k(P, y), of a well conditioned block."""
    return kernel(x, landmarks) @ np.linalg.solve(
        kernel(landmarks, landmarks), kernel(landmarks, y)
    )


@pytest.mark.parametrize("kernel", [RBF(8.0), Laplace(2.0), EDP() + Constant()], ids=repr)
def test_it_is_nystroms_kernel(kernel):
    low = LowRank(kernel, X, rank=12)
    right = nystrom(kernel, low.landmarks, NEW, X)
    assert abs(low(NEW, X) - right).max() < 1e-8 * abs(right).max()
    features = low.features(NEW)
    assert features.shape == (40, 12)
    assert abs(features @ low.features(X).T - right).max() < 1e-8 * abs(right).max()
    assert (low.points[low.pivots] == low.landmarks).all()
    assert len(np.unique(low.pivots)) == 12


@pytest.mark.parametrize("rank", [1, 10, 33, 100])
def test_at_a_landmark_it_is_the_kernel_itself(rank):
    low = LowRank(Laplace(2.0), X, rank)
    P = low.landmarks
    assert abs(low(NEW, P) - Laplace(2.0)(NEW, P)).max() < 1e-13


@pytest.mark.parametrize("rank", [3, 40, 149])
def test_what_is_left_out_is_what_dense_matrices_say(rank):
    kernel = Laplace(2.0)
    low = LowRank(kernel, X, rank)
    for points in (X, NEW):
        K, L = kernel(points, points), low.features(points)
        rest = np.linalg.eigvalsh(K - L @ L.T)
        left_out = low.left_out(points)
        assert rest[0] > -1e-13
        assert abs(left_out.share - rest.sum() / np.trace(K)) < 1e-13
        # of at most 500 points the block is the whole matrix
        assert abs(left_out.norm_below - rest[-1] / np.trace(K)) < 1e-13
        assert left_out.norm_below <= left_out.norm_above
        assert np.allclose(left_out.spectrum, rest[::-1][:10] / np.trace(K), atol=1e-13)


def test_of_many_points_the_norm_is_bracketed():
    x = RNG.uniform(-1, 1, (1500, 2))
    kernel = Laplace(2.0)
    low = LowRank(kernel, x, 50)
    left_out, L = low.left_out(x), low.features(x)
    top = np.linalg.eigvalsh(kernel(x, x) - L @ L.T)[::-1] / len(x)
    assert left_out.norm_below < top[0] < left_out.norm_above
    assert 0.5 < left_out.spectrum[0] / top[0] < 2


@pytest.mark.parametrize("kernel", [RBF(2.0), Laplace(0.3)], ids=repr)
def test_no_more_landmarks_than_a_tolerance_asks_for(kernel):
    enough, more = LowRank(kernel, X, 150, tol=1e-2), LowRank(kernel, X, 150, tol=1e-4)
    count = len(enough.landmarks)
    assert count < len(more.landmarks)
    for low, tol in ((enough, 1e-2), (more, 1e-4)):
        assert low.left_out(X).share <= tol
        L = low.features(X)[:, :-1]  # without the last one it is not enough
        assert (1 - (L**2).sum(1)).sum() > tol * len(X)
    best = np.linalg.eigvalsh(kernel(X, X))[::-1]  # no rank leaves less than the eigenvalues
    assert best[count:].sum() <= 1e-2 * best.sum()


@pytest.mark.parametrize(
    ("kernel", "dim"),
    [(Linear(), 2), (Quadratic(), 6), (Constant(), 1), (0.0 * Linear(), 0)],
    ids=repr,
)
def test_finitely_many_features_are_all_kept(kernel, dim):
    low = LowRank(kernel, X, 100)
    assert len(low.landmarks) == dim == low.rank_bound(2)
    assert abs(low(NEW, NEW) - kernel(NEW, NEW)).max() < 1e-12
    assert low.features(NEW).shape == (40, dim)


def test_all_points_may_be_landmarks():
    low = LowRank(Laplace(2.0), X, 1000)
    assert sorted(low.pivots) == list(range(150))
    assert abs(low(X, X) - Laplace(2.0)(X, X)).max() < 1e-12


def test_far_from_equal_diagonals_the_large_entries_are_kept():
    x = np.vstack([1e-3 * X, [[30.0, 0.0], [0.0, 20.0]]])
    assert {150, 151} <= set(LowRank(Linear() + 1e-6 * Laplace(), x, 33).pivots.tolist())


def test_equal_points_have_equal_features_and_one_landmark():
    x = np.vstack([X, X])
    low = LowRank(Laplace(2.0), x, 300)
    assert len(low.landmarks) == 150
    features = low.features(x)
    assert (features[:150] == features[150:]).all()


def test_the_seed_decides():
    one, same, other = (LowRank(Laplace(2.0), X, 20, seed=seed).pivots for seed in (0, 0, 1))
    assert (one == same).all()
    assert set(one) != set(other)


def test_similarities_and_batches():
    G = RBF(2.0)(X, X)
    low = LowRank(Precomputed(G), Precomputed.points(150), 30)
    assert abs(low([[3], [7]], [[5]]) - G[[3, 7]][:, [5]]).max() < 1e-3
    low = LowRank(RBF(2.0), X, 30)
    batch = low(NEW.reshape(4, 10, 2), X)
    assert abs(batch.reshape(40, 150) - low(NEW, X)).max() < 1e-13


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tensors(dtype):
    low, kind = LowRank(RBF(2.0), X, 30), getattr(torch, dtype)
    x = torch.tensor(NEW, dtype=kind)
    found = low(x, x)
    right = low(x.double().numpy(), x.double().numpy())
    assert found.dtype == kind
    assert abs(found.double().numpy() - right).max() < 4 * torch.finfo(kind).eps + 1e-12
    assert low.features(x).shape == (40, 30)


def test_structure():
    low = LowRank(RBF(), X, 7)
    assert low.is_mercer
    assert low.is_symmetric
    assert low.is_positive is None
    assert low.rank_bound(2) == 7
    assert low.domain_x is low
    assert repr(low) == "LowRank(RBF(tau=1.0), <150 points>, rank=7)"


WRONG = [
    (lambda: LowRank(RBF, X), TypeError, "did you mean RBF"),
    (lambda: LowRank(L2Distance(), X), ValueError, "must be a Mercer kernel"),
    (lambda: LowRank(KeyNormBias(EDP()), X), ValueError, "take κ.domain_x or κ.domain_y"),
    (lambda: LowRank(RBF(np.ones(2)), X), ValueError, "a value for each head"),
    (lambda: LowRank(RBF() + Identity(), X), ValueError, "asks who is who"),
    (lambda: LowRank(RBF(), X, 0), ValueError, r"LowRank\(rank=…\) must be at least 1, got 0"),
    (lambda: LowRank(RBF(), X, 2.5), TypeError, r"LowRank\(rank=…\) must be an integer"),
    (lambda: LowRank(RBF(), X, tol=-1), ValueError, r"LowRank\(tol=…\) must be finite and ≥ 0"),
    (lambda: LowRank(RBF(), X, seed=-1), ValueError, r"LowRank\(seed=…\) must be at least 0"),
    (lambda: LowRank(RBF(), X, 3)(X[:, :1], X), ValueError, "must share their last axis"),
]


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_wrong_arguments_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
