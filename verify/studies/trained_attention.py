"""Two-tower attention that chooses its settings by itself, many samples in one batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from rkbs.approximation.surface import Surface
from rkbs.attention.heads.ensemble import TwoTowerEnsemble
from rkbs.attention.heads.surfaces import Surfaces
from rkbs.attention.heads.training import Adam, one_thread
from rkbs.attention.heads.variable_projection import VariableProjection
from verify.studies.finite_sample import Fit, Training

DIMS = (1, 2, 4, 8)
DECAYS = (0.0, 1e-4, 1e-3)
"""λ of the penalty λ ‖w‖² beside the mean squared error, on all weights."""
DTYPE = torch.float32
LIMIT_STEPS = 20
"""Of Levenberg–Marquardt, for heads trained to the limit."""


@dataclass(frozen=True)
class Setting:
    """One model: the sample that it is for, and how it is trained."""

    sample: int
    d: int
    decay: float


@dataclass(frozen=True)
class Budget:
    """What every model gets: hidden units, steps of Adam, and the first learning rate."""

    width: int = 32
    steps: int = 1500
    lr: float = 2e-2


Build = Callable[
    [Sequence[Setting], Budget, Sequence[int], int, str],
    tuple[nn.Module, Callable[[], Sequence[Surface]]],
]
"""(settings, budget, seeds, dim, device) → models of all settings in one module, which gives
(M, n, m) at (t, s), and what each of them is, once trained."""


def two_towers(
    settings: Sequence[Setting], budget: Budget, seeds: Sequence[int], dim: int, device: str
) -> tuple[nn.Module, Callable[[], Sequence[Surface]]]:
    """Two-tower logits."""
    widths = [budget.width] * len(settings)
    ensemble = TwoTowerEnsemble.random(
        [s.d for s in settings], widths, seeds, d_x=dim, d_y=dim, dtype=DTYPE, device=device
    )
    return ensemble, ensemble.heads


def attention(
    trainings: Sequence[Training],
    budget: Budget,
    seed: int,
    device: str,
    build: Build = two_towers,
) -> tuple[list[Fit], list[dict[int, Fit]]]:
    """Per sample the head of the chosen d, and heads of each d with all else chosen.

    d and the decay are those of least error on the held-out pairs, training on the others; then the
    model is trained again, from the same start, on all pairs. A sample's seconds are its share of
    the two batches, and those of one d its share of them.
    """
    start = time.perf_counter()
    settings = [Setting(*point) for point in product(range(len(trainings)), DIMS, DECAYS)]
    losses = _train(trainings, settings, budget, seed, device, build)[1]
    loss = dict(zip(settings, losses, strict=True))
    best = {}
    for setting in sorted(settings, key=loss.get):
        best.setdefault((setting.sample, setting.d), setting)
    heads = _train(trainings, list(best.values()), budget, seed, device, build, refit=True)[0]
    seconds = (time.perf_counter() - start) / len(trainings)
    by_d: list[dict[int, Fit]] = [{} for _ in trainings]
    for ((sample, d), setting), head in zip(best.items(), heads, strict=True):
        training = trainings[sample]
        flops = (len(DECAYS) + 1) * flops_of(training, d, budget)
        chosen = {"d": d, "decay": setting.decay}
        fit = Fit(_predictor(head, training), chosen, seconds / len(DIMS), flops)
        by_d[sample][d] = fit
    free = []
    for training, fits in zip(trainings, by_d, strict=True):
        first = next(iter(fits.values()))  # they are in the order of their losses
        tried = len(DECAYS) * sum(flops_of(training, d, budget) for d in DIMS)
        flops = tried + flops_of(training, first.chosen["d"], budget)
        free.append(replace(first, seconds=seconds, flops=flops))
    return free, by_d


def flops_of(training: Training, d: int, budget: Budget) -> float:
    """Of all steps of one model, forward and backward, with n points a domain and m units.

    A step: 4nm·dim for the units of a tower and the gradient of their weights, 6nmd for its
    features and both their gradients, 6n²d for the logits and both theirs.
    """
    n, dim, m = len(training.pairs.X), training.pairs.X.shape[1], budget.width
    return float(budget.steps * (2 * n * m * (4 * dim + 6 * d) + 6 * n * n * d))


def _train(
    trainings: Sequence[Training],
    settings: Sequence[Setting],
    budget: Budget,
    seed: int,
    device: str,
    build: Build = two_towers,
    refit: bool = False,
) -> tuple[Sequence[Surface], list[float]]:
    """Heads in the order of the settings, and their mean squared errors on the held-out pairs."""
    dim = trainings[0].pairs.X.shape[1]
    seeds = [seed + s.sample for s in settings]
    ensemble, surfaces = build(settings, budget, seeds, dim, device)
    data = _Data.of(trainings, settings, refit, device)
    with one_thread():
        Adam(budget.steps, budget.lr).minimize(ensemble.parameters(), data.objectives(ensemble))
        with torch.no_grad():
            held = data.errors(ensemble, data.held).cpu().tolist()
    return surfaces(), held


@dataclass(frozen=True, eq=False)
class _Data:
    """Each model's points, centered responses, and weights of the pairs in its means."""

    t: Tensor
    s: Tensor
    z: Tensor
    used: Tensor
    held: Tensor
    decays: Tensor

    @classmethod
    def of(
        cls, trainings: Sequence[Training], settings: Sequence[Setting], refit: bool, device: str
    ) -> _Data:
        def tensor(arrays: list[np.ndarray]) -> Tensor:
            return torch.as_tensor(np.stack(arrays), dtype=DTYPE, device=device)

        which = torch.tensor([s.sample for s in settings], device=device)
        used = [np.full(len(t.z), True) if refit else ~t.held for t in trainings]
        tensors = (
            tensor([t.pairs.X for t in trainings]),
            tensor([t.pairs.Y for t in trainings]),
            tensor([t.pairs.matrix(t.z - t.z.mean()) for t in trainings]),
            tensor([t.pairs.matrix(u / u.sum()) for t, u in zip(trainings, used, strict=True)]),
            tensor([t.pairs.matrix(t.held / t.held.sum()) for t in trainings]),
        )
        decays = torch.tensor([s.decay for s in settings], dtype=DTYPE, device=device)
        return cls(*(x[which] for x in tensors), decays)

    def errors(self, ensemble: nn.Module, weights: Tensor) -> Tensor:
        """Mean squared errors of the models, (M,)."""
        return ((ensemble(self.t, self.s) - self.z).square() * weights).sum((1, 2))

    def objectives(self, ensemble: nn.Module) -> Callable[[], Tensor]:
        """Mean squared errors plus λ ‖w‖²."""

        def values() -> Tensor:
            weights = torch.cat([p.flatten(1) for p in ensemble.parameters()], 1)  # (M, p)
            return self.errors(ensemble, self.used) + self.decays * weights.square().sum(1)

        return values


