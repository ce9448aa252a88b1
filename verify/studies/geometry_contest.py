"""Which optimizer's head points best where the teacher's logits suit one norm or another.

``DECLARED`` was written after runs of other seeds, and before any of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from verify.studies.declared import digest
from verify.studies.geometry_head import (
    Head,
    Pointers,
    Teacher,
    bilinear,
    draw,
    low_rank,
    orthogonal,
    sign_maps,
    sign_vectors,
    sparse_signs,
    stacked,
)
from verify.studies.geometry_norms import FROBENIUS, NUCLEAR, SUM
from verify.studies.geometry_optimizers import Adam, Descent, Lion, Muon, Optimizer


@dataclass(frozen=True)
class Contestant:
    """An optimizer, and the least of the radii 1/λ that it tries."""

    make: Callable[[], Optimizer]
    radius: float

    @property
    def radii(self) -> np.ndarray:
        """1/λ, each √2 times the one before."""
        return self.radius * 2 ** (np.arange(DECLARED["radii"]) / 2)


CONTESTANTS = {
    "normalized gradient": Contestant(partial(Descent, FROBENIUS.steepest), 0.9),
    "Lion": Contestant(Lion, 0.12),
    "AdamW": Contestant(partial(Adam, 0.95), 0.12),
    "Muon": Contestant(Muon, 0.4),
    "coordinate descent": Contestant(partial(Descent, SUM.steepest), 1.2),
    "rank-one descent": Contestant(partial(Descent, NUCLEAR.steepest), 0.9),
}
TEACHERS: dict[str, Teacher] = {
    "rank one": low_rank,
    "orthogonal": orthogonal,
    "sign vectors": sign_vectors,
    "few signs": sparse_signs,
    "sign maps": sign_maps,
}
DECLARED: dict[str, Any] = {
    "tokens": {"D": 8, "d": 8, "contexts": 32, "n": 4, "noise": 0.15, "judged": 128},
    "radii": 8,
    "steps": 1000,
    "rate": 0.2,
    "power": 3,
    "seeds": list(range(2000, 2024)),
    "chosen": "the radius of least cross-entropy on as many other noisy pointers",
    "outcome": "share of wrong pointers, of 128 other contexts without noise",
    # (worse, better, teacher): the difference of their outcomes is above 0. Each teacher's M suits
    # the norm that the better one's maps give M: nuclear and Schatten-½ (rank one), spectral, the
    # hull of s tᵀ of signs, the sum of entries with all of them in one row of the maps.
    "differences": [
        ["normalized gradient", "rank-one descent", "rank one"],
        ["Lion", "normalized gradient", "rank one"],
        ["Muon", "normalized gradient", "rank one"],
        ["normalized gradient", "Muon", "orthogonal"],
        ["Lion", "Muon", "orthogonal"],
        ["rank-one descent", "Muon", "orthogonal"],
        ["normalized gradient", "Lion", "sign vectors"],
        ["Muon", "Lion", "sign vectors"],
        ["normalized gradient", "coordinate descent", "few signs"],
        ["Lion", "coordinate descent", "few signs"],
        ["rank-one descent", "coordinate descent", "few signs"],
    ],
    "equivalences": [],
    # Two maps of signs are corners of Lion's ball, and their M is none of its hull: Lion is not
    # ahead by more than half of what it was on sign vectors in the pilot (0.06).
    "not_ahead": ["normalized gradient", "Lion", "sign maps"],
    "margin": 0.03,
    "level": 0.05,
    "correction": "Holm, over all differences",
}
RANKS: dict[str, Any] = {
    # Of the effective rank (Σσ)²/Σσ² of M, likewise: larger, smaller, teacher.
    "differences": [
        ["normalized gradient", "rank-one descent", "rank one"],
        ["Lion", "normalized gradient", "rank one"],
        ["Muon", "Lion", "rank one"],
    ],
    "equivalences": [],
    "margin": 0.0,
    "level": 0.05,
}


def configurations(
    seeds: list[int], steps: int, cells: list[tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """A teacher and an optimizer each; all by default."""
    if cells is None:
        cells = [(teacher, name) for teacher in TEACHERS for name in CONTESTANTS]
    return [
        {"teacher": teacher, "optimizer": name, "seeds": seeds, "steps": steps}
        for teacher, name in cells
    ]


def drawn(teacher: str, seeds: list[int]) -> tuple[list[Pointers], np.ndarray]:
    """Of each seed: pointers to train on, to choose by and to judge by, and the maps' starts."""
    told = DECLARED["tokens"]
    D, shape = told["D"], (2, told["d"], told["D"])
    splits, starts = [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, list(TEACHERS).index(teacher)])
        M = TEACHERS[teacher](rng, D)
        noisy = [draw(rng, M, told["contexts"], told["n"], told["noise"]) for _ in range(2)]
        splits.append([*noisy, draw(rng, M, told["judged"], told["n"], 0.0)])
        starts.append(rng.normal(size=shape) / D**0.5)
    several = [stacked(list(split)) for split in zip(*splits, strict=True)]
    return several, np.stack(starts)


def trained(
    pointers: Pointers, contestant: Contestant, start: np.ndarray, steps: int
) -> np.ndarray:
    """The maps (radii, seeds, 2, d, D) of all radii side by side."""
    optimizer, head = contestant.make(), Head(pointers)
    radii = contestant.radii[:, None, None, None, None]
    w = np.broadcast_to(start, (len(radii), *start.shape))
    for t in range(steps):
        step = DECLARED["rate"] * (1 - t / steps) ** DECLARED["power"]
        w = w + step * (radii * optimizer.direction(head.gradient(w)) - w)
    return w


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """Train, choose a radius and judge, for a sweep: a value for each seed."""
    seeds = configuration["seeds"]
    (train, choose, judge), start = drawn(configuration["teacher"], seeds)
    contestant = CONTESTANTS[configuration["optimizer"]]
    M = bilinear(trained(train, contestant, start, configuration["steps"]))
    best, each = choose.loss(M).argmin(0), np.arange(len(seeds))
    errors, mine = judge.error(M), M[best, each]
    s = np.linalg.svd(mine, compute_uv=False)
    return {
        "declared": digest(DECLARED),
        "error": errors[best, each],
        "least_error": errors.min(0),
        "radius": contestant.radii[best],
        "effective_rank": s.sum(-1) ** 2 / (s**2).sum(-1),
        "rank": (s > 1e-3 * s[:, :1]).sum(-1),
        "loss": train.loss(mine),
    }
