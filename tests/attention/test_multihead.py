"""The drop-in for ``torch.nn.MultiheadAttention``, in torch's own layers."""

import copy
import itertools
import math
import warnings

import pytest
import torch
from torch import nn

from rkbs.attention import Dense, MultiheadKernelAttention
from rkbs.kernels import EDP, KERNELS, RBF, L2Distance, Linear, Quadratic

N, n, m, E, H = 3, 4, 5, 8, 2
KINDS = {
    "plain": {},
    "no bias": {"bias": False},
    "bias kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True},
    "both": {"add_bias_kv": True, "add_zero_attn": True},
    "other dims": {"kdim": 6, "vdim": 7},
}


DOTS = EDP()


def both(kernel=DOTS, dtype=torch.float64, **options):
    """Torch's module, and one of the kernel with the same weights."""
    torch.manual_seed(1)
    theirs = nn.MultiheadAttention(E, H, dtype=dtype, **options)
    ours = MultiheadKernelAttention(E, H, dtype=dtype, kernel=kernel, **options)
    found = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not found.unexpected_keys
    assert all(key.startswith("kernel.") for key in found.missing_keys)
    return theirs, ours


def inputs(options, dtype=torch.float64, layout="batch first"):
    generator = torch.Generator().manual_seed(2)
    sizes = ((n, E), (m, options.get("kdim", E)), (m, options.get("vdim", E)))
    x = [torch.randn(N, *size, generator=generator, dtype=dtype) for size in sizes]
    if "kdim" not in options:
        x[2] = x[1]  # torch asks for one
    if layout == "unbatched":
        return [z[0] for z in x]
    return x if layout == "batch first" else [z.transpose(0, 1) for z in x]


def mask_pairs(dtype, batched):
    """Masks of padding and of pairs, in every form that torch has."""
    generator = torch.Generator().manual_seed(3)
    padding = torch.arange(m) >= torch.tensor([[3], [4], [5]])
    late = torch.ones(n, m, dtype=torch.bool).triu(1)
    each = torch.rand((N if batched else 1) * H, n, m, generator=generator) < 0.3
    each[..., 0] = False
    padding = padding if batched else padding[0]

    def number(mask):
        return torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -math.inf)

    paddings = (None, padding, number(padding), number(padding) + 0.25)
    of_pairs = (None, late, number(late), number(late) - 0.5, each)
    return itertools.product(paddings, of_pairs)


@pytest.mark.parametrize("layout", ["batch first", "sequence first", "unbatched"])
@pytest.mark.parametrize("kind", KINDS)
def test_edp_is_torchs_module(kind, layout):
    options = KINDS[kind] | {"batch_first": layout == "batch first"}
    theirs, ours = both(**options)
    points = inputs(options, layout=layout)
    for padding, of_pairs in mask_pairs(torch.float64, layout != "unbatched"):
        for need, average in ((True, True), (True, False), (False, True)):
            with warnings.catch_warnings():  # torch's, of two masks of different dtypes
                warnings.simplefilter("ignore")
                expected = theirs(*points, padding, need, of_pairs, average)
            found = ours(*points, padding, need, of_pairs, average)
            assert (found[0] - expected[0]).abs().max() <= 1e-12
            if need:
                assert found[1].shape == expected[1].shape
                assert (found[1] - expected[1]).abs().max() <= 1e-12
            else:
                assert found[1] is None


def test_gradients_are_torchs():
    for dtype, enough in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        gradients = []
        for module in both(dtype=dtype, batch_first=True):
            x = [z.clone().requires_grad_() for z in inputs({}, dtype)]
            module(*x, need_weights=False)[0].square().mean().backward()
            own = [p.grad for name, p in module.named_parameters() if "kernel" not in name]
            gradients.append([*(z.grad for z in x), *own])
        assert all((a - b).abs().max() <= enough for a, b in zip(*gradients, strict=True))


