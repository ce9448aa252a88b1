"""Inner products and distances: exact differences, gradients of every order, no overflow inside."""

import math
import tracemalloc

import numpy as np
import pytest
from optional import torch

from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    ExponentiatedIntersection,
    L2Distance,
    Laplace,
    Precomputed,
    Scaled,
)

DIFFERENCES = {  # kernels of the differences and of the smaller coordinates, as written in numpy
    "rbf": lambda x, y: -np.square(x[:, None] - y).sum(-1) / math.sqrt(x.shape[1]),
    "l2": lambda x, y: np.sqrt(np.square(x[:, None] - y).sum(-1) / x.shape[1]),
    "laplace": lambda x, y: -np.abs(x[:, None] - y).sum(-1),
    "ei": lambda x, y: np.minimum(x[:, None], y).sum(-1),
    "cauchy": lambda x, y: -np.log1p(np.square(x[:, None] - y).sum(-1) / math.sqrt(x.shape[1])),
}
SLOPES = {  # derivatives of the same by x, (n, m, d)
    "rbf": lambda x, y: -2 * (x[:, None] - y) / math.sqrt(x.shape[1]),
    "l2": lambda x, y: (x[:, None] - y) / (DIFFERENCES["l2"](x, y)[..., None] * x.shape[1] + 1e-99),
    "laplace": lambda x, y: -np.sign(x[:, None] - y),
    "ei": lambda x, y: (1 - np.sign(x[:, None] - y)) / 2,
    "cauchy": lambda x, y: SLOPES["rbf"](x, y) * np.exp(DIFFERENCES["cauchy"](x, y))[..., None],
}


def logit(name):
    return KERNELS[name].log if KERNELS[name].is_positive else KERNELS[name]


