"""Layouts of attention modules, read without their classes and confirmed by what they compute."""

import numpy as np
import pytest
import torch
from heads_helpers import (
    MODULES,
    TOKENS,
    BertLike,
    C,
    GPT2Like,
    Grouped,
    H,
    Normalized,
    Rotary,
    SelfAttention,
    Stack,
    drawn,
    language_model,
    points,
)
from torch import nn

from rkbs.attention import MultiheadKernelAttention
from rkbs.kernels import EDP, RBF, KeyNormBias, TaylorEDP
from rkbs.transformer import LanguageModel, TransformerConfig, audit
from rkbs.transformer.heads import layouts
from rkbs.transformer.heads.layouts import read
from rkbs.transformer.heads.maps import Part

X = points(3, 6, C)


@pytest.mark.parametrize("name", MODULES)
def test_outputs_computed_from_the_maps_are_the_modules_own(name):
    found = audit(Stack(drawn(MODULES[name]())), X)
    (layer,) = found.layers
    assert layer.error < 1e-12
    assert not layer.notes
    assert [head.head for head in layer.heads] == [*range(len(layer.heads))]
    groups = {4: [0, 0, 1, 1], 3: [0, 1, 2]}[len(layer.heads)]
    assert [head.group for head in layer.heads] == groups


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_torchs_module(batch_first, bias):
    module = SelfAttention(C, H, bias=bias, batch_first=batch_first)
    found = audit(Stack(drawn(module)), X)
    assert found.layers[0].error < 1e-12
    assert found.layers[0].points == 18


def weights_of(module, x, y, **options):
    with torch.no_grad():
        return module(x, y, y, average_attn_weights=False, **options)[1]


@pytest.mark.parametrize("sizes", [(C, None), (C, 7)])
def test_kernels_of_heads_have_the_weights_of_torchs_module(sizes):
    """κ(x, y) over its row sums, biases and all, by numpy and by torch."""
    module = drawn(nn.MultiheadAttention(C, H, kdim=sizes[1], vdim=sizes[1], batch_first=True))
    y = points(1, 4, sizes[1] or C, seed=2)
    weights = weights_of(module, X[:1], y)[0]
    for head in audit(module).heads:
        kernel = head.kernel(X[0], y[0])
        assert torch.allclose(kernel / kernel.sum(1, keepdim=True), weights[head.head])
        assert np.allclose(head.kernel(X[0].numpy(), y[0].numpy()), kernel.numpy())


