"""How much memory fits of complete grids take, in matrices of n × n doubles."""

import tracemalloc

import numpy as np
import pytest

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Precomputed
from rkbs.machines import BinaryKernelRidge, BinaryKernelRidgeCV

N = 250
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, N, 8))
Z = np.sin(X[:, :1] + Y[:, 0]) + 0.5 * RNG.standard_normal((N, N))
GRID = Pairs.grid(X, Y)
INDICES = Pairs.grid(*[Precomputed.points(N)] * 2)
GIVEN = Precomputed(RBF()(X, X)), Precomputed(RBF()(Y, Y))
CASES = {  # beside the pairs and the responses, which the caller holds
    "the grid itself": (lambda: Pairs.grid(X, Y), 5.25),
    "ridge": (lambda: BinaryKernelRidge(RBF(), RBF()).fit(GRID, Z), 6.0),
    "without a constant": (
        lambda: BinaryKernelRidge(RBF(), RBF(), fit_intercept=False).fit(GRID, Z),
        6.0,
    ),
    "α so small that c has products of its own": (
        lambda: BinaryKernelRidge(RBF(), RBF(), alpha=1e-3).fit(GRID, Z),
        6.0,
    ),
    "numerically of rank 50": (lambda: BinaryKernelRidge(RBF(1e-3), RBF(1e-3)).fit(GRID, Z), 6.0),
    "given Gram matrices": (lambda: BinaryKernelRidge(*GIVEN).fit(INDICES, Z), 6.0),
    "a path": (lambda: BinaryKernelRidgeCV(RBF(), RBF()).fit(GRID, Z), 14.0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_peak_of_a_fit(name):
    work, most = CASES[name]
    BinaryKernelRidgeCV(RBF(), RBF(), alphas=(1.0,)).fit(Pairs.grid(X[:5], Y[:5]), Z[:5, :5])
    tracemalloc.start()
    found = work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert peak / (8 * N * N) <= most  # of which vectors are a part of 8/N each
