"""The residuals of Theorem D: none at a stationary head, and each where its part is broken."""

from dataclasses import replace

import numpy as np
import pytest

from verify.studies.deep_heads import Head, tied_expansion, tied_ratio

D, RANK, DIMENSION = 6, 2, 3
LAMBDAS = (0.2, 0.05)


def stationary(sigma=0.7, lambdas=LAMBDAS):
    """A head with C = λUVᵀ + σλ u vᵀ, turned rows, and decays as weights of its balance."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((D, D)))[0] for _ in range(2))
    turn = np.linalg.qr(rng.standard_normal((DIMENSION, DIMENSION)))[0][:, :RANK]
    root, lam = np.sqrt([1.5, 0.4]), np.sqrt(lambdas[0] * lambdas[1])
    query = np.sqrt(lam / lambdas[0]) * (turn * root) @ U[:, :RANK].T
    key = np.sqrt(lam / lambdas[1]) * (turn * root) @ V[:, :RANK].T
    C = lam * U[:, :RANK] @ V[:, :RANK].T + sigma * lam * np.outer(U[:, 2], V[:, 2])
    return Head(query, key, C, *lambdas, 1.5)


def measures(head):
    return [*head.expansion(), *head.rest(), head.on_rank(), head.balance()]


def test_nothing_is_off_at_a_stationary_head():
    head = stationary()
    assert head.rank == RANK
    assert max(measures(head)) < 1e-13
    assert max(head.best_expansion()) < 1e-13
    u, sigma, v = head.beyond
    assert sigma == pytest.approx(0.7 * head.decay)
    assert u @ head.pull @ v == pytest.approx(sigma)


def test_plain_balance_fails_where_decays_differ():
    assert stationary().balance(weighted=False) == pytest.approx(3.0)
    assert stationary(lambdas=(0.1, 0.1)).balance(weighted=False) < 1e-13


def test_another_decay_is_off_by_its_part():
    head = stationary()
    assert head.expansion(1.05) == pytest.approx((0.05 / 1.05,) * 2)
    assert min(head.rest(1.05)) == pytest.approx(0.05)
    assert max(head.best_expansion()) < 1e-13


@pytest.mark.parametrize(
    "broken",
    [
        lambda h: replace(h, pull=h.pull.T),
        lambda h: replace(h, pull=np.roll(h.pull, 1, axis=0)),
        lambda h: replace(h, query=1.1 * h.query),
        lambda h: replace(h, key=h.key[::-1]),
    ],
    ids=["C transposed", "C shifted", "a longer W_Q", "rows of W_K exchanged"],
)
def test_a_broken_head_is_seen(broken):
    assert max(broken(stationary()).expansion()) > 0.05


def test_a_head_of_zeros_has_rank_0_and_all_of_c_beyond():
    head = replace(stationary(), query=np.zeros((2, D)), key=np.zeros((2, D)))
    assert head.rank == 0
    assert head.beyond[1] == pytest.approx(np.linalg.norm(head.pull, 2))
    assert head.on_rank() == 0


def test_tied_maps_have_their_own_form():
    rng = np.random.default_rng(1)
    U = np.linalg.qr(rng.standard_normal((D, D)))[0]
    W = np.diag([1.5, 0.4]) @ U[:, :2].T
    both = 0.1 * U[:, :2] @ U[:, :2].T + 0.08 * np.outer(U[:, 2], U[:, 2])
    both -= 0.5 * np.outer(U[:, 3], U[:, 3])
    skew = rng.standard_normal((D, D))
    C = both / 2 + (skew - skew.T)
    assert tied_expansion(W, C, 0.1) < 1e-13
    assert tied_expansion(W, C, 0.105) > 0.04
    assert tied_ratio(W, C, 0.1) == pytest.approx(0.8)  # not 5: only the largest counts
