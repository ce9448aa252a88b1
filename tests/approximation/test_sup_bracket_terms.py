"""Every term of a sup error's budget, where it decides: on one cell, along both axes."""

import math

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from rkbs.approximation import _cells, _search
from rkbs.approximation import _panels as panels
from rkbs.approximation.heads import Head
from rkbs.approximation.sup_bracket import certified_sup_error
from rkbs.approximation.surface import Target

K, U = 24, 2.0**-53
LAMBDA = 1 + 2 / math.pi * math.log(K + 1)
WIDEN = 1 + 2 * LAMBDA**2
RADII = np.geomspace(1.03, 24.0, 4001)  # as far as is looked; beyond, bounds are below rounding
LONG = float(np.finfo(np.longdouble).eps)
GRID = np.linspace(-1, 1, 1001)


def surface(function, bound, **how):
    return Target("test", "", function, smooth=True, analytic_bound=bound, **how)


def tower(slopes=(0.0,), biases=(0.0,), outputs=((0.0,),), constants=(0.0,)):
    arrays = slopes, biases, outputs, constants
    return [np.array(array, dtype=float) for array in arrays]


def head(query, key):
    names = "hidden.weight", "hidden.bias", "output.weight", "output.bias"
    sides = {"query": query, "key": key}
    weights = {
        f"{side}.{name}": array[:, None] if name == "hidden.weight" else array
        for side, parts in sides.items()
        for name, array in zip(names, parts, strict=True)
    }
    return Head.from_weights(weights)


CONSTANT = tower(constants=(1.0,))
NOTHING = tower()
NARROW = 1e4
BETWEEN = (
    0.0654  # a point far from all nodes, in steps of a spike: cos(11π/24) = 0.13, cos(π/2) = 0
)
SPIKE = tower(
    (NARROW, NARROW), (1 - NARROW * BETWEEN, -1 - NARROW * BETWEEN), ((0.5, -0.5),), (0.0,)
)
"""Of height tanh 1, and 0 at the nodes of [−1, 1]."""
ZERO = surface(lambda t, s: np.zeros((len(t), len(s))), lambda rho: 0.0)


def unseen(z):
    """T_25 − T_23, which is 0 at all nodes of [−1, 1] and 2 between them."""
    return np.cos(25 * np.arccos(z)) - np.cos(23 * np.arccos(z))


def unseen_bound(rho):
    return math.cosh(25 * math.log(rho)) + math.cosh(23 * math.log(rho))


ALONG_T = surface(lambda t, s: unseen(t) + 0 * s.T, unseen_bound)
ALONG_S = surface(lambda t, s: 0 * t + unseen(s.T), unseen_bound)


def swapped(target, query, key):
    function = target.function
    return surface(lambda t, s: function(s, t).T, target.analytic_bound), key, query


# ---- the budget written out, for the whole square as one cell


def interpolated(bounds):
    """min_r 4 M(r) r^{−K}/(r − 1)."""
    return float(np.min(4 * bounds * RADII**-K / (RADII - 1)))


def vertical(half=1.0):
    return half * (RADII - 1 / RADII) / 2


def horizontal(half=1.0):
    return half * (RADII + 1 / RADII) / 2


def surface_term(bound, half=1.0):
    axes = 1 + half * ((RADII + 1 / RADII) / 2 - 1)
    sizes = [bound(axis + math.sqrt(axis**2 - 1)) for axis in axes]
    return min(interpolated(np.array(sizes)), (1 + LAMBDA) * bound(1.0))


def unit_term(slope, bias, center=0.0, half=1.0):
    """What interpolation misses of one tanh."""
    height = vertical(half) * abs(slope)
    near = np.where(height < math.pi / 2, np.maximum(1, np.tan(height)), np.inf)
    x = abs(slope * center + bias) - horizontal(half) * abs(slope)
    far = np.where(x > 0, 2 / np.expm1(2 * np.clip(x, 1e-9, 300)), np.inf)
    return min(interpolated(np.minimum(near, far)), 1 + LAMBDA)


