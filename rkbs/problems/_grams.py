"""The three statements of a Gram matrix: itself, its eigendecomposition, its features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rkbs._arrays import as_matrix
from rkbs._linalg import Eigen
from rkbs.problems.low_rank import LowRankGram

Gram = np.ndarray | Eigen | LowRankGram
"""A within-domain Gram matrix: itself, or its eigendecomposition, or its features."""


def as_gram(gram: Any, name: str, size: int) -> Gram:
    """``checked_gram``; what was checked as it was made, as it is, if it is of this size."""
    if isinstance(gram, Eigen) and len(gram.eigenvectors) != size:
        raise ValueError(
            f"{name} must decompose a matrix of shape ({size}, {size}), a row per point, got "
            f"{len(gram.eigenvectors)} eigenvalues"
        )
    if isinstance(gram, LowRankGram) and len(gram) != size:
        raise ValueError(
            f"{name} must have shape ({size}, {size}), a row per point, got {gram.shape}"
        )
    return gram if isinstance(gram, Eigen | LowRankGram) else checked_gram(gram, name, size)


def checked_gram(gram: np.ndarray, name: str, size: int) -> np.ndarray:
    """Check a within-domain Gram matrix: square, of the domain's size, symmetric.

    Asymmetry at rounding level, n · eps · max|K| in the matrix's own precision, is averaged away;
    more is an error, because the closed form would silently solve another problem.
    """
    gram = as_matrix(gram, name)
    if gram.shape != (size, size):
        raise ValueError(
            f"{name} must have shape ({size}, {size}), a row per point, got {gram.shape}"
        )
    if np.array_equal(gram, gram.T):
        return gram
    gap = np.abs(gram - gram.T).max()
    if gap > size * np.finfo(gram.dtype).eps * np.abs(gram).max():
        raise ValueError(
            f"{name} must be symmetric, but max|K − Kᵀ| = {gap:.3g}: a within-domain Gram matrix "
            "is. For an asymmetric binary kernel κ use its within-domain kernels κ.domain_x and "
            "κ.domain_y (rkbs.inspect shows what a kernel has); a matrix of "
            "similarities becomes symmetric by G = (G + G.T) / 2, or an estimator's "
            'repair_x="symmetrize".'
        )
    return (gram + gram.T) / 2


def eigen_of(gram: Gram, name: str, beside: Callable[[int], np.ndarray]) -> Eigen:
    if isinstance(gram, Eigen):
        return gram
    if isinstance(gram, LowRankGram):
        return gram.eigen(beside(len(gram)))
    return Eigen.of(gram, name)


def block(gram: Gram, rows: np.ndarray | None) -> np.ndarray:
    """The matrix, or an array of its own with the block of some rows."""
    if isinstance(gram, LowRankGram):
        return gram.block(slice(None) if rows is None else rows)
    matrix = gram.gram() if isinstance(gram, Eigen) else gram
    return matrix if rows is None else matrix[np.ix_(rows, rows)]


def rows_of(rows: np.ndarray, name: str, gram: Gram, points: int) -> np.ndarray:
    """A row per new point: of the kernel, or of the features that state the Gram matrix."""
    rows = as_matrix(rows, name)
    by_features = isinstance(gram, LowRankGram)
    size = gram.features.shape[1] if by_features else points
    if rows.shape[1] != size:
        kind, of = ("the kernel", "problem's points")
        if by_features:
            kind, of = "features", f"features of gram_{name}"
        raise ValueError(
            f"{name} must hold a row of {kind} per new point, with {size} columns for the {of}, "
            f"got shape {rows.shape}"
        )
    return rows
