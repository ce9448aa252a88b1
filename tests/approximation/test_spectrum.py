"""The Schmidt floor and its sampled bracket, number by number, against their definitions."""

import itertools

import numpy as np
import pytest

from rkbs.approximation import TARGETS, Quadrature, SampledFloor, sampled_floor, schmidt
from rkbs.approximation._range_finder import leading_svd
from rkbs.approximation.spectrum import _change


def surface(t, s):
    """Of no symmetry, and with a kink so that quadrature has errors."""
    return np.exp(t[:, :1] * s[:, -1:].T) + np.abs(t.sum(1)[:, None] - 0.3 * s.sum(1) - 0.1)


def rule(n, dim):
    """Gauss–Legendre by Golub and Welsch: the eigenvalues of the Jacobi matrix."""
    k = np.arange(1, n)
    nodes, vectors = np.linalg.eigh(np.diag(k / np.sqrt(4.0 * k**2 - 1), 1), "U")
    weights = vectors[0] ** 2
    grid = np.array(list(itertools.product(nodes, repeat=dim)))
    return grid, np.array([np.prod(w) for w in itertools.product(weights, repeat=dim)])


def weighted(n, dim):
    nodes, weights = rule(n, dim)
    root = np.sqrt(weights)
    return root[:, None] * surface(nodes, nodes) * root


def tails(values):
    return np.array([np.sqrt((values[d:] ** 2).sum()) for d in range(len(values))])


@pytest.mark.parametrize(("nodes", "dim"), [(6, 1), (3, 2)])
def test_a_spectrum_is_that_of_the_weighted_table_and_its_errors_those_of_doubling(nodes, dim):
    found = schmidt(surface, nodes, dim)
    fine, coarse = (np.linalg.svd(weighted(n, dim), compute_uv=False) for n in (2 * nodes, nodes))
    n, eps = len(fine), np.finfo(float).eps
    assert found.rounding == pytest.approx(n * eps * np.linalg.norm(fine), rel=1e-9)
    resolved = fine > 2 * found.rounding
    assert found.singular_values[resolved] == pytest.approx(fine[resolved], abs=1e-14)
    assert found.rank == np.count_nonzero(found.singular_values) < n + (dim == 1)
    assert found.value_errors == pytest.approx(np.abs(fine[: len(coarse)] - coarse), abs=1e-14)
    change = np.abs(tails(fine)[: len(coarse)] - tails(coarse))
    assert found.tail_errors == pytest.approx(change, abs=1e-14)
    for d in range(4):
        assert found.floor(d) == pytest.approx(tails(fine)[d], abs=1e-14)
        beside = found.floor_error(d) - found.tail_errors[d]
        assert beside == pytest.approx(found.rounding, rel=1e-3)
    with pytest.raises(ValueError, match=f"d must be less than the {len(coarse)} nodes"):
        found.floor_error(len(coarse))


@pytest.mark.parametrize(("nodes", "dim"), [(6, 1), (3, 2)])
def test_functions_are_orthonormal_and_heads_their_sums_at_any_points(nodes, dim):
    found = schmidt(surface, nodes, dim)
    points = rule(2 * nodes, dim)[0]
    order = np.lexsort(found.quadrature.x.nodes.T[::-1])
    assert np.allclose(found.quadrature.x.nodes[order], points[np.lexsort(points.T[::-1])])
    w = found.quadrature.x.weights[:, None]
    d = 4
    left, right = found.left[:, :d], found.right[:, :d]
    for side in (left, right):
        assert np.abs((w * side).T @ side - np.eye(d)).max() < 1e-12
    new_t, new_s = np.random.default_rng(0).uniform(-1, 1, (2, 5, dim))
    x = found.quadrature.x.nodes
    u = surface(new_t, x) @ (w * right) / found.singular_values[:d]
    v = surface(x, new_s).T @ (w * left) / found.singular_values[:d]
    expected = u * found.singular_values[:d] @ v.T
    assert np.abs(found.head(d)(new_t, new_s) - expected).max() < 1e-12
    at_nodes = found.head(d)(x, x)
    assert np.abs(at_nodes - left * found.singular_values[:d] @ right.T).max() < 1e-12


