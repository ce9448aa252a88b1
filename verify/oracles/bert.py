"""A BERT once more, in numpy and double precision, from the file of its weights.

Nothing here calls rkbs or torch: the encoder, exact and cut, is judged by this.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import erf

Weights = Callable[[np.ndarray], np.ndarray]
"""Logits (H, n, n) to rows of weights."""
Model = tuple[dict[str, Any], dict[str, np.ndarray]]
"""A model's sizes, and its tensors."""


def read_model(folder: Path) -> Model:
    """config.json, and the tensors of model.safetensors."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config, read_safetensors(folder / "model.safetensors")


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Tensors of float32: eight bytes with the length of a header in JSON, it, and the numbers."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, last = entry["data_offsets"]
            numbers = np.frombuffer(content[start + first : start + last], "<f4")
            found[name] = numbers.reshape(entry["shape"]).astype(float)
    return found


def softmax(a: np.ndarray) -> np.ndarray:
    """Rows of exp(a)."""
    w = np.exp(a - a.max(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True)


def taylor(order: int, centered: bool) -> Weights:
    """Rows of Σ_{n ≤ N} aⁿ/n!, term by term; of logits less their row's mean."""

    def weights(a: np.ndarray) -> np.ndarray:
        if centered:
            a = a - a.mean(-1, keepdims=True)
        w = sum((a**n / math.factorial(n) for n in range(order + 1)), np.zeros_like(a))
        return w / w.sum(-1, keepdims=True)

    return weights


def sentence_vector(model: Model, tokens: Sequence[int], weights: Weights = softmax) -> np.ndarray:
    """The unit vector (C,) of one sentence."""
    config, tensors = model
    heads, eps = config["num_attention_heads"], config["layer_norm_eps"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        return x * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def of_heads(x: np.ndarray, name: str) -> np.ndarray:
        return linear(x, name).reshape(len(x), heads, -1).transpose(1, 0, 2)  # (H, n, d)

    words, places, kinds = (
        tensors[f"embeddings.{name}_embeddings.weight"]
        for name in ("word", "position", "token_type")
    )
    x = words[list(tokens)] + places[: len(tokens)] + kinds[0]
    x = norm(x, "embeddings.LayerNorm")
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}"
        q, k, v = (of_heads(x, f"{layer}.attention.self.{p}") for p in ("query", "key", "value"))
        logits = np.einsum("hid,hjd->hij", q, k) / math.sqrt(q.shape[-1])
        mixed = (weights(logits) @ v).transpose(1, 0, 2).reshape(x.shape)
        added = linear(mixed, f"{layer}.attention.output.dense")
        x = norm(x + added, f"{layer}.attention.output.LayerNorm")
        hidden = linear(x, f"{layer}.intermediate.dense")
        hidden = hidden * (1 + erf(hidden / math.sqrt(2))) / 2
        x = norm(x + linear(hidden, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)
