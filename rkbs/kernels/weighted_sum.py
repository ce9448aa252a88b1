"""Several kernels of one domain, with weights that are parameters."""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Sequence
from typing import Any, Literal, final

from rkbs._arrays import Array, as_real, kind_error
from rkbs.kernels.algebra import Scaled
from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension

ALIGNF = "alignf"
"""What stands for weights that a machine is to learn."""


@final
@dataclasses.dataclass(frozen=True)
class WeightedSum(Kernel):
    """κ(x, y) = Σ_m w_m κ_m(x, y), w_m ≥ 0: several kernels, or several similarities, of a domain.

    The weights are one parameter, which a search can set: ``kernel_x__weights``, beside those of
    the kernels, ``kernel_x__kernels__0__tau``. With ``weights="alignf"`` a machine learns them in
    each fit, from the responses and the Gram matrices of its training points alone; see
    ``alignment_weights``, and ``machine.kernel_x_.weights`` for what it found.

    Parameters
    ----------
    kernels : sequence of Kernel
        On the same points. Several ``Precomputed`` matrices take row numbers as points.
    weights : sequence of float, or "alignf"
        Not negative, and not all 0, one for each kernel.

    Raises
    ------
    TypeError, ValueError
        Naming what does not fit.

    Examples
    --------
    >>> from rkbs.kernels import RBF, Linear, WeightedSum
    >>> kernel = WeightedSum((RBF(), Linear()), (0.5, 2.0))
    >>> kernel([[1.0]], [[1.0], [3.0]]).round(3), kernel.is_mercer
    (array([[2.5  , 6.009]]), True)
    """

    kernels: Sequence[Kernel]
    weights: Sequence[float] | Literal["alignf"]
    _whole: Kernel = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernels", as_kernels(self.kernels))
        object.__setattr__(self, "weights", _as_weights(self.weights, len(self.kernels)))
        terms = self.kernels if self.learns_weights else _weighted(self.kernels, self.weights)
        # A kernel among the attributes, so that whoever looks for parts of a kernel finds them.
        object.__setattr__(self, "_whole", functools.reduce(operator.add, terms))

    @property
    def learns_weights(self) -> bool:
        """Whether a machine is to learn the weights."""
        return self.weights == ALIGNF

    @property
    def _sum(self) -> Kernel:
        """The same in terms of the algebra, without kernels of weight 0."""
        if self.learns_weights:
            raise ValueError(
                f"the weights of {self!r} are learned by a machine, as whose kernel_x or kernel_y, "
                "by itself, it is to be passed; machine.kernel_x_ has them then. To find them "
                "without one, call rkbs.kernels.alignment_weights"
            )
        return self._whole

    def formula(self, x: Array, y: Array) -> Array:
        return self._sum.formula(x, y)

    def log_formula(self, x: Array, y: Array) -> Array:
        return self._sum.log_formula(x, y)

    def _share(self, structure: str) -> bool | None:
        """What all kernels have in common, where the weights are not known."""
        if self.learns_weights:
            return True if all(getattr(k, structure) for k in self.kernels) else None
        return getattr(self._sum, structure)

    @property
    def is_mercer(self) -> bool | None:
        return self._share("is_mercer")

    @property
    def is_symmetric(self) -> bool | None:
        return self._share("is_symmetric")

    @property
    def is_positive(self) -> bool | None:
        return self._share("is_positive")

    @property
    def is_nonnegative(self) -> bool | None:
        return self._share("is_nonnegative")

    def feature_dim(self, d: int) -> FeatureDimension:
        """That of the sum; None where the weights are not known."""
        return None if self.learns_weights else self._sum.feature_dim(d)

    def rank_bound(self, d: int) -> FeatureDimension:
        """As ``feature_dim``."""
        return None if self.learns_weights else self._sum.rank_bound(d)

    def square_dim(self, d: int) -> FeatureDimension:
        """As ``feature_dim``."""
        return None if self.learns_weights else self._sum.square_dim(d)

    @property
    def logit_spread(self) -> float | None:
        """As ``feature_dim``."""
        return None if self.learns_weights else self._sum.logit_spread

    @property
    def domain_x(self) -> Kernel:
        """Σ w_m k_X of the kernels: of the direct sum of their feature spaces."""
        return WeightedSum([kernel.domain_x for kernel in self.kernels], self.weights)

    @property
    def domain_y(self) -> Kernel:
        """Σ w_m k_Y of the kernels."""
        return WeightedSum([kernel.domain_y for kernel in self.kernels], self.weights)


def combine(
    kernels: Sequence[Kernel], weights: Sequence[float] | Literal["alignf"] | None = None
) -> WeightedSum:
    """``WeightedSum`` of several kernels, by default their mean.

    Parameters
    ----------
    kernels : sequence of Kernel
    weights : sequence of float, "alignf" or None, default=None
        As in ``WeightedSum``; None: the same weight for all, of sum 1.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, BinaryKernelRidge, Linear, Pairs
    >>> from rkbs.kernels import combine
    >>> x, y = np.linspace(-1, 1, 9)[:, None], np.linspace(0, 1, 6)[:, None]
    >>> machine = BinaryKernelRidge(combine([RBF(), Linear()], "alignf"), RBF())
    >>> machine = machine.fit(Pairs.grid(x, y), x * np.cos(y.T))  # linear in x
    >>> np.round(machine.kernel_x_.weights, 3)
    array([0.   , 2.133])
    """
    kernels = as_kernels(kernels)
    return WeightedSum(kernels, [1 / len(kernels)] * len(kernels) if weights is None else weights)


def as_kernels(kernels: Any) -> tuple[Kernel, ...]:
    """At least one kernel, as a tuple; else an error that names ``kernels``."""
    if isinstance(kernels, Kernel) or not isinstance(kernels, Sequence):
        raise TypeError(f"kernels must be a list or tuple of kernels, got {kernels!r}")
    for kernel in kernels:
        if not isinstance(kernel, Kernel):
            raise kind_error(kernel, "each of kernels", Kernel)
    if not kernels:
        raise ValueError("kernels must hold at least one kernel, got none")
    return tuple(kernels)


def _weighted(kernels: Sequence[Kernel], weights: Any) -> list[Kernel]:
    return [Scaled(kernel, w) for kernel, w in zip(kernels, weights, strict=True) if w]


def _as_weights(weights: Any, count: int) -> tuple[float, ...] | Literal["alignf"]:
    if isinstance(weights, str):
        if weights == ALIGNF:
            return ALIGNF
        raise ValueError(f'weights must be numbers, or "alignf", got {weights!r}')
    numbers = as_real(weights, "weights")
    if numbers.shape != (count,):
        raise ValueError(
            f"weights must have shape ({count},), one for each kernel, got {numbers.shape}"
        )
    weights = numbers.tolist()
    if min(weights) < 0 or max(weights) == 0:
        raise ValueError(
            f"weights must not be negative, nor all 0, got {weights}; a difference of kernels is "
            "written a + -1.0 * b"
        )
    return tuple(weights)
