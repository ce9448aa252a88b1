"""Transformers with any kernel, against a forward pass in numpy that shares no code with them."""

import copy
import dataclasses
import functools
import math

import numpy as np
import pytest
import torch
from transformer_helpers import SMALL, by_hand, language_task, tokens

from rkbs.kernels import (
    EDP,
    RBF,
    Cauchy,
    Constant,
    KeyNormBias,
    L2Distance,
    Linear,
    PositiveKernel,
    Quadratic,
    TaylorEDP,
)
from rkbs.transformer import (
    EncoderClassifier,
    EncoderDecoder,
    LanguageModel,
    TransformerConfig,
    classification_loss,
    language_loss,
    translation_loss,
)

KERNELS = {
    "edp": EDP(),
    "rbf": RBF(0.5),
    "uniform": Constant(),
    "quadratic": Quadratic(),
    "taylor": TaylorEDP(4),
    "l2": L2Distance(),
}
OPTIONS = {
    "plain": {},
    "head dimension": {"head_dim": 3},
    "tied": {"tie_query_key": True},
    "normalized": {"normalize_qk": True, "head_dim": 2},
    "all": {"tie_query_key": True, "normalize_qk": True, "key_norm_bias": True},
}


def config(**options):
    return dataclasses.replace(SMALL, **options)


def models(kernel, seed=0, **options):
    """Copies of what is made once: finding a kernel's gain takes longer than all else."""
    return copy.deepcopy(made(kernel, seed, config(**options)))


@functools.cache
def made(kernel, seed, sizes):
    return (
        LanguageModel(sizes, kernel, seed=seed).double(),
        EncoderClassifier(sizes, 3, kernel, seed=seed).double(),
        EncoderDecoder(sizes, kernel, seed=seed).double(),
    )


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", KERNELS)
def test_logits_are_those_of_numpy(name, options):
    kernel, n = KERNELS[name], 7
    target, source = tokens(1, n), tokens(1, 9, 1)
    language, classifier, translator = models(kernel, **OPTIONS[options])
    for model, given in (
        (language, (target,)),
        (classifier, (target,)),
        (translator, (source, target)),
    ):
        expected = by_hand(
            model, [kernel] * 2, target[0].numpy(), *(x[0].numpy() for x in given[:-1])
        )
        found = model(*given)[0].detach().numpy()
        if model is not classifier:
            assert np.isneginf(found[:, 0]).all()  # the padding
            found, expected = found[:, 1:], expected[:, 1:]
        # Parameters of kernels were rounded to single precision, where they began.
        assert np.allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_a_kernel_for_each_layer():
    kernels = [RBF(2.0), Quadratic()]
    model = LanguageModel(SMALL, lambda layer: kernels[layer]).double()
    target = tokens(1, 6)
    expected = by_hand(model, kernels, target[0].numpy())[:, 1:]
    assert np.allclose(model(target)[0, :, 1:].detach().numpy(), expected, rtol=1e-6, atol=1e-6)
    other = by_hand(model, kernels[::-1], target[0].numpy())[:, 1:]
    assert abs(other - expected).max() > 1e-3


@pytest.mark.parametrize("name", KERNELS)
def test_a_decoder_does_not_see_what_comes(name):
    language, _, translator = models(KERNELS[name])
    one, source = tokens(2, 8), tokens(2, 5, 1)
    other = one.clone()
    other[:, 5:] = 1 + other[:, 5:] % 10
    for model, given in ((language, ()), (translator, (source,))):
        a, b = model(*given, one), model(*given, other)
        assert torch.equal(a[:, :5], b[:, :5])
        assert not torch.equal(a[:, 5:], b[:, 5:])


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("filler", [math.nan, 1e4, -math.inf])
def test_padding_changes_nothing(name, filler):
    language, classifier, translator = models(KERNELS[name])
    short, pad = tokens(2, 5), torch.zeros(2, 3, dtype=torch.int64)
    long = torch.cat([short, pad], 1)
    target = tokens(2, 4, 2)
    before = language(short), classifier(short), translator(short, target)
    for model in (language, classifier, translator):
        with torch.no_grad():
            model.embedding.token.weight[0] = filler
    after = language(long)[:, :5], classifier(long), translator(long, target)
    for one, other in zip(before, after, strict=True):
        assert torch.allclose(one[..., 1:], other[..., 1:], rtol=1e-6, atol=1e-6)
    # Nor does what is written at the padding reach a gradient.
    loss = language_loss(language, {"tokens": long}) + translator(long, target)[..., 1:].sum()
    loss.backward()
    for model in (language, translator):
        gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
        assert all(g.isfinite().all() for g in gradients.values())
        assert (gradients["embedding.token.weight"][0] == 0).all()


@dataclasses.dataclass(frozen=True)
class Angle(PositiveKernel):
    """exp(2 cos of the angle), which is not defined at 0."""

    def log_formula(self, x, y):
        x, y = (z / (z * z).sum(-1)[..., None] ** 0.5 for z in (x, y))
        return 2 * (x @ y.mT)


