"""Pairs of RKBS over ℓ^p: reproducing law, norms, Hölder, the duality map and its extremes."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from helpers import points

from rkbs import DualNewton, Pairs, SeparableProblem, laws, solve
from rkbs.kernels import EDP, Linear, Quadratic, TaylorEDP
from rkbs.laws import relative
from rkbs.spaces import RKBSPair, conjugate_exponent, duality_map, lp_norm

EXPONENTS = (1.25, 1.5, 2, 3, 4)
WQ, WK = points((2, 3), 7), points((2, 4), 8)  # x ∈ R³, y ∈ R⁴, heads of dimension 2
X, Y = points((6, 3)), points((5, 4), 1)

every_p = pytest.mark.parametrize("p", EXPONENTS)
every_domain = pytest.mark.parametrize("domain", ["x", "y"])


def make(p=2.0, kernel=EDP(), order=4):  # noqa: B008 - frozen
    return RKBSPair.from_kernel(kernel, 2, order, p=p, map_x=WQ, map_y=WK)


def element(spaces, domain, seed=0, scale=1.0):
    coefficients = scale * np.random.default_rng(seed).normal(size=spaces.dim)
    return spaces.f(coefficients) if domain == "x" else spaces.g(coefficients)


def zero(spaces, domain):
    return element(spaces, domain, scale=0.0)


# ---- Definition 2


@every_p
@pytest.mark.parametrize("kernel", [EDP(), Quadratic(-0.5), Linear()], ids=repr)
def test_reproducing_law(p, kernel):
    spaces = make(p, kernel)
    assert (
        laws.reproducing_residual(spaces, element(spaces, "x"), element(spaces, "y", 1), X, Y)
        <= 1e-13
    )


@pytest.mark.parametrize(
    "kernel", [TaylorEDP(3), TaylorEDP(4), Quadratic(0.7), Quadratic(-0.5), Linear()], ids=repr
)
def test_sections_pair_to_the_kernel_with_queries_that_differ_from_keys(kernel):
    spaces = make(1.5, kernel)
    found = [[spaces.pairing(spaces.section_y(y), spaces.section_x(x)) for y in Y] for x in X]
    expected = kernel.pullback(WQ, WK)(X, Y)
    assert laws.relative(found, expected) <= 1e-13
    assert laws.relative([spaces.section_y(y)(X) for y in Y], expected.T) <= 1e-13
    assert laws.relative([spaces.section_x(x)(Y) for x in X], expected) <= 1e-13


def test_edp_to_the_order_where_its_series_is_cut():
    x, y = 0.2 * X, 0.2 * Y
    spaces = make(order=12)
    found = [spaces.section_x(point)(y) for point in x]
    assert laws.relative(found, EDP().pullback(WQ, WK)(x, y)) <= 1e-12


def test_elements_form_a_linear_space():
    spaces = make(3)
    f, g, rng = element(spaces, "x"), element(spaces, "x", 1), np.random.default_rng(0)
    for factor in (2, -0.5, np.float64(3), rng.normal()):
        for scaled in (factor * f, f * factor):
            np.testing.assert_allclose(scaled(X), factor * f(X))
    np.testing.assert_allclose((f + g)(X), f(X) + g(X))
    np.testing.assert_allclose((f - g)(X), f(X) - g(X))
    assert spaces.norm(f - f) == 0
    u = element(spaces, "y", 2)
    assert spaces.pairing(f + 2 * g, u) == pytest.approx(
        spaces.pairing(f, u) + 2 * spaces.pairing(g, u)
    )


@pytest.mark.parametrize(
    ("points_", "separates"),
    [
        (points((15, 3)), True),
        (points((14, 3)), False),  # fewer points than the C(6, 2) features
        (np.linspace(-1, 1, 40)[:, None] * [1.0, 2, -1], False),  # on a line
    ],
)
def test_separates(points_, separates):
    assert make(order=4).separates("x", points_) is separates


# ---- norms and the duality map


@every_p
@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_norm_is_numpys(p, scale):
    v = np.random.default_rng(0).normal(size=9)
    assert lp_norm(scale * v, p) == pytest.approx(scale * np.linalg.norm(v, ord=p), rel=1e-14)
    assert lp_norm(0 * v, p) == 0


@every_p
def test_each_space_carries_its_own_norm(p):
    spaces = make(p)
    f, g = element(spaces, "x"), element(spaces, "y")
    q = p / (p - 1)
    assert spaces.p_conjugate == pytest.approx(q)
    assert conjugate_exponent(spaces.p_conjugate) == pytest.approx(p)
    assert (f.exponent, g.exponent) == (spaces.p, spaces.p_conjugate)
    assert spaces.norm(f) == pytest.approx(np.linalg.norm(f.coefficients, ord=p))
    assert spaces.norm(g) == pytest.approx(np.linalg.norm(g.coefficients, ord=q))


@every_p
@every_domain
@pytest.mark.parametrize("scale", [1.0, 1e200, 1e-200])
def test_duality_map(p, domain, scale):
    spaces = make(p)
    f = element(spaces, domain, 3, scale)
    assert laws.duality_map_residual(spaces, f) <= 1e-12
    assert spaces.duality_map(f).domain == {"x": "y", "y": "x"}[domain]


@every_p
@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e308])
def test_duality_map_forgets_the_scale(p, scale):
    v = np.array([1.0, -0.5, 0.25, 0.0, 1, -1])  # of norm above 1e308 for the last scale
    np.testing.assert_allclose(duality_map(scale * v, p), duality_map(v, p), rtol=1e-12)
    assert np.array_equal(np.sign(duality_map(v, p)), np.sign(v))


@every_p
@every_domain
def test_duality_map_of_zero_is_zero(p, domain):
    spaces = make(p)
    image = spaces.duality_map(zero(spaces, domain))
    assert not image.coefficients.any()
    assert spaces.norm(image) == 0


@every_p
@every_domain
def test_duality_map_is_the_derivative_of_the_norm(p, domain):
    spaces, step = make(p), 1e-6
    f = element(spaces, domain, 4)
    image = spaces.duality_map(f)
    for seed in (5, 6):
        h = element(spaces, domain, seed)
        slope = (spaces.norm(f + step * h) - spaces.norm(f - step * h)) / (2 * step)
        found = spaces.pairing(h, image) if domain == "x" else spaces.pairing(image, h)
        assert found == pytest.approx(slope, abs=2e-7)


@every_domain
def test_at_p_2_the_duality_map_divides_by_the_norm(domain):
    spaces = make(2)
    f = element(spaces, domain)
    unit = f.coefficients / np.linalg.norm(f.coefficients)
    np.testing.assert_allclose(spaces.duality_map(f).coefficients, unit, rtol=1e-14)
    if domain == "x":  # and at other exponents it does not
        other = make(3)
        assert laws.relative(other.duality_map(other.f(f.coefficients)).coefficients, unit) > 0.1


@every_p
def test_hoelder(p):
    spaces = make(p)
    f, g = element(spaces, "x"), element(spaces, "y", 1)
    assert laws.hoelder_residual(spaces, f, g) == 0
    assert (
        laws.hoelder_residual(spaces, f, spaces.duality_map(f)) <= 1e-14
    )  # where it is an equality
    assert spaces.pairing(f, spaces.duality_map(f)) == pytest.approx(spaces.norm(f))
    assert laws.hoelder_residual(spaces, 1e200 * f, 1e-200 * g) == 0


@every_domain
def test_inverse_duality_map_has_the_norm_asked_for(domain):
    spaces = make(1.5)
    f = element(spaces, domain)
    for norm in (0.0, 0.3, 1e150):
        back = spaces.inverse_duality_map(spaces.duality_map(f), norm)
        assert spaces.norm(back) == pytest.approx(norm)
        assert back.domain == domain


@every_domain
def test_the_element_0_has_the_inverse_0_only(domain):
    spaces = make(1.5)
    assert spaces.norm(spaces.inverse_duality_map(zero(spaces, domain), 0.0)) == 0
    with pytest.raises(ValueError, match=r"element is 0, the ι of 0 only: norm must be 0, got 5"):
        spaces.inverse_duality_map(zero(spaces, domain), 5.0)


def test_exponents_of_any_real_type_are_floats():
    for p in (Fraction(3, 2), np.float32(1.5), 1.5):
        spaces = make(p)
        assert type(spaces.p) is float
        same = make(1.5)
        assert spaces.norm(element(spaces, "x")) == same.norm(element(same, "x"))


def test_elements_take_signs_and_divisors():
    spaces = RKBSPair.from_kernel(Quadratic(1.0), 1, 2)
    f = spaces.f(np.array([1.0, -2.0, 4.0]))
    np.testing.assert_array_equal((-f).coefficients, [-1, 2, -4])
    np.testing.assert_array_equal((f / 2).coefficients, [0.5, -1, 2])
    for wrong in (0, "2", f):
        with pytest.raises(TypeError, match="factor must be a real number other than 0"):
            f / wrong


def test_a_pair_pickles_and_so_do_its_problems():
    rng = np.random.default_rng(0)
    W = rng.standard_normal((2, 3))
    spaces = RKBSPair.from_kernel(Quadratic(-0.5), 2, 2, p=1.5, map_x=W)
    X, Y = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    again = pickle.loads(pickle.dumps(spaces))
    assert np.array_equal(again.features_x(X), spaces.features_x(X))
    assert np.array_equal(again.features_y(Y), spaces.features_y(Y))
    assert again.p == 1.5
    kappa = again.features_x(X) @ again.features_y(Y).T
    assert relative(kappa, Quadratic(-0.5)(X @ W.T, Y)) < 1e-13  # signs and maps are kept
    problem = SeparableProblem(spaces, Pairs.grid(X, Y), rng.standard_normal((4, 3)), 0.1, 0.1)
    copy = pickle.loads(pickle.dumps(problem))
    v, u = rng.standard_normal((2, spaces.dim))
    assert copy.objective(v, u) == problem.objective(v, u)
    v, u = solve(problem, DualNewton()).check().value.functions
    at_pairs = spaces.f(v)(X)[:, None] + spaces.g(u)(Y)
    assert relative(at_pairs.ravel(), problem.at_pairs(v, u)) < 1e-12


@pytest.mark.parametrize("name", ["map_x", "map_y"])
@pytest.mark.parametrize("rows", [1, 3])
def test_a_map_has_d_rows(name, rows):
    with pytest.raises(ValueError, match=rf"{name} must have d=2 rows, .*got shape \({rows}, 3\)"):
        RKBSPair.from_kernel(EDP(), 2, 2, **{name: np.ones((rows, 3))})


# ---- coefficients and functions


RANKS = {  # W^Q, W^K of d = 2 → the ranks of M = W^Qᵀ W^K and of both maps
    "full": (WQ, WK[:, :3]),
    "W^Q of rank 1": (np.outer([1.0, 2.0], [1.0, 0.0, -1.0]), WK[:, :3]),
    "both of rank 1": (np.outer([1.0, 2.0], [1.0, 0.0, -1.0]), np.outer([2.0, 0.5], [1.0, 1, 1])),
    "orthogonal": (np.outer([1.0, 0.0], [1.0, 0.0, 2.0]), np.outer([0.0, 1.0], [1.0, 1, 1])),
    "zero": (np.zeros((2, 3)), WK[:, :3]),
}


@pytest.mark.parametrize("name", RANKS)
@pytest.mark.parametrize("kernel", [EDP(), Quadratic(0.0), Linear()], ids=repr)
def test_ranks_of_maps_are_those_on_many_points(name, kernel):
    spaces = RKBSPair.from_kernel(kernel, 2, 3, 1.5, *RANKS[name])
    by_maps = spaces.function_spaces()
    on_points = spaces.function_spaces(points((60, 3)), points((50, 3), 1))
    assert not by_maps.on_points
    assert on_points.on_points
    for rank in ("dim", "rank_x", "rank_y", "rank_kernel", "one_to_one"):
        assert getattr(by_maps, rank) == getattr(on_points, rank)
    assert by_maps.one_to_one is (name == "full")


def test_ranks_by_hand():
    spaces = RKBSPair.from_kernel(EDP(), 2, 3, 2.0, *RANKS["both of rank 1"])
    found = spaces.function_spaces()
    assert (found.dim, found.rank_x, found.rank_y, found.rank_kernel) == (10, 4, 4, 4)
    apart = RKBSPair.from_kernel(EDP(), 2, 3, 2.0, *RANKS["orthogonal"]).function_spaces()
    assert (apart.rank_x, apart.rank_y, apart.rank_kernel) == (4, 4, 1)  # κ = 1


def test_a_function_that_vanishes_and_has_a_norm_and_a_pairing():
    spaces = RKBSPair.from_kernel(EDP(), 2, 3, 1.5, *RANKS["both of rank 1"])
    null = np.linalg.svd(spaces.features_x(points((60, 3))))[2][-1]
    f, g = spaces.f(null), spaces.g(null)
    assert np.abs(f(points((9, 3), 5))).max() <= 1e-13
    assert spaces.norm(f) > 0.5
    assert spaces.pairing(f, g) == pytest.approx(1)  # of a zero function
    with pytest.raises(ValueError, match=r"no pair of function spaces: v ↦ f_v .* 4 of 10 dim"):
        spaces.function_spaces().check()


def test_the_advice_leaves_the_kernel_and_makes_a_pair():
    WQ, WK = RANKS["W^Q of rank 1"]
    spaces = RKBSPair.from_kernel(EDP(), 2, 6, 1.5, WQ, WK)
    with pytest.raises(ValueError, match="take d = r, the rank of M"):
        spaces.function_spaces().check()
    U, s, Vt = np.linalg.svd(WQ.T @ WK)
    U, V = U[:, :1] * s[0], Vt[:1].T  # M = U Vᵀ of rank 1
    scale = (1 / 2) ** 0.25
    mended = RKBSPair.from_kernel(EDP(), 1, 6, 1.5, scale * U.T, scale * V.T)
    assert mended.function_spaces().check().one_to_one
    X, Y = points((6, 3)), points((5, 3), 1)
    kappa = spaces.features_x(X) @ spaces.features_y(Y).T
    assert relative(mended.features_x(X) @ mended.features_y(Y).T, kappa) <= 1e-13


def test_ranks_on_few_points_ask_for_more():
    few = make().function_spaces(X, Y)
    assert (few.rank_x, few.rank_y, few.rank_kernel) == (6, 5, 5)
    with pytest.raises(ValueError, match="take more of them, or none"):
        few.check()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: make().function_spaces(X), ValueError, "X and Y must be given both, or neither"),
        (lambda: make().function_spaces(Y=Y), ValueError, "got Y alone"),
        (
            lambda: RKBSPair.from_kernel(EDP(), 3, 2, map_y=np.sin).function_spaces(),
            TypeError,
            r"features_y has no matrix whose rank tells its span: pass points .*sin",
        ),
        (
            lambda: RKBSPair(np.asarray, np.asarray, 2).function_spaces(),
            TypeError,
            "features_x has",
        ),
        (lambda: make().evaluation_norms("z", X), ValueError, 'domain must be "x" or "y"'),
    ],
)
def test_what_function_spaces_cannot_say(call, error, says):
    with pytest.raises(error, match=says):
        call()


@every_p
@every_domain
def test_evaluation_is_bounded_by_its_norm_and_by_nothing_less(p, domain):
    spaces = make(p)
    at = X if domain == "x" else Y
    norms = spaces.evaluation_norms(domain, at)
    f = element(spaces, domain)
    assert (np.abs(f(at)) <= norms * spaces.norm(f) * (1 + 1e-13)).all()
    section = spaces.section_x if domain == "x" else spaces.section_y
    for point, norm in zip(at, norms, strict=True):
        best = spaces.duality_map(section(point))  # of norm 1
        assert best(point[None])[0] == pytest.approx(norm, rel=1e-12)


def test_features_of_high_order_count_though_they_are_small():
    spaces = RKBSPair.from_kernel(EDP(), 1, 12)
    assert spaces.separates("x", np.linspace(-0.5, 0.5, 40)[:, None])
