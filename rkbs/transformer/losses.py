"""What models are trained on, and what they are judged by."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rkbs._arrays import check_number
from rkbs.kernels._pairwise import at_least_single
from rkbs.transformer.batches import Batch, Batches


def classification_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The mean of −log p(label | tokens) over the examples of a batch.

    Parameters
    ----------
    model : EncoderClassifier
    batch : dict
        ``tokens`` (B, n) and ``labels`` (B,).

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import EncoderClassifier, TransformerConfig, classification_loss
    >>> model = EncoderClassifier(TransformerConfig(vocab=9), classes=2)
    >>> batch = {"tokens": torch.tensor([[5, 6], [7, 0]]), "labels": torch.tensor([0, 1])}
    >>> classification_loss(model, batch).shape
    torch.Size([])
    """
    _check_columns(batch, "tokens", "labels")
    return functional.cross_entropy(model(batch["tokens"]), batch["labels"])


def language_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The mean of −log p(next token | tokens before it) over a batch, in nats.

    Parameters
    ----------
    model : LanguageModel
    batch : dict
        ``tokens`` (B, n + 1), with the marks of beginning and end among them.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import LanguageModel, TransformerConfig, language_loss
    >>> model = LanguageModel(TransformerConfig(vocab=9))
    >>> language_loss(model, {"tokens": torch.tensor([[1, 5, 6, 2]])}).shape
    torch.Size([])
    """
    _check_columns(batch, "tokens")
    tokens = batch["tokens"]
    losses, there = _token_losses(model, model(tokens[:, :-1]), tokens[:, 1:])
    return losses.sum() / there.sum()


def translation_loss(model: nn.Module, batch: Batch, smoothing: float = 0.0) -> Tensor:
    """The mean of −log p(next token of the target | source, tokens before it), in nats.

    Parameters
    ----------
    model : EncoderDecoder
    batch : dict
        ``source`` (B, m) and ``target`` (B, n + 1), the latter with its marks.
    smoothing : float
        ε: (1 − ε) of the above, plus ε times the mean of −log p over all tokens but padding.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import EncoderDecoder, TransformerConfig, translation_loss
    >>> model = EncoderDecoder(TransformerConfig(vocab=9))
    >>> batch = {"source": torch.tensor([[5, 6, 2]]), "target": torch.tensor([[1, 7, 2]])}
    >>> translation_loss(model, batch, smoothing=0.1).shape
    torch.Size([])
    """
    _check_columns(batch, "source", "target")
    if check_number(smoothing, "smoothing", least=0.0) >= 1:
        raise ValueError(f"smoothing must be 0 ≤ ε < 1, got {smoothing}")
    target = batch["target"]
    logits = model(batch["source"], target[:, :-1])
    losses, there = _token_losses(model, logits, target[:, 1:], smoothing)
    return losses.sum() / there.sum()


def token_nll(model: nn.Module, batches: Batches) -> tuple[np.ndarray, np.ndarray]:
    """−log p of each sequence, in nats, and how many tokens were predicted in it.

    Of a ``LanguageModel`` on ``tokens`` or an ``EncoderDecoder`` on ``source`` and ``target``. In
    the order of the batches, for which ``shuffle=False`` keeps that of the examples. The mean NLL
    of a token is ``nll.sum() / counts.sum()``, and exp of it the perplexity.

    Parameters
    ----------
    model : LanguageModel or EncoderDecoder
    batches : Batches

    Returns
    -------
    nll, counts : arrays of shape (examples,)
        In double precision.

    Examples
    --------
    >>> from rkbs.transformer import Batches, LanguageModel, TransformerConfig, token_nll
    >>> batches = Batches({"tokens": [[1, 5, 6, 2], [1, 7, 2]]}, size=2, shuffle=False)
    >>> nll, counts = token_nll(LanguageModel(TransformerConfig(vocab=9)), batches)
    >>> counts
    array([3, 2])
    """
    found = []
    for batch in _evaluated(model, batches):
        name = "tokens" if "tokens" in batch else "target"
        _check_columns(batch, *(("tokens",) if name == "tokens" else ("source", "target")))
        before, after = batch[name][:, :-1], batch[name][:, 1:]
        logits = model(before) if name == "tokens" else model(batch["source"], before)
        losses, there = _token_losses(model, logits, after)
        found.append((losses.double().sum(1).cpu(), there.sum(1).cpu()))
    nll, counts = (torch.cat(column).numpy() for column in zip(*found, strict=True))
    return nll, counts


def accuracy(model: nn.Module, batches: Batches) -> float:
    """The share of examples whose label has the largest logit.

    Parameters
    ----------
    model : EncoderClassifier
    batches : Batches
        Of ``tokens`` and ``labels``.

    Examples
    --------
    >>> from rkbs.transformer import Batches, EncoderClassifier, TransformerConfig, accuracy
    >>> model = EncoderClassifier(TransformerConfig(vocab=9), classes=1)
    >>> accuracy(model, Batches({"tokens": [[5], [6]], "labels": [0, 0]}, size=2))
    1.0
    """
    right = 0
    for batch in _evaluated(model, batches):
        _check_columns(batch, "tokens", "labels")
        right += int((model(batch["tokens"]).argmax(-1) == batch["labels"]).sum())
    return right / batches.count


def _token_losses(
    model: Any, logits: Tensor, target: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """−log p of each token of the target, 0 at padding, and where there is none; (B, n) both."""
    pad = model.config.pad
    there = target != pad  # (B, n)
    log_p = at_least_single(logits).log_softmax(-1)  # (B, n, V)
    losses = -log_p.gather(-1, target[..., None])[..., 0]  # (B, n)
    if smoothing:
        others = torch.arange(log_p.shape[-1], device=log_p.device) != pad
        spread = -torch.where(others, log_p, 0).sum(-1) / (log_p.shape[-1] - 1)  # (B, n)
        losses = (1 - smoothing) * losses + smoothing * spread
    return torch.where(there, losses, 0), there


def _evaluated(model: nn.Module, batches: Batches) -> Any:
    """The batches where the model is, which is in evaluation meanwhile."""
    device, training = next(model.parameters()).device, model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                yield {name: column.to(device) for name, column in batch.items()}
    finally:
        model.train(training)


def _check_columns(batch: Batch, *names: str) -> None:
    if missing := [name for name in names if name not in batch]:
        raise ValueError(
            f"batch must have the columns {', '.join(names)}; {', '.join(missing)} missing of "
            f"{sorted(batch)}"
        )
    if names[-1] in ("tokens", "target") and batch[names[-1]].shape[1] < 2:
        raise ValueError(
            f"{names[-1]} must have two tokens or more, one to predict the other from, got shape "
            f"{tuple(batch[names[-1]].shape)}: begin and end each sequence with a mark, as "
            "BPE.encode does"
        )