def test_is_causal_hides_later_keys():
    _, ours = both(batch_first=True)
    x = inputs({})[0]
    late = torch.ones(n, n, dtype=torch.bool).triu(1)
    expected = ours(x, x, x, attn_mask=late)[0]
    for need in (True, False):
        assert (ours(x, x, x, None, need, None, True, True)[0] - expected).abs().max() <= 1e-14
        assert (ours(x, x, x, None, need, late, True, True)[0] - expected).abs().max() <= 1e-14
    padding = torch.arange(n).expand(N, n) >= 2
    both_masks = ours(x, x, x, padding, attn_mask=late)[0]
    assert torch.equal(ours(x, x, x, padding, is_causal=True)[0], both_masks)


KERNELS_THAT_ATTEND = [name for name, k in KERNELS.items() if k.is_nonnegative]


@pytest.mark.parametrize("name", KERNELS_THAT_ATTEND)
def test_hidden_keys_change_nothing(name):
    """1e4 where a key is hidden from some queries, NaN where it is from all."""
    _, ours = both(KERNELS[name], batch_first=True)
    q, k, _ = inputs({})
    padding = torch.arange(m).expand(N, m) >= 3
    late = torch.zeros(n, m, dtype=torch.bool)
    late[:2, 2] = True
    expected = ours(q, k, k, padding, attn_mask=late)[0]
    spoiled = k.masked_fill(padding[..., None], math.nan)
    assert torch.equal(ours(q, spoiled, spoiled, padding, attn_mask=late)[0], expected)
    spoiled[:, 2] = 1e4
    assert torch.equal(
        ours(q, spoiled, spoiled, padding, attn_mask=late)[0][:, :2], expected[:, :2]
    )


