"""Kernels that see who two points are, or nothing of them: Identity and Constant."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import Array, cast, check_same_dimension, is_tensor, namespace
from rkbs.kernels._pairwise import at_least_single, common_dtype
from rkbs.kernels.base import Kernel, PositiveKernel
from rkbs.kernels.structure import FeatureDimension


@final
@dataclass(frozen=True)
class Identity(Kernel):
    """κ(x, x') = 1 if x and x' are one entity, else 0: an effect of its own for each entity.

    Within a domain ``a * K + b * Identity() + c * Constant()`` is "kernel + entity effect + mean":
    Φ(x) = (√a Φ_K(x), √b e_x, √c) with an orthonormal e_x for each entity. A new entity has 0 with
    all others, so that what is predicted of it comes from K and the constant alone. Identity in
    both domains is the completion of a matrix without features.

    *Who is who.* Machines go by the ids of their ``Pairs`` (``ids_x``, ``ids_y``): rows of one id
    are one entity, rows of two are two, whatever their features. Without ids, and wherever the
    kernel is called on arrays, equal points are one entity: equal in every bit, where rounding to
    float32 and back makes another. Row numbers are never compared. Behind the map of a pullback
    the images are compared, which have no ids: ``Identity().pullback(f, f)`` with a choice of
    columns f is the effect of a group. (A product with a general matrix may round the image of one
    point differently in two arrays.)

    In attention: equal vectors of queries and keys. It has no gradient.

    Examples
    --------
    >>> from rkbs import Identity
    >>> Identity()([[1.0, 2.0], [3.0, 4.0]], [[3.0, 4.0]])
    array([[0.],
           [1.]])
    """

    is_mercer = True
    is_symmetric = True
    is_positive = False
    is_nonnegative = True

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite: distinct points have the unit matrix."""
        return math.inf

    def formula(self, x: Array, y: Array) -> Array:
        return cast(_equal(x, y), _dtype(x, y)) + _blank(x, y)

    def _told(self, same: Callable[[], np.ndarray]) -> Kernel:
        return _ToldIdentity(same())


@final
@dataclass(frozen=True, eq=False)
class _ToldIdentity(Kernel):
    """Identity of points of which it is known which are one entity: ``same``, (n, m) of bool."""

    same: np.ndarray

    is_mercer = None  # a rectangle need not be a part of a square
    is_symmetric = None
    is_positive = False
    is_nonnegative = True

    def feature_dim(self, d: int) -> FeatureDimension:
        """As of ``Identity``."""
        return math.inf

    def formula(self, x: Array, y: Array) -> Array:
        return self.same.astype(_dtype(x, y))


@final
@dataclass(frozen=True)
class Constant(PositiveKernel):
    """κ(x, y) = 1: one feature that all points share; as attention, uniform weights.

    In ``a * K + c * Constant()`` it is a mean that is penalized like the rest, c its scale.

    Examples
    --------
    >>> from rkbs import Constant
    >>> (2.0 * Constant())([[1.0], [5.0]], [[0.0, 7.0]])
    array([[2.],
           [2.]])
    """

    is_mercer = True
    is_symmetric = True

    def feature_dim(self, d: int) -> FeatureDimension:
        """1."""
        return 1

    def square_dim(self, d: int) -> int:
        """1: the square of the one feature."""
        return 1

    def is_quasiconvex(self, d: int) -> bool:
        """It is constant in k."""
        return True

    logit_spread = 0.0

    def log_formula(self, x: Array, y: Array) -> Array:
        return _blank(x, y)


def _dtype(x: Array, y: Array) -> object:
    """That of the values: of both points, float32 or wider."""
    xp = namespace(x)
    return xp.promote_types(common_dtype(x, y), xp.float32)


def _blank(x: Array, y: Array) -> Array:
    """0 for each pair, (..., n, m); of tensors NaN where a point holds one, with gradients of 0."""
    return _blank_row(x)[..., :, None] + _blank_row(y)[..., None, :]


def _blank_row(x: Array) -> Array:
    if not is_tensor(x):
        return np.zeros(x.shape[:-1], np.promote_types(x.dtype, np.float32))
    x = at_least_single(x)
    return namespace(x).where(x.isnan(), x, 0).sum(-1)


def _equal(x: Array, y: Array) -> Array:
    """Which points are equal, (..., n, m), without an n × m × d array."""
    check_same_dimension(x, y)
    d, dtype = x.shape[-1], common_dtype(x, y)
    if is_tensor(x):
        x, y = cast(x, dtype), cast(y, dtype)
        same = x[..., :, None, 0] == y[..., None, :, 0]
        for l in range(1, d):  # noqa: E741
            same = same & (x[..., :, None, l] == y[..., None, :, l])
        return same
    whole = np.dtype((np.void, dtype.itemsize * d))  # a point as one value; −0.0 is 0.0
    x, y = (np.ascontiguousarray(cast(p, dtype) + dtype.type(0)).view(whole) for p in (x, y))
    return x == y.mT
