"""The Schmidt floor and its sampled bracket, number by number, against their definitions."""

import itertools

import numpy as np
import pytest

from rkbs.approximation import TARGETS, Quadrature, SampledFloor, sampled_floor, schmidt


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
