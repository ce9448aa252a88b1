import dataclasses
import math

import numpy as np
import pytest
from bracket_helpers import certify, random_weights
from flint import acb, arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from rkbs.approximation import (
    LINE,
    TARGETS,
    Head,
    Quadrature,
    _search,
    constructive_head,
    sup_error,
)
from rkbs.approximation import _panels as panels
from rkbs.approximation import sup_bracket as certified
from rkbs.approximation.sup_bracket import SupBracket, certified_sup_error
from rkbs.approximation.surface import Target
from verify.oracles import balls

FIT = Quadrature.gauss_legendre(64)
NODES = np.cos(np.pi * np.arange(panels.DEGREE + 1) / panels.DEGREE)
BOUNDED = sorted(name for name in LINE if TARGETS[name].smooth)


def constructive(name, d, width=32, **how):
    return constructive_head(TARGETS[name], d, width, quadrature=FIT, **how)


def towers(weights):
    return certified._towers(Head.from_weights(weights))


def head(weights):
    """G as a surface, in float64."""
    query, key = towers(weights)

    def line(tower, z):
        return np.tanh(z * tower.slopes + tower.biases) @ tower.weights.T + tower.constants

    return lambda t, s: line(query, t.reshape(-1, 1)) @ line(key, s.reshape(-1, 1)).T


def head_bound(weights):
    """A bound of |G| on E_ρ × E_ρ."""

    def bound(rho):
        total = 1.0
        for tower in towers(weights):
            height = (np.abs(tower.slopes) * (rho - 1 / rho) / 2).max()
            if height >= 1.5:
                return math.inf
            size = np.abs(tower.weights).sum(1) * max(1, math.tan(height)) + abs(tower.constants)
            total *= np.linalg.norm(size)
        return total

    return bound


def perturbed(weights, function, bound, **how):
    """G + a known function: the sup error is that of the function."""
    G, size = head(weights), head_bound(weights)
    return Target(
        "perturbed",
        "",
        lambda t, s: G(t, s) + function(t, s.T),
        smooth=True,
        analytic_bound=lambda rho: size(rho) + bound(rho),
        **how,
    )


def product_of_t(m, n, scale=1.0):
    """scale·T_m(t) T_n(s), whose sup is the scale."""

    def function(t, s):
        return scale * np.cos(m * np.arccos(t)) * np.cos(n * np.arccos(s))

    return function, lambda rho: scale * rho ** (m + n)


# ---- brackets of a supremum that is known


@pytest.mark.parametrize("epsilon", [1.0, 1e-6, 1e-9])
@pytest.mark.parametrize(("m", "n"), [(3, 2), (1, 1), (0, 9), (17, 1)])
def test_a_known_supremum_is_in_the_bracket(m, n, epsilon):
    weights = random_weights(1, 2.0)
    bracket = certify(perturbed(weights, *product_of_t(m, n, epsilon)), weights)
    assert bracket.lower <= epsilon <= bracket.upper
    assert bracket.ratio <= 1.05
    assert bracket.rounding + bracket.remainder < 0.05 * bracket.upper


def test_the_ratio_asked_for_is_reached():
    weights = constructive("ridge", 4).weights()
    ratios = (1.5, 1.01, 1.0001)
    found = [certify(TARGETS["ridge"], weights, ratio=ratio) for ratio in ratios]
    for bracket, ratio in zip(found, ratios, strict=True):
        assert bracket.ratio <= ratio
        assert bracket.lower <= found[-1].upper
        assert found[-1].lower <= bracket.upper


def test_a_head_that_is_the_target():
    """Lower bound 0, as the supremum is, and an upper bound at the level of rounding."""
    weights = random_weights(1, 2.0)
    target = perturbed(weights, lambda t, s: 0 * t * s, lambda rho: 0.0)
    bracket = certify(target, weights)
    assert bracket.lower == 0
    assert math.isinf(bracket.ratio)
    assert 0 < bracket.upper < 1e-10
    assert bracket.rounding + bracket.remainder > 0.5 * bracket.upper


