"""Sections: one contract for explicit features and for tensor kernels, and the tensor kernel."""

import inspect
import itertools
import math

import mpmath
import numpy as np
import pytest
from helpers import norm
from scipy.special import hyp0f1, i0, j0

from rkbs.kernels import EDP
from rkbs.kernels import features as features_module
from rkbs.kernels.features import PowerFeatures, power_tensor
from rkbs.laws import relative
from rkbs.spaces.sections import FeatureSections, Sections
from rkbs.spaces.tensor_sections import TensorFunction, TensorSections

RNG = np.random.default_rng(11)
X = {d: np.random.default_rng(d).uniform(-2, 2, (5, d)) for d in (1, 2)}
ORDER = {1: 46, 2: 40}
"""Where the cut features are those of the whole space to rounding, for |q_l| ≤ 2."""


def cut(d, points):
    return PowerFeatures(EDP(), d, ORDER[d])(points)


def spread(d):
    """Features of all signs and sizes, two of them zero on the data."""
    phi = np.random.default_rng(7 + d).standard_normal((5, 8)) * np.logspace(0, -2, 8)
    phi[:, [2, 5]] = 0.0
    return phi


# (sections, explicit features that span the same space)
CASES = {
    FeatureSections: [
        (FeatureSections(phi, p), phi)
        for p in (1.25, 1.5, 2.0, 3.0, 4.0)
        for phi in (spread(1), cut(1, X[1]))
    ],
    TensorSections: [(TensorSections(X[d], m), cut(d, X[d])) for m in (1, 2, 3) for d in (1, 2)],
}
ALL = [case for cases in CASES.values() for case in cases]
IDS = [f"{type(s).__name__}-{s.p:.3g}-{k}" for k, (s, _) in enumerate(ALL)]
every = pytest.mark.parametrize(("sections", "phi"), ALL, ids=IDS)
tensors = pytest.mark.parametrize(("m", "d"), list(itertools.product((1, 2, 3), (1, 2))))
XI = np.random.default_rng(3).standard_normal((3, 5))


def iota(w, q):
    """ι(w) as the theory writes it."""
    return np.sign(w) * np.abs(w) ** (q - 1) / norm(w, q) ** (q - 1)


def final_subclasses(cls):
    for sub in cls.__subclasses__():
        yield from final_subclasses(sub)
        if not inspect.isabstract(sub):
            yield sub


def test_every_kind_of_sections_is_tested_here():
    assert set(final_subclasses(Sections)) == set(CASES)
    assert all(cls.__final__ for cls in CASES)
    assert inspect.isabstract(Sections)


@every
def test_exponents_and_size(sections, phi):
    assert sections.size == 5 == len(phi)
    assert 1 / sections.p + 1 / sections.q == pytest.approx(1, rel=1e-15)


@every
def test_dual_norm_is_that_of_the_features(sections, phi):
    for xi in XI:
        assert sections.dual_norm(xi) == pytest.approx(norm(xi @ phi, sections.q), rel=1e-12)
        tripled = sections.dual_norm(-3 * xi)
        assert tripled == pytest.approx(3 * sections.dual_norm(xi), rel=1e-13)
    assert sections.dual_norm(np.zeros(5)) == 0


@every
def test_the_smoothed_norm_has_its_derivatives(sections, phi):
    epsilon = 0.1 * sections.smoothing(np.abs(XI[0]))
    for xi in XI:
        s, gradient, hessian = sections.dual_jet(xi, epsilon)
        assert s == pytest.approx(sections.dual_norm(xi, epsilon), rel=1e-14)
        assert s > sections.dual_norm(xi)
        up, down = (
            [sections.dual_jet(xi + step * e, epsilon) for e in np.eye(5)] for step in (1e-5, -1e-5)
        )
        slopes = [(a[0] - b[0]) / 2e-5 for a, b in zip(up, down, strict=True)]
        curvatures = [(a[1] - b[1]) / 2e-5 for a, b in zip(up, down, strict=True)]
        assert relative(gradient, slopes) < 1e-8
        assert relative(hessian, curvatures) < 1e-7
        assert np.linalg.eigvalsh(hessian)[0] > -1e-12 * np.abs(hessian).max()


@every
def test_the_jet_of_zero_is_zero_without_smoothing(sections, phi):
    s, gradient, hessian = sections.dual_jet(np.zeros(5), 0.0)
    assert s == 0
    np.testing.assert_array_equal(gradient, np.zeros(5))
    np.testing.assert_array_equal(hessian, np.zeros((5, 5)))


