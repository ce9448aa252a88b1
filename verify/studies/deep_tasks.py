"""Tasks of a few tokens whose labels have noise: counting and recall."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np


@dataclass(frozen=True)
class Task:
    """Tokens (B, n) and their labels' frequencies (B, classes).

    ``causal``: the last token is to be followed by the label, which is a token, 1 for the first
    column; otherwise the label is of the whole. Token 0 is padding, and does not occur.
    """

    tokens: np.ndarray
    frequencies: np.ndarray
    causal: bool
    vocab: int

    @property
    def classes(self) -> int:
        """Columns of ``frequencies``."""
        return self.frequencies.shape[1]

    @property
    def entropy(self) -> float:
        """The mean of −Σ p log p: the least loss that there can be."""
        p = self.frequencies
        return float(-np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(1).mean())

    def some(self, rows: np.ndarray) -> Task:
        """Of some of the examples."""
        return Task(self.tokens[rows], self.frequencies[rows], self.causal, self.vocab)


def counting(noise: float, symbols: int = 3, n: int = 4) -> Task:
    """How many of the tokens before the last are equal to it: all inputs."""
    tokens = np.array(list(product(range(1, symbols + 1), repeat=n)))
    labels = (tokens[:, :-1] == tokens[:, -1:]).sum(1)
    return Task(tokens, _noisy(labels, range(n), n, noise), False, symbols + 1)


def recall(noise: float, keys: int = 3, values: int = 3, pairs: int = 2) -> Task:
    """Keys and their values in turn, then one of the keys: its value follows. All inputs."""
    tokens, labels = [], []
    for own in permutations(range(1, keys + 1), pairs):
        for shown in product(range(keys + 1, keys + values + 1), repeat=pairs):
            for asked in range(pairs):
                told = [token for pair in zip(own, shown, strict=True) for token in pair]
                tokens.append([*told, own[asked]])
                labels.append(shown[asked] - 1)  # the column of a token
    drawn = range(keys, keys + values)
    frequencies = _noisy(np.array(labels), drawn, keys + values, noise)
    return Task(np.array(tokens), frequencies, True, keys + values + 1)


def _noisy(labels: np.ndarray, drawn: Iterable[int], classes: int, noise: float) -> np.ndarray:
    """The label, or with probability ``noise`` any of those drawn, all alike."""
    columns = list(drawn)
    frequencies = np.zeros((len(labels), classes))
    frequencies[:, columns] = noise / len(columns)
    frequencies[range(len(labels)), labels] += 1 - noise
    return frequencies


TASKS = {"counting": counting, "recall": recall}
