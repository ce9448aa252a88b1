"""Regularizers: conjugates against brute force, derivatives against differences."""

import numpy as np
import pytest

from rkbs.terms.norm_penalties import HalfSquare, Norm, PowerNorm

STRICT = (PowerNorm(1.25), PowerNorm(2.0), PowerNorm(4.0), HalfSquare())
every = pytest.mark.parametrize("regularizer", [*STRICT, Norm()], ids=repr)
strict = pytest.mark.parametrize("regularizer", STRICT, ids=repr)
T = np.linspace(0, 30, 300_001)


def values(regularizer):
    return np.array([regularizer.value(t) for t in T])


@every
def test_value_starts_at_zero_and_increases(regularizer):
    found = values(regularizer)
    assert found[0] == 0
    assert (np.diff(found) > 0).all()


@every
def test_conjugate_is_the_supremum(regularizer):
    table = values(regularizer)
    for s in (0.0, 0.3, 0.9, 1.0, 1.2):
        brute = (s * T - table).max()
        if isinstance(regularizer, Norm) and s > 1:
            assert regularizer.conjugate(s) == np.inf
        else:
            assert regularizer.conjugate(s) == pytest.approx(brute, abs=1e-7)


@every
def test_derivative_by_differences(regularizer):
    for t in (0.2, 1.0, 3.0):
        slope = (regularizer.value(t + 1e-6) - regularizer.value(t - 1e-6)) / 2e-6
        assert regularizer.derivative(t) == pytest.approx(slope, rel=1e-8)


@strict
def test_length_inverts_the_derivative_and_differentiates_the_conjugate(regularizer):
    assert regularizer.strictly_convex
    for s in (0.2, 1.0, 3.0):
        assert regularizer.derivative(regularizer.length(s)) == pytest.approx(s, rel=1e-12)
        up, down = regularizer.conjugate(s + 1e-6), regularizer.conjugate(s - 1e-6)
        assert regularizer.length(s) == pytest.approx((up - down) / 2e-6, rel=1e-8)
        up, down = regularizer.length(s + 1e-6), regularizer.length(s - 1e-6)
        assert regularizer.length_slope(s) == pytest.approx((up - down) / 2e-6, rel=1e-8)


def test_norm_does_not_tell_the_length_on_the_boundary():
    assert not Norm().strictly_convex
    assert Norm().length(0.5) == Norm().length_slope(0.5) == 0
    with pytest.raises(ValueError, match="s must be below 1"):
        Norm().length(1.0)
    with pytest.raises(ValueError, match="s must be below 1"):
        Norm().length_slope(1.0)


def test_power_two_is_the_half_square():
    for s in (0.3, 2.0):
        assert PowerNorm(2.0).value(s) == pytest.approx(HalfSquare().value(s))
        assert PowerNorm(2.0).conjugate(s) == pytest.approx(HalfSquare().conjugate(s))


@pytest.mark.parametrize("r", [1.0, 0.5, np.inf, np.nan])
def test_power_must_exceed_one(r):
    with pytest.raises(ValueError, match="r must be finite and > 1"):
        PowerNorm(r)


def test_powers_beyond_floats_are_infinite():
    """Where Python's own powers raise: overflow, and 0 to a negative power."""
    assert PowerNorm(3.0).value(1e200) == np.inf
    assert PowerNorm(1.01).length(1e10) == np.inf
    assert PowerNorm(100.0).length_slope(0.0) == np.inf
