"""Heads through exp and softmax: the bound of positive functions, and what a factor hides."""

import mpmath
import numpy as np
import pytest

from rkbs.approximation import TARGETS, Quadrature
from verify.claims.thm2.softmax_factor import bracket_excess
from verify.studies.positive_heads import (
    POSITIVE,
    SIGNED,
    LogResidual,
    bounds,
    logarithm,
    on_line,
)

SMALL = Quadrature.gauss_legendre(20)
PRODUCT = on_line("product", "$ts$", lambda t, s: t * s)


def test_bound_of_a_product():
    bound, sup = bounds(PRODUCT, 201)
    assert bound == pytest.approx(1 / np.sqrt(18), rel=1e-12)  # ½ E t² E s² where ts < 0
    assert sup == 1


@pytest.mark.parametrize("name", SIGNED)
def test_bound_on_a_dense_grid(name):
    middles = (np.arange(1000) + 0.5) / 500 - 1
    values = TARGETS[name](middles, middles)
    dense = np.sqrt((values[values < 0] ** 2).sum() / values.size)
    assert bounds(TARGETS[name], 2)[0] == pytest.approx(dense, rel=1e-5)


def residual_of(factor, bias, rest):
    t, s = SMALL.x.nodes, SMALL.y.nodes.T
    r = factor * np.sin(5 * t) + bias * s**2 + rest * np.cos(3 * t * s)
    return LogResidual(r, logarithm(POSITIVE["sine"])(SMALL.x.nodes, SMALL.y.nodes), SMALL)


def test_factors_are_not_seen():
    plain, moved = residual_of(0, 0, 0.1), residual_of(7, 0, 0.1)
    for name in ("divergence", "spread", "variance", "recovery_error", "widest"):
        assert getattr(plain, name) == pytest.approx(getattr(moved, name), rel=1e-11), name
    assert moved.variation > 3
    assert residual_of(7, 0, 0).divergence <= 1e-30


def test_biases_of_sources_are_seen():
    biased = residual_of(7, 0.01, 0)
    assert biased.spread == pytest.approx(0.01 * np.sqrt(4 / 45), rel=1e-12)  # Var s² = 4/45
    assert biased.divergence > 1e-6


@pytest.mark.parametrize("size", [1e-9, 1e-4, 0.3])
def test_divergence_in_many_digits(size):
    residual = residual_of(2, size, size)
    total = mpmath.mpf(0)
    with mpmath.workdps(50):
        for weight, r, log_target in zip(
            SMALL.x.weights, residual.r, residual.log_target, strict=True
        ):
            pairs = zip(SMALL.y.weights, log_target, strict=True)
            v = [mpmath.mpf(w) * mpmath.exp(mpmath.mpf(L)) for w, L in pairs]
            p = [x / mpmath.fsum(v) for x in v]
            r = [mpmath.mpf(x) for x in r]
            grown = mpmath.fsum(a * mpmath.exp(b) for a, b in zip(p, r, strict=True))
            total += weight * (mpmath.log(grown) - mpmath.fdot(p, r))
    assert residual.divergence == pytest.approx(float(total), rel=1e-5, abs=0)
    row = {name: getattr(residual, name) for name in ("divergence", "variance", "widest")}
    assert bracket_excess(row) <= 1
    assert bracket_excess({**row, "variance": 3 * row["variance"]}) > 1
