"""Training as a declaration says, and what results hold of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from rkbs.transformer.batches import Batch, Batches
from rkbs.transformer.recipe import Recipe
from rkbs.transformer.training import train
from verify.studies.declared import digest

CURVE = 20
"""Points of a curve of losses, each a mean over as many steps."""


def fit(
    model: nn.Module,
    batches: Batches,
    loss: Callable[[Any, Batch], Tensor],
    declared: Mapping[str, Any],
    steps: int | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train a model by the recipe that was declared; ``complete`` where ``steps`` cut nothing."""
    whole, recipe = declared["epochs"] * len(batches), declared["recipe"]
    steps = whole if steps is None else steps
    warmup = {"warmup": min(recipe["warmup"], steps // 4)}  # of runs that are cut short
    options = recipe | warmup | {"steps": steps, "device": device, "seed": batches.seed}
    losses = train(model, batches, loss, Recipe(**options)).losses
    return {
        "declared": digest(declared),
        "complete": steps == whole,
        "batches": batches.digest,
        "curve": [float(np.mean(part)) for part in np.array_split(losses, min(CURVE, steps))],
    }
