import dataclasses
import subprocess
import sys

import pytest
import torch
from attention_helpers import (
    EQUAL,
    NONNEGATIVE,
    POSITIVE,
    REFUSED,
    alike,
    inputs,
    masks,
    off,
    plain,
)
from torch.nn.functional import scaled_dot_product_attention

from rkbs.attention import kernel_attention
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    CappedEDP,
    Cauchy,
    Constant,
    ExponentiatedIntersection,
    Identity,
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    Quadratic,
    TaylorEDP,
)

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def by_definition(q, k, v, kernel):
    """The weighted means, one query at a time, from the kernel's numpy values."""
    gram = torch.from_numpy(kernel(q.numpy(), k.numpy()))
    return torch.stack([(row[:, None] * v).sum(0) / row.sum() for row in gram])


def test_the_table_of_kernels_is_complete():
    assert set(KERNELS) == POSITIVE | NONNEGATIVE | EQUAL | REFUSED


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
@pytest.mark.parametrize("mask", ["none", "bool", "bias", "infinite", "causal"])
def test_edp_is_scaled_dot_product_attention(dtype, shape, mask):
    q, k, v = inputs(*shape, dtype=dtype)
    chosen = masks(5, 7, dtype)[mask]
    expected = scaled_dot_product_attention(q, k, v, attn_mask=chosen)
    out = kernel_attention(q, k, v, attn_mask=chosen)
    assert out.dtype == dtype
    assert out.shape == expected.shape
    assert (out - expected).abs().max() <= TOLERANCE[dtype]
    if mask in ("bool", "infinite"):
        assert (out[..., 2, :] == 0).all()
        assert (expected[..., 2, :] == 0).all()


@pytest.mark.parametrize("mask", ["bool", "infinite"])
def test_masked_gradients_are_those_of_torch(mask):
    chosen = masks(5, 7, torch.float64)[mask]
    gradients = []
    for function in (kernel_attention, scaled_dot_product_attention):
        tensors = inputs(2, requires_grad=True)
        function(*tensors, attn_mask=chosen).square().sum().backward()
        gradients.append([x.grad for x in tensors])
    for ours, theirs in zip(*gradients, strict=True):
        assert torch.isfinite(ours).all()
        assert (ours - theirs).abs().max() <= 1e-12


def test_masks_broadcast_over_heads():
    q, k, v = inputs(2, 3)
    padding = torch.tensor([[True] * 7, [True] * 4 + [False] * 3])[:, None, None, :]
    out = kernel_attention(q, k, v, RBF(), attn_mask=padding)
    assert torch.equal(
        out[0], kernel_attention(q[0], k[0], v[0], RBF(), attn_mask=torch.ones(1, 7).bool())
    )
    assert off(out[0], plain(q[0], k[0], v[0], "rbf")) <= 1e-14
    assert off(out[1], plain(q[1], k[1, :, :4], v[1, :, :4], "rbf")) <= 1e-14


@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_rows_are_weighted_means(name):
    q, k, v = inputs()
    out = kernel_attention(q, k, v, KERNELS[name])
    assert off(out, by_definition(q, k, v, KERNELS[name])) <= 1e-13
    assert off(out, plain(q, k, v, name)) <= 1e-13
    batched = kernel_attention(q.expand(2, 5, 4), k, v, KERNELS[name])
    assert (batched - out).abs().max() <= 1e-15


@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_boolean_masks_drop_keys_for_every_kernel(name):
    q, k, v = inputs()
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask[0, 4:] = False
    mask[3] = False
    out = kernel_attention(q, k, v, KERNELS[name], attn_mask=mask)
    assert (out[0] - kernel_attention(q[:1], k[:4], v[:4], KERNELS[name])[0]).abs().max() <= 1e-14
    assert off(out[0], plain(q[:1], k[:4], v[:4], name)[0]) <= 1e-13
    assert off(out[[1, 2, 4]], plain(q[[1, 2, 4]], k, v, name)) <= 1e-13
    assert (out[3] == 0).all()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_kernels_that_change_sign_are_refused_by_name(name):
    with pytest.raises(TypeError, match=type(KERNELS[name]).__name__):
        kernel_attention(*inputs(), KERNELS[name])