@pytest.mark.parametrize("center", [0.12375, -0.99875, 0.50125])
def test_a_spike_between_the_points_of_a_grid_is_not_missed(center):
    """q = k = ½(tanh a(t − c + w/2) − tanh a(t − c − w/2)): a bump of width w = 0.001."""
    plain, spiked = constructive("edp", 4).weights(), {}
    slope, wide = 4000.0, 1e-3
    for tower in ("query", "key"):
        hidden, biases, output, constants = (
            plain[f"{tower}.{part}"]
            for part in ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
        )
        edges = -slope * (center + np.array([-wide, wide]) / 2)
        output = np.pad(output, ((0, 1), (0, 2)))
        output[-1, -2:] = 0.5, -0.5
        spiked |= {
            f"{tower}.hidden.weight": np.vstack([hidden, [[slope], [slope]]]),
            f"{tower}.hidden.bias": np.append(biases, edges),
            f"{tower}.output.weight": output,
            f"{tower}.output.bias": np.append(constants, 0.0),
        }
    height = math.tanh(slope * wide / 2) ** 4
    assert sup_error(TARGETS["edp"], head(spiked), 801) < 0.1
    bracket = certify(TARGETS["edp"], spiked)
    E = TARGETS["edp"](*2 * [np.array([center])]) - head(spiked)(*2 * [np.array([center])])
    assert abs(E.item()) == pytest.approx(height, rel=0.1)
    assert bracket.upper >= abs(E.item())
    assert bracket.ratio <= 1.05
    assert np.abs(np.array(bracket.where) - center).max() < wide


# ---- real targets


@pytest.mark.parametrize("name", LINE)
def test_brackets_of_constructive_heads(name):
    for d in (2, 8):
        trial = constructive(name, d)
        bracket = certified_sup_error(TARGETS[name], trial)
        dense = sup_error(TARGETS[name], trial, 1201)
        assert bracket.ratio <= 1.05
        assert dense * (1 - 1e-9) - 1e-12 <= bracket.upper
        assert dense <= 1.05 * bracket.lower + 1e-12
        value = TARGETS[name](*(np.array([z]) for z in bracket.where))
        value = value - trial(*(np.array([z]) for z in bracket.where))
        assert abs(value.item()) == pytest.approx(bracket.lower, rel=1e-3)


@pytest.mark.parametrize("cutoff", [1e-8, 1e-14])
@pytest.mark.parametrize("name", ["kink", "edp"])
def test_steep_units_and_weights_that_cancel(name, cutoff):
    wide = Quadrature.gauss_legendre(128)
    trial = constructive_head(
        TARGETS[name], 16, 64, quadrature=wide, scale=20.0, cutoff=cutoff, seed=2
    )
    bracket = certified_sup_error(TARGETS[name], trial)
    dense = sup_error(TARGETS[name], trial, 1201)
    assert bracket.ratio <= 1.05
    assert dense / 1.05 <= bracket.lower <= bracket.upper
    assert dense <= bracket.upper + 1e-10


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 8.0, 80.0]), st.sampled_from(["edp", "kink"]))
def test_brackets_of_random_heads(seed, scale, name):
    weights = random_weights(seed, scale)
    bracket = certify(TARGETS[name], weights)
    dense = sup_error(TARGETS[name], head(weights), 501)
    assert bracket.lower <= bracket.upper <= 1.05 * bracket.lower
    assert dense <= bracket.upper * (1 + 1e-12)


def test_what_does_not_change_the_head_hardly_changes_the_bracket():
    weights = constructive("asymmetric", 4).weights()
    bracket = certify(TARGETS["asymmetric"], weights)
    scaled = {n: a * {"q": 8.0, "k": 0.125}[n[0]] if "out" in n else a for n, a in weights.items()}
    turned = {n: -a if n.startswith("key.output") else a for n, a in weights.items()}
    turned |= {n: -a for n, a in weights.items() if n.startswith("query.output")}
    for same in (scaled, turned):
        other = certify(TARGETS["asymmetric"], same)
        assert other.lower == pytest.approx(bracket.lower, rel=1e-9)
        assert other.upper == pytest.approx(bracket.upper, rel=1e-9)
    swapped = {{"q": "key", "k": "query"}[n[0]] + n[n.index(".") :]: a for n, a in weights.items()}
    mirror = dataclasses.replace(
        TARGETS["asymmetric"], function=lambda t, s: TARGETS["asymmetric"].function(s, t).T
    )
    other = certify(mirror, swapped)
    assert other.where == pytest.approx(bracket.where[::-1])
    assert other.lower == pytest.approx(bracket.lower, rel=1e-9)


