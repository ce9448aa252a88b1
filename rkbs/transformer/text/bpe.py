"""Byte-pair encoding of words, by ``tokenizers``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

from rkbs._arrays import check_count

PAD, BEGIN, END, UNKNOWN = range(4)
_SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


@final
class BPE:
    """Words cut into pieces that are frequent (Sennrich et al. 2016), and pieces as numbers.

    Words are what spaces separate. 0 … 3 are padding, begin, end, and a sign that was not seen. The
    same sentences give the same tokens each time.

    Examples
    --------
    >>> from rkbs.transformer.text import BPE
    >>> bpe = BPE.train(["a low tower", "a lower tower"] * 5, vocab=24)
    >>> tokens = bpe.encode(["a low tower"])
    >>> tokens[0][0], tokens[0][-1], bpe.decode(tokens)  # begin, end
    (1, 2, ['a low tower'])
    """

    def __init__(self, tokenizer: Any) -> None:
        found = [tokenizer.token_to_id(token) for token in _SPECIAL]
        if found != list(range(len(_SPECIAL))):
            raise ValueError(
                f"tokenizer must have the tokens {', '.join(_SPECIAL)} as 0 … 3, got {found}: make "
                "it by BPE.train"
            )
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, sentences: Iterable[str], vocab: int) -> BPE:
        """The pieces of sentences: single signs, then those that are joined most often.

        Parameters
        ----------
        sentences : iterable of str
            Of both languages, for a vocabulary that they share.
        vocab : int
            How many tokens at most, the four special ones among them. Every sign that occurs gets
            one, also beyond that number.
        """
        tokenizers = _tokenizers()
        check_count(vocab, "vocab", least=len(_SPECIAL) + 1)
        sentences = _sentences(sentences)
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=_SPECIAL[UNKNOWN]))
        # A mark before each word. One behind its last sign, the trainer would number at random.
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
            [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace()]
        )
        tokenizer.decoder = tokenizers.decoders.Metaspace()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocab,
            special_tokens=list(_SPECIAL),
            show_progress=False,
        )
        tokenizer.train_from_iterator(sentences, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: Path | str) -> BPE:
        """What ``save`` wrote."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no vocabulary at {path}: BPE.save writes one")
        return cls(_tokenizers().Tokenizer.from_str(path.read_text(encoding="utf-8")))

    def save(self, path: Path | str) -> None:
        """Write it as JSON."""
        Path(path).write_text(self._tokenizer.to_str(pretty=True), encoding="utf-8")

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def __repr__(self) -> str:
        return f"BPE of {len(self)} tokens"

    def encode(self, sentences: Sequence[str], *, begin: bool = True) -> list[list[int]]:
        """The tokens of each sentence, between the marks of begin (if wanted) and end."""
        found = self._tokenizer.encode_batch(_sentences(sentences), add_special_tokens=False)
        start = [BEGIN] if begin else []
        return [[*start, *entry.ids, END] for entry in found]

    def decode(self, tokens: Iterable[Iterable[int]]) -> list[str]:
        """Sentences of tokens: up to the first end; without padding and begin."""
        found = []
        for row in tokens:
            kept = []
            for token in map(int, row):
                if token == END:
                    break
                if token not in (PAD, BEGIN):
                    kept.append(token)
            found.append(self._tokenizer.decode(kept, skip_special_tokens=False))
        return found


def _sentences(sentences: Iterable[str]) -> list[str]:
    if isinstance(sentences, str):
        raise TypeError("sentences must be several, got a str: pass [sentence]")
    sentences = list(sentences)
    if wrong := [s for s in sentences if not isinstance(s, str)]:
        raise TypeError(f"sentences must be str, got {type(wrong[0]).__name__}")
    return sentences


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ImportError(
            "BPE needs tokenizers, which is not installed: pip install rkbs[text]"
        ) from error
    return tokenizers
