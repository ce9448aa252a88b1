"""What a mask hides does not exist: neither values nor gradients depend on it."""

import math

import pytest
import torch
from attention_helpers import EQUAL, GRAMS, NONNEGATIVE, POSITIVE, WEIGHT, alike, inputs, off, plain

from rkbs.attention import kernel_attention
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    KeyNormBias,
    Laplace,
    LinearMap,
    PositiveFeatures,
    Precomputed,
    Quadratic,
    Scaled,
)


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)  # NaN at 0


ACCEPTED = {name: KERNELS[name] for name in sorted(POSITIVE | NONNEGATIVE | EQUAL)}
COMBINED = {
    "scaled": 0.5 * RBF(),
    "sum": 0.5 * EDP() + RBF(),
    "sum of both kinds": EDP() + Quadratic(),
    "product": (EDP() * EDP() * RBF()) + Laplace(),
    "product of both kinds": EDP() * Quadratic() * KERNELS["l2"],
    "pullback": RBF().pullback(WEIGHT, WEIGHT.T),
    "pullback to the sphere": EDP().pullback(unit, unit),
    "transpose": EDP().pullback(WEIGHT, None).T,
    "key norm of no logit": KeyNormBias(Quadratic(), 0.25),
    "positive features": PositiveFeatures(WEIGHT, WEIGHT[0], WEIGHT.T, WEIGHT[1]),
}
KINDS = ACCEPTED | COMBINED
MASKS = {  # the key 5 of 7 is hidden; shapes against (2, 3, 5, 7)
    "all": (slice(None), slice(None), slice(None)),
    "a batch": (1, slice(None), slice(None)),
    "a batch and head": (1, 2, slice(None)),
}
PADDINGS = (0.0, -1e30, 3e38, 1e308, math.inf, -math.inf, math.nan)


def logits_of(allowed, kernel):
    """The mask as it is, and as an additive mask for a kernel that has logits."""
    bias = torch.zeros(allowed.shape, dtype=torch.float64).masked_fill(~allowed, -math.inf)
    return [allowed, bias] if kernel.is_positive else [allowed]


def gram(name):
    """For ``plain``: written out where it is a kernel of the table."""
    return name if name in GRAMS else KINDS[name]


def run(tensors, kernel, mask, rows=slice(None)):
    leaves = [x.detach().clone().requires_grad_() for x in tensors]
    out = kernel_attention(*leaves, kernel, attn_mask=mask)[..., rows, :]
    return [out, *torch.autograd.grad(out.square().sum(), leaves)]


def test_every_kernel_and_class_of_the_algebra_is_here():
    seen, left = set(), list(KINDS.values())
    while left:
        kernel = left.pop()
        seen.add(type(kernel).__name__)
        left += [v for v in vars(kernel).values() if hasattr(v, "is_mercer")]
    assert seen >= {type(k).__name__ for k in ACCEPTED.values()}
    assert seen >= {"Scaled", "Sum", "Product", "Pullback", "Transpose"}


@pytest.mark.parametrize("where", MASKS)
@pytest.mark.parametrize("name", KINDS)
def test_a_key_hidden_from_all_queries_may_hold_anything(name, where):
    kernel, (batch, head, rows) = KINDS[name], MASKS[where]
    q, k, v = alike(name, *inputs(2, 3))
    allowed = torch.ones(2, 3, 5, 7, dtype=torch.bool)
    allowed[batch, head, rows, 5] = False
    exact = plain(q, k, v, gram(name), allowed)
    for mask in logits_of(allowed, kernel):
        expected = run((q, k, v), kernel, mask)
        assert off(expected[0], exact) <= 1e-12
        hidden = k.new_zeros(2, 3, 7, dtype=torch.bool)
        hidden[batch, head, 5] = True
        assert all((gradient[hidden] == 0).all() for gradient in expected[2:])
        for padding in PADDINGS:
            k[hidden], v[hidden] = padding, padding
            for found, right in zip(run((q, k, v), kernel, mask), expected, strict=True):
                assert torch.equal(found, right), padding
    keep = [0, 1, 2, 3, 4, 6]
    without = plain(q[1, 2], k[1, 2][keep], v[1, 2][keep], gram(name))
    assert off(expected[0][1, 2], without) <= 1e-12


@pytest.mark.parametrize(
    "shape", [(7,), (1, 7), (2, 1, 1, 7), (3, 1, 7), (2, 3, 1, 7), (2, 1, 5, 7)]
)
def test_masks_of_all_shapes_hide(shape):
    q, k, v = inputs()  # keys are shared by the batches and heads of the mask
    allowed = torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.7
    allowed[..., 5] = False
    for kernel in (EDP(), Quadratic()):
        for mask in logits_of(allowed, kernel):
            expected = run((q, k, v), kernel, mask) if len(shape) < 3 else None
            full = run([x.expand(2, 3, *x.shape) for x in (q, k, v)], kernel, mask)
            shown = allowed.expand(2, 3, 5, 7)
            right = plain(q, k, v, "edp" if kernel == EDP() else "quadratic", shown)
            assert off(full[0], right) <= 1e-13
            k[5], v[5] = math.nan, math.inf
            if expected:
                for found, right in zip(run((q, k, v), kernel, mask), expected, strict=True):
                    assert torch.equal(found, right)
            else:
                q3, k3, v3 = q.expand(2, 3, 5, 4), k, v
                assert (
                    kernel_attention(q3, k3, v3, kernel, attn_mask=mask) - full[0]
                ).abs().max() <= 1e-14
            k[5], v[5] = 0, 0


