"""What tests of Transformers start from, and a forward pass that shares no code with the models."""

import functools
import math

import numpy as np
import torch

from rkbs.transformer import Batches, LanguageModel, TransformerConfig
from rkbs.transformer.text import made_corpus

SMALL = TransformerConfig(vocab=11, d_model=8, heads=2, layers=2, context=12, dropout=0.0)


def tokens(batch, n, seed=0, vocab=11):
    """Tokens that are no padding."""
    return torch.randint(1, vocab, (batch, n), generator=torch.Generator().manual_seed(seed))


@functools.cache
def sentences(count=40):
    """Sentences of the made German as tokens of whole words, between 1 and 2."""
    texts = made_corpus(count).source
    words = sorted({word for text in texts for word in text.split()})
    return [[1, *(4 + words.index(word) for word in text.split()), 2] for text in texts]


def language_task(kernel, *, seed=0, size=8, **options):
    """A small model and batches of sentences for it."""
    rows = sentences()
    config = {"vocab": 5 + max(map(max, rows)), "d_model": 16, "heads": 2, "layers": 1, **options}
    model = LanguageModel(TransformerConfig(**config), kernel, seed=seed)
    return model, Batches({"tokens": rows}, size, seed=seed)


def by_hand(model, kernels, target, source=None):
    """Logits of one sequence without padding, (n, V) or (classes,), in numpy and double precision.

    ``kernels`` are those of the layers, on numpy; their gains are the model's.
    """
    weights = {name: x.double().numpy() for name, x in model.state_dict().items()}
    config = model.config

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def attention(x, y, name, kernel, causal):
        key = f"{name}.query.weight" if config.tie_query_key else f"{name}.key.weight"
        q, k = x @ weights[f"{name}.query.weight"].T, y @ weights[key].T
        v, gain = y @ weights[f"{name}.value.weight"].T, weights[f"{name}.attend.gain"]
        found = []
        for head in range(config.heads):
            at = slice(head * config.query_dim, (head + 1) * config.query_dim)
            mine, theirs = q[:, at], k[:, at]
            if config.normalize_qk:
                mine, theirs = (
                    np.sqrt(config.query_dim) * z / np.linalg.norm(z, axis=-1, keepdims=True)
                    for z in (mine, theirs)
                )
            table = kernel(gain * mine, gain * theirs)  # (n, m)
            if causal:
                table = np.tril(table)
            values = v[:, head * config.value_dim : (head + 1) * config.value_dim]
            sums = table.sum(1, keepdims=True)  # 0 where L2 sees one key, which is the query
            found.append(np.where(sums > 0, table @ values / np.where(sums > 0, sums, 1), 0))
        return np.concatenate(found, -1) @ weights[f"{name}.out.weight"].T

    def stack(x, side, causal, memory=None):
        for layer, kernel in enumerate(kernels):
            name = f"{side}.blocks.{layer}"
            y = norm(x, f"{name}.attention_norm")
            x = x + attention(y, y, f"{name}.attention", kernel, causal)
            if memory is not None:
                y = norm(x, f"{name}.cross_norm")
                x = x + attention(y, memory, f"{name}.cross", kernel, False)
            y = norm(x, f"{name}.forward_norm")
            up = f"{name}.feed_forward.up"
            y = y @ weights[f"{up}.weight"].T + weights[f"{up}.bias"]
            y = y * (1 + np.vectorize(math.erf)(y / np.sqrt(2))) / 2
            down = f"{name}.feed_forward.down"
            x = x + y @ weights[f"{down}.weight"].T + weights[f"{down}.bias"]
        return norm(x, f"{side}.norm")

    def embedded(row):
        x = (
            weights["embedding.token.weight"][row]
            + weights["embedding.position.weight"][: len(row)]
        )
        return np.sqrt(config.d_model) * x

    if "classifier.weight" in weights:
        x = stack(embedded(target), "encoder", False).mean(0)
        return x @ weights["classifier.weight"].T + weights["classifier.bias"]
    memory = None if source is None else stack(embedded(source), "encoder", False)
    return stack(embedded(target), "decoder", True, memory) @ weights["embedding.token.weight"].T
