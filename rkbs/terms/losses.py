"""Losses: value, gradient and convex conjugate, so that a solver can certify its gap."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from rkbs._arrays import check_number

Jet = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A function's value, slope and curvature, elementwise."""

_MOVE = 1e-15
"""Rounding of a sum, relative to its terms."""


class Loss(abc.ABC):
    """A convex loss ℓ(h; z) ≥ 0 of a prediction h for a response z, elementwise.

    ``smooth`` says whether ℓ has a derivative in h everywhere (which is then Lipschitz);
    ``of_residual`` whether ℓ depends on h − z alone; ``labels`` whether z must be −1 or 1.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.terms import Huber, Logistic, Squared
    >>> h, z = np.array([0.3, 2.0]), np.array([1.0, -1.0])
    >>> for loss in (Squared(), Huber(0.5), Logistic()):  # ℓ + ℓ* = uh at the slope u
    ...     u = loss.gradient(h, z)
    ...     print(np.allclose(loss.value(h, z) + loss.conjugate(u, z), u * h))
    True
    True
    True
    """

    smooth: ClassVar[bool]
    of_residual: ClassVar[bool] = False
    labels: ClassVar[bool] = False

    @abc.abstractmethod
    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        """ℓ(h; z)."""

    @abc.abstractmethod
    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        """∂ℓ/∂h; where ℓ has a kink, one subgradient."""

    @abc.abstractmethod
    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """ℓ*(u; z) = sup_h (u h − ℓ(h; z)), infinite outside its domain."""

    @abc.abstractmethod
    def curvature(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        """∂²ℓ/∂h², where it exists; elsewhere a value between its two sides."""

    @abc.abstractmethod
    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        """argmin_t step · ℓ(t; z) + ½ (t − h)², step > 0."""

    def check(self, z: np.ndarray, name: str = "z") -> np.ndarray:
        """The responses z, or a ``ValueError`` where the loss has no meaning for them."""
        return _check_labels(z, name, self) if self.labels else z

    def check_constant(self, z: np.ndarray) -> np.ndarray:
        """The responses z, or a ``ValueError`` where no constant minimizes Σ_n ℓ(b; z_n)."""
        return z


class DualLoss(Loss):
    """A loss that an interior-point method can handle through its conjugate.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.terms import EpsilonInsensitive, Hinge, Logistic
    >>> z = np.array([1.0, -1.0])
    >>> for loss in (Hinge(), Logistic(), EpsilonInsensitive()):
    ...     print(np.isfinite(loss.barrier(loss.interior(z), z, mu=0.1)).all())
    True
    True
    True
    """

    @abc.abstractmethod
    def interior(self, z: np.ndarray) -> np.ndarray:
        """A point u inside the domain of ℓ*(·; z); so is every θu, 0 < θ ≤ 1."""

    @abc.abstractmethod
    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        """ℓ*(u; z) + μ · (barrier of its domain), up to a constant; infinite outside.

        Smooth for μ > 0, and ℓ* (up to that constant) in the limit μ → 0.
        """


@final
@dataclass(frozen=True)
class Squared(DualLoss):
    """ℓ(h; z) = ½ (h − z)².

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Squared
    >>> h, z = np.array([0.0, 3.0]), np.array([1.0, 1.0])
    >>> Squared().value(h, z), Squared().prox(h, z, step=1.0)
    (array([0.5, 2. ]), array([0.5, 2. ]))
    """

    smooth: ClassVar[bool] = True
    of_residual: ClassVar[bool] = True

    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        r = h - z
        return r * (r / 2)

    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return h - z

    def curvature(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.ones_like(h)

    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        return _mean(h, z, step)

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        return u * (u / 2 + z)

    def interior(self, z: np.ndarray) -> np.ndarray:
        return np.zeros_like(z)

    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        return self.conjugate(u, z), u + z, np.ones_like(u)


@final
@dataclass(frozen=True)
class Logistic(DualLoss):
    """ℓ(h; z) = log(1 + e^{−zh}) for labels z = ±1.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Logistic
    >>> Logistic().value(np.array([-1000.0]), np.ones(1))  # e^1000 would overflow
    array([1000.])
    >>> Logistic().gradient(np.array([0.0]), np.ones(1))  # the probability of 1, less 1
    array([-0.5])
    """

    smooth: ClassVar[bool] = True
    labels: ClassVar[bool] = True

    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.logaddexp(0.0, -z * h)

    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return -z * np.exp(-np.logaddexp(0.0, z * h))

    def curvature(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.exp(-np.logaddexp(0.0, h) - np.logaddexp(0.0, -h))

    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        """z t = w with w = m + step · σ(−w), m = zh, by Newton's method.

        w − step · σ(−w) is convex for w < 0 and concave for w > 0; from a start on the root's side,
        beyond it or at 0, the steps are monotone. Beyond 0 the root is above that of
        w = m + (step/2) e^{−w}, w = m + W(e^L) ≥ m + L − log L, W Lambert's function, for L ≥ 1.
        """
        margin = z * h
        log_step = math.log(step / 2)
        L = np.maximum(log_step - margin, 1.0)
        above = np.maximum(np.where(L > 1, log_step - np.log(L), margin), np.maximum(margin, 0.0))
        w = np.where(margin + step / 2 > 0, above, np.minimum(margin + step, 0.0))
        for _ in range(100):
            s = np.exp(-np.logaddexp(0.0, w))
            slope = 1 + step * s * (1 - s)
            move = (w - margin - step * s) / slope
            w = w - move
            rounding = _MOVE * np.abs(margin) + _MOVE * np.abs(w)
            rounding += _MOVE * step * s * (1 + np.maximum(w, 0.0))
            if (np.abs(move) * slope <= rounding).all():
                break
        return z * w

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """a log a + (1 − a) log(1 − a) with a = −uz ∈ [0, 1]."""
        a = -u * z
        inside = np.clip(a, 0.0, 1.0)
        return np.where(inside == a, _xlogx(inside) + _xlogx(1 - inside), np.inf)

    def check_constant(self, z: np.ndarray) -> np.ndarray:
        if (z == z[0]).all():
            raise ValueError(
                f"z must hold labels of both classes, got {z[0]:g} alone: the logistic loss then "
                "falls without end in the intercept. Pass fit_intercept=False (or more pairs)"
            )
        return z

    def interior(self, z: np.ndarray) -> np.ndarray:
        return -z / 2

    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        """The conjugate itself: it is smooth, and steep at the ends of its domain."""
        a = -u * z
        if not ((a > 0) & (a < 1)).all():
            return _outside(u)
        return self.conjugate(u, z), -z * (np.log(a) - np.log1p(-a)), 1 / (a * (1 - a))


@final
@dataclass(frozen=True)
class Huber(DualLoss):
    """ℓ(h; z) = ½ r² for |r| ≤ δ, δ|r| − ½ δ² beyond, r = h − z.

    Parameters
    ----------
    delta : float
        δ > 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Huber
    >>> residuals = np.array([0.5, 3.0, 100.0])
    >>> Huber(1.0).value(residuals, np.zeros(3)), Huber(1.0).gradient(residuals, np.zeros(3))
    (array([ 0.125,  2.5  , 99.5  ]), array([0.5, 1. , 1. ]))
    """

    delta: float = 1.0
    smooth: ClassVar[bool] = True
    of_residual: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.delta, "delta", above=0.0)

    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        r = np.abs(h - z)
        near = np.minimum(r, self.delta)
        return near * (r - near / 2)

    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.clip(h - z, -self.delta, self.delta)

    def curvature(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (np.abs(h - z) <= self.delta).astype(float)

    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        r = h - z
        far = np.sign(r) * np.minimum(float(step) * self.delta, np.abs(r))
        return np.where(np.abs(r) / (1 + step) <= self.delta, _mean(h, z, step), h - far)

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """½ u² + uz for |u| ≤ δ."""
        inside = np.clip(u, -self.delta, self.delta)
        return np.where(inside == u, inside * (inside / 2 + z), np.inf)

    def interior(self, z: np.ndarray) -> np.ndarray:
        return np.zeros_like(z)

    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        wall = _interval_barrier(u, -self.delta, self.delta, mu)
        return _add((u * u / 2 + u * z, u + z, np.ones_like(u)), wall)


@final
@dataclass(frozen=True)
class Hinge(DualLoss):
    """ℓ(h; z) = max(0, 1 − zh) for labels z = ±1; at the kink zh = 1 the subgradient is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import Hinge
    >>> h, z = np.array([2.0, 0.5, -1.0]), np.ones(3)
    >>> Hinge().value(h, z), Hinge().gradient(h, z)
    (array([0. , 0.5, 2. ]), array([ 0., -1., -1.]))
    """

    smooth: ClassVar[bool] = False
    labels: ClassVar[bool] = True

    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.maximum(0.0, 1 - z * h)

    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.where(z * h < 1, -z, 0.0)

    def curvature(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.zeros_like(h)

    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        margin = z * h
        return z * np.maximum(margin, np.minimum(margin + step, 1.0))

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """uz for −1 ≤ uz ≤ 0."""
        product = u * z
        return np.where((product >= -1) & (product <= 0), product, np.inf)

    def interior(self, z: np.ndarray) -> np.ndarray:
        return -z / 2

    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        wall = _interval_barrier(u, np.minimum(-z, 0.0), np.maximum(-z, 0.0), mu)
        return _add((u * z, z, np.zeros_like(u)), wall)


@final
@dataclass(frozen=True)
class EpsilonInsensitive(DualLoss):
    """ℓ(h; z) = max(0, |h − z| − ε); at the kinks |h − z| = ε the subgradient is 0.

    Parameters
    ----------
    epsilon : float
        ε ≥ 0.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EpsilonInsensitive
    >>> EpsilonInsensitive(0.5).value(np.array([0.25, 1.5]), np.zeros(2))
    array([0., 1.])
    """

    epsilon: float = 0.1
    smooth: ClassVar[bool] = False
    of_residual: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number(self.epsilon, "epsilon", least=0.0)

    def value(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.maximum(0.0, np.abs(h - z) - self.epsilon)

    def gradient(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        r = h - z
        return np.where(np.abs(r) > self.epsilon, np.sign(r), 0.0)

    def curvature(self, h: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.zeros_like(h)

    def prox(self, h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
        r = h - z
        excess, sign = np.abs(r) - self.epsilon, np.sign(r)
        pulled = np.where(excess < step, z + sign * self.epsilon, h - sign * step)
        return np.where(excess > 0, pulled, h)

    def conjugate(self, u: np.ndarray, z: np.ndarray) -> np.ndarray:
        """uz + ε|u| for |u| ≤ 1."""
        inside = np.clip(u, -1.0, 1.0)
        return np.where(inside == u, inside * z + self.epsilon * np.abs(inside), np.inf)

    def interior(self, z: np.ndarray) -> np.ndarray:
        return np.zeros_like(z)

    def barrier(self, u: np.ndarray, z: np.ndarray, mu: float) -> Jet:
        """ε|u| enters as min_s εs − μ log(s² − u²), solved: q − μ log(μ + q), q² = μ² + ε²u².

        The logarithm's argument is divided by μ + ε, so that the value scales with the responses.
        """
        q, unit = np.hypot(mu, self.epsilon * u), mu + self.epsilon
        slope = self.epsilon / (mu + q) * self.epsilon
        soft = (q - mu * np.log((mu + q) / unit), slope * u, slope * (mu / q))
        linear = (u * z, z, np.zeros_like(u))
        return _add(_add(linear, soft), _interval_barrier(u, -1.0, 1.0, mu))


def _mean(h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
    """(h + step · z)/(1 + step), without the product, which may overflow."""
    return h / (1 + step) + z * (step / (1 + step))


def _xlogx(a: np.ndarray) -> np.ndarray:
    """a log a with 0 log 0 = 0; whatever for a < 0."""
    return a * np.log(np.where(a > 0, a, 1.0))


def _check_labels(z: np.ndarray, name: str, loss: Loss) -> np.ndarray:
    z = np.asarray(z)
    wrong = (z != 1) & (z != -1)
    if wrong.any():
        binary = np.isin(z, (0, 1)).all()
        hint = f": for labels 0 and 1 pass 2*{name} - 1" * bool(binary)
        raise ValueError(f"{name} must be −1 or 1 for {loss!r}, got {z[wrong].flat[0]}{hint}")
    return z


def _add(first: Jet, second: Jet) -> Jet:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def _outside(u: np.ndarray) -> Jet:
    return np.full_like(u, np.inf), np.zeros_like(u), np.ones_like(u)


def _interval_barrier(
    u: np.ndarray, low: np.ndarray | float, high: np.ndarray | float, mu: float
) -> Jet:
    """−μ (log(u − low) + log(high − u)) up to a constant; infinite unless low < u < high.

    The constant makes the value one of a share of the interval, whatever the unit of u.
    """
    a, b, width = u - low, high - u, high - low
    if not ((a > 0) & (b > 0)).all():
        return _outside(u)
    value = -mu * (np.log(a / width) + np.log(b / width))
    return value, mu / b - mu / a, mu / a / a + mu / b / b
