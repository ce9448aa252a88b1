"""Kernels in Hugging Face's models, made from configurations: nothing is downloaded."""

import math

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the extra hf is not installed")

import transformers as hf

from rkbs.attention import MultiheadKernelAttention
from rkbs.attention._task import prepared
from rkbs.attention.hugging_face import _mask, attach, register
from rkbs.attention.reference import attend
from rkbs.kernels import EDP, RBF, CappedEDP, L2Distance, Linear, Quadratic

hf.logging.set_verbosity_error()
V = {"vocab_size": 61}
SEQ2SEQ = {
    **V,
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "pad_token_id": 0,
    "eos_token_id": 2,
    "forced_eos_token_id": None,
    "decoder_start_token_id": 1,
}
SIZES = {**V, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
LLAMA = {**SIZES, "num_attention_heads": 4, "num_key_value_heads": 2}
GPT2 = {**V, "n_embd": 16, "n_layer": 2, "n_head": 2, "bos_token_id": 1, "eos_token_id": 2}
BERT = {**SIZES, "num_attention_heads": 2}
T5 = {**V, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
VIT = {**SIZES, "num_attention_heads": 2, "image_size": 16, "patch_size": 4}
DISTIL = {**V, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
MAKERS = {
    "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**BERT)),
    "distilbert": lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(**DISTIL)),
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2)),
    "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA)),
    "vit": lambda: hf.ViTForImageClassification(hf.ViTConfig(**VIT)),
    "bart": lambda: hf.BartForConditionalGeneration(hf.BartConfig(**SEQ2SEQ)),
    "marian": lambda: hf.MarianMTModel(hf.MarianConfig(**SEQ2SEQ)),
    "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5, decoder_start_token_id=0)),
}
CAUSAL, DECODING = ("gpt2", "llama"), ("bart", "marian", "t5")
OTHERS = [RBF(0.5), Quadratic(), L2Distance()]
IDS = torch.randint(3, 61, (2, 7), generator=torch.Generator().manual_seed(0))
SEEN = torch.ones_like(IDS)
SEEN[0, :2] = 0  # padding on the left, as generation asks for


def made(name, dtype=torch.float64):
    torch.manual_seed(0)
    return MAKERS[name]().to(dtype).eval()


def inputs(name, dtype=torch.float64):
    if name == "vit":
        generator = torch.Generator().manual_seed(1)
        return {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator, dtype=dtype)}
    given = {"input_ids": IDS, "attention_mask": SEEN}
    return given | ({"decoder_input_ids": IDS[:, :4]} if name in DECODING else {})


def run(model, implementation, **given):
    """Logits where tokens are, and the gradient of all parameters."""
    model.set_attn_implementation(implementation)
    model.zero_grad()
    logits = model(**given).logits
    if logits.ndim == 3 and logits.shape[1] == IDS.shape[1]:
        logits = logits[SEEN.bool()]
    (logits * torch.linspace(-1, 1, logits.shape[-1], dtype=logits.dtype)).mean().backward()
    gradients = [p.grad.reshape(-1) for p in model.parameters() if p.grad is not None]
    return logits.detach(), torch.cat(gradients)


@pytest.mark.parametrize("name", MAKERS)
def test_edp_is_the_models_own_attention(name):
    for dtype, enough in ((torch.float64, 1e-12), (torch.float32, 2e-6)):
        model, given = made(name, dtype), inputs(name, dtype)
        expected = run(model, "sdpa", **given)  # eager takes softmax of some models in float32
        found = run(model, register(EDP()), **given)
        for a, b in zip(found, expected, strict=True):
            assert (a - b).abs().max() <= enough * max(1.0, float(b.abs().max()))


def dense(kernel):
    """The attention of a kernel by its dense reference, registered by the tests alone."""

    def forward(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **options):
        groups = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
        root = 1.0 if scaling is None else math.sqrt(scaling * math.sqrt(query.shape[-1]))
        mask = attention_mask
        if options.get("position_bias") is not None:
            mask = torch.where(mask, options["position_bias"], -math.inf)
        task = prepared(
            root * query, root * key, value, kernel, mask, dropout, False, None, False, "rows"
        )
        return attend(task)[0].transpose(1, 2), None

    name = f"dense: {kernel!r}"
    hf.AttentionInterface.register(name, forward)
    hf.AttentionMaskInterface.register(name, _mask)
    return name


@pytest.mark.parametrize("name", MAKERS)
def test_other_kernels_are_their_dense_reference(name):
    model, given = made(name), inputs(name)
    plain = run(model, "sdpa", **given)[0]
    kernels = OTHERS if name != "t5" else [RBF(0.5), CappedEDP(2.0), RBF(0.1)]
    for kernel in kernels:
        expected, found = (run(model, f(kernel), **given) for f in (dense, register))
        for a, b in zip(found, expected, strict=True):
            assert (a - b).abs().max() <= 1e-12 * max(1.0, float(b.abs().max()))
        assert (found[0] - plain).abs().max() > 1e-6  # it is another model


@pytest.mark.parametrize("kernel", [EDP(), *OTHERS], ids=repr)
@pytest.mark.parametrize("name", [name for name in MAKERS if name != "vit"])
def test_no_mask_is_lost(name, kernel):
    """Neither what is hidden by padding nor what comes later changes anything that is seen."""
    if name == "t5" and not kernel.is_positive:
        return
    model, given = made(name), inputs(name)
    model.set_attn_implementation(register(kernel))
    expected = model(**given).logits
    other = given | {"input_ids": torch.where(SEEN.bool(), IDS, 5)}
    found = model(**other).logits
    rows = SEEN.bool() if name not in DECODING else slice(None)
    assert (found - expected)[rows].abs().max() <= 1e-13
    if name in CAUSAL or name in DECODING:
        key = "decoder_input_ids" if name in DECODING else "input_ids"
        later = given[key].clone()
        later[:, -1] = 7
        found = model(**given | {key: later}).logits
        assert (found - expected)[:, 2:-1].abs().max() <= 1e-13
        assert (found - expected)[:, -1].abs().max() > 1e-8
    unmasked = {key: value for key, value in given.items() if key != "attention_mask"}
    later = unmasked | ({"input_ids": later} if name in CAUSAL else {})
    if name in CAUSAL:  # without padding a model may leave causality to its attention
        first, second = model(**unmasked).logits, model(**later).logits
        assert (first - second)[:, :-1].abs().max() <= 1e-13


