"""Kernels of pairs: products and their sums, against Kronecker products written out."""

import numpy as np
import pytest
from helpers import noted

from rkbs import RBF, Constant, Identity, Laplace, Linear, Pairs
from rkbs.kernels import PairwiseProduct, PairwiseSum, combine
from rkbs.machines._parameters import changed, nested

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 2)), RNG.normal(size=(4, 3))
GRID = Pairs.grid(X, Y)
SOME, OTHERS = GRID[RNG.permutation(20)[:9]], Pairs.grid(X[:2] + 1, Y[1:])
KERNEL = PairwiseSum([(RBF(), Linear()), (Laplace(), Constant()), (Linear(), RBF())], (1, 0, 2.5))


def test_values_on_a_grid_are_kronecker_products():
    one, _, other = KERNEL.products
    parts = [np.kron(p.kernel_x(X, X), p.kernel_y(Y, Y)) for p in (one, other)]
    expected = parts[0] + 2.5 * parts[1]
    np.testing.assert_allclose(KERNEL(GRID), expected, rtol=1e-14)
    cells = SOME.i * 4 + SOME.j
    np.testing.assert_allclose(KERNEL(SOME), expected[np.ix_(cells, cells)], rtol=1e-14)
    np.testing.assert_allclose(KERNEL(SOME, GRID), expected[cells], rtol=1e-14)
    k, m = OTHERS.i[3], OTHERS.j[3]
    x, y = OTHERS.X[k : k + 1], OTHERS.Y[m : m + 1]
    by_hand = sum(
        w * p.kernel_x(x, X)[0, SOME.i] * p.kernel_y(y, Y)[0, SOME.j] for w, p in KERNEL.terms
    )
    np.testing.assert_allclose(KERNEL(OTHERS, SOME)[3], by_hand, rtol=1e-13)


def test_a_product_of_sums_is_a_sum_of_products():
    both = PairwiseProduct(combine([RBF(), Linear()], (2, 3)), combine([Laplace(), Constant()]))
    every = [(a, b) for a in (RBF(), Linear()) for b in (Laplace(), Constant())]
    np.testing.assert_allclose(both(GRID), PairwiseSum(every, (1, 1, 1.5, 1.5))(GRID), rtol=1e-14)


def test_entities_are_told_by_their_ids():
    twice = Pairs.grid(np.ones((2, 1)), np.ones((1, 1)), ids_x=["a", "b"])
    assert np.array_equal(PairwiseProduct(Identity(), Constant())(twice), np.eye(2))
    nameless = Pairs.grid(np.ones((2, 1)), np.ones((1, 1)))
    assert np.array_equal(PairwiseProduct(Identity(), Constant())(nameless), np.ones((2, 2)))


def test_parameters_have_names():
    assert PairwiseSum([(RBF(), RBF())] * 4).weights == (0.25,) * 4
    names = nested(KERNEL, "kernel")
    assert names["kernel__weights"] == (1.0, 0.0, 2.5)
    assert names["kernel__products__0__kernel_x__tau"] == 1.0
    other = changed(KERNEL, {"weights": (0, 1, 0), "products__2__kernel_y__tau": 7.0}, "kernel")
    assert other.terms == [(1.0, PairwiseProduct(Laplace(), Constant()))]
    assert other.products[2] == PairwiseProduct(Linear(), RBF(7.0))
    assert KERNEL.products[2] == PairwiseProduct(Linear(), RBF())


BAD = {
    "a kernel": (lambda: PairwiseSum(RBF()), TypeError, "products must be a list or tuple of prod"),
    "a product": (
        lambda: PairwiseSum(PairwiseProduct(RBF(), RBF())),
        TypeError,
        "products must be",
    ),
    "none": (lambda: PairwiseSum([]), ValueError, "products must hold at least one product"),
    "one kernel": (lambda: PairwiseSum([RBF()]), TypeError, "each of products must be a Pairwise"),
    "three": (
        lambda: PairwiseSum([(RBF(),) * 3]),
        TypeError,
        "each of products must be a Pairwise",
    ),
    "no kernel": (
        lambda: PairwiseSum([(RBF(), 1.0)]),
        TypeError,
        "kernel_y must be a Kernel, got 1",
    ),
    "the class": (lambda: PairwiseProduct(RBF, RBF()), TypeError, r"kernel_x .* mean RBF\(\)"),
    "few weights": (lambda: PairwiseSum([(RBF(), RBF())], (1, 2)), ValueError, r"shape \(1,\)"),
    "negative": (lambda: PairwiseSum([(RBF(), RBF())], (-1,)), ValueError, "must not be negative"),
    "zeros": (lambda: PairwiseSum([(RBF(), RBF())], (0,)), ValueError, "nor all 0, got"),
    "text": (
        lambda: PairwiseSum([(RBF(), RBF())], "alignf"),
        TypeError,
        "weights must be an array",
    ),
}


def test_what_is_refused():
    for name, (call, error, says) in BAD.items():
        with noted(name), pytest.raises(error, match=says):
            call()