def test_rounding_level_values_are_no_values():
    found = schmidt(lambda t, s: 1 + t @ s.T, 4)
    assert found.rank == 2
    assert (found.singular_values[2:] == 0).all()
    assert found.floor(2) == 0
    assert np.array_equal(
        found.head(5)(np.ones(1), np.ones(1)), found.head(2)(np.ones(1), np.ones(1))
    )


def test_with_few_nodes_every_value_is_that_of_the_full_decomposition_to_the_bit():
    found, target = schmidt(TARGETS["kink"], 20), TARGETS["kink"]
    fine, coarse = (Quadrature.gauss_legendre(n).tabulate(target) for n in (40, 20))
    left, sigma, right = np.linalg.svd(fine)
    few = np.linalg.svd(coarse, compute_uv=False)
    root = found.quadrature.x.root
    assert np.array_equal(found.singular_values, sigma)
    assert np.array_equal(found.left, left / root)
    assert np.array_equal(found.right, right.T / root)
    assert np.array_equal(found.value_errors, np.abs(sigma[:20] - few))
    tail = [np.sqrt(np.cumsum(values[::-1] ** 2)[::-1]) for values in (sigma, few)]
    assert np.array_equal(found.tail_errors, np.abs(tail[0][:20] - tail[1]))
    assert found.remainder == 0
    assert found.floor_error(3) == found.tail_errors[3] + found.rounding


def test_the_randomized_decomposition_begins_with_its_nodes(monkeypatch):
    monkeypatch.setattr("rkbs.approximation.spectrum._MANY", 49)
    few, many = (schmidt(surface, n, 2) for n in (6, 7))
    assert few.left.shape == (144, 144)
    assert few.remainder == 0
    assert many.left.shape == many.right.shape == (196, 0)  # an eighth is less than a block
    assert many.remainder == pytest.approx(np.linalg.norm(weighted(14, 2)), rel=1e-12)


@pytest.mark.parametrize(("name", "computed", "error"), [("edp", 32, 0), ("kink", 128, 3e-3)])
def test_floors_of_many_nodes_bracket_those_of_the_full_decomposition(name, computed, error):
    target, found = TARGETS[name], schmidt(TARGETS[name], nodes=512)
    fine, coarse = (
        np.linalg.svd(Quadrature.gauss_legendre(n).tabulate(target), compute_uv=False)
        for n in (1024, 512)
    )
    allowed, rho = found.rounding, found.remainder
    assert found.left.shape == found.right.shape == (1024, computed)
    assert found.rank == np.count_nonzero(fine[:computed] > allowed)
    assert allowed == pytest.approx(1024 * np.finfo(float).eps * np.linalg.norm(fine), rel=1e-9)
    assert (found.singular_values <= fine + allowed).all()
    assert (fine <= np.hypot(found.singular_values, rho) + allowed).all()
    assert (np.abs(fine[:512] - coarse) <= found.value_errors + allowed).all()
    true, change = tails(fine), np.abs(tails(fine)[:512] - tails(coarse))
    assert (change <= found.tail_errors + allowed).all()
    for d in (0, 1, 2, 8, 100, 127, 128, 300, 511):
        floor, stated = found.floor(d), found.floor_error(d)
        assert floor <= true[d] + allowed
        # the difference to the full decomposition, and beside it the change of doubling
        assert true[d] - floor + change[d] <= stated + allowed
        beside = np.hypot(floor, rho) - floor + allowed
        assert stated - found.tail_errors[d] == pytest.approx(beside, rel=1e-9)
    assert found.floor_error(8) <= error * found.floor(8) + 2 * allowed
    head = found.head(8)(found.quadrature.x.nodes, found.quadrature.y.nodes)
    missed = found.quadrature.weighted(target(*2 * (found.quadrature.x.nodes,)) - head)
    assert true[8] - allowed <= np.linalg.norm(missed) <= found.floor(8) + found.floor_error(8)


