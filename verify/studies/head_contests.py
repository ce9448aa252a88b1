"""Trained models whose heads are cut, or grown, by the audit and in simpler ways: what it costs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rkbs.transformer.auditing import audit
from rkbs.transformer.heads.layouts import read
from rkbs.transformer.heads.recording import record
from rkbs.transformer.heads.structure import covariance_root
from rkbs.transformer.model import Transformer
from rkbs.transformer.resizing import (
    NewRow,
    certified_ranks,
    cut_heads,
    grow_heads,
    growth_rows,
    put_head,
)
from verify.studies.resting_models import Trained, continued, trained_model

Maps = tuple[np.ndarray, np.ndarray]


def measured(cell: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """One model: how near to rest it is, its ranks and ratios, and the losses of all ways."""
    torch.set_num_threads(1)
    before, trained = trained_model(cell, declared)
    if "after growing" in cell:
        declared = {**declared, "after growing": {cell["training"]: cell["after growing"]}}
    contest = cut_in_all_ways if cell["for"] == "cut" else grown_in_all_ways
    rng = np.random.default_rng([cell["seed"], len(cell["task"])])
    found = {name: cell[name] for name in ("for", "task", "training", "seed")}
    found |= {"before": before, "after": trained.loss(), "rest": trained.rest}
    return found | contest(trained, cell["training"], declared, rng)


# ---- cutting


def cut_in_all_ways(
    trained: Trained, training: str, declared: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    """The rise of the loss, for each slack, by each way to spend the same total rank."""
    model, columns, loss = trained.model, trained.task.columns, trained.task.loss
    ranks = certified_ranks(model, columns, loss, decay=trained.decay)
    heads, roots = maps_of(model), roots_of(model, columns)
    d, whole, losses = len(heads[0][0]), trained.loss(), {}
    for slack in declared["slack"][training]:
        spent = [min(max(rank + slack, 0), d) for rank in ranks]
        total = sum(spent)
        rises = {"audit": trained.loss(cut_heads(model, spent)) - whole}
        shuffles = [rng.permutation(spent).tolist() for _ in range(declared["shuffles"])]
        shuffled = [trained.loss(cut_heads(model, one)) - whole for one in shuffles]
        rises["ranks shuffled"] = float(np.mean(shuffled))
        ways = {
            "even SVD": evenly(heads, total),
            "SVD over heads": over_heads(heads, total),
            "weighted SVD over heads": over_heads(heads, total, roots),
            "rows by size": rows_by_size(heads, total),
            "entries by size": entries_by_size(heads, total),
        }
        rises |= {way: trained.loss(with_maps(model, maps)) - whole for way, maps in ways.items()}
        losses[f"cut, slack {slack}"] = {"total": total, **rises}
    return {
        "ranks": ranks,
        "dimension": d,
        "losses": losses,
    }


def maps_of(model: nn.Module) -> list[Maps]:
    """W_Q and W_K of each head."""
    return [
        (maps.query.matrix(head), maps.key.matrix(head))
        for maps in read(model)[0]
        for head in range(maps.heads)
    ]


def with_maps(model: Transformer, heads: Sequence[Maps]) -> Transformer:
    """A copy with other W_Q and W_K."""
    found, rest = copy.deepcopy(model), iter(heads)
    for maps in read(found)[0]:
        for head in range(maps.heads):
            put_head(maps, head, *next(rest))
    return found


def roots_of(model: nn.Module, columns: Mapping[str, Tensor]) -> list[Maps]:
    """Σ^½ of the inputs of each head's queries and keys."""
    records, _ = record(model, read(model)[0], [columns], None)
    return [
        tuple(covariance_root(points.covariance().numpy()) for points in (one.x, one.y))
        for one in records
        for _ in range(one.maps.heads)
    ]


