"""Beam search: the translation of largest score, as far as the beams see."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rkbs._arrays import check_count, check_number
from rkbs.transformer._checks import check_tokens
from rkbs.transformer.batches import Batches
from rkbs.transformer.model import EncoderDecoder
from rkbs.transformer.text.bpe import BEGIN, BPE, END


def beam_search(
    model: EncoderDecoder,
    source: Tensor,
    *,
    beams: int = 4,
    length_penalty: float = 1.0,
    max_length: int = 100,
    begin: int = BEGIN,
    end: int = END,
) -> tuple[list[list[int]], list[float]]:
    """The target y of largest log p(y | source) / |y|^a that is found, for each source.

    |y| counts the tokens after ``begin``, the end among them; every target ends within
    ``max_length`` tokens. A search stops when no target that is still open could overtake: its
    score is at most log p / ``max_length``^a. So with as many beams as there are open targets of
    each length, the best of all is found.

    Parameters
    ----------
    model : EncoderDecoder
        In evaluation meanwhile.
    source : tensor of shape (B, m)
    beams : int
        Open targets that are kept of each source.
    length_penalty : float
        a ≥ 0: 0 takes the most probable target, which favors short ones, 1 the largest mean.
    max_length : int
        At most the ``context`` of the model.
    begin, end : int
        The tokens of these marks.

    Returns
    -------
    targets : list of lists of int
        Without the marks.
    scores : list of float

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import EncoderDecoder, TransformerConfig
    >>> from rkbs.transformer.text import beam_search
    >>> model = EncoderDecoder(TransformerConfig(vocab=6))
    >>> targets, scores = beam_search(model, torch.tensor([[4, 5, 2]]), max_length=3)
    >>> len(targets[0]) < 3, scores[0] < 0
    (True, True)
    """
    if not isinstance(model, EncoderDecoder):
        raise TypeError(f"model must be an EncoderDecoder, got {type(model).__name__}")
    config, device = model.config, model.embedding.token.weight.device
    check_tokens(source, "source", config.vocab, config.context, device)
    check_count(beams, "beams")
    check_number(length_penalty, "length_penalty", least=0.0)
    if check_count(max_length, "max_length") > config.context:
        raise ValueError(
            f"max_length must be at most the model's context={config.context}, got {max_length}"
        )
    for name, token in (("begin", begin), ("end", end)):
        if check_count(token, name, least=0) >= config.vocab or token == config.pad:
            raise ValueError(
                f"{name} must be a token of the vocabulary, less than {config.vocab}, and not the "
                f"padding {config.pad}; got {token}"
            )
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return _search(model, source, beams, length_penalty, max_length, begin, end)
    finally:
        model.train(training)


def _search(
    model: EncoderDecoder, source: Tensor, K: int, a: float, longest: int, begin: int, end: int
) -> tuple[list[list[int]], list[float]]:
    """Of B sources at once, K open targets each."""
    B, V = len(source), model.config.vocab
    memory, seen = (x.repeat_interleave(K, 0) for x in model.encode(source))  # (B·K, m, …)
    targets = source.new_full((B, K, 1), begin)
    open_log_p = memory.new_full((B, K), -math.inf, dtype=torch.float64)
    open_log_p[:, 0] = 0.0  # all begin the same: one of them is enough
    best: list[list[int]] = [[] for _ in range(B)]
    scores = open_log_p.new_full((B,), -math.inf)
    for length in range(1, longest + 1):
        logits = model.decode(targets.flatten(0, 1), memory, seen)[:, -1]  # (B·K, V)
        logits[:, begin] = -math.inf
        log_p = logits.double().log_softmax(-1).view(B, K, V) + open_log_p[..., None]
        ended, place = log_p[..., end].max(1)  # (B,): only the best that ends can be the best
        better = ended / length**a > scores
        for row in better.nonzero()[:, 0].tolist():
            best[row] = targets[row, place[row], 1:].tolist()
        scores = torch.where(better, ended / length**a, scores)
        log_p[..., end] = -math.inf
        open_log_p, chosen = log_p.flatten(1).topk(min(K, K * V), 1)  # (B, K)
        if length == longest or (open_log_p[:, 0] / longest**a <= scores).all():
            break
        before = targets.gather(1, (chosen // V)[..., None].expand(-1, -1, length))
        targets = torch.cat([before, (chosen % V)[..., None]], -1)  # (B, K, length + 1)
    return best, scores.tolist()


def translate(
    model: EncoderDecoder,
    bpe: BPE,
    sentences: Sequence[str],
    *,
    beams: int = 4,
    length_penalty: float = 1.0,
    max_length: int = 100,
    size: int = 64,
) -> list[str]:
    """Sentences in the other language, in the order of those given.

    Parameters
    ----------
    model : EncoderDecoder
    bpe : BPE
        That the model was trained with.
    sentences : sequence of str
    beams, length_penalty, max_length
        As of ``beam_search``.
    size : int
        Sentences at once.

    Examples
    --------
    >>> from rkbs.transformer import EncoderDecoder, TransformerConfig
    >>> from rkbs.transformer.text import BPE, translate
    >>> bpe = BPE.train(["ein hund", "a dog"], vocab=30)
    >>> model = EncoderDecoder(TransformerConfig(vocab=len(bpe)))
    >>> len(translate(model, bpe, ["ein hund", "hund"], max_length=5))
    2
    """
    source = bpe.encode(sentences, begin=False)
    order = sorted(range(len(source)), key=lambda k: len(source[k]))
    if not order:
        return []
    columns = {"source": [source[k] for k in order]}
    device = model.embedding.token.weight.device
    options = {"beams": beams, "length_penalty": length_penalty, "max_length": max_length}
    found: list[str] = []
    for batch in Batches(columns, size, pad=model.config.pad, shuffle=False):
        targets, _ = beam_search(model, batch["source"].to(device), **options)
        found += bpe.decode(targets)
    return [found[k] for k in sorted(range(len(order)), key=order.__getitem__)]