@pytest.mark.parametrize(
    ("shape", "decay", "most", "tolerance"),
    [
        ((96, 80), 0.0, 64, 0.0),
        ((70, 120), 0.1, 70, 1e-3),
        ((64, 64), 2.0, 64, 1e-3),
        ((64, 64), 2.0, 64, 0.0),  # whose second block is of rounding
    ],
)
def test_the_leading_part_is_below_and_its_remainder_tells_what_is_left(
    shape, decay, most, tolerance
):
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((n, min(shape))))[0] for n in shape)
    sigma = np.exp(-decay * np.arange(min(shape)))
    F = U * sigma @ V.T
    found = leading_svd(F, tolerance, most)
    k = len(found.sigma)
    assert k % 32 == 0
    assert k <= most
    assert found.remainder <= tolerance or k + 32 > most
    for side in (found.left, found.right):
        assert np.abs(side.T @ side - np.eye(k)).max() < 1e-12
    rest = F - found.left * found.sigma @ found.right.T
    assert np.linalg.norm(rest) == pytest.approx(found.remainder, abs=1e-13)
    assert np.abs(found.left.T @ rest).max() < 1e-13
    assert (found.sigma <= sigma[:k] + 1e-13).all()
    assert (sigma[:k] <= np.hypot(found.sigma, found.remainder) + 1e-13).all()
    # near the best of rank k: one power iteration loses little
    assert found.remainder <= 1.4 * np.linalg.norm(sigma[k:]) + 1e-13
    assert np.array_equal(leading_svd(F, tolerance, most).sigma, found.sigma)


@pytest.mark.parametrize(
    ("rests", "most"),
    [((0.0, 0.0), 1.0), ((1.5, 0.0), 1.5), ((0.0, 2.4), 1.0), ((0.0, 4.0), 17**0.5 - 2)],
)
def test_two_numbers_known_from_below_differ_at_most_by_their_brackets(rests, most):
    """2 or more, in squares by rest² at most, against 1 or more."""
    change = _change(np.array([2.0]), np.array([1.0]), *rests)
    assert change == pytest.approx(most, rel=1e-14)


def test_of_nothing_the_leading_part_is_nothing():
    found = leading_svd(np.zeros((40, 40)), 0.0, 40)
    assert found.left.shape == found.right.shape == (40, 0)
    assert found.remainder == 0


# ---- sampled


def sample(dims, samples, dim, rng):
    """Squares of the tails of one sampled table, and of its Nyström heads' errors on another."""
    x, y, new_x, new_y = (rng.uniform(-1, 1, (samples, dim)) for _ in range(4))
    table = surface(x, y)
    left, values, right = np.linalg.svd(table)
    below, above = [], []
    for d in dims:
        below.append((values[d:] ** 2).sum() / samples**2)
        # G(t, s) = F(t, y) V Σ⁻¹ Uᵀ F(x, s): the table's own rank-d part continued to all points
        middle = right[:d].T / values[:d] @ left[:, :d].T
        errors = surface(new_x, new_y) - surface(new_x, y) @ middle @ surface(x, new_y)
        above.append((errors**2).mean())
    return below, above


@pytest.mark.parametrize("dim", [1, 2])
def test_a_sampled_floor_is_that_of_its_samples(dim):
    dims = (0, 1, 3)
    found = sampled_floor(
        surface, dims, samples=12, replicates=3, rng=np.random.default_rng(5), dim=dim
    )
    rng = np.random.default_rng(5)
    expected = [sample(dims, 12, dim, rng) for _ in range(3)]
    assert found.dims == dims
    assert found.size**2 * found.below == pytest.approx(np.array([b for b, _ in expected]))
    assert found.size**2 * found.above == pytest.approx(np.array([a for _, a in expected]))


