"""Certificates of heads: problems whose solution is known, and the objective along the growth."""

import math

import numpy as np
import pytest

from rkbs.transformer.heads.certificate import certificate, tied_certificate

RNG = np.random.default_rng(0)
SIGMA = np.array([3.0, 2.0, 1.2, 0.9, 0.3])
LAM = 1.0


def orthogonal(n, k):
    return np.linalg.qr(RNG.normal(size=(n, n)))[0][:, :k]


LEFT, RIGHT = orthogonal(7, 5), orthogonal(6, 5)
TARGET = LEFT * SIGMA @ RIGHT.T


def solved(d, lam_query=LAM, lam_key=LAM):
    """The minimizer of ½‖M − TARGET‖² + (λ_Q/2)‖W_Q‖² + (λ_K/2)‖W_K‖² with d rows each.

    M is the target with singular values shrunk by √(λ_Q λ_K), the d largest of them (theory §3C).
    """
    lam = math.sqrt(lam_query * lam_key)
    root = np.sqrt(np.maximum(SIGMA[:d] - lam, 0))[:, None] * (lam_key / lam_query) ** 0.25
    query, key = root * LEFT[:, :d].T, root * np.sqrt(lam_query / lam_key) * RIGHT[:, :d].T
    return query, key, TARGET - query.T @ key


def objective(query, key):
    return (np.sum((query.T @ key - TARGET) ** 2) + LAM * (np.sum(query**2) + np.sum(key**2))) / 2


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_a_solution_is_known_as_one(d):
    query, key, C = solved(d)
    for given in (LAM, None, (LAM, LAM)):
        found = certificate(query, key, C, given)
        assert found.decay == pytest.approx(LAM)
        assert found.is_estimated is (given is None)
        assert max(found.residual_query, found.residual_key, found.balance) < 1e-14
        rest = SIGMA[min(d, 3)]  # the fourth row of the minimizer is 0
        assert found.ratio == pytest.approx(rest / LAM)
        assert found.suffices is (d >= 3)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_growth_lowers_the_objective_by_what_it_says(d):
    """By the objective itself, along the singular vectors of what is left of C."""
    query, key, C = solved(d)
    ratio = certificate(query, key, C, LAM).ratio
    u, _, v = np.linalg.svd(C - LAM * LEFT[:, :d] @ RIGHT[:, :d].T)
    for a in (1e-2, 1e-3):
        grown = np.vstack([query, a * u[:, 0]]), np.vstack([key, a * v[0]])
        change = objective(*grown) - objective(query, key)
        assert change / a**2 == pytest.approx(-(ratio - 1) * LAM, abs=2 * a**2 + 1e-8)


def test_another_decay_is_noticed():
    query, key, C = solved(2)
    found = certificate(query, key, C, 1.1 * LAM)
    assert found.residual_query == pytest.approx(0.1 / 1.1)
    assert found.ratio == pytest.approx(1.2 / 1.1)


def test_away_from_the_solution_the_residual_is_the_gradient():
    query, key, C = solved(3)
    query = query + 0.1 * RNG.normal(size=query.shape)
    C = TARGET - query.T @ key
    found, a = certificate(query, key, C, LAM), 1e-6
    slopes = np.zeros_like(query)
    for place in np.ndindex(*query.shape):
        step = np.zeros_like(query)
        step[place] = a
        slopes[place] = (objective(query + step, key) - objective(query - step, key)) / (2 * a)
    expected = np.linalg.norm(slopes) / (LAM * np.linalg.norm(query))
    assert found.residual_query == pytest.approx(expected, rel=1e-6)
    assert found.balance > 1e-3


def test_two_decays_are_their_geometric_mean_with_a_weighted_balance():
    query, key, C = solved(2, 0.5, 2.0)
    found = certificate(query, key, C, (0.5, 2.0))
    assert found.decay == pytest.approx(1.0)
    assert max(found.residual_query, found.residual_key, found.balance) < 1e-13
    assert found.ratio == pytest.approx(1.2)
    assert certificate(query, key, C, 1.0).balance > 0.5  # the plain one fails


def test_estimated_decay_is_the_best_fit():
    query, key, C = solved(2)
    query, key = query + 0.1 * RNG.normal(size=query.shape), key
    found = certificate(query, key, C)

    def misfit(lam):
        return np.sum((lam * query.T - C @ key.T) ** 2) + np.sum((lam * key - query @ C) ** 2)

    assert all(misfit(found.decay) < misfit(found.decay + e) for e in (-1e-3, 1e-3))


def test_heads_that_share_keys_are_one():
    """Two heads side by side: their C one above the other."""
    query, key, C = solved(2)
    found = certificate(np.hstack([query, query]), key, np.vstack([C, C]), None)
    assert found.ratio * found.decay == pytest.approx(1.2 * math.sqrt(2))


def test_tied_maps():
    """½‖WᵀW − T‖² of a symmetric T with (λ/2)‖W‖²: eigenvalues of T shrunk by λ/2."""
    lam, values = 0.8, np.array([3.0, 2.0, 1.5, 0.2, -1.0])
    basis = orthogonal(5, 5)
    T = basis * values @ basis.T
    for d in (1, 2, 3):
        W = np.sqrt(np.maximum(values[:d] - lam / 2, 0))[:, None] * basis[:, :d].T
        C = T - W.T @ W
        for given in (lam, None):
            found = tied_certificate(W, C, given)
            assert found.decay == pytest.approx(lam)
            assert found.residual_query < 1e-13
            assert found.ratio == pytest.approx(2 * values[d] / lam)
            assert found.suffices is (d == 3)
    lopsided = tied_certificate(
        W, C + np.triu(np.ones((5, 5)), 1) - np.tril(np.ones((5, 5)), -1), lam
    )
    assert lopsided.ratio == pytest.approx(found.ratio)  # only C + Cᵀ counts


def test_no_certificate_where_no_decay_explains_the_head():
    query, key, C = solved(2)
    assert certificate(query, key, -C) is None
    assert certificate(0 * query, key, C, LAM) is None
    assert tied_certificate(query, -np.eye(7)) is None
    assert tied_certificate(0 * query, np.eye(7), LAM) is None


def test_a_head_of_full_rank_has_nothing_left():
    query = key = np.eye(3)
    assert certificate(query, key, RNG.normal(size=(3, 3)), LAM).ratio < 1e-14
