"""Heads of a trained Transformer cut to a rank, and grown where their certificates say so.

Both give a copy: its modules have the shapes of the model's own, or as many rows more in each head.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from rkbs._arrays import check_count, check_number
from rkbs.transformer.heads.certificate import _outside, certificate
from rkbs.transformer.heads.layouts import read
from rkbs.transformer.heads.maps import AttentionMaps
from rkbs.transformer.heads.recording import record
from rkbs.transformer.model import Attention, Transformer

Loss = Callable[[nn.Module, Any], Tensor]


@final
@dataclass(frozen=True, eq=False)
class NewRow:
    """A row that W_Q and W_K of a head may grow by.

    Attributes
    ----------
    head : int
        Its number in the model, layer by layer, as in ``Audit.heads``.
    gain : float
        σ − λ: rows a·u and a·v lower the objective by a²(σ − λ) + O(a⁴).
    query, key : arrays of shape (C,), (C',)
        u and v, singular vectors of R = C − λ U Vᵀ at σ.
    """

    head: int
    gain: float
    query: np.ndarray
    key: np.ndarray


class _Head(NamedTuple):
    """A head's maps (d, C) and (d, C'), and its coefficients (C, C')."""

    query: np.ndarray
    key: np.ndarray
    coefficients: np.ndarray

    def decay(self, given: float | None) -> float | None:
        """λ, or the head's own by least squares; None where none explains it."""
        if given is not None:
            return given
        found = certificate(self.query, self.key, self.coefficients)
        return None if found is None else found.decay


def certified_ranks(
    model: Transformer, data: Any, loss: Loss, *, decay: float | None = None
) -> list[int]:
    """How many directions of each head the loss supports against the decay.

    The rank of M after one proximal step on J + λ‖M‖_* of length s/λ, s the largest singular value
    of all heads' M: the number of singular values of M/s + C/λ above 1. At a stationary point it is
    the rank of M, and of a starved head as many more as there are singular values of R above λ, up
    to d. Short of one, a direction u, v of size t counts where t/s > 1 − uᵀCv/λ. A head that no
    decay explains has d.

    Parameters
    ----------
    model : Transformer
        Of ``rkbs.transformer``, with EDP as its kernel.
    data, loss
        As of ``audit``.
    decay : float, optional
        λ; by default each head's own, by least squares.

    Returns
    -------
    list of int
        In the order of ``Audit.heads``.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import *
    >>> model = LanguageModel(TransformerConfig(vocab=9, d_model=8, heads=2, layers=1))
    >>> data = {"tokens": torch.tensor([[1, 5, 6, 2], [1, 7, 6, 2]])}
    >>> certified_ranks(model, data, language_loss, decay=10.0)  # no loss is worth that much
    [0, 0]
    """
    heads = _heads(model, data, loss, decay)
    largest = max(float(np.linalg.norm(head.query.T @ head.key, 2)) for head in heads)
    return [_certified_rank(head, decay, largest) for head in heads]


def growth_rows(
    model: Transformer, data: Any, loss: Loss, *, decay: float | None = None
) -> list[NewRow]:
    """All rows that lower the objective, of all heads, the best first.

    Parameters and their meaning are those of ``certified_ranks``.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import *
    >>> model = LanguageModel(TransformerConfig(vocab=9, d_model=8, heads=2, layers=1))
    >>> data = {"tokens": torch.tensor([[1, 5, 6, 2], [1, 7, 6, 2]])}
    >>> rows = growth_rows(model, data, language_loss, decay=1e-3)
    >>> rows[0].gain >= rows[1].gain > 0, rows[0].query.shape
    (True, (8,))
    >>> grow_heads(model, rows[:2], length=0.1).config.head_dim > 4
    True
    """
    rows = []
    for number, head in enumerate(_heads(model, data, loss, decay)):
        lam = head.decay(decay)
        if lam is None:
            continue
        rest = _outside(*head) if head.query.any() and head.key.any() else head.coefficients
        U, sigma, Vt = np.linalg.svd(rest)
        for u, size, v in zip(U.T, sigma, Vt, strict=False):
            if size > lam:
                rows.append(NewRow(number, float(size) - lam, u, v))
    return sorted(rows, key=lambda row: -row.gain)


def cut_heads(model: Transformer, ranks: Sequence[int]) -> Transformer:
    """A copy whose heads have the best approximations of their M of these ranks.

    Parameters
    ----------
    model : Transformer
        Of ``rkbs.transformer``.
    ranks : sequence of int
        Of each head, in the order of ``Audit.heads``; at most d count.

    Raises
    ------
    ValueError
        For another number of ranks than of heads, and for tied maps.

    Examples
    --------
    >>> from rkbs.transformer import *
    >>> model = LanguageModel(TransformerConfig(vocab=9, d_model=8, heads=2, layers=1))
    >>> [head.raw.rank for head in audit(cut_heads(model, [1, 3])).heads]
    [1, 3]
    """
    found = copy.deepcopy(model)
    places = list(_places(found))
    if not isinstance(ranks, Iterable) or len(ranks := list(ranks)) != len(places):
        raise ValueError(f"ranks must hold a number for each of {len(places)} heads, got {ranks!r}")
    for (maps, head), rank in zip(places, ranks, strict=True):
        kept = check_count(rank, "ranks", least=0)
        put_head(maps, head, *truncated(maps.query.matrix(head), maps.key.matrix(head), kept))
    return found


def grow_heads(model: Transformer, rows: Sequence[NewRow], length: float) -> Transformer:
    """A copy whose heads have these rows more, each times ``length``; the scale of logits stays.

    All heads get as many rows as the one that grows most; those not given are 0, where their
    gradients vanish, too, so that they stay 0 in training.

    Parameters
    ----------
    model : Transformer
        Of ``rkbs.transformer``.
    rows : sequence of NewRow
    length : float
        a.

    Raises
    ------
    ValueError
        For a row of a head that is not there, and for tied maps.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.transformer import *
    >>> from rkbs.transformer.resizing import NewRow
    >>> model = LanguageModel(TransformerConfig(vocab=9, d_model=8, heads=2, layers=1))
    >>> row = NewRow(head=1, gain=0.5, query=np.eye(8)[0], key=np.eye(8)[1])
    >>> grown = grow_heads(model, [row], length=0.1)
    >>> grown.config.head_dim, [head.raw.rank for head in audit(grown).heads]
    (5, [4, 5])
    """
    a = check_number(length, "length", least=0.0)
    found = copy.deepcopy(model)
    places = list(_places(found))
    rows = _checked_rows(rows, places)
    counts = [sum(row.head == number for row in rows) for number in range(len(places))]
    d, more = found.config.query_dim, max(counts)
    for maps in {id(maps): maps for maps, _ in places}.values():
        _widen(maps, more)
    for number, (maps, head) in enumerate(places):
        mine = [row for row in rows if row.head == number]
        query = np.vstack([maps.query.matrix(head), *(a * row.query for row in mine)])
        key = np.vstack([maps.key.matrix(head), *(a * row.key for row in mine)])
        put_head(maps, head, query, key)
    found.config = dataclasses.replace(found.config, head_dim=d + more)
    return found


def _checked_rows(rows: Any, places: Sequence[tuple[AttentionMaps, int]]) -> list[NewRow]:
    """Rows of heads that are there, of the sizes of their maps."""
    given = list(rows) if isinstance(rows, Iterable) else [rows]
    for row in given:
        if not isinstance(row, NewRow):
            raise TypeError(f"rows must be NewRows, as growth_rows gives them, got {row!r:.60}")
        if not 0 <= row.head < len(places):
            raise ValueError(f"rows must be of heads 0 to {len(places) - 1}, got head {row.head}")
        maps, head = places[row.head]
        asked = tuple((side.matrix(head).shape[1],) for side in (maps.query, maps.key))
        got = tuple(np.shape(part) for part in (row.query, row.key))
        if got != asked:
            raise ValueError(
                f"rows of head {row.head} must have shapes {asked}, got {got}: of another model"
            )
    return given


def truncated(query: np.ndarray, key: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Balanced maps of the best approximation of queryᵀ key of a rank, (rank, C) and (rank, C')."""
    U, sigma, Vt = np.linalg.svd(query.T @ key)
    root = np.sqrt(sigma[:rank])[:, None]
    return root * U.T[:rank], root * Vt[:rank]


def put_head(maps: AttentionMaps, head: int, query: np.ndarray, key: np.ndarray) -> None:
    """Write a head's maps into its module: as many rows as fit, and 0 below."""
    module: Any = maps.module
    with torch.no_grad():
        for linear, rows in ((module.query, query), (module.key, key)):
            weight = linear.weight.unflatten(0, (maps.heads, -1))[head]
            weight.zero_()
            kept = torch.as_tensor(rows[: len(weight)], dtype=weight.dtype, device=weight.device)
            weight[: len(kept)] = kept


def _widen(maps: AttentionMaps, more: int) -> None:
    """Rows of 0 for each head of a module, whose gain takes the new 1/√d back."""
    module: Any = maps.module
    d, C = maps.query.weight.shape[1:]
    for name in ("query", "key"):
        old = getattr(module, name).weight
        shape, kind = (C, maps.heads * (d + more)), {"device": old.device, "dtype": old.dtype}
        # No generator is drawn from: all rows are written.
        setattr(module, name, nn.utils.skip_init(nn.Linear, *shape, bias=False, **kind))
    module.attend.gain.mul_(((d + more) / d) ** 0.25)


def _places(model: nn.Module) -> Iterator[tuple[AttentionMaps, int]]:
    """Each head's module and its number there."""
    if not isinstance(model, Transformer):
        raise TypeError(f"model must be a Transformer of rkbs, got {type(model).__name__}")
    for maps in read(model)[0]:
        if not isinstance(maps.module, Attention) or maps.tied or maps.reason:
            why = maps.reason or "its queries and keys share a map"
            raise ValueError(f"{maps.path} has no M = W_Qᵀ W_K of two maps: {why}")
        for head in range(maps.heads):
            yield maps, head


def _heads(model: nn.Module, data: Any, loss: Loss, decay: float | None) -> list[_Head]:
    if decay is not None:
        check_number(decay, "decay", above=0.0)
    if data is None or not callable(loss):
        raise TypeError(
            "data must be a batch or batches, and loss a function loss(model, batch), as of audit; "
            f"got {type(data).__name__} and {type(loss).__name__}"
        )
    modules = list({id(maps): maps for maps, _ in _places(model)}.values())
    batches = [data] if isinstance(data, (Tensor, Mapping)) else data
    if other := [maps.path for maps in modules if not maps.is_softmax]:
        raise ValueError(f"{', '.join(other)}: no certificate, as the kernel must be EDP")
    records, count = record(model, modules, batches, loss)
    found = []
    for one in records:
        if one.coefficients is None or not one.is_confirmed:
            raise ValueError(f"{one.maps.path} has no certificate: no batch gave it a gradient")
        C = one.coefficients.numpy() / count
        for h in range(one.maps.heads):
            query, key = one.maps.query.matrix(h), one.maps.key.matrix(h)
            found.append(_Head(query, key, C[h]))
    return found


def _certified_rank(head: _Head, decay: float | None, largest: float) -> int:
    lam = head.decay(decay)
    if lam is None:
        return len(head.query)
    stepped = head.query.T @ head.key / (largest or 1.0) + head.coefficients / lam
    return min(int((np.linalg.svd(stepped, compute_uv=False) > 1).sum()), len(head.query))