def test_floors_are_so_many_standard_errors_from_the_means():
    rng = np.random.default_rng(1)
    below, above = rng.uniform(1, 2, (7, 2)), rng.uniform(3, 4, (7, 2))
    found = SampledFloor((1, 2), below, above, 5.0)
    low, high = found.floors(2.5)
    for k in range(2):
        error = np.sqrt(sum((below[:, k] - below[:, k].mean()) ** 2) / 6 / 7)
        assert low[k] == pytest.approx(5 * np.sqrt(below[:, k].mean() - 2.5 * error))
        error = np.sqrt(sum((above[:, k] - above[:, k].mean()) ** 2) / 6 / 7)
        assert high[k] == pytest.approx(5 * np.sqrt(above[:, k].mean() + 2.5 * error))
    assert (found.floors(1e6)[0] == 0).all()
    assert SampledFloor((1, 2), below, above).floors(0)[0] == pytest.approx(np.sqrt(below.mean(0)))
    with pytest.raises(ValueError, match="multiple must be"):
        found.floors(-1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dims": (1, 4)}, "dims must be less than samples = 4, got 4"),
        ({"dims": (-1,)}, "dims must be at least 0"),
        ({"replicates": 1}, "replicates must be at least 2"),
        ({"samples": 1}, "samples must be at least 2"),
    ],
)
def test_the_least_and_the_most_that_may_be_asked_for(changes, message):
    asked = {"dims": (0, 3), "samples": 4, "replicates": 2, "rng": np.random.default_rng(0)}
    sampled_floor(surface, **asked)
    sampled_floor(surface, **asked | {"samples": 2, "dims": (1,)})
    with pytest.raises(ValueError, match=message):
        sampled_floor(surface, **asked | changes)


def test_sampled_floors_by_definition():
    target, rng = TARGETS["waves_2d"], np.random.default_rng(3)
    found = sampled_floor(target, (0, 2), samples=40, replicates=2, rng=rng)
    rng = np.random.default_rng(3)
    for k in range(2):
        here, there = (Quadrature.monte_carlo(40, 2, rng) for _ in range(2))
        F = target(here.x.nodes, here.y.nodes)
        U, sizes, Vt = np.linalg.svd(F)
        assert found.below[k] * found.size**2 == pytest.approx(
            [np.mean(F**2), np.sum(sizes[2:] ** 2) / 1600], rel=1e-12
        )
        new = target(there.x.nodes, there.y.nodes)
        u = target(there.x.nodes, here.y.nodes) @ Vt[:2].T / sizes[:2]
        v = target(here.x.nodes, there.y.nodes).T @ U[:, :2] / sizes[:2]
        expected = np.mean((new - (u * sizes[:2]) @ v.T) ** 2)
        assert found.above[k] * found.size**2 == pytest.approx(
            [np.mean(new**2), expected], rel=1e-10
        )


def test_intervals_are_means_and_standard_errors():
    sampled = SampledFloor((1,), np.array([[1.0], [3.0]]), np.array([[4.0], [4.0]]))
    lower, upper = sampled.floors(0.5)
    assert lower == pytest.approx(np.sqrt([2 - 0.5 * 1]))
    assert upper == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicates": 1}, "replicates must be at least 2"),
        ({"samples": 1}, "samples must be at least 2"),
        ({"dims": (-1,)}, "dims must be at least 0"),
        ({"dims": (1, 9)}, "dims must be less than samples = 9, got 9"),
    ],
)
def test_bad_arguments_are_named(options, message):
    options = {"dims": (1,), "samples": 9, "replicates": 2} | options
    with pytest.raises(ValueError, match=message):
        sampled_floor(TARGETS["edp_2d"], options.pop("dims"), **options, rng=None)
