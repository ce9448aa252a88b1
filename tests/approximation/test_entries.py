"""Whatever holds the same numbers gives the same result, and every scale of a surface its own."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
from array_helpers import ARRAYS, assert_alike
from optional import torch

from rkbs import approximation
from rkbs.approximation import (
    TARGETS,
    Head,
    HiddenLayer,
    Quadrature,
    Rule,
    Target,
    constructive_head,
    head_on_layers,
    l2_error,
    sampled_floor,
    schmidt,
    sup_error,
)
from rkbs.approximation.sup_bracket import certified_sup_error

# Eighths of whole numbers: each kind holds them exactly.
RNG = np.random.default_rng(0)
T, S, NODES = (RNG.integers(-8, 9, size=(n, 1)) / 8 for n in (5, 4, 3))
SLOPES, BIASES, OUT = (RNG.integers(-16, 17, size=shape) / 8 for shape in ((6, 1), 6, (7, 2)))
WEIGHTS = np.array([0.5, 0.25, 0.25])
EDP, GRID = TARGETS["edp"], Quadrature.gauss_legendre(6)
LAYER = HiddenLayer(SLOPES, BIASES)
HEAD = constructive_head(EDP, 2, 4, quadrature=GRID)
BY_NAME = Head(LAYER, LAYER, OUT, OUT).weights()
EIGHTHS = {"samples": 9, "replicates": 2}


def rounded(t, s):
    """A surface whose values every kind holds exactly."""
    return np.round(4 * np.exp(t * s.T)) / 4


def tabulated(x):
    """The surface, its values as this kind."""
    return lambda t, s: x(rounded(t, s))


def sampled(surface, dims=(0, 2)):
    return sampled_floor(surface, dims, **EIGHTHS, rng=np.random.default_rng(0))


# name: its entries, each a function of "as this kind".
ENTRIES = {
    "ConstructiveHead": [lambda x: HEAD(x(T), x(S))],
    "Head": [
        lambda x: Head(LAYER, LAYER, x(OUT), x(OUT))(x(T), x(S)),
        lambda x: Head(LAYER, LAYER, x(OUT), OUT).weights()["query.output.weight"],
        lambda x: Head.from_weights({name: x(value) for name, value in BY_NAME.items()})(T, S),
    ],
    "HiddenLayer": [
        lambda x: HiddenLayer(x(SLOPES), x(BIASES))(x(T)),
        lambda x: HiddenLayer(x(SLOPES), x(BIASES))(x(T[:, 0])),
        lambda x: HiddenLayer(SLOPES, x(BIASES)).orthonormal(GRID.x, 1e-9)[1],
    ],
    "Quadrature": [
        lambda x: GRID.tabulate(tabulated(x)),
        lambda x: Quadrature(Rule(x(NODES), x(WEIGHTS)), GRID.y).tabulate(EDP),
    ],
    "Rule": [
        lambda x: Rule(x(NODES), x(WEIGHTS)).root,
        lambda x: Rule(x(NODES[:, 0]), WEIGHTS).nodes,
    ],
    "SchmidtSpectrum": [lambda x: schmidt(EDP, 4).head(2)(x(T), x(S))],
    "Target": [
        lambda x: EDP(x(T), x(S)),
        lambda x: EDP(x(T[:, 0]), x(S[:, 0])),
        lambda x: Target("mine", "", tabulated(x), smooth=False)(T, S),
    ],
    "constructive_head": [
        lambda x: constructive_head(tabulated(x), 2, 4, quadrature=GRID)(x(T), x(S)),
    ],
    "head_on_layers": [
        lambda x: (
            head_on_layers(
                tabulated(x), 2, HiddenLayer(x(SLOPES), x(BIASES)), LAYER, quadrature=GRID
            ).singular_values
        ),
    ],
    "l2_error": [
        lambda x: l2_error(tabulated(x), EDP, GRID),
        lambda x: l2_error(EDP, tabulated(x), GRID),
    ],
    "sampled_floor": [lambda x: sampled(tabulated(x)).floors(1.0)[0][0]],
    "schmidt": [lambda x: schmidt(tabulated(x), 4).singular_values[:2]],
    "sup_error": [
        lambda x: sup_error(tabulated(x), EDP, 9),
        lambda x: sup_error(EDP, tabulated(x), 9),
    ],
    "certified_sup_error": [
        lambda x: (
            certified_sup_error(
                EDP, Head.from_weights({name: x(value) for name, value in BY_NAME.items()})
            ).upper
        ),
    ],
}
WITHOUT_ARRAYS = {"LINE", "TARGETS", "Surface", "SampledFloor", "SupBracket"}
"""Names, a type, and what ``sampled_floor`` makes."""


def test_the_table_is_complete():
    public = {*approximation.__all__}
    assert set(ENTRIES) | WITHOUT_ARRAYS == public
    assert not set(ENTRIES) & WITHOUT_ARRAYS


CASES = [(name, k) for name, entries in ENTRIES.items() for k in range(len(entries))]


@pytest.mark.parametrize(("name", "entry"), CASES)
def test_every_kind_of_array_works(name, entry, folder):
    assert_alike(ENTRIES[name][entry], folder, 1e-12)


@pytest.mark.parametrize("dims", [[0, 2], np.array([0, 2]), torch.tensor([0, 2]), range(0, 3, 2)])
def test_dimensions_may_come_in_any_sequence(dims):
    assert np.array_equal(sampled(EDP, dims).below, sampled(EDP).below)


@pytest.mark.parametrize(
    ("kind", "eps"), [("float16", 2**-10), ("float32", 2**-23), ("tensor bfloat16", 2**-7)]
)
def test_no_floor_is_claimed_below_the_precision_of_the_surface(kind, eps, folder):
    spectrum = schmidt(lambda t, s: ARRAYS[kind](EDP(t, s), folder), 8)
    assert spectrum.rounding == pytest.approx(16 * eps * spectrum.floor(0), rel=1e-2)
    for d in range(8):
        assert spectrum.floor(d) <= schmidt(EDP, 8).floor(d) + spectrum.rounding


def test_weights_in_short_precision_are_told_how_to_be_mended():
    thirds = torch.full((3,), 1 / 3, dtype=torch.float32, requires_grad=True)
    for given in (thirds, thirds.detach().numpy()):
        with pytest.raises(
            ValueError, match=r"sum to 1.*: pass (w / w.sum\(\)) with w = (.*)"
        ) as e:
            Rule(NODES, given)
        source = str(e.value).rpartition("with w = ")[2]
        w = eval(source, {"np": np, "weights": given})
        assert Rule(NODES, w / w.sum()).weights.dtype == float
    with pytest.raises(ValueError, match=r"with sum 1$"):
        Rule(NODES, [1.5, -0.25, -0.25])


# ---- scales


def scaled(name, c):
    """c·F, with all that it declares."""
    target = TARGETS[name]

    def times(function):
        return lambda *points: c * function(*points)

    return replace(
        target,
        function=times(target.function),
        analytic_bound=times(target.analytic_bound),
        pieces=target.pieces and tuple(map(times, target.pieces)),
    )


def zero(t, s):
    return np.zeros((len(t), len(s)))


def spectrum_of(F):
    spectrum = schmidt(F, 12)
    errors = [spectrum.floor_error(1), spectrum.rounding, *spectrum.value_errors[:4]]
    floors = [spectrum.floor(d) for d in (0, 1, 3, 99)]
    return [*errors, *floors, *spectrum.head(2)(T, S).ravel()]


def head_of(F, make):
    head = make(F)
    errors = [head.width_error, head.rank_error, head.at(1).rank_error]
    return [*errors, l2_error(F, head, GRID), sup_error(F, head, 21), *head(T, S).ravel()]


def bracket_of(F):
    bracket = certified_sup_error(F, constructive_head(F, 2, 4, quadrature=GRID))
    return [bracket.lower, bracket.upper, bracket.rounding, bracket.remainder]


SCALED = {
    "Quadrature": lambda F: GRID.tabulate(F).ravel(),
    "Target": lambda F: F(T, S).ravel(),
    "constructive_head": lambda F: head_of(
        F, lambda F: constructive_head(F, 2, 4, quadrature=GRID)
    ),
    "head_on_layers": lambda F: head_of(
        F, lambda F: head_on_layers(F, 2, LAYER, LAYER, quadrature=GRID)
    ),
    "l2_error": lambda F: [l2_error(F, zero, GRID), l2_error(zero, F, GRID)],
    "sampled_floor": lambda F: np.ravel(sampled(F).floors(1.0)),
    "schmidt": spectrum_of,
    "sup_error": lambda F: [sup_error(F, zero, 9), sup_error(zero, F, 9)],
    "certified_sup_error": bracket_of,
}
"""All that takes a surface, and all that it gives back in the surface's unit."""