@every
def test_smoothing_vanishes_with_epsilon(sections, phi):
    xi, epsilon = XI[1], sections.smoothing(np.abs(XI[1]))
    norms = [sections.dual_norm(xi, theta * epsilon) for theta in (1, 1e-1, 1e-2, 1e-4, 1e-12)]
    assert (np.diff(norms) <= 0).all()
    assert norms[0] > norms[1] > sections.dual_norm(xi)
    assert norms[-1] == pytest.approx(sections.dual_norm(xi), rel=1e-11)
    # The gradient of ‖w‖ in ξ_i is ⟨Φ(x_i), ι(w)⟩, which does not know of the smoothing.
    limit = iota(xi @ phi, sections.q) @ phi.T
    assert relative(sections.dual_jet(xi, 1e-10 * epsilon)[1], limit) < 1e-7


@every
def test_smoothing_has_the_scale_of_w(sections, phi):
    for xi in XI:
        size = np.abs(xi)
        epsilon = sections.smoothing(size)
        assert relative(sections.smoothing(3 * size), 3 * epsilon) < 1e-14
        bound = sections.dual_norm(np.zeros(5), epsilon)
        assert sections.dual_norm(xi) <= bound
        # (|ξ_i| + their mean) ‖Φ(x_i)‖ summed, or less.
        own = sum(
            norm(row, sections.q) * (s + size.mean()) for s, row in zip(size, phi, strict=True)
        )
        assert bound <= own * (1 + 1e-12)


@every
@pytest.mark.parametrize("length", [0.7, 4.0])
def test_a_function_has_the_length_asked_for(sections, phi, length):
    for xi in XI:
        function = sections.function(xi, length)
        expected = length * iota(xi @ phi, sections.q)
        assert sections.norm(function) == pytest.approx(length, rel=1e-13)
        assert norm(expected, sections.p) == pytest.approx(length, rel=1e-12)
        assert relative(sections.at_points(function), phi @ expected) < 1e-11
        # ⟨ι(w), w⟩ = ‖w‖, with the values of ι(w) alone.
        pairing = xi @ sections.at_points(function) / length
        assert pairing == pytest.approx(sections.dual_norm(xi), rel=1e-12)
        opposite = sections.function(-xi, length)
        assert relative(sections.at_points(opposite), -sections.at_points(function)) < 1e-14


@every
def test_zero_is_a_function(sections, phi):
    for function in (sections.function(XI[0], 0.0), sections.function(np.zeros(5), 2.0)):
        assert sections.norm(function) == 0
        np.testing.assert_array_equal(sections.at_points(function), np.zeros(5))


@pytest.mark.parametrize("kind", ["features", "tensor"])
def test_coefficients_that_cancel_are_the_zero_function(kind):
    X = np.array([[0.5], [0.5], [1.0]])
    xi = np.array([1.0, -1.0, 0.0])
    sections = TensorSections(X, 2) if kind == "tensor" else FeatureSections(cut(1, X), 4 / 3)
    assert sections.dual_norm(xi) == 0
    function = sections.function(xi, 2.0)
    assert sections.norm(function) == 0
    np.testing.assert_array_equal(sections.at_points(function), np.zeros(3))


@tensors
def test_tensor_functions_at_new_points_are_those_of_a_high_order_cut(m, d):
    exact = TensorSections(X[d], m)
    explicit = FeatureSections(cut(d, X[d]), exact.p)
    new = np.random.default_rng(9).uniform(-2, 2, (7, d))
    for xi in XI:
        function = exact.function(xi, 1.7)
        assert isinstance(function, TensorFunction)
        coefficients = explicit.function(xi, 1.7)
        assert relative(function(new), cut(d, new) @ coefficients) < 1e-11
        assert relative(function(X[d]), exact.at_points(function)) < 1e-12
        assert exact.norm(function) == pytest.approx(explicit.norm(coefficients), rel=1e-12)
    np.testing.assert_array_equal(exact.function(xi, 0.0)(new), np.zeros(7))
    low = PowerFeatures(EDP(), d, 1)
    rough = low(new) @ FeatureSections(low(X[d]), exact.p).function(xi, 1.7)
    assert relative(rough, exact.function(xi, 1.7)(new)) > 0.05


