"""sec5.metric: its verdict, what changes it, and the law on arrangements made by hand."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, heads_once, in_short, scaled, untrained

from verify.claims.sec5 import metric as module
from verify.harness.evidence import Verdict
from verify.oracles import weights
from verify.oracles.finite_metrics import broken_triangles

KERNELS = cache(module.power_of_distance)


def once(patch):
    heads_once(patch)
    patch.setattr(module, "power_of_distance", KERNELS)


def one_distance(n):
    """A metric of 2n points that are all 2 apart but for queries and their keys, which are not."""
    table = [[Fraction(2 * (i != j)) for j in range(2 * n)] for i in range(2 * n)]
    return table, [row[n:] for row in table[:n]]


SHORT = {(48, 200): (6, 80), (24, 300): (4, 100)}
broken = Subject("sec5.metric", in_short(SHORT, once))
SABOTAGES = [
    broken("self-weights × 1.2", scaled(weights, "own", 1.2), noticed="tr A − 2"),
    broken(
        "distances to the fourth power",
        attribute(weights, "distances", lambda f: lambda q, k, power=1.0: f(q, k, 4.0)),
        noticed="A_ii − ρ_i/W",
    ),
    broken(
        "R bounded by one",
        constants(module, most_selected=lambda power, n: 1),
        noticed="R − its bound",
    ),
    broken(
        "queries within their own cluster",
        constants(module, clusters=lambda sizes: [Fraction(1, sum(sizes))] * sum(sizes)),
        noticed="two clusters: |tr",
    ),
    broken(
        "a metric with one distance", constants(module, star=one_distance), noticed="quadruples"
    ),
    broken(
        "one of twelve points twice",
        attribute(
            module, "dyadic", lambda f: lambda *a, **k: np.vstack([f(*a, **k)[:-1]] * 2)[:12]
        ),
        noticed="certified rank",
    ),
    broken("heads that are not trained", untrained, noticed="n = 12"),
]
test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize("power", [0.3, 1.0, 1.7, 2.0])
@pytest.mark.parametrize("d", [1, 3, 20])
def test_the_bound_is_sharp_for_squares_and_never_passed(power, d):
    rng = np.random.default_rng(d)
    q, k = 3 * rng.standard_normal((2, 500, 5, d))
    row = module.row_of(lambda x, y: weights.distances(x, y, power), q, k)
    assert row["excess"] <= 1e-12
    assert row["trace"] <= 2


def test_three_selected_of_an_equilateral_triangle_from_the_power_where_it_begins():
    """A query midway between the two others: (√3/2)^p against 2 (1/2)^p, even at log 2/log √3."""
    for power, count in ((1.2, 0), (1.3, 3)):
        far, near = 3 ** (power / 2) / 2**power, 0.5**power
        table = np.array([[far if i == j else near for j in range(3)] for i in range(3)])
        assert weights.selected(weights.normalized(table)) == count


def test_the_star_is_a_metric():
    table, cross = module.star(5)
    assert broken_triangles(table) == 0
    assert sum(module.self_weights(cross)) == Fraction(3 * 5, 7)