def test_padding_is_in_the_domain_of_every_kernel():
    """Or rows that nothing reads would be NaN, and so would gradients be."""
    long = torch.cat([tokens(2, 5), torch.zeros(2, 3, dtype=torch.int64)], 1)
    batch = {"tokens": long, "source": long, "target": long, "labels": torch.tensor([0, 1])}
    losses = (language_loss, classification_loss, translation_loss)
    for model, loss in zip(models(Angle()), losses, strict=True):
        loss(model, batch).backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", KERNELS)
def test_points_of_hidden_keys_may_hold_anything(name):
    attention = LanguageModel(SMALL, KERNELS[name]).decoder.blocks[0].attention
    x = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    seen = torch.ones(2, 6, dtype=torch.bool)
    seen[0, 4:] = seen[1, 2:] = False
    source = torch.where(seen[..., None], x, math.nan)
    one = attention(x, x, seen)
    assert torch.equal(attention(x, source, seen), one)
    other = attention(x, torch.where(seen[..., None], x, 1e4), seen)
    assert torch.equal(other, one)


def test_a_sequence_of_padding_alone_gives_numbers():
    _, classifier, translator = models(EDP())
    nothing = torch.zeros(1, 4, dtype=torch.int64)
    assert classifier(nothing).isfinite().all()
    assert translator(nothing, tokens(1, 3))[..., 1:].isfinite().all()


def shared(one, other):
    """The names of parameters that two models have in common, and whether they are the same."""
    mine, theirs = (dict(model.named_parameters()) for model in (one, other))
    names = {k for k in mine.keys() & theirs.keys() if mine[k].shape == theirs[k].shape}
    return names, {k for k in names if torch.equal(mine[k], theirs[k])}


def test_kernels_start_with_the_same_bits():
    for of_edp, of_rbf in zip(models(EDP()), models(RBF()), strict=True):
        torch.manual_seed(1)  # which must not matter
        names, same = shared(of_edp, of_rbf)
        assert names == same == {k for k, _ in of_edp.named_parameters()}
    changed = {k for k, p in models(EDP())[0].named_parameters() if p.ndim > 1}
    names, same = shared(models(EDP())[0], models(EDP(), seed=1)[0])
    assert names - same == changed


def test_no_two_weights_start_the_same():
    weights = [p.flatten() for p in models(EDP())[2].parameters() if p.ndim > 1]
    starts = {tuple((p / p.norm() * len(p) ** 0.5)[:4].tolist()) for p in weights}
    firsts = {round((p[0] / p[1]).item(), 6) for p in weights}
    assert len(starts) == len(firsts) == len(weights) > 20


@pytest.mark.parametrize("options", [{"tie_query_key": True}, {"head_dim": 2}, {"layers": 2}])
def test_options_leave_the_other_weights_as_they_are(options):
    names, same = shared(models(EDP())[2], models(EDP(), **options)[2])
    assert names == same
    assert len(names) > 20


def test_weights_have_the_variance_that_they_should():
    sizes = TransformerConfig(vocab=400, d_model=256, layers=2, context=300)
    weights = {k: p for k, p in LanguageModel(sizes).named_parameters() if p.ndim > 1}
    expected = {"query": 1 / 512, "key": 1 / 512, "out": 1 / 1024, "down": 1 / 4096}
    for name, weight in weights.items():
        part = name.split(".")[-2]
        variance = expected.get(part, 1 / 256)
        assert weight.var().item() == pytest.approx(variance, rel=0.03)
    x = torch.randn(500, 256, generator=torch.Generator().manual_seed(0))
    q = LanguageModel(sizes).decoder.blocks[0].attention.query(x)
    assert q.var().item() == pytest.approx(0.5, rel=0.05)  # what start_gain counts on


def test_uniform_attention_is_the_mean_of_what_is_seen():
    attention = LanguageModel(SMALL, Constant()).decoder.blocks[0].attention
    x = torch.randn(1, 5, 8, generator=torch.Generator().manual_seed(0))
    means = torch.stack([attention.value(x)[:, : n + 1].mean(1) for n in range(5)], 1)
    found = attention(x, is_causal=True)
    assert torch.allclose(found, attention.out(means), atol=1e-6)


def test_a_key_norm_bias_starts_at_0_and_is_that_of_its_kernel():
    model, same = (LanguageModel(config(key_norm_bias=b), RBF()).double() for b in (True, False))
    target = tokens(1, 6)
    assert torch.allclose(model(target)[..., 1:], same(target)[..., 1:])
    for block in model.decoder.blocks:
        assert block.attention.attend.kernel.tau.shape == (2,)  # a value for each head
        torch.nn.init.constant_(block.attention.attend.kernel.tau, 0.3)
    expected = by_hand(model, [KeyNormBias(RBF(), 0.3)] * 2, target[0].numpy())[:, 1:]
    assert np.allclose(model(target)[0, :, 1:].detach().numpy(), expected, rtol=1e-6, atol=1e-6)


