"""Attention on CUDA, by the paths that are chosen there, against the definition in float64."""

import math

import pytest
import torch
from attention_helpers import KERNELS_OF_DOTS, NONNEGATIVE, POSITIVE, inputs, off, plain

from rkbs.attention import (
    Blocked,
    Dense,
    Flex,
    Fused,
    MultiheadKernelAttention,
    attention_path,
    kernel_attention,
)
from rkbs.kernels import EDP, KERNELS, RBF, Laplace, Quadratic, TaylorEDP

pytestmark = [
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="no CUDA device: what is compiled for one cannot run"
    ),
    pytest.mark.filterwarnings("default"),  # torch's compiler warns of itself
]
DTYPES = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
IN_HALF = dict.fromkeys(("quadratic", "taylor-4", "capped"), Flex())
"""The paths of many weights in half precision; of EDP ``Fused``, of the others ``Blocked``."""


def expected(name, dtype):
    if name == "edp":
        return Fused()
    return Blocked() if dtype == torch.float32 else IN_HALF.get(name, Blocked())


def points(dtype, n=192, m=200, d=16):
    """2 heads, of more weights than are computed at once; what the dtype holds."""
    return [x.to(dtype) for x in inputs(1, 2, n=n, m=m, d=d, dtype=torch.float32)]


def on_cuda(tensors, kernel, dtype, **options):
    """The output and the gradients."""
    leaves = [x.to("cuda", dtype).requires_grad_() for x in tensors]
    options = {k: x.cuda() if isinstance(x, torch.Tensor) else x for k, x in options.items()}
    out = kernel_attention(*leaves, kernel, **options)
    assert out.dtype == dtype
    return [x.cpu() for x in (out.detach(), *gradients(out, leaves))]


def on_cpu(tensors, kernel, mask=None):
    """The same in float64."""
    leaves = [x.double().requires_grad_() for x in tensors]
    out = plain(*leaves, kernel, mask)
    return [out.detach(), *gradients(out, leaves)]


def gradients(out, leaves):
    """Of a linear function, so that it does not multiply what rounding did to the output."""
    weights = torch.linspace(-1, 1, out.numel()).reshape(out.shape).to(out.device, out.dtype)
    found = torch.autograd.grad((out * weights).sum(), leaves, allow_unused=True)
    zeros = (torch.zeros_like(x) for x in leaves)
    return [z if g is None else g for g, z in zip(found, zeros, strict=True)]


def near(found, expected, most):
    for ours, right in zip(found, expected, strict=True):
        if right.abs().max() > 1e-12:
            assert off(ours, right) <= most
        else:  # uniform weights know no queries and keys
            assert ours.abs().max() <= 1e-6


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_every_kernel_by_the_path_that_is_chosen(name, dtype):
    tensors, kernel = points(dtype), KERNELS[name]
    chosen = attention_path(*(x.cuda() for x in tensors), kernel)
    assert chosen == expected(name, dtype)
    near(on_cuda(tensors, kernel, dtype), on_cpu(tensors, name), DTYPES[dtype])


PATHS = [
    (EDP(), Fused()),
    (RBF(), Fused()),
    (Quadratic([0.3, 0.8]) + 0.5 * TaylorEDP(10), Flex()),
    (Laplace(), Blocked()),
    (Laplace(), Dense()),
]


@pytest.mark.parametrize(("kernel", "path"), PATHS, ids=repr)
def test_masks_are_never_lost(kernel, path):
    tensors = points(torch.float32)
    allowed = torch.rand(192, 200, generator=torch.Generator().manual_seed(5)) < 0.6
    allowed[3], allowed[:, 7], allowed[1:, 5] = False, False, False
    allowed[0, 5] = True
    rows = slice(1, None)
    right = on_cpu(tensors, kernel, allowed)[0][..., rows, :]
    before = on_cuda(tensors, kernel, torch.float32, attn_mask=allowed, path=path)
    assert off(before[0][..., rows, :], right) <= 1e-4
    assert not before[0][..., 3, :].any()
    q, k, v = (x.clone() for x in tensors)
    k[..., 7, :], v[..., 7, :] = math.nan, math.nan  # hidden from all
    after = on_cuda((q, k, v), kernel, torch.float32, attn_mask=allowed, path=path)
    for ours, theirs in zip(after, before, strict=True):
        assert off(ours, theirs) <= 1e-6
    assert not after[2][..., 7, :].any()
    far = Fused() == path and isinstance(kernel, RBF)  # a product of points at 1e4 cancels
    k[..., 5, :], v[..., 5, :] = (10.0 if far else 1e4), 1e4  # hidden from all but the first
    again = on_cuda((q, k, v), kernel, torch.float32, attn_mask=allowed, path=path)
    assert off(again[0][..., rows, :], right) <= 1e-4
    assert all(x.isfinite().all() for x in again)


