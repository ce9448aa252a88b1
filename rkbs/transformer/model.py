"""Transformers with any kernel: an encoder that classifies, a decoder, and both together.

In shapes: B sequences of n tokens, or of m where keys come from a source; C = d_model; H heads of
dimension d for queries and keys and C/H for values; V tokens in the vocabulary.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from rkbs._arrays import check_count, check_number
from rkbs.attention.module import KernelAttention
from rkbs.kernels._pairwise import at_least_single
from rkbs.kernels.base import Kernel
from rkbs.kernels.dot_product import EDP
from rkbs.kernels.key_norm import KeyNormBias
from rkbs.transformer._checks import (
    check_memory,
    check_same_count,
    check_tokens,
    kernel_of_layer,
)

KernelChoice = Kernel | Callable[[int], Kernel]
"""A kernel for all layers, or a function of the layer's number, 0 for the first."""
_EDP = EDP()


@final
@dataclass(frozen=True)
class TransformerConfig:
    """The sizes and options of a Transformer; the kernel is not among them.

    Parameters
    ----------
    vocab : int
        V, the number of tokens.
    d_model : int
        C, the dimension of points between layers; a multiple of ``heads``.
    heads, layers : int
        An encoder–decoder has as many layers on either side.
    head_dim : int, optional
        d of queries and keys, C/H by default. Values have C/H whatever d is, so that d limits what
        a head selects and not what it carries.
    d_ff : int, optional
        Hidden units of the feed-forward part, 4C by default.
    context : int
        The most tokens a sequence may have.
    dropout : float
        Of embeddings and of what each part adds to its input; weights of attention are not dropped.
    pad : int
        The token that fills sequences up, at their right. It is never seen and never predicted.
    tie_query_key : bool
        W^Q = W^K.
    key_norm_bias : bool
        −τ ‖k‖²/√d added to the logits, with a τ for each head that starts at 0 (``KeyNormBias``).
    normalize_qk : bool
        q and k are divided by their root mean square, so that ‖q‖ = ‖k‖ = √d.
    learn_kernel : bool
        Whether parameters of the kernel are trained, those of each head by themselves.

    Examples
    --------
    >>> from rkbs.transformer import TransformerConfig
    >>> config = TransformerConfig(vocab=100, d_model=64, heads=4, head_dim=2)
    >>> config.query_dim, config.value_dim, config.hidden_dim
    (2, 16, 256)
    """

    vocab: int
    d_model: int = 64
    heads: int = 4
    layers: int = 2
    head_dim: int | None = None
    d_ff: int | None = None
    context: int = 256
    dropout: float = 0.1
    pad: int = 0
    tie_query_key: bool = False
    key_norm_bias: bool = False
    normalize_qk: bool = False
    learn_kernel: bool = True

    def __post_init__(self) -> None:
        sizes = ("vocab", "d_model", "heads", "layers", "context")
        sizes += tuple(name for name in ("head_dim", "d_ff") if getattr(self, name) is not None)
        found: dict[str, Any] = {name: check_count(getattr(self, name), name) for name in sizes}
        found["pad"] = check_count(self.pad, "pad", least=0)
        found["dropout"] = check_number(self.dropout, "dropout", least=0.0)
        for name, value in found.items():  # Python's own numbers
            object.__setattr__(self, name, value)
        if self.d_model % self.heads:
            raise ValueError(
                f"d_model must be a multiple of heads={self.heads}, got {self.d_model}: heads "
                "share it as the dimension of their values"
            )
        if self.dropout >= 1:
            raise ValueError(f"dropout must be a probability 0 ≤ p < 1, got {self.dropout}")
        if self.pad >= self.vocab:
            raise ValueError(f"pad must be a token, less than vocab={self.vocab}, got {self.pad}")

    @property
    def query_dim(self) -> int:
        """d: ``head_dim``, or C/H."""
        return self.value_dim if self.head_dim is None else self.head_dim

    @property
    def value_dim(self) -> int:
        """C/H."""
        return self.d_model // self.heads

    @property
    def hidden_dim(self) -> int:
        """``d_ff``, or 4C."""
        return 4 * self.d_model if self.d_ff is None else self.d_ff


