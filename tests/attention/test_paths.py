"""Every way to compute attention, with every kernel, against the definition in float64."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from attention_helpers import EQUAL, GRAMS, NONNEGATIVE, POSITIVE, alike, inputs, off, plain
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rkbs.attention import (
    Automatic,
    Blocked,
    Dense,
    Features,
    Fused,
    attention_path,
    kernel_attention,
)
from rkbs.attention._task import prepared
from rkbs.attention.paths import _forms
from rkbs.attention.paths._cores import Distance, WideDot
from rkbs.attention.paths._rows import Blocks
from rkbs.attention.paths._selected import selected
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    Cauchy,
    KeyNormBias,
    L2Distance,
    Laplace,
    Quadratic,
    TaylorEDP,
)

PATHS = {
    "automatic": Automatic(),
    "automatic, coarse": Automatic(error=1e-3),
    "dense": Dense(),
    "fused": Fused(),
    "fused from 0": Fused(centered=False),
    "blocked": Blocked(numbers=40),
    "blocked, coarse": Blocked(error=1e-3, numbers=40),
    "features": Features(),
}
MORE = {"taylor-2": TaylorEDP(2), "taylor-8": TaylorEDP(8), "taylor-10": TaylorEDP(10)}
ACCEPTED = {name: KERNELS[name] for name in sorted(POSITIVE | NONNEGATIVE | EQUAL)} | MORE
TOLERANCE = {
    torch.float64: 1e-12,
    torch.float32: 3e-5,
    torch.float16: 2e-2,
    torch.bfloat16: 1e-1,
}


def gram(name):
    """For ``plain``: written out where it is a kernel of the table."""
    if name in MORE:
        order = MORE[name].order
        return lambda q, k: sum(
            GRAMS["edp"](q, k).log() ** n / math.factorial(n) for n in range(order + 1)
        )
    return GRAMS[name]


def with_gradients(function, tensors):
    leaves = [x.detach().clone().requires_grad_() for x in tensors]
    out = function(*leaves)
    gradients = torch.autograd.grad(out.square().sum(), leaves, allow_unused=True)
    zeros = (torch.zeros_like(x) for x in leaves)
    return [out, *(z if g is None else g for g, z in zip(gradients, zeros, strict=True))]


def near(found, expected, most):
    """Outputs and gradients, each relative to its largest number."""
    for ours, right in zip(found, expected, strict=True):
        size = max(float(right.detach().abs().max()), 1e-3)
        assert float((ours.double() - right.double()).detach().abs().max()) <= most * size


def refused(path, kernel, tensors, **options):
    """Whether a path refuses; it then says why."""
    task = prepared(*tensors, kernel, **(PLAIN | options))
    if path.refuses(task) is None:
        return False
    with pytest.raises(ValueError, match=r"^path=.* cannot compute this: "):
        kernel_attention(*tensors, kernel, path=path, **options)
    return True


PLAIN = {
    "attn_mask": None,
    "dropout_p": 0.0,
    "is_causal": False,
    "scale": None,
    "enable_gqa": False,
    "normalize": "rows",
}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_every_kernel_by_every_path(name, path, dtype):
    tensors = [x.to(dtype) for x in alike(name, *inputs(2, 3, n=9, m=11, dtype=torch.float64))]
    if refused(PATHS[path], ACCEPTED[name], tensors):
        return
    found = with_gradients(
        lambda *x: kernel_attention(*x, ACCEPTED[name], path=PATHS[path]), tensors
    )
    assert found[0].dtype == dtype
    right = with_gradients(lambda *x: plain(*x, gram(name)), [x.double() for x in tensors])
    near(found, right, TOLERANCE[dtype] * (30 if "coarse" in path else 1))


@pytest.mark.parametrize("shape", [(), (2,), (2, 2, 3)])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kernel", [EDP(), RBF(0.3), Quadratic(), Laplace()])
def test_leading_axes(kernel, path, shape):
    q, k, v = inputs(*shape, n=9, m=11)
    k = k[..., :1, :, :] if len(shape) > 1 else k  # shared by the heads
    if not refused(PATHS[path], kernel, (q, k, v)):
        found = kernel_attention(q, k, v, kernel, path=PATHS[path])
        assert off(found, plain(q, k, v, kernel)) <= 1e-12


@pytest.mark.parametrize("sizes", [(9, 11), (11, 9), (9, 9)])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_causal_is_the_triangle_that_starts_top_left(name, path, sizes):
    n, m = sizes
    tensors = alike(name, *inputs(2, n=n, m=m))
    if refused(PATHS[path], ACCEPTED[name], tensors, is_causal=True):
        return
    tensors[1][:, n:], tensors[2][:, n:] = math.nan, math.nan  # keys that no query sees
    ours = functools.partial(
        kernel_attention, kernel=ACCEPTED[name], path=PATHS[path], is_causal=True
    )
    found = with_gradients(ours, tensors)
    seen = [tensors[0], *(x[:, :n] for x in tensors[1:])]
    causal = torch.ones(n, min(n, m), dtype=torch.bool).tril()
    right = with_gradients(lambda *x: plain(*x, gram(name), causal), seen)
    for gradient in found[2:]:
        assert not gradient[:, n:].any()
    near([*found[:2], *(g[:, :n] for g in found[2:])], right, 1e-11)


HIDING = {"all": (2, 1, 1, 11), "each": (2, 3, 9, 11), "rows": (9, 11)}


@pytest.mark.parametrize("hiding", HIDING)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ACCEPTED)
def test_a_mask_is_never_lost(name, path, hiding):
    allowed = torch.rand(HIDING[hiding], generator=torch.Generator().manual_seed(5)) < 0.6
    allowed[..., 0], allowed[..., 7] = True, False  # the key 7 is hidden from all
    allowed[..., 1:, 5] = False  # the key 5 from all queries but the first
    if hiding == "all":
        allowed[..., 5] = False
    q, k, v = alike(name, *inputs(2, 3, n=9, m=11))
    if refused(PATHS[path], ACCEPTED[name], (q, k, v), attn_mask=allowed):
        assert hiding != "all" or name not in ("quadratic", "taylor-2") or path != "features"
        return
    rows = slice(None) if hiding == "all" else slice(1, None)
    right = with_gradients(lambda *x: plain(*x, gram(name), allowed)[..., rows, :], (q, k, v))
    for padding in (0.5, 1e4):
        k[..., 5, :], v[..., 5, :] = padding, padding
        k[..., 7, :], v[..., 7, :] = math.nan, math.nan
        found = with_gradients(
            lambda *x: kernel_attention(*x, ACCEPTED[name], path=PATHS[path], attn_mask=allowed)[
                ..., rows, :
            ],
            (q, k, v),
        )
        assert not found[2][..., [5, 7], :].any()
        assert not found[3][..., [5, 7], :].any()
        cancels = "fused" in path or "coarse" in path  # products of points at 1e4
        near(found, right, 1e-6 if cancels else 1e-11)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", sorted(POSITIVE))
def test_additive_masks(name, path):
    tensors = inputs(2, 3, n=9, m=11)
    bias = torch.randn(3, 9, 11, generator=torch.Generator().manual_seed(6)).double()
    bias = bias.masked_fill(bias > 0.8, -math.inf)
    bias[1, 4] = -math.inf  # a query that sees nothing
    if refused(PATHS[path], KERNELS[name], tensors, attn_mask=bias):
        return
    ours = functools.partial(kernel_attention, kernel=KERNELS[name], path=PATHS[path])
    found = with_gradients(lambda *x: ours(*x, attn_mask=bias), tensors)
    near(found, with_gradients(lambda *x: plain(*x, gram(name), bias), tensors), 1e-12)
    assert not found[0][:, 1, 4].any()


@pytest.mark.parametrize("path", ["fused", "fused from 0", "blocked", "features"])
@pytest.mark.parametrize("name", ACCEPTED)
def test_gradients_of_every_order(name, path):
    tensors = alike(name, *inputs(n=3, m=4, d=2, seed=7, requires_grad=True))
    allowed = torch.tensor([[True, True, False, True], [False] * 4, [True, False, True, True]])
    path = Blocked(numbers=4) if path == "blocked" else PATHS[path]
    for options in ({"attn_mask": allowed}, {"is_causal": True}):
        if refused(path, ACCEPTED[name], tensors, **options):
            continue
        ours = functools.partial(kernel_attention, kernel=ACCEPTED[name], path=path, **options)
        assert torch.autograd.gradcheck(ours, tensors)
        if "is_causal" in options:
            assert torch.autograd.gradgradcheck(ours, tensors)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "make", [RBF, L2Distance, Laplace, Cauchy, Quadratic, lambda c: KeyNormBias(EDP(), c)]
)
def test_gradients_of_parameters_of_heads(make, path):
    tensors = inputs(2, 3, n=9, m=11)
    if refused(PATHS[path], make(1.0), tensors):
        return
    results = []
    for chosen in (PATHS[path], Dense()):
        c = torch.tensor([0.3, 0.7, 1.1], dtype=torch.float64, requires_grad=True)
        out = kernel_attention(*tensors, make(c), path=chosen)
        results.append([out, *torch.autograd.grad(out.square().sum(), c)])
    near(*results, 1e-11)


# ---- which path, and which form of it


def normal(n, d, dtype=torch.float32, shape=(1, 2)):
    return inputs(*shape, n=n, m=n, d=d, dtype=dtype)


def test_the_path_is_chosen_by_kernel_and_points():
    far = [x.clone() for x in normal(512, 64)]
    far[1][..., 0, :] += 1000
    expected = [
        (normal(512, 64), EDP(), {}, Fused()),
        (normal(512, 64), KeyNormBias(EDP()), {}, Fused()),
        (normal(512, 64), EDP(), {"dropout_p": 0.1}, Blocked()),
        (normal(512, 64), EDP(), {"normalize": "mean"}, Blocked()),
        (normal(512, 4), RBF(0.01), {}, Fused(centered=False)),
        ([x + 9 for x in normal(512, 4)], RBF(0.01), {}, Fused()),
        (normal(512, 64), RBF(), {}, Blocked()),
        (normal(512, 64), RBF(), {"path": Automatic(1e-5)}, Fused(centered=False)),
        (far, RBF(), {"path": Automatic(1e-5)}, Blocked(1e-5)),
        (normal(512, 64, torch.float64), RBF(), {}, Fused(centered=False)),
        (normal(512, 4, torch.float64), Quadratic(), {}, Features()),
        (normal(512, 4, torch.float64), Quadratic([1.0, 2.0]), {}, Features()),
        (normal(512, 64, torch.float64), Quadratic(), {}, Blocked()),
        (normal(512, 64), Laplace(), {}, Blocked()),
        (normal(16, 64), Laplace(), {}, Dense()),
        (normal(512, 64), Laplace(), {"path": Dense()}, Dense()),
    ]
    for tensors, kernel, options, path in expected:
        assert attention_path(*tensors, kernel, **options) == path, (kernel, options)


def test_features_of_a_parameter_with_heads_are_those_of_each_head():
    q, k, v = normal(512, 4, torch.float64)
    found = kernel_attention(q, k, v, Quadratic([0.5, 2.0]))
    for head, gamma in enumerate((0.5, 2.0)):
        one = [x[:, head] for x in (q, k, v)]
        assert torch.allclose(
            found[:, head], kernel_attention(*one, Quadratic(gamma), path=Dense())
        )


def test_points_that_are_not_finite_or_overflow_are_left_to_the_formula():
    for bad in (math.nan, math.inf, 1e30):
        q, k, v = normal(512, 4)
        q[..., 3, 0], k[..., 2, 1] = bad, min(bad, 1e30)
        for kernel in (EDP(), RBF(0.01), Quadratic(), L2Distance()):
            assert isinstance(attention_path(q, k, v, kernel), Blocked)
            task = prepared(q, k, v, kernel, **PLAIN)
            assert isinstance(kernel, EDP) or selected(task, 1e-6, 1 << 17) is None


FORMS = {
    "rbf": _forms.GaussianOfSquare,
    "cauchy": _forms.BellOfSquare,
    "laplace": _forms.Decay,
    "ei": _forms.Overlap,
    "quadratic": _forms.Square,
    "taylor-2": _forms.Series,
    "taylor-8": _forms.Series,
}


@pytest.mark.parametrize("name", FORMS)
def test_kernels_have_the_forms_that_are_theirs(name):
    task = prepared(*normal(64, 64), ACCEPTED[name], **PLAIN)
    assert isinstance(selected(task, 1e-6, 1 << 17).form, FORMS[name])


SINGLE, DOUBLE = _forms.Root(), _forms.Root(WideDot())


@pytest.mark.parametrize(
    ("shift", "apart", "form"),
    [(0.0, 9.0, SINGLE), (1e3, 9.0, SINGLE), (0.0, 0.1, DOUBLE), (0.0, 0.0, _forms.Length())],
)
def test_distances_are_products_where_these_keep_their_digits(shift, apart, form):
    q, k, v = normal(64, 64)
    q, k = q + shift, k + shift
    k[..., 3, :] = q[..., 5, :] + apart / 8
    task = prepared(q, k, v, L2Distance(), **PLAIN)
    found = selected(task, 1e-6, 1 << 17).form
    assert (type(found), type(found.core)) == (type(form), type(form.core))
    leaves = [x.requires_grad_() for x in (q, k, v)]
    wide = [x.detach().double().requires_grad_() for x in leaves]
    ours = kernel_attention(*leaves, L2Distance(), path=Blocked())
    exact = plain(*wide, "l2")
    assert off(ours, exact) <= 1e-6
    if apart:  # at distance 0 the definition has no gradient
        weights = torch.linspace(-1, 1, exact.numel(), dtype=torch.float64).reshape(exact.shape)
        slopes = [
            torch.autograd.grad((out * weights.to(out.dtype)).sum(), points)
            for out, points in ((ours, leaves), (exact, wide))
        ]
        assert max(map(off, *slopes)) <= 1e-5


@pytest.mark.parametrize("name", ["rbf", "cauchy"])
@pytest.mark.parametrize("shift", [0.0, 1e3, 1e6])
def test_squares_in_double_are_as_good_as_differences(name, shift):
    """Equal points among them; far off the center of the keys differences are taken."""
    q, k, v = (x + shift for x in normal(64, 64))
    k[..., 3, :], k[..., 0, 0] = q[..., 5, :], k[..., 0, 0] + (shift if shift == 1e6 else 0.0)
    task = prepared(q, k, v, ACCEPTED[name], **PLAIN)
    form = selected(task, 1e-6, 1 << 17).form
    assert isinstance(form.core, WideDot) == (shift < 1e6)
    exact = plain(q, k, v, name)
    assert off(kernel_attention(q, k, v, ACCEPTED[name], path=Blocked()), exact) <= 1e-6
    by_differences = selected(task, 0.0, 1 << 17).form
    assert isinstance(by_differences.core, Distance)


@pytest.mark.parametrize("order", range(0, 9, 2))
def test_series_are_accurate_to_their_order_eight(order):
    a = np.linspace(-30, 30, 2001).astype("float32")
    found = _forms.Series(order).value(torch.tensor(a)).double().numpy()
    exact = [
        float(sum(Fraction(float(x)) ** n / math.factorial(n) for n in range(order + 1))) for x in a
    ]
    assert (np.abs(found - exact) <= 1e-5 * np.abs(exact)).all()


# ---- memory


class Largest(TorchDispatchMode):
    """The numbers of the largest tensor that an operation makes."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor):
                self.numbers = max(self.numbers, x.untyped_storage().nbytes() // x.element_size())
        return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        *((name, Blocked(numbers=1 << 12)) for name in [*FORMS, "l2", "capped", "taylor-10"]),
        ("rbf", Fused()),
        ("quadratic", Features()),
    ],
)
def test_memory_is_linear_in_the_number_of_points(name, path, causal):
    n, kernel = 512, ACCEPTED[name]
    tensors = [x.requires_grad_() for x in normal(n, 4, shape=(2,))]
    with Largest() as largest:
        out = kernel_attention(*tensors, kernel, path=path, is_causal=causal)
        torch.autograd.grad(out.sum(), tensors)
    assert largest.numbers <= n * n // 8
    with Largest() as largest:
        kernel_attention(*tensors, kernel, path=Dense())
    assert largest.numbers >= 2 * n * n


def test_blocks_are_all_of_it_once():
    for batch, n, m, numbers in (((2, 3), 9, 11, 40), ((), 100, 7, 300), ((5,), 3, 3, 1000)):
        seen = torch.zeros(math.prod(batch), n, m)
        for heads, rows, keys in Blocks(batch, n, m, None, False, numbers, torch.device("cpu")):
            seen[heads, rows, keys] += 1
        assert (seen == 1).all()