@pytest.mark.parametrize(
    ("kernel", "path"), [(EDP(), Fused()), (TaylorEDP(8), Flex()), (Laplace(), Blocked())], ids=repr
)
def test_causal(kernel, path):
    tensors = points(torch.float32, m=192)
    causal = torch.ones(192, 192, dtype=torch.bool).tril()
    found = on_cuda(tensors, kernel, torch.float32, is_causal=True, path=path)
    near(found, on_cpu(tensors, kernel, causal), 2e-4)


def test_additive_masks_and_float16():
    tensors = points(torch.float16)
    bias = torch.randn(2, 192, 200, generator=torch.Generator().manual_seed(6))
    bias = bias.masked_fill(bias > 0.8, -math.inf)
    cases = (TaylorEDP(4), Flex(), bias), (EDP(), Fused(), bias), (EDP(), Fused(), bias.half())
    for kernel, path, mask in cases:
        found = on_cuda(tensors, kernel, torch.float16, attn_mask=mask, path=path)
        near(found, on_cpu(tensors, kernel, mask), 1e-2)


def test_shapes_that_change_and_gradients_of_gradients():
    """Compiled anew for shapes, never unfused without a word."""
    for n, m in ((257, 300), (1000, 90), (20, 4000)):
        tensors = points(torch.float32, n, m)
        found = on_cuda(tensors, Quadratic(), torch.float32, path=Flex())
        near(found, on_cpu(tensors, "quadratic"), 2e-4)
    leaves = [x.cuda().requires_grad_() for x in points(torch.float32, 150, 140)]
    twice = []
    for path in (Flex(), Dense()):
        out = kernel_attention(*leaves, Quadratic(), path=path)
        first = torch.autograd.grad(out.square().sum(), leaves, create_graph=True)
        twice.append(torch.autograd.grad(sum(x.square().sum() for x in first), leaves))
        out = kernel_attention(*leaves, Quadratic(), path=path)
        passes = [torch.autograd.grad(out.sum(), leaves, retain_graph=True) for _ in range(2)]
        for one, other in zip(*passes, strict=True):
            assert torch.allclose(one, other, atol=1e-5)
    for ours, theirs in zip(*twice, strict=True):
        assert off(ours, theirs) <= 1e-3


def test_a_module_compiled_as_a_whole():
    torch.manual_seed(0)
    module = MultiheadKernelAttention(32, 2, kernel=TaylorEDP(4), device="cuda")
    x = torch.randn(2, 300, 32, device="cuda")
    with torch.no_grad():
        right = module(x, x, x, need_weights=True)[0]  # by the dense path
        compiled = torch.compile(module)(x, x, x, need_weights=False)[0]
    assert off(compiled, right) <= 1e-4


def test_kernels_of_dots_are_named_where_flex_takes_them():
    """So that a kernel that is new in the table is thought of here."""
    tensors = [x.cuda() for x in points(torch.bfloat16)]
    for name in sorted(KERNELS_OF_DOTS & (POSITIVE | NONNEGATIVE)):
        assert attention_path(*tensors, KERNELS[name]) == expected(name, torch.bfloat16), name


def test_many_sizes_share_one_code(monkeypatch):
    from rkbs.attention.paths import flex

    monkeypatch.setattr(flex, "_SIZES", 1)
    for n in (300, 301, 333):
        tensors = points(torch.float32, n)
        found = on_cuda(tensors, Quadratic(0.7), torch.float32, path=Flex())
        near(found, on_cpu(tensors, Quadratic(0.7)), 2e-4)
