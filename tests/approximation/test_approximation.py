import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import legendre

from rkbs.approximation import (
    LINE,
    TARGETS,
    ConstructiveHead,
    Head,
    HiddenLayer,
    Quadrature,
    Rule,
    SchmidtSpectrum,
    Target,
    constructive_head,
    l2_error,
    sampled_floor,
    schmidt,
    sup_error,
)
from rkbs.kernels import EDP

RNG = np.random.default_rng
GRID = Quadrature.gauss_legendre(64)
FINE = Quadrature.gauss_legendre(151)
SMOOTH = sorted(name for name in LINE if TARGETS[name].smooth)
NAMES = sorted(LINE)


@pytest.fixture(scope="module")
def spectra():
    return {name: schmidt(TARGETS[name], 64) for name in LINE}


def outputs(head):
    return head.head.output_x, head.head.output_y


def zero(t, s):
    return np.zeros((len(t), len(s)))


def separable(t, s):
    """2 P̂_0(t) P̂_1(s) + ½ P̂_3(t) P̂_0(s): singular values 2 and ½."""
    cubic = math.sqrt(7) * legendre.legval(t[:, 0], [0, 0, 0, 1])
    return 2 * np.outer(np.ones_like(t), math.sqrt(3) * s) + 0.5 * np.outer(cubic, np.ones_like(s))


def test_targets_are_what_theorem_2_needs():
    assert len(TARGETS) >= 4
    assert all(target.name == name for name, target in TARGETS.items())
    rng = np.random.default_rng(0)
    points = {name: rng.uniform(-1, 1, (9, F.dim)) for name, F in TARGETS.items()}
    tables = {name: F(points[name], points[name]) for name, F in TARGETS.items()}
    asymmetric = {n for n, table in tables.items() if np.abs(table - table.T).max() > 0.1}
    assert {"asymmetric", "oscillating", "ridge", "legendre", "waves_2d", "waves_4d"} <= asymmetric
    assert {"edp", "kink", "edp_2d", "distance_2d"}.isdisjoint(asymmetric)
    assert {n for n, table in tables.items() if table.min() < 0} >= {"asymmetric", "oscillating"}
    assert {F.dim for F in TARGETS.values()} == {1, 2, 4}
    assert SMOOTH != NAMES


def test_targets_at_points_by_hand():
    def at(name, t, s):
        return TARGETS[name](np.array([t]), np.array([s])).item()

    assert at("edp", 0.5, -0.25) == pytest.approx(math.exp(-0.25), rel=1e-15)
    assert at("kink", 0.5, -0.25) == 0.75
    assert at("oscillating", 0.5, -0.25) == pytest.approx(math.cos(0.5), rel=1e-15)
    assert at("ridge", 0.5, -0.25) == pytest.approx(1.25 / (1 + 1.25**2), rel=1e-15)
    assert at("asymmetric", 0.5, -0.25) == pytest.approx(
        math.exp(0.625) * math.sin(0.625), rel=1e-15
    )


def test_targets_tabulate_without_mixing_domains():
    rng = np.random.default_rng(0)
    for target in TARGETS.values():
        t, s = (rng.uniform(-1, 1, (n, target.dim)) for n in (2, 3))
        table = target(t, s)
        assert table.shape == (2, 3)
        assert table[1, 2] == pytest.approx(target(t[1:], s[2:]).item(), rel=1e-14, abs=1e-15)


@given(st.integers(1, 30), st.data())
def test_gauss_legendre_is_exact_below_degree_2n(n, data):
    quadrature = Quadrature.gauss_legendre(n)
    degree = data.draw(st.integers(0, 2 * n - 1))
    moment = quadrature.x.weights @ quadrature.x.nodes[:, 0] ** degree
    assert moment == pytest.approx(0 if degree % 2 else 1 / (degree + 1), abs=1e-14)
    assert len(quadrature.x) == len(quadrature.y) == n


