import dataclasses
import math
from contextlib import nullcontext

import numpy as np
import pytest
from flint import acb, arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import chebyshev

from rkbs.approximation import LINE, TARGETS, Quadrature, _search, constructive_head, sup_error
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


def random_weights(seed, scale, d=3, width=12):
    rng = np.random.default_rng(seed)
    weights = {}
    for tower in ("query", "key"):
        slopes = rng.normal(scale=scale, size=(width, 1))
        weights |= {
            f"{tower}.hidden.weight": slopes,
            f"{tower}.hidden.bias": -slopes[:, 0] * rng.uniform(-1.2, 1.2, width),
            f"{tower}.output.weight": rng.normal(size=(d, width)) / math.sqrt(width),
            f"{tower}.output.bias": rng.normal(size=d),
        }
    return weights


def towers(weights):
    return certified._towers(weights)


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
    bracket = certified_sup_error(perturbed(weights, *product_of_t(m, n, epsilon)), weights)
    assert bracket.lower <= epsilon <= bracket.upper
    assert bracket.ratio <= 1.05
    assert bracket.rounding + bracket.remainder < 0.05 * bracket.upper


def test_the_ratio_asked_for_is_reached():
    weights = constructive("ridge", 4).weights()
    ratios = (1.5, 1.01, 1.0001)
    found = [certified_sup_error(TARGETS["ridge"], weights, ratio=ratio) for ratio in ratios]
    for bracket, ratio in zip(found, ratios, strict=True):
        assert bracket.ratio <= ratio
        assert bracket.lower <= found[-1].upper
        assert found[-1].lower <= bracket.upper


def test_a_head_that_is_the_target():
    """Lower bound 0, as the supremum is, and an upper bound at the level of rounding."""
    weights = random_weights(1, 2.0)
    target = perturbed(weights, lambda t, s: 0 * t * s, lambda rho: 0.0)
    bracket = certified_sup_error(target, weights)
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
    bracket = certified_sup_error(TARGETS["edp"], spiked)
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
        bracket = certified_sup_error(TARGETS[name], trial.weights())
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
    bracket = certified_sup_error(TARGETS[name], trial.weights())
    dense = sup_error(TARGETS[name], trial, 1201)
    assert bracket.ratio <= 1.05
    assert dense / 1.05 <= bracket.lower <= bracket.upper
    assert dense <= bracket.upper + 1e-10


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 8.0, 80.0]), st.sampled_from(["edp", "kink"]))
def test_brackets_of_random_heads(seed, scale, name):
    weights = random_weights(seed, scale)
    bracket = certified_sup_error(TARGETS[name], weights)
    dense = sup_error(TARGETS[name], head(weights), 501)
    assert bracket.lower <= bracket.upper <= 1.05 * bracket.lower
    assert dense <= bracket.upper * (1 + 1e-12)


def test_what_does_not_change_the_head_hardly_changes_the_bracket():
    weights = constructive("asymmetric", 4).weights()
    bracket = certified_sup_error(TARGETS["asymmetric"], weights)
    scaled = {n: a * {"q": 8.0, "k": 0.125}[n[0]] if "out" in n else a for n, a in weights.items()}
    turned = {n: -a if n.startswith("key.output") else a for n, a in weights.items()}
    turned |= {n: -a for n, a in weights.items() if n.startswith("query.output")}
    for same in (scaled, turned):
        other = certified_sup_error(TARGETS["asymmetric"], same)
        assert other.lower == pytest.approx(bracket.lower, rel=1e-9)
        assert other.upper == pytest.approx(bracket.upper, rel=1e-9)
    swapped = {{"q": "key", "k": "query"}[n[0]] + n[n.index(".") :]: a for n, a in weights.items()}
    mirror = dataclasses.replace(
        TARGETS["asymmetric"], function=lambda t, s: TARGETS["asymmetric"].function(s, t).T
    )
    other = certified_sup_error(mirror, swapped)
    assert other.where == pytest.approx(bracket.where[::-1])
    assert other.lower == pytest.approx(bracket.lower, rel=1e-9)


def test_too_few_cells_give_a_wide_bracket_that_holds():
    weights = random_weights(3, 60.0)
    good = certified_sup_error(TARGETS["ridge"], weights)
    for max_cells in (1, 10, 100):
        poor = certified_sup_error(TARGETS["ridge"], weights, max_cells=max_cells)
        assert poor.cells <= max_cells
        assert poor.lower <= good.upper
        assert poor.upper >= good.lower
        assert 1.05 < poor.ratio < math.inf
        assert poor.remainder > 0.01 * poor.upper


def test_worst_cells_cover_the_square_when_there_are_few():
    bracket = certified_sup_error(TARGETS["edp"], constructive("edp", 2).weights())
    t0, t1, s0, s1 = bracket.worst.T
    assert len(bracket.worst) == bracket.cells <= 32
    assert ((t1 - t0) * (s1 - s0)).sum() == 4
    many = certified_sup_error(TARGETS["edp"], random_weights(0, 30.0))
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
    bracket = certified_sup_error(TARGETS[name], weights)
    found = balls.recheck(name, weights, bracket, cells=1)
    assert found["lower_holds"]
    assert found["upper_holds"]
    assert bracket.lower <= found["at_where"] <= found["largest"] <= bracket.upper


