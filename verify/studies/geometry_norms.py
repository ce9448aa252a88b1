"""Norms of matrices with their duals and directions of steepest descent, over leading axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Of = Callable[[np.ndarray], np.ndarray]
AXES = (-2, -1)


@dataclass(frozen=True)
class Norm:
    """A norm N of matrices (..., d, D): N, its dual N*, and u ∈ ∂N*, N(u) ≤ 1, ⟨a, u⟩ = N*(a)."""

    name: str
    value: Of
    dual: Of
    steepest: Of

    def gap(self, w: np.ndarray, g: np.ndarray) -> np.ndarray:
        """1 − ⟨−g, w⟩/(N*(g) N(w)) ≥ 0, (...): 0 where −g is a multiple of a duality map at w.

        2 where −g points away from w; NaN where g or w is 0.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            return 1 + inner(g, w) / (self.dual(g) * self.value(w))


def inner(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a_ij b_ij, (...)."""
    return (a * b).sum(AXES)


def frobenius(a: np.ndarray) -> np.ndarray:
    """The square root of the sum of squares."""
    return np.sqrt(inner(a, a))


def largest(a: np.ndarray) -> np.ndarray:
    """max |a_ij|."""
    return np.abs(a).max(AXES)


def absolute(a: np.ndarray) -> np.ndarray:
    """Σ |a_ij|."""
    return np.abs(a).sum(AXES)


def spectral(a: np.ndarray) -> np.ndarray:
    """The largest singular value."""
    return np.linalg.svd(a, compute_uv=False)[..., 0]


def nuclear(a: np.ndarray) -> np.ndarray:
    """The sum of the singular values."""
    return np.linalg.svd(a, compute_uv=False).sum(-1)


def normalized(a: np.ndarray) -> np.ndarray:
    """a/‖a‖_F; 0 where a is."""
    return a / np.maximum(frobenius(a), np.finfo(float).tiny)[..., None, None]


def one_entry(a: np.ndarray) -> np.ndarray:
    """The sign of the largest entry in its place, 0 elsewhere."""
    flat = a.reshape(*a.shape[:-2], -1)
    place = np.abs(flat).argmax(-1)[..., None]
    u = np.zeros_like(flat)
    np.put_along_axis(u, place, np.sign(np.take_along_axis(flat, place, -1)), -1)
    return u.reshape(a.shape)


def polar(a: np.ndarray) -> np.ndarray:
    """U Vᵀ of a = U diag(σ) Vᵀ."""
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return u @ vt


def one_direction(a: np.ndarray) -> np.ndarray:
    """u_1 v_1ᵀ, the first singular vectors of a."""
    u, _, vt = np.linalg.svd(a, full_matrices=False)
    return u[..., :, :1] * vt[..., :1, :]


FROBENIUS = Norm("Frobenius", frobenius, frobenius, normalized)
MAX = Norm("entrywise ℓ^∞", largest, absolute, np.sign)
SUM = Norm("entrywise ℓ¹", absolute, largest, one_entry)
SPECTRAL = Norm("spectral", spectral, nuclear, polar)
NUCLEAR = Norm("nuclear", nuclear, spectral, one_direction)
NORMS = {norm.name: norm for norm in (FROBENIUS, MAX, SUM, SPECTRAL, NUCLEAR)}
