"""Tasks of a few tokens, all of whose inputs are there, for small Transformers with heads to cut.

Labels are wrong at times, by their frequencies and not by draws: the data term is the expected
loss, and no weight has to grow without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rkbs.transformer.losses import translation_loss
from rkbs.transformer.model import (
    EncoderClassifier,
    EncoderDecoder,
    LanguageModel,
    Transformer,
    TransformerConfig,
)

NOISE = 0.1
"""How often a label is drawn anew."""


@dataclass(frozen=True)
class HeadTask:
    """All inputs as columns, and the expected loss of a batch of them."""

    columns: Mapping[str, Tensor]
    loss: Any

    def at(self, index: Tensor) -> dict[str, Tensor]:
        """Some of the inputs."""
        return {name: column[index] for name, column in self.columns.items()}

    def loss_at(self, model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
        """Of a batch of indices, which is what minibatches are drawn of."""
        return self.loss(model, self.at(batch["index"]))

    @property
    def count(self) -> int:
        """Inputs."""
        return len(next(iter(self.columns.values())))


def expected_class(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """The cross-entropy of classes with their frequencies."""
    logits = model(batch["tokens"])
    return functional.cross_entropy(logits, batch["frequencies"].to(logits.dtype))


def expected_last(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """The cross-entropy of what follows the last token; padding has no probability."""
    log_p = model(batch["tokens"])[:, -1, 1:].log_softmax(-1)
    return -(batch["frequencies"].to(log_p.dtype) * log_p).sum(-1).mean()


def expected_target(model: nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """The loss of a translator, whose labels are smooth."""
    return translation_loss(model, batch, smoothing=NOISE)


def task_of(kind: str, sizes: Mapping[str, Any], seed: int) -> tuple[Transformer, HeadTask]:
    """A model as it starts, and what it is to learn."""
    makers = {"counting": _counting, "recall": _recall, "reversal": _reversal}
    return makers[kind](dict(sizes), seed)


def _counting(sizes: dict[str, Any], seed: int) -> tuple[Transformer, HeadTask]:
    """How many of the tokens before the last are equal to it."""
    tokens = torch.tensor(list(product(range(1, 4), repeat=4)))
    labels = (tokens[:, :-1] == tokens[:, -1:]).sum(1)
    columns = {"tokens": tokens, "frequencies": _noisy(labels, 4)}
    model = EncoderClassifier(TransformerConfig(4, context=4, **sizes), 4, seed=seed)
    return model, HeadTask(columns, expected_class)


def _recall(sizes: dict[str, Any], seed: int) -> tuple[Transformer, HeadTask]:
    """Two keys with their values in turn, then one of the keys: its value follows."""
    rows, labels = [], []
    for own in permutations(range(1, 4), 2):
        for values in product(range(4, 7), repeat=2):
            for asked in range(2):
                rows.append([own[0], values[0], own[1], values[1], own[asked]])
                labels.append(values[asked] - 1)
    columns = {"tokens": torch.tensor(rows), "frequencies": _noisy(torch.tensor(labels), 6)}
    model = LanguageModel(TransformerConfig(7, context=5, **sizes), seed=seed)
    return model, HeadTask(columns, expected_last)


def _reversal(sizes: dict[str, Any], seed: int) -> tuple[Transformer, HeadTask]:
    """The source from its end, between marks."""
    source = torch.tensor(list(product(range(3, 6), repeat=4)))
    ends = [torch.full((len(source), 1), mark) for mark in (1, 2)]
    target = torch.cat([ends[0], source.flip(1), ends[1]], 1)
    model = EncoderDecoder(TransformerConfig(6, context=6, **sizes), seed=seed)
    return model, HeadTask({"source": source, "target": target}, expected_target)


def _noisy(labels: Tensor, classes: int) -> Tensor:
    """The label, or at times any class, all alike."""
    one = functional.one_hot(labels, classes).double()
    return (1 - NOISE) * one + NOISE / classes
