"""Regularizers R(t) of a norm t ≥ 0: value, derivative and conjugate R*(s) = sup_t (st − R(t))."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar, final

from rkbs._arrays import check_number


class Regularizer(abc.ABC):
    """A convex, strictly increasing R : [0, ∞) → [0, ∞) with R(0) = 0.

    ``strictly_convex`` decides whether Theorem 1's uniqueness holds without help of the loss.

    Examples
    --------
    >>> from rkbs.terms import HalfSquare, Norm, PowerNorm
    >>> [(R.strictly_convex, R.value(3.0), R.derivative(0.0)) for R in (Norm(), HalfSquare())]
    [(False, 3.0, 1.0), (True, 4.5, 0.0)]
    >>> round(PowerNorm(3.0).length(PowerNorm(3.0).derivative(2.0)), 9)  # (R*)' inverts R'
    2.0
    """

    strictly_convex: ClassVar[bool]

    @abc.abstractmethod
    def value(self, t: float) -> float:
        """R(t), t ≥ 0."""

    @abc.abstractmethod
    def derivative(self, t: float) -> float:
        """R'(t), at t = 0 from the right."""

    @abc.abstractmethod
    def conjugate(self, s: float) -> float:
        """R*(s), s ≥ 0; infinite outside its domain."""

    @abc.abstractmethod
    def length(self, s: float) -> float:
        """(R*)'(s): the norm of the primal solution whose dual vector has the norm s.

        Raises
        ------
        ValueError
            Where R* has no derivative, so that s does not tell the length.
        """

    @abc.abstractmethod
    def length_slope(self, s: float) -> float:
        """(R*)''(s), s > 0; errors as in ``length``."""


@final
@dataclass(frozen=True)
class PowerNorm(Regularizer):
    """R(t) = t^r / r, R*(s) = s^{r'} / r' with 1/r + 1/r' = 1.

    Parameters
    ----------
    r : float
        1 < r < ∞. With r = p the penalty Σ|v_k|^p / p is separable.

    Examples
    --------
    >>> from rkbs import PowerNorm
    >>> R = PowerNorm(3.0)
    >>> t, s = 2.0, R.derivative(2.0)
    >>> s, round(R.value(t) + R.conjugate(s), 9)  # R + R* = st at the slope s
    (4.0, 8.0)
    """

    r: float = 2.0
    strictly_convex: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.r, "r", above=1.0)

    def value(self, t: float) -> float:
        return _power(t, self.r) / self.r

    def derivative(self, t: float) -> float:
        return _power(t, self.r - 1)

    def conjugate(self, s: float) -> float:
        dual = self.r / (self.r - 1)
        return _power(s, dual) / dual

    def length(self, s: float) -> float:
        return _power(s, 1 / (self.r - 1))

    def length_slope(self, s: float) -> float:
        power = 1 / (self.r - 1)
        return power * _power(s, power - 1)


def _power(base: float, exponent: float) -> float:
    """base^exponent; where Python's floats refuse, infinity is the right answer."""
    try:
        return base**exponent
    except (OverflowError, ZeroDivisionError):
        return math.inf


@final
@dataclass(frozen=True)
class HalfSquare(Regularizer):
    """R(t) = t² / 2 = R*(t).

    Examples
    --------
    >>> from rkbs import HalfSquare
    >>> HalfSquare().value(3.0), HalfSquare().conjugate(3.0), HalfSquare().length(3.0)
    (4.5, 4.5, 3.0)
    """

    strictly_convex: ClassVar[bool] = True

    def value(self, t: float) -> float:
        return t * t / 2

    def derivative(self, t: float) -> float:
        return t

    def conjugate(self, s: float) -> float:
        return s * s / 2

    def length(self, s: float) -> float:
        return s

    def length_slope(self, s: float) -> float:
        return 1.0


@final
@dataclass(frozen=True)
class Norm(Regularizer):
    """R(t) = t, R*(s) = 0 for s ≤ 1 and ∞ beyond: convex and increasing, not strictly convex.

    Examples
    --------
    >>> from rkbs import Norm
    >>> Norm().conjugate(0.9), Norm().conjugate(1.1)  # below 1 nothing pulls f away from 0
    (0.0, inf)
    """

    strictly_convex: ClassVar[bool] = False

    def value(self, t: float) -> float:
        return t

    def derivative(self, t: float) -> float:
        return 1.0

    def conjugate(self, s: float) -> float:
        return 0.0 if s <= 1 else math.inf

    def length(self, s: float) -> float:
        if s < 1:
            return 0.0
        raise ValueError(
            f"s must be below 1 for R(t) = t, got {s!r}: at s = 1 every length is stationary"
        )

    def length_slope(self, s: float) -> float:
        self.length(s)
        return 0.0
