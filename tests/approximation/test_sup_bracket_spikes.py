"""Certified sup errors of heads with spikes that no grid sees."""

import math

import numpy as np
import pytest

from rkbs.approximation import TARGETS, Head, Quadrature, _cells, _panels, constructive_head
from rkbs.approximation.sup_bracket import certified_sup_error
from verify.oracles import balls

FIT = Quadrature.gauss_legendre(64)
HEADS = {
    name: constructive_head(TARGETS[name], 4, 16, quadrature=FIT).weights()
    for name in ("edp", "ridge", "kink")
}
ONE = {"query": [(0, 0.12375)], "key": [(0, 0.12375)]}
KINDS = {
    "both towers": ONE,
    "dyadic": {"query": [(0, 0.5)], "key": [(0, -0.25)]},
    "apart": {"query": [(0, 0.3141)], "key": [(0, -0.7779)]},
    "ends": {"query": [(0, 1.0)], "key": [(0, -0.9999999)]},
    "query": {"query": [(0, 0.12375)], "key": [(0, None)]},
    "key": {"query": [(0, None)], "key": [(0, -0.6251)]},
    "cross": {"query": [(0, 0.12375), (1, None)], "key": [(0, None), (1, 0.7001)]},
    "several": {
        "query": [(0, -0.9137), (0, 0.1001), (1, 0.1003), (2, 0.88)],
        "key": [(0, 0.5003), (1, 0.1003), (1, -0.31), (2, -0.88)],
    },
}
"""By tower: the added output of each spike and its center, or None for a constant output of 1."""


def certify(target, weights, **how):
    """The bracket of a head given by its weights' names."""
    return certified_sup_error(target, Head.from_weights(weights), **how)


def spiked(weights, kind, slope):
    """½ (tanh(a(z − c) + 1) − tanh(a(z − c) − 1)), of height tanh 1, in outputs of their own."""
    weights, extra = dict(weights), 1 + max(row for row, _ in KINDS[kind]["query"])
    for tower, spikes in KINDS[kind].items():
        hidden, biases, output, constants = (
            weights[f"{tower}.{part}"]
            for part in ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
        )
        added, rows = np.zeros(extra), np.zeros((extra, 0))
        for row, center in spikes:
            if center is None:
                added[row] = 1.0
                continue
            hidden = np.vstack([hidden, [[slope], [slope]]])
            biases = np.append(biases, [1 - slope * center, -1 - slope * center])
            rows = np.append(rows, 0.5 * np.outer(np.arange(extra) == row, [1, -1]), axis=1)
        above = np.pad(output, ((0, 0), (0, rows.shape[1])))
        below = np.pad(rows, ((0, 0), (output.shape[1], 0)))
        weights |= {
            f"{tower}.hidden.weight": hidden,
            f"{tower}.hidden.bias": biases,
            f"{tower}.output.weight": np.vstack([above, below]),
            f"{tower}.output.bias": np.append(constants, added),
        }
    return weights


def dense(name, weights, kind, slope):
    """The largest |F − G| among points that are dense around all spikes, in extended precision."""
    long, centers = np.longdouble, [c for s in KINDS[kind].values() for _, c in s if c is not None]
    near = np.add.outer(centers, np.linspace(-3, 3, 61) / slope).ravel()
    points = np.union1d(np.linspace(-1, 1, 201), near[np.abs(near) <= 1])

    def side(tower):
        a, b, W, c = (
            weights[f"{tower}.{part}"].astype(long)
            for part in ("hidden.weight", "hidden.bias", "output.weight", "output.bias")
        )
        return np.tanh(points.astype(long)[:, None] * a[:, 0] + b) @ W.T + c

    G = side("query").astype(float) @ side("key").astype(float).T
    return np.abs(TARGETS[name](points, points) - G).max()


@pytest.mark.parametrize("slope", [1e2, 8e3, 1e6])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["edp", "kink"])
def test_spikes_of_all_slopes_are_bracketed(name, kind, slope):
    weights = spiked(HEADS[name], kind, slope)
    bracket = certify(TARGETS[name], weights)
    found = dense(name, weights, kind, slope)
    assert found > 0.5
    assert found <= bracket.upper * (1 + 1e-12)
    assert bracket.lower <= 1.01 * found
    assert bracket.ratio <= 1.05
    assert bracket.cells < 4000


