"""The options of ``kernel_attention``: as torch's where torch has them, and what is refused."""

import math

import pytest
import torch
from attention_helpers import EQUAL, KERNELS_OF_DOTS, inputs, masks, off, plain
from torch.nn.functional import scaled_dot_product_attention

from rkbs.attention import Automatic, Blocked, Dense, Features, Flex, Fused, kernel_attention
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    Custom,
    L2Distance,
    Laplace,
    Linear,
    Quadratic,
    Scaled,
    TaylorEDP,
)

TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
CASES = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "scale and causal": {"scale": -0.7, "is_causal": True},
    **{kind: {"attn_mask": kind} for kind in ("bool", "bias", "infinite")},
}


@pytest.mark.parametrize("path", [Automatic(), Dense(), Blocked(numbers=30)], ids=repr)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_edp_is_torchs_attention(case, dtype, path):
    options = dict(CASES[case])
    if "attn_mask" in options:
        options["attn_mask"] = masks(5, 7, dtype)[options["attn_mask"]]
    results = []
    for function in (kernel_attention, scaled_dot_product_attention):
        tensors = [x.requires_grad_() for x in inputs(2, 4, dtype=dtype)]
        named = {"path": path} if function is kernel_attention else {}
        out = function(*tensors, **options, **named)
        results.append([out, *torch.autograd.grad(out.square().sum(), tensors)])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= TOLERANCE[dtype] * max(1, theirs.abs().max())


@pytest.mark.parametrize("name", sorted(KERNELS_OF_DOTS))
def test_scale_takes_the_place_of_one_over_the_root_of_d(name):
    q, k, v = inputs(n=9, m=11)
    kernel, normalize = KERNELS[name], "rows" if KERNELS[name].is_nonnegative else "mean"
    for scale in (0.3, 1.7):
        right = kernel_attention(2 * scale * q, k, v, kernel, normalize=normalize, path=Dense())
        for path in (Automatic(), Dense(), Blocked(numbers=30)):
            found = kernel_attention(q, k, v, kernel, scale=scale, normalize=normalize, path=path)
            assert off(found, right) <= 1e-13
    apart = off(kernel_attention(q, k, v, kernel, normalize=normalize, path=Dense()), right)
    assert (apart > 1e-3) == (name != "constant")


