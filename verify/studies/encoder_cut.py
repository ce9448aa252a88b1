"""A trained encoder with exp's series cut at order N: its vectors, and what probes see in them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from torch import Tensor, nn

from rkbs.transformer.pretrained import load_encoder
from rkbs.transformer.sentence_encoder import SentenceEncoder, batches_of_a_length
from rkbs.transformer.text.parallel import load_multi30k
from rkbs.transformer.text.sentiment import load_sst2
from verify.studies.encoder import DECLARED

TRAINED = 1500
"""Sentences that a probe is trained on."""


def series(a: Tensor, order: int) -> Tensor:
    """Σ_{n ≤ N} aⁿ/n!."""
    found = torch.full_like(a, 1 / math.factorial(order))
    for n in range(order - 1, -1, -1):
        found.mul_(a).add_(1 / math.factorial(n))
    return found


def logits(q: Tensor, k: Tensor, centered: bool) -> Tensor:
    """q·k/√d in float64, (B, H, n, n): what cancels in a series is not lost to rounding."""
    a = (q @ k.mT / math.sqrt(q.shape[-1])).double()
    return a - a.mean(-1, keepdim=True) if centered else a


class CutAttention(nn.Module):
    """Weights w/Σw with w the cut series of the logits, in the place of a layer's ``attend``.

    Of an odd order w may be negative, and so may the sum that it is divided by: it is, with its
    sign, and how many rows have a sum that is not positive, and how small |Σw|/Σ|w| gets, is kept.
    """

    def __init__(self, order: int, centered: bool) -> None:
        super().__init__()
        self.order, self.centered = order, centered
        self.rows, self.turned, self.least = 0, 0, 1.0

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *, attn_mask: Tensor | None) -> Tensor:
        """(B, H, n, d) → (B, H, n, d), of sentences without padding."""
        if attn_mask is not None:
            raise ValueError("attn_mask must be None: sentences are encoded without padding")
        w = series(logits(q, k, self.centered), self.order)  # (B, H, n, n)
        total = w.sum(-1, keepdim=True)
        if self.order % 2:
            self.turned += int((total <= 0).sum())
            self.least = min(
                self.least, float((total / w.abs().sum(-1, keepdim=True)).detach().abs().min())
            )
        self.rows += total.numel()
        return (w / total).to(v.dtype) @ v


@contextmanager
def cut(
    encoder: SentenceEncoder, order: int, centered: bool, layers: Sequence[int] | None = None
) -> Iterator[list[CutAttention]]:
    """The encoder's layers, or some of them, with cut attention while this context lasts."""
    every = range(len(encoder.bert.layers))
    chosen = [encoder.bert.layers[k] for k in (every if layers is None else layers)]
    before = [layer.attention.attend for layer in chosen]
    cuts = [CutAttention(order, centered) for _ in chosen]
    try:
        for layer, one in zip(chosen, cuts, strict=True):
            layer.attention.attend = one
        yield cuts
    finally:
        for layer, one in zip(chosen, before, strict=True):
            layer.attention.attend = one


def cosines(x: Tensor, y: Tensor) -> list[float]:
    """Of unit vectors, row by row: 1 − ‖x − y‖²/2, which keeps the digits of what is near 1."""
    one, other = (nn.functional.normalize(z.double(), dim=-1) for z in (x, y))
    return (1 - (one - other).square().sum(-1) / 2).tolist()


# ---- what is encoded


@cache
def encoder() -> SentenceEncoder:
    """The encoder that was declared, exact."""
    return load_encoder(sha256=DECLARED["sha256"])


@cache
def sentences(text: str, part: str, most: int | None = None) -> tuple[str, ...]:
    """Of "sst" or "multi30k", from "train", "valid" or "test": the first of them."""
    splits = load_sst2() if text == "sst" else load_multi30k("de", "en")
    found = getattr(splits, part)
    return (found.sentences if text == "sst" else found.target)[:most]


@cache
def labels(part: str, most: int | None = None) -> np.ndarray:
    """The classes of SST-2's sentences."""
    return np.array(getattr(load_sst2(), part).labels[:most])


@cache
def exact(text: str, part: str, most: int | None = None) -> Tensor:
    """Vectors by the encoder as it was trained."""
    return encoder().encode(sentences(text, part, most))


