"""A small BERT of random weights in a folder, as Hugging Face lays it out; written without rkbs."""

import json

import numpy as np
import pytest

safetensors = pytest.importorskip(
    "safetensors.numpy", reason="the extra text is not installed", exc_type=ImportError
)
pytest.importorskip("tokenizers", reason="the extra text is not installed", exc_type=ImportError)

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("a", "dog", "cat", "runs", "sleeps", "red", "##s", ".")
SENTENCES = ("A dog runs.", "a red cat sleeps", "dogs", "the dog sleeps . a cat runs", "a cat .")
CONFIG = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "vocab_size": len(MARKS) + len(WORDS),
    "hidden_size": 12,
    "num_attention_heads": 3,
    "num_hidden_layers": 2,
    "intermediate_size": 20,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}


def shapes(config):
    """The tensors of a BERT by Hugging Face's names, without what is not used here."""
    C, F = config["hidden_size"], config["intermediate_size"]
    linear = {"attention.self.query": (C, C), "attention.self.key": (C, C)}
    linear |= {"attention.self.value": (C, C), "attention.output.dense": (C, C)}
    linear |= {"intermediate.dense": (F, C), "output.dense": (C, F)}
    found = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], C),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], C),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], C),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(config["num_hidden_layers"]):
        start = f"encoder.layer.{layer}."
        for name, shape in linear.items():
            found |= {f"{start}{name}.weight": shape, f"{start}{name}.bias": shape[:1]}
        norms += [f"{start}attention.output.LayerNorm", f"{start}output.LayerNorm"]
    for name in norms:
        found |= {f"{name}.weight": (C,), f"{name}.bias": (C,)}
    return found


def tensors(config=CONFIG, seed=0):
    """Random weights, large enough that logits matter."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal("LayerNorm.weight" in name, 0.5, shape).astype(np.float32)
        for name, shape in shapes(config).items()
    }


def write(folder, config=CONFIG, weights=None, **files):
    """A folder with config.json, model.safetensors, vocab.txt, and other JSON files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    weights = tensors(config) if weights is None else weights
    safetensors.save_file(weights, folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join((*MARKS, *WORDS)) + "\n")
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder
