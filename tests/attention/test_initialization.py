"""Gains at which kernels start with the entropy of EDP's weights."""

import math

import numpy as np
import pytest

from rkbs.attention import start_gain
from rkbs.kernels import EDP, KERNELS, RBF, Cauchy, Constant, L2Distance, Linear, Quadratic


def entropy(kernel, q, k):
    """By numpy, from the kernel's values."""
    weights = kernel(q, k)
    weights = weights / weights.sum(1, keepdims=True)
    return -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(1).mean()


WITHOUT = {("constant", 2), ("constant", 16), ("l2", 16), ("cauchy", 16)}
"""At no scale do their weights have EDP's entropy."""


@pytest.mark.parametrize("d", [2, 16])
@pytest.mark.parametrize(
    "name", [n for n, k in KERNELS.items() if k.is_nonnegative and n != "identity"]
)
def test_the_entropy_is_that_of_edp(name, d):
    """On other points than those that the gain was found with."""
    gain = start_gain(KERNELS[name], d)
    assert 1 / 16 <= gain <= 16
    q, k = math.sqrt(0.5) * np.random.default_rng(1).normal(size=(2, 400, d))
    q, k = (
        q[:, None],
        np.stack([k[np.random.default_rng(i).permutation(400)[:64]] for i in range(400)]),
    )
    found = [
        np.mean([entropy(f, g * a, g * b) for a, b in zip(q, k, strict=True)])
        for f, g in ((EDP(), 1.0), (KERNELS[name], gain))
    ]
    apart = abs(found[0] - found[1])
    assert (apart <= 0.05) == ((name, d) not in WITHOUT)


def test_limits():
    assert start_gain(EDP(), 8) == 1.0
    assert start_gain(L2Distance(), 8) == start_gain(Constant(), 8) == 1.0  # no scale changes them
    assert start_gain(Cauchy(), 64) == 16.0
    assert start_gain(EDP().pullback(2 * np.eye(4), 2 * np.eye(4)), 4) == pytest.approx(0.5)
    assert start_gain(RBF(4.0), 4) == pytest.approx(start_gain(RBF(1.0), 4) / 2)
    assert start_gain(Quadratic(), 4) == start_gain(Quadratic(), 4)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="d must"):
        start_gain(EDP(), 0)
    with pytest.raises(TypeError, match="non-negative"):
        start_gain(Linear(), 3)
