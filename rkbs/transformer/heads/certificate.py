"""The first-order conditions of a head that was trained with weight decay, and its dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

_ZERO = 1e-6
"""Singular values of M below this part of the largest count as none: training leaves noise."""


@final
@dataclass(frozen=True)
class HeadCertificate:
    """How far a head is from its first-order conditions, and whether its dimension suffices.

    Training minimizes J + (λ/2)(‖W_Q‖_F² + ‖W_K‖_F²), C = −∂J/∂M with M = W_Qᵀ W_K: the sum over
    pairs of points of backpropagation's coefficients. At a stationary point λ W_Qᵀ = C W_Kᵀ and
    λ W_K = W_Q C: the maps are finite expansions over pairs of points. Then C = λ U Vᵀ + R, with U,
    V the singular vectors of M and R orthogonal to both, and with all else fixed M is a stationary
    point of J + λ‖M‖_* of any rank iff σ_1(R) ≤ λ.

    Heads that share keys are one: their W_Q side by side. Tied maps W_Q = W_K = W with (λ/2)‖W‖_F²
    have λ W = W (C + Cᵀ) and the certificate λ_max of the rest of C + Cᵀ.

    Attributes
    ----------
    decay : float
        λ; of two different decays √(λ_Q λ_K).
    is_estimated : bool
        Whether λ was not given: then it is the one of least squares in both conditions,
        2⟨M, C⟩/(‖W_Q‖² + ‖W_K‖²), and residuals say how well any λ fits.
    residual_query, residual_key : float
        ‖λ W_Qᵀ − C W_Kᵀ‖/(λ‖W_Q‖) and ‖λ W_K − W_Q C‖/(λ‖W_K‖), Frobenius norms: the gradient
        over that of the decay. Large ones say that training has not come to rest, or that its
        decay does not stand in the objective (AdamW).
    balance : float
        ‖W_Q W_Qᵀ − W_K W_Kᵀ‖/‖W_K W_Kᵀ‖, decays as weights; 0 of tied maps.
    ratio : float
        σ_1(R)/λ. The objective falls by a²(σ_1(R) − λ) when the head grows by a row of length a.
    """

    decay: float
    is_estimated: bool
    residual_query: float
    residual_key: float
    balance: float
    ratio: float

    @property
    def suffices(self) -> bool:
        """σ_1(R) ≤ λ: no head dimension beyond this one lowers the objective to first order."""
        return self.ratio <= 1


def certificate(
    query: np.ndarray,
    key: np.ndarray,
    coefficients: np.ndarray,
    decay: float | tuple[float, float] | None = None,
) -> HeadCertificate | None:
    """The certificate of a head, or of the heads that share a key map.

    Parameters
    ----------
    query : array of shape (d, C)
        W_Q; of several heads side by side, (d, heads · C).
    key : array of shape (d, C')
    coefficients : array of shape (C, C')
        C = −∂J/∂(W_Qᵀ W_K); of several heads one above the other.
    decay : number or (number, number), optional
        λ, or λ_Q and λ_K. None: estimated.

    Returns
    -------
    HeadCertificate, or None of a map that is 0, and where λ is to be estimated and ⟨M, C⟩ ≤ 0: no
    decay explains the head.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.transformer.heads.certificate import certificate
    >>> W = np.array([[1.0, 0.0, 0.0]])
    >>> C = np.diag([0.5, 0.4, 0.0])  # λ U Vᵀ + R with λ = 0.5, σ_1(R) = 0.4
    >>> certificate(W, W, C)
    HeadCertificate(decay=0.5, is_estimated=True, residual_query=0.0, residual_key=0.0, \
balance=0.0, ratio=0.8)
    """
    query, key, C = (np.asarray(x, float) for x in (query, key, coefficients))
    pull_query, pull_key = C @ key.T, query @ C
    if decay is None:
        size = np.sum(query**2) + np.sum(key**2)
        lam_query = lam_key = float(2 * np.sum(query * pull_query.T) / size) if size > 0 else 0.0
    else:
        lam_query, lam_key = decay if isinstance(decay, tuple) else (decay, decay)
    if lam_query <= 0 or not query.any() or not key.any():
        return None
    lam = math.sqrt(lam_query * lam_key)
    rest = _outside(query, key, C)
    grams = lam_query * query @ query.T, lam_key * key @ key.T
    return HeadCertificate(
        decay=lam,
        is_estimated=decay is None,
        residual_query=_part(lam_query * query.T - pull_query, lam_query * query),
        residual_key=_part(lam_key * key - pull_key, lam_key * key),
        balance=_part(grams[0] - grams[1], grams[1]),
        ratio=_largest_singular(rest) / lam,
    )


def tied_certificate(
    maps: np.ndarray, coefficients: np.ndarray, decay: float | None = None
) -> HeadCertificate | None:
    """As ``certificate``, of one map W for queries and keys, with (λ/2)‖W‖² in the objective."""
    W, both = np.asarray(maps, float), np.asarray(coefficients, float)
    both = both + both.T
    pull, size = W @ both, np.sum(W**2)
    lam = decay if decay is not None else float(np.sum(W * pull) / size) if size > 0 else 0.0
    if lam <= 0 or not W.any():
        return None
    residual = _part(lam * W - pull, lam * W)
    inside = _range(W.T)
    rest = _without(inside, _without(inside, both).T)
    return HeadCertificate(
        decay=lam,
        is_estimated=decay is None,
        residual_query=residual,
        residual_key=residual,
        balance=0.0,
        ratio=float(np.linalg.eigvalsh((rest + rest.T) / 2)[-1]) / lam,
    )


def _outside(query: np.ndarray, key: np.ndarray, C: np.ndarray) -> np.ndarray:
    """R: C without what meets the singular vectors of M on either side."""
    (Q, left), (K, right) = np.linalg.qr(query.T), np.linalg.qr(key.T)
    U, sigma, Vt = np.linalg.svd(left @ right.T)
    keep = sigma > _ZERO * max(float(sigma[0]), np.finfo(float).tiny)
    U, V = Q @ U[:, : len(sigma)][:, keep], K @ Vt[: len(sigma)][keep].T
    return _without(V, _without(U, C).T).T


def _range(columns: np.ndarray) -> np.ndarray:
    """An orthonormal basis of the columns' span."""
    U, sigma, _ = np.linalg.svd(columns, full_matrices=False)
    return U[:, sigma > math.sqrt(_ZERO) * sigma[0]]  # of W: those of M are squares


def _without(basis: np.ndarray, C: np.ndarray) -> np.ndarray:
    return C - basis @ (basis.T @ C)


def _largest_singular(C: np.ndarray) -> float:
    """By the largest eigenvalue of the smaller Gram matrix, which alone is computed."""
    import scipy.linalg  # late, as elsewhere

    gram = C.T @ C if C.shape[0] >= C.shape[1] else C @ C.T
    last = len(gram) - 1
    found = scipy.linalg.eigh(gram, eigvals_only=True, subset_by_index=[last, last])
    return math.sqrt(max(float(found[0]), 0.0))


def _part(difference: np.ndarray, whole: np.ndarray) -> float:
    return float(np.linalg.norm(difference) / np.linalg.norm(whole))