def test_a_shared_key_hidden_in_one_batch_only():
    q, k, v = inputs()
    k[5], v[5] = math.nan, math.nan
    allowed = torch.ones(2, 1, 7, dtype=torch.bool)
    allowed[0, :, 5] = False
    out = kernel_attention(q.expand(2, 5, 4), k, v, RBF(), attn_mask=allowed)
    keep = [0, 1, 2, 3, 4, 6]
    assert off(out[0], plain(q, k[keep], v[keep], "rbf")) <= 1e-14
    assert out[1].isnan().all()


@pytest.mark.parametrize("name", KINDS)
def test_queries_that_see_nothing_may_hold_anything(name):
    q, k, v = alike(name, *inputs())
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[3] = False
    for mask in logits_of(allowed, KINDS[name]):
        expected = run((q, k, v), KINDS[name], mask)
        assert (expected[0][3] == 0).all()
        assert off(expected[0], plain(q, k, v, gram(name), allowed)) <= 1e-12
        for padding in PADDINGS:
            q[3] = padding
            for found, right in zip(run((q, k, v), KINDS[name], mask), expected, strict=True):
                assert torch.equal(found, right)
        q = alike(name, *inputs())[0]


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_seen_at_all(name):
    q, k, v = (torch.full_like(x, math.nan) for x in inputs(2))
    allowed = torch.zeros(2, 1, 7, dtype=torch.bool)
    for result in run((q, k, v), KINDS[name], allowed):
        assert (result == 0).all()


def extremes(dtype):
    big = torch.finfo(dtype).max
    generator = torch.Generator().manual_seed(4)
    signs = torch.randn(4, generator=generator).sign().to(dtype)
    return [torch.full((4,), b, dtype=dtype) for b in (big, -big, 1e3, 1e19)] + [big * signs]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", KINDS)
def test_a_key_hidden_from_some_queries_may_hold_any_finite_number(name, dtype):
    kernel = KINDS[name]
    if name == "pullback to the sphere":  # its own norm overflows
        kernel = EDP().pullback(None, LinearMap(WEIGHT))
    q, k, v = alike(name, *inputs(dtype=dtype))
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[1:, 5] = False  # the query 0 sees it
    for mask in [allowed, *(m.to(dtype) for m in logits_of(allowed, kernel)[1:])]:
        q[0] = k[5] = inputs(dtype=dtype)[0][0]
        v[5] = 1.0
        expected = run((q, k, v), kernel, mask, slice(1, None))
        right = plain(q, k, v, gram(name) if kernel is KINDS[name] else kernel, allowed)[1:]
        assert off(expected[0], right) <= (1e-5 if dtype == torch.float32 else 1e-12)
        for extreme in extremes(dtype):
            for query in (q[0].clone(), extreme):
                q[0], k[5], v[5] = query, extreme, extreme[:3]
                found = run((q, k, v), kernel, mask, slice(1, None))
                for ours, right in zip(found, expected, strict=True):
                    assert torch.equal(ours, right)


MAKERS = {
    "scaled": lambda c: Scaled(EDP(), c) + RBF(c),
    "mapped": lambda c: EDP().pullback(None, c * WEIGHT.float()),
    "key-norm": lambda c: KeyNormBias(EDP(), c),
}


@pytest.mark.parametrize(
    "kernel", [*MAKERS, "rbf", "l2", "laplace", "cauchy", "quadratic", "capped"]
)
def test_hidden_pairs_do_not_reach_the_gradients_of_parameters(kernel):
    q, k, v = inputs(dtype=torch.float32)
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[1:, 5] = False
    make = MAKERS.get(kernel, type(KERNELS.get(kernel)))
    gradients = []

    def squares(c):
        return float(plain(q, k, v, make(c), allowed)[1:].square().sum())

    slope = (squares(0.7 + 1e-3) - squares(0.7 - 1e-3)) / 2e-3  # of maps rounded to float32
    for extreme in [k[5].clone(), *extremes(torch.float32)]:
        k[5] = extreme
        c = torch.tensor(0.7, requires_grad=True)
        kernel_attention(q, k, v, make(c), attn_mask=allowed)[1:].square().sum().backward()
        gradients.append(c.grad)
    assert all(torch.equal(g, gradients[0]) for g in gradients)
    assert abs(float(gradients[0]) - slope) <= 1e-3 * max(abs(slope), 0.1)


def test_hidden_indices_need_not_be_indices():
    kernel = Precomputed([[1.0, 2.0], [3.0, 4.0]])
    i, j = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [math.nan]])
    allowed = torch.tensor([True, False])
    out = kernel_attention(i, j, torch.tensor([[5.0], [math.nan]]), kernel, attn_mask=allowed)
    assert (out == 5).all()


def test_a_key_of_any_padding():
    q, k, v = inputs(dtype=torch.float32)
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[:, 5] = False
    right = plain(q, k[[0, 1, 2, 3, 4, 6]], v[[0, 1, 2, 3, 4, 6]], "rbf")
    for padding in (0.0, 1e2, 1e3, 1e4):
        k[5] = padding
        assert (kernel_attention(q, k, v, RBF(), attn_mask=allowed) - right).abs().max() <= 1e-6
