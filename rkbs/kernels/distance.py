"""Kernels of a distance between q and k."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from rkbs._arrays import Array, as_matrix, check_count, check_number, is_tensor, namespace
from rkbs.kernels._pairwise import distance, intersection, largest, product, squared_distance
from rkbs.kernels._parameters import POSITIVE, Parameter, Parametric, per_head
from rkbs.kernels.base import Kernel, PositiveKernel
from rkbs.kernels.structure import FeatureDimension


@dataclass(frozen=True, eq=False)
class _DistanceKernel(Parametric, Kernel):
    """A function of τ and a distance between q and k: infinite-dimensional, whatever τ > 0."""

    tau: Parameter = field(default=1.0, metadata=POSITIVE)

    is_symmetric = True

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf


@final
@dataclass(frozen=True, eq=False)
class RBF(_DistanceKernel, PositiveKernel):
    """κ(q, k) = exp(−τ ‖q − k‖²/√d).

    Source: theory §5. Mercer, infinite-dimensional. The exponent has attention's 1/√d: γ of
    exp(−γ ‖q − k‖²), as scikit-learn has it, is τ/√d. With d features of one size ‖q − k‖² grows as
    d, the exponent as √d: a τ that suits 4 features is 10 times too narrow for 400. ``from_gamma``
    converts, ``from_median`` takes τ from points.

    Parameters
    ----------
    tau : number, or array of shape (H,)
        τ > 0, an inverse squared length; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> from rkbs import RBF
    >>> RBF(tau=0.5)([[0.0]], [[0.0], [1.0], [2.0]]).round(3)
    array([[1.   , 0.607, 0.135]])
    """

    is_mercer = True

    @classmethod
    def from_gamma(cls, gamma: float, d: int) -> RBF:
        """exp(−γ ‖q − k‖²) for points of R^d, scikit-learn's ``rbf_kernel``: τ = γ √d.

        Examples
        --------
        >>> from rkbs import RBF
        >>> RBF.from_gamma(0.25, d=16)
        RBF(tau=1.0)
        """
        gamma = check_number(gamma, "gamma", above=0.0)
        return cls(gamma * math.sqrt(check_count(d, "d")))

    @classmethod
    def from_median(cls, X: Any, *, most: int = 1000, seed: int = 0) -> RBF:
        """The kernel with 1/e at the median of ‖x_i − x_j‖² over i < j: τ = √d / median.

        A rule to start from, and the middle of a grid for cross-validation.

        Parameters
        ----------
        X : array of shape (n, d)
            The points of the domain, each entity once.
        most : int
            Of more rows than these so many are taken at random.
        seed : int
            Of this choice.

        Raises
        ------
        ValueError
            For one point, and where half of all pairs of points are equal.

        Examples
        --------
        >>> from rkbs import RBF
        >>> RBF.from_median([[0.0], [1.0], [3.0]])  # of 1, 4 and 9
        RBF(tau=0.25)
        """
        points, most = as_matrix(X, "X").astype(float), check_count(most, "most", 2)
        if len(points) > most:
            rng = np.random.default_rng(check_count(seed, "seed", 0))
            points = points[rng.choice(len(points), most, replace=False)]
        exponent = math.frexp(float(np.abs(points).max()))[1] - 1
        size = math.ldexp(1.0, exponent)  # of the points, and no square of theirs overflows
        points = points / size
        square = squared_distance(points, points)[np.triu_indices(len(points), 1)]
        median = float(np.median(square)) if square.size else 0.0
        if median == 0:
            raise ValueError(
                f"X must hold points of which most differ, got {len(points)} with the median "
                "distance 0: pass each point once, np.unique(X, axis=0)"
            )
        return cls(math.sqrt(points.shape[1]) / median / size / size)

    def selects_any(self, d: int) -> bool:
        """By queries that are their keys, far apart."""
        return True

    def log_formula(self, x: Array, y: Array) -> Array:
        return product(
            squared_distance(x, y), -per_head(self, "tau", x, y) / math.sqrt(x.shape[-1])
        )


@final
@dataclass(frozen=True, eq=False)
class Cauchy(_DistanceKernel, PositiveKernel):
    """κ(q, k) = 1/(1 + τ ‖q − k‖²/√d), the Cauchy or rational quadratic kernel.

    ∫ e^{−u} exp(−uτ ‖q − k‖²/√d) du over u ≥ 0, a mixture of RBFs: Mercer, infinite-dimensional,
    with weights that fall as a power of the distance.

    Parameters
    ----------
    tau : number, or array of shape (H,)
        τ > 0, an inverse squared length; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> from rkbs.kernels import Cauchy
    >>> Cauchy(tau=1.0)([[0.0]], [[0.0], [1.0], [3.0]])
    array([[1. , 0.5, 0.1]])
    """

    is_mercer = True

    def selects_any(self, d: int) -> bool:
        """By queries that are their keys, far apart."""
        return True

    def log_formula(self, x: Array, y: Array) -> Array:
        square = product(
            squared_distance(x, y), per_head(self, "tau", x, y) / math.sqrt(x.shape[-1])
        )
        log = namespace(square).log1p(square)
        return -(
            log.masked_fill(square >= largest(square), largest(square)) if is_tensor(x) else log
        )


@final
@dataclass(frozen=True, eq=False)
class L2Distance(_DistanceKernel):
    """κ(q, k) = τ ‖q − k‖/√d, which grows with the distance.

    Source: theory §5. Symmetric with a zero diagonal, hence never positive semi-definite; the
    distance matrix of n distinct points is non-singular for n ≥ 2 (Micchelli 1986), so the rank
    is not bounded.

    Parameters
    ----------
    tau : number, or array of shape (H,)
        τ > 0, an inverse length; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> from rkbs import L2Distance, inspect
    >>> L2Distance().is_mercer, inspect(L2Distance(), [[0.0], [1.0], [2.0], [4.0]]).inertia
    (False, (1, 0, 3))
    """

    is_mercer = False
    is_positive = False
    is_nonnegative = True
    is_metric = True

    def is_quasiconvex(self, d: int) -> bool:
        """It is convex in k."""
        return True

    def formula(self, x: Array, y: Array) -> Array:
        return product(distance(x, y, 2), per_head(self, "tau", x, y) / math.sqrt(x.shape[-1]))


@final
@dataclass(frozen=True, eq=False)
class Laplace(_DistanceKernel, PositiveKernel):
    """κ(q, k) = exp(−τ ‖q − k‖₁), the Laplace kernel on the L1 distance.

    A product of one-dimensional Laplace kernels, hence Mercer in every dimension.

    Parameters
    ----------
    tau : number, or array of shape (H,)
        τ > 0, an inverse length; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> from rkbs import Laplace
    >>> Laplace(tau=0.5)([[0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]).round(3)
    array([[1.   , 0.368, 0.368]])
    """

    is_mercer = True

    def selects_any(self, d: int) -> bool:
        """By queries that are their keys, far apart."""
        return True

    def log_formula(self, x: Array, y: Array) -> Array:
        return product(distance(x, y, 1), -per_head(self, "tau", x, y))


@final
@dataclass(frozen=True)
class ExponentiatedIntersection(PositiveKernel):
    """κ(q, k) = exp(Σ_l min(q_l, k_l)).

    Source: theory §5. Σ min(q, k) = ½Σq + ½Σk − ½‖q − k‖₁ shows the kernel to be a Laplace kernel
    between two diagonal scalings: Mercer on all of R^d, not only where the coordinates are
    positive. It is not computed so, since the right side cancels.

    Examples
    --------
    >>> from rkbs import ExponentiatedIntersection
    >>> ExponentiatedIntersection().log([[2.0, 3.0]], [[1.0, 5.0]])  # the overlap of two histograms
    array([[4.]])
    """

    is_mercer = True
    is_symmetric = True
    is_increasing = True

    def log_formula(self, x: Array, y: Array) -> Array:
        return intersection(x, y)

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf

    def is_quasiconvex(self, d: int) -> bool | None:
        """For d = 1, where it increases in k."""
        return True if d == 1 else None

    def selects_any(self, d: int) -> bool:
        """For d ≥ 2, by queries that are their keys, far apart on a line (j, −j)."""
        return d > 1
