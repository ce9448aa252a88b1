"""Rows of weights by plain sums: against balls, the library's kernels and tables by hand."""

import numpy as np
import pytest
from flint import arb

from rkbs.kernels import EDP, RBF, KeyNormBias, PositiveFeatures, Quadratic, TaylorEDP
from verify.oracles import weights
from verify.oracles.exact import exact_value, rational_points

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(2, 3, 5, 2))
FEATURES = PositiveFeatures.random(2, 3, RNG)
KERNELS = {
    "EDP": EDP(),
    "T2": TaylorEDP(2),
    "T4": TaylorEDP(4),
    "quadratic": Quadratic(0.5),
    "features": FEATURES,
    "key norms": KeyNormBias(TaylorEDP(2), 0.7),
    "sum": KeyNormBias(Quadratic(0.0), 0.5) + FEATURES,
    "product": Quadratic(1.0) * FEATURES,
}


@pytest.mark.parametrize("name", KERNELS)
def test_the_library_agrees(name):
    q, k = POINTS
    assert np.allclose(
        np.exp(weights.log_gram(KERNELS[name], q, k)), KERNELS[name](q, k), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["EDP", "T2", "T4", "quadratic"])
def test_balls_agree(name):
    q, k = (x[0] for x in POINTS)
    logs = weights.log_gram(KERNELS[name], q, k)
    for i, x in enumerate(rational_points(q)):
        for j, y in enumerate(rational_points(k)):
            exact = exact_value(KERNELS[name], x, y).log()
            assert abs(arb(float(logs[i, j])) - exact) < 1e-12


def test_logits_that_overflow():
    kernel = PositiveFeatures(
        *(500 * x for x in (FEATURES.query_weights, np.ones(3))), FEATURES.key_weights, np.zeros(3)
    )
    A = weights.of_kernel(kernel, *POINTS)
    assert np.allclose(A.sum(-1), 1)


def test_other_kernels_are_refused():
    with pytest.raises(TypeError, match="written out here"):
        weights.log_gram(RBF(1.0), *POINTS)


def test_what_a_table_selects():
    A = weights.normalized(np.array([[3.0, 1, 0], [1, 1, 0], [0, 1, 9]]))
    assert weights.own(A).tolist() == [0.75, 0.5, 0.9]
    assert weights.selected(A) == 2  # ½ is not more than ½
    assert weights.mean_log(A) == pytest.approx(-np.log(0.75 * 0.5 * 0.9) / 3)
    assert weights.mean_log(np.zeros((2, 2))) == np.inf


def test_powers_of_distances():
    q, k = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])
    assert weights.distances(q, k).tolist() == [[5, 0]]
    assert np.allclose(weights.distances(q, k, 0.5), [[5**0.5, 0]])