def test_errors_of_known_functions():
    assert l2_error(TARGETS["kink"], zero, FINE) == pytest.approx(math.sqrt(2 / 3), abs=1e-14)
    assert sup_error(TARGETS["kink"], zero) == 2.0
    assert sup_error(TARGETS["edp"], zero, points=2) == pytest.approx(math.e**2, rel=1e-15)
    size = math.sqrt(sum(4.0 ** -np.arange(12)))
    assert l2_error(zero, TARGETS["legendre"], GRID) == pytest.approx(size, rel=1e-13)
    assert l2_error(TARGETS["ridge"], TARGETS["ridge"], GRID) == 0


def test_schmidt_values_of_a_separable_target():
    spectrum = schmidt(separable, 8)
    assert spectrum.rank == 2
    assert np.abs(spectrum.singular_values[:2] - [2, 0.5]).max() <= 1e-14
    assert spectrum.floor(1) == pytest.approx(0.5, rel=1e-13)
    assert spectrum.floor(2) == 0
    x = spectrum.quadrature.x.nodes[:, 0]
    assert np.abs(np.abs(spectrum.right[:, 0]) - math.sqrt(3) * np.abs(x)).max() <= 1e-12
    assert np.abs(np.abs(spectrum.left[:, 0]) - 1).max() <= 1e-12


@pytest.mark.parametrize("name", [n for n in NAMES if TARGETS[n].singular_values])
def test_schmidt_values_and_floors_against_closed_forms(name, spectra):
    spectrum, exact = spectra[name], TARGETS[name].singular_values(20000)
    assert len(exact) == 20000
    assert (np.diff(exact) <= 0).all()
    off = np.abs(spectrum.singular_values[:16] - exact[:16])
    assert (off <= spectrum.value_errors[:16] + spectrum.rounding).all()
    for d in range(16):
        tail = np.linalg.norm(exact[d:])
        assert abs(spectrum.floor(d) - tail) <= spectrum.floor_error(d)


def test_closed_forms_add_up_to_the_norm():
    kink = TARGETS["kink"].singular_values(20000)
    assert np.sum(kink**2) == pytest.approx(2 / 3, abs=1e-12)
    assert kink[1] == pytest.approx(4 / math.pi**2, rel=1e-14)
    assert TARGETS["legendre"].singular_values(3).tolist() == [1, 0.5, 0.25]


@pytest.mark.parametrize("name", NAMES)
def test_schmidt_functions_are_orthonormal_and_give_the_target_back(name, spectra):
    spectrum = spectra[name]
    x, w = spectrum.quadrature.x.nodes, spectrum.quadrature.x.root**2
    for side in (spectrum.left, spectrum.right):
        assert np.abs(side.T @ (w * side) - np.eye(len(x))).max() <= 1e-12
    table = (spectrum.left * spectrum.singular_values) @ spectrum.right.T
    assert np.abs(table - TARGETS[name](x, x)).max() <= 1e-11


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_schmidts_own_functions_attain_the_floor(name, d, spectra):
    spectrum = spectra[name]
    error = l2_error(TARGETS[name], spectrum.head(d), FINE)
    assert abs(error - spectrum.floor(d)) <= spectrum.floor_error(d)


def test_the_error_estimate_is_the_change_by_doubling(spectra):
    values = [
        np.linalg.svd(Quadrature.gauss_legendre(n).tabulate(TARGETS["kink"]), compute_uv=False)
        for n in (64, 128)
    ]
    spectrum = spectra["kink"]
    tails = [np.linalg.norm(v[3:]) for v in values]
    assert len(spectrum.quadrature.x) == 128
    assert spectrum.tail_errors[3] == pytest.approx(abs(tails[0] - tails[1]), rel=1e-9)
    assert spectrum.value_errors[3] == pytest.approx(abs(values[0][3] - values[1][3]), rel=1e-9)
    assert 1e-6 < spectrum.floor_error(3) < 1e-2 * spectrum.floor(3)
    assert schmidt(TARGETS["edp"], 32).floor_error(3) < 1e-12