class Attention(nn.Module):
    """Kernel attention with its projections, of points to themselves or to those of a source."""

    def __init__(self, config: TransformerConfig, kernel: Kernel) -> None:
        super().__init__()
        C, H, d = config.d_model, config.heads, config.query_dim
        self.heads, self.normalize_qk = H, config.normalize_qk
        self.query = nn.Linear(C, H * d, bias=False)
        self.key = None if config.tie_query_key else nn.Linear(C, H * d, bias=False)
        self.value = nn.Linear(C, C, bias=False)
        self.out = nn.Linear(C, C, bias=False)
        if config.key_norm_bias:
            kernel = KeyNormBias(kernel, 0.0)
        # The gain at which a kernel starts is kept here, so that W^Q and W^K start as for others.
        self.attend = KernelAttention(kernel, d, heads=H, learn=config.learn_kernel)

    def forward(
        self,
        x: Tensor,
        source: Tensor | None = None,
        seen: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """(B, n, C), of keys from (B, m, C), of which (B, m) are seen → (B, n, C)."""
        source = x if source is None else source
        key = self.query if self.key is None else self.key
        q, k, v = self.query(x), key(source), self.value(source)  # (B, n or m, H·d or C)
        q, k, v = (z.unflatten(-1, (self.heads, -1)).transpose(1, 2) for z in (q, k, v))
        # (B, H, n, d), (B, H, m, d), (B, H, m, C/H)
        if self.normalize_qk:
            q, k = (_of_unit_mean_square(z) for z in (q, k))
        mask = None if seen is None else seen[:, None, None, :]  # (B, 1, 1, m)
        out = self.attend(q, k, v, attn_mask=mask, is_causal=is_causal)  # (B, H, n, C/H)
        return self.out(out.transpose(1, 2).flatten(2))  # (B, n, C)


def _of_unit_mean_square(z: Tensor) -> Tensor:
    """Points with ‖z‖² = d, in the precision that they have; 0 stays 0."""
    wide = at_least_single(z)
    return functional.rms_norm(wide, wide.shape[-1:]).to(z.dtype)


class FeedForward(nn.Module):
    """C → d_ff → C at each point."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.d_model, config.hidden_dim)
        self.down = nn.Linear(config.hidden_dim, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(functional.gelu(self.up(x)))


class Block(nn.Module):
    """Attention, attention to a source if there is one, feed-forward: each behind its norm."""

    def __init__(self, config: TransformerConfig, kernel: Kernel, cross: bool) -> None:
        super().__init__()
        C = config.d_model
        self.attention_norm, self.attention = nn.LayerNorm(C), Attention(config, kernel)
        self.cross_norm = nn.LayerNorm(C) if cross else None
        self.cross = Attention(config, kernel) if cross else None
        self.forward_norm, self.feed_forward = nn.LayerNorm(C), FeedForward(config)
        self.drop = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, seen: Tensor | None, source: Tensor | None, source_seen: Tensor | None
    ) -> Tensor:
        """(B, n, C) → (B, n, C); causal where nothing is said of what is seen."""
        y = self.attention_norm(x)
        x = x + self.drop(self.attention(y, seen=seen, is_causal=seen is None))
        if self.cross is not None and self.cross_norm is not None:
            x = x + self.drop(self.cross(self.cross_norm(x), source, source_seen))
        return x + self.drop(self.feed_forward(self.forward_norm(x)))


class Embedding(nn.Module):
    """Tokens and their positions as points, and points as logits of tokens, by one table."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab, config.d_model)
        self.position = nn.Embedding(config.context, config.d_model)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, tokens: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """(B, n) → points (B, n, C), and which are seen, (B, n)."""
        config, weight = self.config, self.token.weight
        check_tokens(tokens, name, config.vocab, config.context, weight.device)
        seen = tokens != config.pad  # (B, n)
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]  # (B, n, C)
        x = self.drop(math.sqrt(config.d_model) * x)
        # Padding stands at the first token: any kernel is defined there, which it may not be at 0.
        first = torch.where(seen[:, :1, None], x[:, :1], 0)  # (B, 1, C)
        return torch.where(seen[..., None], x, first), seen

    def logits(self, x: Tensor) -> Tensor:
        """(B, n, C) → (B, n, V), in single precision at least; −∞ at the padding."""
        pad = torch.arange(self.config.vocab, device=x.device) == self.config.pad
        # Nothing that is written there reaches a gradient.
        weight = torch.where(pad[:, None], 0, self.token.weight)  # (V, C)
        logits = at_least_single(functional.linear(x, weight))  # (B, n, V)
        return logits.masked_fill(pad, -math.inf)


class Stack(nn.Module):
    """All blocks of a side, and a norm."""

    def __init__(self, config: TransformerConfig, kernel: KernelChoice, cross: bool) -> None:
        super().__init__()
        kernels = (kernel_of_layer(kernel, layer) for layer in range(config.layers))
        self.blocks = nn.ModuleList(Block(config, k, cross) for k in kernels)
        self.norm = nn.LayerNorm(config.d_model)

    def forward(
        self,
        x: Tensor,
        seen: Tensor | None = None,
        source: Tensor | None = None,
        source_seen: Tensor | None = None,
    ) -> Tensor:
        """(B, n, C) → (B, n, C)."""
        for block in self.blocks:
            x = block(x, seen, source, source_seen)
        return self.norm(x)


class Transformer(nn.Module):
    """What the models share: each knows its sizes, and the seed that it began with."""

    config: TransformerConfig
    seed: int

    def extra_repr(self) -> str:
        """What tells models apart whose parts are the same."""
        return f"{self.config}, seed={self.seed}"


