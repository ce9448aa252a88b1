"""Attention modules as they are found: what their structure says of their maps.

Nothing is imported for a model's sake, and no class is asked for but torch's: names and shapes of
a module's parts tell. What is read is confirmed where there are data, by the module's own outputs.
"""

from __future__ import annotations

import inspect
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from rkbs.attention.learned import LearnedKernel
from rkbs.attention.module import KernelAttention
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP
from rkbs.transformer.heads.maps import AttentionMaps, Part

_SEPARATE = (
    ("query", "key", "value"),
    ("q_proj", "k_proj", "v_proj"),
    ("q_lin", "k_lin", "v_lin"),
    ("query_proj", "key_proj", "value_proj"),
    ("to_q", "to_k", "to_v"),
    ("wq", "wk", "wv"),
    ("q", "k", "v"),
)
_FUSED = ("c_attn", "Wqkv", "qkv_proj", "qkv", "query_key_value")
_OUT = ("out", "out_proj", "o_proj", "c_proj", "out_lin", "dense", "o", "to_out", "wo", "proj")
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads")
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "kv_heads")
_SCALES = ("scaling", "softmax_scale", "inv_norm_factor", "scale")
_ROTARY = re.compile(r"rotary|(^|_)rope($|_)|freqs_cis")
_NORM = re.compile(r"^(q|k|qk|query|key)_?(layer)?_?norm$|^norm_(q|k)$|^ln_(q|k)$|^logit_scale$")
_CROSS = re.compile(r"cross|encoder_attn|encdec|src_attn", re.IGNORECASE)


class UnreadError(ValueError):
    """A module that looks like attention, and does not tell what its maps are."""


def read(model: nn.Module) -> tuple[list[AttentionMaps], dict[str, str]]:
    """The attention modules in a model, in its order; and why others could not be read, by path.

    Raises
    ------
    ValueError
        Where there is none that can be read, with the classes of modules that there are.
    """
    found, unread = [], {}
    across = [
        m.multihead_attn for m in model.modules() if isinstance(m, nn.TransformerDecoderLayer)
    ]
    for path, module in model.named_modules():
        try:
            found += list(_maps(path, module, any(module is one for one in across)))
        except UnreadError as error:
            unread[path] = str(error)
    if not found:
        classes = Counter(type(module).__name__ for module in model.modules())
        seen = ", ".join(f"{name} × {count}" for name, count in classes.most_common(12))
        said = "".join(f". {path or 'the model itself'}: {why}" for path, why in unread.items())
        raise ValueError(
            "model must have attention modules with maps of queries and keys, as "
            "torch.nn.MultiheadAttention, the models of rkbs.transformer and those of Hugging Face "
            f"have; found none among its modules: {seen}{said}"
        )
    return found, unread


def _maps(path: str, module: nn.Module, across: bool) -> Iterator[AttentionMaps]:
    if isinstance(module, nn.MultiheadAttention):
        yield _of_torch(path, module, across)
        return
    for names in _SEPARATE:
        query, key, value = (getattr(module, name, None) for name in names)
        if _matrix(query) and _matrix(value):
            if not (_matrix(key) or (key is None and hasattr(module, "attend"))):
                raise UnreadError(f"{names[1]} must be a linear map as {names[0]} is, got {key!r}")
            yield _separate(path, module, names)
            return
    for name in _FUSED:
        if _matrix(getattr(module, name, None)):
            yield _fused(path, module, name)
            return


def _of_torch(path: str, module: nn.MultiheadAttention, across: bool) -> AttentionMaps:
    """Of ``nn.MultiheadAttention``, or ``MultiheadKernelAttention``."""
    H, E, bias = module.num_heads, module.embed_dim, module.in_proj_bias
    if module.in_proj_weight is not None:
        weights = list(module.in_proj_weight.split(E))
    else:
        weights = [module.q_proj_weight, module.k_proj_weight, module.v_proj_weight]
    biases = [None] * 3 if bias is None else list(bias.split(E))
    query, key, value = (Part.of(w, b, H) for w, b in zip(weights, biases, strict=True))
    crosses = across or bool(_CROSS.search(path)) or weights[0].shape != weights[1].shape
    kernel = _kernel(module)
    return AttentionMaps(path, module, query, key, value, kernel, 1.0, "torch", crosses=crosses)


def _separate(path: str, module: nn.Module, names: tuple[str, str, str]) -> AttentionMaps:
    """Of three matrices; where rkbs's own have none of keys it is tied to that of queries."""
    H = _heads(module)
    found = [_matrix(getattr(module, name, None)) for name in names]
    tied = found[1] is None
    found[1] = found[0] if tied else found[1]
    query, key, value = (one for one in found if one is not None)
    rows = [len(weight) for weight, _ in (query, key, value)]
    d, rest = divmod(rows[0], H)
    G = rows[1] // d if d else 0
    if rest or not G or rows[1] % d or H % G or rows[2] % G:
        told = ", ".join(f"{name} {count}" for name, count in zip(names, rows, strict=True))
        raise UnreadError(f"rows of its maps must be shared by {H} heads, got {told}")
    return _whole(path, module, Part.of(*query, H), Part.of(*key, G), Part.of(*value, G), tied)


