"""Heads of free queries and keys: what training reaches of what a kernel can select.

Batches of heads train side by side, each by itself: the sum of their objectives has no term of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from rkbs.attention.functional import kernel_attention
from rkbs.attention.paths.dense import Dense
from rkbs.kernels.base import Kernel

SCALES = (0.3, 1.0, 2.0, 5.0)
"""Of the starts of ``trained``: from queries that see all keys alike to those that see one."""
Objective = Callable[[Tensor], Tensor]
"""Of the self-weights (heads, n) what a head ascends, (heads,)."""


def arithmetic_mean(own: Tensor) -> Tensor:
    """The mean self-weight."""
    return own.mean(-1)


def geometric_mean(own: Tensor) -> Tensor:
    """Its logarithm, which the loss −log trains."""
    return own.clamp_min(torch.finfo(own.dtype).tiny).log().mean(-1)


def least(own: Tensor) -> Tensor:
    """The least self-weight."""
    return own.amin(-1)


def soft_count(own: Tensor) -> Tensor:
    """A smooth stand-in for R/n: the mean of 1/(1 + exp(−20 (A_ii − ½)))."""
    return (20 * (own - 0.5)).sigmoid().mean(-1)


def in_turn(*objectives: Objective) -> Objective:
    """Each head ascends one of the objectives, taken in turn."""

    def objective(own: Tensor) -> Tensor:
        values = torch.stack([one(own) for one in objectives])
        heads = torch.arange(values.shape[-1])
        return values[heads % len(objectives), heads]

    return objective


def weights(kernel: Kernel, queries: Tensor, keys: Tensor) -> Tensor:
    """A, (heads, n, n), of queries and keys (heads, n, d): the library's own attention."""
    n = keys.shape[-2]
    return kernel_attention(
        queries,
        keys,
        torch.eye(n, dtype=keys.dtype, device=keys.device),
        kernel,
        path=Dense(),
    )


def self_weights(kernel: Kernel, queries: Tensor, keys: Tensor) -> Tensor:
    """The A_ii, (heads, n)."""
    return weights(kernel, queries, keys).diagonal(dim1=-2, dim2=-1)


def starts(heads: int, n: int, d: int, scales: Sequence[float], seed: int) -> tuple[Tensor, Tensor]:
    """Normal queries and keys (heads, n, d), the scales taken in turn."""
    rng = torch.Generator().manual_seed(seed)
    size = torch.tensor(scales, dtype=torch.float64).repeat(-(-heads // len(scales)))[:heads]
    points = torch.randn(2, heads, n, d, generator=rng, dtype=torch.float64)
    queries, keys = points * size[:, None, None]
    return queries, keys


def ascend(
    kernel: Kernel,
    queries: Tensor,
    keys: Tensor,
    objective: Objective,
    steps: int,
    *,
    parameters: Sequence[Tensor] = (),
    rate: float = 0.05,
) -> tuple[Tensor, Tensor]:
    """Queries and keys after Adam's steps up the objective, at a rate that falls to a fiftieth.

    ``parameters`` are tensors of the kernel, trained in place with them.
    """
    queries, keys = (x.clone().requires_grad_() for x in (queries, keys))
    optimizer = torch.optim.Adam([queries, keys, *parameters], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, rate / 50)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = -objective(self_weights(kernel, queries, keys)).sum()
        loss.backward()
        optimizer.step()
        schedule.step()
    return queries.detach(), keys.detach()


def trained(
    kernel: Kernel,
    n: int,
    d: int,
    heads: int,
    steps: int,
    *,
    seed: int,
    objectives: Sequence[Objective] = (geometric_mean, arithmetic_mean, soft_count),
    parameters: Sequence[Tensor] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys (heads, n, d) of heads from starts of ``SCALES``, objectives in turn."""
    queries, keys = starts(heads, n, d, SCALES, seed)
    queries, keys = ascend(
        kernel, queries, keys, in_turn(*objectives), steps, parameters=parameters
    )
    return queries.numpy(), keys.numpy()
