"""The response surfaces on which Theorem 2 is tried, with what is known of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.polynomial import legendre

from rkbs._arrays import check_count
from rkbs.approximation.surface import Surface, Target


def _on_line(formula: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Surface:
    """A broadcasting formula in numbers t and s, as a surface."""
    return lambda t, s: formula(t, s.T)  # (n, 1), (1, m) → (n, m)


def semi_axes(rho: float) -> tuple[float, float]:
    """The largest |Re z| (and |z|) and the largest |Im z| on the Bernstein ellipse E_ρ."""
    return (rho + 1 / rho) / 2, (rho - 1 / rho) / 2


_DECAY = 2.0 ** -np.arange(12)


_DEGREES = np.arange(len(_DECAY))


_PARTNERS = _DEGREES ^ 1
"""0 ↔ 1, 2 ↔ 3, …, so that the series is not symmetric."""


def _legendre_series(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    norm = np.sqrt(2 * _DEGREES + 1)  # P̂_l = √(2l+1) P_l are orthonormal
    left = legendre.legvander(t[:, 0], _DEGREES[-1]) * norm  # (n, 12)
    right = legendre.legvander(s[:, 0], _DEGREES[-1]) * norm  # (m, 12)
    return (left * _DECAY) @ right[:, _PARTNERS].T  # (n, m)


def _legendre_bound(rho: float) -> float:
    # |P_l| ≤ ρ^l on E_ρ: P_l is a convex combination of T_k, k ≤ l.
    sizes = np.sqrt(2 * _DEGREES + 1) * rho**_DEGREES
    return float(_DECAY @ (sizes * sizes[_PARTNERS]))


def _legendre_singular_values(count: int) -> np.ndarray:
    """σ_l = 2^{−l}, l = 0 … 11, then 0."""
    check_count(count, "count")
    return np.pad(_DECAY, (0, max(0, count - len(_DECAY))))[:count]


def _kink_singular_values(count: int) -> np.ndarray:
    """σ = 1/ω² of |t − s|: λ f = ½ ∫ |t − s| f(s) ds gives λ f'' = f and conditions at ±1.

    Odd functions sin ωt: cos ω = 0. Even ones cos ωt: ω tan ω = −1, and cosh ωt: ω tanh ω = 1.
    """
    from scipy.optimize import brentq  # late: rkbs.attention is light to import, beside torch

    check_count(count, "count")
    odd = (np.arange(count) + 0.5) * math.pi
    cosh = brentq(lambda w: w * math.tanh(w) - 1, 1, 2, xtol=1e-15)
    even = [
        brentq(lambda w: w * math.sin(w) + math.cos(w), (k - 0.5) * math.pi, k * math.pi)
        for k in range(1, count + 1)
    ]
    return np.sort(1 / np.concatenate([odd, [cosh], even]) ** 2)[::-1][:count]


def _asymmetric_bound(rho: float) -> float:
    a, b = semi_axes(rho)
    return math.exp(1.5 * a) * math.cosh(3 * b + 2 * a * b)  # |sin z| ≤ cosh Im z


def _oscillating_bound(rho: float) -> float:
    a, b = semi_axes(rho)
    return math.cosh(12 * a * b + 3 * b)


def _ridge_bound(rho: float) -> float:
    a, b = semi_axes(rho)
    # 1 + z² = (z − i)(z + i) and |Im(2t − s)| ≤ 3b
    return (1 + a / 2) / (1 - 3 * b) ** 2 if 3 * b < 1 else math.inf


def _low_rank_bound(rho: float) -> float:
    a, b = semi_axes(rho)
    return (
        math.cosh(3 * b) * math.cosh(2 * b) + a**2 * math.exp(a) / 2 + math.cosh(5 * b) * a**3 / 4
    )


def _edp_singular_values(count: int, *, dim: int) -> np.ndarray:
    """Products of the singular values of e^{2ts/√d}, one factor for each coordinate."""
    check_count(count, "count")
    nodes, weights = legendre.leggauss(40)
    root = np.sqrt(weights / 2)
    table = root[:, None] * np.exp(2 / math.sqrt(dim) * np.multiply.outer(nodes, nodes)) * root
    line = np.linalg.svd(table, compute_uv=False)[:14]
    values = np.ones(1)
    for _ in range(dim):
        values = np.multiply.outer(values, line).ravel()
    return np.sort(values)[::-1][:count]


def _edp(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    return np.exp(2 / math.sqrt(t.shape[1]) * (t @ s.T))


def _distance(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    return np.linalg.norm(t[:, None] - s, axis=-1)


_MIX = np.array(
    [[1.0, 0.5, 0.0, -0.3], [-0.5, 0.8, 0.4, 0.0], [0.2, 0.0, -1.0, 0.6], [0, 0, 0.7, 1]]
)


_SHIFT = np.array([1.0, -0.5, 0.3, 0.0])


def _waves(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    """cos(2 tᵀW s + b·t − b·s/2), W and b cut to the dimension."""
    d = t.shape[1]
    W, b = _MIX[:d, :d], _SHIFT[:d]
    return np.cos(2 * (t @ W @ s.T) + (t @ b)[:, None] - (s @ b) / 2)


TARGETS = {
    target.name: target
    for target in (
        Target(
            "edp",
            r"$e^{2ts}$",
            _on_line(lambda t, s: np.exp(2 * t * s)),
            smooth=True,
            analytic_bound=lambda rho: math.exp(2 * semi_axes(rho)[0] ** 2),
        ),
        Target(
            "asymmetric",
            r"$e^{t-s/2}\,\sin(2t+s+ts)$",
            _on_line(lambda t, s: np.exp(t - s / 2) * np.sin(2 * t + s + t * s)),
            smooth=True,
            analytic_bound=_asymmetric_bound,
        ),
        Target(
            "oscillating",
            r"$\cos(6ts+2t-s)$",
            _on_line(lambda t, s: np.cos(6 * t * s + 2 * t - s)),
            smooth=True,
            analytic_bound=_oscillating_bound,
        ),
        Target(
            "ridge",
            r"$(1+t/2)\,/\,(1+(2t-s)^2)$",
            _on_line(lambda t, s: (1 + t / 2) / (1 + (2 * t - s) ** 2)),
            smooth=True,
            analytic_bound=_ridge_bound,
        ),
        Target(
            "legendre",
            r"$\sum_l 2^{-l} \hat P_l(t)\,\hat P_{\pi(l)}(s)$",
            _legendre_series,
            smooth=True,
            singular_values=_legendre_singular_values,
            analytic_bound=_legendre_bound,
        ),
        Target(
            "low_rank",
            r"$\sin 3t\,\cos 2s+t^2e^s/2-\cos(5t+1)\,s^3/4$",
            _on_line(
                lambda t, s: (
                    np.sin(3 * t) * np.cos(2 * s)
                    + t**2 * np.exp(s) / 2
                    - np.cos(5 * t + 1) * s**3 / 4
                )
            ),
            smooth=True,
            analytic_bound=_low_rank_bound,
        ),
        Target(
            "kink",
            r"$|t-s|$",
            _on_line(lambda t, s: np.abs(t - s)),
            smooth=False,
            singular_values=_kink_singular_values,
            analytic_bound=lambda rho: 2 * semi_axes(rho)[0],
            pieces=(_on_line(lambda t, s: t - s), _on_line(lambda t, s: s - t)),
        ),
        *(
            Target(
                f"edp_{dim}d",
                r"$e^{2\,t\cdot s/\sqrt{d}},\ d=" + f"{dim}$",
                _edp,
                smooth=True,
                dim=dim,
                singular_values=partial(_edp_singular_values, dim=dim),
            )
            for dim in (2, 4)
        ),
        *(
            Target(
                f"waves_{dim}d",
                r"$\cos(2\,t^\top W s+b\cdot(t-s/2)),\ d=" + f"{dim}$",
                _waves,
                smooth=True,
                dim=dim,
            )
            for dim in (2, 4)
        ),
        Target("distance_2d", r"$\|t-s\|_2,\ d=2$", _distance, smooth=False, dim=2),
    )
}
"""Targets by name. On the line: smooth, oscillating, ridged, signed, asymmetric ones, one of low
rank, and a kinked one; in two and four dimensions EDP, asymmetric waves and a distance. Some have
singular values known otherwise."""


LINE = tuple(name for name, target in TARGETS.items() if target.dim == 1)
"""The names of the targets on the line."""
