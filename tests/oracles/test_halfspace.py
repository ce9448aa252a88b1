"""Depths by counting, against many directions; rows in balls against floats."""

import numpy as np
import pytest

from rkbs.kernels import EDP, RBF, CappedEDP, Cauchy, KeyNormBias
from verify.oracles import halfspace
from verify.oracles.exact import rational_points
from verify.oracles.halfspace import depths, integers, rows, self_weights


def by_directions(points, count=20001):
    """The least number of points in halfplanes through each: an upper bound, nearly always met."""
    angles = np.linspace(0, 2 * np.pi, count)
    sides = points @ np.stack([np.cos(angles), np.sin(angles)])
    return [int((sides >= side).sum(0).min()) for side in sides]


@pytest.mark.parametrize("seed", range(5))
def test_depths_in_the_plane_against_many_directions(seed):
    points = np.random.default_rng(seed).normal(size=(13, 2))
    assert depths(points) == by_directions(points)


def test_depths_of_points_in_special_position():
    angles = 2 * np.pi * np.arange(6) / 6
    hexagon = np.round(64 * np.stack([np.cos(angles), np.sin(angles)], -1))
    assert depths(np.vstack([hexagon, [[0, 0]]])) == [1] * 6 + [4]  # three pairs: one of each
    line = np.stack([np.arange(5.0), 2 * np.arange(5.0)], -1)
    assert depths(line) == [1, 2, 3, 2, 1]
    grid = np.stack(np.meshgrid(range(3), range(3)), -1).reshape(9, 2)
    assert depths(grid) == [1, 2, 1, 2, 5, 2, 1, 2, 1]
    assert depths(np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])) == [2, 2, 1]
    assert depths(np.zeros((3, 2))) == [3, 3, 3]


def test_depths_on_the_line():
    assert depths(np.array([[3.0], [-1.0], [0.5], [9.0], [2.0]])) == [2, 1, 2, 1, 3]
    assert depths(np.array([[1.0], [1.0], [2.0]])) == [2, 2, 1]


def test_integers_keep_all_bits():
    points = np.random.default_rng(0).normal(size=(4, 2)) * [1e-9, 1e9]
    whole = np.array(integers(points), dtype=object)
    ratio = whole[0, 0] / points[0, 0]
    assert all(int(w) == ratio * p for w, p in zip(whole.ravel(), points.ravel(), strict=True))


def test_points_of_space_are_refused():
    with pytest.raises(ValueError, match="d = 3"):
        depths(np.zeros((2, 3)))


@pytest.mark.parametrize(
    "kernel", [EDP(), RBF(0.5), CappedEDP(1.5), Cauchy(0.75), KeyNormBias(EDP(), 0.5)], ids=repr
)
def test_rows_in_balls_against_the_library(kernel):
    q, k = np.random.default_rng(0).normal(size=(2, 5, 2))
    gram = kernel(q, k)
    found = rows(kernel, rational_points(q), rational_points(k))
    floats = np.array([[float(w.mid()) for w in row] for row in found])
    np.testing.assert_allclose(floats, gram / gram.sum(1, keepdims=True), rtol=1e-12)
    own = [float(w.mid()) for w in self_weights(kernel, q, k)]
    np.testing.assert_allclose(own, floats.diagonal(), rtol=1e-14)
    assert all(w.rad() < 1e-30 for w in self_weights(kernel, q, k))


def test_the_oracle_writes_its_kernels_anew(monkeypatch):
    for kernel in (CappedEDP, Cauchy, KeyNormBias):
        monkeypatch.setattr(kernel, "log_formula", lambda *a: 1 / 0)
        monkeypatch.setattr(kernel, "formula", lambda *a: 1 / 0)
    q, k = rational_points(np.ones((1, 2))), rational_points(np.ones((2, 2)))
    for kernel in (CappedEDP(1.0), Cauchy(), KeyNormBias(EDP())):
        assert halfspace.rows(kernel, q, k)[0][0].overlaps(halfspace.arb(1) / 2)
