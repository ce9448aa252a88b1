"""Derivatives of matrix functions that act on singular values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

_NEAR = 1e-5
"""Singular values this near, relatively, get f' at their mean: the error is its square."""


@final
@dataclass(frozen=True, eq=False)
class SpectralDerivative:
    """E ↦ d/dt f(M + tE) at t = 0, for f(P diag(σ) Qᵀ) = P diag(f(σ)) Qᵀ with f(0) = 0.

    With W = Pᵀ E Q it multiplies the symmetric part of the square block of W by
    (f(σ_k) − f(σ_l))/(σ_k − σ_l), the antisymmetric part by (f(σ_k) + f(σ_l))/(σ_k + σ_l), and what
    is left of W, in a rectangular M, by f(σ_k)/σ_k. For f increasing it is self-adjoint and
    positive semi-definite.

    Attributes
    ----------
    P, Qt : arrays of shape (r_x, r_x), (r_y, r_y)
        All left and right singular vectors.
    symmetric, antisymmetric : arrays of shape (m, m), m = min(r_x, r_y)
    edge : array of shape (m,)

    Source: Daleckii & Krein (1965); Lewis & Sendov (2005).
    """

    P: np.ndarray
    Qt: np.ndarray
    symmetric: np.ndarray
    antisymmetric: np.ndarray
    edge: np.ndarray

    @classmethod
    def of(
        cls,
        svd: tuple[np.ndarray, np.ndarray, np.ndarray],
        function: Callable[[np.ndarray], np.ndarray],
        slope: Callable[[np.ndarray], np.ndarray],
    ) -> SpectralDerivative:
        """From all singular vectors of M (``full_matrices=True``), f and f'."""
        P, sigma, Qt = svd
        value = function(sigma)
        a, b = sigma[:, None], sigma[None, :]
        near = np.abs(a - b) <= _NEAR * (a + b)
        quotient = (value[:, None] - value[None, :]) / np.where(near, 1.0, a - b)
        symmetric = np.where(near, slope((a + b) / 2), quotient)
        zero = a + b == 0
        sums = (value[:, None] + value[None, :]) / np.where(zero, 1.0, a + b)
        antisymmetric = np.where(zero, slope(np.zeros(1)), sums)
        edge = np.where(sigma > 0, value / np.where(sigma > 0, sigma, 1.0), slope(np.zeros(1)))
        return cls(P, Qt, symmetric, antisymmetric, edge)

    def sqrt(self) -> SpectralDerivative:
        """The positive square root of the linear map."""
        roots = (np.sqrt(x) for x in (self.symmetric, self.antisymmetric, self.edge))
        return SpectralDerivative(self.P, self.Qt, *roots)

    @cached_property
    def weights(self) -> np.ndarray:
        """What multiplies W itself, apart from Wᵀ: (r_x, r_y)."""
        m = len(self.edge)
        weights = np.empty((len(self.P), len(self.Qt)))
        weights[:m, :m] = (self.symmetric + self.antisymmetric) / 2
        weights[m:, :m] = self.edge  # one of these two is empty
        weights[:m, m:] = self.edge[:, None]
        return weights

    def __call__(self, E: np.ndarray) -> np.ndarray:
        W, m = self.P.T @ E @ self.Qt.T, len(self.edge)
        changed = self.weights * W
        changed[:m, :m] += (self.symmetric - self.antisymmetric) / 2 * W[:m, :m].T
        return self.P @ changed @ self.Qt

    def diagonal(self) -> np.ndarray:
        """About ⟨E_ab, D E_ab⟩ for the unit matrices E_ab, (r_x, r_y): for a preconditioner.

        The coupling of W with Wᵀ, by symmetric − antisymmetric, is left out.
        """
        return (self.P * self.P) @ self.weights @ (self.Qt * self.Qt)
