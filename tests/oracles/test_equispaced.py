"""Taylor cuts on the circle in rationals: against cosines, closed forms and a dense scan."""

import math

import numpy as np
import pytest
from flint import fmpq, fmpq_poly

from verify.oracles import equispaced
from verify.oracles.equispaced import (
    capacity,
    cut,
    moment,
    real_roots,
    row_sum,
    selection,
    selects,
    sturm_count,
)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_moments_are_means_of_powers_of_cosines(n):
    cosines = np.cos(2 * np.pi * np.arange(n) / n)
    for power in range(12):
        found = moment(n, power)
        assert int(found.p) / int(found.q) == pytest.approx((cosines**power).mean(), abs=1e-14)


def floats(polynomial):
    return [int(c.p) / int(c.q) for c in polynomial.coeffs()]


@pytest.mark.parametrize(("order", "n"), [(2, 5), (4, 8), (8, 3)])
def test_row_sums_against_a_sum_over_the_points(order, n):
    beta = 1.75
    taylor = [1 / math.factorial(k) for k in range(order + 1)]
    row = np.polynomial.polynomial.polyval(beta * np.cos(2 * np.pi * np.arange(n) / n), taylor)
    assert np.polynomial.polynomial.polyval(beta, floats(cut(order))) == pytest.approx(row[0])
    summed = np.polynomial.polynomial.polyval(beta, floats(row_sum(order, n)))
    assert summed == pytest.approx(row.sum(), rel=1e-14)


def test_sturm_counts_distinct_real_roots():
    x = fmpq_poly([0, 1])
    for polynomial, count in (
        ((x - 1) * (x - 2) * (x + 3), 3),
        (x**2 + 1, 0),
        ((x - 1) ** 2 * (x**2 + x + 1), 1),
        ((x - fmpq(1, 3)) ** 3 * (x + 5) ** 2, 2),
    ):
        assert sturm_count(polynomial) == count == len(real_roots(polynomial))


@pytest.mark.parametrize(("order", "n"), [(2, 5), (2, 6), (4, 7), (4, 8), (6, 9), (6, 10)])
def test_the_largest_self_weight_against_a_dense_scan(order, n):
    taylor = [1 / math.factorial(k) for k in range(order + 1)]
    beta = np.concatenate([np.linspace(-40, 40, 80001), [-1e4, 1e4]])[:, None]
    rows = np.polynomial.polynomial.polyval(beta * np.cos(2 * np.pi * np.arange(n) / n), taylor)
    found = (rows[:, 0] / rows.sum(1)).max()
    assert float(selection(order, n).weight.mid()) == pytest.approx(found, abs=1e-6)
    assert selects(order, n) == (found > 0.5)


def test_where_the_leading_coefficient_cancels():
    assert selects(2, 4)  # 2p − Σ = 2β − 2
    assert selection(2, 3).weight > 0.87


def test_where_a_limit_is_best(monkeypatch):
    x = fmpq_poly([0, 1])  # x²/(3x² + 1), at n = 6, where n times the mean of cos² is 3
    monkeypatch.setattr(equispaced, "cut", lambda order: x**2)
    monkeypatch.setattr(equispaced, "row_sum", lambda order, n: 3 * x**2 + 1)
    found = selection.__wrapped__(2, 6)
    assert not found.scale.is_finite()
    assert found.weight.overlaps(equispaced.arb(1) / 3)


def test_a_double_root_is_no_selection(monkeypatch):
    x = fmpq_poly([0, 1])
    monkeypatch.setattr(equispaced, "cut", lambda order: -((x - 1) ** 2) / 2)
    monkeypatch.setattr(equispaced, "row_sum", lambda order, n: 0 * x)
    assert not selects.__wrapped__(2, 7)


def test_capacity_stops_at_the_first_that_is_not_selected():
    assert capacity(2, 5) == 5
    assert capacity(2, 4) == 4
    assert capacity(4, 11) == 7
