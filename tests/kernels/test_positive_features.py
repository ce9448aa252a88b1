"""D positive features on each side: values, gradients of every order, ranges, memory, heads."""

import math
import pickle
import tracemalloc

import mpmath
import numpy as np
import optional
import pytest
from helpers import points
from kernel_helpers import every_backend
from optional import torch

from rkbs import laws
from rkbs.kernels import PositiveFeatures

kernel_attention = optional.module("rkbs.attention").kernel_attention
log_dot = optional.module("rkbs.kernels._coordinates").log_dot

DTYPES = ("float32", "float64")
W, V = points((6, 3), 5), points((6, 3), 6)
B, C = points((6,), 7), points((6,), 8)
KERNEL = PositiveFeatures(W, B, V, C)


def exact(q, k, kernel=KERNEL):
    """The logit of one pair, with 40 digits."""
    with mpmath.workdps(40):

        def exponents(weights, biases, point):
            rows = zip(weights.tolist(), biases.tolist(), strict=True)
            return [mpmath.fdot(row, point) + bias for row, bias in rows]

        left = exponents(kernel.query_weights, kernel.query_biases, q.tolist())
        right = exponents(kernel.key_weights, kernel.key_biases, k.tolist())
        total = mpmath.fsum(mpmath.exp(a + b) for a, b in zip(left, right, strict=True))
        return float(mpmath.log(total))


@pytest.mark.parametrize("size", [0.5, 10.0, 1e4, 1e10])
@pytest.mark.parametrize("dtype", DTYPES)
@every_backend
def test_logits_are_exact_at_every_size(backend, dtype, size):
    """Also where every exponential underflows, and where the largest features differ."""
    x, y = (size * points((n, 3), n, dtype=dtype) for n in (5, 4))
    expected = np.array([[exact(q, k) for k in y] for q in x])
    if backend == "torch":
        x, y = torch.from_numpy(x), torch.from_numpy(y)
    found = KERNEL.log(x, y)
    assert found.dtype == x.dtype
    scale = max(size, 1) * 30
    assert abs(np.asarray(found) - expected).max() <= 4 * np.finfo(dtype).eps * scale
    if size < 1:
        values = np.asarray(KERNEL(x, y))
        assert laws.relative(values, np.exp(expected)) <= 100 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_once(dtype):
    x, y = (points((n, 3), n, "torch").to(getattr(torch, dtype)) for n in (5, 4))
    found, wide = KERNEL.log(x, y), KERNEL.log(x.float(), y.float())
    assert torch.equal(found, wide.to(x.dtype))
    assert wide.dtype == torch.float32


def tensors(*heads, gradient=True):
    shapes = ((2, *heads, 5, 3), (*heads, 4, 3), (*heads, 6, 3), (*heads, 6))
    parts = [points(shape, s, "torch") for s, shape in enumerate((*shapes, *shapes[2:]))]
    return [part.requires_grad_(gradient) for part in parts]


def logits(x, y, *parameters):
    return PositiveFeatures(*parameters).log(x, y)


@pytest.mark.parametrize("heads", [(), (3,)], ids=str)
def test_gradients_and_gradients_of_gradients(heads):
    assert torch.autograd.gradcheck(logits, tensors(*heads))
    inputs = [part[..., :2, :] if part.ndim > 1 else part[:2] for part in tensors()]
    inputs = [z.detach().clone().requires_grad_() for z in inputs]
    assert torch.autograd.gradgradcheck(logits, inputs)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_function_transforms():
    x, y, change_x, change_y = (points((4, n, 3), s, "torch") for s, n in enumerate((5, 2, 5, 2)))
    assert (torch.vmap(KERNEL.log)(x, y) - KERNEL.log(x, y)).abs().max() <= 1e-14
    _, change = torch.func.jvp(KERNEL.log, (x, y), (change_x, change_y))
    step = 1e-6
    ends = [KERNEL.log(x + s * change_x, y + s * change_y) for s in (step, -step)]
    assert (change - (ends[0] - ends[1]) / (2 * step)).abs().max() <= 1e-7
    slopes = torch.func.vmap(torch.func.grad(lambda q, k: KERNEL.log(q, k).sum()))(x, y)
    x.requires_grad_()
    assert (torch.autograd.grad(KERNEL.log(x, y).sum(), x)[0] - slopes).abs().max() <= 1e-13


def test_a_compiler_gets_one_graph_and_the_same_numbers():
    parts = tensors(3)
    torch._dynamo.reset()
    compiled = torch.compile(logits, backend="aot_eager", fullgraph=True)
    results = [
        (out, *torch.autograd.grad(out.square().sum(), parts))
        for out in (compiled(*parts), logits(*parts))
    ]
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-11 * theirs.abs().max()


