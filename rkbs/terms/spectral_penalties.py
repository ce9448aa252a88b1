"""Penalties of an operator by its singular values: value, slope, curvature, conjugate and prox."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import final

import numpy as np

from rkbs._arrays import check_number


class SpectralPenalty(abc.ABC):
    """Ω(M) = Σ_k φ(σ_k(M)), φ convex and increasing on [0, ∞) with φ(0) = 0.

    Everything acts on arrays of singular values σ ≥ 0 (of M) or s ≥ 0 (of a dual matrix G); the
    matrix functions have the same singular vectors: ∇Ω(U diag(σ) Vᵀ) = U diag(φ'(σ)) Vᵀ, and
    Ω*(G) = Σ_k φ*(s_k(G)).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Schatten
    >>> sigma = np.array([3.0, 1.0])
    >>> for penalty in (Schatten(1.0), Schatten(1.5), Schatten(2.0)):  # Ω + Ω* = ⟨σ, ∇Ω⟩
    ...     s = penalty.gradient(sigma)
    ...     print(bool(np.isclose(penalty.value(sigma) + penalty.conjugate(s), sigma @ s)))
    True
    True
    True
    """

    @property
    @abc.abstractmethod
    def is_twice_differentiable(self) -> bool:
        """Whether φ'(0) = 0 and φ'' exists on all of [0, ∞): then Ω is twice differentiable."""

    @property
    @abc.abstractmethod
    def is_dual_twice_differentiable(self) -> bool:
        """The same for φ* and Ω*."""

    @property
    @abc.abstractmethod
    def slope_at_zero(self) -> float:
        """φ'(0) from the right: M = 0 is optimal where the loss pulls with no more than α φ'(0)."""

    @abc.abstractmethod
    def value(self, sigma: np.ndarray) -> float:
        """Ω = Σ φ(σ_k)."""

    @abc.abstractmethod
    def gradient(self, sigma: np.ndarray) -> np.ndarray:
        """φ'(σ), at 0 from the right."""

    @abc.abstractmethod
    def curvature(self, sigma: np.ndarray) -> np.ndarray:
        """φ''(σ); infinite at 0 where Ω is not twice differentiable."""

    @abc.abstractmethod
    def conjugate(self, s: np.ndarray) -> float:
        """Ω* = Σ φ*(s_k), φ*(s) = sup_σ (sσ − φ(σ)); infinite outside its domain."""

    @abc.abstractmethod
    def gradient_conjugate(self, s: np.ndarray) -> np.ndarray:
        """(φ*)'(s): the σ whose slope is s.

        Raises
        ------
        ValueError
            Where φ* has no derivative, so that s does not tell σ.
        """

    @abc.abstractmethod
    def curvature_conjugate(self, s: np.ndarray) -> np.ndarray:
        """(φ*)''(s); errors as in ``gradient_conjugate``."""

    @abc.abstractmethod
    def prox(self, sigma: np.ndarray, step: float) -> np.ndarray:
        """argmin_t step · φ(t) + ½ (t − σ)², step > 0."""

    @abc.abstractmethod
    def into_domain(self, s: np.ndarray) -> float:
        """The largest θ ≤ 1 for which Ω*(θs) is safely finite, a hair of rounding inside."""


@final
@dataclass(frozen=True)
class Schatten(SpectralPenalty):
    """Ω(M) = ‖M‖_{S_p}^p / p = Σ σ_k^p / p; p = 1 is the nuclear norm, p = 2 is ½‖M‖_F².

    Ω*(G) = ‖G‖_{S_q}^q / q with 1/p + 1/q = 1; for p = 1 it is 0 where the operator norm is at most
    1, and infinite beyond.

    Parameters
    ----------
    p : float
        1 ≤ p < ∞. With p = 1 the solution has low rank; with p > 1 the penalty is strictly convex
        and smooth, as Theorem 1 supposes.

    Raises
    ------
    TypeError, ValueError
        If p is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Schatten
    >>> sigma = np.array([3.0, 1.0, 0.25])
    >>> Schatten(1.0).prox(sigma, 0.5), Schatten(2.0).prox(sigma, 1.0)  # cut, or shrunk
    (array([2.5, 0.5, 0. ]), array([1.5  , 0.5  , 0.125]))
    """

    p: float = 1.0

    def __post_init__(self) -> None:
        if self.p == math.inf:
            raise ValueError(
                "p must be finite, got inf: σ^p/p has no limit but the constraint σ ≤ 1, which "
                "penalizes nothing inside it and leaves the minimizer not unique"
            )
        check_number(self.p, "p", least=1.0)

    @property
    def p_conjugate(self) -> float:
        """q = p/(p − 1), infinite for p = 1."""
        return self.p / (self.p - 1) if self.p > 1 else math.inf

    @property
    def is_twice_differentiable(self) -> bool:
        return self.p >= 2

    @property
    def is_dual_twice_differentiable(self) -> bool:
        return 1 < self.p <= 2

    @property
    def slope_at_zero(self) -> float:
        return 1.0 if self.p == 1 else 0.0

    # Powers overflow for p near 1, or large, at points that a line search tries: infinity is right.
    def value(self, sigma: np.ndarray) -> float:
        with np.errstate(over="ignore"):
            return float((sigma**self.p).sum() / self.p)

    def gradient(self, sigma: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return sigma ** (self.p - 1)

    def curvature(self, sigma: np.ndarray) -> np.ndarray:
        return _power_slope(sigma, self.p - 1)

    def conjugate(self, s: np.ndarray) -> float:
        if self.p == 1:
            return 0.0 if s.max(initial=0.0) <= 1 else math.inf
        with np.errstate(over="ignore"):  # q is huge for p near 1, and infinity the right answer
            return float((s**self.p_conjugate).sum() / self.p_conjugate)

    def gradient_conjugate(self, s: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return s ** (1 / self._conjugate_needs_power())

    def curvature_conjugate(self, s: np.ndarray) -> np.ndarray:
        return _power_slope(s, 1 / self._conjugate_needs_power())

    def _conjugate_needs_power(self) -> float:
        if self.p == 1:
            raise ValueError(
                "p must be above 1 for a derivative of Ω*: at s = 1 the nuclear norm's conjugate "
                "jumps to infinity"
            )
        return self.p - 1

    def prox(self, sigma: np.ndarray, step: float) -> np.ndarray:
        """The root of t + step · t^{p−1} = σ; for p = 1 max(σ − step, 0)."""
        if self.p == 1:
            return np.maximum(sigma - step, 0.0)
        if self.p >= 2:
            return _root(sigma, 1.0, step, self.p - 1)
        # In u = t^{p−1} the equation is convex, and Newton's method safe, for p < 2 too.
        power = 1 / (self.p - 1)
        return _root(sigma, step, 1.0, power) ** power

    def into_domain(self, s: np.ndarray) -> float:
        if self.p > 1:
            return 1.0
        # An SVD's largest value is known to a few n · eps, and the certificate takes another one.
        return 1 / max(1.0, s.max(initial=0.0) * (1 + 1e-14 + 1e-15 * len(s)))


def _power_slope(t: np.ndarray, power: float) -> np.ndarray:
    """d/dt t^power for t ≥ 0; at 0 the limit, infinite for power < 1."""
    if power == 0:
        return np.zeros_like(t)
    with np.errstate(divide="ignore"):
        return power * t ** (power - 1)


def _root(sigma: np.ndarray, a: float, b: float, power: float) -> np.ndarray:
    """The u ≥ 0 with a u + b u^power = σ, power ≥ 1, a, b > 0, by Newton's method from above.

    The left side is convex and increasing, so from a point above the root the iterates decrease to
    it. Each term alone must not exceed σ, which gives a start at most twice the root.
    """
    u = np.minimum(sigma / a, (sigma / b) ** (1 / power))
    for _ in range(60):
        move = (a * u + b * u**power - sigma) / (a + b * power * u ** (power - 1))
        u = np.maximum(u - move, 0.0)
        if (np.abs(move) <= 4 * np.finfo(float).eps * u).all():
            break
    return u
