"""Recall by partitions, against all assignments of values."""

import math
from itertools import product

import numpy as np
import pytest

from verify.oracles.assignments import accuracy, partitions


def by_all_assignments(weights, values):
    n, right = len(weights), 0.0
    for given in product(range(values), repeat=n):
        for query, row in enumerate(weights):
            scores = [
                sum(w for w, v in zip(row, given, strict=True) if v == c) for c in range(values)
            ]
            best = [c for c, s in enumerate(scores) if s >= max(scores) - 1e-9]
            right += (given[query] in best) / len(best) / n
    return right / values**n


@pytest.mark.parametrize(("n", "values"), [(3, 4), (4, 3), (5, 2)])
def test_accuracy_against_all_assignments(n, values):
    rng = np.random.default_rng(n)
    for weights in (rng.dirichlet(np.ones(n), size=n), np.full((n, n), 1 / n), np.eye(n)):
        expected = by_all_assignments(weights, values)
        assert accuracy(weights, values, 1e-9) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "values", "bell"), [(4, 8, 15), (8, 8, 4140), (4, 2, 8)])
def test_partitions_are_all_and_their_probabilities_sum_to_one(n, values, bell):
    found, share = partitions(n, values)
    assert len(found) == len({tuple(row) for row in found}) == bell
    assert share.sum() == pytest.approx(1, rel=1e-12)
    assert found.max() < values


def test_by_hand():
    assert accuracy(np.eye(6), 8, 1e-9) == 1
    pairs = np.kron(np.eye(3), np.full((2, 2), 0.5))
    assert accuracy(pairs, 8, 1e-9) == pytest.approx(1 / 8 + 7 / 16)  # the same value, or a toss
    wrong = np.roll(np.eye(5), 1, axis=1)
    assert accuracy(wrong, 8, 1e-9) == pytest.approx(1 / 8)
    assert math.isclose(accuracy(np.full((2, 2), 0.5), 4, 1e-9), 1 / 4 + 3 / 8)