def test_no_floor_is_claimed_at_the_level_of_rounding(spectra):
    spectrum = spectra["edp"]
    assert spectrum.rounding == pytest.approx(128 * np.finfo(float).eps * spectrum.floor(0))
    assert spectrum.rank < 20
    assert spectrum.singular_values[spectrum.rank - 1] > spectrum.rounding
    assert spectrum.floor(spectrum.rank) == 0
    assert spectrum.floor(500) == 0


heads = st.tuples(
    st.sampled_from(NAMES), st.integers(1, 10), st.integers(1, 24), st.integers(0, 1000)
)


@settings(deadline=None, max_examples=60)
@given(heads)
def test_the_split_and_its_bounds(case):
    name, d, width, seed = case
    target = TARGETS[name]
    head = constructive_head(target, d, width, quadrature=GRID, seed=seed)
    error = l2_error(target, head, GRID)
    floor = np.linalg.norm(np.linalg.svd(GRID.tabulate(target), compute_uv=False)[d:])
    rounding = 1e-15 * width * max(1, *(np.abs(w).max() for w in outputs(head)))
    assert abs(error - math.hypot(head.width_error, head.rank_error)) <= rounding
    assert floor - 1e-13 <= error <= math.hypot(floor, head.width_error) + rounding


@settings(deadline=None, max_examples=30)
@given(heads, st.integers(0, 1000))
def test_no_head_on_the_same_layers_is_better(case, other):
    name, d, width, seed = case
    target, rng = TARGETS[name], np.random.default_rng(other)
    head = constructive_head(target, d, width, quadrature=GRID, seed=seed)
    error = l2_error(target, head, GRID)
    query, key = outputs(head)
    step = 10.0 ** rng.uniform(-6, -1)
    moved_query = query + step * np.abs(query).mean() * rng.normal(size=query.shape)
    moved_key = key + step * np.abs(key).mean() * rng.normal(size=key.shape)

    def moved(t, s):
        return (head.hidden_x(t) @ moved_query) @ (head.hidden_y(s) @ moved_key).T

    assert l2_error(target, moved, GRID) >= error * (1 - 1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_sixty_four_random_units_come_within_one_percent_of_the_floor(name, d, spectra):
    head = constructive_head(TARGETS[name], d, 64, quadrature=GRID, seed=1)
    error, spectrum = l2_error(TARGETS[name], head, FINE), spectra[name]
    floor, allowance = spectrum.floor(d), spectrum.floor_error(d)
    assert floor - allowance <= error <= 1.01 * floor + allowance + 1e-9
    assert allowance < 0.1 * floor or floor < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_narrow_layers_are_limited_by_their_width(name):
    widths = [
        np.median(
            [
                constructive_head(TARGETS[name], 1, m, quadrature=GRID, seed=s).width_error
                for s in range(5)
            ]
        )
        for m in (2, 8, 32)
    ]
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_heads_of_other_dimensions_share_their_layers():
    head = constructive_head(TARGETS["ridge"], 3, 16, quadrature=GRID, seed=2)
    same = constructive_head(TARGETS["ridge"], 5, 16, quadrature=GRID, seed=2)
    t = np.linspace(-1, 1, 7)
    assert np.array_equal(head.at(5)(t, t), same(t, t))
    assert head.at(5).rank_error < head.rank_error
    assert head.at(5).width_error == head.width_error


def test_more_dimensions_than_the_layers_span_change_nothing():
    head = constructive_head(TARGETS["edp"], 3, 2, quadrature=GRID)
    t = np.linspace(-1, 1, 7)
    assert len(head.singular_values) == 3
    assert head.at(9).head.output_x.shape == (3, 9)
    assert np.abs(head.at(9)(t, t) - head(t, t)).max() <= 1e-13
    assert head.at(9).weights()["key.output.weight"].shape == (9, 2)


def test_the_seed_is_an_argument():
    def slopes(seed):
        return constructive_head(TARGETS["edp"], 1, 4, quadrature=GRID, seed=seed).hidden_x.slopes

    assert np.array_equal(slopes(3), slopes(3))
    assert np.array_equal(slopes(3), slopes(np.random.default_rng(3)))
    assert not np.array_equal(slopes(3), slopes(4))


def test_the_two_hidden_layers_are_drawn_apart():
    head = constructive_head(TARGETS["kink"], 1, 4, quadrature=GRID)
    assert not np.intersect1d(head.hidden_x.slopes, head.hidden_y.slopes).size
    centers = -head.hidden_x.biases / head.hidden_x.slopes[:, 0]
    assert np.abs(centers).max() <= 1.2


def test_sup_error_falls_to_a_millionth_for_smooth_targets():
    for name in SMOOTH:
        head = constructive_head(TARGETS[name], 16, 128, quadrature=GRID)
        assert sup_error(TARGETS[name], head, 201) < 1e-6


F, Q = TARGETS["edp"], GRID
LAYER = HiddenLayer([[1.0], [2.0]], [0.0, 1.0])


def NAN_SURFACE(t, s):  # noqa: N802
    return np.full((len(t), len(s)), np.nan)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: F(np.zeros((3, 2)), np.zeros(3)),
            ValueError,
            r"t must have shape \(n, 1\) or \(n,\)",
        ),
        (lambda: F(np.zeros(3), np.zeros(0)), ValueError, "s must have shape"),
        (lambda: F(np.zeros(3), [0.0, math.nan]), ValueError, "s contains NaN"),
        (lambda: F(["a"], [0.0]), TypeError, "t must be"),
        (lambda: Quadrature.gauss_legendre(0), ValueError, "n must be at least 1"),
        (lambda: Quadrature.gauss_legendre(2.0), TypeError, "n must be an integer"),
        (lambda: Rule(np.zeros(2), np.ones(3) / 3), ValueError, "weights must have shape"),
        (lambda: Rule(np.zeros(2), np.ones(2)), ValueError, "sum to 1"),
        (lambda: Rule(np.zeros(2), np.array([-1.0, 2.0])), ValueError, "positive"),
        (lambda: Q.tabulate(lambda t, s: t * s), ValueError, r"to \(n, m\)"),
        (
            lambda: schmidt(NAN_SURFACE, 4),
            ValueError,
            r"^target\(t, s\) contains NaN",
        ),
        (
            lambda: constructive_head(NAN_SURFACE, 1, 4, quadrature=Q),
            ValueError,
            r"^target\(t, s\) contains NaN",
        ),
        (lambda: Q.tabulate(NAN_SURFACE), ValueError, r"^surface\(t, s\) contains NaN"),
        (lambda: Q.tabulate(lambda t, s: 1j * t @ s.T), TypeError, "must be an array of real"),
        (lambda: Q.tabulate("edp"), TypeError, "surface must be a surface, a callable"),
        (lambda: Quadrature(3, 4), TypeError, "x must be a Rule"),
        *(
            (lambda name=name, bad=bad: TARGETS[name].singular_values(bad), error, "count must be")
            for name in ("legendre", "kink", "edp_2d")
            for bad, error in ((0, ValueError), (-3, ValueError), (2.0, TypeError))
        ),
        (lambda: Quadrature.monte_carlo(3, 1, 0), TypeError, "rng must be a numpy Generator"),
        (lambda: l2_error(lambda t, s: t, F, Q), ValueError, "F, a surface, must map"),
        (lambda: l2_error(F, lambda t, s: 1.0, Q), ValueError, "G, a surface, must map"),
        (lambda: sup_error(F, lambda t, s: t @ s, 9), ValueError, "matmul"),
        (lambda: sup_error(F, NAN_SURFACE, 9), ValueError, r"G\(t, s\) contains NaN"),
        (lambda: sup_error(TARGETS["edp_2d"], F, 9), ValueError, r"t must have shape \(n, 2\)"),
        (lambda: HiddenLayer([1.0], [1.0]), ValueError, "slopes must have shape"),
        (lambda: HiddenLayer([[1.0]], [[1.0]]), ValueError, r"biases must have shape \(1,\)"),
        (lambda: HiddenLayer([[math.nan]], [1.0]), ValueError, "slopes contains NaN"),
        (lambda: HiddenLayer.random(0, np.random.default_rng(0), 1.0), ValueError, "width must"),
        (lambda: Head(LAYER, LAYER, np.ones((3, 2)), np.ones((3, 1))), ValueError, "output_y"),
        (lambda: Head(LAYER, LAYER, np.ones((2, 2)), np.ones((3, 2))), ValueError, "output_x"),
        (lambda: Head(LAYER, None, np.ones((3, 2)), np.ones((3, 2))), TypeError, "hidden_y must"),
        (lambda: constructive_head(F, 1, 4, quadrature=5), TypeError, "quadrature must be a Quad"),
        (lambda: Target("a", "", F, True, dim=0), ValueError, "dim must be at least 1"),
        (lambda: Target("a", "", None, True), TypeError, "function must be a surface"),
        (lambda: sampled_floor(F, [], samples=9, replicates=2, rng=None), ValueError, "dims must"),
        (lambda: sampled_floor(F, [1], samples=9, replicates=2, rng=3), TypeError, "rng must"),
        (lambda: sup_error(F, F, 1), ValueError, "points must be at least 2"),
        (lambda: schmidt(F, 1), ValueError, "nodes must be at least 2"),
        (lambda: schmidt(F, 4).floor(-1), ValueError, "d must be at least 0"),
        (lambda: schmidt(F, 4).floor_error(4), ValueError, "d must be less than the 4 nodes"),
        (lambda: schmidt(F, 4).head(1.5), TypeError, "d must be an integer"),
        (lambda: constructive_head(F, 0, 4, quadrature=Q), ValueError, "d must"),
        (lambda: constructive_head(F, 1, 0, quadrature=Q), ValueError, "width must"),
        (lambda: constructive_head(F, 1, True, quadrature=Q), TypeError, "width must"),
        (lambda: constructive_head(F, 1, 4, quadrature=Q, scale=0), ValueError, "scale must"),
        (lambda: constructive_head(F, 1, 4, quadrature=Q, cutoff=1), ValueError, "cutoff must"),
        (lambda: constructive_head(F, 1, 4, quadrature=Q).at(0), ValueError, "d must"),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_results_are_of_the_documented_types():
    assert isinstance(schmidt(F, 4), SchmidtSpectrum)
    assert isinstance(constructive_head(F, 1, 4, quadrature=Q), ConstructiveHead)