def test_balls_prove_the_bound_on_all_of_the_square():
    weights = constructive("edp", 4, width=8).weights()
    bracket = certified_sup_error(TARGETS["edp"], weights)
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
    bracket = certified_sup_error(TARGETS["ridge"], weights, ratio=1.01)
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


# ---- bad input


W = random_weights(0, 1.0)


def without(name):
    return {n: a for n, a in W.items() if n != name}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (without("key.output.bias"), "head_weights must have the names"),
        (W | {"value.bias": np.ones(3)}, "head_weights must have the names"),
        (W | {"query.output.weight": W["query.output.weight"] * np.nan}, "query.output.weight con"),
        (W | {"key.hidden.bias": np.full(12, np.inf)}, "key.hidden.bias contains NaN or infinity"),
        (W | {"query.hidden.weight": np.ones((12, 2))}, r"query.hidden.weight .* \(12, 1\).*line"),
        (W | {"key.output.weight": np.ones((2, 12))}, r"key.output.weight .* = \(3, 12\)"),
        (W | {"query.hidden.bias": np.ones(5)}, r"query.hidden.weight .* = \(5, 1\)"),
        (W | {"query.hidden.weight": np.array(1.0)}, "query.hidden.weight must have shape"),
        (W | {"query.output.bias": np.array(1.0)}, "query.output.weight must have shape"),
        ({n: a * 1e200 if "output" in n else a for n, a in W.items()}, "'edp' contains NaN or inf"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        certified_sup_error(TARGETS["edp"], weights)


def test_other_bad_arguments_are_named():
    with pytest.raises(ValueError, match="'mine' has no analytic_bound: a bound of"):
        certified_sup_error(Target("mine", "", lambda t, s: t @ s.T, smooth=True), W)
    with pytest.raises(ValueError, match="targets on the line, got dim=2"):
        certified_sup_error(TARGETS["edp_2d"], W)
    for ratio in (1, 0.5, 1 + 1e-9, math.nan):
        with pytest.raises(ValueError, match="ratio must be"):
            certified_sup_error(TARGETS["edp"], W, ratio=ratio)
    with pytest.raises(ValueError, match="max_cells must be at least 1"):
        certified_sup_error(TARGETS["edp"], W, max_cells=0)
    holes = dataclasses.replace(
        TARGETS["edp"], function=lambda t, s: np.where(t == t.min(), np.nan, t @ s.T)
    )
    with pytest.raises(ValueError, match="NaN"):
        certified_sup_error(holes, W)


EDP = TARGETS["edp"]
LIES = {
    "NaN": (EDP, {"analytic_bound": lambda rho: math.nan}, "is nan, but"),
    "negative": (EDP, {"analytic_bound": lambda rho: -1.0}, "is -1, but"),
    "too small": (EDP, {"analytic_bound": lambda rho: 1e-3}, "is 0.001, but"),
    "NaN outside": (
        EDP,
        {"analytic_bound": lambda rho: 8.0 if rho <= 1 else math.nan},
        "must be ≥ 0, or infinite, got nan",
    ),
    "other pieces": (
        TARGETS["kink"],
        {"pieces": (lambda t, s: 0 * (t - s.T), lambda t, s: 0 * (t - s.T))},
        "pieces of target 'kink' differ from F by 2",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_target_that_its_own_values_refute(name):
    target, changes, message = LIES[name]
    with pytest.raises(ValueError, match=message):
        certified_sup_error(dataclasses.replace(target, **changes), W)


@pytest.mark.parametrize(("past", "refuted"), [(0.5, False), (1.5, True)])
@pytest.mark.parametrize("name", ["bound", "pieces"])
def test_values_refute_a_target_by_more_than_rounding(name, past, refuted):
    """|F| a billionth over its bound, pieces a trillionth of it off F: by half of that, or more."""
    kink = TARGETS["kink"]
    if name == "bound":
        size = 1 + 1e-9 * past
        changed = Target(
            "", "", lambda t, s: size * t @ s.T, smooth=True, analytic_bound=lambda rho: 1.0
        )
    else:
        off = 1e-12 * past * kink.analytic_bound(1.0)
        upper, lower = kink.pieces
        changed = dataclasses.replace(kink, pieces=(lambda t, s: upper(t, s) + off, lower))
    with pytest.raises(ValueError, match=name) if refuted else nullcontext():
        certified._check_declared(changed)


def test_a_surface_that_declares_nothing_and_weights_that_are_no_mapping():
    with pytest.raises(TypeError, match="target must be a Target"):
        certified_sup_error(lambda t, s: t @ s.T, W)
    with pytest.raises(TypeError, match="head_weights must be a mapping"):
        certified_sup_error(EDP, [1, 2])


def test_weights_may_be_tensors():
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in W.items()}
    found, same = certified_sup_error(EDP, tensors), certified_sup_error(EDP, W)
    assert (found.lower, found.upper) == (same.lower, same.upper)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_bounds_that_overflow_are_no_bounds():
    """Finite weights whose rounding bound is not: NaN must not pass as small."""
    huge = {name: value.copy() for name, value in W.items()}
    huge["query.hidden.weight"][0] = huge["query.hidden.bias"][0] = 1e308
    huge["query.output.weight"][:, 0] = 0
    with pytest.raises(ValueError, match="NaN or infinity"):
        certified_sup_error(EDP, huge)
