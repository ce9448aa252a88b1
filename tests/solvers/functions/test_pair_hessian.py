"""The dual's Hessian: its solves are those of the dense matrix."""

from dataclasses import replace

import numpy as np
import pytest

from rkbs.laws import relative
from rkbs.problems.expansion import Side
from rkbs.solvers.functions._pair_hessian import DualHessian, PairSystem
from rkbs.spaces.sections import FeatureSections
from rkbs.terms.norm_penalties import HalfSquare


def hessian(n_pairs, seed=0, low_rank=True, factors=True):
    """Random blocks on a random part of a 5 × 4 grid."""
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.permutation(20)[:n_pairs])
    sides, blocks = [], []
    for size, index in ((5, cells // 4), (4, cells % 4)):
        factor = rng.standard_normal(n_pairs) if factors else 1.0
        sections = FeatureSections(rng.standard_normal((size, 6)), 1.5)
        sides.append(Side(sections, index, 1.0, HalfSquare(), factor))
        root = rng.standard_normal((size, size - 1))  # singular: Woodbury must not invert it
        blocks.append(root @ root.T)
    return DualHessian(rng.uniform(0.5, 2, n_pairs), tuple(sides), tuple(blocks), low_rank)


def dense_by_hand(h):
    total = np.diag(h.diagonal)
    for side, block in zip(h.sides, h.blocks, strict=True):
        P = np.zeros((len(block), len(h.diagonal)))
        factor = np.broadcast_to(side.factor, len(h.diagonal))
        P[side.index, np.arange(len(h.diagonal))] = factor
        total += P.T @ block @ P
    return total


@pytest.mark.parametrize("factors", [True, False])
@pytest.mark.parametrize("n_pairs", [3, 9, 10, 17, 20])
@pytest.mark.parametrize("low_rank", [True, False])
@pytest.mark.parametrize("columns", [(), (1,), (3,)])
def test_a_solve_is_that_of_the_dense_matrix(factors, n_pairs, low_rank, columns):
    h = hessian(n_pairs, n_pairs, low_rank, factors)
    matrix = dense_by_hand(h)
    assert relative(h.dense, matrix) < 1e-15
    right = np.random.default_rng(1).standard_normal((n_pairs, *columns))
    found = h.solve(right)
    assert found.shape == right.shape
    assert relative(found, np.linalg.solve(matrix, right)) < 1e-11


@pytest.mark.parametrize(
    ("n_pairs", "low_rank", "forms_it"),
    [
        (17, True, False),
        (17, False, True),
        (9, True, True),
    ],
)
def test_the_dense_matrix_is_formed_only_where_it_must_be(n_pairs, low_rank, forms_it, monkeypatch):
    calls, right = [], DualHessian.dense.func

    def counted(self):
        calls.append(len(self.diagonal))
        return right(self)

    monkeypatch.setattr(DualHessian, "dense", property(counted))
    hessian(n_pairs, low_rank=low_rank).solve(np.ones(n_pairs))
    assert calls == [n_pairs] * forms_it


@pytest.mark.parametrize("part", ["_across", "_penalize", "factor"])
def test_a_wrong_part_of_woodbury_is_seen(part, monkeypatch):
    h = hessian(17)
    expected, right = np.linalg.solve(h.dense, np.ones(17)), np.ones(17)
    if part == "factor":
        h = replace(h, sides=tuple(replace(side, factor=1.0) for side in h.sides))
    elif part == "_across":
        monkeypatch.setattr(PairSystem, part, lambda self, a, b: np.ones((5, 4)))
    else:
        monkeypatch.setattr(PairSystem, part, lambda self, stacked: stacked)
    assert relative(h.solve(right), expected) > 1e-2
