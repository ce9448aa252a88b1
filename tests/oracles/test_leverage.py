"""Leverage scores and sums of squares: against numpy, and on keys made by hand."""

import math

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from rkbs.kernels import TaylorEDP
from verify.oracles import leverage
from verify.oracles.exact import dyadic, rational_points

KEYS = dyadic(np.random.default_rng(0), (9, 2))


@pytest.mark.parametrize(("d", "degree"), [(1, 3), (2, 2), (3, 1)])
def test_monomials(d, degree):
    found = leverage.monomials(d, degree)
    assert len(found) == len(set(found)) == math.comb(d + degree, degree)
    assert [fmpq(1), fmpq(2)] == leverage.psi([fmpq(2)], 1)


def test_leverages_are_the_diagonal_of_the_hat_matrix():
    psi = np.column_stack([np.ones(9), KEYS])
    factors = np.arange(1, 10)
    root = np.sqrt(factors)[:, None] * psi
    hat = root @ np.linalg.pinv(root)
    found = leverage.leverages(rational_points(KEYS), 1, [fmpq(int(c)) for c in factors])
    assert np.allclose([leverage.number(x) for x in found], np.diag(hat), atol=1e-12)
    assert sum(found, fmpq(0)) == 3


@pytest.mark.parametrize("m", [1, 2, 3])
def test_squares_are_the_cut(m):
    G = leverage.square_matrix(m)
    for a in (fmpq(-5, 2), fmpq(0), fmpq(7, 3)):
        value = sum((G[r][s] * a ** (r + s) for r in range(m + 1) for s in range(m + 1)), fmpq(0))
        assert value == sum((a**n / math.factorial(n) for n in range(2 * m + 1)), fmpq(0))


def test_faults_are_counted(monkeypatch):
    points = rational_points(KEYS[:3])
    assert not any(leverage.faults(2, points, points).values())
    right = leverage.square_matrix
    monkeypatch.setattr(
        leverage, "square_matrix", lambda m: [[-x for x in row] for row in right(m)]
    )
    found = leverage.faults(2, points, points)
    assert found == {
        "coefficients": 5,
        "eigenvalues of G": 3,
        "values": 3,
        "eigenvalues of C(q)": 9,
    }


def test_weights_of_a_query():
    keys = leverage.cross_polytope(2)
    A, excess, total = leverage.exact_law(TaylorEDP(2), 1, keys, keys, [fmpq(1)] * 4)
    assert A[0] == [fmpq(5, 10), fmpq(1, 10), fmpq(2, 10), fmpq(2, 10)]
    assert (excess, total) == (fmpq(1, 2) - fmpq(3, 4), 0)


@pytest.mark.parametrize("frame", [leverage.cross_polytope(3), leverage.cube(3)])
def test_frames_are_tight(frame):
    rows = fmpq_mat(frame)
    second = rows.transpose() * rows
    assert all(second[i, j] == second[0, 0] * (i == j) for i in range(3) for j in range(3))
    assert all(sum(column, fmpq(0)) == 0 for column in zip(*frame, strict=True))
