"""Kernels of a distance between q and k."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from rkbs._arrays import Array, at_least_single, distance, squared_distance
from rkbs.kernels.base import FeatureDimension, Kernel, PositiveKernel, check_parameter


@final
@dataclass(frozen=True)
class RBF(PositiveKernel):
    """κ(q, k) = exp(−τ ‖q − k‖²/√d).

    Source: theory §5. Mercer, infinite-dimensional.

    Parameters
    ----------
    tau : float or 0-d tensor
        τ > 0, an inverse squared length.
    """

    tau: float = 1.0

    is_mercer = True
    is_symmetric = True

    def __post_init__(self) -> None:
        check_parameter(self, "tau", positive=True)

    @at_least_single
    def _log_gram(self, x: Array, y: Array) -> Array:
        return squared_distance(x, y) * (-self.tau / math.sqrt(x.shape[-1]))

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf


@final
@dataclass(frozen=True)
class L2Distance(Kernel):
    """κ(q, k) = τ ‖q − k‖/√d, which grows with the distance.

    Source: theory §5. Symmetric with a zero diagonal, hence never positive semi-definite; the
    distance matrix of n distinct points is non-singular for n ≥ 2 (Micchelli 1986), so the rank
    is not bounded.

    Parameters
    ----------
    tau : float or 0-d tensor
        τ > 0, an inverse length.
    """

    tau: float = 1.0

    is_mercer = False
    is_symmetric = True
    is_positive = False
    is_nonnegative = True

    def __post_init__(self) -> None:
        check_parameter(self, "tau", positive=True)

    @at_least_single
    def _gram(self, x: Array, y: Array) -> Array:
        return distance(x, y, 2) * (self.tau / math.sqrt(x.shape[-1]))

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf


@final
@dataclass(frozen=True)
class Laplace(PositiveKernel):
    """κ(q, k) = exp(−τ ‖q − k‖₁), the Laplace kernel on the L1 distance.

    A product of one-dimensional Laplace kernels, hence Mercer in every dimension.

    Parameters
    ----------
    tau : float or 0-d tensor
        τ > 0, an inverse length.
    """

    tau: float = 1.0

    is_mercer = True
    is_symmetric = True

    def __post_init__(self) -> None:
        check_parameter(self, "tau", positive=True)

    @at_least_single
    def _log_gram(self, x: Array, y: Array) -> Array:
        return distance(x, y, 1) * (-self.tau)

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf


@final
@dataclass(frozen=True)
class ExponentiatedIntersection(PositiveKernel):
    """κ(q, k) = exp(Σ_l min(q_l, k_l)).

    Source: theory §5. Computed as Σ min(q, k) = ½Σq + ½Σk − ½‖q − k‖₁, which needs no n × m × d
    array and shows the kernel to be a Laplace kernel between two diagonal scalings: Mercer on
    all of R^d, not only where the coordinates are positive.
    """

    is_mercer = True
    is_symmetric = True

    @at_least_single
    def _log_gram(self, x: Array, y: Array) -> Array:
        return (x.sum(-1)[..., :, None] + y.sum(-1)[..., None, :] - distance(x, y, 1)) / 2

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf
