"""FlexAttention on the CPU, unfused, against the definition in float64; on CUDA: test_cuda.py."""

import math
from fractions import Fraction

import pytest
import torch
import torch.nn.attention.flex_attention as torchs
from attention_helpers import inputs, off, plain

from rkbs.attention import Dense, Flex, kernel_attention
from rkbs.attention.paths import flex
from rkbs.attention.paths._logits import logit_of
from rkbs.kernels import EDP, CappedEDP, Quadratic, Scaled, TaylorEDP


def series(order):
    return lambda s: sum(s**n / math.factorial(n) for n in range(order + 1))


HEADS = [0.2, 0.5, 1.1]


def of_heads(s):
    return (s + torch.tensor(HEADS, dtype=s.dtype)[:, None, None]).square()


KAPPA = {  # kernel, and κ written out
    "edp": (EDP(), torch.exp),
    "capped": (CappedEDP(2.0), lambda s: (2 * (s / 2).tanh()).exp()),
    "quadratic": (Quadratic(0.3), lambda s: (s + 0.3).square()),
    **{f"taylor-{n}": (TaylorEDP(n), series(n)) for n in (2, 4, 8, 10, 16)},
    "product": (Quadratic(HEADS) * EDP(), lambda s: of_heads(s) * s.exp()),
    "sum": (
        Scaled(TaylorEDP(4), 0.3) + Quadratic(HEADS),
        lambda s: 0.3 * series(4)(s) + of_heads(s),
    ),
    "zeros": (Quadratic(0.0) + 0.0 * Quadratic(0.5), torch.square),
}


@pytest.mark.parametrize("name", KAPPA)
def test_logits_are_the_logarithms_of_kernels(name):
    kernel, kappa = KAPPA[name]
    s = torch.linspace(-12.1, 12.2, 400, dtype=torch.float64).expand(3, 1, -1)
    right = kappa(s)
    slope = torch.autograd.functional.jvp(kappa, s, torch.ones_like(s))[1] / right
    for dtype, most in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        some = s.to(dtype).requires_grad_()
        found = []
        logit = logit_of(kernel, found)
        given = (torch.tensor(x, dtype=dtype).reshape(-1, 1, 1) for x in found)
        out = logit(some, tuple(given)).expand(s.shape)
        (gradient,) = torch.autograd.grad(out.sum(), some)
        assert (out.double().exp() / right - 1).abs().max() <= most / 10
        assert ((gradient.double() - slope).abs() <= most * (1 + slope.abs())).all()


def test_logits_at_zeros_and_beyond_the_range():
    s = torch.tensor([0.0, 1e-38, 3e19, -3e19], requires_grad=True)
    for kernel in (Quadratic(0.0), Quadratic(0.0) + Quadratic(0.0)):
        out = logit_of(kernel, [])(s, (torch.zeros(()),) * 2)
        (gradient,) = torch.autograd.grad(out.sum(), s)
        assert out[:2].tolist() == [-math.inf] * 2
        assert not gradient[:2].any()
        assert out[2:].isfinite().all()
        assert gradient.isfinite().all()
    for order in (2, 4, 8):
        for x in (1e5, -1e5, 3e5, -3e5, 1e20, -1e20):
            s = torch.tensor(x, requires_grad=True)
            exact = Fraction(float(s.detach()))
            total = sum(exact**n / math.factorial(n) for n in range(order + 1))
            below = sum(exact**n / math.factorial(n) for n in range(order))
            out = logit_of(TaylorEDP(order), [])(s, ())
            assert abs(float(out.detach()) - math.log(total)) <= 1e-6 * math.log(total)
            (gradient,) = torch.autograd.grad(out, s)
            assert abs(float(gradient) / float(below / total) - 1) <= 1e-6


def cases():
    generator = torch.Generator().manual_seed(4)
    allowed = torch.rand(2, 1, 9, 11, generator=generator) < 0.5
    allowed[0, :, 2], allowed[..., 7] = False, False
    bias = torch.randn(3, 1, 11, generator=generator, dtype=torch.float64)
    bias[..., 3] = -math.inf
    return {
        "none": ("product", {}),
        "causal": ("sum", {"is_causal": True}),
        "mask": ("quadratic", {"attn_mask": allowed}),
        "bias": ("taylor-10", {"attn_mask": bias}),
    }


def written_out(name, mask):
    kappa = KAPPA[name][1]
    return lambda q, k, v: plain(q, k, v, lambda q, k: kappa(q @ k.mT / q.shape[-1] ** 0.5), mask)


def with_gradients(function, tensors):
    leaves = [x.detach().clone().requires_grad_() for x in tensors]
    out = function(*leaves)
    return [out.detach(), *torch.autograd.grad(out.double().square().sum(), leaves)]


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("case", cases())
def test_values_and_the_gradients_of_torch(case, monkeypatch):
    """torch's own backward, which it has on the CPU, and there refuses to begin."""
    monkeypatch.setattr(torchs, "_validate_device", lambda *tensors: None)
    monkeypatch.setattr(flex, "_Once", Bare)
    flex._compiled.cache_clear()
    torch._dynamo.reset()
    name, options = cases()[case]
    q, k, v = inputs(2, 3, n=9, m=11)
    mask = options.get("attn_mask", torch.ones(9, 11, dtype=torch.bool).tril() if options else None)
    right = with_gradients(written_out(name, mask), (q, k, v))
    if case == "mask":
        k[..., 7, :], v[..., 7, :] = math.nan, math.nan  # a key that is hidden from all
    ours = with_gradients(
        lambda *x: kernel_attention(*x, KAPPA[name][0], path=Flex(), **options), (q, k, v)
    )
    for found, expected in zip(ours, right, strict=True):
        assert off(found, expected) <= 1e-11
    if case == "mask":
        assert not ours[0][0, :, 2].any()


class Bare:
    """In place of what keeps torch's graph from autograd's second pass."""

    @staticmethod
    def apply(call, plainly, *tensors):
        return call(*tensors)


def test_gradients_of_gradients_and_many_kinds():
    tensors = inputs(n=3, m=4, d=2, seed=7, requires_grad=True)
    allowed = torch.tensor([[True, True, False, True], [False] * 4, [True, False, True, True]])

    def ours(q, k, v):
        return kernel_attention(q, k, v, Quadratic(), attn_mask=allowed, path=Flex())

    assert torch.autograd.gradgradcheck(ours, tensors)
    for step in range(3):
        with torch.no_grad(), torch._dynamo.config.patch(recompile_limit=1):  # of one function
            found = kernel_attention(*tensors, Quadratic(), scale=0.1 + 0.1 * step, path=Flex())
        right = kernel_attention(*tensors, Quadratic(), scale=0.1 + 0.1 * step, path=Dense())
        assert off(found, right) <= 1e-12


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_and_leading_axes(dtype):
    q, k, v = (x.to(dtype) for x in inputs(2, 2, 3, n=9, m=11))
    k = k[:, :1]
    out = kernel_attention(q, k, v, KAPPA["product"][0], path=Flex())
    assert out.dtype == dtype
    right = written_out("product", None)(q, k, v)
    assert off(out, right) <= 4 * torch.finfo(dtype).eps
