"""Fewest points by ascent: forms whose number of points is known, and finite differences."""

import math

import numpy as np
import pytest
from flint import fmpq

from rkbs import EDP
from verify.oracles.circle import fewest as equispaced
from verify.studies.gram_ascent import NEGATIVE, ascended, at_two_points, fewest, ratio

RNG = np.random.default_rng(0)


def turned(epsilon):
    return np.array([[1.0, -epsilon], [epsilon, 1.0]])


def test_the_ratio_is_that_of_the_librarys_gram_matrix():
    N, x = RNG.normal(size=(4, 4)), RNG.normal(size=(6, 4))
    gram = EDP().pullback(N.T, None)(x, x)
    eigenvalues = np.linalg.eigvalsh((gram + gram.T) / 2)
    assert ratio(N, 0.5, x)[0] == pytest.approx(eigenvalues[0] / eigenvalues[-1])


def test_its_slope_by_finite_differences():
    N, x = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 3))
    slope, step = ratio(N, 0.7, x)[1], 1e-6
    for place in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        found = (ratio(N, 0.7, up)[0] - ratio(N, 0.7, down)[0]) / (2 * step)
        assert slope[place] == pytest.approx(found, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("epsilon", [1, fmpq(1, 2)])
def test_a_turn_takes_no_more_points_than_equispaced_ones(epsilon):
    """I + εJ on the unit disc: S = I, so that two near points never do."""
    value = float(fmpq(epsilon).p) / float(fmpq(epsilon).q)
    found = fewest(turned(value), 1 / math.sqrt(2), 1.0, np.random.default_rng(0))
    known = equispaced(fmpq(epsilon), 2)
    assert 3 <= found.n <= known.n
    assert found.ratio < NEGATIVE
    assert np.linalg.norm(found.points, axis=1).max() <= 1 + 1e-12
    assert at_two_points(turned(value), 1 / math.sqrt(2), 1.0) > 0


def test_a_negative_direction_takes_two_points():
    N = np.diag([1.0, 0.5, -0.01]) + np.array([[0, 0.2, 0], [-0.2, 0, 0], [0, 0, 0]])
    found = fewest(N, 1.0, 1.0, np.random.default_rng(0))
    assert found.n == 2
    closed = at_two_points(N, 1.0, 1.0)
    assert closed == pytest.approx(math.tanh(-0.01))
    assert found.ratio <= closed + 1e-12
    v = np.array([[0, 0, 1.0], [0, 0, -1.0]])
    assert ratio(N, 1.0, v)[0] == pytest.approx(closed)


def test_a_semidefinite_form_takes_more_than_all_that_are_tried(monkeypatch):
    monkeypatch.setattr("verify.studies.gram_ascent.COUNTS", (2, 3, 16))
    W = RNG.normal(size=(3, 5))
    found = fewest(W.T @ W, 1.0, 2.0, np.random.default_rng(0))
    assert found.n is None
    assert NEGATIVE < found.ratio < 1e-3


def test_ascent_only_lowers_the_ratio_and_stays_in_the_ball():
    N, start = RNG.normal(size=(4, 4)), 3 * RNG.normal(size=(5, 4))
    found = ascended(N, 0.3, 0.8, start)
    inside = 0.8 * start / np.maximum(np.linalg.norm(start, axis=1, keepdims=True), 1)
    assert found.ratio <= ratio(N, 0.3, inside)[0]
    assert np.linalg.norm(found.points, axis=1).max() <= 0.8 + 1e-12
