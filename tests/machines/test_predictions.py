"""Predictions at pairs: one number by every way to it, in the memory of the pairs."""

import tracemalloc

import numpy as np
import pytest
from machine_helpers import data

from rkbs.data.pairs import Pairs
from rkbs.laws import relative
from rkbs.machines import BinaryKernelRidge
from rkbs.machines._at_pairs import values_at_pairs

WAYS = {
    "rows, all at once": ({}, 0.3),
    "some rows at a time": ({"_ROWS": 25}, 0.3),
    "one row at a time": ({"_ROWS": 1}, 0.3),
    "pairs one by one": ({"_DENSE": 1.0, "_GATHERED": 7}, 0.3),
    "a chunk for each pair": ({"_DENSE": 1.0, "_GATHERED": 1}, 0.3),
    "complete": ({"_ROWS": 25}, 1.0),
}


@pytest.mark.parametrize("effects", [(), ("row", "column")])
@pytest.mark.parametrize("way", WAYS)
def test_predictions_at_pairs_are_those_of_the_grid_by_every_way(monkeypatch, way, effects):
    sizes, share = WAYS[way]
    X, Y, Z = data()
    machine = BinaryKernelRidge(alpha=0.1, effects=effects).fit(Pairs.grid(X, Y), Z + 5)
    new_x, new_y = np.vstack([X, X[:4] + 1]), np.vstack([Y[::-1], Y[:3] - 1])
    grid = machine.predict_grid(new_x, new_y)
    expected = machine.query(new_x) @ machine.key(new_y).T + machine.intercept_
    if effects:
        expected[: len(X)] += machine.row_effects_[:, None]
        expected[:, : len(Y)] += machine.column_effects_[::-1]
    assert relative(grid, expected) < 1e-14
    for name, size in sizes.items():
        home = "problems._some_pairs" if name == "_GATHERED" else "machines._at_pairs"
        monkeypatch.setattr(f"rkbs.{home}.{name}", size)
    order = np.random.default_rng(1).permutation(grid.size)[: int(share * grid.size)]
    pairs = Pairs.grid(new_x, new_y)[order]  # in no order; some rows of the last block have none
    assert relative(machine.predict(pairs), grid.ravel()[order]) < 1e-13


@pytest.mark.parametrize(("count", "dense"), [(6, True), (5, False)])
def test_whole_rows_are_computed_from_three_percent_on(monkeypatch, count, dense):
    grids = []
    monkeypatch.setattr(
        "rkbs.machines._at_pairs.values_on_grid",
        lambda left, right, *_: grids.append(1) or left @ right.T,
    )
    left, right = np.random.default_rng(0).standard_normal((2, 20, 3))
    pairs = Pairs(left, right[:10], np.arange(count), np.arange(count))  # of 200
    found = values_at_pairs(pairs, left, right[:10], np.zeros(20), np.zeros(10))
    assert relative(found, np.diag(left[:count] @ right[:count].T)) < 1e-13
    assert bool(grids) is dense


@pytest.mark.parametrize("share", [0.01, 0.1])
def test_predictions_take_the_memory_of_their_pairs_and_not_of_the_grid(share):
    rng, n = np.random.default_rng(0), 4000
    left, right = rng.standard_normal((2, n, 5))
    m = int(share * n * n)
    i, j = np.divmod(np.sort(rng.choice(n * n, m, replace=False)), n)
    pairs, zeros = Pairs(left, right, i, j), np.zeros(n)
    tracemalloc.start()
    values_at_pairs(pairs, left, right, zeros, zeros)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    block = 8 * 2**22 * (share > 0.03)
    assert peak < 5 * 8 * m + block + 2**22 < 8 * n * n
