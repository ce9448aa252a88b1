"""Heads trained in one batch per configuration: the sweeps of the claims on training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from rkbs.approximation.constructive import constructive_head
from rkbs.approximation.heads import Head
from verify.harness.evidence import drawn
from verify.studies.targets import TARGETS
from verify.studies.yardsticks import (
    Yardstick,
    training_measure,
)

ADAM = {"kind": "Adam", "lr": 1e-2}
"""What practice starts with; the steps are the claim's."""


def configuration(
    targets: Sequence[str],
    dims: Sequence[int],
    width: int,
    seeds: Sequence[int],
    method: dict[str, Any],
    start: str = "random",
) -> dict[str, Any]:
    """All (target, d, seed) at one width, by one method, from one kind of start: one batch."""
    return {
        "targets": list(targets),
        "dims": list(dims),
        "width": width,
        "seeds": list(seeds),
        "method": method,
        "start": start,
    }


def models(batch: dict[str, Any]) -> list[tuple[str, int, int]]:
    """(target, d, seed) of each model of a batch, in its order."""
    return list(product(batch["targets"], batch["dims"], batch["seeds"]))


def train_batch(batch: dict[str, Any], device: str) -> dict[str, Any]:
    """Train a batch and measure its heads on the independent measure.

    Returns
    -------
    dict
        ``rows``, one per model as ``Yardstick.row`` gives them with ``curve``, the L² errors of
        the training measure by step; ``seconds`` of the batch and its number of ``models``.
    """
    training = train(batch, device)
    stride = max(1, len(training.steps) // 20)
    rows = [
        Yardstick.of(name).row(
            head,
            d,
            width=batch["width"],
            seed=seed,
            start=batch["start"],
            method=batch["method"],
            fit_error=errors[-1],
            curve={"steps": training.steps[::stride], "errors": drawn(errors[::stride])},
        )
        for (name, d, seed), head, errors in zip(
            models(batch), training.heads, training.errors.T, strict=True
        )
    ]
    return {"rows": rows, "seconds": training.seconds, "models": len(rows)}


def train(batch: dict[str, Any], device: str) -> Any:
    """The ``Training`` of a batch, in double precision."""
    # torch, which the other claims do not need
    from rkbs.attention.heads.ensemble import TwoTowerEnsemble
    from rkbs.attention.heads.training import Adam, train_heads
    from rkbs.attention.heads.variable_projection import VariableProjection

    kinds = {"Adam": Adam, "VariableProjection": VariableProjection}
    options = {key: value for key, value in batch["method"].items() if key != "kind"}
    cells = models(batch)
    (dim,) = {TARGETS[name].dim for name, _, _ in cells}
    if batch["start"] == "random":
        ensemble = TwoTowerEnsemble.random(
            [d for _, d, _ in cells],
            [batch["width"]] * len(cells),
            [seed for _, _, seed in cells],
            d_x=dim,
            d_y=dim,
            device=device,
        )
    else:
        starts = [constructive_start(name, d, batch["width"], seed) for name, d, seed in cells]
        ensemble = TwoTowerEnsemble.from_heads(starts, device=device)
    return train_heads(
        [TARGETS[name] for name, _, _ in cells],
        ensemble,
        quadrature=training_measure(dim),
        method=kinds[batch["method"]["kind"]](**options),
    )


def constructive_start(name: str, d: int, width: int, seed: int) -> Head:
    """The constructive head on the training measure; random layers are flatter in more axes."""
    target = TARGETS[name]
    return constructive_head(
        target,
        d,
        width,
        quadrature=training_measure(target.dim),
        seed=seed,
        scale=4.0 if target.dim == 1 else 1.5,
    ).head


def rows_of(results: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all batches."""
    return [row for result in results for row in result["rows"]]


def costs(batches: list[dict[str, Any]], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Models, seconds and method of each batch; float64 throughout."""
    return [
        {"method": batch["method"], "start": batch["start"], "width": batch["width"]}
        | {key: result[key] for key in ("models", "seconds")}
        for batch, result in zip(batches, results, strict=True)
    ]