def test_kernels_of_unknown_sign_are_refused():
    with pytest.raises(TypeError, match="Scaled"):
        kernel_attention(*inputs(), -1.0 * EDP())
    with pytest.raises(TypeError, match="Sum"):
        kernel_attention(*inputs(), EDP() + Linear())


def test_sums_products_and_pullbacks_of_kernels():
    q, k, v = inputs()
    wide = torch.cat([k, k], dim=-1)
    half = torch.eye(4, dtype=torch.float64).repeat(1, 2) / 2
    pulled = kernel_attention(q, wide, v, EDP().pullback(None, half))
    assert (pulled - kernel_attention(q, k, v)).abs().max() <= 1e-14
    both = EDP() * RBF() + Laplace()
    assert (kernel_attention(q, k, v, both) - by_definition(q, k, v, both)).abs().max() <= 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", sorted(POSITIVE - {"constant"} | {"quadratic", "l2"}))
def test_logits_of_ten_thousand(dtype, name):
    # q·k/√d = ±1e4: e^1e4 overflows float64, and its reciprocal underflows.
    q = torch.full((2, 4), 100.0, dtype=dtype) * torch.tensor([[1.0], [-1.0]], dtype=dtype)
    k = torch.tensor([[50.0] * 4, [-50.0] * 4, [25.0] * 4], dtype=dtype)
    assert EDP().log(q, k).abs().max() == 1e4
    v = torch.eye(3, dtype=dtype)
    weights = kernel_attention(q, k, v, KERNELS[name])
    assert torch.isfinite(weights).all()
    assert (weights >= 0).all()
    assert (weights.sum(-1) - 1).abs().max() <= TOLERANCE[dtype]
    unknown = {"ei": [0, None], "quadratic": [None, None], "capped": [None, None]}
    expected = ({"l2": [1, 0]} | unknown).get(name, [0, 1])
    for row, winner in zip(weights, expected, strict=True):
        if winner is not None:
            assert row.argmax() == winner
            assert row[winner] == 1 or name in ("l2", "taylor-4", "cauchy")
    if name == "capped":  # logits of ±1
        right = torch.tensor([[1.0, -1, 1], [-1, 1, -1]], dtype=dtype).softmax(-1)
        assert (weights - right).abs().max() <= TOLERANCE[dtype]
    if name == "ei":  # min(q, k) = q for all three keys
        assert (weights[1] - 1 / 3).abs().max() <= TOLERANCE[dtype]


def test_ten_thousand_with_masks_is_torch():
    q, k, v = inputs(dtype=torch.float32)
    q = q * (1e4 / EDP().log(q, k).abs().max())
    for mask in masks(5, 7, torch.float32).values():
        expected = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        assert torch.isfinite(expected).all()
        assert (kernel_attention(q, k, v, attn_mask=mask) - expected).abs().max() <= 2e-6


# Against float64 on the same, rounded inputs: a few roundings of the logits, of size up to 10, of
# the weights and of the result.
ROUNDED = {torch.float32: 2e-5, torch.float16: 2e-2, torch.bfloat16: 1e-1}


@pytest.mark.parametrize("offset", [0.0, 10.0, 1000.0])
@pytest.mark.parametrize("dtype", ROUNDED, ids=str)
@pytest.mark.parametrize("name", ["rbf", "l2", "laplace", "cauchy"])
def test_attention_far_from_the_origin(name, dtype, offset):
    q, k, v = (x.to(dtype) for x in inputs(2, n=16, m=32))
    q, k = q + offset, k + offset
    exact = plain(q, k, v, name)
    assert off(kernel_attention(q.double(), k.double(), v.double(), KERNELS[name]), exact) <= 1e-12
    out = kernel_attention(q, k, v, KERNELS[name])
    assert out.dtype == dtype
    assert (out - exact).abs().max() <= ROUNDED[dtype]


def test_large_float16_products_do_not_overflow():
    generator = torch.Generator().manual_seed(0)
    q = (60 * torch.randn(8, 64, generator=generator)).half()
    k = torch.cat([q, -q])
    v = torch.randn(16, 3, generator=generator).half()
    assert (q.double() @ k.double().T).abs().max() > 2 * torch.finfo(torch.float16).max
    expected = scaled_dot_product_attention(q, k, v)
    assert expected.isfinite().all()
    assert (kernel_attention(q, k, v) - expected).abs().max() <= 1e-3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE))