def test_one_point_is_its_own_section():
    """n = 1, m = 2: f = ℓ·ι(Φ(x)), so f(x) = ℓ ‖Φ(x)‖_4 with ‖Φ(x)‖_4^4 = I_0(x²)."""
    sections = TensorSections([[1.3]], 2)
    function = sections.function(np.array([-2.0]), 3.0)
    assert sections.dual_norm(np.array([-2.0])) == pytest.approx(2 * i0(2 * 1.3**2) ** 0.25)
    assert sections.at_points(function)[0] == pytest.approx(-3 * i0(2 * 1.3**2) ** 0.25)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("m", [1, 2, 3])
def test_norms_for_certificates_are_upper_bounds_where_the_sum_cancels(m, seed):
    """f = ℓ Σ ξ…ξ K / s^{q−1}, s as computed, has ‖f‖ = ℓ (‖w‖/s)^{q−1}: ‖w‖ in 60 digits."""
    rng = np.random.default_rng(seed)
    x, xi, q = 1 + 0.05 * rng.uniform(-1, 1, 5), rng.standard_normal(5), 2 * m
    xi -= 0.9 * xi.mean()
    sections = TensorSections(x[:, None], m)
    with mpmath.workdps(60):
        w = [
            mpmath.fdot(xi.tolist(), [mpmath.mpf(float(point)) ** r for point in x])
            / mpmath.sqrt(mpmath.factorial(r))
            for r in range(60)
        ]
        exact = mpmath.fsum(value**q for value in w) ** (mpmath.mpf(1) / q)
        of_f = 2 * (exact / mpmath.mpf(sections.dual_norm(xi))) ** (q - 1)
        assert sections.dual_norm_above(xi) >= exact
        assert sections.norm(sections.function(xi, 2.0)) >= of_f


@pytest.mark.parametrize(("m", "most"), [(1, 4472), (2, 66), (3, 16)])
def test_tensors_that_do_not_fit_are_refused(m, most):
    assert TensorSections(np.zeros((most, 1)), m).size == most
    with pytest.raises(ValueError, match=rf"m={m} on {most + 1} points .*take fewer points"):
        TensorSections(np.zeros((most + 1, 1)), m)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: TensorSections([[np.nan]], 1), ValueError, "X contains NaN"),
        (lambda: TensorSections([1.0, 2.0], 1), ValueError, "X must have shape"),
        (lambda: TensorSections([["a"]], 1), TypeError, "X must be an array of real numbers"),
        (lambda: TensorSections(X[1], 0), ValueError, "m must be at least 1"),
        (lambda: TensorSections(X[1], 1.5), TypeError, "m must be an integer"),
        (lambda: TensorSections(X[1], True), TypeError, "m must be an integer"),
        (lambda: FeatureSections([[np.inf]], 2.0), ValueError, "phi contains NaN or infinity"),
        (lambda: FeatureSections(np.ones(3), 2.0), ValueError, "phi must have shape"),
        (lambda: FeatureSections([["a"]], 2.0), TypeError, "phi must be an array of real"),
        (lambda: FeatureSections(np.eye(2), 1.0), ValueError, "p must satisfy 1 < p < ∞"),
        (lambda: FeatureSections(np.eye(2), np.inf), ValueError, "p must satisfy 1 < p < ∞"),
        (lambda: FeatureSections(np.eye(2), np.nan), ValueError, "p must satisfy 1 < p < ∞"),
        (lambda: FeatureSections(np.eye(2), "2"), TypeError, "p must be a real number"),
    ],
)
def test_bad_sections_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("length", [0.0, 1.0])
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((2, 1), np.nan), "points contains NaN"),
        (np.ones((2, 2)), "must share their last axis"),
    ],
)
def test_bad_points_of_a_tensor_function_are_refused(length, points, message):
    function = TensorSections(X[1], 2).function(XI[0], length)
    with pytest.raises(ValueError, match=message):
        function(points)


# ---- the tensor kernel


def sets(m, d, scale, seed=0):
    """2m point sets of different sizes."""
    rng = np.random.default_rng([seed, m, d])
    return [rng.uniform(-scale, scale, (2 + a % 2, d)) for a in range(2 * m)]


@pytest.mark.parametrize(("m", "d"), list(itertools.product((1, 2, 3), (1, 2, 3))))
def test_power_tensor_is_the_sum_over_multi_indices(m, d):
    points = sets(m, d, 0.8)
    phi = PowerFeatures(EDP(), d, 16)
    letters = "abcdef"[: 2 * m]
    formula = ",".join(f"{letter}r" for letter in letters) + "->" + letters
    brute = np.einsum(formula, *map(phi, points), optimize=True)
    assert power_tensor(*points).shape == brute.shape
    assert relative(power_tensor(*points), brute) < 1e-14


