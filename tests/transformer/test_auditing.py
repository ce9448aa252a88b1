"""``audit``: its arguments, its certificates of trained heads, its table, text and JSON."""

import json

import numpy as np
import pytest
import torch
from heads_helpers import (
    TOKENS,
    BertLike,
    C,
    Grouped,
    Rotary,
    Stack,
    drawn,
    language_model,
    loss,
    points,
)

from rkbs.kernels import RBF, Constant, L2Distance
from rkbs.transformer import (
    Audit,
    Batches,
    LanguageModel,
    TransformerConfig,
    audit,
    auditing,
    language_loss,
)
from rkbs.transformer.heads.certificate import certificate

X = points(3, 6, C)


@pytest.fixture(scope="module")
def full():
    return audit(Stack(drawn(Grouped()), drawn(BertLike()), drawn(Rotary())), X, loss)


BAD = {
    "no model": (lambda: audit("model"), TypeError, "model must be a torch.nn.Module, got str"),
    "loss, no data": (
        lambda: audit(BertLike(), loss=loss),
        ValueError,
        "data must be given with a",
    ),
    "no loss": (lambda: audit(BertLike(), X, 3), TypeError, "loss must be a function"),
    "decay, no loss": (lambda: audit(BertLike(), X, decay=1.0), ValueError, "loss must be given"),
    "decay 0": (lambda: audit(BertLike(), X, loss, decay=0), ValueError, "decay must be positive"),
    "decays": (lambda: audit(BertLike(), X, loss, decay=(1.0,)), ValueError, "decay must be one"),
    "text": (lambda: audit(BertLike(), "text"), TypeError, "data must be a batch"),
    "a number": (lambda: audit(BertLike(), 3), TypeError, "data must be a batch.*got int"),
    "no batch": (lambda: audit(BertLike(), []), ValueError, "data must hold a batch at least"),
    "columns": (
        lambda: audit(language_model(), {"text": TOKENS}),
        ValueError,
        "data must hold a column that LanguageModel takes, tokens; got text",
    ),
    "no number": (
        lambda: audit(Stack(BertLike()), X.float(), lambda m, x: 1.0),
        TypeError,
        "got float",
    ),
    "points": (lambda: audit(Grouped(), points(2, 5, 7).float()), RuntimeError, "."),
}


@pytest.mark.parametrize("what", BAD)
def test_arguments_that_do_not_fit(what):
    call, error, says = BAD[what]
    with pytest.raises(error, match=says):
        call()


def test_batches_of_any_kind():
    model, rows = language_model(), [[1, 5, 6, 2], [1, 7, 8, 2], [1, 9, 3, 2], [1, 4, 4, 2]]
    tokens = torch.tensor(rows)
    kinds = [
        {"tokens": tokens},
        tokens,
        [{"tokens": tokens[:2]}, {"tokens": tokens[2:]}],
        [tokens[:2], (tokens[2:],)],
        iter([tokens]),
        Batches({"tokens": rows}, 2, seed=1),
    ]
    found = [audit(model, data) for data in kinds]
    for one in found[1:]:
        for a, b in zip(one.heads, found[0].heads, strict=True):
            assert np.allclose(a.weighted.singular_values, b.weighted.singular_values, rtol=1e-5)
            assert a.exchanged == b.exchanged


def test_passes_are_as_many_as_memory_asks_for(monkeypatch, full):
    monkeypatch.setattr(auditing, "_MEMORY", 1)
    model = Stack(drawn(Grouped()), drawn(BertLike()), drawn(Rotary()))
    again = audit(model, X, loss)
    for a, b in zip(again.heads, full.heads, strict=True):
        if b.certificate is None:
            assert a.certificate is None
        else:
            assert a.certificate.ratio == pytest.approx(b.certificate.ratio)


def trained(model, batch, of, decay, names=("query", "key")):
    """A model whose head maps alone are trained with their decay, to a gradient of 1e-9."""
    maps = [p for n, p in model.named_parameters() if n.split(".")[-2] in names]
    rule = torch.optim.LBFGS(
        maps,
        max_iter=3000,
        tolerance_grad=1e-11,
        tolerance_change=0,
        history_size=50,
        line_search_fn="strong_wolfe",
    )

    def objective():
        rule.zero_grad()
        J = of(model, batch) + sum(d / 2 * (p**2).sum() for p, d in zip(maps, decay, strict=True))
        J.backward()
        return J

    rule.step(objective)
    return model


@pytest.mark.parametrize("tied", [False, True])
def test_a_head_at_rest_is_certified(tied):
    """λ is found, the same for all heads; a wrong one is noticed; the untrained model is not."""
    lam, batch = 2e-3, {"tokens": TOKENS}
    model = drawn(language_model(tie_query_key=tied, layers=1), scale=2.0)
    before = audit(model, batch, language_loss, decay=lam).heads
    trained(model, batch, language_loss, [lam] * (1 if tied else 2))
    given = audit(model, batch, language_loss, decay=lam).heads
    for head, old in zip(given, before, strict=True):
        found = head.certificate
        assert max(found.residual_query, found.residual_key) < 1e-4
        assert found.balance < 1e-4
        assert max(old.certificate.residual_query, old.certificate.residual_key) > 0.1
        assert not found.is_estimated
    for head in audit(model, batch, language_loss).heads:
        assert head.certificate.is_estimated
        assert head.certificate.decay == pytest.approx(lam, rel=1e-3)
    wrong = audit(model, batch, language_loss, decay=1.3 * lam).heads
    assert min(head.certificate.residual_query for head in wrong) > 0.2