def test_half_precision_with_gradients(name, dtype):
    halves = [x.to(dtype).requires_grad_() for x in inputs(2)]
    doubles = [x.detach().double().requires_grad_() for x in halves]
    out, exact = kernel_attention(*halves, KERNELS[name]), plain(*doubles, name)
    assert out.dtype == dtype
    assert off(kernel_attention(*doubles, KERNELS[name]), exact) <= 1e-12
    assert (out - exact).abs().max() <= ROUNDED[dtype]
    for x, y in ((out, halves), (exact, doubles)):
        x.square().sum().backward()
        assert all(z.grad.dtype == x.dtype for z in y)
    for half, double in zip(halves, doubles, strict=True):
        error = (half.grad - double.grad).abs().max()
        assert error <= ROUNDED[dtype] * double.grad.abs().max()
        assert name == "constant" or double.grad.any()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_key_that_is_not_finite_leaves_the_other_logits_alone(bad):
    q, k, _ = inputs()
    logits = -(torch.cdist(q, k) ** 2) / 2
    k[3, 1] = bad
    found = RBF().log(q, k)
    kept = [0, 1, 2, 4, 5, 6]
    assert (found[:, kept] - logits[:, kept]).abs().max() <= 1e-13
    assert not found[:, 3].isfinite().any()


@pytest.mark.parametrize("tau", [0.3, 2.0])
def test_normalized_rbf_is_edp_with_a_key_bias(tau):
    q, k, v = inputs(2, seed=4)
    bias = -tau * (k * k).sum(-1)[..., None, :] / 4**0.5  # (2, 1, 7)
    out = kernel_attention(2 * tau * q, k, v, EDP(), attn_mask=bias)
    assert off(out, plain(tau**0.5 * q, tau**0.5 * k, v, "rbf")) <= 1e-13
    assert (kernel_attention(q, k, v, RBF(tau)) - out).abs().max() <= 1e-13


def test_normalized_intersection_is_laplace_with_a_key_bias():
    q, k, v = inputs(2, seed=5)
    bias = k.sum(-1)[..., None, :] / 2  # (2, 1, 7)
    out = kernel_attention(q, k, v, Laplace(0.5), attn_mask=bias)
    exact = kernel_attention(q, k, v, ExponentiatedIntersection())
    assert off(exact, plain(q, k, v, "ei")) <= 1e-13
    assert (exact - out).abs().max() <= 1e-13
    without = kernel_attention(q, k, v, Laplace(0.5))
    assert (exact - without).abs().max() > 1e-2


