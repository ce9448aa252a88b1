"""A kernel of a plain function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from rkbs._arrays import Array
from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension


@final
@dataclass(frozen=True)
class Custom(Kernel):
    """κ(x, y) = f(x, y), f a function of two blocks of points.

    It adds, multiplies, pulls back and goes into machines and attention as every kernel does. What
    is not said of its structure is unknown: a machine then looks at the Gram matrix itself, and
    attention asks for ``is_nonnegative``.

    Parameters
    ----------
    function : callable
        (..., n, d_x), (..., m, d_y) → (..., n, m), in the framework of its arguments.
    is_mercer, is_symmetric, is_positive, is_nonnegative : bool or None
        None, unknown, by default; a positive kernel is non-negative.
    dim : int, float or None
        The largest rank of its Gram matrices, ``math.inf`` if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import Custom
    >>> cosine = Custom(lambda x, y: np.cos(x @ y.T), is_symmetric=True)
    >>> (2 * cosine + cosine.T)([[0.0, 1.0]], [[3.0, 0.0]])
    array([[3.]])
    """

    function: Callable[[Array, Array], Array]
    is_mercer: bool | None = None
    is_symmetric: bool | None = None
    is_positive: bool | None = None
    is_nonnegative: bool | None = None
    dim: int | float | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"Custom(function=…) must be callable, got {self.function!r}")
        for name in ("is_mercer", "is_symmetric", "is_positive", "is_nonnegative"):
            if getattr(self, name) not in (True, False, None):
                told = f"Custom({name}=…) must be True, False or None"
                raise TypeError(f"{told}, got {getattr(self, name)!r}")
        if self.is_positive and self.is_nonnegative is False:
            raise ValueError("Custom: a positive kernel is non-negative")
        if self.is_mercer and self.is_symmetric is False:
            raise ValueError("Custom: a Mercer kernel is symmetric")
        implied = {"is_nonnegative": self.is_positive, "is_symmetric": self.is_mercer}
        for name, source in implied.items():
            if source and getattr(self, name) is None:
                object.__setattr__(self, name, True)

    def formula(self, x: Array, y: Array) -> Array:
        """f(x, y)."""
        gram = self.function(x, y)
        shape = tuple(getattr(gram, "shape", ()))
        if shape[-2:] != (x.shape[-2], y.shape[-2]):
            raise ValueError(
                f"{self!r} must give values of shape (..., {x.shape[-2]}, {y.shape[-2]}) for x "
                f"{tuple(x.shape)} and y {tuple(y.shape)}, got {shape or type(gram).__name__}"
            )
        return gram

    def feature_dim(self, d: int) -> FeatureDimension:
        """``dim``, whatever d."""
        return self.dim
