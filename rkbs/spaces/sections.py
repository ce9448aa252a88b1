"""Spans of kernel sections: norms of w = Σ ξ_i Φ(x_i) and the functions ℓ·ι(w) they stand for.

A representer theorem makes a function of n numbers ξ. What a solver asks of the space is here, and
its answers for explicit features; ``tensor_sections`` has those of the exact EDP space.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from rkbs._arrays import as_matrix, short_repr
from rkbs.spaces.lp import conjugate_exponent, duality_map, lp_norm

NormJet = tuple[float, np.ndarray, np.ndarray]
"""A norm of w = Σ ξ_i Φ(x_i) with its gradient and Hessian in ξ."""

NormCurve = tuple[float, np.ndarray, np.ndarray, float]
"""A norm s of w in its coordinates: s, ∇s, and a, b of ∇²s = diag(a) − b ∇s ∇sᵀ."""


class Sections(abc.ABC):
    """The features Φ(x_1), …, Φ(x_n), as elements of ℓ^q, q = p' for functions with the p-norm.

    A function of the space is ℓ·ι(w), of p-norm ℓ, which ``function`` builds; other functions may
    be of any kind that ``at_points`` and ``norm`` understand. Norms are smoothed by ε ≥ 0, which
    makes them twice differentiable; at ε = 0 they are the norms themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, FeatureSections, PowerFeatures, TensorSections
    >>> X, xi = np.array([[0.2], [-0.4], [0.7]]), np.array([1.0, -2.0, 0.5])
    >>> phi = PowerFeatures(EDP(), d=1, order=12)(X)
    >>> for sections in (FeatureSections(phi, p=4 / 3), TensorSections(X, m=2)):  # cut, and exact
    ...     f = sections.function(xi, length=2.0)
    ...     print(round(sections.norm(f), 6), sections.at_points(f).round(4))
    2.0 [ 0.2942 -0.8891  1.2805]
    2.0 [ 0.2942 -0.8891  1.2805]
    """

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """n, the number of points."""

    @abc.abstractmethod
    def dual_norm(self, xi: np.ndarray, epsilon: Any = 0.0) -> float:
        """‖Σ ξ_i Φ(x_i)‖_q, smoothed by ε."""

    def dual_norm_above(self, xi: np.ndarray) -> float:
        """An upper bound of ‖Σ ξ_i Φ(x_i)‖_q, for a dual objective that is a lower bound.

        The norm itself, where its rounding is that of a few operations.
        """
        return self.dual_norm(xi)

    @abc.abstractmethod
    def dual_jet(self, xi: np.ndarray, epsilon: Any) -> NormJet:
        """The smoothed norm with its gradient (n,) and Hessian (n, n)."""

    @property
    @abc.abstractmethod
    def rough(self) -> bool:
        """Whether ‖·‖_q lacks second derivatives (q < 2), and w or v are numbers (``dual_curve``).

        The norm ‖·‖_p of the functions has them then: coordinates v are the better unknowns.
        """

    @abc.abstractmethod
    def smoothing(self, size: np.ndarray) -> Any:
        """An ε of the scale of w, from the typical sizes (n,) of the coefficients ξ."""

    @abc.abstractmethod
    def function(self, xi: np.ndarray, length: float) -> Any:
        """The function ℓ·ι(w), w = Σ ξ_i Φ(x_i)."""

    @abc.abstractmethod
    def at_points(self, function: Any) -> np.ndarray:
        """f(x_1), …, f(x_n)."""

    @abc.abstractmethod
    def norm(self, function: Any) -> float:
        """‖f‖, or an upper bound of it where rounding matters."""

    @abc.abstractmethod
    def at_new_points(self, function: Any) -> Callable[[np.ndarray], np.ndarray]:
        """The function, to be called at new points: (N, d) → (N,)."""


@final
@dataclass(frozen=True, eq=False)
class FeatureFunction:
    """f = Σ_k v_k φ_k, of new points that are given by their features.

    Parameters
    ----------
    coefficients : array of shape (D,)
        v.
    """

    coefficients: np.ndarray

    __repr__ = short_repr

    def __call__(self, phi: np.ndarray) -> np.ndarray:
        """The function's values at points with the features ``phi``: (N, D) → (N,)."""
        phi, size = as_matrix(phi, "phi"), len(self.coefficients)
        if phi.shape[1] != size:
            raise ValueError(
                f"phi must have {size} columns, a feature per coefficient, got shape {phi.shape}"
            )
        return phi @ self.coefficients


