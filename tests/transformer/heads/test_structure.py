"""The structure of W_Qᵀ W_K by its factors, against numpy on the matrix itself."""

import numpy as np
import pytest

from rkbs.transformer.heads.structure import covariance_root, form_within, structure

RNG = np.random.default_rng(0)
SIZES = [(2, 9), (4, 8), (5, 8), (8, 8), (1, 1), (10, 8)]


def pair(d, n, m=None):
    return RNG.normal(size=(d, n)), RNG.normal(size=(d, m or n))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_is_that_of_the_matrix(size):
    query, key = pair(*size)
    M = query.T @ key
    found = structure(query, key)
    sigma = np.linalg.svd(M, compute_uv=False)
    count = len(found.singular_values)
    assert count == min(size)
    assert np.allclose(found.singular_values, sigma[:count], rtol=1e-12, atol=1e-12 * sigma[0])
    assert found.rank == np.linalg.matrix_rank(M)
    p = sigma[:count] / sigma[:count].sum()
    assert found.effective_rank == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert found.stable_rank == pytest.approx((M**2).sum() / sigma[0] ** 2)
    assert found.antisymmetric_share == pytest.approx(
        ((M - M.T) ** 2).sum() / 4 / (M**2).sum(), abs=1e-14
    )
    eigenvalues = np.linalg.eigvalsh((M + M.T) / 2)
    tiny = 1e-10 * sigma[0]
    signs = (
        (eigenvalues > tiny).sum(),
        (abs(eigenvalues) <= tiny).sum(),
        (eigenvalues < -tiny).sum(),
    )
    assert found.inertia == signs
    assert found.negative_mass == pytest.approx(
        -eigenvalues[eigenvalues < 0].sum() / abs(eigenvalues).sum(), abs=1e-12
    )
    assert found.least_eigenvalue == pytest.approx(eigenvalues[0], abs=1e-12 * sigma[0])


@pytest.mark.parametrize("d", [1, 3, 4])
def test_independent_rows_have_as_many_negative_as_positive_directions(d):
    """Where 2d ≤ C, of any maps: S = ¼((Q + K)ᵀ(Q + K) − (Q − K)ᵀ(Q − K))."""
    assert structure(*pair(d, 9)).inertia == (d, 9 - 2 * d, d)
    near = RNG.normal(size=(d, 9))
    almost_tied = structure(near, near + 1e-4 * RNG.normal(size=(d, 9)))
    assert almost_tied.inertia == (d, 9 - 2 * d, d)
    assert almost_tied.negative_mass < 1e-6
    assert not almost_tied.is_semidefinite


@pytest.mark.parametrize("factor", [1.0, 2.0, 1e-20, 1e20])
def test_tied_maps_are_semidefinite_at_any_scale(factor):
    W = RNG.normal(size=(3, 7))
    found = structure(factor * W, W)
    assert found.is_semidefinite
    assert found.inertia == (3, 4, 0)
    assert found.negative_mass == found.antisymmetric_share == 0
    assert not structure(-factor * W, W).is_semidefinite
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    assert structure(turn @ W, turn @ W).is_semidefinite


def test_weights_of_half_the_digits_are_tied_up_to_their_rounding():
    W = RNG.normal(size=(3, 7))
    near = W.astype(np.float32).astype(float)
    assert not structure(W, near).is_semidefinite
    assert structure(W, near, eps=float(np.finfo(np.float32).eps)).is_semidefinite


def test_other_domains_have_singular_values_alone():
    query, key = pair(3, 9, 5)
    found = structure(query, key, within=False)
    sigma = np.linalg.svd(query.T @ key, compute_uv=False)
    assert np.allclose(found.singular_values, sigma[:3])
    assert found.antisymmetric_share is found.inertia is found.negative_mass is None
    assert found.least_eigenvalue is found.is_semidefinite is None


def test_no_map():
    found = structure(np.zeros((2, 5)), RNG.normal(size=(2, 5)))
    assert (found.rank, found.effective_rank, found.stable_rank) == (0, 0.0, 0.0)
    assert (found.inertia, found.negative_mass) == ((0, 5, 0), 0.0)


def test_random_maps_are_as_the_docstring_says():
    """The shares that trained heads are compared with."""
    n, d = 24, 3
    found = [structure(*pair(d, n)) for _ in range(400)]
    share = np.array([one.antisymmetric_share for one in found])
    mass = np.array([one.negative_mass for one in found])
    for values, mean in ((share, (1 - 1 / n) / 2), (mass, 0.5)):
        assert abs(values.mean() - mean) < 4 * values.std() / 20


def test_the_core_and_the_root():
    query, key = pair(2, 9)
    core, M = form_within(query, key), query.T @ key
    assert core.shape == (4, 4)
    assert np.trace(core @ core) == pytest.approx(np.trace(M @ M))
    X = RNG.normal(size=(30, 4))
    covariance = np.cov(X.T)
    root = covariance_root(covariance)
    assert np.allclose(root @ root, covariance)
    assert np.allclose(root, root.T)
    flat = covariance_root(np.diag([1.0, -1e-18]))  # rounding below zero
    assert np.isfinite(flat).all()
