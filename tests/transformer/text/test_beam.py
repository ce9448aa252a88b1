"""Beam search, against all targets that there are."""

import itertools
import math

import numpy as np
import pytest
import torch

from rkbs.kernels import EDP, RBF
from rkbs.transformer import EncoderDecoder, TransformerConfig
from rkbs.transformer.text import beam_search

PAD, BEGIN, END = 0, 1, 2
WORDS = (3, 4, 5)
SOURCES = torch.tensor([[3, 4, 5, 2], [5, 2, 0, 0], [4, 4, 2, 0]])


def model(seed, kernel=RBF(2.0)):  # noqa: B008 - frozen
    config = TransformerConfig(vocab=6, d_model=8, heads=2, layers=1, context=8, dropout=0.5)
    made = EncoderDecoder(config, kernel, seed=seed)
    with torch.no_grad():
        made.embedding.token.weight.mul_(3)  # so that choices matter
    return made


def log_p(model, source, target):
    """log p(target, end | source), one token at a time, over all tokens that may come."""
    model.eval()
    total = 0.0
    for k in range(len(target) + 1):
        before = torch.tensor([[BEGIN, *target[:k]]])
        with torch.no_grad():
            logits = model(source[source != PAD][None], before)[0, -1].double().numpy()
        logits = logits[[END, *WORDS]]
        token = (*target, END)[k]
        total += logits[(END, *WORDS).index(token)] - np.logaddexp.reduce(logits)
    return total


def all_targets(model, source, longest):
    """Every target that ends within so many tokens, and its log p."""
    targets = [t for n in range(longest) for t in itertools.product(WORDS, repeat=n)]
    return {t: log_p(model, source, t) for t in targets}


@pytest.mark.parametrize("seed", [0, 1])
def test_with_beams_for_all_it_finds_the_best_of_all(seed):
    translator, longest = model(seed), 4
    tables = [all_targets(translator, source, longest) for source in SOURCES]
    translator.train()
    chosen = set()
    for a in (0.0, 0.6, 1.0, 2.0):
        found = beam_search(
            translator, SOURCES, beams=len(WORDS) ** 3, length_penalty=a, max_length=longest
        )
        for table, target, score in zip(tables, *found, strict=True):
            scores = {t: p / (len(t) + 1) ** a for t, p in table.items()}
            best = max(scores, key=scores.get)
            assert tuple(target) == best
            assert score == pytest.approx(scores[best], rel=1e-5)
            chosen.add(len(best))
    assert len(chosen) > 1  # the penalty is of consequence
    assert translator.training  # as it was


def test_more_beams_are_better_and_one_is_not_the_best_of_all():
    """Of the scores; and what is found scores what it says."""
    gaps = []
    for seed in range(4):
        translator = model(seed, EDP())
        table = all_targets(translator, SOURCES[0], 4)
        best = max(p / (len(t) + 1) for t, p in table.items())
        for beams in (1, 2, 27):
            (target,), (score,) = beam_search(translator, SOURCES[:1], beams=beams, max_length=4)
            assert score == pytest.approx(table[tuple(target)] / (len(target) + 1), rel=1e-5)
            gaps.append(best - score)
    gaps = np.array(gaps).reshape(-1, 3)
    assert (gaps > -1e-6).all()
    assert gaps[:, 0].max() > 1e-3 > 1e-6 > abs(gaps[:, 2]).max()
    assert gaps[:, 0].mean() >= gaps[:, 1].mean() >= gaps[:, 2].mean()


def test_a_long_target_may_overtake_one_that_has_ended(monkeypatch):
    """p(end) = 0.4 at first, 0.35 for a word that is then sure to go on, until the fourth token."""
    translator = model(0)

    def decode(target, memory, seen):
        chances = torch.full((*target.shape, 6), 1e-9)
        length = target.shape[1]
        chances[:, -1, 3] = 0.35 if length == 1 else 1.0
        chances[:, -1, END] = 0.4 if length == 1 else 1e-9
        if length == 4:
            chances[:, -1, 3], chances[:, -1, END] = 1e-9, 1.0
        chances[:, -1, 4] = 0.25 if length == 1 else 1e-9
        return chances.log()

    monkeypatch.setattr(translator, "decode", decode)
    for a, target, chance in ((0.0, [], 0.4), (1.0, [3, 3, 3], 0.35)):
        found, scores = beam_search(translator, SOURCES[:1], length_penalty=a, max_length=6)
        assert found == [target]
        assert scores[0] == pytest.approx(math.log(chance) / (len(target) + 1) ** a, rel=1e-5)


def test_a_batch_is_its_sentences():
    translator = model(1)
    together = beam_search(translator, SOURCES, beams=3, max_length=6)
    for k, source in enumerate(SOURCES):
        alone = beam_search(translator, source[source != PAD][None], beams=3, max_length=6)
        assert alone[0] == [together[0][k]]
        assert alone[1][0] == pytest.approx(together[1][k], rel=1e-5)


def test_targets_end_within_their_length_and_hold_words():
    translator = model(0)
    for longest in (1, 2, 5):
        targets, scores = beam_search(translator, SOURCES, max_length=longest)
        assert all(len(t) < longest and set(t) <= set(WORDS) for t in targets)
        assert all(math.isfinite(score) and score < 0 for score in scores)


WRONG = [
    ({"model": torch.nn.Linear(1, 1)}, TypeError, "model must be an EncoderDecoder, got Linear"),
    ({"source": SOURCES[0]}, ValueError, r"source must have shape .*: pass source\[None\]"),
    ({"beams": 0}, ValueError, "beams must be at least 1"),
    ({"length_penalty": -1.0}, ValueError, "length_penalty must be finite and ≥ 0"),
    ({"max_length": 9}, ValueError, "max_length must be at most the model's context=8, got 9"),
    ({"end": 6}, ValueError, "end must be a token of the vocabulary, less than 6"),
    ({"begin": 0}, ValueError, "begin must be a token of the vocabulary, .*not the padding 0"),
]


@pytest.mark.parametrize(("changes", "error", "says"), WRONG)
def test_wrong_arguments(changes, error, says):
    with pytest.raises(error, match=says):
        beam_search(**{"model": model(0), "source": SOURCES, "max_length": 4} | changes)