@final
@dataclass(frozen=True, eq=False)
class FeatureSections(Sections):
    """Explicit features; a function is its coefficient vector v of shape (D,), ‖f‖ = ‖v‖_p.

    Smoothing replaces |w_k| by (w_k² + ε_k²)^{1/2}: the second derivative of ‖·‖_q, q < 2, is
    infinite at zero coordinates.

    Parameters
    ----------
    phi : array of shape (n, D)
    p : float
        The exponent of the functions' norm, 1 < p < ∞.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import FeatureSections
    >>> sections = FeatureSections(np.array([[1.0, 0.0], [1.0, 1.0]]), p=2.0)
    >>> v = sections.function(np.array([0.0, 1.0]), length=1.0)  # along Φ(x_2)
    >>> v.round(3), sections.at_points(v).round(3)
    (array([0.707, 0.707]), array([0.707, 1.414]))
    """

    phi: np.ndarray
    p: float

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "phi", as_matrix(self.phi, "phi").astype(float, copy=False))
        conjugate_exponent(self.p)

    @property
    def size(self) -> int:
        return len(self.phi)

    @cached_property
    def q(self) -> float:
        """The exponent of w."""
        return conjugate_exponent(self.p)

    @cached_property
    def active(self) -> np.ndarray:
        """The features that do not vanish on the data: only they are smoothed."""
        return self.phi[:, self.phi.any(0)]

    def dual_norm(self, xi: np.ndarray, epsilon: Any = 0.0) -> float:
        return lp_norm(np.hypot(xi @ self.active, epsilon), self.q)

    def dual_jet(self, xi: np.ndarray, epsilon: Any) -> NormJet:
        s, slope, diagonal, weight = self.dual_curve(xi @ self.active, epsilon)
        ds = self.active @ slope
        hessian = (self.active * diagonal) @ self.active.T
        return s, ds, hessian - weight * np.multiply.outer(ds, ds)

    def dual_curve(self, w: np.ndarray, epsilon: Any) -> NormCurve:
        """s = ‖(w² + ε²)^{1/2}‖_q in w itself: ∇s = slope, ∇²s = diag(a) − b ∇s ∇sᵀ."""
        soft = np.hypot(w, epsilon)
        s = lp_norm(soft, self.q)
        if s == 0:  # no feature is active: w = 0 whatever ξ
            return 0.0, np.zeros_like(w), np.zeros_like(w), 0.0
        power = (soft / s) ** (self.q - 2)
        diagonal = power / s * (1 + (self.q - 2) * (w / soft) ** 2)
        return s, power * w / s, diagonal, (self.q - 1) / s

    @property
    def rough(self) -> bool:
        return self.q < 2

    def smoothing(self, size: np.ndarray) -> np.ndarray:
        return (size + size.mean()) @ np.abs(self.active)

    def function(self, xi: np.ndarray, length: float) -> np.ndarray:
        return length * duality_map(xi @ self.phi, self.q)

    def lifted(self, active: np.ndarray) -> np.ndarray:
        """The function with these coefficients of the active features, and 0 at the others."""
        function = np.zeros(self.phi.shape[1])
        function[self.phi.any(0)] = active
        return function

    def at_points(self, function: np.ndarray) -> np.ndarray:
        if np.shape(function) != (self.phi.shape[1],):
            raise ValueError(
                f"a function must be its coefficients (v or u) of shape ({self.phi.shape[1]},), "
                f"one per feature, got shape {np.shape(function)}"
            )
        return self.phi @ function

    def norm(self, function: np.ndarray) -> float:
        return lp_norm(function, self.p)

    def at_new_points(self, function: np.ndarray) -> FeatureFunction:
        return FeatureFunction(function)