def test_normalized_queries_and_keys_have_no_scale():
    found = []
    for normalize_qk in (True, False):
        model = LanguageModel(config(normalize_qk=normalize_qk)).double()
        before = model(tokens(1, 6))[..., 1:]
        for block in model.decoder.blocks:
            block.attention.query.weight.data *= 7
        found.append((model(tokens(1, 6))[..., 1:] - before).abs().max().item())
    assert found[0] < 1e-5 < 1e-3 < found[1]


def test_tied_models_have_one_matrix_and_a_symmetric_table():
    model = LanguageModel(config(tie_query_key=True))
    assert not [name for name, _ in model.named_parameters() if ".key." in name]
    free = LanguageModel(config())
    fewer = sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in model.parameters())
    assert fewer == 2 * 8 * 8


def test_kernels_have_parameters_of_their_own_for_each_head():
    fixed = LanguageModel(config(learn_kernel=False), Cauchy(0.7))
    learned = LanguageModel(config(), Cauchy(0.7))
    assert not [name for name, _ in fixed.named_parameters() if "tau" in name]
    taus = {name: p for name, p in learned.named_parameters() if "tau" in name}
    assert len(taus) == 2
    assert all(p.shape == (2,) for p in taus.values())
    language_loss(learned, {"tokens": tokens(2, 6)}).backward()
    assert all((p.grad != 0).all() for p in taus.values())


def test_dropout_is_for_training_only():
    model, _ = language_task(EDP(), dropout=0.5)
    given = tokens(2, 6)
    assert not torch.equal(model(given), model(given))
    model.eval()
    assert torch.equal(model(given), model(given))


T = tokens(2, 6)
WRONG_SIZES = [
    ({"vocab": 0}, ValueError, "vocab must be at least 1"),
    ({"d_model": 9}, ValueError, "d_model must be a multiple of heads=2, got 9"),
    ({"dropout": 1.0}, ValueError, "dropout must be a probability"),
    ({"pad": 11}, ValueError, "pad must be a token, less than vocab=11"),
    ({"head_dim": 0}, ValueError, "head_dim must be at least 1"),
    ({"layers": 1.5}, TypeError, "layers must be an integer"),
]
LANGUAGE, CLASSIFIER, TRANSLATOR = models(EDP())
MEMORY, SEEN = TRANSLATOR.encode(T)
WRONG = [
    (lambda: LANGUAGE([[1, 2]]), TypeError, r"tokens must be .*got list: pass torch.tensor\(token"),
    (lambda: LANGUAGE(T.float()), TypeError, r"got torch.float32: pass tokens.long\(\)"),
    (lambda: LANGUAGE(T[0]), ValueError, r"tokens must have shape .*\(6,\): pass tokens\[None\]"),
    (lambda: LANGUAGE(T[:, :0]), ValueError, r"tokens must have shape .*got shape \(2, 0\)$"),
    (lambda: LANGUAGE(T.repeat(1, 3)), ValueError, r"at most context=12 tokens.*\[:, :12\]"),
    (lambda: LANGUAGE(T + 10), ValueError, r"tokens must hold numbers 0 … 10"),
    (lambda: LANGUAGE(T - 12), ValueError, r"tokens must hold numbers 0 … 10.*got -\d+"),
    (lambda: CLASSIFIER(T.to("meta")), ValueError, "tokens must be on the model's device, cpu"),
    (lambda: TRANSLATOR(T[:1], T), ValueError, "source and target must have as many sequences"),
    (lambda: TRANSLATOR(T + 20, T), ValueError, "source must hold numbers"),
    (lambda: TRANSLATOR(T, T + 20), ValueError, "target must hold numbers"),
    (lambda: TRANSLATOR.decode(T, MEMORY[0], SEEN), ValueError, "memory must have shape"),
    (lambda: TRANSLATOR.decode(T, MEMORY, SEEN[:, 1:]), ValueError, "seen must be boolean"),
    (lambda: TRANSLATOR.decode(T, None, SEEN), TypeError, "memory must be a tensor"),
    (lambda: LanguageModel(SMALL, RBF), TypeError, r"the class RBF: did you mean RBF\(\)\?"),
    (lambda: LanguageModel(SMALL, "edp"), TypeError, "kernel must be a Kernel, such as"),
    (lambda: LanguageModel(SMALL, lambda layer: layer), TypeError, "must return, for layer 0, a K"),
    (lambda: LanguageModel(SMALL, Linear()), TypeError, "kernel must be known to be non-negative"),
    (lambda: LanguageModel(SMALL, seed=-1), ValueError, "seed must be at least 0"),
    (lambda: EncoderClassifier(SMALL, 0), ValueError, "classes must be at least 1"),
]


@pytest.mark.parametrize(("options", "error", "says"), WRONG_SIZES)
def test_wrong_sizes(options, error, says):
    with pytest.raises(error, match=says):
        dataclasses.replace(SMALL, **options)


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_wrong_arguments(call, error, says):
    with pytest.raises(error, match=says):
        call()
