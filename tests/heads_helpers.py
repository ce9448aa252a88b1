"""Attention modules as others write them, small: what an audit must read without their classes."""

import math

import torch
from torch import nn

from rkbs.transformer import LanguageModel, TransformerConfig

C, H = 12, 3
CONFIG = TransformerConfig(vocab=11, d_model=C, heads=H, layers=2, head_dim=2, dropout=0.0)
TOKENS = torch.randint(1, 11, (3, 6), generator=torch.Generator().manual_seed(0))


def drawn(model, seed=0, scale=0.6):
    """A model in double precision with all its weights and biases drawn."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.normal_(0, scale / math.sqrt(parameter.shape[-1]), generator=generator)
    return model


def points(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def attend(q, k, v, causal=False):
    """(B, heads, n, d) …, groups of queries sharing keys → (B, n, heads · d)."""
    k, v = (z.repeat_interleave(q.shape[1] // z.shape[1], 1) for z in (k, v))
    logits = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        later = torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1)
        logits = logits.masked_fill(later, -math.inf)
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


def split(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Conv1D(nn.Module):
    """A linear map whose matrix is stored as (inputs, outputs), as GPT-2 has it."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight, self.bias = nn.Parameter(torch.empty(nx, nf)), nn.Parameter(torch.empty(nf))

    def forward(self, x):
        return x @ self.weight + self.bias


class GPT2Like(nn.Module):
    """Queries, keys and values in one transposed map, causal."""

    is_causal = True

    def __init__(self):
        super().__init__()
        self.num_heads = H
        self.c_attn, self.c_proj = Conv1D(3 * C, C), Conv1D(C, C)

    def forward(self, hidden_states):
        q, k, v = (split(z, H) for z in self.c_attn(hidden_states).chunk(3, -1))
        return self.c_proj(attend(q, k, v, causal=True))


class ByHead(nn.Module):
    """One map: the query, key and value of one head after another, as BLOOM and NeoX have it."""

    def __init__(self):
        super().__init__()
        self.num_heads = H
        self.query_key_value, self.dense = nn.Linear(C, 3 * C), nn.Linear(C, C)

    def forward(self, hidden_states):
        z = self.query_key_value(hidden_states).unflatten(-1, (H, 3, -1))
        return self.dense(attend(*(z[..., k, :].transpose(1, 2) for k in range(3))))


class BertLike(nn.Module):
    """Three maps with biases; the last map stands elsewhere."""

    def __init__(self):
        super().__init__()
        self.num_attention_heads = H
        self.query, self.key, self.value = (nn.Linear(C, C) for _ in range(3))

    def forward(self, hidden_states):
        return (attend(*(split(m(hidden_states), H) for m in (self.query, self.key, self.value))),)


class Grouped(nn.Module):
    """Four heads of queries, two of keys and values."""

    def __init__(self):
        super().__init__()
        self.num_heads = 4
        self.q_proj, self.o_proj = nn.Linear(C, 8, bias=False), nn.Linear(8, C)
        self.k_proj, self.v_proj = nn.Linear(C, 4, bias=False), nn.Linear(C, 4)

    def forward(self, hidden_states, key_value_states=None):
        source = hidden_states if key_value_states is None else key_value_states
        q, k, v = self.q_proj(hidden_states), self.k_proj(source), self.v_proj(source)
        return self.o_proj(attend(split(q, 4), split(k, 2), split(v, 2)))


class GroupedInOne(nn.Module):
    """The same in one map, queries first."""

    def __init__(self):
        super().__init__()
        self.num_heads, self.num_key_value_heads = 4, 2
        self.qkv_proj, self.out_proj = nn.Linear(C, 16), nn.Linear(8, C)

    def forward(self, hidden_states):
        q, k, v = self.qkv_proj(hidden_states).split([8, 4, 4], -1)
        return self.out_proj(attend(split(q, 4), split(k, 2), split(v, 2)))


class Rotary(Grouped):
    """Rotary positions: its forward pass takes their cosines and sines."""

    def forward(self, hidden_states, position_embeddings=None):
        return super().forward(hidden_states)


class Normalized(Grouped):
    def __init__(self):
        super().__init__()
        self.q_norm, self.k_norm = nn.LayerNorm(2), nn.LayerNorm(2)


class Stack(nn.Module):
    """Layers that add to their input, and a number of it as a loss."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for layer in self.layers:
            found = layer(x)
            x = x + (found[0] if isinstance(found, tuple) else found)
        return x


class SelfAttention(nn.MultiheadAttention):
    """torch's module, of points to themselves."""

    def forward(self, x, **options):
        return super().forward(x, x, x, **options)


def loss(model, x):
    return (model(x) * torch.linspace(-1, 1, C, dtype=x.dtype)).tanh().mean()


MODULES = {
    "GPT-2": GPT2Like,
    "by head": ByHead,
    "BERT": BertLike,
    "groups": Grouped,
    "groups in one map": GroupedInOne,
}


def language_model(**options):
    model = LanguageModel(CONFIG if not options else TransformerConfig(**vars(CONFIG) | options))
    return model.double()