def spread(offset, dtype, n=6, m=5, d=4):
    """Two groups of points about ±offset, the first three of x and y equal."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    x, y = (
        x + offset * (-1.0) ** np.arange(n)[:, None],
        y + offset * (-1.0) ** np.arange(m)[:, None],
    )
    y[:3] = x[:3]
    return x.astype(dtype), y.astype(dtype)


def test_every_kernel_without_an_inner_product_is_here():
    others = {n for n, k in KERNELS.items() if not hasattr(k, "power_coefficients")}
    others -= {"capped", "key-norm", "tanimoto"}  # of inner products
    assert set(DIFFERENCES) == others - {"identity", "constant"}  # of no difference: piecewise 0, 1


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_values_at_any_spread(name, backend, dtype, offset):
    x, y = spread(offset, dtype)
    exact = DIFFERENCES[name](x.astype(np.longdouble), y.astype(np.longdouble))
    tensors = (torch.from_numpy(z) for z in (x, y))
    found = np.asarray(logit(name)(*(tensors if backend == "torch" else (x, y))))
    eps = np.finfo(dtype).eps
    scale = abs(exact) if name != "ei" else np.minimum(abs(x[:, None]), abs(y)).sum(-1) + abs(exact)
    assert (abs(found - exact) <= 8 * eps * scale).all()
    if name != "ei":
        assert (found[[0, 1, 2], [0, 1, 2]] == 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_smaller_of_two_coordinates_is_itself(dtype):
    x, y = np.array([[1e9, -0.125, 0.5]], dtype), np.array([[1e-3, 1e9, 0.5]], dtype)
    for convert in (np.asarray, torch.from_numpy):
        found = ExponentiatedIntersection().log(convert(x), convert(y))
        assert found == y[0, 0] + x[0, 1] + x[0, 2]


def test_equal_points_have_the_value_1_for_every_group():
    x = torch.from_numpy(spread(1e3, "float32")[0])
    assert (RBF()(x, x).diagonal() == 1).all()
    assert (Laplace()(x, x).diagonal() == 1).all()
    assert (L2Distance()(x, x).diagonal() == 0).all()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_gradients_at_any_spread(name, offset):
    points = spread(offset, "float32")
    x, y = (torch.from_numpy(z).requires_grad_() for z in points)
    weights = np.random.default_rng(1).normal(size=(6, 5))
    logit(name)(x, y).backward(torch.from_numpy(weights.astype("float32")))
    x64, y64 = (z.astype(float) for z in points)
    for found, a, b, w in ((x.grad, x64, y64, weights), (y.grad, y64, x64, weights.T)):
        terms = w[..., None] * SLOPES[name](a, b)
        error = abs(found.numpy() - terms.sum(1))
        assert (error <= 1e-6 * abs(terms).sum(1)).all()


@pytest.mark.parametrize("name", KERNELS)
def test_gradients_of_gradients(name):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, 3, dtype=torch.float64, generator=generator) for n in (3, 2))
    x, y = x.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradgradcheck(logit(name), (x, y))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_gradients_of_gradients_at_equal_points(name):
    x = torch.randn(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hessian = torch.autograd.functional.hessian(lambda z: logit(name)(z, x).sum(), x)
    assert hessian.isfinite().all()
    if name == "rbf":  # of −Σ_ij ‖z_i − x_j‖²/√2, −2n/√2 on the diagonal
        expected = -2 * 3 / math.sqrt(2) * torch.eye(6, dtype=torch.float64)
        assert (hessian.reshape(6, 6) - expected).abs().max() <= 1e-14
        z, y = x.clone().requires_grad_(), x.clone().requires_grad_()
        assert torch.autograd.gradgradcheck(RBF(), (z, y))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", DIFFERENCES)
def test_function_transforms(name):
    generator = torch.Generator().manual_seed(0)
    x, y, z = (torch.randn(4, n, 3, dtype=torch.float64, generator=generator) for n in (5, 2, 5))
    f = logit(name)
    assert (torch.vmap(f)(x, y) - f(x, y)).abs().max() <= 1e-14
    _, change = torch.func.jvp(lambda x: f(x, y), (x,), (z,))
    step = 1e-6
    difference = (f(x + step * z, y) - f(x - step * z, y)) / (2 * step)
    assert (change - difference).abs().max() <= 1e-7


@pytest.mark.parametrize("name", DIFFERENCES)
def test_many_blocks_are_one(name):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(700, 3, dtype=torch.float64, generator=generator).requires_grad_()
    y = torch.randn(2, 400, 3, dtype=torch.float64, generator=generator).requires_grad_()
    weights = torch.randn(2, 700, 400, dtype=torch.float64, generator=generator)
    out = logit(name)(x, y)
    found = torch.autograd.grad((out * weights).sum(), (x, y))
    for index in range(2):
        expected = DIFFERENCES[name](x.detach().numpy(), y[index].detach().numpy())
        assert abs(out[index].detach().numpy() - expected).max() <= 1e-13
    sums = [  # of the first rows and of the last
        sum(
            (w[a, :, None] * SLOPES[name](x[a : a + 1].numpy(), b.numpy())[0]).sum(0)
            for w, b in zip(weights.numpy(), y.detach(), strict=True)
        )
        for x in [x.detach()]
        for a in (0, 699)
    ]
    assert abs(found[0][[0, 699]].numpy() - np.array(sums)).max() <= 1e-11
    last = weights[1, :, 399].numpy()[:, None]
    slopes = SLOPES[name](y[1, 399:].detach().numpy(), x.detach().numpy())[0]
    assert abs(found[1][1, 399].numpy() - (last * slopes).sum(0)).max() <= 1e-11


def test_no_array_of_all_differences_in_forward_or_backward():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(600, 64, generator=generator).requires_grad_() for _ in range(2))
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.append(t.numel()) or t, lambda t: t
    ):
        RBF().log(x, y).sum().backward()
    assert max(saved) <= 600 * 600


def test_intersections_of_large_coordinates_in_numpy_need_no_array_of_all_differences():
    x = np.random.default_rng(0).normal(size=(500, 64))
    tracemalloc.start()
    gram = ExponentiatedIntersection().log(x, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * gram.nbytes


@pytest.mark.parametrize("name", KERNELS)
def test_overflow_in_a_tensor_is_infinite_and_passes_no_gradient(name):
    big = torch.finfo(torch.float32).max
    x = torch.tensor([[big, -big], [1.0, 2.0]], requires_grad=True)
    y = torch.tensor([[-big, -big], [0.5, -1.0]], requires_grad=True)
    out = logit(name)(x, y)
    assert not out.isnan().any()
    assert out[1, 1].isfinite()
    small = x.detach()[1:].requires_grad_(), y.detach()[1:].requires_grad_()
    expected = torch.autograd.grad(logit(name)(*small).sum(), small)
    found = torch.autograd.grad(out[1, 1], (x, y))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours[1], theirs[0])
        assert (ours[0] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_sums_that_cancel_at_the_end_of_the_range(dtype):
    half = torch.finfo(dtype).max / 2
    x, y = (
        torch.tensor([[3.0, -3.0, 1.0, 0.0]], dtype=dtype),
        torch.tensor([[half] * 4], dtype=dtype),
    )
    assert (EDP().log(x, y) / (half / 2) - 1).abs() <= 1e-6  # inf − inf on the way


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", KERNELS)
def test_half_precision_is_rounded_once(name, dtype):
    generator = torch.Generator().manual_seed(0)
    shapes = (9, 64), (7, 64)
    x, y = (torch.randn(s, generator=generator).to(getattr(torch, dtype)) for s in shapes)
    combined = [KERNELS[name], 0.3 * KERNELS[name] + Scaled(KERNELS["quadratic"], 2.0)]
    combined.append(KERNELS[name].pullback(torch.randn(8, 64, generator=generator) / 8, None))
    for kernel in combined[:2]:
        found, exact = kernel(x, y), kernel(x.float(), y.float())
        assert found.dtype == x.dtype
        assert torch.equal(found, exact.to(x.dtype))
    exact = combined[2](x.float(), y[:, :8].float())
    assert torch.equal(combined[2](x, y[:, :8]), exact.to(x.dtype))


@pytest.mark.parametrize("name", KERNELS)
def test_half_precision_in_numpy_is_rounded_once(name):
    rng = np.random.default_rng(0)
    x, y = (0.5 * rng.normal(size=s).astype("float16") for s in ((9, 16), (7, 16)))
    found, exact = KERNELS[name](x, y), KERNELS[name](x.astype("float32"), y.astype("float32"))
    assert found.dtype == np.float16
    assert np.array_equal(found, exact.astype("float16"))


# ---- indices


@pytest.mark.parametrize(
    ("dtype", "most"), [("float16", 2048), ("bfloat16", 256), ("float32", 2**24)]
)
def test_indices_must_be_exact(dtype, most):
    rows = np.arange(most + 2, dtype="float32")[:, None]  # one row too many
    x, y = torch.arange(3)[:, None].to(getattr(torch, dtype)), torch.zeros(1, 1).double()
    advice = f"torch.{dtype}, .* up to {most} exactly.* pass [xy] as integers or in float64"
    with pytest.raises(ValueError, match=f"^x is of {advice}"):
        Precomputed(rows)(x, y)
    with pytest.raises(ValueError, match=f"^y is of {advice}"):
        Precomputed(rows.T)(y, x)
    if dtype != "bfloat16":
        with pytest.raises(ValueError, match=f"^x is of {dtype}"):
            Precomputed(rows)(x.numpy(), y.numpy())
    last = torch.tensor([[most]]).to(x.dtype)
    assert Precomputed(rows[:-1])(last, y) == most


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float64"])
def test_indices_of_integers(dtype):
    kernel = Precomputed(np.arange(12.0).reshape(4, 3))
    i, j = np.array([[3], [1]], dtype), np.array([[0], [2]], dtype)
    expected = np.array([[9.0, 11], [3, 5]])
    assert np.array_equal(kernel(i, j), expected)
    found = kernel(torch.from_numpy(i), torch.from_numpy(j))
    assert found.dtype == torch.float64
    assert np.array_equal(found.numpy(), expected)
    with pytest.raises(TypeError, match="x must be"):
        kernel(torch.from_numpy(i).bool(), torch.from_numpy(j))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32], ids=str)
def test_matrices_of_half_precision(dtype):
    matrix = torch.tensor([[1.0, 2.5], [3.0, 4.0]], dtype=dtype)
    i = torch.tensor([[0.0], [1.0]])
    assert torch.equal(Precomputed(matrix)(i, i), matrix.float())


@pytest.mark.parametrize("name", ["rbf", "cauchy"])
def test_a_square_that_overflows_is_infinitely_far(name):
    x = torch.tensor([[1e30, 0.0], [1.0, 2.0]], requires_grad=True)
    logits = KERNELS[name].log(x, x.detach()[1:])
    assert logits[0, 0] == -math.inf
    assert logits[1, 0] == 0
    assert not torch.autograd.grad(logits[0, 0], x)[0].any()
