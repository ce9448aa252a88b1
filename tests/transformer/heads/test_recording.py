"""What data show: covariances, masks, and coefficients against autograd on explicit forms."""

import math

import numpy as np
import pytest
import torch
from heads_helpers import (
    MODULES,
    TOKENS,
    BertLike,
    C,
    Grouped,
    H,
    SelfAttention,
    Stack,
    attend,
    drawn,
    language_model,
    loss,
    points,
    split,
)
from torch import nn

from rkbs.transformer import (
    EncoderClassifier,
    EncoderDecoder,
    TransformerConfig,
    audit,
    language_loss,
    translation_loss,
)
from rkbs.transformer.heads.layouts import read
from rkbs.transformer.heads.recording import record

X = points(3, 6, C)
MAKERS = {
    "torch": lambda: SelfAttention(C, H, bias=False, batch_first=True),
    "torch, biased": lambda: SelfAttention(C, H, batch_first=False),
    "BERT": BertLike,
    "groups": Grouped,
}


def coefficients(model, data, of=loss):
    maps, _ = read(model)
    records, count = record(model, maps, data, of)
    return [(one.maps, one.coefficients / count) for one in records]


def gradients(maps, one):
    """−∂J/∂W_Q and −∂J/∂W_K of all heads as C gives them."""
    query, key = maps.query.weight, maps.key.weight.repeat_interleave(maps.group_size, 0)
    by_group = (query @ one).unflatten(0, (-1, maps.group_size)).sum(1)
    return key @ one.mT, by_group


def of_weights(maps, J):
    """The same by autograd on the parameters."""
    J.backward()
    parameters = dict(maps.module.named_parameters())
    if maps.kind == "torch":
        q, k, _ = parameters["in_proj_weight"].grad.chunk(3)
    elif "query" in maps.module._modules:
        q = parameters["query.weight"].grad
        k = parameters.get("key.weight", parameters["query.weight"]).grad
    else:
        q, k = (parameters[f"{name}_proj.weight"].grad for name in "qk")
    return [-g.reshape(part.weight.shape) for g, part in ((q, maps.query), (k, maps.key))]


@pytest.mark.parametrize("name", MAKERS)
def test_coefficients_give_the_gradients_of_both_maps(name):
    model = Stack(drawn(MAKERS[name]()), drawn(MAKERS[name](), seed=1))
    found = coefficients(model, [X])
    for maps, one in found:
        model.zero_grad()
        mine, theirs = gradients(maps, one), of_weights(maps, loss(model, X))
        assert torch.allclose(mine[0], theirs[0], rtol=1e-9, atol=1e-15)
        # A bias of queries adds to the keys' gradient what no form of the inputs holds.
        agrees = torch.allclose(mine[1], theirs[1], rtol=1e-9, atol=1e-15)
        assert agrees is not maps.query.biased