def test_the_form_is_that_of_the_logits():
    """Second differences of log-weights in both points leave xᵀ M y/√d, whatever the biases."""
    module = drawn(nn.MultiheadAttention(C, H, batch_first=True))
    logs = weights_of(module, X[:1], X[:1])[0].log()
    e = X[0] - X[0, :1]
    for head, one in zip(audit(module).heads, logs, strict=True):
        differences = one - one[:, :1] - one[:1] + one[0, 0]
        weight = module.in_proj_weight.detach().unflatten(0, (3, H, -1))[:, head.head]
        M = weight[0].T @ weight[1]
        assert torch.allclose(differences, e @ M @ e.T / 2)  # √d = 2
        assert np.allclose(
            head.raw.singular_values, np.linalg.svd(M, compute_uv=False)[: C // H], atol=1e-12
        )


def test_models_of_rkbs_whatever_their_options():
    for options in ({}, {"tie_query_key": True}, {"head_dim": 4}):
        found = audit(drawn(language_model(**options)), TOKENS)
        assert [layer.path for layer in found.layers] == [
            f"decoder.blocks.{k}.attention" for k in range(2)
        ]
        assert max(layer.error for layer in found.layers) < 1e-12
        mercer = {head.is_mercer for head in found.heads}
        assert mercer == {bool(options.get("tie_query_key"))}


def test_kernels_of_heads_are_the_kernels_that_a_model_has():
    """With a value of each parameter for each head, and the gain at which a kernel starts."""
    config = TransformerConfig(11, d_model=C, heads=H, layers=1, key_norm_bias=True)
    model = LanguageModel(config, RBF(0.3)).double()
    attention = model.decoder.blocks[0].attention
    with torch.no_grad():
        attention.attend.kernel.tau.copy_(torch.tensor([0.1, 0.2, 0.3]))
        attention.attend.kernel.kernel.tau.add_(torch.tensor([0.0, 1.0, 2.0]))
    gain = float(attention.attend.gain)
    assert gain != 1
    q, k = (m.weight.detach().unflatten(0, (H, -1)) for m in (attention.query, attention.key))
    q, k = gain * torch.einsum("hdc,nc->hnd", q, X[0]), gain * torch.einsum("hdc,nc->hnd", k, X[0])
    expected = attention.attend.kernel()(q, k).detach()
    heads = audit(model).heads
    for head in heads:
        assert isinstance(head.kernel.kernel, KeyNormBias)
        assert torch.allclose(head.kernel(X[0], X[0]), expected[head.head])
        assert head.is_mercer is None  # RBF of two different maps: M does not decide it
    assert audit(model, TOKENS).layers[0].notes[0].startswith("the logit is no function of M alone")


@pytest.mark.parametrize(
    ("kernel", "tied", "expected"),
    [
        (EDP(), True, True),
        (EDP(), False, False),
        (KeyNormBias(EDP(), 0.5), True, True),
        (TaylorEDP(4), True, True),
        (TaylorEDP(4), False, None),
        (RBF(), True, True),
    ],
    ids=str,
)
def test_which_heads_are_mercer(kernel, tied, expected):
    config = TransformerConfig(11, d_model=C, heads=H, layers=1, tie_query_key=tied)
    assert {h.is_mercer for h in audit(LanguageModel(config, kernel)).heads} == {expected}


def test_torchs_module_with_a_kernel():
    module = MultiheadKernelAttention(C, H, kernel=RBF(0.4), batch_first=True).double()
    weights = weights_of(module, X[:1], X[:1])[0]
    for head in audit(module).heads:
        kernel = head.kernel(X[0], X[0])
        assert torch.allclose(kernel / kernel.sum(1, keepdim=True), weights[head.head])


def test_torchs_encoder_and_decoder_keep_their_attention_apart():
    layers = nn.Transformer(C, 2, 1, 1, 16, batch_first=True, dropout=0.0).double().eval()
    found = audit(layers, [(X, X[:, :3])])
    crosses = {layer.path.rpartition(".")[2]: layer.crosses for layer in found.layers}
    assert crosses == {"self_attn": False, "multihead_attn": True}
    assert len(found.layers) == 3
    assert max(layer.error for layer in found.layers) < 1e-12
    without = audit(layers)
    assert [layer.crosses for layer in without.layers] == [layer.crosses for layer in found.layers]
    across = next(layer for layer in found.layers if layer.crosses)
    assert {head.raw.inertia for head in across.heads} == {None}
    assert {head.is_mercer for head in across.heads} == {None}


def test_data_say_whether_keys_are_of_other_points():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = Grouped()

        def forward(self, x):
            return self.attention(x, key_value_states=x[:, :3])

    model = drawn(Both())
    assert not audit(model).layers[0].crosses
    assert audit(model, X).layers[0].crosses
    assert audit(model, X).layers[0].error < 1e-12


@pytest.mark.parametrize(
    ("module", "says"),
    [(Rotary, "rotary positions (position_embeddings)"), (Normalized, "(q_norm)")],
)
def test_where_there_is_no_form_the_maps_are_reported(module, says):
    model = Stack(drawn(module()))
    found = audit(model, X)
    (layer,) = found.layers
    assert says in layer.reason
    assert [head.group for head in layer.heads] == [0, 0, 1, 1]
    for head in layer.heads:
        weight = model.layers[0].k_proj.weight.detach()[2 * head.group : 2 * head.group + 2]
        assert np.allclose(head.key_singular_values, np.linalg.svd(weight, compute_uv=False))
        assert head.raw is head.kernel is head.is_mercer is head.certificate is None
    assert "M does not apply" in str(found)


def test_normalized_models_of_rkbs_have_no_form():
    (layer, _) = audit(language_model(normalize_qk=True)).layers
    assert "normalize_qk" in layer.reason


class Unheaded(BertLike):
    def __init__(self):
        super().__init__()
        del self.num_attention_heads


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: delattr(m, "num_attention_heads"), "must tell its number of heads as one of"),
        (lambda m: setattr(m, "num_attention_heads", 5), "shared by 5 heads, got query 12"),
        (
            lambda m: setattr(m, "key", nn.Identity()),
            "key must be a linear map as query is, got Id",
        ),
        (lambda m: m.query.register_parameter("weight", None), None),
    ],
)
def test_what_cannot_be_read_is_told(change, says):
    odd = BertLike()
    change(odd)
    if says is None:
        assert read(Stack(odd, BertLike()))[1] == {}
        return
    found = audit(Stack(odd, BertLike()))
    assert len(found.layers) == 1
    assert says in found.unread["layers.0"]
    assert "layers.0 not read" in str(found)
    with pytest.raises(ValueError, match=r"^model must have attention .*Linear × .*layers\.0: "):
        audit(Stack(odd))


