"""BERT with any kernel: against numpy and transformers, its padding, its kernels by layer."""

import dataclasses

import numpy as np
import pytest
import torch
from bert_helpers import CONFIG, SENTENCES, tensors, write

from rkbs.kernels import EDP, RBF, Constant, L2Distance, Laplace, TaylorEDP
from rkbs.transformer import Bert, BertConfig, load_encoder
from verify.oracles.bert import read_model, sentence_vector, softmax, taylor

KERNELS = (EDP(), RBF(0.5), Constant(), L2Distance(), Laplace(), TaylorEDP(4))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small encoder in double precision, and the same for numpy."""
    path = write(tmp_path_factory.mktemp("bert") / "model")
    return load_encoder(path).double(), read_model(path)


@pytest.fixture
def encoder(model):
    """The encoder, exact again when a test is over."""
    yield model[0]
    model[0].bert.set_kernel(EDP())


def vectors(encoder, sentences=SENTENCES):
    return encoder.encode(sentences).numpy()


def by_hand(model, weights=softmax):
    encoder, other = model
    return np.stack([sentence_vector(other, row, weights) for row in encoder.tokens(SENTENCES)])


def test_exact_vectors_against_numpy(model, encoder):
    assert abs(vectors(encoder) - by_hand(model)).max() < 1e-13


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("order", [0, 2, 4, 8])
def test_taylor_cuts_against_numpy(model, encoder, order, centered):
    encoder.bert.set_kernel(TaylorEDP(order), center_keys=centered)
    assert abs(vectors(encoder) - by_hand(model, taylor(order, centered))).max() < 1e-12


def test_against_transformers(tmp_path):
    """The same folder, read by Hugging Face's own BertModel, sentences padded."""
    hf = pytest.importorskip("transformers", reason="the extra hf is not installed")
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    path = write(tmp_path / "model")
    theirs = hf.BertModel.from_pretrained(path, dtype=torch.float64).eval()
    encoder = load_encoder(path).double()
    rows = encoder.tokens(SENTENCES)
    tokens = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    for k, row in enumerate(rows):
        tokens[k, : len(row)] = torch.tensor(row)
    mask = tokens != 0
    with torch.no_grad():
        points = theirs(tokens, attention_mask=mask.long()).last_hidden_state
        assert abs(points - encoder.bert(tokens))[mask].max() < 1e-13
    sums = torch.where(mask[..., None], points, 0).sum(1)
    unit = torch.nn.functional.normalize(sums, dim=-1)
    assert abs(unit.numpy() - vectors(encoder)).max() < 1e-13


def test_a_folder_that_transformers_saved(tmp_path):
    """A classifier's, whose names begin otherwise and which has a head and a pooler behind."""
    hf = pytest.importorskip("transformers", reason="the extra hf is not installed")
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    path = write(tmp_path / "model")
    torch.manual_seed(0)
    theirs = hf.BertForSequenceClassification(hf.BertConfig(**CONFIG)).eval()
    theirs.save_pretrained(path)
    encoder = load_encoder(path)
    tokens = torch.tensor([[2, 5, 6, 3]])
    with torch.no_grad():
        expected = theirs.bert(tokens).last_hidden_state
        assert abs(expected - encoder.bert(tokens)).max() < 1e-6


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
@pytest.mark.parametrize("centered", [False, True])
def test_padding_changes_nothing(encoder, kernel, centered):
    encoder.bert.set_kernel(kernel, center_keys=centered)
    rows = encoder.tokens(SENTENCES)
    most = max(map(len, rows)) + 2
    padded = torch.tensor([row + [0] * (most - len(row)) for row in rows])
    with torch.no_grad():
        found = encoder(padded)
        assert abs(found.numpy() - vectors(encoder)).max() < 1e-13
        encoder.bert.embedding.token.weight[0] += 1.0  # what padding looks like is not seen
        assert torch.equal(found, encoder(padded))


def test_centered_keys_change_nothing_for_exp_and_much_for_a_cut(encoder):
    exact = vectors(encoder)
    encoder.bert.set_kernel(EDP(), center_keys=True)
    assert abs(vectors(encoder) - exact).max() < 1e-13
    encoder.bert.set_kernel(TaylorEDP(2))
    plain = vectors(encoder)
    encoder.bert.set_kernel(TaylorEDP(2), center_keys=True)
    assert abs(vectors(encoder) - plain).max() > 1e-3
    encoder.bert.set_kernel(Constant())
    uniform = vectors(encoder)
    encoder.bert.set_kernel(TaylorEDP(0), center_keys=True)
    assert abs(vectors(encoder) - uniform).max() < 1e-13


def test_kernels_of_layers(model, encoder):
    """A function of the layer; the last layer alone, then the first alone, is cut."""
    exact = vectors(encoder)
    found = []
    for cut in (0, 1):
        encoder.bert.set_kernel(lambda layer, cut=cut: TaylorEDP(2) if layer == cut else EDP())
        found.append(vectors(encoder))
        assert abs(found[-1] - exact).max() > 1e-3
    assert abs(found[0] - found[1]).max() > 1e-3
    calls = iter([softmax, taylor(2, False)] * len(SENTENCES))  # layer by layer, of each sentence
    expected = by_hand(model, lambda a: next(calls)(a))
    assert abs(found[1] - expected).max() < 1e-12


def test_the_encoder_can_be_trained():
    bert = Bert(BertConfig.from_dict(CONFIG))
    bert(torch.tensor([[2, 5, 3], [2, 3, 0]])).sum().backward()
    missing = [name for name, x in bert.named_parameters() if x.grad is None]
    assert missing == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 10}, "d_model must be a multiple of heads=3, got 10"),
        ({"layers": 0}, "layers must be"),
        ({"pad": -1}, "pad must be"),
        ({"eps": -1.0}, "eps must be"),
    ],
)
def test_bad_sizes(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(BertConfig.from_dict(CONFIG), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "model_type must be 'bert', got 'roberta'"),
        ({"hidden_act": "relu"}, "hidden_act must be 'gelu', got 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type must be 'absolute'"),
        ({"hidden_size": None}, "hidden_size"),
    ],
)
def test_bad_configs(changes, message):
    config = {k: v for k, v in (CONFIG | changes).items() if v is not None}
    with pytest.raises(ValueError, match=message):
        BertConfig.from_dict(config)


def test_bad_kernels_and_tokens(encoder):
    bert = encoder.bert
    with pytest.raises(TypeError, match="did you mean RBF"):
        bert.set_kernel(RBF)
    with pytest.raises(TypeError, match="for layer 1,"):
        bert.set_kernel(lambda layer: EDP() if layer == 0 else None)
    with pytest.raises(TypeError, match="center_keys must be True or False, got 1"):
        bert.set_kernel(EDP(), center_keys=1)
    with pytest.raises(ValueError, match=r"must hold numbers 0 … 12 of tokens"):
        bert(torch.tensor([[2, 13]]))
    with pytest.raises(ValueError, match="at most context=16"):
        bert(torch.ones(1, 17, dtype=torch.long))
    bert.set_kernel(TaylorEDP(3))
    with pytest.raises(TypeError, match="must be known to be non-negative"):
        bert(torch.tensor([[2, 5, 3]]))


def test_kernels_are_exact_before_and_after(encoder, model):
    """A failed choice leaves the kernels that were there."""
    with pytest.raises(TypeError):
        encoder.bert.set_kernel(lambda layer: None if layer else Constant())
    assert abs(vectors(encoder) - by_hand(model)).max() < 1e-13
    assert len(tensors()) == 5 + 2 * 16