@pytest.mark.parametrize("slope", [4e3, 3e4, 1e5, 2e6])
def test_spikes_at_random_places_are_bracketed(slope, monkeypatch):
    rng = np.random.default_rng(0)
    for _ in range(4):
        c, e = rng.uniform(-1, 1, 2)
        monkeypatch.setitem(KINDS, "random", {"query": [(0, c)], "key": [(0, e)]})
        weights = spiked(HEADS["ridge"], "random", slope)
        bracket = certify(TARGETS["ridge"], weights)
        assert dense("ridge", weights, "random", slope) <= bracket.upper * (1 + 1e-12)
        assert bracket.ratio <= 1.05


@pytest.mark.parametrize("kind", ["both towers", "dyadic", "apart"])
@pytest.mark.parametrize(("name", "slope"), [("edp", 8e3), ("kink", 1e6), ("ridge", 1e5)])
def test_balls_agree_on_spikes(name, slope, kind):
    weights = spiked(HEADS[name], kind, slope)
    bracket = certify(TARGETS[name], weights)
    found = balls.recheck(name, weights, bracket, cells=2)
    assert found["lower_holds"]
    assert found["upper_holds"]


@pytest.mark.parametrize("name", ["edp", "kink"])
def test_a_budget_that_is_spent_is_told_and_the_bracket_holds(name):
    weights = spiked(HEADS[name], "cross", 1e5)
    found = dense(name, weights, "cross", 1e5)
    ratios = []
    for max_cells in (1, 4, 30, 200, 4000):
        bracket = certify(TARGETS[name], weights, max_cells=max_cells)
        assert bracket.cells <= max_cells
        assert bracket.lower <= 1.01 * found
        assert found <= bracket.upper * (1 + 1e-12)
        assert bracket.cells > max_cells / 2 or bracket.ratio <= 1.05
        ratios.append(bracket.ratio)
    assert ratios[0] > 100
    assert bracket.remainder < 0.05 * bracket.lower
    assert ratios[-1] <= 1.05


@pytest.mark.parametrize("slope", [1e7, 1e9, 1e14])
def test_units_too_steep_for_any_panel_give_a_wide_bracket_that_holds(slope):
    weights = spiked(HEADS["edp"], "both towers", slope)
    bracket = certify(TARGETS["edp"], weights)
    assert dense("edp", weights, "both towers", slope) <= bracket.upper
    assert bracket.ratio > 1.05
    assert bracket.remainder > 0.5 * bracket.upper
    assert bracket.cells < 200  # no cells are spent on what they cannot mend


@pytest.mark.parametrize("creased", [False, True])
def test_cells_cover_the_square_once_and_creases_halve_squares(creased):
    name = "kink" if creased else "edp"
    weights = spiked(HEADS[name], "several", 300.0)
    search = certified_search(name, weights)
    edges, _ = search.run(1 << 16)
    t0, t1, s0, s1 = edges.T
    assert ((t1 - t0) * (s1 - s0)).sum() == 4.0
    points = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    inside = (t0 < points[:, :1]) & (points[:, :1] < t1)
    inside &= (s0 < points[:, 1:]) & (points[:, 1:] < s1)
    assert (inside.sum(1) == 1).all()
    if creased:
        crossed = (t0 < s1) & (s0 < t1)
        assert (edges[crossed, :2] == edges[crossed, 2:]).all()


def certified_search(name, weights):
    from rkbs.approximation import _search
    from rkbs.approximation import sup_bracket as certified

    return _search.Search(TARGETS[name], *certified._towers(Head.from_weights(weights)), ratio=1.05)


def test_panels_are_cut_in_halves_that_are_tabulated_once():
    tower = _panels.Tower(np.ones(1), np.zeros(1), np.ones((1, 1)), np.zeros(1))
    tree = _cells.Tree(tower, lambda half: 0.0)
    assert tree.cut(np.array([0, 0])).tolist() == [1, 1]
    assert tree.cut(np.array([2, 0, 1])).tolist() == [5, 1, 3]
    assert tree.axis.panels.edges.tolist() == [
        [-1, 1], [-1, 0], [0, 1], [-1, -0.5], [-0.5, 0], [0, 0.5], [0.5, 1],
    ]  # fmt: skip
    assert np.abs(tree.axis.at_nodes[5, :, 0] - np.tanh(0.25 + 0.25 * _panels.NODES)).max() < 1e-15
    assert tree.cut(np.zeros(0, dtype=int)).tolist() == []


def test_dropped_coefficients_are_summed_from_the_small_end():
    table = np.random.default_rng(0).normal(size=(3, 25, 25)) * 10.0 ** -np.arange(25)
    found, order = _panels.dropped(table), np.maximum.outer(np.arange(25), np.arange(25))
    for m in range(25):
        rest = [math.fsum(np.abs(part[order > m])) for part in table]
        assert np.allclose(found[:, m], rest, rtol=1e-13, atol=0)