def test_a_model_without_attention_names_its_modules():
    with pytest.raises(ValueError, match=r"found none among its modules: Linear × 2, Sequential"):
        audit(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)))


def test_a_fused_map_of_another_number_of_rows_is_refused():
    module = GPT2Like()
    module.num_heads = 5
    with pytest.raises(ValueError, match="must have rows for 5 heads of queries and 5 of keys"):
        audit(module)


SABOTAGES = {
    "queries and keys swapped": ("_order", lambda right: lambda *a: _swapped(right(*a))),
    "keys and values swapped": (
        "_order",
        lambda right: lambda *a: [right(*a)[k] for k in (0, 2, 1)],
    ),
    "by head read as one after another": (
        "_order",
        lambda right: lambda h, g, _: right(h, g, False),
    ),
    "by groups though one after another": (
        "_order",
        lambda right: lambda h, g, _: right(h, g, True),
    ),
    "heads split the other way": ("Part", lambda right: _Strided),
    "scale of 1/d": ("_scale", lambda right: lambda module, d: 1 / d),
}
NOT_SEEN = {
    ("by head read as one after another", "GPT-2"),
    ("by groups though one after another", "by head"),
    ("by head read as one after another", "groups in one map"),
}


def _swapped(order):
    queries, keys, values = order
    return (keys, queries, values) if len(keys) == len(queries) else (queries, values, keys)


class _Strided(Part):
    @classmethod
    def of(cls, rows, bias, heads):
        bias = None if bias is None else bias.detach().reshape(-1, heads).T
        return Part(rows.detach().reshape(-1, heads, rows.shape[-1]).transpose(0, 1), bias)


@pytest.mark.parametrize("what", SABOTAGES)
@pytest.mark.parametrize("name", ["GPT-2", "by head", "groups in one map"])
def test_a_wrong_reading_is_noticed(monkeypatch, what, name):
    attribute, wrong = SABOTAGES[what]
    monkeypatch.setattr(layouts, attribute, wrong(getattr(layouts, attribute)))
    (layer,) = audit(Stack(drawn(MODULES[name]())), X).layers
    if (what, name) in NOT_SEEN:  # the right reading of that module
        assert layer.error < 1e-12
        return
    assert layer.error > 1e-2
    assert "its outputs are not those of softmax attention by these maps" in layer.notes[0]


def test_a_transposed_map_is_noticed(monkeypatch):
    """A square one, which fits either way."""

    def transposed(module):
        found = right(module)
        return found and (found[0].T, found[1])

    right = layouts._matrix
    model = Stack(drawn(BertLike()))
    assert audit(model, X).layers[0].error < 1e-12
    monkeypatch.setattr(layouts, "_matrix", transposed)
    assert audit(model, X).layers[0].error > 1e-2
