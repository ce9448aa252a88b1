"""The whole path: texts to byte pairs, batches, a translator, beams, BLEU."""

import math
from collections import Counter

import pytest

pytest.importorskip("tokenizers", reason="the extra text is not installed")
pytest.importorskip("sacrebleu", reason="the extra text is not installed")

from rkbs.kernels import RBF
from rkbs.transformer import (
    Batches,
    EncoderDecoder,
    Recipe,
    TransformerConfig,
    train,
    translation_loss,
)
from rkbs.transformer.text import BPE, bleu, made_corpus, translate


def grams(text, n):
    words = text.split()
    return Counter(tuple(words[k : k + n]) for k in range(len(words) - n + 1))


def bleu_by_hand(translations, references):
    """Papineni et al. (2002): geometric mean of clipped precisions, and the brevity penalty."""
    logs = []
    for n in range(1, 5):
        right = total = 0
        for one, other in zip(translations, references, strict=True):
            right += sum((grams(one, n) & grams(other, n)).values())
            total += grams(one, n).total()
        logs.append(math.log(right / total))
    lengths = [sum(len(text.split()) for text in texts) for texts in (translations, references)]
    penalty = min(0.0, 1 - lengths[1] / lengths[0])
    return 100 * math.exp(sum(logs) / 4 + penalty)


def test_bleu_is_that_of_the_paper():
    references = list(made_corpus(50).target)
    shorter = [" ".join(text.split()[:-1]) for text in references]
    other = [text.replace("can", "should").replace("a dog", "the dog") for text in references]
    longer = [f"{text} and more" for text in references]
    for texts in (references, shorter, other, longer):
        assert bleu(texts, references, "none") == pytest.approx(bleu_by_hand(texts, references))
    assert bleu(other, references, "none") < 95 < bleu(references, references, "none")


def test_wrong_scores():
    with pytest.raises(ValueError, match="must be as many, one or more, got 1 and 2"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="got 0 and 0"):
        bleu([], [])
    with pytest.raises(TypeError, match=r"references must be several.*pass \[references\]"):
        bleu(["a"], "a")


def test_a_made_language_is_learned_from_200_sentences():
    """And 50 others, which it has not seen, are translated."""
    text, known = made_corpus(250), slice(200)
    source, target = text.source[known], text.target[known]
    bpe = BPE.train([*source, *target], vocab=150)
    batches = Batches(
        {"source": bpe.encode(source, begin=False), "target": bpe.encode(target)}, size=32
    )
    config = TransformerConfig(vocab=len(bpe), d_model=48, heads=2, layers=1, context=40)
    model = EncoderDecoder(config, RBF())
    others, right = text.source[200:], text.target[200:]
    before = bleu(translate(model, bpe, others, max_length=20), right, "none")
    train(model, batches, translation_loss, Recipe(steps=250, lr=5e-3, warmup=50))
    after = bleu(translate(model, bpe, others, max_length=20), right, "none")
    assert before < 10
    assert after > 90
    assert translate(model, bpe, others[:3], max_length=20) == [
        *translate(model, bpe, others[:1], max_length=20),
        *translate(model, bpe, others[1:3], max_length=20, size=1),
    ]
    assert translate(model, bpe, []) == []
