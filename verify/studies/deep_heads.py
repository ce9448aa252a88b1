"""What a stationary point makes of a head: residuals of the expansion, the certificate, the forms.

Theory §6. All of it is linear algebra on W_Q and W_K, (d, D), and on C = −∂F/∂M, (D, D), in numpy,
wherever C comes from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

RANK = 1e-4
"""Singular values of M below this share of ``size`` count as 0.

A direction with σ = 0.98 λ that is to vanish keeps, at a relative gradient of 1e-6, some 1e-6/0.02
of the weights' size in W_Q and in W_K, and of M the square of it.
"""


def pull(slopes: np.ndarray, targets: np.ndarray, sources: np.ndarray, d: int) -> np.ndarray:
    """C = Σ (c_ij/√d) z_i z'_jᵀ, c = −∂F/∂h (B, n, m), z (B, n, D), z' (B, m, D')."""
    return np.einsum("bij,bic,bje->ce", -slopes, targets, sources) / math.sqrt(d)


@dataclass(frozen=True)
class Head:
    """Two maps, what pulls at their product, and the weights of their decay.

    ``size`` is the scale of singular values of M that count: the largest of any head's.
    """

    query: np.ndarray
    key: np.ndarray
    pull: np.ndarray
    decay_query: float
    decay_key: float
    size: float

    @property
    def decay(self) -> float:
        """λ = (λ_Q λ_K)^½."""
        return math.sqrt(self.decay_query * self.decay_key)

    @cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """U, s, Vᵀ of M = W_QᵀW_K."""
        return np.linalg.svd(self.query.T @ self.key)

    @cached_property
    def rank(self) -> int:
        """r, of the singular values of M that count."""
        return int((self.spectrum[1] > RANK * self.size).sum())

    @cached_property
    def _within(self) -> tuple[np.ndarray, np.ndarray]:
        U, _, Vt = self.spectrum
        return U[:, : self.rank], Vt[: self.rank].T

    def rest(self, factor: float = 1.0) -> tuple[float, float]:
        """‖UᵀR‖/λ and ‖RV‖/λ of R = C − λ U Vᵀ, with ``factor`` times λ there: 0 and 0."""
        (U, V), lam = self._within, self.decay
        R = self.pull - factor * lam * U @ V.T
        return float(np.linalg.norm(U.T @ R, 2) / lam), float(np.linalg.norm(R @ V, 2) / lam)

    def on_rank(self) -> float:
        """The largest difference of r singular values of C from λ, over λ."""
        s = np.linalg.svd(self.pull, compute_uv=False) / self.decay - 1
        return float(np.sort(np.abs(s))[: self.rank].max(initial=0.0))

    @cached_property
    def beyond(self) -> tuple[np.ndarray, float, np.ndarray]:
        """u, σ, v: the first singular vectors and the norm of C beside U and V, r < D."""
        U, _, Vt = self.spectrum
        U, V = U[:, self.rank :], Vt[self.rank :].T
        P, s, Wt = np.linalg.svd(U.T @ self.pull @ V)
        return U @ P[:, 0], float(s[0]), V @ Wt[0]

    def expansion(self, factor: float = 1.0) -> tuple[float, float]:
        """‖λ_Q W_Qᵀ − C W_Kᵀ‖/‖λ_Q W_Qᵀ‖ and that of W_K, at ``factor`` times the decay."""
        q, k = factor * self.decay_query * self.query, factor * self.decay_key * self.key
        return off(q.T, self.pull @ self.key.T), off(k, self.query @ self.pull)

    def best_expansion(self) -> tuple[float, float]:
        """The same over ‖C W_Kᵀ‖ and ‖W_Q C‖, each at the λ that makes it least."""
        pairs = (self.query.T, self.pull @ self.key.T), (self.key, self.query @ self.pull)
        return tuple(off(c, (w * c).sum() / (w * w).sum() * w) for w, c in pairs)

    def balance(self, weighted: bool = True) -> float:
        """‖λ_Q W_Q W_Qᵀ − λ_K W_K W_Kᵀ‖ over the first of the two, or with both λ taken as 1."""
        a, b = (self.decay_query, self.decay_key) if weighted else (1.0, 1.0)
        return off(a * self.query @ self.query.T, b * self.key @ self.key.T)


def tied_expansion(maps: np.ndarray, coefficients: np.ndarray, decay: float) -> float:
    """‖λW − W(C + Cᵀ)‖/‖λW‖ of W_Q = W_K = W."""
    return off(decay * maps, maps @ (coefficients + coefficients.T))


def tied_ratio(maps: np.ndarray, coefficients: np.ndarray, decay: float) -> float:
    """λ_max/λ of C + Cᵀ beside the rows of W: their certificate."""
    _, s, Vt = np.linalg.svd(maps)
    aside = Vt[int((s > math.sqrt(RANK) * s[0]).sum()) :]
    both = aside @ (coefficients + coefficients.T) @ aside.T
    return float(np.linalg.eigvalsh(both)[-1] / decay)


def off(whole: np.ndarray, other: np.ndarray) -> float:
    """‖whole − other‖/‖whole‖, Frobenius norms."""
    return float(np.linalg.norm(whole - other) / np.linalg.norm(whole))