@pytest.mark.parametrize("name", [*CAUSAL, *DECODING])
def test_generation_with_a_cache_is_token_for_token(name):
    model = made(name)
    options = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    given = {"input_ids": IDS, "attention_mask": SEEN}
    model.set_attn_implementation("sdpa")
    expected = model.generate(**given, **options)
    model.set_attn_implementation(register(EDP()))
    assert torch.equal(model.generate(**given, **options), expected)
    model.set_attn_implementation(register(RBF(0.5)))
    with_cache = model.generate(**given, **options)
    assert torch.equal(with_cache, model.generate(**given, **options, use_cache=False))


@pytest.mark.parametrize("name", MAKERS)
def test_attached_parameters_are_the_models_and_train(name):
    model = attach(made(name), RBF(0.5))
    own = {key: p for key, p in model.named_parameters() if "rkbs_kernel" in key}
    assert len(own) == {"bart": 6, "marian": 6, "t5": 6}.get(name, 2)
    assert {tuple(p.shape) for p in own.values()} == {(4,) if name == "llama" else (2,)}
    expected = made(name)
    found = run(model, "rkbs_learned", **inputs(name))
    plain = run(expected, register(RBF(0.5)), **inputs(name))
    assert (found[0] - plain[0]).abs().max() <= 1e-12
    assert all(p.grad is not None for p in own.values())
    assert any(p.grad.abs().max() > 0 for p in own.values())
    twin = attach(made(name), RBF(2.0), learn=False)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(run(twin, "rkbs_learned", **inputs(name))[0], found[0])


def test_weights_are_returned_if_asked_for():
    model = made("bert")
    model.set_attn_implementation(register(Quadratic()))
    weights = model(**inputs("bert"), output_attentions=True).attentions
    assert [tuple(w.shape) for w in weights] == [(2, 2, 7, 7)] * 2
    assert (weights[0].sum(-1) - 1).abs().max() <= 1e-12
    assert not weights[0][0, ..., :2].any()  # padding


def test_the_models_scale_is_honoured():
    """GPT-2 may divide by the layer's number, too; its own attention tells."""
    torch.manual_seed(0)
    config = hf.GPT2Config(**GPT2, scale_attn_by_inverse_layer_idx=True)
    model = hf.GPT2LMHeadModel(config).double().eval()
    expected = run(model, "sdpa", input_ids=IDS, attention_mask=SEEN)
    found = run(model, register(EDP()), input_ids=IDS, attention_mask=SEEN)
    assert (found[0] - expected[0]).abs().max() <= 1e-12
    config.scale_attn_by_inverse_layer_idx = False
    plain = hf.GPT2LMHeadModel(config).double().eval()
    plain.load_state_dict(model.state_dict())
    other = run(plain, register(EDP()), input_ids=IDS, attention_mask=SEEN)
    assert (other[0] - expected[0]).abs().max() > 1e-6


def test_names_tell_kernels_apart():
    assert register(RBF(0.5)) == "rkbs: RBF(tau=0.5)"
    assert register(RBF(0.5), "mine") == "mine"
    assert register(RBF([0.5, 1.0])) != register(RBF(0.5))


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="kernel must be a Kernel"):
        register("rbf")
    with pytest.raises(TypeError, match="model must be a PreTrainedModel"):
        attach(torch.nn.Linear(2, 2), RBF())
    model = made("t5")
    model.set_attn_implementation(register(Quadratic()))
    with pytest.raises(TypeError, match=r"T5Attention adds a bias of positions .* positive kernel"):
        model(**inputs("t5"))
    model = made("bert")
    model.set_attn_implementation(register(Linear()))
    with pytest.raises(TypeError, match="non-negative"):
        model(**inputs("bert"))
    model.set_attn_implementation("rkbs_learned")
    with pytest.raises(TypeError, match=r"call attach\(model, kernel\)"):
        model(**inputs("bert"))
    gemma = hf.Gemma2Config(**LLAMA, head_dim=4)
    model = hf.Gemma2ForCausalLM(gemma).eval()
    model.set_attn_implementation(register(RBF()))
    with pytest.raises(ValueError, match=r"softcap caps the logits: CappedEDP"):
        model(IDS)


class Closed(hf.PreTrainedModel):
    """A model of a user's, with attention of its own."""

    config_class = hf.BertConfig

    def __init__(self, config):
        super().__init__(config)
        self.mixer = MultiheadKernelAttention(16, 2, kernel=RBF())


def test_a_model_without_pluggable_attention_is_refused():
    with pytest.raises(TypeError, match="model must have attention that can be set"):
        attach(Closed(hf.BertConfig(**BERT)), RBF())


def test_a_kernel_of_a_users_own_trains_in_a_model():
    """The loss of a tiny language model falls, and the kernel's parameters move."""
    torch.manual_seed(0)
    model = attach(MAKERS["gpt2"](), RBF(0.5)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = model(IDS, labels=IDS).loss
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.5
    tau = model.transformer.h[0].attn.rkbs_kernel().tau.detach()
    assert np.abs(tau.numpy() - 0.5).max() > 1e-3
