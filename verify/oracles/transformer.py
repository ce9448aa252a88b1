"""A small Transformer's loss in plain numpy, with a backward pass that is written out.

From the formulas: norm, attention, norm, feed-forward, each part added to its input; a norm; logits
of the last token by the table that embeds (a decoder), or of the mean by a classifier (an encoder).
Nothing is shared with torch. All of it is analytic and takes complex numbers: at ε = 1e-30
Im f(x + iε)/ε is a derivative, and no difference cancels (Squire & Trapp 1998). That of the loss by
the logits checks the backward pass; that of the gradient is a product with the Hessian.

In shapes: B sequences of n tokens; C coordinates; H heads of dimension d. Leading axes broadcast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import erf

from verify.oracles.log_kernels import Logit

EDP = Logit()
STEP = 1e-30
"""ε: far below rounding, so that the real part of everything is what it is at 0."""
Weights = Mapping[str, np.ndarray]
Gradients = dict[str, np.ndarray]


class AttentionPass(NamedTuple):
    """What attention has computed: z (B, n, C), q and k, v (B, H, n, d or C/H), a and A."""

    z: np.ndarray
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    a: np.ndarray
    weights: np.ndarray
    out: np.ndarray


@dataclass(frozen=True)
class Plain:
    """An architecture. Its weights are called as in a state dict.

    ``eps`` is that of its norms; ``dimension`` the d of 1/√d, however many rows its maps have.
    """

    heads: int
    layers: int
    dimension: int
    causal: bool
    eps: float
    logit: Logit = EDP

    @property
    def blocks(self) -> list[str]:
        """The names of the blocks, in order."""
        return [f"{self._side}.blocks.{layer}" for layer in range(self.layers)]

    @property
    def _side(self) -> str:
        return "decoder" if self.causal else "encoder"

    # ---- forward

    def points(self, weights: Weights, tokens: np.ndarray) -> np.ndarray:
        """Of tokens and their positions, (B, n, C)."""
        token, position = (weights[f"embedding.{part}.weight"] for part in ("token", "position"))
        return math.sqrt(token.shape[1]) * (token[tokens] + position[: tokens.shape[1]])

    def attention(
        self, weights: Weights, block: str, x: np.ndarray, bump: np.ndarray | float = 0
    ) -> tuple[np.ndarray, AttentionPass]:
        """What attention adds to points x, and how; ``bump`` is added to a, (…, B, H, n, n)."""
        z = self._norm(weights, f"{block}.attention_norm", x)[0]
        q, k, v = (
            self._by_head(affine(weights, f"{block}.attention.{part}", z))
            for part in ("query", "key", "value")
        )
        root, n = math.sqrt(self.dimension), z.shape[-2]
        a = q @ k.mT / root + bump  # (…, H, n, n)
        logit = self.logit.value(a)
        if self.logit.norms:
            squares = (q**2).sum(-1)[..., :, None] + (k**2).sum(-1)[..., None, :]
            logit = logit - self.logit.norms / root * squares
        if self.causal:
            logit = np.where(np.tri(n, dtype=bool), logit, -np.inf)
        kappa = np.exp(logit - logit.real.max(-1, keepdims=True))
        A = kappa / kappa.sum(-1, keepdims=True)
        out = self._together(A @ v)  # (…, n, C)
        return affine(weights, f"{block}.attention.out", out), AttentionPass(z, q, k, v, a, A, out)

    def feed_forward(self, weights: Weights, block: str, x: np.ndarray) -> np.ndarray:
        """What the other part of a block adds to points x."""
        z = self._norm(weights, f"{block}.forward_norm", x)[0]
        up = affine(weights, f"{block}.feed_forward.up", z)
        return affine(weights, f"{block}.feed_forward.down", up * normal(up))

    def losses(self, weights: Weights, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """−Σ_y p(y) log p̂(y), (…, B), of the last points and the labels' p, (B, classes)."""
        scores = self._scores(weights, self._norm(weights, f"{self._side}.norm", x)[0])
        return log_sum_exp(scores) - (targets * scores).sum(-1)

    def loss(self, weights: Weights, tokens: np.ndarray, targets: np.ndarray) -> float:
        """Their mean."""
        x = self.points(weights, tokens)
        for block in self.blocks:
            x = self.through(weights, block, x)
        return self.losses(weights, x, targets).mean()

    def through(
        self, weights: Weights, block: str, x: np.ndarray, bump: np.ndarray | float = 0
    ) -> np.ndarray:
        """(…, B, n, C) → (…, B, n, C)."""
        x = x + self.attention(weights, block, x, bump)[0]
        return x + self.feed_forward(weights, block, x)

    def _scores(self, weights: Weights, x: np.ndarray) -> np.ndarray:
        if self.causal:  # token 0 is padding, and is not predicted
            return x[..., -1, :] @ weights["embedding.token.weight"][1:].T
        return affine(weights, "classifier", x.mean(-2))

    def _norm(self, weights: Weights, name: str, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Coordinates of mean 0 and variance 1, less ε, gain, bias; and 1/√(variance + ε)."""
        x = x - x.mean(-1, keepdims=True)
        inverse = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps)
        x = x * inverse
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"], x, inverse

    def _by_head(self, x: np.ndarray) -> np.ndarray:
        """(…, n, H·d) → (…, H, n, d)."""
        return x.reshape(*x.shape[:-1], self.heads, -1).swapaxes(-2, -3)

    def _together(self, x: np.ndarray) -> np.ndarray:
        """(…, H, n, d) → (…, n, H·d)."""
        x = x.swapaxes(-2, -3)
        return x.reshape(*x.shape[:-2], -1)

    # ---- backward

    def gradient(
        self, weights: Weights, tokens: np.ndarray, targets: np.ndarray
    ) -> tuple[float, Gradients, list[tuple[AttentionPass, np.ndarray]]]:
        """The loss, its gradient by all weights, and of each block its pass and ∂loss/∂a."""
        points = [self.points(weights, tokens)]
        passes = []
        for block in self.blocks:
            added, found = self.attention(weights, block, points[-1])
            passes.append(found)
            points.append(points[-1] + added)
            points.append(points[-1] + self.feed_forward(weights, block, points[-1]))
        found = {}
        loss, dx = self._from_scores(weights, points.pop(), targets, found)
        slopes = []
        for block, at in zip(reversed(self.blocks), reversed(passes), strict=True):
            dx = dx + self._feed_forward_back(weights, block, points.pop(), dx, found)
            by_x, by_a = self._attention_back(weights, block, points.pop(), at, dx, found)
            dx = dx + by_x
            slopes.append(by_a)
        dx = math.sqrt(dx.shape[-1]) * dx
        position = found["embedding.position.weight"] = np.zeros_like(
            weights["embedding.position.weight"], dtype=dx.dtype
        )
        position[: dx.shape[1]] = dx.sum(0)
        token = found.setdefault(
            "embedding.token.weight", np.zeros_like(weights["embedding.token.weight"], dx.dtype)
        )
        one_hot = np.arange(len(token))[:, None] == tokens.ravel()
        token += one_hot @ dx.reshape(-1, dx.shape[-1])
        return loss, found, list(zip(passes, reversed(slopes), strict=True))

    def _from_scores(
        self, weights: Weights, x: np.ndarray, targets: np.ndarray, found: Gradients
    ) -> tuple[float, np.ndarray]:
        name = f"{self._side}.norm"
        normed, hat, inverse = self._norm(weights, name, x)
        scores = self._scores(weights, normed)
        total = log_sum_exp(scores)
        loss = (total - (targets * scores).sum(-1)).mean()
        by_scores = (np.exp(scores - total[:, None]) - targets) / len(targets)  # (B, classes)
        dx = np.zeros_like(normed)
        if self.causal:
            table = weights["embedding.token.weight"]
            by_table = found["embedding.token.weight"] = np.zeros_like(table, dtype=dx.dtype)
            by_table[1:] = by_scores.T @ normed[:, -1]
            dx[:, -1] = by_scores @ table[1:]
        else:
            back = affine_back(weights, "classifier", normed.mean(1), by_scores, found)
            dx += back[:, None] / x.shape[1]
        return loss, self._norm_back(weights, name, hat, inverse, dx, found)

    def _feed_forward_back(
        self, weights: Weights, block: str, x: np.ndarray, dy: np.ndarray, found: Gradients
    ) -> np.ndarray:
        name = f"{block}.forward_norm"
        z, hat, inverse = self._norm(weights, name, x)
        up = affine(weights, f"{block}.feed_forward.up", z)
        share = normal(up)
        dup = affine_back(weights, f"{block}.feed_forward.down", up * share, dy, found)
        dup = dup * (share + up * np.exp(-up * up / 2) / math.sqrt(2 * math.pi))
        dz = affine_back(weights, f"{block}.feed_forward.up", z, dup, found)
        return self._norm_back(weights, name, hat, inverse, dz, found)

    def _attention_back(
        self,
        weights: Weights,
        block: str,
        x: np.ndarray,
        at: AttentionPass,
        dy: np.ndarray,
        found: Gradients,
    ) -> tuple[np.ndarray, np.ndarray]:
        name, root = f"{block}.attention_norm", math.sqrt(self.dimension)
        dout = affine_back(weights, f"{block}.attention.out", at.out, dy, found)
        dout = self._by_head(dout)  # (B, H, n, C/H)
        by_weight = dout @ at.v.mT  # (B, H, n, n)
        by_logit = at.weights * (by_weight - (at.weights * by_weight).sum(-1, keepdims=True))
        by_a = by_logit * self.logit.slope(at.a)
        dq, dk = by_a @ at.k / root, by_a.mT @ at.q / root
        if self.logit.norms:
            share = 2 * self.logit.norms / root
            dq = dq - share * by_logit.sum(-1)[..., None] * at.q
            dk = dk - share * by_logit.sum(-2)[..., None] * at.k
        parts = {"query": dq, "key": dk, "value": at.weights.mT @ dout}
        dz = sum(
            affine_back(weights, f"{block}.attention.{part}", at.z, self._together(d), found)
            for part, d in parts.items()
        )
        _, hat, inverse = self._norm(weights, name, x)
        return self._norm_back(weights, name, hat, inverse, dz, found), by_a

    def _norm_back(
        self,
        weights: Weights,
        name: str,
        hat: np.ndarray,
        inverse: np.ndarray,
        dy: np.ndarray,
        found: Gradients,
    ) -> np.ndarray:
        found[f"{name}.weight"] = (dy * hat).sum((0, 1))
        found[f"{name}.bias"] = dy.sum((0, 1))
        d = dy * weights[f"{name}.weight"]
        d = d - d.mean(-1, keepdims=True) - hat * (d * hat).mean(-1, keepdims=True)
        return d * inverse


def slopes_by_steps(
    model: Plain, weights: Weights, tokens: np.ndarray, targets: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """z (B, n, C) and ∂loss/∂a (B, H, n, n) of each layer: a step along i for each head and pair.

    All examples step at once: the loss is their mean, and each sees its own logits alone.
    """
    B, n = tokens.shape
    i, j = np.nonzero(np.tri(n) if model.causal else np.ones((n, n)))
    bumps = np.zeros((len(i), 1, 1, n, n), complex)  # a step for each pair
    bumps[range(len(i)), 0, 0, i, j] = 1j * STEP
    x, found = model.points(weights, tokens), []
    for layer, block in enumerate(model.blocks):
        slopes = np.zeros((B, model.heads, n, n))
        for head in range(model.heads):
            own = np.arange(model.heads)[:, None, None] == head
            moved = model.through(weights, block, x, bumps * own)  # (pairs, B, n, C)
            for later in model.blocks[layer + 1 :]:
                moved = model.through(weights, later, moved)
            slopes[:, head, i, j] = model.losses(weights, moved, targets).imag.T / STEP / B
        found.append((model.attention(weights, block, x)[1].z, slopes))
        x = model.through(weights, block, x)
    return found


def affine(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """W x, and a bias where there is one."""
    x = x @ weights[f"{name}.weight"].T
    return x + weights[f"{name}.bias"] if f"{name}.bias" in weights else x


def affine_back(
    weights: Weights, name: str, x: np.ndarray, dy: np.ndarray, found: Gradients
) -> np.ndarray:
    """The gradient by x, from that by the result; those by W and bias go to ``found``."""
    rows = dy.reshape(-1, dy.shape[-1])
    found[f"{name}.weight"] = rows.T @ x.reshape(-1, x.shape[-1])
    if f"{name}.bias" in weights:
        found[f"{name}.bias"] = rows.sum(0)
    return dy @ weights[f"{name}.weight"]


def normal(x: np.ndarray) -> np.ndarray:
    """The normal distribution's function: x times it is GELU."""
    return (1 + erf(x / math.sqrt(2))) / 2


def log_sum_exp(scores: np.ndarray) -> np.ndarray:
    """log Σ exp of the last axis."""
    largest = scores.real.max(-1, keepdims=True)
    return np.log(np.exp(scores - largest).sum(-1)) + largest[..., 0]
