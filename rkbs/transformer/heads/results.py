"""What an audit found: by layer and head, as a table, as text, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, final

from rkbs._version import __version__
from rkbs.kernels.base import Kernel
from rkbs.transformer.heads.certificate import HeadCertificate
from rkbs.transformer.heads.structure import HeadStructure

FORMAT = "rkbs.audit"
VERSION = 1
"""Of the JSON: higher wherever an older rkbs would read what is meant otherwise."""


@final
@dataclass(frozen=True)
class HeadAudit:
    """One head.

    Attributes
    ----------
    head, group : int
        Its number in its layer, and that of the key map that it has: with G < H of them several
        heads share one.
    dimension : int
        d.
    query_singular_values, key_singular_values : tuple of float
        Of W_Q and W_K: what is known where there is no M.
    raw : HeadStructure or None
        Of M = W_Qᵀ W_K. None where no M makes the logits.
    weighted : HeadStructure or None
        Of Σ_X^½ M Σ_Y^½ with the covariances of the layer's inputs; the mean of keys is a factor
        for each query, that of queries one for each key. None without data.
    is_mercer : bool or None
        Whether some Mercer kernel has these attention weights: for exp of a product iff M is
        symmetric and has no negative eigenvalue, whatever the biases. None where that is not
        known, and for keys of other points than queries.
    exchanged : float or None
        The share of pairs of inputs x, y in one sequence with ℓ(x, y) + ℓ(y, x) > ℓ(x, x) +
        ℓ(y, y), that is (x − y)ᵀ M (x − y) < 0: two actual inputs at which no factor for each query
        or key makes the kernel positive semi-definite. None without data.
    largest_exchange : float or None
        The largest ℓ(x, y) + ℓ(y, x) − ℓ(x, x) − ℓ(y, y) of these pairs, g in logits: with the
        factors that favor it most, the Gram matrix of x and y has λ_min/λ_max = −tanh(g/4).
    certificate : HeadCertificate or None
        Without a loss None. Heads of one group have one together.
    kernel : Kernel or None
        κ(x, y) of inputs of the layer, whose rows over their sums are the weights. It holds the
        maps: JSON leaves it out.
    """

    head: int
    group: int
    dimension: int
    query_singular_values: tuple[float, ...]
    key_singular_values: tuple[float, ...]
    raw: HeadStructure | None = None
    weighted: HeadStructure | None = None
    is_mercer: bool | None = None
    exchanged: float | None = None
    largest_exchange: float | None = None
    certificate: HeadCertificate | None = None
    kernel: Kernel | None = field(default=None, repr=False, compare=False)


@final
@dataclass(frozen=True)
class LayerAudit:
    """The heads of one attention module.

    Attributes
    ----------
    path, module : str
        Its name in the model and its class.
    kernel : str
        κ of q and k; empty where it is not known.
    crosses : bool
        Whether keys are of other points than queries: of the data if there are any, else by names.
    reason : str
        Why no M makes its logits; empty where one does.
    points : int or None
        How many inputs its covariance is of.
    error : float or None
        The relative error of its outputs computed anew from its maps, where they were.
    notes : tuple of str
        What else is to be known.
    heads : tuple of HeadAudit
    """

    path: str
    module: str
    kernel: str
    crosses: bool
    reason: str
    points: int | None
    error: float | None
    notes: tuple[str, ...]
    heads: tuple[HeadAudit, ...]


_COLUMNS = {
    "effective_rank": "rank",
    "antisymmetric_share": "antisym.",
    "negative_mass": "neg. mass",
    "weighted_effective_rank": "rank Σ",
    "weighted_antisymmetric_share": "antisym. Σ",
    "weighted_negative_mass": "neg. mass Σ",
    "exchanged": "exchanged",
    "residual": "residual",
    "ratio": "σ(R)/λ",
}
"""Columns of the text beside the head's number, its dimension, inertia and verdict."""


