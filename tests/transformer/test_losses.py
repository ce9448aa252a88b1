"""Losses and scores, against sums over tokens that are written out."""

import math

import numpy as np
import pytest
import torch
from transformer_helpers import SMALL, tokens

from rkbs.kernels import RBF
from rkbs.transformer import (
    Batches,
    EncoderClassifier,
    EncoderDecoder,
    LanguageModel,
    accuracy,
    classification_loss,
    language_loss,
    token_nll,
    translation_loss,
)

LANGUAGE, TRANSLATOR = LanguageModel(SMALL, RBF()), EncoderDecoder(SMALL, RBF())
CLASSIFIER = EncoderClassifier(SMALL, 3, RBF())
ROWS = [[1, 5, 6, 7, 2], [1, 4, 2], [1, 9, 3, 2]]
SOURCES = [[4, 2], [5, 6, 7, 2], [8, 2]]


def log_p(logits):
    """Of each token but padding, by exp and a sum."""
    weights = [math.exp(x) for x in logits.tolist()[1:]]
    return [None, *(math.log(w / sum(weights)) for w in weights)]


def nll(row, source=None, smoothing=0.0):
    """−log p of a row, one token at a time; each from what is before it alone."""
    total = 0.0
    for k in range(1, len(row)):
        before = torch.tensor([row[:k]])
        with torch.no_grad():
            found = (
                LANGUAGE(before) if source is None else TRANSLATOR(torch.tensor([source]), before)
            )
        logs = log_p(found[0, -1])
        spread = sum(logs[1:]) / (len(logs) - 1)
        total -= (1 - smoothing) * logs[row[k]] + smoothing * spread
    return total


def test_losses_are_means_over_tokens():
    count = sum(len(row) - 1 for row in ROWS)
    batch = next(iter(Batches({"tokens": ROWS}, 3, shuffle=False)))
    assert language_loss(LANGUAGE, batch).item() == pytest.approx(sum(map(nll, ROWS)) / count)
    batch = next(iter(Batches({"source": SOURCES, "target": ROWS}, 3, shuffle=False)))
    for smoothing in (0.0, 0.2):
        expected = sum(nll(*both, smoothing) for both in zip(ROWS, SOURCES, strict=True)) / count
        found = translation_loss(TRANSLATOR, batch, smoothing).item()
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_sequences_have_the_nll_of_their_tokens_whatever_the_batch(size):
    found, counts = token_nll(LANGUAGE, Batches({"tokens": ROWS}, size, shuffle=False))
    assert np.allclose(found, list(map(nll, ROWS)), rtol=1e-5)
    assert counts.tolist() == [4, 2, 3]
    columns = {"source": SOURCES, "target": ROWS}
    found, counts = token_nll(TRANSLATOR, Batches(columns, size, shuffle=False))
    assert np.allclose(found, [nll(*both) for both in zip(ROWS, SOURCES, strict=True)], rtol=1e-5)
    assert counts.tolist() == [4, 2, 3]
    assert LANGUAGE.training  # as it was


def test_labels():
    with torch.no_grad():
        logits = torch.cat([CLASSIFIER(torch.tensor([row])) for row in ROWS])
    best = logits.argmax(1).tolist()
    labels = [best[0], (best[1] + 1) % 3, best[2]]
    batches = Batches({"tokens": ROWS, "labels": labels}, 2)
    assert accuracy(CLASSIFIER, batches) == 2 / 3
    logs = logits.double().log_softmax(1)
    expected = -sum(logs[k, labels[k]].item() for k in range(3)) / 3
    batch = next(iter(Batches({"tokens": ROWS, "labels": labels}, 3)))
    assert classification_loss(CLASSIFIER, batch).item() == pytest.approx(expected, rel=1e-5)


def test_padding_alone_has_no_loss_and_gradients_are_numbers():
    batch = {"tokens": torch.cat([tokens(2, 4), torch.zeros(2, 5, dtype=torch.int64)], 1)}
    short = {"tokens": batch["tokens"][:, :4]}
    assert language_loss(LANGUAGE, batch).item() == pytest.approx(
        language_loss(LANGUAGE, short).item(), rel=1e-6
    )
    both = {"source": batch["tokens"], "target": batch["tokens"]}
    translation_loss(TRANSLATOR, both, 0.1).backward()
    assert all(p.grad.isfinite().all() for p in TRANSLATOR.parameters() if p.grad is not None)


WRONG = [
    (lambda: language_loss(LANGUAGE, {}), "must have the columns tokens; tokens missing"),
    (lambda: language_loss(LANGUAGE, {"tokens": tokens(2, 1)}), "tokens must have two tokens or"),
    (lambda: classification_loss(CLASSIFIER, {"tokens": tokens(2, 3)}), "labels missing of"),
    (lambda: translation_loss(TRANSLATOR, {"target": tokens(2, 3)}), "source missing"),
    (lambda: token_nll(TRANSLATOR, Batches({"target": ROWS}, 2)), "source missing"),
    (
        lambda: translation_loss(TRANSLATOR, dict.fromkeys(("source", "target"), tokens(1, 3)), 1),
        "smoothing must be 0 ≤ ε < 1",
    ),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_wrong_arguments(call, says):
    with pytest.raises(ValueError, match=says):
        call()
