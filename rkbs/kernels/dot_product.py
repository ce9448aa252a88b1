"""Kernels of the scaled dot product: κ(q, k) = Σ_n c_n aⁿ with a = q·k/√d."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import final

import numpy as np
from numpy.polynomial import laguerre

from rkbs._arrays import Array, check_count, namespace
from rkbs.kernels._pairwise import dot, held, largest, saturated
from rkbs.kernels._parameters import (
    REAL,
    Parameter,
    Parametric,
    absolute,
    numbers,
    per_head,
)
from rkbs.kernels.base import Kernel, PositiveKernel
from rkbs.kernels.structure import FeatureDimension

MAX_ORDER = 256
"""The highest order of a ``TaylorEDP``."""


def scaled_dot(x: Array, y: Array) -> Array:
    """a_ij = x_i·y_j / √d, shape (..., n, m)."""
    return dot(x, y, math.sqrt(x.shape[-1]))


class DotProductKernel(Kernel):
    """κ(q, k) = Σ_n c_n aⁿ, a = q·k/√d: a kernel with power features (``rkbs.PowerFeatures``).

    Examples
    --------
    >>> from rkbs import EDP, Quadratic
    >>> EDP().degree, Quadratic().degree
    (inf, 2)
    >>> EDP().power_coefficients(3)
    (Fraction(1, 1), Fraction(1, 1), Fraction(1, 2), Fraction(1, 6))
    """

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

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP
    >>> EDP().log([[1000.0, 0.0]], [[1.0, 0.0], [2.0, 0.0]]).round(1)  # κ itself would overflow
    array([[ 707.1, 1414.2]])
    >>> EDP().is_mercer, EDP().pullback(np.eye(2), np.diag([1.0, 2.0])).is_mercer
    (True, None)
    """

    is_mercer = True
    degree = math.inf

    def log_formula(self, x: Array, y: Array) -> Array:
        return scaled_dot(x, y)

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """c_n = 1/n!."""
        return tuple(Fraction(1, math.factorial(n)) for n in range(order + 1))

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite."""
        return math.inf

    def is_quasiconvex(self, d: int) -> bool:
        """It is convex in k."""
        return True

    def selects_any(self, d: int) -> bool:
        """For d ≥ 2, by keys of one norm and queries that are large multiples of them."""
        return d > 1


@final
@dataclass(frozen=True)
class TaylorEDP(DotProductKernel):
    """κ(q, k) = Σ_{n ≤ N} aⁿ/n!, a = q·k/√d: EDP cut at order N.

    Positive for even N (its minimum is at a point where the next-lower polynomial vanishes, and
    there it equals a^N/N! > 0); odd orders change sign. Source: theory §2 and §5.

    The sum itself cancels for a < 0. It is evaluated as p(a) = ∫ (t + a)^N/N! e^{−t} dt over
    t ≥ 0, which Gauss and Laguerre's rule of ⌊N/2⌋ + 1 nodes gives exactly, for even N as a sum
    of positive terms. For even N ≤ 40 and every a, values are accurate to 1e-12 relative in
    float64 and 1e-5 in float32, logits to the same, relative or absolute, whichever is larger.

    Parameters
    ----------
    order : int
        0 ≤ N ≤ 256; much beyond, the rule's weights leave the range of the dtypes.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, TaylorEDP
    >>> x = np.linspace(-2, 2, 5)[:, None]
    >>> [float(abs(EDP()(x, x) - TaylorEDP(order)(x, x)).max().round(4)) for order in (4, 8, 16)]
    [20.2648, 1.1664, 0.0001]
    >>> [TaylorEDP(order).is_positive for order in (4, 5)]
    [True, False]
    """

    order: int

    is_mercer = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", check_count(self.order, "TaylorEDP(order=…)", 0))
        if self.order > MAX_ORDER:
            raise ValueError(f"TaylorEDP(order=…) must be at most {MAX_ORDER}, got {self.order}")
        object.__setattr__(self, "_nodes", self._rule())  # now: a compiler cannot trace it

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

    def _rule(self) -> tuple[tuple[float, float], ...]:
        """(t_i, g_i) with p(a) = Σ_i (g_i (t_i + a))^N: nodes, and weights (w_i/N!)^{1/N}."""
        nodes, weights = laguerre.laggauss(self.order // 2 + 1)
        roots = np.exp((np.log(weights) - math.lgamma(self.order + 1)) / max(self.order, 1))
        return tuple(zip(nodes.tolist(), roots.tolist(), strict=True))

    def _bases(self, x: Array, y: Array) -> Array:
        """The g_i (t_i + a), shape (⌊N/2⌋ + 1, ..., n, m)."""
        a = scaled_dot(x, y)
        return namespace(a).stack([g * (t + a) for t, g in self._nodes])

    def formula(self, x: Array, y: Array) -> Array:
        bases = self._bases(x, y)
        bases = held(bases, (largest(bases) / len(bases)) ** (1 / max(self.order, 1)))
        return saturated((bases**self.order).sum(0))

    def log_formula(self, x: Array, y: Array) -> Array:
        bases = self._bases(x, y)
        xp = namespace(bases)
        # The largest is taken out, so that no power overflows; it can be 0 for N = 0 only.
        largest = xp.amax(abs(bases), 0).clip(min=xp.finfo(bases.dtype).tiny)  # (..., n, m)
        total = ((bases / largest) ** self.order).sum(0)
        return self.order * xp.log(largest) + xp.log(total)

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """c_n = 1/n! for n ≤ N, else 0."""
        return tuple(
            Fraction(1, math.factorial(n)) if n <= self.order else Fraction(0)
            for n in range(order + 1)
        )

    def feature_dim(self, d: int) -> int:
        """C(d + N, N), the number of monomials of degree ≤ N in d variables."""
        return math.comb(d + self.order, self.order)

    def square_dim(self, d: int) -> FeatureDimension:
        """C(d + N/2, N/2) for even N: a non-negative polynomial of degree N is two squares."""
        return None if self.order % 2 else math.comb(d + self.order // 2, d)

    def is_quasiconvex(self, d: int) -> bool | None:
        """Convex in k for even N, the second derivative being the cut at N − 2."""
        return True if self.order % 2 == 0 else None


@final
@dataclass(frozen=True, eq=False)
class Quadratic(Parametric, DotProductKernel):
    """κ(q, k) = (q·k/√d + γ)².

    Source: theory §5. Mercer iff γ ≥ 0: for γ < 0 the linear coefficient 2γ is negative.

    Parameters
    ----------
    gamma : number, or array of shape (H,)
        γ, any finite number; with heads, one for each (points (..., H, n, d)).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Quadratic, inspect
    >>> x = np.linspace(-1, 1, 6)[:, None]
    >>> for kernel in (Quadratic(1.0), Quadratic(-1.0)):
    ...     print(kernel.is_mercer, inspect(kernel, x).inertia)
    True (3, 3, 0)
    False (2, 3, 1)
    """

    gamma: Parameter = field(default=1.0, metadata=REAL)

    is_positive = False
    is_nonnegative = True
    degree = 2

    def formula(self, x: Array, y: Array) -> Array:
        base = scaled_dot(x, y) + per_head(self, "gamma", x, y)
        return saturated(held(base, largest(base) ** 0.5) ** 2)

    @property
    def is_mercer(self) -> bool:
        """With heads: whether every head is."""
        return all(gamma >= 0 for gamma in numbers(self.gamma))

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """(γ², 2γ, 1, 0, …), exact for the binary fraction that γ is; ``ValueError`` with heads."""
        if self._with_heads():
            raise ValueError(f"{self!r} has a series for each head: take Quadratic(gamma) of one")
        gamma = Fraction(*numbers(self.gamma))
        series = (gamma * gamma, 2 * gamma, Fraction(1))
        return (*series, *(Fraction(0),) * (order - 2))[: order + 1]

    def feature_dim(self, d: int) -> int:
        """C(d + 2, 2), or C(d + 1, 2) for γ = 0."""
        return math.comb(d + 2, 2) if any(numbers(self.gamma)) else math.comb(d + 1, 2)

    def square_dim(self, d: int) -> int:
        """d + 1, or d for γ = 0: a single square."""
        return d + 1 if any(numbers(self.gamma)) else d

    def is_quasiconvex(self, d: int) -> bool:
        """It is convex in k."""
        return True

    @property
    def domain_x(self) -> Kernel:
        """(q·q'/√d + |γ|)²: the sign of γ sits with one of the two feature maps."""
        return replace(self, gamma=absolute(self.gamma))

    @property
    def domain_y(self) -> Kernel:
        """(k·k'/√d + |γ|)²."""
        return self.domain_x


@final
@dataclass(frozen=True)
class Linear(DotProductKernel):
    """κ(q, k) = q·k/√d, the logit of attention taken as a kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Linear, inspect
    >>> Linear()([[1.0, 2.0, 0.0, 1.0]], [[3.0, 4.0, 5.0, 1.0]])
    array([[6.]])
    >>> inspect(Linear(), np.vander(np.arange(6.0), 4)).rank  # the dimension, however many points
    4
    """

    is_mercer = True
    is_positive = False
    is_nonnegative = False
    degree = 1

    def formula(self, x: Array, y: Array) -> Array:
        return scaled_dot(x, y)

    def power_coefficients(self, order: int) -> tuple[Fraction, ...]:
        """(0, 1, 0, …)."""
        return tuple(Fraction(int(n == 1)) for n in range(order + 1))

    def feature_dim(self, d: int) -> int:
        """The dimension d."""
        return d

    def is_quasiconvex(self, d: int) -> bool:
        """It is linear in k."""
        return True
