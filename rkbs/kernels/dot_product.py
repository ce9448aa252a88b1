"""Kernels of the scaled dot product: κ(q, k) = Σ_n c_n aⁿ with a = q·k/√d."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import final

from rkbs._arrays import Array, check_count, dot, namespace
from rkbs.kernels.base import FeatureDimension, Kernel, PositiveKernel, check_parameter


def scaled_dot(x: Array, y: Array) -> Array:
    """a_ij = x_i·y_j / √d, shape (..., n, m)."""
    return dot(x, y) / math.sqrt(x.shape[-1])


class DotProductKernel(Kernel):
    """κ(q, k) = Σ_n c_n aⁿ, a = q·k/√d: a kernel with power features (``rkbs.features``)."""

    is_symmetric = True

    @abc.abstractmethod
    def power_coefficients(self, order: int) -> tuple[Fraction | float, ...]:
        """(c_0, …, c_order), exact (``Fraction``) where the coefficients are rational."""

    @property
    @abc.abstractmethod
    def degree(self) -> int | float:
        """The highest n with c_n ≠ 0, ``math.inf`` for a series that does not end."""


@final
@dataclass(frozen=True)
class EDP(DotProductKernel, PositiveKernel):
    """κ(q, k) = exp(q·k/√d), the exponentiated dot product: attention's kernel.

    Source: Wright & Gonzalez (2021), eq. (5); theory §2. Mercer as a function of (q, k); with
    q = W^Q t and k = W^K s it is ``EDP().pullback(WQ, WK)``, and W^Q ≠ W^K takes that away.
    """

    is_mercer = True
    degree = math.inf

    def _log_gram(self, x: Array, y: Array) -> Array:
        return scaled_dot(x, y)

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """c_n = 1/n!."""
        return tuple(Fraction(1, math.factorial(n)) for n in range(order + 1))

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf


@final
@dataclass(frozen=True)
class TaylorEDP(DotProductKernel):
    """κ(q, k) = Σ_{n ≤ N} aⁿ/n!, a = q·k/√d: EDP cut at order N.

    Positive for even N (its minimum is at a point where the next-lower polynomial vanishes, and
    there it equals a^N/N! > 0); odd orders change sign. Source: theory §2 and §5.

    Parameters
    ----------
    order : int
        N ≥ 0.
    """

    order: int

    is_mercer = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", check_count(self.order, "TaylorEDP(order=…)", 0))

    @property
    def degree(self) -> int:
        """N."""
        return self.order

    @property
    def is_positive(self) -> bool:
        return self.order % 2 == 0

    @property
    def is_nonnegative(self) -> bool:
        return self.is_positive

    def _gram(self, x: Array, y: Array) -> Array:
        a = scaled_dot(x, y)
        total = namespace(a).ones_like(a)
        for n in range(self.order, 0, -1):  # Horner: 1 + a/1 (1 + a/2 (1 + …))
            total = 1 + a / n * total
        return total

    def _log_gram(self, x: Array, y: Array) -> Array:
        # For |a| > N the power a^N/N! is taken out before the sum is formed, so that a logit of
        # 1e4 does not overflow: p(a) = a^N/N! (1 + N/a + N(N−1)/a² + …), N even, no term above 1.
        xp = namespace(x)
        a = scaled_dot(x, y)
        large = abs(a) > max(self.order, 1)
        inside, outside = xp.where(large, 0 * a, a), xp.where(large, a, 0 * a + 1)
        low, high = xp.ones_like(a), xp.ones_like(a)
        for n in range(self.order, 0, -1):
            low = 1 + inside / n * low
        for n in range(1, self.order + 1):
            high = 1 + n / outside * high
        power = self.order * xp.log(abs(outside)) - math.lgamma(self.order + 1)
        return xp.where(large, power + xp.log(high), xp.log(low))

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """c_n = 1/n! for n ≤ N, else 0."""
        return tuple(
            Fraction(1, math.factorial(n)) if n <= self.order else Fraction(0)
            for n in range(order + 1)
        )

    def feature_dim(self, d: int) -> int:
        """C(d + N, N), the number of monomials of degree ≤ N in d variables."""
        return math.comb(d + self.order, self.order)


@final
@dataclass(frozen=True)
class Quadratic(DotProductKernel):
    """κ(q, k) = (q·k/√d + γ)².

    Source: theory §5. Mercer iff γ ≥ 0: for γ < 0 the linear coefficient 2γ is negative.

    Parameters
    ----------
    gamma : float or 0-d tensor
        γ, any finite number.
    """

    gamma: float = 1.0

    is_positive = False
    is_nonnegative = True
    degree = 2

    def __post_init__(self) -> None:
        check_parameter(self, "gamma", positive=False)

    def _gram(self, x: Array, y: Array) -> Array:
        return (scaled_dot(x, y) + self.gamma) ** 2

    @property
    def is_mercer(self) -> bool:
        return bool(self.gamma >= 0)

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """(γ², 2γ, 1, 0, …), exact for the binary fraction that γ is."""
        gamma = Fraction(float(self.gamma))
        series = (gamma * gamma, 2 * gamma, Fraction(1))
        return (*series, *(Fraction(0),) * (order - 2))[: order + 1]

    def feature_dim(self, d: int) -> int:
        """C(d + 2, 2), or C(d + 1, 2) for γ = 0."""
        return math.comb(d + 2, 2) if self.gamma != 0 else math.comb(d + 1, 2)

    @property
    def domain_x(self) -> Kernel:
        """(q·q'/√d + |γ|)²: the sign of γ sits with one of the two feature maps."""
        return replace(self, gamma=abs(self.gamma))

    @property
    def domain_y(self) -> Kernel:
        """(k·k'/√d + |γ|)²."""
        return self.domain_x


@final
@dataclass(frozen=True)
class Linear(DotProductKernel):
    """κ(q, k) = q·k/√d, the logit of attention taken as a kernel."""

    is_mercer = True
    is_positive = False
    is_nonnegative = False
    degree = 1

    def _gram(self, x: Array, y: Array) -> Array:
        return scaled_dot(x, y)

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """(0, 1, 0, …)."""
        return tuple(Fraction(int(n == 1)) for n in range(order + 1))

    def feature_dim(self, d: int) -> int:
        """The dimension d."""
        return d
