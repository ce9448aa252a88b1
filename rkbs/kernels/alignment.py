"""Weights of several kernels by their alignment with responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rkbs._arrays import as_matrix
from rkbs._frames import to_numpy
from rkbs.kernels.base import Kernel
from rkbs.kernels.weighted_sum import as_kernels

_NONE = 1e-12
"""A centered Gram matrix of this part of the matrix's size is rounding: the kernel is constant."""


def alignment_weights(kernels: Sequence[Kernel], X: Any, target: Any) -> np.ndarray:
    """w ≥ 0 that maximize the alignment of Σ w_m k_m with the responses: ALIGNF.

    The centered alignment of Gram matrices is the cosine ⟨HKH, T⟩/(‖HKH‖ ‖T‖), H = I − 11ᵀ/n, of
    T = RRᵀ, R the responses less the means of their columns. It is greatest for w ∝ v, v ≥ 0 that
    minimizes ‖Σ v_m H K_m H − T‖: non-negative least squares in the M weights. Kernels are taken
    at norm 1 first, so that no scale of a kernel matters: K_m ↦ c K_m has w_m ↦ w_m/c.
    The sum is scaled to mean variance 1, tr(HKH) = n − 1. Of kernels that are one and the same on
    these points the sum of their weights is determined, and how they share it is not.

    Parameters
    ----------
    kernels : sequence of M Kernel
    X : array of shape (n, d)
        The points of the domain.
    target : array of shape (n,) or (n, m)
        Responses of each point, such as those to each y; NaN where there is none, which counts as
        the column's mean.

    Returns
    -------
    array of shape (M,)

    Raises
    ------
    TypeError, ValueError
        Naming what does not fit; where no kernel is aligned with the responses, as when they, or
        all kernels, are constant.

    Source: Cortes, Mohri & Rostamizadeh, Algorithms for Learning Kernels Based on Centered
    Alignment, JMLR 13 (2012), §4.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import RBF, Linear, alignment_weights
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> alignment_weights([RBF(), 5.0 * Linear()], X, X).round(3)  # of which RBF() is no part
    array([0.   , 0.129])
    """
    kernels, points = as_kernels(kernels), as_matrix(X, "X").astype(float)
    responses = to_numpy(target, "target")
    responses = responses.reshape(len(responses), -1) if responses.ndim < 2 else responses
    if responses.ndim != 2 or len(responses) != len(points):
        raise ValueError(
            f"target must have shape ({len(points)},) or ({len(points)}, m), a row for each of X, "
            f"got {np.shape(target)}"
        )
    if np.isinf(responses := responses.astype(float)).any():
        raise ValueError("target must hold finite numbers, or NaN where there is no response")
    return alignf([kernel(points, points) for kernel in kernels], responses)


def alignf(grams: Sequence[np.ndarray], responses: np.ndarray) -> np.ndarray:
    """``alignment_weights`` of Gram matrices (n, n), and responses (n, m) or NaN."""
    R = _centered_columns(responses)
    centered = [_centered(gram) for gram in grams]
    size = np.array([np.linalg.norm(gram) for gram in centered])
    seen = size > _NONE * np.array([np.linalg.norm(gram) for gram in grams])
    units = [centered[m] / size[m] for m in np.flatnonzero(seen)]
    pull = np.array([np.vdot(R, unit @ R) for unit in units])
    if not (pull > 0).any():
        raise ValueError(
            "no kernel is aligned with the responses, which are constant, or the kernels are: pass "
            "numbers as weights"
        )
    gram = np.array([[np.vdot(a, b) for b in units] for a in units])
    weights = np.zeros(len(grams))
    weights[seen] = _least_squares(gram, pull / pull.max()) / size[seen]
    variance = sum(w * np.trace(K) for w, K in zip(weights, centered, strict=True))
    if not variance > 0:
        raise ValueError(
            "the sum of kernels that is most aligned with the responses has no positive variance, "
            "tr(HKH) ≤ 0: repair the similarities first, as Repair.learn does, and pass "
            "Precomputed matrices"
        )
    return weights * (max(len(R) - 1, 1) / variance)


def _least_squares(gram: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """v ≥ 0 that minimizes vᵀGv − 2vᵀa, as ‖Λ^{1/2}Uᵀv − Λ^{−1/2}Uᵀa‖ in G's range."""
    from scipy.optimize import nnls  # not at the top: rkbs is light

    eigenvalues, U = np.linalg.eigh(gram)
    keep = eigenvalues > len(gram) * np.finfo(float).eps * eigenvalues[-1]
    root, U = np.sqrt(eigenvalues[keep]), U[:, keep]
    return nnls(root[:, None] * U.T, (U.T @ pull) / root)[0]


def _centered(gram: np.ndarray) -> np.ndarray:
    """HKH."""
    columns = gram - gram.mean(0)
    return columns - columns.mean(1, keepdims=True)


def _centered_columns(responses: np.ndarray) -> np.ndarray:
    """R: less the mean of each column's responses, 0 where there is none."""
    seen = ~np.isnan(responses)
    values = np.where(seen, responses, 0.0)
    return np.where(seen, values - values.sum(0) / np.maximum(seen.sum(0), 1), 0.0)