def _predictor(head: Surface, training: Training) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    mean = training.z.mean()
    return lambda X, Y: head(X, Y) + mean


def limit(training: Training, budget: Budget, seed: int) -> dict[int, Fit]:
    """Heads of each d fitted to all pairs of a complete grid as well as they can be.

    Their hidden layers start as those of ``attention``; nothing holds them back.
    """
    start = time.perf_counter()
    pairs, dim = training.pairs, training.pairs.X.shape[1]
    ensemble = TwoTowerEnsemble.random(
        DIMS, [budget.width] * len(DIMS), [seed] * len(DIMS), d_x=dim, d_y=dim
    )
    n = len(pairs.X)
    root = torch.full((n, 1), n**-0.5, dtype=torch.float64)
    values = torch.as_tensor(pairs.matrix(training.z - training.z.mean()) / n)
    surfaces = Surfaces(
        torch.as_tensor(pairs.X), torch.as_tensor(pairs.Y), root, root, values[None]
    )
    with one_thread():
        VariableProjection(LIMIT_STEPS).fit(ensemble, surfaces)
    seconds = (time.perf_counter() - start) / len(DIMS)
    heads = zip(DIMS, ensemble.heads(), strict=True)
    return {d: Fit(_predictor(h, training), {}, seconds, None) for d, h in heads}