@pytest.mark.parametrize("kernel", [RBF(2.0), Quadratic(), L2Distance()], ids=repr)
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("train", [True, False])
def test_torchs_layers_use_the_kernel(kernel, grad, train):
    """Their fast path, in evaluation without gradients, would compute EDP."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(E, H, 16, dropout=0.0, batch_first=True)
    layer.self_attn = MultiheadKernelAttention(E, H, kernel=kernel, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train(train)
    x = torch.randn(N, m, E)
    padding = torch.arange(m) >= torch.tensor([[3], [4], [5]])

    def by_hand(layer, x):
        mixed = layer.self_attn(x, x, x, padding)[0]
        x = layer.norm1(x + mixed)
        return layer.norm2(x + layer.linear2(torch.relu(layer.linear1(x))))

    with torch.set_grad_enabled(grad):
        found = encoder(x, src_key_padding_mask=padding)
        expected = by_hand(encoder.layers[1], by_hand(encoder.layers[0], x))
    assert (found - expected)[~padding].abs().max() <= 1e-5
    other = copy.deepcopy(encoder)
    for layer in other.layers:
        layer.self_attn.kernel = MultiheadKernelAttention(E, H).kernel  # EDP
    with torch.set_grad_enabled(grad):
        assert (other(x, src_key_padding_mask=padding) - found)[~padding].abs().max() > 1e-3


def test_a_decoder_with_causal_floating_masks():
    layer = nn.TransformerDecoderLayer(E, H, 16, dropout=0.0, batch_first=True)
    layer.self_attn = MultiheadKernelAttention(E, H, kernel=Quadratic(), batch_first=True)
    layer.multihead_attn = MultiheadKernelAttention(E, H, kernel=RBF(), batch_first=True)
    decoder = nn.TransformerDecoder(layer, 2)
    target, memory = torch.randn(N, n, E), torch.randn(N, m, E)
    late = nn.Transformer.generate_square_subsequent_mask(n)
    found = decoder(target, memory, tgt_mask=late, tgt_is_causal=True)
    changed = target.clone()
    changed[:, -1] = 1e4
    kept = decoder(changed, memory, tgt_mask=late)
    assert torch.equal(found[:, :-1], kept[:, :-1])
    assert not torch.equal(found[:, -1], kept[:, -1])


def test_it_starts_at_the_gain_and_trains():
    torch.manual_seed(0)
    plain = nn.MultiheadAttention(E, H)
    torch.manual_seed(0)
    ours = MultiheadKernelAttention(E, H, kernel=RBF(), path=Dense())
    ratio = ours.in_proj_weight / plain.in_proj_weight
    assert torch.equal(ratio[2 * E :], torch.ones(E, E))
    assert (ratio[: 2 * E] - ratio[0, 0]).abs().max() <= 1e-6
    assert 0.4 < float(ratio[0, 0].detach()) < 0.95
    x = torch.randn(m, N, E)
    ours(x, x, x)[0].square().sum().backward()
    assert ours.kernel.tau.grad.shape == (H,)
    assert MultiheadKernelAttention(E, H, kernel=RBF(), per_head=False).kernel.tau.shape == ()
    assert not [*MultiheadKernelAttention(E, H, kernel=RBF(), learn=False).kernel.parameters()]


def test_it_compiles_into_one_graph():
    _, ours = both(Quadratic(), batch_first=True)
    x = inputs({})[0]
    mask = nn.Transformer.generate_square_subsequent_mask(n, dtype=torch.float64)
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True)
    expected = ours(x, x, x, attn_mask=mask)[0]
    assert (compiled(x, x, x, attn_mask=mask)[0] - expected).abs().max() <= 1e-14


X = torch.randn(N, n, E)
ALL_HIDDEN = torch.ones(N, n, dtype=torch.bool)
BAD = [
    ((X, X, X), {"key_padding_mask": ALL_HIDDEN}, ValueError, "pass ~key_padding_mask"),
    ((X, X, X), {"key_padding_mask": ALL_HIDDEN[:2]}, ValueError, r"key_padding_mask .*\(N, m\)"),
    ((X, X, X), {"attn_mask": torch.zeros(n, n, dtype=torch.int)}, TypeError, r"attn_mask\.bool"),
    ((X, X, X), {"attn_mask": torch.zeros(n, n + 1)}, ValueError, "attn_mask must have shape"),
    ((X, X, X), {"attn_mask": [[0.0]]}, TypeError, "attn_mask must be a boolean tensor"),
    ((X, X, X), {"attn_mask": torch.ones(n, n)}, TypeError, "hold 0 and -inf alone"),
    (
        (X[..., :4], X, X),
        {},
        ValueError,
        r"query must have shape \(N, n, 8\) or \(n",
    ),
    ((X, X, X[:, :3]), {}, ValueError, "one row per source"),
    ((X[0, 0], X, X), {}, ValueError, "query must have shape"),
    ((X.numpy(), X, X), {}, TypeError, r"query must be a tensor, .* pass torch\.tensor\(query"),
    ((X, X.double(), X), {}, ValueError, "key must be of torch.float32 on cpu, as the weights are"),
    ((X, X, X), {"attn_mask": torch.zeros(n, n, device="meta")}, ValueError, "on the device"),
]


@pytest.mark.parametrize(("points", "options", "error", "match"), BAD)
def test_bad_input_is_named(points, options, error, match):
    ours = MultiheadKernelAttention(E, H, kernel=Quadratic(), batch_first=True)
    with pytest.raises(error, match=match):
        ours(*points, **options)


def test_autocast_takes_what_linear_maps_take():
    ours = MultiheadKernelAttention(E, H, kernel=RBF(), batch_first=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = ours(X, X.bfloat16(), X)[0]
    assert (found - ours(X, X, X)[0]).abs().max() < 2e-2


def test_bad_construction_is_named():
    with pytest.raises(TypeError, match="non-negative"):
        MultiheadKernelAttention(E, H, kernel=Linear())
    with pytest.raises(TypeError, match="kernel must be a Kernel"):
        MultiheadKernelAttention(E, H, kernel="rbf")
    nested = torch.nested.nested_tensor([X[0], X[1, :2]], layout=torch.jagged)
    with pytest.raises(TypeError, match="nested"):
        MultiheadKernelAttention(E, H, batch_first=True)(nested, nested, nested)
