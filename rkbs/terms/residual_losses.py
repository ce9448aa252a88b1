"""Losses of the residual h − z: squared, Huber's, ε-insensitive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from rkbs._arrays import SameArray, cast, check_number, namespace
from rkbs.terms._barriers import Jet, add, interval_barrier
from rkbs.terms._elementwise import positive_part
from rkbs.terms.losses import DualLoss


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

    def value(self, h: SameArray, z: SameArray) -> SameArray:
        r = h - z
        return r * (r / 2)

    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        return h - z

    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        return namespace(h).ones_like(h)

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

    def value(self, h: SameArray, z: SameArray) -> SameArray:
        r = h - z
        near = namespace(r).clip(r, -self.delta, self.delta)
        return near * (r - near / 2)

    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        r = h - z
        return namespace(r).clip(r, -self.delta, self.delta)

    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        r = h - z
        return cast(abs(r) <= self.delta, r.dtype)

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
        wall = interval_barrier(u, -self.delta, self.delta, mu)
        return add((u * u / 2 + u * z, u + z, np.ones_like(u)), wall)


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

    def value(self, h: SameArray, z: SameArray) -> SameArray:
        return positive_part(abs(h - z) - self.epsilon)

    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        r = h - z
        xp = namespace(r)
        return xp.where(abs(r) > self.epsilon, xp.sign(r), 0.0)

    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        return namespace(h).zeros_like(h)

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
        return add(add(linear, soft), interval_barrier(u, -1.0, 1.0, mu))


def _mean(h: np.ndarray, z: np.ndarray, step: float) -> np.ndarray:
    """(h + step · z)/(1 + step), without the product, which may overflow."""
    return h / (1 + step) + z * (step / (1 + step))