def tower_terms(parts):
    """Of each output what is missed, its size at the nodes, and its rounding."""
    slopes, biases, outputs, constants = parts
    missed = np.abs(outputs) @ [unit_term(a, b) for a, b in zip(slopes, biases, strict=True)]
    nodes = np.cos(np.pi * np.arange(K + 1) / K)
    hidden = np.tanh(np.outer(nodes, slopes) + biases)
    sizes = np.abs(hidden @ outputs.T + constants).max(0)
    m = len(slopes)
    units = (m + 8) * np.abs(hidden) + 4 * (np.abs(slopes) + np.abs(biases)) * (1 - hidden**2)
    noise = LONG * (units @ np.abs(outputs).T + (m + 8) * np.abs(constants)).max(0)
    return missed, sizes, noise


def full(terms):
    missed, sizes, noise = terms
    return LAMBDA * (sizes + noise + 3 * missed)


def remainder(target, query, key):
    """The four terms of it: F along t and along s, q and k."""
    x, y = tower_terms(query), tower_terms(key)
    missed = surface_term(target.analytic_bound)
    return WIDEN * np.array([missed, LAMBDA * missed, full(y) @ x[0], full(x) @ y[0]])


def rounding(target, query, key):
    """The five terms of it: F, the products, q, k, and the arithmetic of the transform."""
    (_, q, dq), (_, k, dk) = tower_terms(query), tower_terms(key)
    values = [64 * U * target.analytic_bound(1.0), (len(q) + 4) * U * q @ k, dq @ (k + dk), q @ dk]
    z = np.cos(np.pi * np.arange(K + 1) / K)
    sides = [np.tanh(np.outer(z, p[0]) + p[1]) @ p[2].T + p[3] for p in (query, key)]
    E = target(z, z) - sides[0] @ sides[1].T
    basis = np.linalg.inv(chebyshev.chebvander(z, K))
    arithmetic = 16 * (K + 1) ** 3 * U * (np.abs(basis @ E @ basis.T).sum() + np.abs(E).max())
    return np.array([*(LAMBDA**2 * value for value in values), arithmetic])


CANCELLING = tower((1.0, 1.0), (0.0, 0.0), ((1e9, -1e9),), (0.0,))
WIDE = (
    tower((0.0,), (0.0,), ((0.0,), (0.0,)), (1e6, 1e6)),
    tower((0.0,), (0.0,), ((0.0,), (0.0,)), (1.0, -1.0)),
)
LOUD = surface(lambda t, s: np.zeros((len(t), len(s))), lambda rho: 1e9)
SMOOTH = surface(lambda t, s: 0.5 * (t + s.T) / 2, lambda rho: (rho + 1 / rho) / 2)
REMAINDERS = {  # which term decides, and a problem where it does
    "F along t": (0, ALONG_T, NOTHING, NOTHING),
    "F along s": (1, ALONG_S, NOTHING, NOTHING),
    "q": (2, ZERO, SPIKE, CONSTANT),
    "k": (3, ZERO, CONSTANT, SPIKE),
    "q, with k unseen": (2, ZERO, SPIKE, SPIKE),
}
ROUNDINGS = {
    "F": (0, LOUD, NOTHING, NOTHING),
    "products": (1, ZERO, *WIDE),
    "q": (2, ZERO, CANCELLING, CONSTANT),
    "k": (3, ZERO, CONSTANT, CANCELLING),
    "arithmetic": (4, SMOOTH, NOTHING, NOTHING),
}


def supremum(target, query, key):
    """On a grid that has the spikes, in extended precision."""
    points = np.union1d(GRID, BETWEEN + np.linspace(-3, 3, 61) / NARROW)
    q, k = (panels.Tower(*parts)(points)[0] for parts in (query, key))
    return np.abs(target(points, points) - q @ k.T).max()