class WithForms(nn.Module):
    """GPT-2's attention whose logits have x Δ y added, of a Δ for each head that is 0."""

    def __init__(self, module):
        super().__init__()
        self.module, self.delta = module, torch.zeros(H, C, C, dtype=torch.float64)

    def forward(self, x):
        q, k, v = (split(z, H) for z in self.module.c_attn(x).chunk(3, -1))
        logits = q @ k.mT + torch.einsum("bnc,hce,bme->bhnm", x, self.delta, x)
        later = torch.ones(logits.shape[-2:], dtype=torch.bool).triu(1)
        weights = (logits / math.sqrt(C // H)).masked_fill(later, -math.inf).softmax(-1)
        return self.module.c_proj((weights @ v).transpose(1, 2).flatten(2))


def test_coefficients_are_the_slope_in_the_form_itself():
    """By finite differences of the loss, entry by entry, in a copy that has M as a parameter."""
    module = drawn(MODULES["GPT-2"](), scale=1.5)
    ((_, found),) = coefficients(Stack(module), [X])
    explicit, step = WithForms(module), 1e-5
    for place in [(0, 0, 0), (1, 3, 7), (2, 11, 2), (2, 5, 5)]:
        values = []
        for sign in (1, -1):
            explicit.delta.zero_()[place] = sign * step
            values.append(float(loss(Stack(explicit), X).detach()))
        assert float(found[place]) == pytest.approx(-(values[0] - values[1]) / (2 * step), rel=1e-6)


def test_several_batches_are_averaged_and_shared_modules_summed():
    module = drawn(MODULES["BERT"]())
    model = Stack(module, module)
    one, other = points(2, 5, C), points(2, 5, C, seed=3)
    ((_, both),) = coefficients(model, [one, other])
    parts = [coefficients(model, [x])[0][1] for x in (one, other)]
    assert torch.allclose(both, (parts[0] + parts[1]) / 2)
    loss(model, one).backward()
    expected = -module.query.weight.grad.reshape(H, -1, C)
    maps = read(model)[0][0]
    assert torch.allclose(gradients(maps, parts[0])[0], expected)


SIZES = {"vocab": 11, "d_model": C, "heads": H, "layers": 1, "dropout": 0.0}
PADDED = torch.tensor([[1, 5, 6, 7], [1, 8, 0, 0]])
OURS = {
    "causal": (lambda c: language_model(), {"tokens": TOKENS}, language_loss),
    "causal, padded": (lambda c: language_model(), {"tokens": PADDED}, language_loss),
    "tied": (lambda c: language_model(tie_query_key=True), {"tokens": TOKENS}, language_loss),
    "translator": (
        EncoderDecoder,
        {"source": PADDED, "target": TOKENS[:2, :5]},
        translation_loss,
    ),
    "classifier": (
        lambda c: EncoderClassifier(c, 2),
        {"tokens": PADDED},
        lambda m, b: m(b["tokens"]).logsumexp(-1).mean(),
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_models_of_rkbs_with_their_masks_and_losses(name):
    maker, batch, of = OURS[name]
    model = drawn(maker(TransformerConfig(**SIZES)), scale=1.0)
    found = audit(model, batch, of)
    assert max(layer.error for layer in found.layers) < 1e-12
    for maps, one in coefficients(model, [batch], of):
        model.zero_grad()
        q, k = gradients(maps, one)
        expected = of_weights(maps, of(model, batch))
        if maps.tied:
            assert torch.allclose(q + k, expected[0], rtol=1e-9, atol=1e-15)
        else:
            assert torch.allclose(q, expected[0], rtol=1e-9, atol=1e-15)
            assert torch.allclose(k, expected[1], rtol=1e-9, atol=1e-15)


def test_padding_is_left_out_where_a_module_is_told_of_it():
    model = drawn(EncoderClassifier(TransformerConfig(**SIZES), 2))
    (layer,) = audit(model, {"tokens": PADDED}).layers
    assert layer.points == 6
    assert layer.error < 1e-12
    alone = drawn(SelfAttention(C, H, batch_first=True))
    maps, _ = read(alone)
    hidden = torch.tensor([[False] * 5, [False] * 4 + [True]])
    both = [
        {"x": X[:2, :5], "key_padding_mask": hidden, "attn_mask": torch.ones(5, 5).triu(1).bool()}
    ]
    records, _ = record(alone, maps, both, lambda m, b: m(**b)[0].sum())
    assert records[0].x.count == 9
    assert records[0].error < 1e-12


def test_covariances_are_those_of_the_inputs():
    model = Stack(drawn(BertLike()))
    batches = [points(2, 5, C), points(1, 7, C, seed=2)]
    found = audit(model, batches)
    z = torch.cat([x.flatten(0, 1) for x in batches]).numpy()
    root = np.linalg.cholesky(np.cov(z.T, bias=True))  # any root of it
    for head in found.heads:
        rows = slice(4 * head.head, 4 * head.head + 4)
        W_Q, W_K = (
            m.weight.detach().numpy()[rows] for m in (model.layers[0].query, model.layers[0].key)
        )
        N = root.T @ W_Q.T @ W_K @ root
        sigma = np.linalg.svd(N, compute_uv=False)
        assert np.allclose(head.weighted.singular_values, sigma[:4], atol=1e-12)
        share = ((N - N.T) ** 2).sum() / 4 / (N**2).sum()
        assert head.weighted.antisymmetric_share == pytest.approx(share)
        eigenvalues = np.linalg.eigvalsh((N + N.T) / 2)
        assert head.weighted.inertia == (4, 4, 4)
        mass = -eigenvalues[:4].sum() / abs(eigenvalues).sum()
        assert head.weighted.negative_mass == pytest.approx(mass)


def test_exchanged_pairs_by_counting():
    model = Stack(drawn(BertLike()))
    found = audit(model, X)
    for head in found.heads:
        logs = [head.kernel.log(x, x) for x in X]
        pairs = [(i, j) for i in range(6) for j in range(i)]
        gains = [float(a[i, j] + a[j, i] - a[i, i] - a[j, j]) for a in logs for i, j in pairs]
        assert head.exchanged == sum(gain > 0 for gain in gains) / len(gains)
        assert head.largest_exchange == pytest.approx(max(gains), rel=1e-6)
    assert 0 < sum(head.exchanged for head in found.heads) < H
    tied = audit(drawn(language_model(tie_query_key=True)), TOKENS)
    assert {head.exchanged for head in tied.heads} == {0.0}
    assert max(head.largest_exchange for head in tied.heads) < 0


def test_two_inputs_show_it_whatever_the_factors():
    """λ_min/λ_max = −tanh(g/4) at best, and negative with any factors for queries and keys."""
    model, rng = Stack(drawn(BertLike())), np.random.default_rng(0)
    head = audit(model, X).heads[0]
    logs = head.kernel.log(X[0].numpy(), X[0].numpy())
    gain = logs + logs.T - np.diag(logs)[:, None] - np.diag(logs)
    i, j = np.unravel_index(gain.argmax(), gain.shape)
    gram, g = np.exp(logs[np.ix_([i, j], [i, j])]), gain[i, j]
    assert g > 0
    for factors in np.exp(rng.normal(size=(50, 2, 2))):
        scaled = factors[0][:, None] * gram * factors[1]
        assert np.linalg.eigvalsh((scaled + scaled.T) / 2)[0] < 0
    best = np.array([[1, np.exp(g / 2)], [np.exp(g / 2), 1]])  # K_11 = K_22, K_12 = K_21
    low, high = np.linalg.eigvalsh(best)
    assert low / high == pytest.approx(-np.tanh(g / 4))


def test_a_model_is_left_as_it_was():
    model = Stack(drawn(Grouped()), drawn(SelfAttention(C, H, batch_first=True))).train()
    model.layers[1].eval()
    before, threads = model(X), torch.backends.mha.get_fastpath_enabled()
    audit(model, X, loss, decay=0.1)
    assert [m.training for m in (model, model.layers[0], model.layers[1])] == [True, True, False]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(model(X), before)
    assert torch.backends.mha.get_fastpath_enabled() is threads
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(TypeError, match="one number, a tensor that depends on the model"):
        audit(model, X, lambda m, x: m(x))
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_frozen_parameters_have_certificates_too():
    model = Stack(drawn(BertLike()))
    right = audit(model, X, loss, decay=0.1)
    assert audit(model.requires_grad_(False), X, loss, decay=0.1) == right
    assert right.heads[0].certificate is not None


def test_torchs_fast_path_is_not_taken():
    layer = nn.TransformerEncoderLayer(C, H, 16, batch_first=True, dropout=0.0)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().eval()
    found = audit(model, X)
    assert [one.points for one in found.layers] == [18, 18]
    assert max(one.error for one in found.layers) < 1e-12


def test_a_module_in_half_precision_is_confirmed_to_its_digits():
    model = Stack(drawn(BertLike())).bfloat16()
    (layer,) = audit(model, X.bfloat16()).layers
    assert 1e-6 < layer.error < 5e-2
    assert not layer.notes


def test_what_changes_the_logits_is_noticed():
    class Capped(BertLike):
        def forward(self, hidden_states):
            q, k, v = (split(m(hidden_states), H) for m in (self.query, self.key, self.value))
            return attend(3 * q.tanh(), k, v)

    found = audit(Stack(drawn(Capped())), X, loss)
    assert "they were read wrongly, or positions or masks" in found.layers[0].notes[0]
    assert {head.certificate for head in found.heads} == {None}