@final
@dataclass(frozen=True)
class Audit:
    """What ``rkbs.transformer.audit`` found. Print it, or read its ``table``.

    Attributes
    ----------
    model : str
        The model's class.
    layers : tuple of LayerAudit
    unread : dict
        By path, why a module that looks like attention is not among them.

    Examples
    --------
    >>> from rkbs.transformer import Audit, LanguageModel, TransformerConfig, audit
    >>> found = audit(LanguageModel(TransformerConfig(vocab=9, layers=1, heads=2)))
    >>> [(row["layer"], row["head"], row["dimension"]) for row in found.table()]
    [('decoder.blocks.0.attention', 0, 32), ('decoder.blocks.0.attention', 1, 32)]
    >>> Audit.from_json(found.to_json()).model
    'LanguageModel'
    """

    model: str
    layers: tuple[LayerAudit, ...]
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def heads(self) -> tuple[HeadAudit, ...]:
        """All heads, layer by layer."""
        return tuple(head for layer in self.layers for head in layer.heads)

    def table(self) -> list[dict[str, Any]]:
        """A row for each head: numbers, words and None, as ``pandas.DataFrame`` takes them."""
        return [_row(layer, head) for layer in self.layers for head in layer.heads]

    def to_json(self) -> str:
        """All but the kernels, which hold the model's maps."""
        header = {"format": FORMAT, "version": VERSION, "rkbs": __version__}
        return json.dumps(header | _plain(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Audit:
        """What ``to_json`` wrote, without kernels.

        Raises
        ------
        ValueError
            For text of another kind, of a newer version, or damaged.
        """
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ValueError(f"text must be JSON, as to_json writes it: {error}") from error
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"text must be what Audit.to_json wrote, got {text[:60]!r}")
        if found.get("version") != VERSION:
            raise ValueError(
                f"text is of version {found.get('version')}, written by rkbs {found.get('rkbs')}; "
                f"this is rkbs {__version__}, which reads version {VERSION}: update rkbs"
            )
        try:
            layers = tuple(_layer(entry) for entry in found["layers"])
            return cls(found["model"], layers, found["unread"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"text lacks what an audit holds, or is damaged: {error}") from error

    def __repr__(self) -> str:
        return f"<Audit of {self._summary}>"

    @property
    def _summary(self) -> str:
        count, known = len(self.heads), [h.is_mercer for h in self.heads if h.is_mercer is not None]
        parts = [f"{self.model}: {count} heads in {len(self.layers)} layers"]
        if known:
            parts.append(f"{sum(known)} of {len(known)} Mercer")
        if none := sum(len(layer.heads) for layer in self.layers if layer.reason):
            parts.append(f"{none} without a form M")
        if self.unread:
            parts.append(f"{len(self.unread)} modules not read")
        return ", ".join(parts)

    def __str__(self) -> str:
        lines = [self._summary]
        for layer in self.layers:
            lines += _lines(layer)
        lines += [f"{path} not read: {why}" for path, why in self.unread.items()]
        return "\n".join(lines)


def _lines(layer: LayerAudit) -> list[str]:
    told = [layer.module, layer.kernel or "kernel not known"]
    told += ["keys of other points"] * layer.crosses
    told += [f"{layer.points} points"] if layer.points else []
    lines = [f"{layer.path or '(the model)'}  [{', '.join(told)}]"]
    if layer.reason:
        return [*lines, f"  M does not apply: {layer.reason}"]
    rows = [_row(layer, head) for head in layer.heads]
    names = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
    titles = ["head", "d", *(_COLUMNS[name] for name in names), "+ 0 −", "Mercer"]
    cells = [
        [
            str(row["head"]),
            str(row["dimension"]),
            *("" if row[name] is None else f"{row[name]:.3g}" for name in names),
            "" if row["positive"] is None else f"{row['positive']} {row['zero']} {row['negative']}",
            {True: "yes", False: "no", None: "?"}[row["is_mercer"]],
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    lines += [
        "  " + "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True))
        for line in (titles, *cells)
    ]
    return [*lines, *(f"  note: {note}" for note in layer.notes)]


def _row(layer: LayerAudit, head: HeadAudit) -> dict[str, Any]:
    row: dict[str, Any] = {
        "layer": layer.path,
        "head": head.head,
        "group": head.group,
        "dimension": head.dimension,
        "kernel": layer.kernel,
        "reason": layer.reason,
        "is_mercer": head.is_mercer,
        **_measures(head.raw, ""),
        **_measures(head.weighted, "weighted_"),
        "exchanged": head.exchanged,
        "largest_exchange": head.largest_exchange,
    }
    found = head.certificate
    return row | {
        "decay": found and found.decay,
        "decay_is_estimated": found and found.is_estimated,
        "residual": found and max(found.residual_query, found.residual_key),
        "balance": found and found.balance,
        "ratio": found and found.ratio,
        "dimension_suffices": found and found.suffices,
    }


def _measures(found: HeadStructure | None, start: str) -> dict[str, Any]:
    inertia = (found and found.inertia) or (None, None, None)
    names = ("rank", "effective_rank", "stable_rank", "antisymmetric_share", "negative_mass")
    measures = {name: found and getattr(found, name) for name in names}
    measures |= dict(zip(("positive", "zero", "negative"), inertia, strict=True))
    return {start + name: value for name, value in measures.items()}


def _plain(value: Any) -> Any:
    """Tables, lists and numbers of dataclasses, without kernels."""
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value)]
        plain = {name: _plain(getattr(value, name)) for name in names}
        return plain if not isinstance(value, HeadAudit) else plain | {"kernel": None}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return value


def _layer(entry: dict[str, Any]) -> LayerAudit:
    return _made(LayerAudit, entry | {"heads": [_head(head) for head in entry["heads"]]})


def _head(entry: dict[str, Any]) -> HeadAudit:
    parts = {"raw": HeadStructure, "weighted": HeadStructure, "certificate": HeadCertificate}
    made = {name: entry[name] and _made(cls, entry[name]) for name, cls in parts.items()}
    return _made(HeadAudit, entry | made)


def _made(cls: Any, entry: dict[str, Any]) -> Any:
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()})
