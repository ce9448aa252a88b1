"""Pullbacks of kernels by maps of the two domains, such as W^Q and W^K."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, final

import numpy as np

from rkbs._arrays import Array, SameArray, as_matrix, as_points, is_tensor, namespace
from rkbs.kernels._composite import Wrapper
from rkbs.kernels._pairwise import dot
from rkbs.kernels._parameters import ARRAY
from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension


@final
@dataclasses.dataclass(frozen=True)
class Pullback(Wrapper):
    """κ(map_x(x), map_y(y)), for example attention's exp(W^Q t · W^K s / √d).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP
    >>> WQ, WK = np.array([[1.0, -1.0]]), np.array([[0.5, 0.0, 0.5]])  # to a head of dimension 1
    >>> kernel = EDP().pullback(WQ, WK)
    >>> kernel.log([[2.0, 1.0]], [[2.0, 7.0, 4.0]]), kernel.is_mercer
    (array([[3.]]), None)
    """

    map_x: Callable | None
    map_y: Callable | None

    def _mapped(self, x: Array, y: Array) -> tuple[Array, Array]:
        x = x if self.map_x is None else as_points(self.map_x(x), "map_x(x)")
        y = y if self.map_y is None else as_points(self.map_y(y), "map_y(y)")
        return x, y

    def formula(self, x: Array, y: Array) -> Array:
        return self.kernel.formula(*self._mapped(x, y))

    def log_formula(self, x: Array, y: Array) -> Array:
        return self.kernel.log_formula(*self._mapped(x, y))

    def _told(self, same: Callable[[], np.ndarray]) -> Kernel:
        """Ids are of the points, not of what a map makes of them."""
        return super()._told(same) if self.map_x is None and self.map_y is None else self

    def _kept(self, structure: str, one_map: bool) -> bool | None:
        """True where the kernel's own structure survives the maps, else unknown."""
        survives = self.map_x == self.map_y or not one_map
        return True if survives and getattr(self.kernel, structure) else None

    @property
    def is_mercer(self) -> bool | None:
        return self._kept("is_mercer", one_map=True)

    @property
    def is_symmetric(self) -> bool | None:
        return self._kept("is_symmetric", one_map=True)

    @property
    def is_positive(self) -> bool | None:
        return self._kept("is_positive", one_map=False)

    @property
    def is_nonnegative(self) -> bool | None:
        return self._kept("is_nonnegative", one_map=False)

    def feature_dim(self, d: int) -> FeatureDimension:
        """Unknown unless both maps are the identity: a map can lower the rank."""
        return self.kernel.feature_dim(d) if self.map_x is None and self.map_y is None else None

    def rank_bound(self, d: int) -> FeatureDimension:
        """That of the kernel in the dimension of a matrix's images; else unknown."""
        sizes = [_image_dimension(of, d) for of in (self.map_x, self.map_y)]
        return None if None in sizes else self.kernel.rank_bound(max(sizes))

    def square_dim(self, d: int) -> FeatureDimension:
        """That of the kernel in the dimension of the keys' images, where a matrix tells it."""
        size = _image_dimension(self.map_y, d)
        return None if size is None else self.kernel.square_dim(size)

    def is_quasiconvex(self, d: int) -> bool | None:
        """As the kernel, where the keys' map is linear: it keeps segments."""
        size = _image_dimension(self.map_y, d)
        return None if size is None else self.kernel.is_quasiconvex(size)

    @property
    def is_metric(self) -> bool | None:
        """As the kernel: the images are points, whatever the maps."""
        return self.kernel.is_metric

    @property
    def logit_spread(self) -> float | None:
        """That of the kernel."""
        return self.kernel.logit_spread

    @property
    def domain_x(self) -> Kernel:
        """k_X(map_x(x), map_x(x'))."""
        return Pullback(self.kernel.domain_x, self.map_x, self.map_x)

    @property
    def domain_y(self) -> Kernel:
        """k_Y(map_y(y), map_y(y'))."""
        return Pullback(self.kernel.domain_y, self.map_y, self.map_y)


@final
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LinearMap:
    """x ↦ W x on the last axis, W of shape (d, d_x); of half precision in float32.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import EDP, LinearMap
    >>> W = LinearMap(np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
    >>> W(np.array([[3.0, 4.0, 5.0]]))
    array([[3., 8.]])
    >>> EDP().pullback(W, W).is_mercer
    True
    """

    matrix: Array = dataclasses.field(metadata=ARRAY)

    def __repr__(self) -> str:
        return f"LinearMap(<{self.matrix.shape[0]} × {self.matrix.shape[1]}>)"

    def __call__(self, x: SameArray) -> SameArray:
        if x.shape[-1] != self.matrix.shape[-1]:
            raise ValueError(
                f"the map's matrix has shape {tuple(self.matrix.shape)} and takes points of "
                f"dimension {self.matrix.shape[-1]}, got points of shape {tuple(x.shape)}"
            )
        if is_tensor(self.matrix) and not is_tensor(x):
            raise TypeError(
                "the map's matrix is a torch tensor, but the points are a numpy array: pass "
                "tensors, or the matrix as W.numpy(force=True)"
            )
        # In the points' precision and on their device, whichever way the matrix came.
        xp = namespace(x)
        dtype = xp.promote_types(x.dtype, xp.float32)
        if is_tensor(x):
            return dot(x, xp.as_tensor(self.matrix, dtype=dtype, device=x.device))
        return dot(x, self.matrix.astype(dtype, copy=False))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LinearMap) or is_tensor(self.matrix) or is_tensor(other.matrix):
            return self is other
        return np.array_equal(self.matrix, other.matrix)

    def __hash__(self) -> int:
        return hash(tuple(self.matrix.shape))


def _image_dimension(of: Callable | None, d: int) -> int | None:
    """The dimension of what a map makes of points in R^d, if its matrix tells it."""
    if of is None:
        return d
    return of.matrix.shape[0] if isinstance(of, LinearMap) else None


def as_map(value: Any, name: str) -> Callable | None:
    """A callable, a matrix (as ``LinearMap``) or None (the identity); else ``TypeError``."""
    if value is None or (callable(value) and not is_tensor(value)):
        return value
    if is_tensor(value):
        if value.ndim != 2:
            raise ValueError(f"{name} must be a matrix (d, d_in), got shape {tuple(value.shape)}")
        return LinearMap(value)
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        return LinearMap(as_matrix(value, name))
    raise TypeError(f"{name} must be a callable, a matrix or None, got {type(value).__name__}")
