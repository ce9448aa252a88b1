"""The concordance of predictions with responses, in O(n log n), of samples with weights."""

from __future__ import annotations

from typing import Any

import numpy as np


def concordance(z: np.ndarray, h: np.ndarray, w: np.ndarray) -> float | None:
    """Σ w_m w_n (1[h_m > h_n] + ½ 1[h_m = h_n]) over z_m > z_n, over Σ w_m w_n there.

    None where all responses are equal. Of integer weights sums are exact.

    Parameters
    ----------
    z, h, w : arrays of shape (n,)
        Responses, predictions and weights.
    """
    # Of equal responses the greatest prediction comes first, so that no such pair is in order.
    order = np.lexsort((-h, z))
    z, h, w = z[order], h[order], w[order]
    new = z[1:] != z[:-1]
    if not new.any():
        return None
    ordered = _pairs(w.sum(keepdims=True), w) - _pairs(_run_weights(new, w), w)
    rank = np.unique(h, return_inverse=True)[1].reshape(-1)
    of_ranks = np.zeros(len(z), w.dtype)
    np.add.at(of_ranks, rank, w)
    tied = _pairs(of_ranks, w) - _pairs(_run_weights(new | (h[1:] != h[:-1]), w), w)
    return float((2 * _pairs_in_order(rank, w) + tied) / (2 * ordered))


def _run_weights(new: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weight of each run; ``new`` says of all samples but the first whether one starts."""
    return np.add.reduceat(weights, np.concatenate([[0], np.flatnonzero(new) + 1]))


def _pairs(of_sets: np.ndarray, weights: np.ndarray) -> Any:
    """Σ w_m w_n over the pairs m < n within each set of samples, of weights of sets and samples."""
    return ((of_sets * of_sets).sum() - (weights * weights).sum()) / 2


def _pairs_in_order(ranks: np.ndarray, weights: np.ndarray) -> Any:
    """Σ w_m w_n over m < n with ranks_m < ranks_n, by merging sorted blocks in O(n log n)."""
    size = 1 << (len(ranks) - 1).bit_length()
    blocks, of_blocks = np.full(size, -1), np.zeros(size, weights.dtype)  # greater than none before
    blocks[: len(ranks)], of_blocks[: len(ranks)] = ranks, weights
    total, half = 0, 1
    while half < size:
        # The later half first, so that of equal ranks its own are not behind those before it.
        blocks, of_blocks = (
            part.reshape(-1, 2, half)[:, ::-1].reshape(-1, 2 * half) for part in (blocks, of_blocks)
        )
        order = blocks.argsort(axis=1, kind="stable")
        blocks, of_blocks = (np.take_along_axis(part, order, 1) for part in (blocks, of_blocks))
        later = order < half
        before = np.where(later, 0, of_blocks).cumsum(axis=1)  # of the former half
        total += (of_blocks * before)[later].sum()
        half *= 2
    return total
