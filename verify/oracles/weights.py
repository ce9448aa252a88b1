"""Rows of weights once more: kernels as plain sums in numpy, and what their rows select.

Nothing here calls rkbs's formulas or its attention: what they train is judged by this.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rkbs.kernels.algebra import Product, Sum
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP, Quadratic, TaylorEDP
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.positive_features import PositiveFeatures

ROUNDING = 1e-9
"""By how much more than ½ a weight must be to count: a million roundings of its sum."""


def log_gram(kernel: Kernel, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """log κ(q_i, k_j), (..., n, m), by theory §5; −∞ where κ is 0."""
    root = math.sqrt(q.shape[-1])
    a = np.einsum("...id,...jd->...ij", q, k) / root
    match kernel:
        case EDP():
            return a
        case TaylorEDP(order=order):
            return np.log(sum(a**r / math.factorial(r) for r in range(order + 1)))
        case Quadratic(gamma=gamma):
            with np.errstate(divide="ignore"):
                return 2 * np.log(abs(a + gamma))
        case PositiveFeatures():
            query = _exponents(q, kernel.query_weights, kernel.query_biases)
            key = _exponents(k, kernel.key_weights, kernel.key_biases)
            return np.logaddexp.reduce(query[..., :, None, :] + key[..., None, :, :], -1)
        case KeyNormBias(kernel=inner, tau=tau):
            return log_gram(inner, q, k) - tau * (k**2).sum(-1)[..., None, :] / root
        case Sum(a=one, b=other):
            return np.logaddexp(log_gram(one, q, k), log_gram(other, q, k))
        case Product(a=one, b=other):
            return log_gram(one, q, k) + log_gram(other, q, k)
    raise TypeError(f"kernel must be one that is written out here, got {kernel!r}")


def _exponents(x: np.ndarray, weights: Any, biases: Any) -> np.ndarray:
    """w_l·x_i + b_l, (..., n, D), of arrays or of tensors that were trained."""
    w, b = (v.detach().numpy() if hasattr(v, "detach") else v for v in (weights, biases))
    return np.einsum("...id,...ld->...il", x, w) + b[..., None, :]


def distances(q: np.ndarray, k: np.ndarray, power: float = 1.0) -> np.ndarray:
    """|q_i − k_j|^power, (..., n, m)."""
    return ((q[..., :, None, :] - k[..., None, :, :]) ** 2).sum(-1) ** (power / 2)


def of_kernel(kernel: Kernel, q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """A: rows of κ divided by their sums."""
    logs = log_gram(kernel, q, k)
    return normalized(np.exp(logs - logs.max(-1, keepdims=True)))


def normalized(table: np.ndarray) -> np.ndarray:
    """Rows divided by their sums."""
    return table / table.sum(-1, keepdims=True)


def own(weights: np.ndarray) -> np.ndarray:
    """The self-weights A_ii, (..., n)."""
    return np.diagonal(weights, axis1=-2, axis2=-1)


def selected(weights: np.ndarray) -> np.ndarray:
    """R: how many queries give their own key more than ½, (...)."""
    return (own(weights) > 0.5 + ROUNDING).sum(-1)


def mean_log(weights: np.ndarray) -> np.ndarray:
    """The mean of −log A_ii, (...); infinite where one is 0."""
    with np.errstate(divide="ignore"):
        return -np.log(own(weights)).mean(-1)
