"""BERT in numpy: against torch's own encoder layer, safetensors, and exact rationals."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from bert_helpers import CONFIG, safetensors, tensors, write
from torch import nn

from verify.oracles.bert import read_model, read_safetensors, sentence_vector, softmax, taylor

ROW = [2, 5, 6, 8, 5, 3]


def test_the_file_is_read_as_safetensors_reads_it(tmp_path):
    weights = tensors() | {"numbers": np.arange(4)}
    safetensors.save_file(weights, tmp_path / "some", metadata={"format": "pt"})
    found = read_safetensors(tmp_path / "some")
    assert found.keys() == tensors().keys()  # float32 alone
    assert all(np.array_equal(found[name], weights[name]) for name in found)
    assert {x.dtype for x in found.values()} == {np.dtype(float)}


def test_a_forward_pass_of_torchs_layers(tmp_path):
    """``nn.TransformerEncoderLayer`` behind its norms is BERT's layer."""
    model = read_model(write(tmp_path / "model"))
    weights = {name: torch.from_numpy(x) for name, x in model[1].items()}
    C, H, F = (CONFIG[k] for k in ("hidden_size", "num_attention_heads", "intermediate_size"))
    x = sum(
        weights[f"embeddings.{name}_embeddings.weight"][index]
        for name, index in (("word", ROW), ("position", range(len(ROW))), ("token_type", [0]))
    )
    norm = [weights[f"embeddings.LayerNorm.{kind}"] for kind in ("weight", "bias")]
    x = nn.functional.layer_norm(x, (C,), *norm, eps=1e-12)[None]
    for number in range(CONFIG["num_hidden_layers"]):
        theirs = nn.TransformerEncoderLayer(
            C, H, F, 0.0, "gelu", 1e-12, batch_first=True, dtype=torch.float64
        )
        start = f"encoder.layer.{number}."
        parts = [f"{start}attention.self.{name}" for name in ("query", "key", "value")]
        names = {
            "self_attn.out_proj": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
            "linear1": "intermediate.dense",
            "linear2": "output.dense",
            "norm2": "output.LayerNorm",
        }
        state = {
            f"self_attn.in_proj_{kind}": torch.cat([weights[f"{name}.{kind}"] for name in parts])
            for kind in ("weight", "bias")
        } | {
            f"{ours}.{kind}": weights[f"{start}{name}.{kind}"]
            for ours, name in names.items()
            for kind in ("weight", "bias")
        }
        theirs.load_state_dict(state)
        x = theirs.eval()(x)
    expected = nn.functional.normalize(x[0].mean(0), dim=0).detach().numpy()
    assert abs(sentence_vector(model, ROW) - expected).max() < 1e-13


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("order", [0, 1, 4, 7])
def test_cut_weights_against_rationals(order, centered):
    numbers = [[Fraction(-7, 4), Fraction(1, 2), Fraction(9, 4)], [Fraction(0)] * 3]
    found = taylor(order, centered)(np.array(numbers, dtype=float))
    for row, weights in zip(numbers, found, strict=True):
        mean = sum(row) / 3 if centered else 0
        series, power = [Fraction(0)] * 3, [Fraction(1)] * 3
        for n in range(order + 1):
            series = [s + p for s, p in zip(series, power, strict=True)]
            power = [p * (a - mean) / (n + 1) for p, a in zip(power, row, strict=True)]
        expected = [float(s / sum(series)) for s in series]
        assert np.allclose(weights, expected, rtol=1e-13, atol=1e-15)


def test_softmax_is_the_limit_of_the_cuts():
    a = np.random.default_rng(0).normal(0, 2, (2, 3, 5))
    for centered in (False, True):
        assert np.allclose(taylor(60, centered)(a), softmax(a), rtol=1e-12)
    assert np.allclose(softmax(a + 1000), softmax(a))
