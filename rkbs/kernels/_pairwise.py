"""Inner products and distances of all pairs of points, and arithmetic that saturates.

One body serves numpy and torch where they agree. Half precision is computed in float32. On tensors
everything is finite where the points are: what overflows is cut, and passes no gradient.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from rkbs._arrays import Array, cast, check_same_dimension, is_tensor, namespace


def common_dtype(x: Array, y: Array) -> Any:
    """The dtype that holds both."""
    return namespace(x).promote_types(x.dtype, y.dtype)


def at_least_single(x: Array) -> Array:
    """``x`` in float32 or wider: half precision is for what is stored."""
    xp = namespace(x)
    return cast(x, xp.promote_types(x.dtype, xp.float32))


def rounded(x: Array, dtype: Any) -> Array:
    """Back in half precision, if that is the ``dtype`` of the points."""
    return cast(x, dtype) if dtype.itemsize < 4 else x


def _alike(x: Array, y: Array) -> tuple[Array, Array]:
    """Both in one dtype, float32 or wider."""
    dtype = common_dtype(x, y)
    return at_least_single(cast(x, dtype)), at_least_single(cast(y, dtype))


def largest(x: Array) -> float:
    """The largest number of the dtype."""
    return float(namespace(x).finfo(x.dtype).max)


def saturated(x: Array) -> Array:
    """A tensor cut at the largest numbers of its dtype, where no gradient passes.

    What overflows in a pair that a mask hides would otherwise come back as 0 · inf = NaN in the
    gradients of all other pairs. A numpy array is unchanged: there an overflow is an error.
    """
    return x.clip(-largest(x), largest(x)) if is_tensor(x) else x


def unsaturated(x: Array) -> Array:
    """±inf where a tensor is saturated."""
    return namespace(x).where(abs(x) < largest(x), x, (x * math.inf).detach())


def held(x: Array, most: float) -> Array:
    """``x``; a tensor passes no gradient beyond ±most, where the next function overflows."""
    return namespace(x).where(abs(x) <= most, x, x.detach()) if is_tensor(x) else x


def exponential(x: Array) -> Array:
    """exp(x); on a tensor saturated."""
    if not is_tensor(x):
        return np.exp(x)
    return saturated(held(x, math.log(largest(x))).exp())


def logarithm(x: Array) -> Array:
    """log(x) of x ≥ 0; on a tensor saturated where x is, and of 0, without a gradient."""
    if not is_tensor(x):
        with np.errstate(divide="ignore"):
            return np.log(x)
    zero, top = x == 0, largest(x)
    return x.masked_fill(zero, 1).log().masked_fill(zero, -top).masked_fill(x >= top, top)


def log_sum(x: Array, y: Array) -> Array:
    """log(exp x + exp y); torch's ``logaddexp`` has second derivatives of NaN far from x = y."""
    return namespace(x).stack([x, y]).logsumexp(0) if is_tensor(x) else np.logaddexp(x, y)


def product(x: Array, factor: Array | float) -> Array:
    """x · factor; on a tensor saturated, and where one of the two is."""
    found = saturated(x * factor)
    if not is_tensor(x):
        return found
    full = abs(x) >= largest(x)
    if is_tensor(factor):
        full = full | (abs(factor) >= largest(x))
    return namespace(x).where(full, found.detach().sign() * largest(x), found)


def matmul(x: Array, y: Array) -> Array:
    """x @ y of tensors in their own precision, also where autocast would round them to half."""
    torch, device = namespace(x), x.device.type
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return x @ y
    with torch.autocast(device, enabled=False):
        return x @ y


