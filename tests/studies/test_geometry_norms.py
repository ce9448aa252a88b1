"""Norms, duals and directions: against linear programs and brute force on tiny matrices."""

import numpy as np
import pytest
from scipy.optimize import linprog

from verify.studies.geometry_norms import (
    FROBENIUS,
    MAX,
    NORMS,
    NUCLEAR,
    SPECTRAL,
    SUM,
    inner,
)

RNG = np.random.default_rng(0)
SHAPES = ((2, 2), (3, 4), (4, 2), (2, 3, 5))
norms = pytest.mark.parametrize("norm", NORMS.values(), ids=list(NORMS))


def turn(angle, flip=1.0):
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s * flip], -1), np.stack([s, c * flip], -1)], -2)


def by_program(norm, a):
    """max ⟨a, u⟩ over N(u) ≤ 1: a linear program in u, and in its absolute values."""
    n = a.size
    if norm is MAX:
        found = linprog(-a.ravel(), bounds=[(-1, 1)] * n)
    else:
        found = linprog(-np.r_[a.ravel(), -a.ravel()], A_ub=np.ones((1, 2 * n)), b_ub=[1])
    return -found.fun


def by_search(norm, a):
    """The same over the corners of the ball of 2 × 2 matrices, at angles of a grid."""
    angles = np.linspace(0, 2 * np.pi, 1441)
    if norm is SPECTRAL:  # rotations and reflections
        corners = np.concatenate([turn(angles), turn(angles, -1.0)])
    else:  # products of unit vectors
        v = np.stack([np.cos(angles), np.sin(angles)], -1)
        corners = v[:, None, :, None] * v[None, :, None, :]
    return inner(a, corners).max()


@pytest.mark.parametrize("norm", [MAX, SUM], ids=lambda norm: norm.name)
def test_duals_of_entrywise_norms_are_linear_programs(norm):
    for shape in ((2, 2), (3, 4)):
        a = RNG.normal(size=shape)
        assert by_program(norm, a) == pytest.approx(norm.dual(a), rel=1e-9)


@pytest.mark.parametrize("norm", [SPECTRAL, NUCLEAR], ids=lambda norm: norm.name)
def test_duals_of_spectral_norms_by_search_over_corners(norm):
    for _ in range(3):
        a = RNG.normal(size=(2, 2))
        found = by_search(norm, a)
        assert found <= norm.dual(a) * (1 + 1e-12)
        assert found == pytest.approx(norm.dual(a), rel=1e-4)


def test_singular_values_of_two_by_two():
    """σ_1 ± σ_2 are (‖a‖² ± 2|det a|)^½."""
    a = RNG.normal(size=(50, 2, 2))
    squares, det = (a**2).sum((-2, -1)), np.abs(np.linalg.det(a))
    np.testing.assert_allclose(NUCLEAR.value(a), np.sqrt(squares + 2 * det), rtol=1e-12)
    largest = (np.sqrt(squares + 2 * det) + np.sqrt(squares - 2 * det)) / 2
    np.testing.assert_allclose(SPECTRAL.value(a), largest, rtol=1e-6)


@norms
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_direction_is_of_norm_one_and_attains_the_dual(norm, shape):
    a = RNG.normal(size=shape)
    u = norm.steepest(a)
    np.testing.assert_allclose(norm.value(u), 1, rtol=1e-12)
    np.testing.assert_allclose(inner(a, u), norm.dual(a), rtol=1e-12)


@norms
def test_no_other_direction_does_more(norm):
    a, u = RNG.normal(size=(3, 4)), RNG.normal(size=(2000, 3, 4))
    assert np.all(inner(a, u) <= norm.dual(a) * norm.value(u) * (1 + 1e-12))


@norms
def test_the_gap_is_zero_on_the_duality_map_alone(norm):
    g = RNG.normal(size=(5, 3, 4))
    np.testing.assert_allclose(norm.gap(2 * norm.steepest(-g), g), 0, atol=1e-12)
    np.testing.assert_allclose(norm.gap(norm.steepest(g), g), 2, atol=1e-12)
    others = [norm.gap(other.steepest(-g), g).min() for other in NORMS.values() if other != norm]
    assert min(others) > 0.02
    assert np.isnan(norm.gap(np.zeros((3, 4)), g[0]))


def test_the_norms_are_five_and_dual_in_pairs():
    assert [norm.name for norm in NORMS.values()] == list(NORMS)
    a = RNG.normal(size=(3, 4))
    for one, other in ((MAX, SUM), (SPECTRAL, NUCLEAR), (FROBENIUS, FROBENIUS)):
        assert one.dual(a) == pytest.approx(other.value(a))
        assert other.dual(a) == pytest.approx(one.value(a))
