"""Contestants of recall: their laws, their arrangements, and the counting of their accuracy."""

import math

import numpy as np
import pytest
from optional import torch

from verify.oracles.assignments import accuracy as by_partitions
from verify.studies.recall import (
    CONTESTANTS,
    LEARNED,
    TIE,
    VALUES,
    accuracies,
    arrangement,
    train,
    work,
)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("name", CONTESTANTS)
def test_the_laws_written_here_are_those_that_the_kernels_tell(name, d):
    contestant = CONTESTANTS[name]
    kernel = contestant.make(1, d, torch.Generator().manual_seed(0), "cpu")
    rank = kernel.rank_bound(d)
    assert contestant.features(d) == (math.inf if name == "L2" else rank)  # L2: not decided there
    squares = kernel.square_dim(d)
    if contestant.squares:
        assert contestant.squares(d) == squares
    else:
        assert squares is None
    assert contestant.metric is bool(kernel.is_metric)
    if contestant.depth:
        assert kernel.is_quasiconvex(1)
    if contestant.spread < math.inf:
        assert contestant.spread == kernel.logit_spread


TABLE = {
    ("uniform", 5, 2): (1, 1),
    ("L2", 16, 3): (2, 2),
    ("T2", 16, 2): (3, 5),
    ("T4", 16, 2): (6, 11),
    ("T16", 16, 2): (16, 16),
    ("quadratic", 6, 2): (3, 5),
    ("EDP", 12, 1): (4.9, 2),
    ("EDP", 12, 2): (12, 12),
    ("EI", 4, 1): (25 / 12, 1),
    ("EI", 4, 2): (4, 4),
    ("RBF", 12, 1): (12, 12),
    ("learned features", 16, 2): (8, 8),
    ("capped ±1", 16, 2): (16 / (1 + 15 * math.exp(-2)), 0),
    ("capped ±1", 8, 2): (8 / (1 + 7 * math.exp(-2)), 8),
}


@pytest.mark.parametrize(("name", "n", "d"), TABLE)
def test_bounds_by_hand(name, n, d):
    trace, selected = TABLE[name, n, d]
    assert CONTESTANTS[name].trace_bound(n, d) == pytest.approx(trace)
    assert CONTESTANTS[name].selection_bound(n, d) == selected


@pytest.mark.parametrize("n", [5, 8])
@pytest.mark.parametrize("name", CONTESTANTS)
def test_arrangements_are_rows_of_weights_within_the_laws(name, n):
    A = arrangement(name, n)
    np.testing.assert_allclose(A.sum(1), 1)
    assert A.min() >= 0
    assert np.trace(A) <= CONTESTANTS[name].trace_bound(n, 2) + 1e-9
    assert (A.diagonal() > 0.5).sum() <= CONTESTANTS[name].selection_bound(n, 2)


def test_arrangements_by_hand():
    np.testing.assert_allclose(arrangement("T2", 5).diagonal(), (3 + 5**0.5) / 10, rtol=1e-4)
    np.testing.assert_allclose(arrangement("quadratic", 6).diagonal(), 0.5, rtol=1e-4)
    np.testing.assert_allclose(arrangement("L2", 16).diagonal(), 1 / 8)
    assert np.trace(arrangement("learned features", 24)) == pytest.approx(LEARNED)


@pytest.mark.parametrize("name", ["uniform", "T2", "L2", "EDP"])
def test_sampled_accuracies_against_partitions(name):
    A = arrangement(name, 6)
    sampled = float(accuracies(torch.tensor(A)[None], 20_000, 0)[0])
    assert sampled == pytest.approx(by_partitions(A, VALUES, TIE), abs=0.015)


def test_padding_changes_nothing():
    """A head among longer ones is a head alone: its weights are those of its own keys."""
    heads = train("EDP", 2, (3, 5), 2, 5)
    assert heads.weights.shape == (4, 5, 5)
    assert float(heads.weights[0, :3, 3:].max()) == 0
    torch.testing.assert_close(heads.rows(0).sum(-1), torch.ones(3, dtype=torch.float64))
    assert len(heads.own(0)) == 3
    assert len(heads.own(3)) == 5


def test_the_loss_is_that_of_the_right_value():
    heads = train("uniform", 2, (4,), 2, 1)
    # −log((1 + B)/4), B of the three others having the same value: binomial.
    share = [math.comb(3, b) * (1 / 8) ** b * (7 / 8) ** (3 - b) for b in range(4)]
    expected = -sum(p * math.log((1 + b) / 4) for b, p in enumerate(share))
    np.testing.assert_allclose(heads.losses.numpy(), expected, atol=0.02)


def test_training_learns_and_work_says_what_became_of_it():
    cell = {"kernel": "RBF", "d": 1, "sizes": [3, 9], "seeds": 2, "steps": 150, "seed": 0}
    found = work(cell | {"examples": 200}, "cpu")["found"]
    assert [entry["n"] for entry in found] == [3, 9]
    assert found[0]["selected"] == [3, 3]
    assert found[0]["accuracy"] == [1, 1]
    assert found[0]["exact"] == 1
    assert found[1]["exact"] is None
    assert found[0]["loss"][found[0]["best"]] == min(found[0]["loss"])


def test_learned_features_are_learned():
    generator = torch.Generator().manual_seed(0)
    kernel = CONTESTANTS["learned features"].make(3, 2, generator, "cpu")
    assert kernel.query_weights.shape == (3, LEARNED, 2)
    before = train("learned features", 2, (4,), 2, 1).losses
    after = train("learned features", 2, (4,), 2, 100).losses
    assert bool((after < before - 0.2).all())
