"""Training a head as it is done in practice: plain Adam with a cosine schedule."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from rkbs._arrays import check_count
from rkbs.approximation import Quadrature, Surface
from rkbs.attention.two_tower import TwoTowerHead
from rkbs.targets import as_line


@final
@dataclass(frozen=True, eq=False)
class TrainedHead:
    """A trained head and how it came about; called with numpy arrays it tabulates G.

    Parameters
    ----------
    module : TwoTowerHead
    steps, errors : arrays of shape (k,)
        L² error of the quadrature after that many steps of Adam, from 0 to the last.
    seconds : float
        Wall time of the training.
    seed : int
    """

    module: TwoTowerHead
    steps: np.ndarray
    errors: np.ndarray
    seconds: float
    seed: int

    def __call__(self, t: np.ndarray, s: np.ndarray) -> np.ndarray:
        """G(t_i, s_j): (n,), (m,) → (n, m), computed in the module's dtype."""
        like = self.module.query.hidden.weight
        with torch.no_grad():
            logits = self.module(_column(t, "t", like), _column(s, "s", like))  # (n, m)
        return logits.cpu().numpy().astype(float)


def _column(x: np.ndarray, name: str, like: Tensor) -> Tensor:
    return torch.as_tensor(
        as_line(x, name)[:, None], dtype=like.dtype, device=like.device
    )  # (n, 1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices this small gain nothing from threads, and sums must not depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _initial_head(d: int, width: int, seed: int) -> TwoTowerHead:
    """A head with torch's own initialization from the seed; the global generator is restored.

    Drawn on the CPU in float64, so that every device and dtype starts from the same numbers.
    """
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also seed every CUDA device.
        torch.default_generator.manual_seed(seed)
        return TwoTowerHead(d, width, dtype=torch.float64)


def train_head(
    target: Surface,
    d: int,
    width: int,
    *,
    quadrature: Quadrature,
    steps: int = 3000,
    lr: float = 1e-2,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedHead:
    """Minimize ‖F − G‖² = Σ_ij w_i w_j |F(x_i, x_j) − G(x_i, x_j)|² with Adam, on the full grid.

    The learning rate falls from ``lr`` to 0 along half a cosine; nothing else is tuned, and the
    last iterate is returned.

    Parameters
    ----------
    target : Target or callable
        (n,), (m,) → (n, m).
    d, width : int
        Head dimension, and hidden units m of each tower.
    quadrature : Quadrature
        The measure μ = ν of the error.
    steps : int
        Of Adam.
    lr : float
        The first learning rate.
    seed : int
        Of the initial weights; the same seed gives the same head on the same machine.
    device, dtype
        Where and in which precision to train.
    progress : callable or None
        Told (steps done, steps) about a hundred times.

    Raises
    ------
    FloatingPointError
        If the error is no longer finite: the learning rate is too high.
    """
    check_count(steps, "steps"), check_count(seed, "seed", 0)
    if not (math.isfinite(lr) and lr > 0):
        raise ValueError(f"lr must be positive and finite, got {lr!r}")
    root = np.sqrt(quadrature.weights)
    place = {"dtype": dtype, "device": device}
    x = torch.as_tensor(quadrature.nodes[:, None], **place)  # (n, 1)
    weights = torch.as_tensor(root[:, None] * root, **place)  # (n, n)
    goal = quadrature.tabulate(target, "target")  # (n, n), times the weights
    goal = torch.as_tensor(goal, **place)
    module = _initial_head(d, width, seed).to(**place)
    start = time.perf_counter()
    with _one_thread():
        taken, errors = _descend(module, x, weights, goal, steps, lr, progress)
    return TrainedHead(module, taken, errors, time.perf_counter() - start, seed)


def _descend(
    module: TwoTowerHead,
    x: Tensor,
    weights: Tensor,
    goal: Tensor,
    steps: int,
    lr: float,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Adam in place; the steps at which the error was recorded, and the errors."""
    optimizer = torch.optim.Adam(module.parameters(), lr=lr, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    every, taken, errors = max(1, steps // 100), [], []

    def loss() -> Tensor:
        return (module(x, x) * weights - goal).square().sum()

    def record(step: int, squared: Tensor) -> None:
        error = math.sqrt(squared.item())
        if not math.isfinite(error):
            raise FloatingPointError(f"the error is {error} after {step} steps: lower lr={lr}")
        taken.append(step)
        errors.append(error)
        if progress:
            progress(step, steps)

    for step in range(steps):
        optimizer.zero_grad()
        squared = loss()
        if step % every == 0:
            record(step, squared)
        squared.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        record(steps, loss())
    return np.array(taken), np.array(errors)