def test_too_few_cells_give_a_wide_bracket_that_holds():
    weights = random_weights(3, 60.0)
    good = certify(TARGETS["ridge"], weights)
    for max_cells in (1, 10, 100):
        poor = certify(TARGETS["ridge"], weights, max_cells=max_cells)
        assert poor.cells <= max_cells
        assert poor.lower <= good.upper
        assert poor.upper >= good.lower
        assert 1.05 < poor.ratio < math.inf
        assert poor.remainder > 0.01 * poor.upper


def test_worst_cells_cover_the_square_when_there_are_few():
    bracket = certified_sup_error(TARGETS["edp"], constructive("edp", 2))
    t0, t1, s0, s1 = bracket.worst.T
    assert len(bracket.worst) == bracket.cells <= 32
    assert ((t1 - t0) * (s1 - s0)).sum() == 4
    many = certify(TARGETS["edp"], random_weights(0, 30.0))
    assert many.worst.shape == (32, 4)
    assert many.cells > 32
    assert isinstance(many, SupBracket)


# ---- the parts


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_what_interpolation_misses_is_bounded(scale):
    (tower, _), fine = towers(random_weights(5, scale)), np.linspace(-1, 1, 301)
    for half in (1.0, 0.25, 2.0**-6):
        centers = np.arange(-1 + half, 1, 2 * half)
        bounds = tower.missed(centers, half)
        for center, bound in zip(centers[::3], bounds[::3], strict=True):
            c = panels.TRANSFORM @ tower(center + half * NODES)[0]
            off = np.abs(chebyshev.chebval(fine, c).T - tower(center + half * fine)[0]).max(0)
            assert (off <= bound + 1e-13).all()
    assert bounds.max() < (1e-4 if scale == 100 else 1e-13)


@pytest.mark.parametrize("name", BOUNDED)
def test_what_interpolation_misses_of_a_target_is_bounded(name):
    fine, s = np.linspace(-1, 1, 301), np.linspace(-1, 1, 41)
    for half, center in ((1.0, 0.0), (0.5, 0.5), (0.125, -0.125)):
        c = panels.TRANSFORM @ TARGETS[name](center + half * NODES, s)
        values = TARGETS[name](center + half * fine, s)
        off = np.abs(chebyshev.chebval(fine, c).T - values).max()
        bound = panels.surface_missed(TARGETS[name].analytic_bound, half)
        assert off <= bound + 1e-12
    assert bound < 1e-5


@given(st.integers(0, 8), st.integers(0, 10**6), st.sampled_from([0, 1, -1]))
@settings(max_examples=40)
def test_no_polynomial_rises_by_more_between_the_points(m, seed, side):
    table = np.random.default_rng(seed).normal(size=(1, m + 1, m + 1))
    x, y, values, factor = panels.oversample(table, 1.03, side)
    assert factor <= 1.03 * panels.SAFE**4
    inside = {0: x <= 1, 1: x >= y, -1: x <= y}[side]
    assert inside.all()
    assert np.allclose(values[0], chebyshev.chebval2d(x, y, table[0]), rtol=0, atol=1e-11)
    grid = np.linspace(-1, 1, 301)
    t, s = np.meshgrid(grid, grid, indexing="ij")
    part = {0: t <= 1, 1: t >= s, -1: t <= s}[side]
    largest = np.abs(chebyshev.chebval2d(t, s, table[0]))[part].max()
    assert largest <= factor * np.abs(values).max() * (1 + 1e-12)


def test_nodes_are_floats_on_every_panel():
    half = 2.0**-panels.MAX_LEVEL
    for center in (half, 1 - half, -1 + half):
        nodes = (center + half * panels.NODES).astype(np.longdouble)
        exact = np.longdouble(center) + np.longdouble(half) * panels.NODES.astype(np.longdouble)
        assert (nodes == exact).all()
    assert np.abs(panels.NODES - np.cos(np.pi * np.arange(25) / 24)).max() <= panels.SHIFT / 2


def test_the_rounding_of_a_tower_is_bounded():
    """Weights of 1e6 and more that cancel, against 200 bits."""
    weights = constructive("kink", 30, width=64, cutoff=1e-14).weights()
    query, t = towers(weights)[0], np.linspace(-1, 1, 9)
    values, noise = query(t)
    assert np.abs(query.weights).max() > 1e6
    with ctx.workprec(200):
        series = balls.head_series(weights)
        exact = [[float(ball.mid()) for ball in series("query", arb(z))[:, 0]] for z in t.tolist()]
    assert (np.abs(values - exact) <= noise + 2e-16 * np.abs(values)).all()


