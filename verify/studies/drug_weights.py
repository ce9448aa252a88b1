"""Weights of the many drug-response kernels, chosen inside the folds: equal, aligned, or between.

The machine is that of ``drug_response``, the nuclear norm with a K + b · identity + c · constant;
in place of the plain mean of the kernels K is Σ_m w_m K_m. The weights see the responses of the
training pairs alone; those that a setting is judged with, the ones without its inner part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rkbs.data.gdsc import DrugResponse, load_gdsc
from rkbs.kernels.alignment import alignment_weights
from rkbs.kernels.precomputed import Precomputed
from verify.studies.drug_folds import cold, known_pairs, leaks, scores
from verify.studies.drug_response import BOTH, CONTESTANTS, MEANS, Arena, Split

PLAIN, WEIGHTED = "nuclear norm, equal weights", "nuclear norm, weights chosen"
SETTINGS = "known pairs", "new drugs", "new cell lines"
SHARES = 0.0, 0.5, 1.0
"""Of the aligned weights; the rest are equal ones."""


def weights_of(kernels: Sequence[np.ndarray], Z: np.ndarray, share: float) -> np.ndarray:
    """w ≥ 0 with Σ w_m K_m of mean variance 1 on the objects that have responses.

    Parameters
    ----------
    kernels : sequence of M arrays of shape (n, n)
    Z : array of shape (n, m)
        Responses, NaN where there is none.
    share : float
        0: equal weights; 1: aligned ones; between: of both.
    """
    seen = np.flatnonzero(~np.isnan(Z).all(1))
    aligned = alignment_weights(
        [Precomputed(K) for K in kernels], Precomputed.points(len(Z))[seen], Z[seen]
    )
    total = sum(K[np.ix_(seen, seen)] for K in kernels)
    variance = (np.trace(total) - len(seen) * total.mean()) / (len(seen) - 1)
    return share * aligned + (1 - share) / variance


def arena_with(
    data: DrugResponse, training: np.ndarray, share: float, order: np.random.Generator
) -> tuple[Arena, list[np.ndarray]]:
    """The arena whose one kernel of each domain is weighted by training responses, and weights."""
    Z = np.where(training.reshape(data.z.shape), data.z, np.nan)
    domains = data.drug_kernels, data.cell_kernels
    weights = [
        weights_of(list(kernels.values()), responses, share)
        for kernels, responses in zip(domains, (Z, Z.T), strict=True)
    ]
    x, y = (
        {"weighted": np.tensordot(w, list(kernels.values()), 1)}
        for w, kernels in zip(weights, domains, strict=True)
    )
    whole = (np.arange(n) for n in data.z.shape)
    return Arena(replace(data, drug_kernels=x, cell_kernels=y), *whole, order), weights


def contest(data: DrugResponse, split: Split, rng: np.random.Generator) -> dict[str, Any]:
    """Equal weights, the weights of least error on the inner part, and means without features."""
    tried = {}
    for share in SHARES:
        paths: dict[Any, Any] = {}
        arena, _ = arena_with(data, split.train & ~split.inner, share, rng)
        setting = arena.choose(CONTESTANTS[BOTH], split, paths)
        tried[share] = min(error for _, error in paths.values()), setting
    found = {MEANS: arena.means(split)}
    best = min(tried, key=lambda share: tried[share][0])
    for name, share in ((PLAIN, 0.0), (WEIGHTED, best)):
        arena, weights = arena_with(data, split.train, share, rng)
        found[name] = arena.fit(CONTESTANTS[BOTH], tried[share][1], split)
        found[name] |= {"share": share, "of kernels": [w.tolist() for w in weights]}
    return found


def some(data: DrugResponse, size: int | None, rng: np.random.Generator) -> DrugResponse:
    """So many of the drugs and of the cell lines, or all."""
    rows, columns = (np.sort(rng.permutation(n)[:size]) for n in data.z.shape)
    inside = np.ix_(rows, columns)
    return DrugResponse(
        z=data.z[inside],
        drug_kernels={k: K[np.ix_(rows, rows)] for k, K in data.drug_kernels.items()},
        cell_kernels={k: K[np.ix_(columns, columns)] for k, K in data.cell_kernels.items()},
        fold=data.fold[inside],
    )


def work(cell: dict[str, Any], device: str) -> dict[str, Any]:
    """Scores of all contestants on one fold, and how each came about.

    Parameters
    ----------
    cell : dict
        ``setting``, ``fold``, ``seed`` of the parts, and the ``size`` of the table, None for all.
    device : str
        Not used.
    """
    rng = np.random.default_rng(cell["seed"])
    data = some(load_gdsc(), cell["size"], rng)
    i, j = (index.ravel() for index in np.indices(data.z.shape))
    # As data.gdsc_cold draws them, whose errors then are of the same parts.
    parts = np.random.default_rng(cell["seed"])
    split = {
        "known pairs": lambda: known_pairs(data.fold.ravel(), cell["fold"]),
        "new drugs": lambda: cold(i, cell["fold"], parts),
        "new cell lines": lambda: cold(j, cell["fold"], parts),
    }[cell["setting"]]()
    found = contest(data, split, rng)
    for row in found.values():
        row["rmse"], row["pearson"] = scores(row.pop("predicted"), data.z.ravel()[split.test])
    arena, _ = arena_with(data, split.train, 0.0, rng)
    return {"found": found, "leaks": leaks(arena.grid, split)}