@final
class EncoderClassifier(Transformer):
    """An encoder, the mean of its points, and a linear classifier.

    Parameters
    ----------
    config : TransformerConfig
    classes : int
    kernel : Kernel, or function of the layer's number that returns one
        Non-negative. ``Constant()`` is uniform attention.
    seed : int
        Each weight starts as a function of the seed, its name and its shape: models of different
        kernels start with the same bits in all weights that they share.

    Raises
    ------
    TypeError, ValueError
        Naming the argument that does not fit.

    Examples
    --------
    >>> import torch
    >>> from rkbs import Constant
    >>> from rkbs.transformer import EncoderClassifier, TransformerConfig
    >>> model = EncoderClassifier(TransformerConfig(vocab=50), classes=2, kernel=Constant())
    >>> model(torch.tensor([[5, 7, 9], [8, 0, 0]])).shape  # 0 is padding
    torch.Size([2, 2])
    """

    def __init__(
        self, config: TransformerConfig, classes: int, kernel: KernelChoice = _EDP, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config, self.classes = config, check_count(classes, "classes")
        self.embedding = Embedding(config)
        self.encoder = Stack(config, kernel, cross=False)
        self.classifier = nn.Linear(config.d_model, classes)
        initialize(self, seed)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n) → logits of classes (B, classes)."""
        x, seen = self.embedding(tokens, "tokens")  # (B, n, C), (B, n)
        x = self.encoder(x, seen)  # (B, n, C)
        sums = torch.where(seen[..., None], at_least_single(x), 0).sum(1)  # (B, C)
        mean = sums / seen.sum(1, keepdim=True).clamp_min(1)  # (B, C)
        return at_least_single(self.classifier(mean))  # (B, classes)


@final
class LanguageModel(Transformer):
    """A causal decoder: the logits of each next token, by the table that embeds them.

    Parameters
    ----------
    config, kernel, seed
        As of ``EncoderClassifier``.

    Examples
    --------
    >>> import torch
    >>> from rkbs import RBF, Constant
    >>> from rkbs.transformer import LanguageModel, TransformerConfig
    >>> config = TransformerConfig(vocab=50, head_dim=2)
    >>> model = LanguageModel(config, lambda layer: RBF() if layer else Constant())
    >>> model(torch.tensor([[5, 7, 9]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(
        self, config: TransformerConfig, kernel: KernelChoice = _EDP, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.decoder = Stack(config, kernel, cross=False)
        initialize(self, seed)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, n) → logits of the tokens that follow, (B, n, V)."""
        x, _ = self.embedding(tokens, "tokens")  # (B, n, C)
        return self.embedding.logits(self.decoder(x))  # (B, n, V)


@final
class EncoderDecoder(Transformer):
    """A translator: an encoder of the source, and a causal decoder that attends to it.

    One vocabulary and one table of embeddings serve both sides and the logits.

    Parameters
    ----------
    config, kernel, seed
        As of ``EncoderClassifier``; a layer's kernel serves its attention on both sides and
        between them.

    Examples
    --------
    >>> import torch
    >>> from rkbs.transformer import EncoderDecoder, TransformerConfig
    >>> model = EncoderDecoder(TransformerConfig(vocab=50))
    >>> model(torch.tensor([[5, 7, 9, 2]]), torch.tensor([[1, 8, 6]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(
        self, config: TransformerConfig, kernel: KernelChoice = _EDP, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config)
        self.encoder = Stack(config, kernel, cross=False)
        self.decoder = Stack(config, kernel, cross=True)
        initialize(self, seed)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """(B, m) → points (B, m, C), and which are seen, (B, m)."""
        x, seen = self.embedding(source, "source")  # (B, m, C), (B, m)
        return self.encoder(x, seen), seen

    def decode(self, target: Tensor, memory: Tensor, seen: Tensor) -> Tensor:
        """(B, n), with what ``encode`` gives → logits of the tokens that follow, (B, n, V)."""
        x, _ = self.embedding(target, "target")  # (B, n, C)
        check_memory(memory, seen, target, self.config.d_model)
        return self.embedding.logits(self.decoder(x, None, memory, seen))  # (B, n, V)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(B, m), (B, n) → logits of the target's tokens that follow, (B, n, V)."""
        memory, seen = self.encode(source)  # (B, m, C), (B, m)
        check_same_count(source, "source", target, "target")
        return self.decode(target, memory, seen)  # (B, n, V)


def initialize(model: Transformer, seed: int) -> None:
    """Normal weights of variance 1/columns, each from the seed and its own name.

    W^Q and W^K have half of it, the variance that ``start_gain`` counts on; what is added to the
    input of a block is divided by √(2 · layers), as in GPT-2. Biases are 0, and what a kernel owns
    stays as it is.
    """
    model.seed = check_count(seed, "seed", least=0)
    for name, module in model.named_modules():
        if not isinstance(module, (nn.Linear, nn.Embedding)):
            continue
        part = name.rpartition(".")[2]
        std = module.weight.shape[1] ** -0.5
        if part in ("query", "key"):
            std *= math.sqrt(0.5)
        elif part in ("out", "down"):
            std /= math.sqrt(2 * model.config.layers)
        with torch.no_grad():
            module.weight.normal_(0, std, generator=generator_of(seed, name))
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()


def generator_of(seed: int, name: str) -> torch.Generator:
    """Random numbers that depend on a seed and a name alone."""
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