# ---- ball arithmetic


@pytest.mark.parametrize(("name", "d"), [("kink", 4), ("oscillating", 8), ("low_rank", 2)])
def test_balls_agree(name, d):
    weights = constructive(name, d, width=16).weights()
    bracket = certify(TARGETS[name], weights)
    found = balls.recheck(name, weights, bracket, cells=1)
    assert found["lower_holds"]
    assert found["upper_holds"]
    assert bracket.lower <= found["at_where"] <= found["largest"] <= bracket.upper


def test_balls_prove_the_bound_on_all_of_the_square():
    weights = constructive("edp", 4, width=8).weights()
    bracket = certify(TARGETS["edp"], weights)
    assert bracket.cells == len(bracket.worst)
    assert balls.recheck("edp", weights, bracket)["upper_holds"]


def test_a_cell_without_a_bound_in_balls_is_not_covered():
    class Unbounded:
        def bound(self, t, s):
            return math.nan if t[0] == 0 else 0.5

    largest, parts = balls._cover(Unbounded(), [(0.0, 1.0, 0.0, 1.0), (1.0, 2.0, 0.0, 1.0)], 1.0)
    assert parts > 1  # the second cell is known at once, the first never
    assert not largest <= 1.0


def test_a_bound_that_needs_too_many_parts_is_given_up(monkeypatch):
    class Narrow:
        def bound(self, t, s):
            return (t[1] - t[0]) * (s[1] - s[0])

    cell = [(0.0, 1.0, 0.0, 1.0)]
    assert balls._cover(Narrow(), cell, 4.0**-3) == (4.0**-3, 64)
    monkeypatch.setattr(balls, "PARTS", 20)
    largest, parts = balls._cover(Narrow(), cell, 4.0**-3)
    assert (largest > 4.0**-3, parts) == (True, 21)


def test_balls_see_a_wrong_bracket():
    weights = constructive("ridge", 4, width=8).weights()
    bracket = certify(TARGETS["ridge"], weights, ratio=1.01)
    low = dataclasses.replace(bracket, upper=bracket.lower * (1 - 1e-4))
    assert not balls.recheck("ridge", weights, low, cells=1)["upper_holds"]
    high = dataclasses.replace(bracket, lower=bracket.upper * (1 + 1e-4))
    assert not balls.recheck("ridge", weights, high, cells=1)["lower_holds"]


@pytest.mark.parametrize("name", BOUNDED)
def test_targets_are_tabulated_as_well_as_certified_errors_trust(name):
    points = np.append(np.random.default_rng(0).uniform(-1, 1, 20), [-1.0, 1.0])
    floats, worst = TARGETS[name](points, points), 0.0
    with ctx.workprec(128):
        for i, t in enumerate(points.tolist()):
            for j, s in enumerate(points.tolist()):
                off = abs(balls.value(name, arb(t), arb(s)) - arb(float(floats[i, j])))
                worst = max(worst, float(off.upper()))
    unit = panels.UNIT * TARGETS[name].analytic_bound(1.0)
    assert worst <= _search.SURFACE_ROUNDING / 4 * unit


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("rho", [1.05, 1.25, 2.0])
def test_analytic_bounds_hold_in_balls(name, rho):
    """On arcs that cover both ellipses, where |F| is largest; the factor is for their width.

    P̂_l has positive coefficients in T_k, so that |F| of ``legendre`` is largest at the real vertex.
    """
    bound, arcs = TARGETS[name].analytic_bound(rho), 96
    if math.isinf(bound):
        assert name == "ridge"
        return
    with ctx.workprec(64):
        if name == "legendre":
            turns = [arb(0)]
        else:
            turns = [arb((k + 0.5) / arcs, 0.5 / arcs) for k in range(arcs)]
        waves = [(acb(0, 2) * arb.pi() * turn).exp() for turn in turns]
        ellipse = [(arb(rho) * wave + 1 / (arb(rho) * wave)) / 2 for wave in waves]
        half = ellipse[: arcs // 2 + 1]  # F is real on real points: conjugates have one |F|
        upper = max(float(abs(balls.value(name, t, s)).upper()) for t in half for s in ellipse)
    assert upper <= 1.5 * bound