def cut_vectors(
    text: str, part: str, most: int | None, order: int, centered: bool
) -> tuple[Tensor, list[CutAttention]]:
    """Vectors with all layers cut, and what the layers' attention has counted."""
    with cut(encoder(), order, centered) as cuts:
        return encoder().encode(sentences(text, part, most)), cuts


def layer_cosines(layer: int, orders: Sequence[int], most: int) -> list[list[float]]:
    """Cosines with the exact vectors of the first sentences of SST-2's test, one layer cut.

    A list for each order. What lies below the layer is computed once.
    """
    bert = encoder().bert
    rows = encoder().tokens(sentences("sst", "test", most))
    found = torch.empty(len(orders), len(rows), bert.config.d_model)
    with torch.no_grad():
        for places in batches_of_a_length(rows, 64):
            x = bert.embedding(torch.tensor([rows[k] for k in places]))
            for below in bert.layers[:layer]:
                x = below(x)
            for number, order in enumerate(orders):
                with cut(encoder(), order, True, [layer]):
                    y = x
                    for above in bert.layers[layer:]:
                        y = above(y)
                found[number, places] = y.mean(1)
    return [cosines(one, exact("sst", "test", most)) for one in found]


# ---- what a sweep computes


def of_cut(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Cosines of all sentences, and which are classified rightly by the exact encoder's probe."""
    where = cell["text"], cell["part"], cell["most"]
    vectors, cuts = cut_vectors(*where, cell["order"], cell["mode"] == "centered")
    found = {
        "cosines": cosines(vectors, exact(*where)),
        "turned": sum(one.turned for one in cuts) / sum(one.rows for one in cuts),
        "least": min(one.least for one in cuts),
    }
    if cell["probe"]:
        found["correct"] = right(trained_probe("exact"), vectors.numpy())
    return found


def of_layer(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Cosines of the first sentences with one layer cut, for each order."""
    found = layer_cosines(cell["layer"], cell["orders"], cell["sentences"])
    return {"cosines": found}


def of_probe(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Which sentences of SST-2's test a probe that was trained on such vectors classifies."""
    name, order = cell["of"], cell.get("order", 0)
    return {"correct": right(trained_probe(name, order), vectors_of(name, order, "test", None))}


@cache
def trained_probe(name: str, order: int = 0) -> LogisticRegression:
    """A probe of vectors of the sentences that are trained on."""
    return probe(vectors_of(name, order, "train", TRAINED), labels("train", TRAINED))


def vectors_of(name: str, order: int, part: str, most: int | None) -> Any:
    """What a probe gets of SST-2's sentences: exact or cut vectors, or those of a baseline."""
    if name == "exact":
        return exact("sst", part, most).numpy()
    if name == "cut":
        return cut_vectors("sst", part, most, order, centered=True)[0].numpy()
    rows = encoder().tokens(sentences("sst", part, most))
    if name == "bag of tokens":
        return bags(rows, encoder().bert.config.vocab)
    return token_means(rows)


def right(model: LogisticRegression, vectors: Any) -> list[int]:
    """1 for each sentence of SST-2's test that is classified rightly, and else 0."""
    return (model.predict(vectors) == labels("test")).astype(int).tolist()


# ---- what can be read off its vectors


def probe(x: Any, y: np.ndarray) -> LogisticRegression:
    """Logistic regression, C by five folds of what it is trained on."""

    def made(C: float) -> LogisticRegression:
        return LogisticRegression(C=C, max_iter=2000)

    folds = StratifiedKFold(5)
    scores = {C: cross_val_score(made(C), x, y, cv=folds).mean() for C in DECLARED["probe"]["C"]}
    return made(max(scores, key=scores.__getitem__)).fit(x, y)


def bags(rows: Sequence[Sequence[int]], vocab: int) -> csr_matrix:
    """How often each token occurs in each sentence."""
    places = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    found = csr_matrix(
        (np.ones(len(places)), (places, np.concatenate(rows))), shape=(len(rows), vocab)
    )
    found.sum_duplicates()
    return found


def token_means(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """The mean of the embeddings of a sentence's tokens, before any layer."""
    table = encoder().bert.embedding.token.weight.detach().numpy()
    return np.stack([table[row].mean(0) for row in rows])
