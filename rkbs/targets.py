"""Response surfaces to be approximated (Theorem 2), on one-dimensional domains t, s ∈ [−1, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.polynomial import legendre
from scipy.optimize import brentq

from rkbs._arrays import as_floating, check_finite

Surface = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function of both domains, tabulated: t of shape (n,), s of shape (m,) → values (n, m)."""


@final
@dataclass(frozen=True)
class Target:
    """A response surface F(t, s) on [−1, 1]², tabulated: (n,), (m,) → (n, m).

    Parameters
    ----------
    name, formula : str
        The name in ``TARGETS``, and the formula in mathtext.
    function : callable
        Broadcasting: (n, 1), (1, m) → (n, m).
    smooth : bool
        Analytic, so that its Schmidt values fall geometrically or faster.
    schmidt_values : callable or None
        Where they are known in closed form: count → the largest ``count`` of them.
    """

    name: str
    formula: str
    function: Surface
    smooth: bool
    schmidt_values: Callable[[int], np.ndarray] | None = None

    def __call__(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """F(t_i, s_j), shape (n, m)."""
        return self.function(as_line(t, "t")[:, None], as_line(s, "s")[None, :])  # (n, m)


def as_line(x: np.ndarray, name: str) -> np.ndarray:
    """Check points of a one-dimensional domain, shape (n,) with n ≥ 1, real and finite."""
    x = as_floating(x, name)
    if x.ndim != 1 or x.size == 0:
        raise ValueError(f"{name} must have shape (n,) with n ≥ 1, got shape {x.shape}")
    return check_finite(x, name)


_DECAY = 2.0 ** -np.arange(12)


def _legendre_series(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    # P̂_l = √(2l+1) P_l are orthonormal; l ^ 1 exchanges 0 ↔ 1, 2 ↔ 3, …, so F is not symmetric.
    degrees = np.arange(len(_DECAY))
    norm = np.sqrt(2 * degrees + 1)
    left = legendre.legvander(t[:, 0], degrees[-1]) * norm  # (n, 12)
    right = legendre.legvander(s[0], degrees[-1]) * norm  # (m, 12)
    return (left * _DECAY) @ right[:, degrees ^ 1].T  # (n, m)


def _legendre_values(count: int) -> np.ndarray:
    """σ_l = 2^{−l}, l = 0 … 11, then 0."""
    return np.pad(_DECAY, (0, max(0, count - len(_DECAY))))[:count]


def _kink_values(count: int) -> np.ndarray:
    """σ = 1/ω² of |t − s|: λ f = ½ ∫ |t − s| f(s) ds gives λ f'' = f and conditions at ±1.

    Odd functions sin ωt: cos ω = 0. Even ones cos ωt: ω tan ω = −1, and cosh ωt: ω tanh ω = 1.
    """
    odd = (np.arange(count) + 0.5) * math.pi
    cosh = brentq(lambda w: w * math.tanh(w) - 1, 1, 2, xtol=1e-15)
    even = [
        brentq(lambda w: w * math.sin(w) + math.cos(w), (k - 0.5) * math.pi, k * math.pi)
        for k in range(1, count + 1)
    ]
    return np.sort(1 / np.concatenate([odd, [cosh], even]) ** 2)[::-1][:count]


TARGETS = {
    target.name: target
    for target in (
        Target("edp", r"$e^{2ts}$", lambda t, s: np.exp(2 * t * s), smooth=True),
        Target(
            "asymmetric",
            r"$e^{t-s/2}\,\sin(2t+s+ts)$",
            lambda t, s: np.exp(t - s / 2) * np.sin(2 * t + s + t * s),
            smooth=True,
        ),
        Target(
            "oscillating",
            r"$\cos(6ts+2t-s)$",
            lambda t, s: np.cos(6 * t * s + 2 * t - s),
            smooth=True,
        ),
        Target(
            "ridge",
            r"$(1+t/2)\,/\,(1+(2t-s)^2)$",
            lambda t, s: (1 + t / 2) / (1 + (2 * t - s) ** 2),
            smooth=True,
        ),
        Target(
            "legendre",
            r"$\sum_l 2^{-l} \hat P_l(t)\,\hat P_{\pi(l)}(s)$",
            _legendre_series,
            smooth=True,
            schmidt_values=_legendre_values,
        ),
        Target(
            "kink",
            r"$|t-s|$",
            lambda t, s: np.abs(t - s),
            smooth=False,
            schmidt_values=_kink_values,
        ),
    )
}
"""Targets by name: smooth, asymmetric, oscillating, kinked; two with known Schmidt values."""
