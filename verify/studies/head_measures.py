"""Measures of trained heads: by the library's audit, by matrices, by points, and at random."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rkbs.transformer.auditing import audit
from rkbs.transformer.batches import Batches
from rkbs.transformer.heads.layouts import read
from rkbs.transformer.heads.recording import record
from rkbs.transformer.heads.structure import form_within, structure
from rkbs.transformer.losses import language_loss, token_nll, translation_loss
from rkbs.transformer.model import EncoderDecoder, LanguageModel, TransformerConfig
from rkbs.transformer.pretrained import load_encoder
from rkbs.transformer.recipe import Recipe
from rkbs.transformer.text.made import made_corpus
from rkbs.transformer.text.sentiment import load_sst2
from rkbs.transformer.training import train
from verify.oracles.exact import dot, image, rational_points
from verify.studies.gram_ascent import at_two_points, fewest

MEASURES = (
    "effective_rank",
    "stable_rank",
    "antisymmetric_share",
    "negative_mass",
    "positive",
    "negative",
    "weighted_effective_rank",
    "weighted_stable_rank",
    "weighted_antisymmetric_share",
    "weighted_negative_mass",
    "weighted_negative",
    "exchanged",
    "largest_exchange",
    "is_mercer",
)
Batch = dict[str, Tensor]


def of_trained(cell: Mapping[str, Any], declared: Mapping[str, Any]) -> dict[str, Any]:
    """A model before and after its training: its error, and what its heads are."""
    torch.set_num_threads(1)
    model, batches, loss, held_out = task(cell, declared)
    before, untrained = _error(model, held_out), audit(model, held_out).table()
    recipe = Recipe(seed=cell["seed"], **declared["recipe"] | _sizes(cell, "steps", "lr", "warmup"))
    train(model, batches, loss, recipe)
    heads = measured(model, held_out, cell["kind"], cell["seed"], declared["turned"])
    for row, old in zip(heads, untrained, strict=True):
        row["untrained"] = {name: old[name] for name in MEASURES}
    after = _error(model, held_out)
    return {"seed": cell["seed"], "heads": heads, "before": before, "after": after}


def task(
    cell: Mapping[str, Any], declared: Mapping[str, Any]
) -> tuple[Any, Batches, Any, list[Batch]]:
    """A model, what it is trained on, its loss, and held-out batches of one length each."""
    corpus = declared["corpus"] | _sizes(cell, "sentences")
    text = made_corpus(corpus["sentences"], seed=corpus["seed"])
    words = sorted({word for line in (*text.source, *text.target) for word in line.split()})
    source, target = (
        [_tokens(line, words) for line in part] for part in (text.source, text.target)
    )
    translates = cell["kind"] == "translator"
    columns = {"source": source, "target": target} if translates else {"tokens": target}
    kept = min(corpus["held out"], corpus["sentences"] // 4)
    config = TransformerConfig(
        vocab=3 + len(words),
        tie_query_key=cell["kind"] == "tied",
        **declared["model"] | _sizes(cell, "d_model", "heads", "layers"),
    )
    model = (EncoderDecoder if translates else LanguageModel)(config, seed=cell["seed"])
    trained = {name: rows[:-kept] for name, rows in columns.items()}
    batches = Batches(trained, declared["batch"], seed=cell["seed"])
    held_out = of_one_length({name: rows[-kept:] for name, rows in columns.items()})
    return model, batches, translation_loss if translates else language_loss, held_out


def of_one_length(columns: Mapping[str, Sequence[list[int]]]) -> list[Batch]:
    """Batches without padding: the examples of equal lengths together."""
    groups: dict[tuple[int, ...], list[tuple[list[int], ...]]] = {}
    for rows in zip(*columns.values(), strict=True):
        groups.setdefault(tuple(map(len, rows)), []).append(rows)
    return [
        {
            name: torch.tensor(part)
            for name, part in zip(columns, zip(*rows, strict=True), strict=True)
        }
        for _, rows in sorted(groups.items())
    ]


def of_encoder(sentences: int, turned: int) -> dict[str, Any]:
    """The trained encoder; empty where it, or the text, is not here, and what is lacking."""
    try:
        encoder, lines = load_encoder(), load_sst2().test.sentences[:sentences]
    except (FileNotFoundError, ImportError, ValueError) as error:
        return {"heads": [], "lacking": str(error)}
    batches = of_one_length({"tokens": encoder.tokens(lines)})
    return {"heads": measured(encoder, batches, "trained encoder", 0, turned), "lacking": ""}


def measured(
    model: nn.Module, batches: list[Batch], kind: str, seed: int, turned: int
) -> list[dict[str, Any]]:
    """A row for each head: its audit, the fewest points, exact signs, and turned at random."""
    table = audit(model, batches).table()
    records, _ = record(model, read(model)[0], batches, None)
    rows = []
    for one in records:
        root = one.x.covariance().numpy()
        radius = math.sqrt(np.trace(root))  # the inputs' root mean square distance to their mean
        for head in range(one.maps.heads):
            told = table[len(rows)]
            query, key = one.maps.query.matrix(head), one.maps.key.matrix(head)
            row = {
                "kind": _kind(kind, told["layer"]),
                "layer": told["layer"],
                "head": head,
                "dimension": told["dimension"],
                "trained": {name: told[name] for name in MEASURES},
            }
            if one.within:
                rng = np.random.default_rng([seed, len(rows)])
                scale = one.maps.logit_scale
                row |= by_points(query, key, scale, radius, rng) | by_matrix(query, key, told)
                row["turned"] = turned_at_random(query, key, turned, rng)
            rows.append(row)
    return rows


def by_points(
    query: np.ndarray, key: np.ndarray, scale: float, radius: float, rng: np.random.Generator
) -> dict[str, Any]:
    """The fewest points of the inputs' ball, and whether two show it exactly.

    Two points x ± h show it whatever factors queries and keys have iff hᵀMh < 0, a rational number
    of floats.
    """
    form = form_within(query, key)
    found = fewest(form, scale, radius, rng)
    S = (query.T @ key + key.T @ query) / 2
    h = np.linalg.eigh(S)[1][:, 0]
    (q,), (k,) = (image(maps, rational_points(h[None])) for maps in (query, key))
    return {
        "points": found.n,
        "ratio": found.ratio,
        "at two points": at_two_points(form, scale, radius),
        "exactly negative": bool(dot(q, k) < 0),
        "radius": radius,
    }


def by_matrix(query: np.ndarray, key: np.ndarray, told: Mapping[str, Any]) -> dict[str, float]:
    """How far the audit is from M itself: from its entries, and from its eigenvalues."""
    M = query.T @ key
    eigenvalues = np.linalg.eigvalsh((M + M.T) / 2)
    share = np.sum((M - M.T) ** 2) / 4 / np.sum(M**2)
    mass = -eigenvalues[eigenvalues < 0].sum() / np.abs(eigenvalues).sum()
    sigma = np.linalg.svd(M, compute_uv=False)
    p = sigma[sigma > 0] / sigma.sum()
    rank = math.exp(-float((p * np.log(p)).sum()))
    off = {"antisymmetric_share": share, "negative_mass": mass, "effective_rank": rank}
    return {"audit error": max(abs(told[name] - value) for name, value in off.items())}


def turned_at_random(
    query: np.ndarray, key: np.ndarray, count: int, rng: np.random.Generator
) -> dict[str, list[float]]:
    """Mean and deviation of measures of M where W_K is turned at random."""
    triangle = np.linalg.qr(key.T, mode="r").T  # (d, d): W_K up to a rotation of the inputs
    found = []
    for _ in range(count):
        frame = np.linalg.qr(rng.normal(size=key.T.shape))[0].T
        found.append(structure(query, triangle @ frame))
    table = {
        "antisymmetric_share": [one.antisymmetric_share for one in found],
        "negative_mass": [one.negative_mass for one in found],
    }
    return {name: [float(np.mean(x)), float(np.std(x, ddof=1))] for name, x in table.items()}


def _kind(kind: str, layer: str) -> str:
    if kind != "translator":
        return kind
    return "cross" if ".cross" in layer else layer.partition(".")[0]


def _tokens(line: str, words: list[str]) -> list[int]:
    return [1, *(3 + words.index(word) for word in line.split()), 2]


def _error(model: nn.Module, batches: list[Batch]) -> float:
    """The mean NLL of a token."""
    rows = {column: [r for b in batches for r in b[column].tolist()] for column in batches[0]}
    nll, counts = token_nll(model, Batches(rows, 100, shuffle=False))
    return float(nll.sum() / counts.sum())


def _sizes(cell: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: cell[name] for name in names if name in cell}