def evenly(heads: Sequence[Maps], total: int) -> list[Maps]:
    """Each head by SVD to the same rank; what is over goes to the largest that are next."""
    sizes = [np.linalg.svd(query.T @ key, compute_uv=False) for query, key in heads]
    ranks = [total // len(heads)] * len(heads)
    following = sorted(range(len(heads)), key=lambda h: -sizes[h][ranks[h]])
    for head in following[: total % len(heads)]:
        ranks[head] += 1
    return [approximated(*maps, rank) for maps, rank in zip(heads, ranks, strict=True)]


def over_heads(
    heads: Sequence[Maps], total: int, roots: Sequence[Maps] | None = None
) -> list[Maps]:
    """The largest singular values of all heads; of Σ^½ M Σ^½, where roots are given."""
    weighted = roots or [tuple(np.eye(maps.shape[1]) for maps in pair) for pair in heads]
    sizes = [
        np.linalg.svd(left @ q.T @ k @ right, compute_uv=False)
        for (q, k), (left, right) in zip(heads, weighted, strict=True)
    ]
    order = sorted(((-size, h) for h, own in enumerate(sizes) for size in own))[:total]
    ranks = [sum(h == head for _, h in order) for head in range(len(heads))]
    return [
        approximated(*maps, rank, root)
        for maps, rank, root in zip(heads, ranks, weighted, strict=True)
    ]


def approximated(query: np.ndarray, key: np.ndarray, rank: int, roots: Maps | None = None) -> Maps:
    """Maps of the M of a rank that is nearest in left · (M − ·) · right."""
    M = query.T @ key
    left, right = roots or (np.eye(len(M)), np.eye(M.shape[1]))
    U, sigma, Vt = np.linalg.svd(left @ M @ right)
    found = sigma[:rank, None] * U.T[:rank], Vt[:rank]
    return found[0] @ np.linalg.pinv(left, hermitian=True), found[1] @ np.linalg.pinv(
        right, hermitian=True
    )


def rows_by_size(heads: Sequence[Maps], total: int) -> list[Maps]:
    """The rows q, k of all heads with the largest ‖q‖‖k‖."""
    sizes = np.array([np.linalg.norm(q, axis=1) * np.linalg.norm(k, axis=1) for q, k in heads])
    kept = np.zeros(sizes.size, bool)
    kept[np.argsort(-sizes, axis=None)[:total]] = True
    kept = kept.reshape(*sizes.shape, 1)
    return [(q * mine, k * mine) for (q, k), mine in zip(heads, kept, strict=True)]


def entries_by_size(heads: Sequence[Maps], total: int) -> list[Maps]:
    """The largest entries of all maps, as many as so many rows of W_Q and W_K have."""
    entries = np.concatenate([np.abs(maps).ravel() for pair in heads for maps in pair])
    count = total * sum(maps.shape[1] for maps in heads[0])
    least = np.sort(entries)[::-1][count - 1] if count else math.inf
    return [tuple(np.where(np.abs(maps) >= least, maps, 0.0) for maps in pair) for pair in heads]


# ---- growing


def grown_in_all_ways(
    trained: Trained, training: str, declared: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, Any]:
    """The objective after growing and some more training, by each way to spend as many rows."""
    model, task, a = trained.model, trained.task, declared["lengths"]["grow"]
    rows = growth_rows(model, task.columns, task.loss, decay=trained.decay)
    heads = maps_of(model)
    losses: dict[str, dict[str, float]] = {}
    for way, chosen in ways_to_grow(rows, heads, rng):
        grown = grow_heads(model, chosen, a)
        steps = 0
        for until in declared["after growing"][training]:
            continued(trained, grown, training, until - steps, declared)
            steps = until
            with torch.no_grad():
                found = trained.objective(grown).item()
            losses.setdefault(f"grow, {until}", {})[way] = found
    return {
        "gains": [row.gain for row in rows[: len(heads)]],
        "grown": [row.head for row in rows[: len(heads)]],
        "heads": len(heads),
        "losses": losses,
        **slope(trained, rows, len(heads), declared["lengths"]["slope"]),
    }


def ways_to_grow(
    rows: Sequence[NewRow], heads: Sequence[Maps], rng: np.random.Generator
) -> Iterator[tuple[str, list[NewRow]]]:
    """As many rows as there are heads; fewer, where the audit names fewer."""
    best = list(rows[: len(heads)])
    own = [next((row for row in rows if row.head == h), None) for h in range(len(heads))]
    even = [row or random_row(h, heads, rng) for h, row in enumerate(own)]
    yield "audit", best
    yield "random directions", [random_row(row.head, heads, rng) for row in best]
    yield "every head", even
    yield "every head, random directions", [random_row(h, heads, rng) for h in range(len(heads))]
    yield "none", []


def random_row(head: int, heads: Sequence[Maps], rng: np.random.Generator) -> NewRow:
    """Directions of length 1."""
    query, key = (rng.normal(size=maps.shape[1]) for maps in heads[head])
    unit = query / np.linalg.norm(query), key / np.linalg.norm(key)
    return NewRow(head, math.nan, *unit)


def slope(trained: Trained, rows: Sequence[NewRow], count: int, a: float) -> dict[str, Any]:
    """The change of J by a², as it is, and as the certificates say; nothing of AdamW's."""
    if trained.decay is None or not rows:
        return {}
    best = rows[:count]
    with torch.no_grad():
        values = [
            trained.objective(grow_heads(trained.model, best, length)).item() for length in (0.0, a)
        ]
    return {
        "apart": apart(trained, trained.decay, rows),
        "slope": (values[1] - values[0]) / a**2,
        "predicted": -sum(row.gain for row in best),
    }


def apart(trained: Trained, decay: float, rows: Sequence[NewRow]) -> float:
    """How far σ_1(R)/λ, where it is above 1, is by the audit from what the rows have."""
    task, far = trained.task, [0.0]
    heads = audit(trained.model, task.columns, task.loss, decay=decay).heads
    for number, head in enumerate(heads):
        best = max((row.gain for row in rows if row.head == number), default=0.0)
        if head.certificate is not None:
            far.append(abs(max(head.certificate.ratio, 1.0) - (best / decay + 1.0)))
    return max(far)
