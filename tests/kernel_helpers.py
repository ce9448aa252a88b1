"""What a kernel says about its structure, and whether points show it."""

import math

import numpy as np
import pytest
from helpers import grid, points

from rkbs import laws

BACKENDS = ("numpy", "torch")
every_backend = pytest.mark.parametrize("backend", BACKENDS)

# On a regular grid a radial kernel that is not positive definite shows it. The last set has exact
# values of q·k/√d, in {0, ±½, ±1, ±2}: the zeros of kernels that are not positive.
POINT_SETS = {
    "random-2": points((20, 2)),
    "random-3": points((20, 3), 1),
    "fine-2": grid(2, 6, 0.25),
    "grid-2": grid(2, 5, 0.8),
    "grid-3": grid(3, 3, 0.7),
    "exact-4": np.array([[1.0, 0, 0, 0], [-1, 0, 0, 0], [2, 0, 0, 0], [-2, 0, 0, 0], [0, 1, 0, 0]]),
}


def assert_structure(kernel, sets=POINT_SETS, only=None):
    """What a kernel says about itself: True is seen on every set, False on at least one."""
    lowest = min((g := kernel(x, x)).min() / max(np.abs(g).max(), 1e-300) for x in sets.values())
    asymmetry = max(laws.symmetry_residual(kernel, x) for x in sets.values())
    distance = max(laws.mercer_residual(kernel, x) for x in sets.values())
    evidence = {  # structure: (seen to hold on all sets, seen to fail on one)
        "is_mercer": (distance <= 1e-12, distance > 1e-3),
        "is_symmetric": (asymmetry <= 1e-12, asymmetry > 1e-3),
        "is_positive": (lowest > 0, lowest <= 1e-15),
        "is_nonnegative": (lowest >= 0, lowest < -1e-3),
    }
    for structure, (holds, fails) in evidence.items():
        answer = getattr(kernel, structure)
        if answer is not None and only in (None, answer):
            assert holds if answer else fails, (structure, answer)
    assert kernel.is_symmetric or not kernel.is_mercer
    assert kernel.is_nonnegative or not kernel.is_positive


def assert_rank(kernel, d):
    """feature_dim is the rank reached, or the matrix is regular however many the points are."""
    dim = kernel.feature_dim(d)
    if dim == math.inf:
        for n in range(2, 9):
            x = points((n, d), n, scale=1.5)
            assert np.linalg.cond(kernel(x, x)) < 1e12
    elif dim is not None:
        x = points((dim + 5, d), 3)
        sigma = np.linalg.svd(kernel(x, x), compute_uv=False)
        assert laws.rank_residual(kernel, x) <= 1e-13
        assert sigma[dim - 1] / sigma[0] > 1e-9


def answers(kernel):
    structure = ("is_mercer", "is_symmetric", "is_positive", "is_nonnegative")
    return (*(getattr(kernel, name) for name in structure), kernel.feature_dim(3))
