"""Where kernels start: at the spread of weights that dot-product attention has."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import check_count
from rkbs.attention.functional import kernel_attention
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP

_POINTS, _VARIANCE = 64, 0.5
"""Keys that a row has, and the variance of coordinates after the projections of a
``torch.nn.MultiheadAttention`` that has not been trained, of inputs of variance 1."""
_WIDEST, _STEP = 4.0, 0.25
"""log₂ of the largest gain, minus that of the smallest, and how far apart the tried ones are."""


def start_gain(kernel: Kernel, d: int) -> float:
    """g, such that rows of weights of g·q and g·k have the mean entropy of EDP's for q and k.

    The entropy −Σ_j A_ij log A_ij is averaged over 64 queries and as many keys with independent
    normal coordinates of variance ½, the same for every kernel: with it a module of any kernel
    starts as sharp as dot-product attention does. Of several such gains it is the one nearest to 1
    (in its logarithm); where a kernel has none in [1/16, 16], as ``L2Distance``, whose weights
    no scale changes, the gain of the nearest entropy.

    Parameters
    ----------
    kernel : Kernel
        Non-negative.
    d : int
        The head dimension.

    Examples
    --------
    >>> from rkbs import EDP, RBF, L2Distance, Quadratic
    >>> from rkbs.attention import start_gain
    >>> [round(start_gain(kernel, 16), 2) for kernel in (EDP(), RBF(), Quadratic(), L2Distance())]
    [1.0, 0.67, 0.72, 1.0]
    """
    from scipy.optimize import brentq  # late: it takes as long to import as all of rkbs

    check_count(d, "d")
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(2, _POINTS, d, generator=generator, dtype=torch.float64)
    q, k = math.sqrt(_VARIANCE) * points
    wanted = _entropy(EDP(), q, k)

    @functools.cache
    def excess(exponent: float) -> float:
        return _entropy(kernel, 2**exponent * q, 2**exponent * k) - wanted

    exponents = sorted(np.arange(-_WIDEST, _WIDEST + _STEP, _STEP).tolist(), key=abs)
    for near in exponents:  # the nearest to a gain of 1 first
        if excess(near) == 0:
            return float(2**near)
        for far in (near - _STEP, near + _STEP):
            if abs(near) <= abs(far) <= _WIDEST and excess(near) * excess(far) < 0:
                return float(2 ** brentq(excess, near, far))
    # The first of those that are as near as rounding tells.
    return float(2 ** min(exponents, key=lambda exponent: round(abs(excess(exponent)), 12)))


def _entropy(kernel: Kernel, q: Tensor, k: Tensor) -> float:
    """The mean entropy of the rows of weights, in nats."""
    values = torch.eye(len(k), dtype=q.dtype)
    with torch.no_grad():
        weights = kernel_attention(q, k, values, kernel)
    return float(torch.special.entr(weights).sum(-1).mean())
