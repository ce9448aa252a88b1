"""Cells are cut where, and only where, interpolation misses too much: against plain recursion."""

import math

import numpy as np
import pytest

from rkbs.approximation import _cells, _panels

LAMBDA = 1 + 2 / math.pi * math.log(25)
WIDEN = 1 + 2 * LAMBDA**2
CONSTANT = _panels.Tower(np.zeros(1), np.zeros(1), np.zeros((1, 1)), np.ones(1))
GOAL = 1e-3
SURFACES = {  # what is missed at a half-width, along t and along s
    "equal": (lambda h: h**3, lambda h: h**3),
    "more along t": (lambda h: 7 * h**2, lambda h: 1e-3 * h**4),
    "more along s": (lambda h: 1e-2 * h**5, lambda h: 5 * h**2),
    "t alone": (lambda h: h**2, lambda h: 0.0),
    "s alone": (lambda h: 0.0, lambda h: h**2),
    "one is always small": (lambda h: h**3, lambda h: 0.3 * GOAL / (1.01 * WIDEN * LAMBDA)),
}


def cells_of(name, creased=False, noise=0.0):
    x, y = (_cells.Tree(CONSTANT, surface) for surface in SURFACES[name])
    return _cells.Cells(x, y, creased, lambda q, k, dq, dk: np.full(len(q), noise))


def edges(cells):
    sides = (cells.x, cells.i), (cells.y, cells.j)
    return sorted(map(tuple, np.hstack([tree.axis.panels.edges[n] for tree, n in sides]).tolist()))


def recursion(name, creased=False, floor=GOAL):
    """Cut in two along the axis that misses more, while more is missed than the floor in all."""
    along_t, along_s = SURFACES[name]
    found, left = [], [(-1.0, 1.0, -1.0, 1.0)]
    while left:
        t0, t1, s0, s1 = left.pop()
        t = WIDEN * along_t((t1 - t0) / 2)
        s = WIDEN * 1.01 * LAMBDA * along_s((s1 - s0) / 2)
        middle_t, middle_s = (t0 + t1) / 2, (s0 + s1) / 2
        halves_t = [(t0, middle_t), (middle_t, t1)]
        halves_s = [(s0, middle_s), (middle_s, s1)]
        if t + s <= floor:
            found.append((t0, t1, s0, s1))
        elif creased and (t0, t1) == (s0, s1):
            left += [(*a, *b) for a in halves_t for b in halves_s]
        elif t >= s:
            left += [(*a, s0, s1) for a in halves_t]
        else:
            left += [(t0, t1, *b) for b in halves_s]
    return sorted(found)


@pytest.mark.parametrize("creased", [False, True])
@pytest.mark.parametrize("name", SURFACES)
def test_cells_are_those_of_the_recursion(name, creased):
    cells = cells_of(name, creased)
    cells.refine(GOAL, 1 << 20)
    found, expected = edges(cells), recursion(name, creased)
    assert found == expected
    assert len(cells) == len(found) > 4


def test_what_is_below_half_the_rounding_is_left_alone():
    cells = cells_of("equal", noise=0.2)
    cells.refine(GOAL, 1 << 20)
    assert edges(cells) == recursion("equal", floor=0.1)
    assert len(recursion("equal", floor=0.1)) < len(recursion("equal"))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("creased", [False, True])
def test_no_more_cells_than_allowed_and_nearly_as_many(limit, creased):
    cells = cells_of("equal", creased)
    cells.refine(GOAL, limit)
    assert limit - 2 * creased <= len(cells) <= limit  # a square on the crease costs 3 at once
    t0, t1, s0, s1 = np.array(edges(cells)).T
    assert ((t1 - t0) * (s1 - s0)).sum() == 4


def test_the_worst_cells_are_cut_first():
    """A unit that is steep at t = 0.9 alone: the cells there take the budget."""
    step = _panels.Tower(np.array([300.0]), np.array([-270.0]), np.ones((1, 1)), np.zeros(1))
    x, y = _cells.Tree(step, lambda h: 0.0), _cells.Tree(CONSTANT, lambda h: 0.0)
    cells = _cells.Cells(x, y, False, lambda q, *others: np.zeros(len(q)))
    cells.refine(1e-6, 8)
    widths = {edge[:2]: edge[1] - edge[0] for edge in edges(cells)}
    at = next(width for (a, b), width in widths.items() if a <= 0.9 <= b)
    assert at == min(widths.values()) < 0.1
    assert max(widths.values()) >= 0.5


def test_panels_that_can_be_cut_no_further_stop_what_depends_on_them():
    """At t = 0.3 nothing helps along t: there no cells are spent on s below what t misses."""
    steep = _panels.Tower(np.array([1e9]), np.array([-3e8]), np.ones((1, 1)), np.zeros(1))
    x, y = _cells.Tree(steep, lambda h: 0.0), _cells.Tree(CONSTANT, lambda h: h**3)
    cells = _cells.Cells(x, y, False, lambda q, *others: np.zeros(len(q)))
    cells.refine(GOAL, 1 << 16)
    t0, t1, s0, s1 = np.array(edges(cells)).T
    narrowest = t1 - t0 == 2 * 2.0**-20
    assert (t0[narrowest] <= 0.3 + 2.0**-18).all()
    assert (t1[narrowest] >= 0.3 - 2.0**-18).all()
    assert narrowest.any()
    assert (t1 - t0).min() == 2 * 2.0**-20
    stuck = WIDEN * (1 + LAMBDA)
    crossed = narrowest & (t0 <= 0.3) & (t1 >= 0.3)
    along_s = WIDEN * 1.01 * LAMBDA * ((s1 - s0) / 2) ** 3
    assert (along_s[crossed] > stuck / 20).all()
    assert (s1 - s0)[crossed].min() > 4 * (s1 - s0)[t1 <= 0].min()


def test_sides_of_a_crease():
    cells = cells_of("equal", creased=True)
    cells.refine(0.5, 1 << 20)
    for (t0, t1, s0, s1), side in zip(
        np.hstack([cells.x.axis.panels.edges[cells.i], cells.y.axis.panels.edges[cells.j]]),
        cells.sides(),
        strict=True,
    ):
        assert side == (0 if (t0, t1) == (s0, s1) else 1 if t0 >= s1 else -1)
        assert side != -1 or t1 <= s0
