"""Penalties of singular values: value, slope, conjugate and prox agree, and with brute force."""

import math

import numpy as np
import pytest

from rkbs.laws import relative
from rkbs.terms import spectral_penalties as penalties
from rkbs.terms.spectral_penalties import Schatten, SpectralPenalty

EXPONENTS = (1, 1.001, 1.25, 1.5, 2, 3, 4, 50)
SIGMA = np.array([7.0, 2.5, 1.0, 0.3, 1e-3, 0.0])
every_p = pytest.mark.parametrize("p", EXPONENTS)


def test_table_has_every_penalty():
    final = {c for c in vars(penalties).values() if isinstance(c, type) and "__final__" in vars(c)}
    assert final == {Schatten}
    assert issubclass(Schatten, SpectralPenalty)


@every_p
def test_value(p):
    assert Schatten(p).value(SIGMA) == pytest.approx(sum(s**p / p for s in SIGMA), rel=1e-14)
    assert Schatten(p).value(0 * SIGMA) == 0


@pytest.mark.parametrize("p", [1, 1.25, 1.5, 2, 3, 4])
def test_derivatives_by_finite_differences(p):
    penalty, sigma, step = Schatten(p), SIGMA[:4], 1e-5
    slope = np.array(
        [(penalty.value(s + step) - penalty.value(s - step)) / (2 * step) for s in sigma[:, None]]
    )
    np.testing.assert_allclose(penalty.gradient(sigma), slope, rtol=1e-8)
    bend = (penalty.gradient(sigma + step) - penalty.gradient(sigma - step)) / (2 * step)
    np.testing.assert_allclose(penalty.curvature(sigma), bend, rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("p", [1.25, 1.5, 2, 3, 4])
def test_conjugate_is_the_supremum_and_its_derivative_inverts_the_gradient(p):
    penalty, s = Schatten(p), np.array([0.2, 1.0, 3.0])
    t = np.linspace(0, 100, 2_000_001)
    suprema = [(a * t - t**p / p).max() for a in s]
    assert penalty.conjugate(s) == pytest.approx(sum(suprema), rel=1e-6)
    assert 1 / penalty.p + 1 / penalty.p_conjugate == pytest.approx(1)
    sigma = penalty.gradient_conjugate(s)
    np.testing.assert_allclose(penalty.gradient(sigma), s, rtol=1e-13)
    np.testing.assert_allclose(penalty.curvature(sigma) * penalty.curvature_conjugate(s), 1)
    fenchel = penalty.value(sigma) + penalty.conjugate(s) - sigma @ s
    assert abs(fenchel) < 1e-12 * (sigma @ s)


def test_conjugate_of_the_nuclear_norm():
    nuclear = Schatten(1)
    assert nuclear.p_conjugate == math.inf
    assert nuclear.conjugate(np.array([1.0, 0.3])) == 0
    assert nuclear.conjugate(np.array([1.0 + 1e-12, 0.3])) == math.inf
    assert nuclear.conjugate(np.array([])) == 0
    assert not nuclear.curvature(SIGMA).any()
    for function in (nuclear.gradient_conjugate, nuclear.curvature_conjugate):
        with pytest.raises(ValueError, match="p must be above 1"):
            function(SIGMA)


@every_p
@pytest.mark.parametrize("step", [1e-6, 0.3, 1.0, 40.0, 1e6])
def test_prox_solves_its_equation_and_beats_other_points(p, step):
    penalty = Schatten(p)
    t = penalty.prox(SIGMA, step)
    assert (t >= 0).all()
    assert (t <= SIGMA).all()
    if p >= 1.25:  # nearer to 1, t is below the smallest float, or t^{p−1} forgets its digits
        assert (np.abs(t + step * t ** (p - 1) - SIGMA) <= 1e-13 * SIGMA).all()
    for near in (0.9 * t, 1.1 * t + 1e-9, SIGMA):
        for k in range(len(SIGMA)):
            cost = [
                step * penalty.value(x[k : k + 1]) + (x[k] - SIGMA[k]) ** 2 / 2 for x in (t, near)
            ]
            assert cost[0] <= cost[1] * (1 + 1e-14)


def test_prox_in_closed_form():
    np.testing.assert_allclose(Schatten(2).prox(SIGMA, 0.7), SIGMA / 1.7, rtol=1e-15)
    np.testing.assert_array_equal(Schatten(1).prox(SIGMA, 0.5), np.maximum(SIGMA - 0.5, 0))
    root = (np.sqrt(1 + 4 * 0.7 * SIGMA) - 1) / (2 * 0.7)  # p = 3
    assert relative(Schatten(3).prox(SIGMA, 0.7), root) < 1e-14
    root = ((np.sqrt(0.49 + 4 * SIGMA) - 0.7) / 2) ** 2  # p = 3/2
    assert relative(Schatten(1.5).prox(SIGMA, 0.7), root) < 1e-14


@every_p
def test_what_is_smooth_says_so(p):
    penalty = Schatten(p)
    assert penalty.is_twice_differentiable == (p >= 2)
    assert penalty.is_dual_twice_differentiable == (1 < p <= 2)
    assert penalty.slope_at_zero == penalty.gradient(np.zeros(1))[0]
    assert penalty.into_domain(SIGMA) == (1.0 if p > 1 else pytest.approx(1 / 7))
    assert p == 1.001 or math.isfinite(penalty.conjugate(penalty.into_domain(SIGMA) * SIGMA))
    assert penalty.into_domain(SIGMA / 8) == 1


def test_a_conjugate_beyond_the_floats_is_infinite_without_a_warning():
    assert Schatten(1.001).conjugate(SIGMA) == math.inf


def test_infinite_curvature_is_infinite_without_a_warning():
    assert Schatten(1.5).curvature(np.zeros(1))[0] == math.inf
    assert Schatten(3).curvature_conjugate(np.zeros(1))[0] == math.inf


def test_the_domain_of_the_nuclear_norm_is_reached_also_for_another_decomposition():
    """Of θG and of its transpose: their largest singular values are rounded differently."""
    rng, penalty = np.random.default_rng(0), Schatten(1)
    for G in rng.standard_normal((50, 20, 15)):
        theta = penalty.into_domain(np.linalg.svd(G, compute_uv=False))
        for scaled in (theta * G, theta * G.T):
            assert penalty.conjugate(np.linalg.svd(scaled, compute_uv=False)) == 0
        assert theta == pytest.approx(1 / np.linalg.norm(G, 2), rel=1e-13)