def test_normalization_hides_a_factor_per_query_and_no_more():
    q, k, v = inputs(seed=6)
    shift = torch.randn(5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = plain(q, k, v)
    assert off(kernel_attention(q, k, v, 7.5 * EDP()), expected) <= 1e-14
    assert off(kernel_attention(q, k, v, attn_mask=shift), expected) <= 1e-14
    assert off(kernel_attention(q, k, v, attn_mask=torch.randn(5, 7).double()), expected) > 0.01


def test_a_row_of_zero_weights_is_zero_with_finite_gradients():
    q = torch.tensor([[0.0, 0.0], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    k = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    v = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
    out = kernel_attention(q, k, v, L2Distance())
    out.sum().backward()
    assert (out[0] == 0).all()
    assert (out[1] - 1).abs().max() <= 1e-15
    assert all(torch.isfinite(x.grad).all() for x in (q, k, v))


@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE | EQUAL))
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(name, masked):
    mask = masks(3, 4, torch.float64)["bool"] if masked else None
    if masked:
        mask[0, 0] = True  # where the vectors that are alike see each other
    tensors = alike(name, *inputs(n=3, m=4, d=2, seed=7, requires_grad=True))
    assert (
        off(kernel_attention(*tensors, KERNELS[name], attn_mask=mask), plain(*tensors, name, mask))
        <= 1e-13
    )
    assert torch.autograd.gradcheck(
        lambda *x: kernel_attention(*x, KERNELS[name], attn_mask=mask), tensors
    )


@pytest.mark.parametrize("name", sorted(POSITIVE | NONNEGATIVE | EQUAL))
def test_gradients_of_gradients(name):
    mask = torch.tensor([[True, True, False], [True, False, True]])
    tensors = alike(name, *inputs(n=2, m=3, d=2, seed=7, requires_grad=True))
    assert (
        off(kernel_attention(*tensors, KERNELS[name], attn_mask=mask), plain(*tensors, name, mask))
        <= 1e-13
    )
    check = torch.autograd.gradgradcheck
    assert check(lambda *x: kernel_attention(*x, KERNELS[name], attn_mask=mask), tensors)


@pytest.mark.parametrize(
    ("kernel", "field"),
    [
        *((kernel, "tau") for kernel in (RBF(), L2Distance(), Laplace(), Cauchy())),
        (KeyNormBias(EDP()), "tau"),
        (Quadratic(), "gamma"),
        (CappedEDP(), "cap"),
    ],
)
def test_gradients_of_kernel_parameters(kernel, field):
    q, k, v = inputs(n=3, m=4, d=2, seed=8)
    parameter = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def out(value):
        return kernel_attention(q, k, v, dataclasses.replace(kernel, **{field: value}))

    assert off(out(parameter), plain(q, k, v, dataclasses.replace(kernel, **{field: 0.7}))) <= 1e-13
    assert torch.autograd.gradcheck(out, (parameter,))
    (gradient,) = torch.autograd.grad(out(parameter).square().sum(), parameter)
    # A factor of the distance drops out of the normalized rows.
    assert (abs(gradient) < 1e-12) == isinstance(kernel, L2Distance)


def test_gradients_of_a_learned_bias():
    q, k, v = inputs(n=3, m=4, d=2)
    bias = inputs(n=3, d=4, seed=9, requires_grad=True)[0]
    taylor = plain(q, k, v, TaylorEDP(2), bias)
    assert off(kernel_attention(q, k, v, TaylorEDP(2), attn_mask=bias), taylor) <= 1e-13
    assert torch.autograd.gradcheck(
        lambda b: kernel_attention(q, k, v, TaylorEDP(2), attn_mask=b), (bias,)
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"q": [[1.0, 2.0]]}, TypeError, "q must be a floating torch tensor, got list"),
        ({"k": torch.ones(7, 4, dtype=torch.int64)}, TypeError, "k must be a floating.*int64"),
        ({"v": torch.ones(7)}, ValueError, r"v must have shape .* got shape \(7,\)"),
        ({"k": torch.ones(7, 0)}, ValueError, "k must have shape .* of 1 or more, got .*7, 0"),
        ({"k": torch.ones(7, 4, dtype=torch.float64)}, TypeError, "one dtype.*k torch.float64"),
        ({"v": torch.ones(7, 3, device="meta")}, ValueError, "one device.*v: meta"),
        ({"v": torch.ones(6, 3)}, ValueError, "k has 7, v has 6"),
        ({"k": torch.ones(7, 5)}, ValueError, "q and k do not fit the kernel"),
        ({"q": torch.ones(2, 5, 4), "k": torch.ones(3, 7, 4)}, ValueError, "leading axes"),
        ({"kernel": "edp"}, TypeError, "kernel must be a Kernel"),
        (
            {"attn_mask": torch.ones(5, 6).bool()},
            ValueError,
            r"attn_mask must broadcast to .*\(5, 7\)",
        ),
        ({"attn_mask": torch.ones(2, 5, 7).bool()}, ValueError, "attn_mask must broadcast"),
        (
            {"attn_mask": torch.ones(5, 7).int()},
            TypeError,
            "attn_mask must be a boolean tensor.*int32",
        ),
        ({"attn_mask": torch.ones(5, 7).double()}, TypeError, "attn_mask must be .*float64"),
        ({"attn_mask": [[True]]}, TypeError, "attn_mask must be .*list"),
        (
            {"attn_mask": torch.ones(5, 7, device="meta")},
            ValueError,
            "attn_mask must be on the device",
        ),
        (
            {"attn_mask": torch.ones(5, 7), "kernel": L2Distance()},
            TypeError,
            "boolean for L2Distance",
        ),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    q, k, v = inputs(dtype=torch.float32)
    with pytest.raises(error, match=message):
        kernel_attention(**{"q": q, "k": k, "v": v} | change)


