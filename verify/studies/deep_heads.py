"""What a stationary point makes of a head: residuals of the expansion, the certificate, the forms.

Theory §6. All of it is linear algebra on W_Q and W_K, (d, D), and on C = −∂F/∂M, (D, D), in numpy,
wherever C comes from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

RANK = 1e-6
"""Singular values of M below this share of ``size`` count as 0: at a relative gradient of 1e-6 a
direction with σ = 0.98 λ is left with (1e-6/0.02)² = 3e-9 of it."""


def pull(slopes: np.ndarray, targets: np.ndarray, sources: np.ndarray, d: int) -> np.ndarray:
    """C = Σ (c_ij/√d) z_i z'_jᵀ, c = −∂F/∂a (B, n, m), z (B, n, D), z' (B, m, D')."""
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
    def rest(self) -> np.ndarray:
        """R = C − λ U Vᵀ, not projected: that it is beside U and V is to be seen."""
        U, _, Vt = self.spectrum
        return self.pull - self.decay * U[:, : self.rank] @ Vt[: self.rank]

    @cached_property
    def beyond(self) -> tuple[np.ndarray, float, np.ndarray]:
        """u, σ, v: the first singular vectors and the norm of C beside U and V."""
        U, _, Vt = self.spectrum
        U, V = U[:, self.rank :], Vt[self.rank :].T
        P, s, Wt = np.linalg.svd(U.T @ self.pull @ V)
        return U @ P[:, 0], float(s[0]), V @ Wt[0]

    def expansion(self, factor: float = 1.0) -> tuple[float, float]:
        """‖λ_Q W_Qᵀ − C W_Kᵀ‖/‖λ_Q W_Qᵀ‖ and that of W_K, at ``factor`` times the decay."""
        q, k = factor * self.decay_query * self.query, factor * self.decay_key * self.key
        return _off(q.T, self.pull @ self.key.T), _off(k, self.query @ self.pull)

    def best_expansion(self) -> tuple[float, float]:
        """The same at the λ_Q and the λ_K that make each least, whatever they are."""
        pairs = (self.query.T, self.pull @ self.key.T), (self.key, self.query @ self.pull)
        return tuple(_off((w * c).sum() / (w * w).sum() * w, c, w) for w, c in pairs)

    def balance(self, weighted: bool = True) -> float:
        """‖λ_Q W_Q W_Qᵀ − λ_K W_K W_Kᵀ‖ over the first of the two, or with both λ taken as 1."""
        a, b = (self.decay_query, self.decay_key) if weighted else (1.0, 1.0)
        return _off(a * self.query @ self.query.T, b * self.key @ self.key.T)