@pytest.mark.parametrize("name", sorted(n for n in LINE if TARGETS[n].analytic_bound))
@pytest.mark.parametrize("rho", [1.05, 1.2, 2.0])
def test_analytic_bounds_hold_on_the_ellipses(name, rho):
    target = TARGETS[name]
    circle = rho * np.exp(2j * np.pi * np.arange(400) / 400)
    ellipse = ((circle + 1 / circle) / 2)[:, None]
    bound = target.analytic_bound(rho)
    if math.isinf(bound):
        assert name == "ridge"
        assert rho >= 1.2
        return
    largest = np.abs(target.function(ellipse, ellipse)).max()
    assert largest <= bound * (1 + 1e-12)
    assert bound <= 1e3 * largest


def test_a_bound_grows_with_the_ellipse():
    for name in LINE:
        bound = TARGETS[name].analytic_bound
        if bound:
            values = [bound(rho) for rho in (1.001, 1.1, 1.3, 2.0)]
            assert (np.diff([v for v in values if math.isfinite(v)]) > 0).all()


def test_products_of_gauss_legendre_rules():
    quadrature = Quadrature.gauss_legendre(4, dim=2)
    nodes, weights = quadrature.x.nodes, quadrature.x.weights
    assert nodes.shape == (16, 2)
    assert quadrature.x.dim == 2
    assert weights @ (nodes[:, 0] ** 6 * nodes[:, 1] ** 2) == pytest.approx(1 / 21, rel=1e-13)


