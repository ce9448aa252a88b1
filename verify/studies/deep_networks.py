"""Small Transformers as functions of one vector, trained to where its gradient vanishes.

All in plain numpy (``verify.oracles.transformer``); rkbs's own models start them and judge what
they come to (``verify.studies.deep_models``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from verify.oracles.transformer import STEP, Plain
from verify.studies.deep_tasks import Task

MAPS = ("query.weight", "key.weight")


@dataclass(frozen=True)
class Network:
    """An architecture on a task, and the objective loss + Σ (λ/2)‖w‖² of a vector of its weights.

    Attributes
    ----------
    start : dict
        All weights as they start, by their names in a state dict.
    decays : dict
        λ of each weight that is trained, 0 where it does not decay; the others stay.
    tied : bool
        W_K = W_Q, which counts once.
    shared : bool
        The keys of a layer's heads are the same: ``key.weight`` has d rows in the vector.
    """

    task: Task
    plain: Plain
    start: Mapping[str, np.ndarray]
    decays: Mapping[str, float]
    tied: bool = False
    shared: bool = False

    @cached_property
    def _places(self) -> dict[str, tuple[slice, tuple[int, ...]]]:
        places, begin = {}, 0
        for name in self.decays:
            shape = self.start[name].shape
            if self.shared and name.endswith("key.weight"):
                shape = (shape[0] // self.plain.heads, shape[1])
            end = begin + math.prod(shape)
            places[name] = slice(begin, end), shape
            begin = end
        return places

    @cached_property
    def weights_of_decay(self) -> np.ndarray:
        """λ of each entry of the vector."""
        sizes = (math.prod(shape) for _, shape in self._places.values())
        return np.repeat(list(self.decays.values()), list(sizes))

    def vector(self, weights: Mapping[str, np.ndarray]) -> np.ndarray:
        """What is trained, in one vector."""
        parts = (weights[name][: shape[0]] for name, (_, shape) in self._places.items())
        return np.concatenate([part.ravel() for part in parts])

    def weights(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """All weights, by name."""
        found = dict(self.start)
        found |= {name: x[place].reshape(shape) for name, (place, shape) in self._places.items()}
        for block in self.plain.blocks:
            key = f"{block}.attention.key.weight"
            if self.tied:
                found[key] = found[f"{block}.attention.query.weight"]
            if self.shared:
                found[key] = np.tile(found[key], (self.plain.heads, 1))
        return found

    def gathered(self, gradients: dict[str, np.ndarray]) -> np.ndarray:
        """Gradients by the weights as one by the vector."""
        for block in self.plain.blocks:
            query, key = (f"{block}.attention.{part}" for part in MAPS)
            if self.tied:
                gradients[query] = gradients[query] + gradients[key]
            if self.shared:
                by_head = gradients[key].reshape(self.plain.heads, -1, gradients[key].shape[1])
                gradients[key] = by_head.sum(0)
        return np.concatenate([gradients[name].ravel() for name in self._places])

    def slope(self, x: np.ndarray, rows: np.ndarray | None = None) -> tuple[float, np.ndarray]:
        """The loss (of some examples) and its gradient, without the decay."""
        task = self.task if rows is None else self.task.some(rows)
        loss, gradients, _ = self.plain.gradient(self.weights(x), task.tokens, task.frequencies)
        return loss, self.gathered(gradients)

    def objective(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """J and its gradient."""
        loss, gradient = self.slope(x)
        pulled = self.weights_of_decay * x
        return loss + (pulled * x).sum() / 2, gradient + pulled

    def product(self, x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """The Hessian of J times a direction, by a step of the gradient along i."""
        size = np.linalg.norm(direction)
        if size == 0:
            return np.zeros_like(direction)
        _, gradient = self.slope(x + 1j * STEP / size * direction)
        return size / STEP * gradient.imag + self.weights_of_decay * direction

    def off(self, x: np.ndarray) -> float:
        """‖∂J‖/‖∂ decay‖: by how much the two gradients do not cancel."""
        return float(
            np.linalg.norm(self.objective(x)[1]) / np.linalg.norm(self.weights_of_decay * x)
        )

    def maps(self, weights: Mapping[str, np.ndarray], block: str) -> tuple[np.ndarray, np.ndarray]:
        """W_Q and W_K of a block, (H, d, D)."""
        found = (weights[f"{block}.attention.{part}"] for part in MAPS)
        return tuple(w.reshape(self.plain.heads, -1, w.shape[1]) for w in found)

    def grown(self, x: np.ndarray, rows: Mapping[str, np.ndarray]) -> Network:
        """The network that starts at x, each head with a row more; 1/√d stays.

        ``rows`` are (2, H, D) by block: those of W_Q and of W_K.
        """
        start = self.weights(x)
        for block, added in rows.items():
            for part, maps, row in zip(MAPS, self.maps(start, block), added, strict=True):
                longer = np.concatenate([maps, row[:, None]], axis=1)
                start[f"{block}.attention.{part}"] = longer.reshape(-1, longer.shape[-1])
        return replace(self, start=start)


def adam(
    x: np.ndarray,
    slope: Callable[[np.ndarray], np.ndarray],
    steps: int,
    rate: float,
    *,
    decoupled: np.ndarray | float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> np.ndarray:
    """Adam, or with ``decoupled`` decay AdamW, at a rate that falls to 0 by a cosine."""
    m, v = np.zeros_like(x), np.zeros_like(x)
    for step in range(steps):
        g = slope(x)
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        at = rate * (1 + math.cos(math.pi * step / steps)) / 2
        first, second = (
            part / (1 - beta ** (step + 1)) for part, beta in zip((m, v), betas, strict=True)
        )
        x = x - at * (first / (np.sqrt(second) + eps) + decoupled * x)
    return x


REACH = 0.05
"""How far the first step of L-BFGS goes, and the first radius of Newton's: no leap to elsewhere."""


def settle(
    network: Network, x: np.ndarray, evaluations: Sequence[int], newton: int, off: float
) -> np.ndarray:
    """L-BFGS, begun anew as often as is said, then Newton's method in a trust region.

    Until the gradients cancel to ``off``.
    """
    for count in evaluations:
        x = _by_lbfgs(network, x, count, off)
        if network.off(x) <= off:
            return x
    found = minimize(
        network.objective,
        x,
        jac=True,
        hessp=network.product,
        method="trust-ncg",
        options={
            "maxiter": newton,
            "gtol": 0.5 * off * np.linalg.norm(network.weights_of_decay * x),
            "initial_trust_radius": REACH,
        },
    )
    return found.x


def _by_lbfgs(network: Network, x: np.ndarray, evaluations: int, off: float) -> np.ndarray:
    found = minimize(
        lambda y: _scaled(network.objective(x + REACH * y)),
        np.zeros_like(x),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxcor": 40,
            "maxfun": evaluations,
            "maxiter": evaluations,
            "ftol": 0,
            "gtol": 0.1 * off * REACH * np.abs(network.weights_of_decay * x).max(),
        },
    )
    return x + REACH * found.x


def _scaled(value: tuple[float, np.ndarray]) -> tuple[float, np.ndarray]:
    return value[0], REACH * value[1]