def _fused(path: str, module: nn.Module, name: str) -> AttentionMaps:
    """Of one matrix: the rows of queries, keys and values, or these for each group in turn."""
    H = _heads(module)
    G = _key_heads(module, H)
    weight, bias = _matrix(getattr(module, name)) or (torch.empty(0), None)
    beside = _matrix(getattr(module, "q_attn", None))  # of other points than keys, as GPT-2 has it
    blocks = 2 * G if beside else H + 2 * G
    if len(weight) % blocks:
        raise UnreadError(
            f"{name} must have rows for {blocks - 2 * G} heads of queries and {G} of keys and "
            f"values, got {len(weight)}"
        )
    every = Part.of(weight, bias, blocks)
    if beside:
        parts = [Part.of(*beside, H), *(every.of_heads(range(g, g + G)) for g in (0, G))]
    else:
        by_group = name == "query_key_value" or getattr(module, "multi_query", None) is False
        parts = [every.of_heads(places) for places in _order(H, G, by_group)]
    return _whole(path, module, parts[0], parts[1], parts[2])


def _order(H: int, G: int, by_group: bool) -> tuple[list[int], list[int], list[int]]:
    """Where in a fused matrix the blocks of d rows of queries, keys and values are."""
    if not by_group:
        return [*range(H)], [*range(H, H + G)], [*range(H + G, H + 2 * G)]
    size = H // G + 2  # the queries of a group, its key, its value
    starts = range(0, G * size, size)
    queries = [start + k for start in starts for k in range(size - 2)]
    return queries, [start + size - 2 for start in starts], [start + size - 1 for start in starts]


def _whole(
    path: str, module: nn.Module, query: Part, key: Part, value: Part, tied: bool = False
) -> AttentionMaps:
    """What names and attributes tell beside the maps."""
    d, kernel = query.weight.shape[1], _kernel(module)
    attend = getattr(module, "attend", None)
    factor, kind = math.sqrt(_scale(module, d) * math.sqrt(d)), "other"
    if isinstance(attend, KernelAttention):
        factor, kind = 1.0 if attend.gain is None else float(attend.gain), "rkbs"
    crosses = bool(_CROSS.search(path)) or bool(getattr(module, "is_cross_attention", False))
    return AttentionMaps(
        path,
        module,
        query,
        key,
        value,
        kernel,
        factor,
        kind,
        out=next((m for name in _OUT if _matrix(m := getattr(module, name, None))), None),
        tied=tied,
        crosses=crosses or query.weight.shape[-1] != key.weight.shape[-1],
        reason=_reason(module, kernel),
    )


def _reason(module: nn.Module, kernel: Kernel | None) -> str:
    """Why the logits are not made by W_Qᵀ W_K alone."""
    config = getattr(module, "config", None)
    names = [*vars(module), *module._modules, *module._parameters]
    takes = [*inspect.signature(module.forward).parameters]
    plain = getattr(config, "alibi", False) or getattr(module, "use_rope", True) in (False, 0)
    rotary = next((n for n in (*names, *takes) if _ROTARY.search(n)), "")
    rotary = rotary or ("position_embeddings" if "position_embeddings" in takes else "")
    if rotary and not plain:
        return (
            f"rotary positions ({rotary}): logits are xᵀ W_Qᵀ R W_K y with a rotation R that "
            "depends on the two positions, and no one M"
        )
    norms = [n for n in names if _NORM.match(n) and getattr(module, n, None) is not None]
    if norms or getattr(module, "normalize_qk", False):
        return (
            f"normalized queries and keys ({norms[0] if norms else 'normalize_qk'}): logits are "
            "no bilinear form of the inputs"
        )
    if getattr(module, "center_keys", False) and not isinstance(kernel, EDP):
        return "centered keys: the kernel depends on the whole sequence"
    return ""


def _kernel(module: nn.Module) -> Kernel | None:
    """The kernel of rkbs that a module has, else EDP; None of one that is not to be found."""
    attend = getattr(module, "attend", None)
    for owner, name in ((attend, "kernel"), (module, "kernel"), (module, "rkbs_kernel")):
        if isinstance(own := getattr(owner, name, None), LearnedKernel):
            kernel: Kernel = own()
            return kernel
    used = getattr(getattr(module, "config", None), "_attn_implementation", None)
    known = attend is None and not str(used).startswith("rkbs")
    return EDP() if known else None


def _matrix(module: Any) -> tuple[Tensor, Tensor | None] | None:
    """The matrix (rows, C) of a linear map, and its bias; None of anything else."""
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.Module) or not isinstance(weight, Tensor) or weight.ndim != 2:
        return None
    if not weight.is_floating_point():
        raise UnreadError(f"weights must be floating, got {weight.dtype}: audit it unquantized")
    bias = getattr(module, "bias", None)
    if isinstance(module, nn.Linear):
        return weight, bias
    # GPT-2's Conv1D is a linear map whose matrix is stored transposed; it says its rows.
    return (weight.T, bias) if getattr(module, "nf", None) == weight.shape[1] else None


def _heads(module: nn.Module) -> int:
    found = _number(module, _HEADS)
    if found is None:
        raise UnreadError(f"it must tell its number of heads as one of {', '.join(_HEADS)}")
    return found


def _key_heads(module: nn.Module, heads: int) -> int:
    """G of a fused map."""
    if (found := _number(module, _KEY_HEADS)) is None:
        found = heads // (_number(module, ("num_key_value_groups",)) or 1)
    if heads % found:
        raise UnreadError(f"{heads} heads must be a multiple of those of keys, got {found}")
    return found


def _number(module: nn.Module, names: tuple[str, ...]) -> int | None:
    owners = (module, getattr(module, "config", None))
    values = (getattr(owner, name, None) for owner in owners for name in names)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v), None)


def _scale(module: nn.Module, d: int) -> float:
    """What q·k is multiplied by."""
    values = (getattr(module, name, None) for name in _SCALES)
    return next((float(v) for v in values if isinstance(v, float) and v > 0), 1 / math.sqrt(d))
