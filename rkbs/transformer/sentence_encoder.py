"""Sentences as unit vectors: a BERT, its tokenizer, and the mean of its points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from rkbs._arrays import check_count
from rkbs.transformer.bert import Bert


@final
class SentenceEncoder(nn.Module):
    """Sentences as unit vectors: a BERT, the mean of its points, and its tokenizer.

    ``load_encoder`` makes it.

    Parameters
    ----------
    bert : Bert
    tokenizer : tokenizers.Tokenizer
        Of the tokens that ``bert`` knows, with the marks of begin and end that it was trained with.
        It is set to cut at ``length``, and not to pad.
    length : int, optional
        The most tokens of a sentence, behind which it is cut; by default ``bert.config.context``.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from rkbs import Constant
    >>> from rkbs.transformer import Bert, BertConfig, SentenceEncoder
    >>> words = {"[PAD]": 0, "[UNK]": 1, "a": 2, "dog": 3, "cat": 4}
    >>> tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    >>> tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> bert = Bert(BertConfig(5, d_model=8, heads=2, layers=1, d_ff=16, context=4))
    >>> encoder = SentenceEncoder(bert, tokenizer)
    >>> exact = encoder.encode(["a dog", "a cat"])
    >>> encoder.bert.set_kernel(Constant())
    >>> (exact * encoder.encode(["a dog", "a cat"])).sum(1) < 1  # cosines with uniform attention
    tensor([True, True])
    """

    def __init__(self, bert: Bert, tokenizer: Any, length: int | None = None) -> None:
        super().__init__()
        length = bert.config.context if length is None else check_count(length, "length")
        if length > bert.config.context:
            raise ValueError(
                f"length must be at most the model's context={bert.config.context}, got {length}"
            )
        self.bert, self.length = bert, length
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length=length)
        self._tokenizer = tokenizer

    def tokens(self, sentences: Sequence[str]) -> list[list[int]]:
        """The tokens of each sentence, its marks included, at most ``length``."""
        if isinstance(sentences, str):
            raise TypeError("sentences must be several, got a str: pass [sentence]")
        sentences = list(sentences)
        if wrong := [s for s in sentences if not isinstance(s, str)]:
            raise TypeError(f"sentences must be str, got {type(wrong[0]).__name__}")
        found = [entry.ids for entry in self._tokenizer.encode_batch(sentences)]
        if empty := [k for k, row in enumerate(found) if not row]:
            place = empty[0]
            raise ValueError(f"sentences[{place}] must have a token, got {sentences[place]!r}")
        return found

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n) → unit vectors (B, C)."""
        return functional.normalize(self.bert.pooled(tokens), dim=-1)

    def encode(self, sentences: Sequence[str], *, size: int = 64) -> Tensor:
        """Unit vectors (S, C) of S sentences, in their order, without gradients.

        Parameters
        ----------
        sentences : sequence of str
        size : int
            Sentences at once: of one number of tokens, so that none is padded.
        """
        weight = self.bert.embedding.token.weight
        rows = self.tokens(sentences)
        found = weight.new_empty(len(rows), weight.shape[1])
        with torch.no_grad():
            for places in batches_of_a_length(rows, check_count(size, "size")):
                batch = torch.tensor([rows[k] for k in places], device=weight.device)
                found[places] = self(batch)
        return found


def batches_of_a_length(rows: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """The places of the rows, those of equal length together, at most ``size`` of them."""
    by_length: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(place)
    groups = (by_length[length] for length in sorted(by_length))
    return [group[k : k + size] for group in groups for k in range(0, len(group), size)]
