"""Associative recall with one head: which kernels can look up one of n keys, and what they may.

n keys are learned, and a query for each. An example gives every key one of ``VALUES`` values at
random and asks one key's; the head answers with the weights that its query gives to each value.
Heads of several n and seeds train side by side, short ones padded by keys that a mask hides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rkbs.attention.functional import kernel_attention
from rkbs.attention.paths.dense import Dense
from rkbs.kernels.base import Kernel
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.distance import RBF, Cauchy, ExponentiatedIntersection, L2Distance
from rkbs.kernels.dot_product import EDP, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.kernels.positive_features import PositiveFeatures
from verify.oracles.assignments import accuracy as exact_accuracy
from verify.studies.free_heads import starts

VALUES = 8
EXAMPLES = 32
"""Assignments of values in a minibatch, of which each asks all n keys."""
RATE = 0.1
"""Of Adam at first; it falls to a hundredth."""
TIE = 1e-9
"""Weights of two values that differ by less are equal: what rounding may part."""
ENUMERATED = 8
"""Keys of whose assignments all partitions are enumerated."""
LEARNED = 8
"""Features of the learned positive features."""


@dataclass(frozen=True)
class Contestant:
    """A kernel, and what theory §5 says of it, written here anew: its laws judge trained heads.

    ``features`` is D of d, ``squares`` M of d (None: no half-degree law), ``depth`` the least
    number of keys on one side of the i-th of n on the line (None: no depth law), ``spread`` the
    largest difference of two logits, ``metric`` whether the kernel is a distance. Scales (τ, γ, a
    temperature) are those of free queries and keys, so none is learned beside them.
    """

    make: Callable[[int, int, torch.Generator, str], Kernel]
    features: Callable[[int], float] = lambda d: math.inf
    squares: Callable[[int], int] | None = None
    depth: Callable[[int, int], int] | None = None
    spread: float = math.inf
    metric: bool = False
    parameters: tuple[str, ...] = field(default=())

    def trace_bound(self, n: int, d: int) -> float:
        """What the sum of the n self-weights does not exceed: the least of the laws."""
        bounds = [float(n), self.features(d), n / (1 + (n - 1) * math.exp(-self.spread))]
        bounds += [self.squares(d)] if self.squares else []
        bounds += [2.0] if self.metric else []
        if self.depth and d == 1:
            bounds.append(sum(1 / self.depth(i, n) for i in range(1, n + 1)))
        return min(bounds)

    def selection_bound(self, n: int, d: int) -> float:
        """What R does not exceed: the least of the laws."""
        bounds = [float(n), self.features(d), math.ceil(2 * self.trace_bound(n, d)) - 1]
        bounds += [2 * self.squares(d) - 1] if self.squares else []
        bounds += [2] if self.metric else []
        if self.depth and d == 1:
            bounds.append(sum(self.depth(i, n) < 2 for i in range(1, n + 1)))
        if (n - 1) * math.exp(-self.spread) >= 1:
            bounds.append(0)
        return min(bounds)


def _fixed(kernel: Kernel) -> Callable[[int, int, torch.Generator, str], Kernel]:
    return lambda heads, d, rng, device: kernel


def _learned(heads: int, d: int, rng: torch.Generator, device: str) -> PositiveFeatures:
    weights = torch.randn(2, heads, LEARNED, d, generator=rng, dtype=torch.float64).to(device)
    biases = torch.zeros(2, heads, LEARNED, dtype=torch.float64, device=device)
    query, key, query_bias, key_bias = (x.clone().requires_grad_() for x in (*weights, *biases))
    return PositiveFeatures(query, query_bias, key, key_bias)


def _two_sided(i: int, n: int) -> int:
    return min(i, n - i + 1)


def _one_sided(i: int, n: int) -> int:
    return n - i + 1


def _cut(order: int) -> Contestant:
    return Contestant(
        _fixed(TaylorEDP(order)),
        features=lambda d: math.comb(d + order, order),
        squares=lambda d: math.comb(d + order // 2, d),
        depth=_two_sided,
    )


CONTESTANTS = {
    "uniform": Contestant(_fixed(Constant()), features=lambda d: 1, squares=lambda d: 1),
    "L2": Contestant(_fixed(L2Distance()), metric=True, depth=_two_sided),
    "T2": _cut(2),
    "quadratic": Contestant(
        _fixed(Quadratic()),
        features=lambda d: math.comb(d + 2, 2),
        squares=lambda d: d + 1,
        depth=_two_sided,
    ),
    "T4": _cut(4),
    "T8": _cut(8),
    "T16": _cut(16),
    "capped ±1": Contestant(_fixed(CappedEDP(1.0)), depth=_two_sided, spread=2),
    "capped ±2": Contestant(_fixed(CappedEDP(2.0)), depth=_two_sided, spread=4),
    "EI": Contestant(_fixed(ExponentiatedIntersection()), depth=_one_sided),
    "EDP": Contestant(_fixed(EDP()), depth=_two_sided),
    "RBF": Contestant(_fixed(RBF())),
    "Cauchy": Contestant(_fixed(Cauchy())),
    "EDP, key-norm bias": Contestant(_fixed(KeyNormBias(EDP()))),
    "learned features": Contestant(
        _learned,
        features=lambda d: LEARNED,
        squares=lambda d: LEARNED,
        parameters=("query_weights", "query_biases", "key_weights", "key_biases"),
    ),
}


@dataclass(frozen=True)
class Heads:
    """Trained heads of one contestant, padded to the longest: A (heads, n, n) and their sizes."""

    weights: Tensor
    sizes: Tensor
    losses: Tensor

    def own(self, head: int) -> Tensor:
        """The self-weights of a head."""
        return self.weights[head].diagonal()[: int(self.sizes[head])]

    def rows(self, head: int) -> Tensor:
        """The A of a head, without padding."""
        n = int(self.sizes[head])
        return self.weights[head, :n, :n]


def train(
    name: str,
    d: int,
    sizes: Sequence[int],
    seeds: int,
    steps: int,
    seed: int = 0,
    device: str = "cpu",
) -> Heads:
    """A head for each n of ``sizes`` and each of ``seeds``, by Adam on −log of the right value."""
    contestant, longest = CONTESTANTS[name], max(sizes)
    rng = torch.Generator().manual_seed(seed)
    counts = torch.tensor(sizes).repeat_interleave(seeds)
    there = (torch.arange(longest) < counts[:, None]).to(device)  # (heads, n)
    kernel = contestant.make(len(counts), d, rng, device)
    start = starts(len(counts), longest, d, (1.0,), seed)
    queries, keys = (x.to(device).requires_grad_() for x in start)
    parameters = [getattr(kernel, name) for name in contestant.parameters]
    optimizer = torch.optim.Adam([queries, keys, *parameters], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, RATE / 100)
    eye = torch.eye(longest, dtype=queries.dtype, device=device)
    # Of a query in its head's loss:
    share = (there / counts.to(device)[:, None]).T[..., None] / EXAMPLES

    def weights() -> Tensor:
        return kernel_attention(
            queries, keys, eye, kernel, attn_mask=there[:, None, :], path=Dense()
        )

    def losses(A: Tensor, examples: int) -> Tensor:
        values = torch.randint(VALUES, (longest, examples), generator=rng).to(device)
        same = (values[:, None] == values).to(A.dtype)  # (query, key, example)
        right = (A.transpose(0, 1) @ same).clamp_min(torch.finfo(A.dtype).tiny)
        return -(share * right.log()).sum((0, 2))

    for _ in range(steps):
        optimizer.zero_grad()
        losses(weights(), EXAMPLES).sum().backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        A = weights()
        mean = sum(losses(A, EXAMPLES) for _ in range(50)) / 50
        return Heads(A.cpu(), counts, mean.cpu())


def accuracies(rows: Tensor, examples: int, seed: int) -> Tensor:
    """How often the greatest weight is that of the right value, in fresh examples; (heads,).

    Of values that tie, one is taken at random: its expectation is counted.
    """
    n = rows.shape[-1]
    rng = torch.Generator().manual_seed(seed + 1)
    values = torch.randint(VALUES, (examples, n), generator=rng)
    given = torch.nn.functional.one_hot(values, VALUES).to(rows.dtype)  # (example, key, value)
    found = []
    for weights in rows:
        scores = weights @ given  # (example, query, value)
        near = scores >= scores.amax(-1, keepdim=True) - TIE
        right = near.gather(-1, values[..., None])[..., 0]
        found.append((right / near.sum(-1)).mean())
    return torch.stack(found)


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """A contestant's heads of one d, for a sweep: by n, what each seed's head has come to.

    ``exact`` is the accuracy of the head of least loss by enumeration, up to ``ENUMERATED`` keys.
    """
    seeds, examples, seed = (configuration[name] for name in ("seeds", "examples", "seed"))
    sizes = configuration["sizes"]
    name, d, steps = (configuration[name] for name in ("kernel", "d", "steps"))
    trained = train(name, d, sizes, seeds, steps, seed, device)
    found = []
    for place, n in enumerate(sizes):
        mine = range(place * seeds, (place + 1) * seeds)
        rows = torch.stack([trained.rows(head) for head in mine])
        losses = trained.losses[place * seeds : (place + 1) * seeds]
        own = rows.diagonal(dim1=-2, dim2=-1)
        best = int(losses.argmin())
        accuracy = accuracies(rows, examples, seed)
        entry = {
            "n": n,
            "self_weight": own.mean(-1).tolist(),
            "selected": (own > 0.5).sum(-1).tolist(),
            "accuracy": accuracy.tolist(),
            "loss": losses.tolist(),
            "best": best,
            "exact": None,
        }
        if n <= ENUMERATED:
            entry["exact"] = exact_accuracy(rows[best].numpy(), VALUES, TIE)
        found.append(entry)
    return {"found": found}


def arrangement(name: str, n: int) -> np.ndarray:
    """A of the arrangement for d = 2 that theory knows for a contestant, without any training.

    Functions of a: n points of a circle, at the scale of largest self-weight. L2: two clusters,
    each with the queries of the other. Learned features: groups. What selects any number of keys
    in the plane (EDP, RBF, Cauchy, EI on the antidiagonal, where it is the Laplace kernel of a
    line): the identity, which is the limit of large scales.
    """
    if name in ("uniform", "L2", "learned features"):
        count = {"uniform": 1, "L2": 2, "learned features": LEARNED}[name]
        same = np.equal.outer(np.arange(n) % count, np.arange(n) % count)
        return same / same.sum(1, keepdims=True)
    if name not in CIRCLE:
        return np.eye(n)
    steps = np.arange(n)
    angles = 2 * np.pi * (steps[:, None] - steps) / n
    scales = np.concatenate([np.logspace(-1, 2.5, 1500), -np.logspace(-1, 2.5, 1500)])
    tables = CIRCLE[name](scales[:, None] * np.cos(angles[0]))
    shares = tables / tables.sum(1, keepdims=True)
    return shares[shares[:, 0].argmax()][(steps - steps[:, None]) % n]


def _cut_values(order: int) -> Callable[[np.ndarray], np.ndarray]:
    coefficients = [1 / math.factorial(power) for power in range(order + 1)]
    return lambda a: np.polynomial.polynomial.polyval(a, coefficients)


CIRCLE = {
    **{f"T{order}": _cut_values(order) for order in (2, 4, 8, 16)},
    "quadratic": lambda a: (a + 1) ** 2,
    "capped ±1": lambda a: np.exp(np.tanh(a)),
    "capped ±2": lambda a: np.exp(2 * np.tanh(a / 2)),
}
"""Functions of a whose best arrangement, as far as we know, is a circle at a finite scale."""
