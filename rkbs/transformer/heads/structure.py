"""What the bilinear form M = W_Qᵀ W_K of a head is; by its factors, M itself is never made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np


@final
@dataclass(frozen=True)
class HeadStructure:
    """The form M = W_Qᵀ W_K of a head, whose logits are xᵀ M y/√d.

    "Zero" means up to rounding: at most max(C, C') · eps · σ_1, eps of the weights' dtype. Where
    X ≠ Y, as from a decoder to its source, what compares M with Mᵀ has no meaning and is None.

    Attributes
    ----------
    singular_values : tuple of float
        σ_1 ≥ σ_2 ≥ …, of M: at most d of them are not zero.
    rank : int
    effective_rank : float
        exp(entropy of σ/Σσ), Roy & Vetterli (2007).
    stable_rank : float
        ‖M‖_F²/σ_1².
    antisymmetric_share : float or None
        ‖(M − Mᵀ)/2‖_F²/‖M‖_F², 0 of a symmetric M and 1 of an antisymmetric one. Of independent
        random W_Q and W_K it is (1 − 1/C)/2 on average.
    inertia : (int, int, int) or None
        How many eigenvalues of S = (M + Mᵀ)/2 are positive, zero, negative. Where the 2d rows of
        W_Q and W_K are linearly independent there are d positive and d negative ones, whatever
        was trained: what tells heads apart is their mass.
    negative_mass : float or None
        Σ |λ| over the negative eigenvalues of S, by Σ |λ| over all; ½ on average at random.
    least_eigenvalue : float or None
        Of S.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.transformer.heads.structure import structure
    >>> W = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    >>> found = structure(W, W)
    >>> found.singular_values, found.inertia, found.is_semidefinite
    ((4.0, 1.0), (2, 1, 0), True)
    >>> structure(W, W[::-1]).antisymmetric_share  # M = [[0, 2], [2, 0]] is symmetric, indefinite
    0.0
    """

    singular_values: tuple[float, ...]
    rank: int
    effective_rank: float
    stable_rank: float
    antisymmetric_share: float | None
    inertia: tuple[int, int, int] | None
    negative_mass: float | None
    least_eigenvalue: float | None

    @property
    def is_semidefinite(self) -> bool | None:
        """Whether M is symmetric without negative eigenvalues, up to rounding; None for X ≠ Y."""
        if self.inertia is None or self.antisymmetric_share is None:
            return None
        return self.inertia[2] == 0 and self.antisymmetric_share == 0


def structure(
    query: np.ndarray,
    key: np.ndarray,
    *,
    within: bool = True,
    eps: float = float(np.finfo(float).eps),
) -> HeadStructure:
    """The structure of queryᵀ key.

    Parameters
    ----------
    query, key : arrays of shape (d, C) and (d, C')
    within : bool
        Whether X = Y; then C' = C.
    eps : float
        Of the dtype that the weights were trained in.
    """
    query, key = np.asarray(query, float), np.asarray(key, float)
    rounding = max(query.shape[1], key.shape[1]) * eps
    sigma = np.linalg.svd(_triangle(query) @ _triangle(key).T, compute_uv=False)
    top = float(sigma[0])
    share = inertia = mass = lowest = None
    if within:
        core = form_within(query, key)
        share, inertia, mass, lowest = _within(core, query.shape[1], top, rounding)
    weights = sigma[sigma > 0] / sigma.sum() if top > 0 else np.ones(0)
    return HeadStructure(
        singular_values=tuple(sigma.tolist()),
        rank=int((sigma > rounding * top).sum()),
        effective_rank=float(np.exp(-(weights * np.log(weights)).sum())) if top > 0 else 0.0,
        stable_rank=float(((sigma / top) ** 2).sum()) if top > 0 else 0.0,
        antisymmetric_share=share,
        inertia=inertia,
        negative_mass=mass,
        least_eigenvalue=lowest,
    )


def form_within(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """queryᵀ key in an orthonormal basis of the span of all rows, (r, r) with r ≤ 2d."""
    both = np.linalg.qr(np.vstack([query, key]).T, mode="r")  # (r, 2d)
    return both[:, : len(query)] @ both[:, len(query) :].T


def covariance_root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance: weighted maps are W · root."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T


def _triangle(maps: np.ndarray) -> np.ndarray:
    """R of QR of the map's transpose, (r, d): R_Q R_Kᵀ has the singular values of W_Qᵀ W_K."""
    return np.linalg.qr(maps.T, mode="r")


def _within(
    core: np.ndarray, size: int, top: float, rounding: float
) -> tuple[float, tuple[int, int, int], float, float]:
    """Of a form in C dimensions by its core: share, inertia, negative mass, least eigenvalue."""
    whole, odd = np.linalg.norm(core), np.linalg.norm(core - core.T) / 2
    eigenvalues = np.linalg.eigvalsh((core + core.T) / 2)
    positive = int((eigenvalues > rounding * top).sum())
    negative = int((eigenvalues < -rounding * top).sum())
    mass = np.abs(eigenvalues).sum()
    below = np.abs(eigenvalues[eigenvalues < -rounding * top]).sum()
    least = float(eigenvalues[0]) if len(core) == size else min(float(eigenvalues[0]), 0.0)
    return (
        float((odd / whole) ** 2) if odd > rounding * whole else 0.0,
        (positive, size - positive - negative, negative),
        float(below / mass) if mass > 0 else 0.0,
        least,
    )
