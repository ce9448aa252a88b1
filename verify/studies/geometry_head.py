"""A head that points: teachers, their pointers, and what a head of two maps makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pointers:
    """Contexts of n tokens (..., B, n, D), and to which of them each points, (..., B, n)."""

    tokens: np.ndarray
    keys: np.ndarray

    @property
    def queries(self) -> np.ndarray:
        """The tokens of all contexts, (..., Bn, D)."""
        *lead, B, n, D = self.tokens.shape
        return self.tokens.reshape(*lead, B * n, D)

    def logits(self, M: np.ndarray) -> np.ndarray:
        """z_iᵀ M z_j of the tokens of a context, (..., B, n, n)."""
        B, n, D = self.tokens.shape[-3:]
        pulled = self.queries @ M
        return pulled.reshape(*pulled.shape[:-2], B, n, D) @ self.tokens.mT

    def loss(self, M: np.ndarray) -> np.ndarray:
        """The mean cross-entropy, (...): convex in M."""
        logits = self.logits(M)
        own = np.take_along_axis(logits, _over(self.keys, logits), -1)[..., 0]
        top = logits.max(-1)
        total = np.log(np.exp(logits - top[..., None]).sum(-1)) + top
        return (total - own).mean((-2, -1))

    def gradient(self, M: np.ndarray) -> np.ndarray:
        """Of the loss in M: the mean over queries of z_i Σ_j (p_ij − y_ij) z_jᵀ, (..., D, D)."""
        B, n, D = self.tokens.shape[-3:]
        p = self.logits(M)
        p -= p.max(-1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(-1, keepdims=True)
        p -= np.eye(n)[self.keys]
        moved = p @ self.tokens
        return self.queries.mT @ moved.reshape(*moved.shape[:-3], B * n, D) / (B * n)

    def error(self, M: np.ndarray) -> np.ndarray:
        """The share of queries whose largest logit is another token's, (...)."""
        return (self.logits(M).argmax(-1) != self.keys).mean((-2, -1))


def _over(keys: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return np.broadcast_to(keys, logits.shape[:-1])[..., None]


@dataclass(frozen=True)
class Head:
    """J(W_Q, W_K): pointers by the logits z_iᵀ W_Qᵀ W_K z_j/√d; w = (W_Q, W_K), (..., 2, d, D)."""

    pointers: Pointers

    def loss(self, w: np.ndarray) -> np.ndarray:
        """J, (...)."""
        return self.pointers.loss(bilinear(w))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Of J in both maps, of the shape of w: W_K Gᵀ/√d and W_Q G/√d, G the gradient in M."""
        q, k = w[..., 0, :, :], w[..., 1, :, :]
        G = self.pointers.gradient(bilinear(w)) / math.sqrt(w.shape[-2])
        return np.stack([k @ G.mT, q @ G], -3)


def bilinear(w: np.ndarray) -> np.ndarray:
    """M = W_Qᵀ W_K/√d, (..., D, D)."""
    return w[..., 0, :, :].mT @ w[..., 1, :, :] / math.sqrt(w.shape[-2])


@dataclass(frozen=True)
class Linear:
    """J(W) = mean log(1 + exp(−y_i ⟨A_i, W⟩)), convex; w is (..., 1, d, D), A (N, d, D)."""

    A: np.ndarray
    y: np.ndarray

    def loss(self, w: np.ndarray) -> np.ndarray:
        """J, (...)."""
        return np.logaddexp(0, -self._margins(w)).mean(-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        """Of J, of the shape of w."""
        pull = -self.y / (1 + np.exp(self._margins(w))) / len(self.y)
        return np.einsum("...n,nij->...ij", pull, self.A)[..., None, :, :]

    def _margins(self, w: np.ndarray) -> np.ndarray:
        return self.y * np.einsum("...ij,nij->...n", w[..., 0, :, :], self.A)


Teacher = Callable[[np.random.Generator, int], np.ndarray]
"""M of the logits that pointers follow, (D, D)."""


def gaussian(rng: np.random.Generator, D: int) -> np.ndarray:
    """Independent normal entries."""
    return rng.normal(size=(D, D))


def low_rank(rng: np.random.Generator, D: int) -> np.ndarray:
    """Rank one, of normal vectors."""
    return np.outer(rng.normal(size=D), rng.normal(size=D))


def orthogonal(rng: np.random.Generator, D: int) -> np.ndarray:
    """All singular values the same."""
    return np.linalg.qr(rng.normal(size=(D, D)))[0]


def sign_vectors(rng: np.random.Generator, D: int) -> np.ndarray:
    """Rank one, of vectors of signs."""
    return np.outer(_signs(rng, D), _signs(rng, D))


def sparse_signs(rng: np.random.Generator, D: int) -> np.ndarray:
    """Rank one, of vectors with two signs each, and 0 elsewhere."""
    return np.outer(_sparse(rng, D), _sparse(rng, D))


def sign_maps(rng: np.random.Generator, D: int) -> np.ndarray:
    """W_Qᵀ W_K of two square maps of signs: of full rank, mostly."""
    return _signs(rng, D, D).T @ _signs(rng, D, D)


def _sparse(rng: np.random.Generator, D: int) -> np.ndarray:
    x = np.zeros(D)
    x[rng.permutation(D)[:2]] = _signs(rng, 2)
    return x


def _signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=shape)


def draw(
    rng: np.random.Generator, teacher: np.ndarray, contexts: int, n: int, noise: float
) -> Pointers:
    """Normal tokens; each points to the one of its largest logit, or, with noise, to any."""
    tokens = rng.normal(size=(contexts, n, len(teacher)))
    keys = (tokens @ teacher @ tokens.mT).argmax(-1)
    other = rng.random(keys.shape) < noise
    return Pointers(tokens, np.where(other, rng.integers(0, n, keys.shape), keys))


def stacked(several: list[Pointers]) -> Pointers:
    """Pointers of several seeds, in one leading axis."""
    return Pointers(
        np.stack([one.tokens for one in several]), np.stack([one.keys for one in several])
    )
