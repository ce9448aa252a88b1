"""``audit``: what each head of a Transformer is, by its weights, its inputs and its loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from rkbs._arrays import check_number
from rkbs.transformer.heads.certificate import HeadCertificate, certificate, tied_certificate
from rkbs.transformer.heads.layouts import read
from rkbs.transformer.heads.maps import AttentionMaps
from rkbs.transformer.heads.recording import record
from rkbs.transformer.heads.records import Record
from rkbs.transformer.heads.results import Audit, HeadAudit, LayerAudit
from rkbs.transformer.heads.structure import covariance_root, structure

Decay = float | tuple[float, float] | None
_MEMORY = 2**30
"""Bytes that coefficients of layers may take at once; more layers take more passes."""


def audit(
    model: nn.Module,
    data: Any = None,
    loss: Callable[[nn.Module, Any], Tensor] | None = None,
    *,
    decay: Decay = None,
) -> Audit:
    r"""What each head of a model is: its form M = W_Qᵀ W_K, its kernel, its certificate.

    Modules are known by their structure: those of ``rkbs.transformer``, torch's
    ``nn.MultiheadAttention`` wherever it stands, and models of Hugging Face and others whose
    attention has maps of queries, keys and values, apart or in one, with biases, and keys that
    several heads share. With rotary positions, and with normalized queries and keys, there is no M:
    the audit says so, and reports the singular values of the maps.

    With data, each M is also weighted by the covariance of the layer's inputs, and what was read of
    a module is confirmed by its own outputs. With a loss, the coefficients C = −∂J/∂M of each head
    say how near it is to being an expansion over pairs of points, and whether its dimension
    suffices (``HeadCertificate``). The model stays as it is, and is in evaluation meanwhile.

    Parameters
    ----------
    model : nn.Module
    data : batch or iterable of batches, optional
        A batch is a tensor, a table of columns by name, or, inside an iterable, a tuple: what the
        model takes, or the loss. Points that no query sees are left out; a causal module of
        rkbs is told of no padding, and counts it.
    loss : callable, optional
        loss(model, batch): the data term J that was minimized, a mean over the batch, without the
        decay, such as ``language_loss``. J is the mean over batches: take them of one size.
    decay : number or (number, number), optional
        λ of (λ/2)(‖W_Q‖² + ‖W_K‖²), or λ_Q and λ_K. By default each head's own, by least squares.

    Returns
    -------
    Audit
        ``print`` it; ``rkbs.plotting.audit_map`` draws its ``table()``.

    Raises
    ------
    ValueError
        Where no attention is found, with the classes of modules that there are; for a loss without
        data, a decay without a loss, and data that hold nothing.
    TypeError
        Naming the argument.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import LanguageModel, TransformerConfig, audit, language_loss
    >>> model = LanguageModel(TransformerConfig(vocab=50, d_model=32, heads=2, layers=1))
    >>> tokens = torch.randint(1, 50, (8, 12), generator=torch.Generator().manual_seed(0))
    >>> found = audit(model, {"tokens": tokens}, language_loss)
    >>> found
    <Audit of LanguageModel: 2 heads in 1 layers, 0 of 2 Mercer>
    >>> head = found.heads[0]
    >>> head.raw.inertia, 0.3 < head.raw.antisymmetric_share < 0.7  # as of random maps
    ((16, 0, 16), True)
    >>> x = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))
    >>> head.kernel(x, x).shape
    torch.Size([5, 5])
    """
    _check(model, data, loss, decay)
    maps, unread = read(model)
    records: dict[int, Record] = {}
    count = 0
    if data is not None:
        batches = [data] if isinstance(data, (Tensor, Mapping)) else data
        for part in _parts([one for one in maps if not one.reason], loss is not None):
            found, count = record(model, part, batches, loss)
            records |= {id(one.maps): one for one in found}
    layers = [_layer(one, records.get(id(one)), count, loss is not None, decay) for one in maps]
    return Audit(type(model).__name__, tuple(layers), unread)


def _check(model: Any, data: Any, loss: Any, decay: Any) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if loss is not None and not callable(loss):
        raise TypeError(f"loss must be a function loss(model, batch), got {loss!r:.60}")
    if loss is not None and data is None:
        raise ValueError("data must be given with a loss: the batches that the loss is of")
    if decay is not None and loss is None:
        raise ValueError("loss must be given with a decay: without it there is no certificate")
    if isinstance(data, (str, bytes)) or not (
        data is None or isinstance(data, (Tensor, Mapping, Iterable))
    ):
        raise TypeError(
            "data must be a batch, a tensor or a table of columns by name, or an iterable of "
            f"batches, got {type(data).__name__}"
        )
    for number in decay if isinstance(decay, tuple) else (decay,):
        if number is not None and check_number(number, "decay", least=0.0) == 0:
            raise ValueError("decay must be positive, got 0: without decay there is no certificate")
    if isinstance(decay, tuple) and len(decay) != 2:
        raise ValueError(f"decay must be one number, or those of queries and keys, got {decay}")


def _parts(maps: list[AttentionMaps], differentiate: bool) -> Iterator[list[AttentionMaps]]:
    """The modules in as many parts as the memory of their coefficients asks for."""
    part: list[AttentionMaps] = []
    used = 0
    for one in maps:
        size = 8 * one.heads * one.query.weight.shape[-1] * one.key.weight.shape[-1]
        if part and differentiate and used + size > _MEMORY:
            yield part
            part, used = [], 0
        part.append(one)
        used += size
    if part:
        yield part


def _layer(
    maps: AttentionMaps, seen: Record | None, count: int, has_loss: bool, decay: Decay
) -> LayerAudit:
    within = not maps.crosses
    if seen is not None and seen.calls:
        within = seen.within
    roots = _roots(seen) if seen is not None and seen.x.count and seen.y.count else None
    certificates: list[HeadCertificate | None] = [None] * maps.key.heads
    notes = _notes(maps, seen, has_loss)
    if seen is not None and seen.is_confirmed and seen.coefficients is not None:
        coefficients = seen.coefficients.numpy() / count
        certificates = [_certificate(maps, coefficients, g, decay) for g in range(maps.key.heads)]
        if None in certificates:
            notes.append("a head without certificate: ⟨M, C⟩ ≤ 0, no decay explains it")
    heads = [_head(maps, head, within, roots, seen, certificates) for head in range(maps.heads)]
    return LayerAudit(
        path=maps.path,
        module=type(maps.module).__name__,
        kernel="" if maps.kernel is None else repr(maps.kernel),
        crosses=not within,
        reason=maps.reason,
        points=seen.x.count if seen is not None else None,
        error=seen.error if seen is not None else None,
        notes=tuple(notes),
        heads=tuple(heads),
    )


def _head(
    maps: AttentionMaps,
    head: int,
    within: bool,
    roots: tuple[np.ndarray, np.ndarray] | None,
    seen: Record | None,
    certificates: list[HeadCertificate | None],
) -> HeadAudit:
    group = head // maps.group_size
    query, key = maps.query.matrix(head), maps.key.matrix(group)
    known: dict[str, Any] = {
        "head": head,
        "group": group,
        "dimension": maps.dimension,
        "query_singular_values": tuple(np.linalg.svd(query, compute_uv=False).tolist()),
        "key_singular_values": tuple(np.linalg.svd(key, compute_uv=False).tolist()),
    }
    if maps.reason:
        return HeadAudit(**known)
    kernel = maps.kernel_of(head)
    raw = structure(query, key, within=within, eps=maps.eps)
    weighted = None
    if roots is not None:
        weighted = structure(query @ roots[0], key @ roots[1], within=within, eps=maps.eps)
    exchanges: dict[str, float] = {}
    if seen is not None and within and seen.compared:
        exchanges["exchanged"] = int(seen.exchanged[head]) / seen.compared
        exchanges["largest_exchange"] = float(seen.largest[head])
    return HeadAudit(
        **known,
        raw=raw,
        weighted=weighted,
        is_mercer=maps.is_mercer(kernel, raw.is_semidefinite),
        **exchanges,
        certificate=certificates[group],
        kernel=kernel,
    )


def _roots(seen: Record) -> tuple[np.ndarray, np.ndarray]:
    root = covariance_root(seen.x.covariance().numpy())
    return root, root if seen.within else covariance_root(seen.y.covariance().numpy())


def _certificate(
    maps: AttentionMaps, coefficients: np.ndarray, group: int, decay: Decay
) -> HeadCertificate | None:
    """Of the heads that share a key map."""
    heads = range(group * maps.group_size, (group + 1) * maps.group_size)
    query = np.hstack([maps.query.matrix(head) for head in heads])  # (d, heads · C)
    C = np.vstack([coefficients[head] for head in heads])  # (heads · C, C')
    if maps.tied:
        one = math.sqrt(decay[0] * decay[1]) if isinstance(decay, tuple) else decay
        return tied_certificate(query, C, one)
    return certificate(query, maps.key.matrix(group), C, decay)


def _notes(maps: AttentionMaps, seen: Record | None, has_loss: bool) -> list[str]:
    """What a reader must know of a layer's numbers."""
    if maps.reason:
        return []
    notes = []
    if maps.kernel is not None and not maps.is_softmax:
        notes.append("the logit is no function of M alone: the kernel is of q and k")
    if seen is None:
        return notes
    if not seen.calls:
        return [*notes, "no batch passed through it"]
    if maps.is_softmax and not seen.is_confirmed:
        notes.append(
            f"its outputs are not those of softmax attention by these maps (relative error "
            f"{seen.error:.1g}): they were read wrongly, or positions or masks enter in a way that "
            "is not known here; no certificate"
        )
    if seen.x.count <= maps.query.weight.shape[-1]:
        notes.append(f"{seen.x.count} points: fewer than a covariance of full rank needs")
    if has_loss and maps.query.biased:
        notes.append("queries have a bias: λ W_K = W_Q C lacks its part, and σ(R)/λ leaves it out")
    if has_loss and not maps.is_softmax:
        notes.append("no certificate: it is one of softmax of products")
    return notes