def dot(x: Array, y: Array, divisor: float = 1.0) -> Array:
    """⟨x_i, y_j⟩ / divisor, shape (..., n, m); on a tensor saturated.

    Of tensors, sources beyond 1 are brought there, and targets below all overflow, by powers of
    two: partial sums of finite numbers could be inf − inf.
    """
    check_same_dimension(x, y)
    x, y = _alike(x, y)
    if not is_tensor(x):
        return x @ y.mT / divisor  # in this order: x = y gives a symmetric matrix to the last bit
    size = y.detach().abs().amax(-1, keepdim=True).clip(1, largest(y))  # (..., m, 1)
    power = size / (2 * namespace(y).frexp(size).mantissa)  # of two, in (size/2, size]
    margin = 2.0 ** math.ceil(math.log2(4 * x.shape[-1]))
    small = matmul(x / margin, (y / power).mT)
    return saturated(small * power.mT * (margin / divisor))


def squared_distance(x: Array, y: Array) -> Array:
    """‖x_i − y_j‖², shape (..., n, m), from the differences, without an n × m × d array.

    An expansion of the square would cancel: k(x, x) would not be exact, and a Gram matrix of
    far-apart points visibly indefinite.
    """
    check_same_dimension(x, y)
    return _coordinate_sum(x, y, "square") if is_tensor(x) else _cdist(x, y, "sqeuclidean")


def distance(x: Array, y: Array, p: int) -> Array:
    """‖x_i − y_j‖_p for p = 1 or 2, shape (..., n, m), without an n × m × d array.

    Equal points are at distance exactly 0, where the gradient is taken as 0. On a tensor the
    squares of p = 2 must fit the dtype; the distance is saturated where they do not.
    """
    if not is_tensor(x):
        return _cdist(x, y, {1: "cityblock", 2: "euclidean"}[p])
    if p == 1:
        check_same_dimension(x, y)
        return _coordinate_sum(x, y, "abs")
    square = squared_distance(x, y)
    zero, top = square == 0, largest(square)  # at both the root has no gradient
    root = square.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)
    return root.masked_fill(square >= top, top)


def intersection(x: Array, y: Array) -> Array:
    """Σ_l min(x_il, y_jl), shape (..., n, m), without an n × m × d array."""
    check_same_dimension(x, y)
    x, y = _alike(x, y)
    if is_tensor(x):
        margin = 2.0 ** math.ceil(math.log2(x.shape[-1]))  # partial sums could be inf − inf
        return saturated(margin * _coordinate_sum(x / margin, y / margin, "min"))
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    total = np.zeros((*batch, x.shape[-2], y.shape[-2]), x.dtype)
    for l in range(x.shape[-1]):  # noqa: E741
        total += np.minimum(x[..., :, None, l], y[..., None, :, l])
    return total


def log_dot(x: Array, y: Array) -> Array:
    """log Σ_l exp(x_il + y_jl), shape (..., n, m), without an n × m × D array."""
    if is_tensor(x):
        from rkbs.kernels import _coordinates  # late: it imports torch

        return _coordinates.log_dot(x, y)

    def exponents() -> Iterator[np.ndarray]:
        for l in range(x.shape[-1]):  # noqa: E741
            yield x[..., :, None, l] + y[..., None, :, l]

    top = functools.reduce(np.maximum, exponents())
    return top + np.log(sum(np.exp(exponent - top) for exponent in exponents()))


def _coordinate_sum(x: Array, y: Array, kind: str) -> Array:
    from rkbs.kernels._coordinates import coordinate_sum  # late: it imports torch

    return saturated(coordinate_sum(*_alike(x, y), kind))


def _cdist(x: np.ndarray, y: np.ndarray, metric: str) -> np.ndarray:
    """SciPy's ``cdist`` over broadcast batch axes."""
    from scipy.spatial.distance import cdist  # late: it would more than double rkbs's import time

    check_same_dimension(x, y)
    x, y = _alike(x, y)
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    out = np.empty((*batch, x.shape[-2], y.shape[-2]), dtype=x.dtype)
    xs = np.broadcast_to(x, batch + x.shape[-2:])
    ys = np.broadcast_to(y, batch + y.shape[-2:])
    for index in np.ndindex(batch):
        out[index] = cdist(xs[index], ys[index], metric)
    return out
