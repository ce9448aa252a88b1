"""Attention in half precision, and against torch's own, on the same rounded inputs."""

import numpy as np
import pytest
import torch
from attention_helpers import NONNEGATIVE, POSITIVE, inputs, off, plain
from scipy.special import softmax
from torch.nn.functional import scaled_dot_product_attention

from rkbs.attention import kernel_attention
from rkbs.kernels import EDP, KERNELS, RBF, Laplace, Quadratic

HALF = [torch.float16, torch.bfloat16]
every_half = pytest.mark.parametrize("dtype", HALF, ids=str)


def exact(q, k, v, kernel, bias=0.0):
    """In float64 numpy."""
    q, k, v = (x.double().numpy() for x in (q, k, v))
    if kernel.is_positive:
        return softmax(kernel.log(q, k) + np.asarray(bias, float), -1) @ v
    weights = kernel(q, k)
    return weights / weights.sum(-1, keepdims=True) @ v


def ulp(x, dtype):
    """The spacing of the dtype at the largest of x."""
    return torch.finfo(dtype).eps * 2.0 ** np.floor(np.log2(abs(x).max()))


def error(found, expected):
    return np.abs(found.double().numpy() - expected).max()


def bound(q, k, v, output, bias=None):
    """3 × (the error of torch's attention, EDP's, on these inputs + one ulp of the output)."""
    theirs = scaled_dot_product_attention(q, k, v, attn_mask=bias)
    right = exact(q, k, v, EDP(), 0.0 if bias is None else bias.double().numpy())
    return 3 * (error(theirs, right) + ulp(output, q.dtype))


@every_half
@pytest.mark.parametrize("m", [16, 4096])
@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_every_kernel_in_half_precision(name, m, dtype):
    generator = torch.Generator().manual_seed(0)
    sizes = (8, 64), (m, 64), (m, 5)
    q, k, v = (torch.randn(s, generator=generator).to(dtype) for s in sizes)
    out = kernel_attention(q, k, v, KERNELS[name])
    assert out.dtype == dtype
    right = exact(q, k, v, KERNELS[name])
    assert error(out, right) <= bound(q, k, v, right)


BIASES = {  # softmax sees no constant added to a row
    **{f"{c:g}": lambda shape, c=c: torch.full(shape, c) for c in (0.0, -100.0, -1000.0, 3e4)},
    "rows": lambda shape: torch.linspace(-1000, 1000, shape[0])[:, None].expand(shape),
    "random": lambda shape: 50 * torch.randn(shape, generator=torch.Generator().manual_seed(1)),
}


@every_half
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("name", sorted(POSITIVE))
def test_biases_in_half_precision(name, bias, dtype):
    q, k, v = (x.to(dtype) for x in inputs(n=16, m=64, d=64, dtype=torch.float32))
    mask = BIASES[bias]((16, 64)).to(dtype)
    right = exact(q, k, v, KERNELS[name], mask.double().numpy())
    assert error(kernel_attention(q, k, v, KERNELS[name], attn_mask=mask), right) <= bound(
        q, k, v, right, mask
    )
    assert torch.equal(
        kernel_attention(q, k, v, KERNELS[name], attn_mask=mask),
        kernel_attention(q, k, v, KERNELS[name], attn_mask=mask.float()),
    )


@every_half
@pytest.mark.parametrize("c", [0.0, -100.0, -1000.0])
def test_a_constant_bias_changes_nothing(c, dtype):
    q, k, v = (x.to(dtype) for x in inputs(1, 2, n=16, m=16, d=64, dtype=torch.float32))
    right = scaled_dot_product_attention(q.double(), k.double(), v.double()).numpy()
    mask = torch.full((16, 16), c, dtype=dtype)
    theirs = error(scaled_dot_product_attention(q, k, v, attn_mask=mask), right)
    assert error(kernel_attention(q, k, v, attn_mask=mask), right) <= 3 * (
        theirs + ulp(right, dtype)
    )