def test_many_blocks_are_one():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(700, 9, dtype=torch.float64, generator=generator).requires_grad_()
    y = torch.randn(2, 500, 9, dtype=torch.float64, generator=generator).requires_grad_()
    weights = torch.randn(2, 700, 500, dtype=torch.float64, generator=generator)
    right = (x[:, None] + y[:, None]).logsumexp(-1)
    for one, other in zip(
        (log_dot(x, y), *torch.autograd.grad((log_dot(x, y) * weights).sum(), (x, y))),
        (right, *torch.autograd.grad((right * weights).sum(), (x, y))),
        strict=True,
    ):
        assert (one - other).abs().max() <= 1e-12 * other.abs().max()


def test_no_array_of_all_features_of_pairs():
    kernel = PositiveFeatures.random(4, 64, np.random.default_rng(0))
    x = points((600, 4))
    kernel.log(x[:2], x[:2])  # what is imported late is
    tracemalloc.start()
    gram = kernel.log(x, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * gram.nbytes
    saved = []
    q, k = (points((600, 4), s, "torch").requires_grad_() for s in (0, 1))
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.append(t.numel()) or t, lambda t: t
    ):
        kernel.log(q, k).sum().backward()
    assert max(saved) <= 600 * 600


@pytest.mark.parametrize("big", [1e30, 3e38])
def test_overflow_is_infinite_and_passes_no_gradient(big):
    x = torch.tensor([[big] * 3, [-big] * 3, [0.1, 0.2, 0.3]]).requires_grad_()
    y = torch.tensor([[big, -big, big], [-0.1, 0.2, 0.5]]).requires_grad_()
    out = KERNEL.log(x, y)
    assert not out.isnan().any()
    found = torch.autograd.grad(out[2, 1], (x, y))
    small = x.detach()[2:].requires_grad_(), y.detach()[1:].requires_grad_()
    right = torch.autograd.grad(KERNEL.log(*small).sum(), small)
    for ours, theirs in zip(found, right, strict=True):
        assert torch.equal(ours[-1], theirs[0])
        assert (ours[:-1] == 0).all()
    every = torch.autograd.grad(KERNEL.log(x, y)[out.isfinite()].sum(), (x, y))
    assert all(g.isfinite().all() for g in every)
    top = torch.tensor([[3e38], [1.0]]).requires_grad_()
    beyond = log_dot(top, top)  # the sum of two finite exponents is not
    assert beyond[0, 0] == torch.finfo(torch.float32).max
    assert torch.autograd.grad(beyond[0, 0], top)[0].eq(0).all()


@pytest.mark.parametrize("bad", [math.nan])
def test_nan_stays_in_its_row(bad):
    x = points((3, 3), 0, "torch")
    x[1, 0] = bad
    gram = KERNEL.log(x, points((2, 3), 1, "torch"))
    assert gram[1].isnan().all()
    assert gram[[0, 2]].isfinite().all()


def test_its_rank_is_the_number_of_features():
    x = points((20, 3))
    gram = KERNEL(x, 0.8 * x)
    assert np.linalg.matrix_rank(gram, rtol=1e-12) == KERNEL.rank_bound(3) == 6
    assert KERNEL.square_dim(3) == 6
    assert KERNEL.feature_dim(3) is None
    weights = gram / gram.sum(1, keepdims=True)
    assert np.trace(weights) <= 6


def test_groups_of_keys_attain_it():
    """Indicators of D groups: with the logits of a sharp feature each, tr A = D, R = D at n = D."""
    D = 5
    kernel = PositiveFeatures(60 * np.eye(D), np.zeros(D), 60 * np.eye(D), np.zeros(D))
    x = torch.eye(D, dtype=torch.float64).repeat(3, 1)
    weights = kernel_attention(x, x, torch.eye(3 * D, dtype=torch.float64), kernel)
    assert abs(weights.trace() - D) <= 1e-12
    assert (kernel_attention(x[:D], x[:D], torch.eye(D).double(), kernel).diagonal() > 0.999).all()


def test_values_hash_copies_and_pickles():
    same, other = PositiveFeatures(W, B, V, C), PositiveFeatures(W, B, V, C + 1)
    assert (same == KERNEL, other == KERNEL, KERNEL == 3) == (True, False, False)
    assert hash(KERNEL) == hash(same)
    assert pickle.loads(pickle.dumps(KERNEL)) == KERNEL
    assert repr(KERNEL) == "PositiveFeatures(<6 features of R^3>)"
    assert repr(PositiveFeatures(W[None], B[None], V[None], C[None])).endswith("R^3, 1 heads>)")
    given = W.copy()
    kernel = PositiveFeatures(given, B, V, C)
    given[0] = 0
    assert kernel == KERNEL
    with pytest.raises(ValueError, match="read-only"):
        kernel.query_weights[0] = 0
    weights = torch.from_numpy(W)
    learned = PositiveFeatures(weights, B, V, C)
    assert learned == PositiveFeatures(weights, B, V, C)
    assert learned != KERNEL
    assert learned.query_weights is weights  # training moves it
    x = points((4, 3), 0, "torch")
    assert torch.equal(learned(x, x), KERNEL(x, x))