def test_two_decays():
    batch, decay = {"tokens": TOKENS}, (1e-3, 4e-3)
    model = trained(drawn(language_model(layers=1), scale=2.0), batch, language_loss, decay)
    for head in audit(model, batch, language_loss, decay=decay).heads:
        assert head.certificate.decay == pytest.approx(2e-3)
        assert max(head.certificate.residual_query, head.certificate.balance) < 1e-4
    plain = audit(model, batch, language_loss, decay=2e-3).heads
    assert min(head.certificate.residual_query for head in plain) > 0.1


def test_heads_that_share_keys_have_one_certificate(full):
    heads = full.layers[0].heads
    assert heads[0].certificate is heads[1].certificate is not heads[2].certificate
    assert heads[0].raw != heads[1].raw


def test_the_table_has_a_row_for_each_head(full):
    rows = full.table()
    assert len(rows) == 4 + 3 + 4
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    json.dumps(rows, allow_nan=False)
    first, head = rows[0], full.heads[0]
    assert first["layer"] == "layers.0"
    assert first["antisymmetric_share"] == head.raw.antisymmetric_share
    assert (first["positive"], first["zero"], first["negative"]) == head.raw.inertia
    assert first["weighted_effective_rank"] == head.weighted.effective_rank
    assert first["ratio"] == head.certificate.ratio
    assert first["dimension_suffices"] is head.certificate.suffices
    last = rows[-1]
    assert last["reason"]
    assert last["rank"] is last["ratio"] is last["positive"] is None


def test_text_and_repr(full):
    assert repr(full).startswith("<Audit of Stack: 11 heads in 3 layers, 0 of 7 Mercer, 4 without")
    text = str(full)
    for part in ("layers.1  [BertLike, EDP(), 18 points]", "antisym. Σ", "exchanged", "σ(R)/λ"):
        assert part in text
    assert "queries have a bias" in text
    lines = text.splitlines()
    head = next(k for k, line in enumerate(lines) if line.split()[:2] == ["head", "d"])
    assert len(lines[head]) == len(lines[head + 1])


def test_json_holds_all_but_the_kernels(full):
    again = Audit.from_json(full.to_json())
    assert again == full
    assert again.to_json() == full.to_json()
    assert again.table() == full.table()
    assert str(again) == str(full)
    assert {head.kernel for head in again.heads} == {None}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: "no JSON", "text must be JSON"),
        (lambda text: "[1]", "must be what Audit.to_json wrote"),
        (lambda text: json.dumps({"format": "other"}), "must be what Audit.to_json wrote"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "is of version 2, written by"),
        (lambda text: text.replace('"inertia"', '"signs"'), "is damaged"),
        (lambda text: text.replace('"layers": [', '"others": ['), "is damaged"),
    ],
)
def test_other_text_is_refused(full, change, says):
    with pytest.raises(ValueError, match=says):
        Audit.from_json(change(full.to_json()))


def test_a_batch_that_reaches_no_attention_is_told():
    class Beside(Stack):
        def forward(self, x):
            return x

    found = audit(Beside(BertLike()), X)
    assert found.layers[0].notes == ("no batch passed through it",)
    assert found.heads[0].weighted is None


def test_certificates_are_those_of_explicit_matrices(full):
    """Of the group: both heads' C by autograd on a form for each, in numpy from there."""
    model = Stack(drawn(Grouped()), drawn(BertLike()), drawn(Rotary()))
    module = model.layers[0]
    delta = torch.zeros(4, C, C, dtype=torch.float64, requires_grad=True)

    def forward(x):
        q, k, v = module.q_proj(x), module.k_proj(x), module.v_proj(x)
        q, k, v = (z.unflatten(-1, (-1, 2)).transpose(1, 2) for z in (q, k, v))
        k, v = (z.repeat_interleave(2, 1) for z in (k, v))
        logits = (q @ k.mT + torch.einsum("bnc,hce,bme->bhnm", x, delta, x)) / 2**0.5
        return module.o_proj((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))

    h = X + forward(X)
    for layer in model.layers[1:]:
        out = layer(h)
        h = h + (out[0] if isinstance(out, tuple) else out)
    J = (h * torch.linspace(-1, 1, C, dtype=h.dtype)).tanh().mean()
    (slope,) = torch.autograd.grad(J, delta)
    W_Q = module.q_proj.weight.detach().numpy().reshape(4, 2, C)
    W_K = module.k_proj.weight.detach().numpy().reshape(2, 2, C)
    for group in range(2):
        mine = [2 * group, 2 * group + 1]
        expected = certificate(
            np.hstack(W_Q[mine]), W_K[group], np.vstack(-slope.numpy()[mine]), 1e-3
        )
        given = audit(model, X, loss, decay=1e-3).layers[0].heads[2 * group].certificate
        assert given.ratio == pytest.approx(expected.ratio)
        assert given.residual_query == pytest.approx(expected.residual_query)


@pytest.mark.parametrize("kernel", [RBF(0.5), L2Distance(), Constant()], ids=repr)
def test_where_no_layer_has_a_certificate_a_loss_gives_notes(kernel):
    model = LanguageModel(TransformerConfig(20, d_model=16, heads=2, layers=1), kernel)
    found = audit(model, {"tokens": torch.tensor([[1, 5, 6, 7, 2]] * 3)}, language_loss)
    assert all(head.certificate is None for head in found.heads)
    assert any("no certificate" in note for layer in found.layers for note in layer.notes)
