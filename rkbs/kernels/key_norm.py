"""A bias for each key's norm, as an operation on kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from rkbs._arrays import Array
from rkbs.kernels._pairwise import at_least_single, exponential, product, saturated
from rkbs.kernels._parameters import check_parameter
from rkbs.kernels.base import FeatureDimension, Kernel
from rkbs.kernels.dot_product import EDP


@final
@dataclass(frozen=True)
class KeyNormBias(Kernel):
    """κ(q, k) exp(−τ ‖k‖²/√d): −τ ‖k‖²/√d added to the logit of key k.

    A factor per key. With it EDP of the queries 2τq is, row by row up to a factor, RBF(τ), so that
    a head of dimension 1 can single out any number of keys, where EDP singles out two (theory §5,
    L4). It is not the bias of a key projection, which softmax does not see.

    Parameters
    ----------
    kernel : Kernel
    tau : float or 0-d tensor
        τ, any finite number.

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

    kernel: Kernel
    tau: float = 1.0

    def __post_init__(self) -> None:
        check_parameter(self, "tau", positive=False)

    def _bias(self, y: Array) -> Array:
        """−τ ‖k_j‖²/√d, shape (..., 1, m)."""
        y = at_least_single(y)
        square = saturated((y * y).sum(-1))[..., None, :]
        return product(square, -self.tau / math.sqrt(y.shape[-1]))

    def formula(self, x: Array, y: Array) -> Array:
        if self.is_positive:
            return exponential(self.log_formula(x, y))
        return product(self.kernel.formula(x, y), exponential(self._bias(y)))

    def log_formula(self, x: Array, y: Array) -> Array:
        return saturated(self.kernel.log_formula(x, y) + self._bias(y))

    @property
    def is_positive(self) -> bool | None:
        return self.kernel.is_positive

    @property
    def is_nonnegative(self) -> bool | None:
        return self.kernel.is_nonnegative

    def feature_dim(self, d: int) -> FeatureDimension:
        """That of the kernel: a factor per key leaves ranks as they are."""
        return self.kernel.feature_dim(d)

    def rank_bound(self, d: int) -> FeatureDimension:
        return self.kernel.rank_bound(d)

    def square_dim(self, d: int) -> FeatureDimension:
        """That of the kernel: the factor goes into ψ."""
        return self.kernel.square_dim(d)

    def selects_any(self, d: int) -> bool | None:
        """For EDP as for EDP itself, by keys of one norm; with τ > 0 as for RBF, for every d."""
        if not isinstance(self.kernel, EDP):
            return None
        return True if d > 1 or self.tau > 0 else None

    @property
    def domain_x(self) -> Kernel:
        """k_X of the kernel: the factor sits with the keys' features."""
        return self.kernel.domain_x

    @property
    def domain_y(self) -> Kernel:
        """k_Y(k, k') exp(−τ (‖k‖² + ‖k'‖²)/√d)."""
        return KeyNormBias(KeyNormBias(self.kernel.domain_y, self.tau).T, self.tau)