@pytest.mark.parametrize("kernel", [EDP(), RBF(0.3), Quadratic(), Laplace()], ids=repr)
def test_heads_of_keys_serve_several_of_queries(kernel):
    q = inputs(2, 6)[0]
    _, k, v = inputs(2, 3)
    right = torch.cat(
        [plain(q[:, h : h + 1], k[:, h // 2, None], v[:, h // 2, None], kernel) for h in range(6)],
        1,
    )
    for path in (Automatic(), Dense(), Blocked(numbers=30)):
        found = kernel_attention(q, k, v, kernel, enable_gqa=True, path=path)
        assert off(found, right) <= 1e-13
    if isinstance(kernel, EDP):
        theirs = scaled_dot_product_attention(q, k, v, enable_gqa=True)
        assert off(theirs, right) <= 1e-13


@pytest.mark.parametrize("normalize", ["rows", "absolute", "mean", None])
@pytest.mark.parametrize("name", sorted(set(KERNELS) - EQUAL))
def test_normalizations(name, normalize):
    q, k, v = inputs(2, n=9, m=11)
    allowed = torch.rand(9, 11, generator=torch.Generator().manual_seed(3)) < 0.6
    allowed[4] = False
    values = KERNELS[name](q, k) * allowed
    sizes = {
        "rows": values.sum(-1, keepdim=True),
        "absolute": values.abs().sum(-1, keepdim=True),
        "mean": allowed.sum(-1, keepdim=True),
        None: torch.ones(1),
    }[normalize]
    right = values / sizes.masked_fill(sizes == 0, 1) @ v
    for path in (Automatic(), Dense(), Blocked(numbers=30)):
        arguments = (q, k, v, KERNELS[name])
        options = {"attn_mask": allowed, "normalize": normalize, "path": path}
        if normalize == "rows" and not KERNELS[name].is_nonnegative:
            with pytest.raises(TypeError, match="normalize='absolute'"):
                kernel_attention(*arguments, **options)
            continue
        out = kernel_attention(*arguments, **options)
        assert off(out, right) <= 1e-12
        assert not out[:, 4].any()


def test_what_is_not_normalized_and_overflows_is_nan():
    q, k, v = inputs(n=9, m=11)
    q[3] *= 1e6
    for normalize in ("mean", None):
        out = kernel_attention(q, k, v, normalize=normalize)
        assert out[3].isnan().all()
        keep = [0, 1, 2, 4, 5, 6, 7, 8]
        right = EDP()(q[keep], k) @ v / (11 if normalize else 1)
        assert off(out[keep], right) <= 1e-12
    assert kernel_attention(q, k, v, normalize="absolute").isfinite().all()


@pytest.mark.parametrize("kernel", [EDP(), RBF(), Quadratic(), Laplace()], ids=repr)
def test_weights_are_what_values_are_multiplied_by(kernel):
    q, k, v = inputs(2, n=5, m=7)
    for options in ({}, {"is_causal": True}, {"attn_mask": masks(5, 7, q.dtype)["bool"]}):
        out, weights = kernel_attention(q, k, v, kernel, return_weights=True, **options)
        unit = torch.eye(7, dtype=q.dtype)
        assert off(weights, kernel_attention(q, k, unit, kernel, **options)) <= 1e-13
        assert off(out, weights @ v) <= 1e-13
        assert off(out, kernel_attention(q, k, v, kernel, **options)) <= 1e-13
    torch.manual_seed(0)
    out, weights = kernel_attention(q, k, v, kernel, return_weights=True, dropout_p=0.5)
    assert off(out, weights @ v) <= 1e-13
    assert 0.2 <= (weights == 0).double().mean() <= 0.8


@pytest.mark.parametrize("path", [Automatic(), Dense(), Fused(), Blocked(numbers=1000)], ids=repr)
def test_dropout_keeps_the_mean_and_its_gradient(path):
    torch.manual_seed(0)
    q, k, _ = inputs(n=40, m=400)
    unit = torch.eye(400, dtype=q.dtype, requires_grad=True)
    out = kernel_attention(q, k, unit, dropout_p=0.25, path=path)
    full = kernel_attention(q, k, unit)
    kept = out != 0
    assert abs(kept.double().mean() - 0.75) <= 0.02
    assert (out - full / 0.75)[kept].abs().max() <= 1e-12
    (gradient,) = torch.autograd.grad(out.sum(), unit)  # of the weights that were kept
    assert off(gradient[:, 0], out.sum(0)) <= 1e-12


def test_no_queries_or_no_keys():
    for n, m, shape in ((0, 7, ()), (5, 0, (2,)), (0, 0, ()), (5, 7, (0,))):
        for kernel in (EDP(), L2Distance()):
            for options in ({}, {"is_causal": True}, {"attn_mask": torch.ones(n, m).bool()}):
                tensors = inputs(*shape, n=n, m=m, requires_grad=True)
                out, weights = kernel_attention(*tensors, kernel, return_weights=True, **options)
                assert torch.equal(out, torch.zeros(*shape, n, 3, dtype=out.dtype))
                assert weights.shape == (*shape, n, m)
                again = kernel_attention(*tensors, kernel, **options)
                assert torch.equal(again, out)
                for gradient in torch.autograd.grad(again.sum(), tensors):
                    assert not gradient.any()


SIGNED = Custom(lambda q, k: q @ k.mT)
BAD = [
    ({"is_causal": 1}, TypeError, "is_causal must be True or False, got 1"),
    (
        {"is_causal": True, "attn_mask": torch.ones(5, 7).bool()},
        ValueError,
        r"attn_mask must be None with is_causal=True.*\.tril\(\)",
    ),
    ({"dropout_p": "0.1"}, TypeError, "dropout_p must be a number, got str"),
    ({"dropout_p": True}, TypeError, "dropout_p must be a number, got bool"),
    ({"dropout_p": 1.5}, ValueError, "dropout_p must be a probability .*got 1.5"),
    ({"dropout_p": -0.1}, ValueError, "dropout_p must be a probability .*got -0.1"),
    ({"dropout_p": math.nan}, ValueError, "dropout_p must be a probability .*got nan"),
    ({"scale": "0.1"}, TypeError, "scale must be a number or None, got str"),
    ({"scale": math.inf}, ValueError, "scale must be finite, got inf"),
    ({"scale": 0.1, "kernel": RBF()}, TypeError, r"scale must be None for RBF\(tau=1.0\)"),
    ({"scale": 0.1, "kernel": EDP() + RBF()}, TypeError, r"scale must be None for Sum"),
    ({"normalize": "softmax"}, ValueError, "normalize must be one of 'rows', .*got 'softmax'"),
    ({"kernel": SIGNED}, TypeError, "kernel must be known to be non-negative.* does not say"),
    ({"kernel": Linear()}, TypeError, r"Linear\(\) is not.*normalize='absolute'"),
    ({"path": "dense"}, TypeError, "path must be a Path, such as Automatic"),
    ({"path": Fused(), "kernel": Laplace()}, ValueError, "Fused.* cannot .*Laplace is not EDP"),
    ({"path": Fused(), "normalize": None}, ValueError, "normalize=None leaves rows"),
    ({"path": Fused(), "k": torch.ones(7, 5)}, ValueError, "q and k differ in dimension"),
    ({"path": Flex(), "kernel": RBF()}, ValueError, "RBF is not known as a function of q·k"),
    ({"path": Flex(), "kernel": TaylorEDP(18)}, ValueError, "TaylorEDP is not known as"),
    ({"path": Flex(), "dropout_p": 0.1}, ValueError, "dropout_p must be 0"),
    ({"path": Flex(), "normalize": "mean"}, ValueError, "normalize='mean' leaves rows"),
    ({"path": Flex(), "k": torch.ones(7, 5)}, ValueError, "q and k differ in dimension"),
    (
        {"path": Flex(), "kernel": Quadratic(torch.ones((), requires_grad=True))},
        ValueError,
        "parameters of Quadratic, or attn_mask, require a gradient",
    ),
    (
        {"path": Flex(), "attn_mask": torch.ones(5, 7, requires_grad=True)},
        ValueError,
        "parameters of EDP, or attn_mask, require a gradient",
    ),
    ({"path": Features()}, ValueError, r"Features\(\) cannot .*EDP is no polynomial"),
    (
        {"path": Features(), "kernel": TaylorEDP(64)},
        ValueError,
        r"TaylorEDP has \d+ features in dimension 4",
    ),
    (
        {"path": Features(), "kernel": Quadratic(), "dropout_p": 0.1},
        ValueError,
        "dropout_p must be 0",
    ),
    (
        {"path": Features(), "kernel": Quadratic(), "attn_mask": torch.ones(5, 7).bool()},
        ValueError,
        r"hide a key from all queries or none, \(..., 1, m\)",
    ),
    ({"path": Fused(), "return_weights": True}, ValueError, r"needs path=Dense\(\), got Fused"),
    ({"enable_gqa": True}, ValueError, "with enable_gqa q, k and v must have heads"),
    ({"attn_mask": torch.ones(5, 7).long()}, TypeError, "attn_mask .*True where a query sees"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD)
def test_bad_options_are_named(change, error, message):
    q, k, v = inputs(dtype=torch.float32)
    with pytest.raises(error, match=message):
        kernel_attention(**{"q": q, "k": k, "v": v} | change)


@pytest.mark.parametrize(("heads", "of_keys", "of_values"), [(6, 4, 4), (6, 3, 2), (6, 0, 0)])
def test_heads_that_do_not_divide_are_named(heads, of_keys, of_values):
    (q, _, _), (_, k, _), (_, _, v) = (inputs(2, h) for h in (heads, of_keys, of_values))
    with pytest.raises(ValueError, match=r"q a multiple of them, got shapes \(2, 6, 5, 4\)"):
        kernel_attention(q, k, v, enable_gqa=True)
    if of_keys == 4:
        with pytest.raises(ValueError, match="with enable_gqa=True q may have a multiple"):
            kernel_attention(q, k, v)


@pytest.mark.parametrize("error", [-1.0, math.nan, math.inf])
def test_errors_that_are_none_are_refused(error):
    for path in (Automatic, Blocked):
        with pytest.raises(ValueError, match=rf"{path.__name__}\(error=…\) must be ≥ 0 and finite"):
            path(error=error)
    with pytest.raises(ValueError, match=r"Blocked\(numbers=…\) must be at least 1, got 0"):
        Blocked(numbers=0)


def test_a_learned_factor_is_a_kernel_as_any():
    q, k, v = inputs(2, 3, n=9, m=11)
    c = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    out = kernel_attention(q, k, v, Scaled(EDP(), c) + RBF(0.2), path=Blocked(numbers=40))
    right = kernel_attention(q, k, v, Scaled(EDP(), c) + RBF(0.2), path=Dense())
    gradients = [torch.autograd.grad(x.square().sum(), c)[0] for x in (out, right)]
    assert off(out, right) <= 1e-13
    assert off(*gradients) <= 1e-12