@every_half
def test_sums_beyond_the_range_of_half_precision(dtype):
    generator = torch.Generator().manual_seed(0)
    q = (3 * torch.randn(2, 64, generator=generator)).to(dtype)
    k = (3 * torch.randn(4096, 64, generator=generator)).to(dtype)
    assert Quadratic()(q.float(), k.float()).sum() > torch.finfo(torch.float16).max
    for name in sorted(POSITIVE | NONNEGATIVE):
        assert (kernel_attention(q, k, torch.ones(4096, 1, dtype=dtype), KERNELS[name]) == 1).all()


@every_half
@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_values_beyond_the_range_of_half_precision(name, dtype):
    q, k, v = (x.to(dtype) for x in inputs(n=4, m=9, d=64, dtype=torch.float32))
    q, k = 30 * q, 30 * k  # of logits and of kernel values up to 1e7
    right = exact(q, k, v, KERNELS[name])
    assert error(kernel_attention(q, k, v, KERNELS[name]), right) <= 3 * ulp(right, dtype)


@pytest.mark.parametrize("size", [1e15, 1e19, 1e30, 3e37])
@pytest.mark.parametrize("name", sorted(POSITIVE))
def test_points_of_any_size_give_finite_weights_and_gradients(name, size):
    q, k, v = inputs(dtype=torch.float32)
    tensors = [x.requires_grad_() for x in (size * q, size * k, v)]
    weights = kernel_attention(*tensors[:2], torch.eye(7), KERNELS[name])
    assert (weights >= 0).all()
    assert (weights.sum(-1) - 1).abs().max() <= 1e-6
    out = kernel_attention(*tensors, KERNELS[name])
    assert out.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(out.square().sum(), tensors))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_sums_beyond_the_range_are_scaled(dtype):
    q = torch.full((1, 4), (0.24 * torch.finfo(dtype).max ** 0.5) ** 0.5, dtype=dtype)
    k = q * torch.tensor([[1.0], [2.0], [2.0], [2.0]], dtype=dtype)
    values = Quadratic()(q, k)
    assert values.isfinite().all()
    assert values.sum().isinf()
    weights = kernel_attention(q, k, torch.eye(4, dtype=dtype), Quadratic())
    right = torch.tensor([1.0, 4, 4, 4], dtype=dtype) / 13
    assert (weights - right).abs().max() <= 4 * torch.finfo(dtype).eps


LOGLESS = {name: KERNELS[name] for name in sorted(NONNEGATIVE)} | {"product": EDP() * Quadratic()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", LOGLESS)
def test_overflow_of_kernels_without_a_logit_is_nan_and_nothing_else_is(name, dtype):
    tensors = inputs(n=5, m=7, d=4, dtype=dtype)
    tensors[0][2] *= torch.finfo(dtype).max ** 0.75
    results = []
    for rows in (slice(None), [0, 1, 3, 4]):
        q, k, v = (x.clone().requires_grad_() for x in tensors)
        out = kernel_attention(q[rows], k, v, LOGLESS[name])
        kept = out[[0, 1, 3, 4]] if len(out) == 5 else out
        results.append([kept, *torch.autograd.grad(kept.square().sum(), (q, k, v))])
        if len(out) == 5:
            assert out[2].isnan().all()
        right = plain(tensors[0][[0, 1, 3, 4]], *tensors[1:], LOGLESS[name])
        assert off(kept, right) <= 20 * torch.finfo(dtype).eps
    for found, right in zip(*results, strict=True):
        assert found.isfinite().all()
        assert (found - right).abs().max() <= 1e-5 * right.abs().max()


@pytest.mark.parametrize("name", sorted(NONNEGATIVE))
def test_a_sum_with_a_kernel_without_a_logit_has_one(name):
    q, k, v = (8 * x for x in inputs(n=5, m=7, d=16, dtype=torch.float32))
    k[0] = q[0]  # where the distance is zero
    kernel = 0.5 * KERNELS[name] + 0 * RBF() + EDP()
    wide_q, wide_k = q.double().numpy(), k.double().numpy()
    logits = (wide_q @ wide_k.T / 4).astype(np.longdouble)
    weights = np.exp(logits) + 0.5 * KERNELS[name](wide_q, wide_k)
    assert weights.max() > np.finfo("float32").max
    right = (weights / weights.sum(-1, keepdims=True)).astype(float) @ v.double().numpy()
    for dtype, most in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        tensors = [x.to(dtype).requires_grad_() for x in (q, k, v)]
        out = kernel_attention(*tensors, kernel)
        assert error(out.detach(), right) <= most
        gradients = torch.autograd.grad(out.square().sum(), tensors, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in gradients), tensors)
        assert all(g.isfinite().all() for g in (*gradients, *second))


