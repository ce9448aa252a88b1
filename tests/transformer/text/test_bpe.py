"""Byte pairs, against an encoder of a few lines that counts pairs anew each time."""

from collections import Counter
from itertools import pairwise

import pytest

pytest.importorskip("tokenizers", reason="the extra text is not installed")

from rkbs.transformer.text import BPE, made_corpus

TEXTS = made_corpus(60)
BOTH = [*TEXTS.source, *TEXTS.target]


def joined(word, pair):
    found, k = [], 0
    while k < len(word):
        both = word[k : k + 2]
        found.append("".join(both) if tuple(both) == pair else word[k])
        k += 2 if tuple(both) == pair else 1
    return found


def pieces_by_hand(sentences, merges):
    """The words in pieces, after joins of the most frequent pair; where none ties with it."""
    counts = Counter(word for text in sentences for word in text.split())
    words = {word: ["▁", *word] for word in counts}
    for _ in range(merges):
        pairs = Counter()
        for word, pieces in words.items():
            for pair in pairwise(pieces):
                pairs[pair] += counts[word]
        (pair, most), (_, second) = pairs.most_common(2)
        assert most > second
        words = {word: joined(pieces, pair) for word, pieces in words.items()}
    return words


def test_pieces_are_those_of_the_most_frequent_pairs():
    sentences = ["abab"] * 1 + ["abc"] * 3 + ["cdc"] * 1 + ["bcd"] * 1
    signs = set("▁abcd")
    for merges in range(1, 5):
        bpe = BPE.train(sentences, vocab=4 + len(signs) + merges)
        assert len(bpe) == 4 + len(signs) + merges
        words = pieces_by_hand(sentences, merges)
        assert {w: len(bpe.encode([w])[0]) - 2 for w in words} == {
            word: len(pieces) for word, pieces in words.items()
        }


def test_sentences_come_back():
    for vocab in (40, 80, 200):
        bpe = BPE.train(BOTH, vocab)
        tokens = bpe.encode(BOTH)
        assert bpe.decode(tokens) == BOTH
        assert all(row[0] == 1 and row[-1] == 2 and min(row[1:-1]) > 3 for row in tokens)
        assert max(map(max, tokens)) < len(bpe) <= vocab
        assert [[1, *row] for row in bpe.encode(BOTH, begin=False)] == tokens


def test_more_tokens_make_shorter_sentences():
    lengths = [sum(map(len, BPE.train(BOTH, v).encode(BOTH))) for v in (40, 60, 90, 200)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 2 * lengths[-1]
    # in the end a word is a token
    words = sum(len(text.split()) for text in BOTH)
    assert lengths[-1] == words + 2 * len(BOTH)


def test_it_is_the_same_each_time_and_after_being_saved(tmp_path):
    one, *others = (BPE.train(BOTH, 90) for _ in range(6))
    one.save(tmp_path / "bpe.json")
    for bpe in (*others, BPE.load(tmp_path / "bpe.json")):
        assert bpe.encode(BOTH) == one.encode(BOTH)
        assert (len(bpe), repr(bpe)) == (len(one), f"BPE of {len(one)} tokens")


def test_signs_that_were_not_seen_and_what_stands_behind_the_end():
    bpe = BPE.train(BOTH, 90)
    assert 3 in bpe.encode(["hund 漢"])[0]
    (row,) = bpe.encode(["ein hund"])
    assert bpe.decode([[*row, 0, 0], [*row, *row], row[1:-1], [1, 2], []]) == [
        *["ein hund"] * 3,
        "",
        "",
    ]


def test_wrong_arguments(tmp_path):
    with pytest.raises(TypeError, match=r"several, got a str: pass \[sentence\]"):
        BPE.train("ein hund", 90)
    with pytest.raises(TypeError, match=r"several, got a str: pass \[sentence\]"):
        BPE.train(BOTH, 90).encode("ein hund")
    with pytest.raises(TypeError, match="sentences must be str, got int"):
        BPE.train([1], 90)
    with pytest.raises(ValueError, match="vocab must be at least 5"):
        BPE.train(BOTH, 4)
    with pytest.raises(FileNotFoundError, match=r"no vocabulary at .*BPE.save writes one"):
        BPE.load(tmp_path / "nothing.json")
    import tokenizers

    with pytest.raises(ValueError, match=r"tokenizer must have the tokens <pad>.*got \[None"):
        BPE(tokenizers.Tokenizer(tokenizers.models.BPE()))