def test_monte_carlo_draws_the_two_domains_apart():
    quadrature = Quadrature.monte_carlo(500, 3, np.random.default_rng(0))
    assert quadrature.x.nodes.shape == quadrature.y.nodes.shape == (500, 3)
    assert np.abs(quadrature.x.nodes - quadrature.y.nodes).min() > 0
    assert np.abs(quadrature.x.nodes.mean(0)).max() < 0.1


def test_schmidt_values_in_two_dimensions_are_products():
    spectrum, exact = schmidt(TARGETS["edp_2d"], 8, dim=2), TARGETS["edp_2d"].singular_values(400)
    assert np.abs(spectrum.singular_values[:30] - exact[:30]).max() <= 1e-12
    assert spectrum.floor(5) == pytest.approx(np.linalg.norm(exact[5:]), rel=1e-10)
    fine = Quadrature.gauss_legendre(11, dim=2)
    error = l2_error(TARGETS["edp_2d"], spectrum.head(5), fine)
    assert error == pytest.approx(spectrum.floor(5), rel=1e-9)


@pytest.mark.parametrize(("dim", "d"), [(2, 4), (4, 6)])
def test_constructive_heads_in_more_dimensions(dim, d):
    target = TARGETS[f"edp_{dim}d"]
    quadrature = Quadrature.monte_carlo(300, dim, np.random.default_rng(1))
    head = constructive_head(target, d, 40, quadrature=quadrature, scale=1.0)
    assert head.hidden_x.slopes.shape == (40, dim)
    error = l2_error(target, head, quadrature)
    assert error == pytest.approx(math.hypot(head.width_error, head.rank_error), rel=1e-8)
    floor = np.linalg.norm(np.linalg.svd(quadrature.tabulate(target), compute_uv=False)[d:])
    assert floor <= error <= 1.1 * floor


