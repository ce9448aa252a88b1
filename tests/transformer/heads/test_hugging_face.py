"""The audit of Hugging Face's models, made from configurations: nothing is downloaded."""

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="the extra hf is not installed")

import transformers as hf

from rkbs.attention.hugging_face import attach
from rkbs.kernels import RBF
from rkbs.transformer import audit

hf.logging.set_verbosity_error()
V = {"vocab_size": 61}
SIZES = {**V, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
GPT2 = {**V, "n_embd": 16, "n_layer": 2, "n_head": 2, "bos_token_id": 1, "eos_token_id": 2}
SEQ2SEQ = {
    **V,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "pad_token_id": 0,
    "forced_eos_token_id": None,
    "decoder_start_token_id": 1,
}
T5 = {**V, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
DISTIL = {**V, "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
MAKERS = {
    "bert": lambda: hf.BertForMaskedLM(hf.BertConfig(**SIZES, num_attention_heads=2)),
    "distilbert": lambda: hf.DistilBertForMaskedLM(hf.DistilBertConfig(**DISTIL)),
    "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**GPT2)),
    "bigcode": lambda: hf.GPTBigCodeForCausalLM(hf.GPTBigCodeConfig(**GPT2)),
    "bigcode, by head": lambda: hf.GPTBigCodeForCausalLM(
        hf.GPTBigCodeConfig(**GPT2, multi_query=False)
    ),
    "bloom": lambda: hf.BloomForCausalLM(hf.BloomConfig(**V, hidden_size=16, n_layer=2, n_head=2)),
    "bart": lambda: hf.BartForConditionalGeneration(hf.BartConfig(**SEQ2SEQ, eos_token_id=2)),
    "t5": lambda: hf.T5ForConditionalGeneration(hf.T5Config(**T5, decoder_start_token_id=0)),
}
LLAMA = {**SIZES, "num_attention_heads": 4, "num_key_value_heads": 2}
NO_FORM = {
    "llama": (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**LLAMA)), "rotary positions"),
    "mistral": (lambda: hf.MistralForCausalLM(hf.MistralConfig(**LLAMA)), "rotary positions"),
    "phi3": (lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**LLAMA, pad_token_id=0)), "rotary"),
}
IDS = torch.randint(3, 61, (3, 9), generator=torch.Generator().manual_seed(0))
SEEN = torch.ones_like(IDS)
SEEN[0, 7:] = 0
LAYERS = {"bart": 3, "t5": 6}
HIDDEN = {"bart": 0, "t5": 0, "bert": 2, "distilbert": 2, "gpt2": 2, "bloom": 2}
COUNTED = {"bert": 25, "distilbert": 25, "gpt2": 25, "bloom": 25}


def made(maker):
    """In double precision, with biases that are not 0."""
    torch.manual_seed(0)
    model = maker().double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(0.15 * noise)
    return model


def batch(name):
    given = {"input_ids": IDS, "attention_mask": SEEN, "labels": IDS}
    return given | (
        {"decoder_input_ids": IDS[:, :4].contiguous(), "labels": IDS[:, :4].contiguous()}
        if name in LAYERS
        else {}
    )


def loss(model, columns):
    return model(**columns).loss


@pytest.mark.parametrize("name", MAKERS)
def test_maps_are_confirmed_by_outputs_and_coefficients_by_gradients(name):
    """Whatever the layout, the masks, the padding and the biases of positions."""
    model, columns = made(MAKERS[name]), batch(name)
    found = audit(model, columns, loss, decay=1.0)
    assert len(found.layers) == LAYERS.get(name, 2)
    assert max(layer.error for layer in found.layers) < 1e-6  # T5 and others: softmax in float32
    if name in COUNTED:
        assert {layer.points for layer in found.layers} == {COUNTED[name]}
    assert sum(layer.crosses for layer in found.layers) == {"bart": 1, "t5": 2}.get(name, 0)
    assert {
        head.is_mercer for layer in found.layers if not layer.crosses for head in layer.heads
    } == {False}
    assert not found.unread
    loss(model, columns).backward()
    for layer in found.layers:
        # ‖λ W_Qᵀ − C W_Kᵀ‖/(λ‖W_Q‖) is the gradient of the query's rows, with λ = 1 in it.
        weight, slope = query_rows(model.get_submodule(layer.path), len(layer.heads))
        groups = {head.group for head in layer.heads}
        for group in groups:
            mine = [head.head for head in layer.heads if head.group == group]
            expected = (weight[mine] + slope[mine]).norm() / weight[mine].norm()
            certified = layer.heads[mine[0]].certificate.residual_query
            assert certified == pytest.approx(float(expected), rel=1e-5)