def test_all_that_takes_a_surface_is_scaled():
    def takes(thing):
        parts = [thing, *vars(thing).values()] if inspect.isclass(thing) else [thing]
        return any(
            "Surface" in str(parameter.annotation) or "Target" in str(parameter.annotation)
            for part in parts
            if inspect.isfunction(part) or inspect.isclass(part)
            for parameter in inspect.signature(part).parameters.values()
        )

    public = {name: getattr(approximation, name) for name in approximation.__all__}
    found = {name for name, thing in public.items() if callable(thing) and takes(thing)}
    assert found - {"Surface", "SchmidtSpectrum"} <= set(SCALED)  # the latter is what schmidt makes
    assert set(SCALED) - {"certified_sup_error"} <= found | {"Target"}


@pytest.mark.parametrize("exponent", [-990, 1000])
@pytest.mark.parametrize("function", SCALED)
@pytest.mark.parametrize("name", ["edp", "kink"])
def test_a_scaled_surface_gives_the_scaled_answer(name, function, exponent):
    c = 2.0**exponent  # by which no product is rounded
    right = np.array(SCALED[function](scaled(name, 1.0)))
    found = np.array(SCALED[function](scaled(name, c))) / c
    assert np.abs(found - right).max() <= 1e-12 * np.abs(right).max()
    assert np.allclose(found, right, rtol=1e-9, atol=1e-15 * np.abs(right).max())