@pytest.mark.parametrize("d", [1, 2, 5])
def test_two_points_give_the_kernel(d):
    x, y = sets(1, d, 3.0)
    assert relative(power_tensor(x, y) / EDP()(x, y), np.ones((2, 3))) < 1e-14


@pytest.mark.parametrize("d", [1, 2, 5])
def test_four_points_give_bessel_functions(d):
    points = sets(2, d, 2.0)
    found = power_tensor(*points)
    signs = set()
    for where in itertools.product(*(range(len(x)) for x in points)):
        t = np.prod([x[k] for x, k in zip(points, where, strict=True)], axis=0) / d
        bessel = np.where(t > 0, i0(2 * np.sqrt(abs(t))), j0(2 * np.sqrt(abs(t))))
        size = np.prod(i0(2 * np.sqrt(abs(t))))
        assert abs(found[where] - bessel.prod()) < 1e-14 * size
        assert abs(found[where] - hyp0f1(1.0, t).prod()) < 1e-13 * size
        signs |= set(np.sign(t))
    assert signs == {-1.0, 1.0}


@pytest.mark.parametrize(("d", "scale"), [(1, 2.0), (2, 1.0), (3, 4.0)])
def test_six_points_give_hypergeometric_functions(d, scale):
    points = [x[:1] for x in sets(3, d, scale)]
    with mpmath.workdps(40):
        exact = size = mpmath.mpf(1)
        for axis in range(d):
            t = mpmath.fprod(mpmath.mpf(float(x[0, axis])) for x in points) / mpmath.sqrt(d) ** 3
            exact *= mpmath.hyper([], [1, 1], t)
            size *= mpmath.hyper([], [1, 1], abs(t))
        assert abs(power_tensor(*points).item() - exact) < 1e-14 * size


@pytest.mark.parametrize("m", [1, 2, 3])
def test_power_tensor_is_symmetric(m):
    x = RNG.uniform(-1, 1, (3, 2))
    tensor = power_tensor(*[x] * (2 * m))
    assert relative(np.swapaxes(tensor, 0, 2 * m - 1), tensor) < 1e-15
    # All pairs of multi-indices: Σ_r φ_r^{2m} weighted by ξ…ξ is a sum of even powers.
    for xi in RNG.standard_normal((20, 3)):
        total = tensor
        for _ in range(2 * m):
            total = total @ xi
        assert total > -1e-14 * np.abs(xi).sum() ** (2 * m)


def test_zero_points_leave_the_constant_feature():
    np.testing.assert_array_equal(power_tensor(*[np.zeros((2, 3))] * 4), np.ones((2, 2, 2, 2)))


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        ((), ValueError, "points must be an even number of point sets, got 0"),
        ((X[1],), ValueError, "points must be an even number of point sets, got 1"),
        ((X[1],) * 3, ValueError, "points must be an even number of point sets, got 3"),
        ((X[1], X[2]), ValueError, r"points must share their dimension d, got \[1, 2\]"),
        ((X[1], X[1] * np.nan), ValueError, r"points\[1\] contains NaN"),
        ((X[1][0], X[1]), ValueError, r"points\[0\] must have shape"),
        ((X[1], X[1] + 1j), TypeError, r"points\[1\] must be an array of real numbers"),
        ((X[1] * 1e3,) * 2, ValueError, "points are too large"),
        ((X[1] * 1e3,) * 4, ValueError, "points are too large"),
        ((-X[1] * 1e3, *[np.abs(X[1]) * 1e3] * 3), ValueError, "points are too large"),
    ],
)
def test_power_tensor_refuses(points, error, message):
    with pytest.raises(error, match=message):
        power_tensor(*points)


def test_large_points_that_fit_are_accepted():
    t = 2e4  # I_0(2√t) is about e^{2√t}/√(4π√t)
    found = power_tensor(*[np.full((1, 1), t**0.25)] * 4).item()
    assert found == pytest.approx(hyp0f1(1.0, t), rel=1e-12)
    assert math.log(found) == pytest.approx(2 * math.sqrt(t), rel=0.02)


@pytest.mark.parametrize("m", [2, 3])
def test_a_series_without_the_power_of_the_factorial_is_seen(m, monkeypatch):
    series = features_module._factorial_series
    monkeypatch.setattr(features_module, "_factorial_series", lambda t, m: series(t, m - 1))
    sections, phi = TensorSections(X[2], m), cut(2, X[2])
    expected = norm(XI[0] @ phi, 2 * m)
    assert abs(sections.dual_norm(XI[0]) / expected - 1) > 1e-3
