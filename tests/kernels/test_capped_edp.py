"""Capped EDP is Mercer for no cap: exact power series, and two points in ball arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from flint import arb, ctx

from rkbs.kernels import EDP, CappedEDP

CAPS = [Fraction(1, 2), Fraction(1), Fraction(2), Fraction(4)]
every_cap = pytest.mark.parametrize("cap", CAPS, ids=str)


def product(a, b):
    return [sum(a[i] * b[n - i] for i in range(n + 1)) for n in range(min(len(a), len(b)))]


def integral(a):
    return [Fraction(0), *(c / (n + 1) for n, c in enumerate(a))]


def series(cap, order):
    """(c_0, …, c_N) of exp(c tanh(a/c)), exact, by u' = (1 − u²)/c, f' = f (1 − u²)."""
    u, f = [Fraction(0)], [Fraction(1)]
    for _ in range(order):  # a further coefficient of each is right after each round
        slope = [Fraction(int(n == 0)) - c for n, c in enumerate(product(u, u))]
        u, f = integral([c / cap for c in slope]), [1, *integral(product(f, slope))[1:]]
    return f


@every_cap
def test_the_series_is_that_of_the_kernel(cap):
    x = np.linspace(-0.4, 0.4, 9)[:, None] * float(cap) ** 0.5
    terms = [float(c) for c in series(cap, 40)]
    assert abs(CappedEDP(float(cap))(x, x) - np.polyval(terms[::-1], x * x.T)).max() <= 1e-14


@every_cap
def test_a_coefficient_is_negative(cap):
    found = series(cap, 12)
    first = next(n for n, c in enumerate(found) if c < 0)
    assert 3 <= first <= 12
    assert found[:3] == [1, 1, Fraction(1, 2)]  # as of EDP, up to a² throughout
    taylor = EDP().power_coefficients(12)
    assert all(c > 0 for c in taylor)


def logit(a, cap):
    return cap * (a / cap).tanh()


@every_cap
def test_two_points_have_a_negative_eigenvalue(cap):
    """det K = exp(l_11 + l_22) − exp(2 l_12) < 0, in balls."""
    old, ctx.prec = ctx.prec, 200
    try:
        c = arb(cap.numerator) / cap.denominator
        small, large = arb(1) / 10, 100 * c  # d = 1: a = xy
        l11, l12, l22 = (logit(a, c) for a in (small**2, small * large, large**2))
        assert (l11 + l22).exp() - (2 * l12).exp() < 0
        x = np.array([[0.1], [100 * float(cap)]])
        assert np.linalg.eigvalsh(CappedEDP(float(cap))(x, x))[0] < 0
        assert abs(CappedEDP(float(cap)).log(x, x)[0, 1] - float(l12.mid())) <= 1e-14 * float(cap)
    finally:
        ctx.prec = old


def test_edp_has_no_such_points():
    """The witness is no artefact of its arithmetic: without a cap its determinant is positive."""
    small, large = arb(1) / 10, arb(100)
    assert (small**2 + large**2).exp() - (2 * small * large).exp() > 0