def test_any_surface_has_errors_and_floors():
    """A kernel, a formula in columns, a surface in single precision."""
    kernel, same = EDP(), TARGETS["edp"]
    assert sup_error(kernel, same, 101) > 1
    doubled = EDP().pullback(np.array([[2.0]]), np.array([[1.0]]))
    assert sup_error(doubled, same, 101) <= 1e-14
    assert sup_error(lambda t, s: np.exp(2 * t * s.T), same, 101) <= 1e-14
    assert l2_error(doubled, same, GRID) <= 1e-14
    assert schmidt(doubled, 32).floor(3) == pytest.approx(schmidt(same, 32).floor(3), rel=1e-12)
    single = schmidt(lambda t, s: TARGETS["oscillating"](t, s).astype(np.float32), 32)
    exact = schmidt(TARGETS["oscillating"], 32)
    assert single.rounding > 1e-6
    for d in (2, 8, 14):
        assert abs(single.floor(d) - exact.floor(d)) <= single.floor_error(d)


def test_the_dimension_is_the_targets_own():
    assert schmidt(TARGETS["edp_2d"], 4).quadrature.x.dim == 2
    found = sampled_floor(EDP(), (1,), samples=20, replicates=2, rng=RNG(), dim=3)
    assert found.below.shape == (2, 1)


@pytest.mark.parametrize("surface", [zero, TARGETS["low_rank"]], ids=["zero", "rank 3"])
def test_sampled_floors_at_rounding_do_not_exchange(surface):
    found = sampled_floor(surface, (3, 5, 20), samples=50, replicates=3, rng=RNG())
    lower, upper = found.floors(3.0)
    assert (lower == 0).all()
    assert (upper >= 0).all()
    assert (upper <= 1e-12).all()
