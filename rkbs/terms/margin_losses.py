"""Losses of the margin zh for labels z = ±1: logistic and hinge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from rkbs._arrays import SameArray, namespace
from rkbs.terms._barriers import Jet, add, interval_barrier, outside
from rkbs.terms._elementwise import positive_part, softplus
from rkbs.terms.losses import DualLoss

_MOVE = 1e-15
"""Rounding of a sum, relative to its terms."""


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

    def value(self, h: SameArray, z: SameArray) -> SameArray:
        return softplus(-z * h)

    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        return -z * namespace(h).exp(-softplus(z * h))

    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        return namespace(h).exp(-softplus(h) - softplus(-h))

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
            s = np.exp(-softplus(w))
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
            return outside(u)
        return self.conjugate(u, z), -z * (np.log(a) - np.log1p(-a)), 1 / (a * (1 - a))


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

    def value(self, h: SameArray, z: SameArray) -> SameArray:
        return positive_part(1 - z * h)

    def gradient(self, h: SameArray, z: SameArray) -> SameArray:
        return namespace(h).where(z * h < 1, -z, 0.0)

    def curvature(self, h: SameArray, z: SameArray) -> SameArray:
        return namespace(h).zeros_like(h)

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
        wall = interval_barrier(u, np.minimum(-z, 0.0), np.maximum(-z, 0.0), mu)
        return add((u * z, z, np.zeros_like(u)), wall)


def _xlogx(a: np.ndarray) -> np.ndarray:
    """a log a with 0 log 0 = 0; whatever for a < 0."""
    return a * np.log(np.where(a > 0, a, 1.0))
