"""Small Transformers, trained until loss and decay are nearly at rest, or by AdamW."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rkbs.transformer.batches import Batches
from rkbs.transformer.model import Transformer
from rkbs.transformer.recipe import Recipe
from rkbs.transformer.training import train
from verify.studies.head_tasks import HeadTask, task_of


@dataclass(frozen=True)
class Trained:
    """A model at rest, or where AdamW left it; λ of its objective, None of AdamW's."""

    model: Transformer
    task: HeadTask
    decay: float | None
    rest: float

    def loss(self, model: nn.Module | None = None) -> float:
        """The expected loss, without the decay."""
        with torch.no_grad():
            return self.task.loss(model or self.model, self.task.columns).item()

    def objective(self, model: nn.Module) -> Tensor:
        """J: the expected loss and the decay."""
        size = sum((w**2).sum() for w in model.parameters())
        return self.task.loss(model, self.task.columns) + (self.decay or 0.0) / 2 * size


def trained_model(cell: Mapping[str, Any], declared: Mapping[str, Any]) -> tuple[float, Trained]:
    """The loss before training, and what training came to."""
    coupled = cell["training"] == "coupled"
    sizes = declared["model"] | {
        "layers": declared["layers"][cell["task"]],
        "head_dim": declared["head_dim"][cell["for"]],
        "dropout": 0.0 if coupled else declared["AdamW dropout"],
    }
    model, task = task_of(cell["task"], sizes, cell["seed"])
    model = model.double()
    before = Trained(model.eval(), task, None, math.inf).loss()
    if not coupled:
        recipe = Recipe(seed=cell["seed"], **declared["AdamW"])
        rows = {"index": list(range(task.count))}
        batches = Batches(rows, declared["AdamW batch"], seed=cell["seed"])
        train(model, batches, task.loss_at, recipe)
        return before, Trained(model.eval(), task, None, math.nan)
    how = declared["coupled"]
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = how["norm eps"]
    share = how["of it, to grow"] if cell["for"] == "grow" else 1.0
    start = Trained(model, task, share * how["decay"], math.inf)
    adam(model, start.objective, how["steps"], how["lr"])
    most = cell.get("iterations", how["iterations"])
    return before, Trained(model, task, start.decay, to_rest(start, most, how["rest"]))


def adam(model: nn.Module, objective: Callable, steps: int, lr: float) -> None:
    """Adam on all inputs, with a cosine that falls to 0."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        objective(model).backward()
        optimizer.step()


def descend(model: nn.Module, objective: Callable, iterations: int) -> None:
    """L-BFGS on all inputs."""
    optimizer = torch.optim.LBFGS(
        model.parameters(),
        max_iter=iterations,
        max_eval=2 * iterations,
        history_size=40,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def value() -> Tensor:
        optimizer.zero_grad()
        found = objective(model)
        found.backward()
        return found

    optimizer.step(value)


def to_rest(trained: Trained, most: int, rest: float, part: int = 100) -> float:
    """L-BFGS, begun anew at times, until ‖∂J‖/‖λ w‖ is small; what it came to."""
    weights, off = list(trained.model.parameters()), math.inf
    for _ in range(most // part):
        descend(trained.model, trained.objective, part)
        slopes = torch.autograd.grad(trained.objective(trained.model), weights)
        pulled = math.sqrt(sum((w**2).sum().item() for w in weights)) * (trained.decay or 0.0)
        off = math.sqrt(sum((g**2).sum().item() for g in slopes)) / pulled
        if off <= rest:
            break
    return off


def continued(
    trained: Trained, model: Transformer, training: str, steps: int, declared: Mapping[str, Any]
) -> None:
    """So many iterations more, of what was used for training."""
    if training == "coupled":
        descend(model, trained.objective, steps)
        return
    decay = declared["AdamW"]["weight_decay"]
    lr = declared["AdamW after growing"]["lr"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay)
    for _ in range(steps):
        optimizer.zero_grad()
        trained.objective(model).backward()
        optimizer.step()
