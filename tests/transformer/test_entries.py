"""Whatever holds the same numbers gives the same result, and every public name is tested."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from helpers import noted
from modules import TESTS
from transformer_helpers import SMALL, language_task

import rkbs.transformer
import rkbs.transformer.text
from rkbs.kernels import RBF
from rkbs.transformer import Batches, LanguageModel, Recipe, TransformerConfig, language_loss, train

ROWS = [[1, 5, 6, 2], [1, 7, 8, 2], [1, 9, 4, 2]]
KINDS = {
    "lists": lambda x: x,
    "tuples": lambda x: tuple(map(tuple, x)) if isinstance(x[0], list) else tuple(x),
    "array": np.array,
    "uint8": lambda x: np.array(x, np.uint8),
    "swapped bytes": lambda x: np.array(x, ">i4"),
    "rows": lambda x: [np.array(row) for row in x],
    "tensor": torch.tensor,
    "int32 tensor": lambda x: torch.tensor(x, dtype=torch.int32),
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_any_kind_are_the_same_batches(kind):
    expected = Batches({"tokens": ROWS, "labels": [0, 1, 0]}, 2)
    made = KINDS[kind]
    found = Batches({"tokens": made(ROWS), "labels": made([0, 1, 0])}, np.int64(2))
    assert found.digest == expected.digest
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert {column.dtype for column in one.values()} == {torch.int64}


def test_tokens_of_both_widths():
    model = LanguageModel(SMALL, RBF())
    tokens = torch.tensor(ROWS)
    assert torch.equal(model(tokens), model(tokens.int()))
    assert torch.equal(model(tokens), model(tokens.T.contiguous().T))


def test_numbers_of_any_kind_are_pythons(tmp_path):
    """So that a checkpoint's JSON has them, and the same run is known again."""
    plain = Recipe(steps=3, lr=0.5, warmup=1, clip=2.0, patience=1, betas=(0.5, 0.75))
    found = Recipe(
        steps=np.int64(3),
        lr=np.float32(0.5),
        warmup=torch.tensor(1),
        clip=np.array(2.0),
        patience=np.int8(1),
        betas=[np.float64(0.5), torch.tensor(0.75)],
    )
    config = TransformerConfig(vocab=11, d_model=8, heads=2, head_dim=3, dropout=0.25)
    same = TransformerConfig(
        np.int64(11), np.int32(8), torch.tensor(2), head_dim=np.int8(3), dropout=np.float32(0.25)
    )
    for one, other in ((plain, found), (config, same)):
        assert one == other
        assert repr(one) == repr(other)
        kinds = {type(value) for value in dataclasses.astuple(other)}
        assert kinds <= {int, float, bool, str, tuple, type(None)}
    pytest.importorskip("safetensors", reason="the extra text is not installed")
    model, batches = language_task(RBF())
    train(model, batches, language_loss, found, folder=tmp_path)
    history = train(model, batches, language_loss, plain, folder=str(tmp_path))
    assert len(history.losses) == 3


def test_every_public_name_is_tested():
    sources = "".join(path.read_text() for path in (TESTS / "transformer").rglob("test_*.py"))
    for package in (rkbs.transformer, rkbs.transformer.text):
        assert sorted(package.__all__) == sorted(set(package.__all__))
        for name in package.__all__:
            with noted(name):
                assert getattr(package, name).__module__.startswith("rkbs.transformer.")
                assert len(re.findall(rf"\b{name}\b", sources)) > 1  # beyond its import