def test_nan_is_passed_on_and_stays_in_its_row():
    q, k, v = inputs()
    q[1, 0] = torch.nan
    out = kernel_attention(q, k, v, RBF())
    assert out[1].isnan().all()
    assert off(out[[0, 2, 3, 4]], plain(q[[0, 2, 3, 4]], k, v, "rbf")) <= 1e-13


def test_importing_rkbs_does_not_import_torch():
    modules = ("rkbs", "rkbs.approximation", "rkbs.approximation.surface")
    code = "".join(f"import sys, {name}; print('torch' in sys.modules)\n" for name in modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * len(modules)


def test_without_torch_the_import_says_what_to_install():
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Absent())
import rkbs.approximation
import rkbs.attention
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: rkbs.attention needs PyTorch")
    assert "pip install rkbs[attention]" in last


# ---- kernels that see who, or nothing


@pytest.mark.parametrize("dtype", [*TOLERANCE, torch.float16, torch.bfloat16], ids=str)
def test_constant_is_uniform_attention(dtype):
    q, k, v = (x.to(dtype).requires_grad_() for x in inputs(2))
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[1, 3:] = False
    allowed[4] = False
    plain, masked = (
        kernel_attention(q, k, v, Constant()),
        kernel_attention(q, k, v, Constant(), attn_mask=allowed),
    )
    rows = [v.double().mean(1), v[:, :3].double().mean(1)]
    eps = torch.finfo(dtype).eps * v.abs().max()
    assert (plain - rows[0][:, None]).abs().max() <= 4 * eps
    assert (masked[:, 1] - rows[1]).abs().max() <= 4 * eps
    assert (masked[:, 4] == 0).all()
    bias = torch.randn(5, 7, generator=torch.Generator().manual_seed(1)).to(dtype)
    weighted = bias.double().softmax(-1) @ v.double()
    assert (kernel_attention(q, k, v, Constant(), attn_mask=bias) - weighted).abs().max() <= 4 * eps
    gradients = torch.autograd.grad(plain.double().square().sum(), (q, k))
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("dtype", [*TOLERANCE, torch.float16, torch.bfloat16], ids=str)
def test_identity_attends_to_equal_keys(dtype):
    q, k, v = (x.to(dtype) for x in inputs(2))
    k[0, 4], k[0, 6], k[1, 0] = q[0, 1], q[0, 1], q[1, 3]
    tensors = [x.requires_grad_() for x in (q, k, v)]
    out = kernel_attention(*tensors, Identity())
    expected = torch.zeros_like(out)  # a query that is no key has no weights
    expected[0, 1], expected[1, 3] = ((v[0, 4].double() + v[0, 6].double()) / 2).to(dtype), v[1, 0]
    assert torch.equal(out, expected)
    allowed = torch.ones(5, 7, dtype=torch.bool)
    allowed[:, 6] = False
    assert torch.equal(kernel_attention(*tensors, Identity(), attn_mask=allowed)[0, 1], v[0, 4])
    gradients = torch.autograd.grad(out.sum(), tensors)
    assert not any(gradient.any() for gradient in gradients[:2])
    slopes = torch.zeros_like(v)
    slopes[0, 4] = slopes[0, 6] = 0.5
    slopes[1, 0] = 1
    assert torch.equal(gradients[2], slopes)
    with pytest.raises(TypeError, match=r"boolean for Identity\(\)"):
        kernel_attention(q, k, v, Identity(), attn_mask=torch.zeros(5, 7, dtype=dtype))


def test_identity_lets_each_query_see_itself_more():
    q, _, v = inputs(m=5)
    plain = EDP()(q, q)
    weights = plain + 2 * torch.eye(5, dtype=torch.float64)
    expected = weights / weights.sum(-1, keepdim=True) @ v
    assert (kernel_attention(q, q, v, EDP() + 2.0 * Identity()) - expected).abs().max() <= 1e-13