@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
def test_autocast_does_not_round_logits(dtype):
    q, k, v = (x.to(dtype) for x in inputs(n=16, m=16, d=64, dtype=torch.float32))
    for kernel in (EDP(), RBF(), Laplace().pullback(torch.eye(64), None)):
        expected = kernel_attention(q, k, v, kernel)
        right = plain(q, k, v, kernel).numpy()
        assert error(expected, right) <= 4 * max(ulp(right, dtype), 1e-6)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(kernel_attention(q, k, v, kernel), expected)


TOLERANCE = {torch.float64: 1e-13, torch.float32: 2e-6}


@pytest.mark.parametrize("dtype", [*TOLERANCE, *HALF], ids=str)
@pytest.mark.parametrize("scale", [1.0, 8.0])
@pytest.mark.parametrize("kind", ["none", "causal", "padding", "rows", "bias", "both"])
def test_edp_is_the_attention_of_torch(kind, scale, dtype):
    q, k, v = (x.to(dtype) for x in inputs(2, 3, n=12, m=12, d=16, dtype=torch.float64))
    q = scale * q
    bias = 3 * torch.randn(12, 12, generator=torch.Generator().manual_seed(1)).to(dtype)
    causal = torch.ones(12, 12, dtype=torch.bool).tril()
    rows = causal.clone()
    rows[[0, 5]] = False  # rows that see nothing
    padding = torch.ones(2, 1, 1, 12, dtype=torch.bool)
    padding[1, ..., 7:] = False
    both = bias.masked_fill(~rows, -torch.inf)
    masks = {"none": None, "causal": causal, "rows": rows, "padding": padding, "bias": bias}
    mask = (masks | {"both": both})[kind]
    wide = mask if mask is None or mask.dtype == torch.bool else mask.double()
    right = scaled_dot_product_attention(q.double(), k.double(), v.double(), attn_mask=wide)
    theirs = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    out = kernel_attention(q, k, v, attn_mask=mask)
    allowed = 3 * (error(theirs, right.numpy()) + ulp(right.numpy(), dtype))
    assert error(out, right.numpy()) <= allowed
    assert error(out, theirs.double().numpy()) <= TOLERANCE.get(dtype, 2 * allowed)
    if kind == "rows":
        assert (out[..., [0, 5], :] == 0).all()
    if kind == "causal":
        causal = scaled_dot_product_attention(q, k, v, is_causal=True)
        assert error(out, causal.double().numpy()) <= TOLERANCE.get(dtype, 2 * allowed)


@every_half
@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_gradients_in_half_precision_are_those_of_float32(name, dtype):
    halves = [x.to(dtype).requires_grad_() for x in inputs(n=8, m=12, d=16, dtype=torch.float32)]
    singles = [x.detach().float().requires_grad_() for x in halves]
    weights = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)).to(dtype)
    for tensors in (halves, singles):
        kernel_attention(*tensors, KERNELS[name]).backward(weights.to(tensors[0].dtype))
    doubles = [x.detach().double().requires_grad_() for x in halves]
    plain(*doubles, name).backward(weights.double())
    for half, single, double in zip(halves, singles, doubles, strict=True):
        assert torch.equal(half.grad, single.grad.to(dtype))
        if double.grad.any():  # uniform weights know no queries and keys
            assert off(single.grad, double.grad) <= 1e-5
        else:
            assert name == "constant"
            assert not single.grad.any()