@pytest.mark.parametrize("name", REMAINDERS)
def test_a_remainder_that_decides_is_the_one_of_the_theory(name):
    term, *problem = REMAINDERS[name]
    terms = remainder(*problem)
    least = 0.2 if term == 0 else 0.49  # one bound of F serves both axes
    assert terms[term] >= least * terms.sum()
    bracket = certified_sup_error(problem[0], head(*problem[1:]), max_cells=1)
    assert 1 <= bracket.remainder / terms.sum() < 1.05  # of 48 radii, and a hundredth's margins
    found = supremum(*problem)
    assert found > 0.5
    assert 0.9 * found < bracket.lower <= found <= bracket.upper


@pytest.mark.parametrize("name", ROUNDINGS)
def test_a_rounding_that_decides_is_the_one_of_the_theory(name):
    term, *problem = ROUNDINGS[name]
    terms = rounding(*problem)
    assert terms[term] > 0.9 * terms.sum()
    bracket = certified_sup_error(problem[0], head(*problem[1:]), max_cells=1)
    assert bracket.rounding == pytest.approx(terms.sum(), rel=1e-3)
    assert bracket.upper >= bracket.rounding + bracket.remainder


@pytest.mark.parametrize("name", {**REMAINDERS, **ROUNDINGS})
def test_the_axes_can_be_exchanged(name):
    """But for the order of two interpolations, which costs the second a factor of Λ."""
    _, *problem = {**REMAINDERS, **ROUNDINGS}[name]
    target, query, key = swapped(*problem)
    found = certified_sup_error(problem[0], head(*problem[1:]), max_cells=1)
    other = certified_sup_error(target, head(query, key), max_cells=1)
    assert other.rounding == pytest.approx(found.rounding, rel=1e-6)
    assert other.remainder == pytest.approx(found.remainder, rel=1e-6)
    assert other.lower == pytest.approx(found.lower, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_surface_may_be_tabulated_with_the_error_that_is_trusted(sign):
    """F = 0 known as 60 units of its bound, or 60 units known as 0: neither end may be wrong."""
    error = sign * 60 * U * 1e6
    off = surface(lambda t, s: np.full((len(t), len(s)), error), lambda rho: 1e6)
    assert certified_sup_error(off, head(NOTHING, NOTHING), max_cells=1).lower == 0
    silent = surface(lambda t, s: np.zeros((len(t), len(s))), lambda rho: 1e6)
    assert certified_sup_error(silent, head(NOTHING, NOTHING), max_cells=1).upper > abs(error)


def test_a_lower_bound_leaves_room_for_its_own_rounding():
    one = surface(lambda t, s: np.ones((len(t), len(s))), lambda rho: 1.0)
    bracket = certified_sup_error(one, head(NOTHING, NOTHING))
    assert 1 - 3e-9 < bracket.lower < 1 - 1e-9 + 1e-12
    assert 1 + 1e-9 - 1e-12 < bracket.upper <= 1.05


# ---- the oversampled grid


DROPPED = {"along t": (1, 8, 0, 0), "along s": (0, 0, 1, 8), "across": (1, 8, 1, 8)}


@pytest.mark.parametrize("ratio", [10.0, 3.0])
@pytest.mark.parametrize("kind", DROPPED)
def test_what_is_dropped_from_a_polynomial_is_added_to_its_bound(kind, ratio):
    """Σ of a low and a high order, 1 and 0.85, both ±1 at the corners: the high one is dropped."""
    low_t, high_t, low_s, high_s = DROPPED[kind]

    def wave(n, z):
        return np.cos(n * np.arccos(z))

    def function(t, s):
        return wave(low_t, t) * wave(low_s, s.T) + 0.85 * wave(high_t, t) * wave(high_s, s.T)

    orders = low_t + low_s, high_t + high_s
    target = surface(function, lambda rho: rho ** orders[0] + 0.85 * rho ** orders[1])
    bracket = certified_sup_error(target, head(NOTHING, NOTHING), ratio=ratio)
    assert bracket.lower <= 1.85 <= bracket.upper
    assert bracket.ratio <= ratio


@pytest.mark.parametrize("side", [0, 1, -1])
def test_rounding_of_the_oversampled_grid_is_covered_with_its_factor(side):
    """At the points as they are; the gain is bounded so that the factor cannot outgrow it."""
    tables = np.random.default_rng(0).normal(size=(5, 25, 25))
    x, y, values, _ = panels.oversample(tables, 1.5, side)
    wide_x, wide_y = x.astype(np.longdouble), y.astype(np.longdouble)
    angles = np.arange(25, dtype=np.longdouble)
    rows = np.cos(np.arccos(wide_x)[..., None] * angles)
    columns = np.cos(np.arccos(wide_y)[..., None] * angles)
    exact = np.einsum("ija,pab,ijb->pij", rows, tables.astype(np.longdouble), columns)
    off = np.abs(values - exact).max((1, 2)) / np.abs(tables).sum((1, 2))
    assert off.max() * _search.MOST_GAIN < _search.ARITHMETIC
    assert 9700 * U * _search.MOST_GAIN < _search.ARITHMETIC


def test_gains_are_bounded_whatever_the_ratio(monkeypatch):
    gains, right = [], _search.oversample

    def recorded(tables, gain, side):
        gains.append(gain)
        return right(tables, gain, side)

    monkeypatch.setattr(_search, "oversample", recorded)
    target = surface(lambda t, s: t * s.T - 0.4, lambda rho: rho**2 + 1)
    for ratio in (1.05, 10.0, 1e3, 1e30):
        certified_sup_error(target, head(NOTHING, NOTHING), ratio=ratio)
        assert gains[-1] == pytest.approx(min(1 + 0.7 * (ratio - 1), 16.0))


# ---- along one axis


UNITS = [  # slope, bias: smooth, its pole near, steep and near, steep and far away
    (0.3, 0.1), (3.0, -0.5), (-20.0, 4.0), (1e4, 3e3), (50.0, 200.0), (8.0, -30.0), (1e4, 3e4),
]  # fmt: skip
WHERE = [(0.0, 1.0), (0.5, 0.5), (-0.5, 0.5), (0.375, 0.125), (-0.9375, 0.0625)]


@pytest.mark.parametrize(("slope", "bias"), UNITS)
def test_what_is_missed_of_a_unit(slope, bias):
    unit = panels.Tower(*tower((slope,), (bias,), ((2.0,), (-1.0,)), (0.3, 0.0)))
    for center, half in WHERE:
        missed = unit.missed(np.array([center]), half)[0]
        expected = unit_term(slope, bias, center, half) + 1e-60
        assert 1 <= (missed[1] + 1e-60) / expected < 1.5  # tan is steep between radii
        assert missed[0] == pytest.approx(2 * missed[1])


def test_mirror_images_miss_the_same():
    """Also where the rounding of a t + b decides: at a step of slope 1e6, next to its center."""
    slopes, biases = np.array([1e6, 3.0]), np.array([-5e5, 0.25])
    centers, half = np.array([0.5 + 1e-5, 0.5]), 2.0**-19  # the first is saturated
    outputs = np.array([[1.0, 0.0], [0.5, 2.0]]), np.zeros(2)
    found = panels.Tower(slopes, biases, *outputs).missed(centers, half)
    for mirror in (
        panels.Tower(slopes, -biases, *outputs).missed(-centers, half),
        panels.Tower(-slopes, -biases, *outputs).missed(centers, half),
        panels.Tower(slopes, biases, -outputs[0], outputs[1]).missed(centers, half),
    ):
        assert np.array_equal(found, mirror)


def test_steps_are_the_centers_of_steep_units_and_the_points_between_them():
    slopes = np.array([40.0, -50.0, 32.0, 100.0, 1e3])  # at 0.5, −0.2, (not steep), 0.1, outside
    biases = np.array([-20.0, -10.0, 5.0, -10.0, 2e3])
    parts = slopes, biases, np.ones((1, 5)), np.zeros(1)
    found = panels.Tower(*parts).steps(32.0, 256)
    assert found == pytest.approx([-0.2, -0.05, 0.1, 0.3, 0.5])
    assert panels.Tower(*parts).steps(32.0, 3) == pytest.approx([-0.2, 0.1, 0.5])
    assert panels.Tower(*parts).steps(32.0, 5) == pytest.approx(found)
    assert panels.Tower(*parts).steps(2e3, 256).size == 0


def test_the_pole_of_tanh_decides():
    """Without the bound of tan on the ellipses, less would be promised than is missed."""
    slope = 12.0
    missed = panels.Tower(*tower((slope,), (0.0,), ((1.0,),))).missed(np.zeros(1), 1.0).item()
    nodes = np.cos(np.pi * np.arange(K + 1) / K)
    series = np.linalg.solve(chebyshev.chebvander(nodes, K), np.tanh(slope * nodes))
    off = np.abs(chebyshev.chebval(GRID, series) - np.tanh(slope * GRID)).max()
    pole = vertical()[:, None] * slope < math.pi / 2
    without = interpolated(np.where(pole[:, 0], 1.0, np.inf))
    assert without < 0.5 * missed
    assert off < missed


@pytest.mark.parametrize("half", [1.0, 0.5, 0.125])
@pytest.mark.parametrize("growth", [1.0, 10.0, 40.0])
def test_what_is_missed_of_a_surface(half, growth):
    """e^{ct} attains its bound on every ellipse, and T_25 all that can be missed of one."""

    def bound(rho):
        return math.exp(growth * (rho + 1 / rho) / 2) if growth * rho < 1400 else math.inf

    expected = surface_term(bound, half)
    assert 1 <= panels.surface_missed(bound, half) / expected < 1.1
    nodes = np.cos(np.pi * np.arange(K + 1) / K)
    series = np.exp(growth * (1 - half + half * nodes))
    series = np.linalg.solve(chebyshev.chebvander(nodes, K), series)
    off = np.exp(growth * (1 - half + half * GRID)) - chebyshev.chebval(GRID, series)
    assert np.abs(off).max() <= panels.surface_missed(bound, half) + 1e-13 * bound(1.0)


def test_a_polynomial_of_degree_25_misses_all_that_is_bounded():
    missed = panels.surface_missed(lambda rho: math.cosh(25 * math.log(rho)), 1.0)
    assert np.abs(unseen(GRID)).max() > 1.99  # the interpolant of T_25 is T_23
    assert 1.99 < missed < 2.1


def test_a_surface_without_a_bound_off_the_line_is_bounded_by_its_values():
    missed = panels.surface_missed(lambda rho: 3.0 if rho == 1 else math.inf, 0.5)
    assert missed == pytest.approx(3 * (1 + LAMBDA))


def test_constants_are_what_they_are_called():
    nodes = np.cos(np.pi * np.arange(K + 1) / K)
    basis = chebyshev.chebvander(GRID, K) @ np.linalg.inv(chebyshev.chebvander(nodes, K))
    assert np.abs(basis).sum(1).max() <= panels.LEBESGUE == pytest.approx(LAMBDA)
    assert pytest.approx(LAMBDA**2 * K**2 * 2.0**-33) == 1 - panels.SHIFTED
    assert panels.DEGREE == K
    assert panels.UNIT == U == np.finfo(float).eps / 2
    assert panels.SHIFT == 2.0**-33
    assert panels.MAX_LEVEL + 33 == 53
    assert pytest.approx(1 + 1e-9, abs=1e-12) == panels.SAFE
    assert pytest.approx(WIDEN, rel=1e-6) == _cells.WIDEN
    assert pytest.approx(16 * 25**3 * U) == _search.ARITHMETIC
    assert _search.SURFACE_ROUNDING == 64
    assert np.abs(panels.TRANSFORM - np.linalg.inv(chebyshev.chebvander(nodes, K))).max() < 1e-14