def test_differences_at_the_end_of_the_range():
    largest = np.finfo(float).max
    constant = [lambda t, s, v=v: np.full((len(t), len(s)), v) for v in (largest, -largest / 2)]
    assert sup_error(*constant, 3) == np.inf  # beyond all floats, and no warning
    assert sup_error(constant[0], zero, 3) == largest
    assert l2_error(constant[1], zero, GRID) == pytest.approx(largest / 2, rel=1e-12)
    least = 5e-324
    tiny = [lambda t, s, v=v: np.full((len(t), len(s)), v) for v in (least, -least)]
    assert sup_error(*tiny, 3) == 2 * least
    assert l2_error(zero, zero, GRID) == sup_error(zero, zero, 3) == schmidt(zero, 3).floor(0) == 0


def test_replicates_of_very_different_size_have_one_unit():
    def peaked(t, s):
        return 1e150 * np.exp(-3e4 * (t - 0.3) ** 2) @ np.ones((1, len(s)))

    rng = np.random.default_rng(1)
    found = sampled_floor(peaked, (0,), samples=3, replicates=6, rng=rng)
    rng, squares = np.random.default_rng(1), []
    for _ in range(6):
        here, there = (Quadrature.monte_carlo(3, 1, rng) for _ in range(2))
        tables = [peaked(q.x.nodes, q.y.nodes) / 1e150 for q in (here, there)]
        squares.append([np.mean(table**2) for table in tables])
    means = np.sqrt(np.mean(squares, axis=0))
    assert means.min() < 1e-3 * means.max()  # some samples see the peak, others do not
    lower, upper = found.floors(0.0)
    assert np.append(lower, upper) / 1e150 == pytest.approx(means, rel=1e-12)