def query_rows(module, heads):
    """W_Q and its gradient (heads, d, C), written out for each layout."""
    parameters = dict(module.named_parameters())
    for name in ("query", "q_lin", "q_proj", "q"):
        if f"{name}.weight" in parameters:
            p = parameters[f"{name}.weight"]
            return [z.detach().reshape(heads, -1, z.shape[-1]) for z in (p, p.grad)]
    if "query_key_value.weight" in parameters:
        p = parameters["query_key_value.weight"]
        return [z.detach().reshape(heads, 3, -1, 16)[:, 0] for z in (p, p.grad)]
    p = parameters["c_attn.weight"]
    both = [z.detach() for z in (p, p.grad)]
    if type(module).__name__ == "GPT2Attention":
        both = [z.T for z in both]
    elif not module.multi_query:
        return [z.reshape(heads, 3, -1, 16)[:, 0] for z in both]
    return [z[:16].reshape(heads, -1, 16) for z in both]


@pytest.mark.parametrize("name", ["bert", "gpt2", "bart"])
def test_kernels_have_the_weights_that_models_report(name):
    """κ(x, y) over its row sums against ``output_attentions``, where a query sees all keys."""
    model = made(MAKERS[name])
    model.set_attn_implementation("eager")
    found = audit(model)
    path = {"gpt2": "transformer.h.1.attn", "bart": "model.decoder.layers.0.encoder_attn"}
    path = path.get(name, "bert.encoder.layer.1.attention.self")
    layer = next(layer for layer in found.layers if layer.path == path)
    inputs = []

    def keep(module, args, named):
        x = args[0] if args else named["hidden_states"]
        y = named.get("key_value_states")
        inputs.append((x.detach(), x.detach() if y is None else y.detach()))

    handle = model.get_submodule(path).register_forward_pre_hook(keep, with_kwargs=True)
    columns = {k: v for k, v in batch(name).items() if k not in ("attention_mask", "labels")}
    with torch.no_grad():
        out = model(**columns, output_attentions=True)
    handle.remove()
    weights = out.cross_attentions[0] if name == "bart" else out.attentions[1]
    ((x, y),) = inputs
    for head in layer.heads:
        kernel = head.kernel(x, y)
        if name == "gpt2":
            kernel = kernel.tril()
        expected = kernel / kernel.sum(-1, keepdim=True)
        assert torch.allclose(weights[:, head.head], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", NO_FORM)
def test_rotary_positions_have_no_form(name):
    maker, says = NO_FORM[name]
    model = made(maker)
    found = audit(model, batch(name), loss)
    assert all(says in layer.reason for layer in found.layers)
    assert [head.group for head in found.layers[0].heads] == [0, 0, 1, 1]
    assert f"{len(found.heads)} without a form M" in repr(found)
    rows = dict(model.named_parameters())
    key = rows.get("model.layers.0.self_attn.k_proj.weight")
    if key is None:
        key = rows["model.layers.0.self_attn.qkv_proj.weight"][16:24]
    sigma = np.linalg.svd(key.detach().reshape(2, 4, 16).numpy(), compute_uv=False)
    for head in found.layers[0].heads:
        assert np.allclose(head.key_singular_values, sigma[head.group])


def test_a_kernel_that_was_attached_is_that_of_the_heads():
    model = attach(made(MAKERS["bert"]), RBF(0.5))
    found = audit(model, batch("bert"))
    assert all(layer.kernel.startswith("RBF(") for layer in found.layers)
    assert isinstance(found.heads[0].kernel.kernel, RBF)
