"""A bias for each key's norm, as an operation on kernels."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, field
from typing import final

from rkbs._arrays import Array, cast, check_kinds, is_tensor, namespace
from rkbs.kernels._composite import Wrapper
from rkbs.kernels._pairwise import (
    at_least_single,
    common_dtype,
    exponential,
    largest,
    product,
    saturated,
)
from rkbs.kernels._parameters import REAL, Parameter, Parametric, numbers, per_head
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.structure import FeatureDimension


@dataclass(frozen=True, eq=False)
class _NormBias(Parametric, Wrapper, abc.ABC):
    """κ(x, y) exp(b(x, y)), b = −τ times squared norms: factors of rows and columns.

    They leave signs and ranks as they are.
    """

    tau: Parameter = field(default=1.0, metadata=REAL)

    def __post_init__(self) -> None:
        check_kinds(self, kernel=Kernel)
        super().__post_init__()

    @abc.abstractmethod
    def _norms(self, x: Array, y: Array) -> Array:
        """The squared norms that are biased against, which broadcast to (..., n, m)."""

    def _bias(self, x: Array, y: Array) -> Array:
        return product(self._norms(x, y), -per_head(self, "tau", x, y) / math.sqrt(y.shape[-1]))

    def formula(self, x: Array, y: Array) -> Array:
        x, y = at_least_single(x), at_least_single(y)  # once: gradients of half are rounded once
        if self.is_positive:
            return exponential(self.log_formula(x, y))
        return product(self.kernel.formula(x, y), exponential(self._bias(x, y)))

    def log_formula(self, x: Array, y: Array) -> Array:
        x, y = at_least_single(x), at_least_single(y)
        logit, bias = self.kernel.log_formula(x, y), self._bias(x, y)
        total = saturated(logit + bias)
        if not is_tensor(total):
            return total
        # A norm beyond the range decides, whatever the logit: opposite infinities are not 0.
        kept = (abs(bias) < largest(total)) | logit.isnan()
        return namespace(total).where(kept, total, bias.detach())

    @property
    def _is_biased(self) -> bool:
        """τ ≠ 0, of a head at least."""
        return any(tau != 0 for tau in numbers(self.tau))

    def square_dim(self, d: int) -> FeatureDimension:
        """That of the kernel: the factor goes into ψ."""
        return self.kernel.square_dim(d)


@final
@dataclass(frozen=True, eq=False)
class KeyNormBias(_NormBias):
    """κ(q, k) exp(−τ ‖k‖²/√d): −τ ‖k‖²/√d added to the logit of key k.

    A factor per key. With it EDP of the queries 2τq is, row by row up to a factor, RBF(τ), so that
    a head of dimension 1 can single out any number of keys, where EDP singles out two (theory §5,
    L4). It is not the bias of a key projection, which softmax does not see.

    On a tensor a norm that overflows decides alone: for τ > 0 the logit of that key is −∞.

    Parameters
    ----------
    kernel : Kernel
    tau : number, or array of shape (H,)
        τ, any finite number; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, RBF
    >>> from rkbs.kernels import KeyNormBias
    >>> q, k = np.array([[0.5], [2.0]]), np.array([[0.0], [1.0], [2.0]])
    >>> ratio = KeyNormBias(EDP(), 1.0)(2 * q, k) / RBF(1.0)(q, k)
    >>> np.allclose(ratio, ratio[:, :1])  # a factor for each query, which attention divides by
    True
    """

    def _norms(self, x: Array, y: Array) -> Array:
        return _squared_norms(y, x)[..., None, :]

    @property
    def is_symmetric(self) -> bool | None:
        """As the kernel for τ = 0; a positive kernel that is symmetric no longer is for another."""
        if not self._is_biased:
            return self.kernel.is_symmetric
        return False if self.kernel.is_symmetric and self.kernel.is_positive else None

    @property
    def is_mercer(self) -> bool | None:
        if not self._is_biased:
            return self.kernel.is_mercer
        return False if self.is_symmetric is False else None

    def is_quasiconvex(self, d: int) -> bool | None:
        """For EDP with τ ≤ 0: the logit is linear in k and −τ ‖k‖² convex."""
        return True if isinstance(self.kernel, EDP) and max(numbers(self.tau)) <= 0 else None

    def selects_any(self, d: int) -> bool | None:
        """For EDP as for EDP itself, by keys of one norm; with τ > 0 as for RBF, for every d."""
        if not isinstance(self.kernel, EDP):
            return None
        return True if d > 1 or min(numbers(self.tau)) > 0 else None

    @property
    def domain_x(self) -> Kernel:
        """k_X of the kernel: the factor sits with the keys' features."""
        return self.kernel.domain_x

    @property
    def domain_y(self) -> Kernel:
        """k_Y(k, k') exp(−τ (‖k‖² + ‖k'‖²)/√d)."""
        return _BothNormsBias(self.kernel.domain_y, self.tau)


@final
@dataclass(frozen=True, eq=False)
class _BothNormsBias(_NormBias):
    """κ(x, y) exp(−τ (‖x‖² + ‖y‖²)/√d), a diagonal scaling: symmetric and Mercer where κ is."""

    def _norms(self, x: Array, y: Array) -> Array:
        return saturated(_squared_norms(x, y)[..., :, None] + _squared_norms(y, x)[..., None, :])


def _squared_norms(points: Array, others: Array) -> Array:
    """‖x_i‖², shape (..., n), in the precision of both sets of points; saturated."""
    points = cast(points, common_dtype(points, others))
    return saturated((points * points).sum(-1))
