"""BERT's encoder with any kernel: for weights that were trained elsewhere.

In shapes: B sequences of n tokens; C = d_model; H heads of dimension C/H.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from rkbs._arrays import check_count, check_number
from rkbs.attention.module import KernelAttention
from rkbs.kernels.dot_product import EDP
from rkbs.transformer._checks import check_tokens, kernel_of_layer
from rkbs.transformer.model import KernelChoice

_EDP = EDP()
_FIELDS = {
    "vocab": "vocab_size",
    "d_model": "hidden_size",
    "heads": "num_attention_heads",
    "layers": "num_hidden_layers",
    "d_ff": "intermediate_size",
    "context": "max_position_embeddings",
    "segments": "type_vocab_size",
    "eps": "layer_norm_eps",
    "pad": "pad_token_id",
}
"""What a field of ``BertConfig`` is called in Hugging Face's config.json."""
_ONLY = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
"""Options of config.json, and the one value of each that is read."""


@final
@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT.

    Parameters
    ----------
    vocab : int
        Tokens.
    d_model : int
        C, the dimension of points between layers; a multiple of ``heads``.
    heads, layers : int
    d_ff : int
        Hidden units of the feed-forward part.
    context : int
        The most tokens a sequence may have.
    segments : int
        Kinds of segments that have an embedding; all tokens are of the first.
    eps : float
        Added to variances in layer norms.
    pad : int
        The token that fills sequences up, at their right.

    Examples
    --------
    >>> from rkbs.transformer import BertConfig
    >>> sizes = dict(vocab_size=50, hidden_size=16, num_attention_heads=2, num_hidden_layers=1)
    >>> more = dict(intermediate_size=32, max_position_embeddings=64)
    >>> BertConfig.from_dict({"model_type": "bert", **sizes, **more}).head_dim
    8
    """

    vocab: int
    d_model: int
    heads: int
    layers: int
    d_ff: int
    context: int
    segments: int = 2
    eps: float = 1e-12
    pad: int = 0

    def __post_init__(self) -> None:
        for name in ("vocab", "d_model", "heads", "layers", "d_ff", "context", "segments"):
            object.__setattr__(self, name, check_count(getattr(self, name), name))
        object.__setattr__(self, "pad", check_count(self.pad, "pad", least=0))
        object.__setattr__(self, "eps", check_number(self.eps, "eps", least=0.0))
        if self.d_model % self.heads:
            raise ValueError(
                f"d_model must be a multiple of heads={self.heads}, got {self.d_model}: heads "
                "share it"
            )

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> BertConfig:
        """Of what Hugging Face's config.json holds.

        Raises
        ------
        ValueError
            For a model that is no BERT, has another activation or other positions, or lacks a size.
        """
        for name, value in _ONLY.items():
            if (found := config.get(name, value)) != value:
                raise ValueError(f"{name} must be {value!r}, got {found!r}: no other is read")
        sizes = {name: config[theirs] for name, theirs in _FIELDS.items() if theirs in config}
        needed = ("vocab", "d_model", "heads", "layers", "d_ff", "context")
        if missing := [_FIELDS[name] for name in needed if name not in sizes]:
            raise ValueError(f"a BERT's config must say {', '.join(missing)}")
        return cls(**sizes)

    @property
    def head_dim(self) -> int:
        """d = C/H."""
        return self.d_model // self.heads


class BertEmbedding(nn.Module):
    """Tokens with their positions as points."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        C = config.d_model
        self.token = nn.Embedding(config.vocab, C)
        self.position = nn.Embedding(config.context, C)
        self.segment = nn.Embedding(config.segments, C)
        self.norm = nn.LayerNorm(C, config.eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n) → (B, n, C)."""
        x = self.token(tokens) + self.segment.weight[0]  # (B, n, C)
        return self.norm(x + self.position.weight[: tokens.shape[1]])


class BertAttention(nn.Module):
    """Kernel attention with its projections.

    ``attend(q, k, v, attn_mask=…)`` takes (B, H, n, d) and gives (B, H, n, d).
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        C = config.d_model
        self.heads, self.center_keys = config.heads, False
        self.query, self.key, self.value = (nn.Linear(C, C) for _ in range(3))
        self.out = nn.Linear(C, C)
        self.attend: nn.Module = KernelAttention(_EDP, learn=False)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, n, C), of which the keys (B, n) are seen → (B, n, C)."""
        q, k, v = self.query(x), self.key(x), self.value(x)  # (B, n, C)
        if self.center_keys:
            k = k - _mean(k, seen)[:, None]
        q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in (q, k, v))
        mask = None if seen is None else seen[:, None, None, :]  # (B, 1, 1, n)
        out = self.attend(q, k, v, attn_mask=mask)  # (B, H, n, d)
        return self.out(out.transpose(1, 2).flatten(2))  # (B, n, C)


class BertLayer(nn.Module):
    """Attention, then feed-forward: each added to its input, with a norm behind."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        C = config.d_model
        self.attention, self.attention_norm = BertAttention(config), nn.LayerNorm(C, config.eps)
        self.up, self.down = nn.Linear(C, config.d_ff), nn.Linear(config.d_ff, C)
        self.forward_norm = nn.LayerNorm(C, config.eps)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, n, C) → (B, n, C)."""
        x = self.attention_norm(x + self.attention(x, seen))
        return self.forward_norm(x + self.down(functional.gelu(self.up(x))))


@final
class Bert(nn.Module):
    """BERT (Devlin et al. 2019): tokens to points, a kernel in place of its exp.

    Parameters
    ----------
    config : BertConfig
    kernel, center_keys
        As of ``set_kernel``.

    Examples
    --------
    >>> import torch
    >>> from rkbs import TaylorEDP
    >>> from rkbs.transformer import Bert, BertConfig
    >>> bert = Bert(BertConfig(50, d_model=16, heads=2, layers=2, d_ff=32, context=8))
    >>> bert.set_kernel(lambda layer: TaylorEDP(2 + 2 * layer))
    >>> bert(torch.tensor([[5, 7, 9], [8, 0, 0]])).shape  # 0 is padding
    torch.Size([2, 3, 16])
    """

    def __init__(
        self, config: BertConfig, kernel: KernelChoice = _EDP, *, center_keys: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = BertEmbedding(config)
        self.layers = nn.ModuleList(BertLayer(config) for _ in range(config.layers))
        self.set_kernel(kernel, center_keys=center_keys)

    def set_kernel(self, kernel: KernelChoice, *, center_keys: bool = False) -> None:
        r"""Weights κ(q_i, k_j)/Σ_j κ(q_i, k_j) in all layers.

        Parameters
        ----------
        kernel : Kernel, or function of the layer's number that returns one
            Non-negative; its parameters are not trained.
        center_keys : bool
            k_j − k̄ in place of k_j, k̄ the mean of the keys that are seen. Logits q·k/√d then have
            mean 0 in each row. Weights by EDP stay what they are, and those by another function of
            the logit do not: a Taylor cut is best where logits are small.

        Raises
        ------
        TypeError
            Naming the argument, and the layer.
        """
        if not isinstance(center_keys, bool):
            raise TypeError(f"center_keys must be True or False, got {center_keys!r}")
        kernels = [kernel_of_layer(kernel, layer) for layer in range(self.config.layers)]
        parts = [part for part in self.modules() if isinstance(part, BertAttention)]
        for part, one in zip(parts, kernels, strict=True):
            part.attend = KernelAttention(one, learn=False)
            part.center_keys = center_keys

    def seen(self, tokens: Tensor) -> Tensor | None:
        """Which tokens (B, n) are no padding; None where all are."""
        seen = tokens != self.config.pad
        return None if bool(seen.all()) else seen

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n) → (B, n, C)."""
        config, device = self.config, self.embedding.token.weight.device
        check_tokens(tokens, "tokens", config.vocab, config.context, device)
        seen = self.seen(tokens)
        x = self.embedding(tokens)  # (B, n, C)
        for layer in self.layers:
            x = layer(x, seen)
        return x

    def pooled(self, tokens: Tensor) -> Tensor:
        """(B, n) → the mean of the points that are no padding, (B, C)."""
        return _mean(self(tokens), self.seen(tokens))


def _mean(x: Tensor, seen: Tensor | None) -> Tensor:
    """The mean of the points (B, n, C) that are seen, (B, C)."""
    if seen is None:
        return x.mean(1)
    total = torch.where(seen[..., None], x, 0).sum(1)  # (B, C)
    return total / seen.sum(1, keepdim=True).clamp_min(1)
