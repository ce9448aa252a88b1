"""Several kernels of a domain as one: values, structure, and what it is made of."""

import dataclasses
import math

import numpy as np
import pytest
from helpers import points
from kernel_helpers import answers, assert_structure, every_backend

from rkbs.kernels import (
    EDP,
    RBF,
    Constant,
    Identity,
    L2Distance,
    Linear,
    Precomputed,
    Quadratic,
    WeightedSum,
    combine,
    self_weight,
)

X = points((7, 3))


@every_backend
@pytest.mark.parametrize("weights", [(0.5, 2.0, 0.25), (0.0, 1.0, 3.0), (2.0, 0.0, 0.0)])
def test_values_are_the_sum(weights, backend):
    kernels, x = (RBF(0.3), EDP(), Constant()), points((2, 7, 3), 0, backend)
    y = points((2, 5, 3), 1, backend)
    found = WeightedSum(kernels, weights)(x, y)
    expected = sum(w * k(x, y) for w, k in zip(weights, kernels, strict=True))
    assert float(abs(found - expected).max()) < 1e-12
    logits = WeightedSum(kernels, weights).log(x, y)
    assert np.abs(np.log(np.asarray(expected)) - np.asarray(logits)).max() < 1e-12


STRUCTURE = {
    combine([RBF(), Linear()]): (True, True, None, None, math.inf),
    combine([RBF(), L2Distance()], (1.0, 0.5)): (None, True, True, True, None),
    combine([RBF(), L2Distance()], (1.0, 0.0)): (True, True, True, True, math.inf),
    combine([Quadratic(), Quadratic(-0.5)], (0.0, 3.0)): (False, True, False, True, 10),
    combine([EDP(), Constant()], "alignf"): (True, True, True, True, None),
    combine([EDP(), L2Distance()], "alignf"): (None, True, None, True, None),
}


@pytest.mark.parametrize(("kernel", "expected"), STRUCTURE.items(), ids=map(repr, STRUCTURE))
def test_declared_structure_is_honest(kernel, expected):
    assert answers(kernel) == expected
    if not kernel.learns_weights:
        assert_structure(kernel)


def test_it_is_what_the_algebra_has():
    whole, parts = combine([EDP(), Constant()], (2.0, 3.0)), 2.0 * EDP() + 3.0 * Constant()
    assert whole.square_dim(2) == parts.square_dim(2)
    assert whole.logit_spread == parts.logit_spread
    assert combine([Constant(), Constant()]).logit_spread == 0.0
    assert combine([Linear(), Constant()]).rank_bound(3) == 4
    assert self_weight(whole, 2, 3, max_logit=2.0) is not None


def test_defaults_and_equality():
    assert combine([RBF(), Linear()]).weights == (0.5, 0.5)
    one = WeightedSum([RBF(), Linear()], np.array([1, 2]))
    assert one == WeightedSum((RBF(), Linear()), (1.0, 2.0)) != combine([RBF(), Linear()])
    assert hash(one) == hash(dataclasses.replace(one))


def test_features_and_entities_go_through():
    kernel = combine([EDP().pullback(points((3, 3), 5), points((3, 3), 6)), RBF()], (2.0, 0.5))
    a, b = kernel.kernels
    assert np.allclose(kernel.domain_x(X, X), 2 * a.domain_x(X, X) + 0.5 * b(X, X))
    assert np.allclose(kernel.domain_y(X, X), 2 * a.domain_y(X, X) + 0.5 * b(X, X))
    same = np.eye(7, dtype=bool)[::-1]
    told = combine([Identity(), RBF()], (3.0, 1.0))._told(lambda: same)
    assert np.array_equal(told(X, X), 3.0 * same + RBF()(X, X))


BAD = [
    (lambda: combine([]), ValueError, "kernels must hold at least one kernel, got none"),
    (lambda: combine(RBF()), TypeError, r"kernels must be a list or tuple .*, got RBF\(tau=1.0\)"),
    (
        lambda: combine([RBF]),
        TypeError,
        "each of kernels must be a Kernel, got the class",
    ),
    (lambda: combine([RBF()], "mean"), ValueError, "weights must be numbers, or .*, got 'm"),
    (
        lambda: combine([RBF()], [1, 2]),
        ValueError,
        r"must have shape \(1,\), .* got \(2,\)",
    ),
    (lambda: combine([RBF()], 1.0), ValueError, r"weights must have shape \(1,\), .* got \(\)"),
    (
        lambda: combine([RBF()], [-1.0]),
        ValueError,
        r"not be negative, nor all 0, got \[-1.0\]",
    ),
    (lambda: combine([RBF()], [0.0]), ValueError, r"nor all 0, got \[0.0\]"),
    (lambda: combine([RBF()], [np.nan]), ValueError, "weights"),
    (lambda: combine([RBF()], ["a"]), TypeError, "weights"),
    (lambda: combine([RBF()], "alignf")(X, X), ValueError, "are learned by a machine.*alignment_w"),
    (lambda: combine([Precomputed(np.eye(2))])(X, X), ValueError, "x must hold row numbers"),
]


@pytest.mark.parametrize(("call", "error", "says"), BAD, ids=[row[2][:30] for row in BAD])
def test_bad_arguments_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
