"""A parameter for each head: the same as a loop over heads, for every kernel that has one."""

import dataclasses
import functools
import pickle

import numpy as np
import optional
import pytest
from helpers import points
from kernel_helpers import every_backend
from optional import torch

from rkbs import laws
from rkbs.kernels import (
    EDP,
    RBF,
    CappedEDP,
    Cauchy,
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    LinearMap,
    PositiveFeatures,
    Quadratic,
    Scaled,
    TaylorEDP,
)
from rkbs.kernels._parameters import Parametric
from rkbs.kernels.key_norm import _BothNormsBias
from rkbs.machines import BinaryKernelRidge

kernel_attention = optional.module("rkbs.attention").kernel_attention

HEADS = (0.4, 1.0, 2.5)
W = points((2, 2), 5)
CUT = TaylorEDP(2)  # whose nodes a compiler cannot trace
MAP = LinearMap(W)


def features(c):
    """All weights and biases times c, for numbers, arrays and tensors of heads."""
    of = torch.from_numpy if isinstance(c, torch.Tensor) else np.asarray
    c, parts = of(c) if not hasattr(c, "ndim") else c, [of(points(s, 3)) for s in ((4, 2), (4,))]
    weights, biases = c[..., None, None] * parts[0], c[..., None] * parts[1]
    return PositiveFeatures(weights, biases, 2 * weights, -biases)


MAKERS = {  # of a number or of numbers for heads
    "rbf": RBF,
    "cauchy": Cauchy,
    "l2": L2Distance,
    "laplace": Laplace,
    "quadratic": Quadratic,
    "capped": CappedEDP,
    "key norm": lambda c: KeyNormBias(EDP(), c),
    "key norm of no logit": lambda c: KeyNormBias(Linear(), c),
    "both norms": lambda c: _BothNormsBias(Laplace(), c),
    "scaled": lambda c: Scaled(Linear(), c),
    "scaled positive": lambda c: Scaled(CUT, c),
    "positive features": features,
    "combined": lambda c: (
        ((RBF(c) + Scaled(EDP(), c)) * KeyNormBias(Laplace(2.0), c)).pullback(MAP, None).T
    ),
    "domains": lambda c: Scaled(KeyNormBias(Quadratic(c), c), c).domain_y,
}
every_maker = pytest.mark.parametrize("name", MAKERS)
SHAPES = [
    ((3, 5, 2), (3, 4, 2)),
    ((2, 3, 5, 2), (3, 4, 2)),
    ((5, 2), (3, 4, 2)),  # queries that heads share
    ((3, 5, 2), (4, 2)),  # keys that heads share, as in multi-query attention
    ((2, 1, 5, 2), (3, 4, 2)),
    ((2, 3, 5, 2), (1, 4, 2)),
]


def subclasses(cls):
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def test_the_table_has_every_kernel_with_a_parameter():
    final = {c for c in subclasses(Parametric) if "__final__" in vars(c)}
    assert {type(make(1.0)) for make in MAKERS.values()} >= final
    assert final >= {RBF, L2Distance, Laplace, Cauchy, KeyNormBias, Quadratic, CappedEDP, Scaled}


def one_head(z, h):
    """The points of a head, which may be those of all."""
    return z if z.ndim < 3 else z[..., min(h, z.shape[-3] - 1), :, :]


def functions(kernel):
    return ["__call__", "log"] if kernel.is_positive else ["__call__"]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["array", "list", "float32", "tensor"])
@every_backend
@every_maker
def test_heads_are_a_loop_over_heads(name, backend, kind, shapes):
    if backend == "numpy" and kind == "tensor":
        return
    given = {"list": list, "tensor": torch.tensor, "float32": np.float32}.get(kind, np.array)(HEADS)
    kernel = MAKERS[name](given)
    x, y = (points(shape, s, backend, scale=0.7) for s, shape in enumerate(shapes))
    stack = np.stack if backend == "numpy" else torch.stack
    for function in functions(kernel):
        found = getattr(kernel, function)(x, y)
        assert found.dtype == x.dtype
        numbers = np.asarray(given, float).tolist()
        loop = [
            getattr(MAKERS[name](c), function)(one_head(x, h), one_head(y, h))
            for h, c in enumerate(numbers)
        ]
        tolerance = 1e-6 if kind in ("float32", "tensor") else 1e-13  # torch.tensor is float32
        assert laws.relative(np.asarray(found), np.asarray(stack(loop, -3))) <= tolerance


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@every_backend
@every_maker
def test_float64_parameters_leave_the_dtype_alone(name, backend, dtype):
    x, y = (points((3, n, 2), n, backend, dtype, scale=0.2) for n in (5, 4))
    kernel = MAKERS[name](np.array(HEADS))
    assert kernel(x, y).dtype == x.dtype


ACCEPTED = [name for name, make in MAKERS.items() if make(1.0).is_nonnegative]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_gradient_for_each_head_in_attention(name):
    q, k, v = (points((2, 3, n, 2), n, "torch") for n in (5, 4, 4))
    c = torch.tensor(HEADS, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([True, True, True, False])

    def out(c):
        return kernel_attention(q, k, v, MAKERS[name](c), attn_mask=mask)

    (gradient,) = torch.autograd.grad(out(c).square().sum(), c)
    for h in range(3):
        one = c.detach()[h].clone().requires_grad_()
        heads = kernel_attention(q[:, h], k[:, h], v[:, h], MAKERS[name](one), attn_mask=mask)
        (right,) = torch.autograd.grad(heads.square().sum(), one)
        assert abs(gradient[h] - right) <= 1e-12 * max(1, abs(right))
    assert gradient.all() or name in ("l2", "scaled positive")  # a factor of a row drops out
    assert torch.autograd.gradcheck(out, (c,))
    assert torch.autograd.gradgradcheck(out, (c,))


def test_one_graph_of_learned_and_of_fixed_heads():
    fixed = [MAKERS[name](np.array(HEADS)) for name in ("cauchy", "scaled positive")]
    fixed.append(features(np.array(HEADS)))
    q, k, v = (points((2, 3, n, 2), n, "torch").requires_grad_() for n in (5, 4, 4))
    c = torch.tensor(HEADS, dtype=torch.float64, requires_grad=True)

    def every(q, k, v, c):
        kernels = [*fixed, *(MAKERS[name](c) for name in ACCEPTED if name != "positive features")]
        return torch.stack([kernel_attention(q, k, v, kernel) for kernel in kernels])

    torch._dynamo.reset()
    compiled = torch.compile(every, backend="eager", fullgraph=True)
    results = []
    for run in (compiled, every):
        out = run(q, k, v, c)
        results.append((out, *torch.autograd.grad(out.square().sum(), (q, k, v, c))))
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * max(1, theirs.abs().max())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ACCEPTED)
def test_half_precision_is_rounded_once(name, dtype):
    q, k, v = (points((3, n, 2), n, "torch").to(dtype) for n in (5, 4, 4))
    kernel = MAKERS[name](torch.tensor(HEADS))
    exact = kernel_attention(q.float(), k.float(), v.float(), kernel)
    assert torch.equal(kernel_attention(q, k, v, kernel), exact.to(dtype))


# ---- kernels are values


@every_maker
def test_kernels_with_heads_are_values(name):
    make = functools.partial(MAKERS[name])
    kernel, same, other = make(np.array(HEADS)), make(np.array(HEADS)), make(np.array([1.0, 2, 3]))
    assert (kernel == same) is True
    assert (kernel == other) is False
    assert (kernel == make(1.0)) is False
    assert hash(kernel) == hash(same)
    assert pickle.loads(pickle.dumps(kernel)) == kernel
    assert len(repr(kernel)) < 300
    assert dataclasses.replace(kernel) == kernel
    c = torch.tensor(HEADS, dtype=torch.float64)
    if name not in ("positive features", "domains"):  # made anew from it
        assert (make(c) == make(c)) is True
        assert hash(make(c)) == hash(make(c))
    assert (make(c) == make(c.clone())) is False
    assert (make(c) == kernel) is False
    assert len({kernel, same, other, make(c)}) == 3


def test_parameters_are_numbers_that_nobody_writes_into():
    given = np.array(HEADS)
    kernel = RBF(given)
    given[0] = 9.0
    assert kernel.tau == HEADS
    assert RBF(np.array(2.0)) == RBF(2.0) == RBF(np.float32(2.0))
    assert RBF([1, 2]).tau == (1.0, 2.0)
    assert repr(RBF([1, 2])) == "RBF(tau=(1.0, 2.0))"
    assert RBF(2.0) != Laplace(2.0)
    assert RBF(2.0) != 2.0
    tensor = torch.tensor(2.0)
    assert (RBF(tensor) == RBF(tensor), RBF(tensor) == RBF(2.0)) == (True, False)


def test_machines_still_set_numbers_by_name():
    machine = BinaryKernelRidge(RBF(2.0), 0.5 * RBF(1.0))
    assert machine.get_params()["kernel_x__tau"] == 2.0
    machine.set_params(kernel_x__tau=3.0, kernel_y__factor=2.0, kernel_y__kernel__tau=4.0)
    assert (machine.kernel_x, machine.kernel_y) == (RBF(3.0), 2.0 * RBF(4.0))


# ---- structure


@pytest.mark.parametrize("of", [np.array, torch.tensor])
def test_structure_is_that_of_every_head(of):
    def heads(*values):
        return of([float(value) for value in values])

    assert [Quadratic(heads(*g)).is_mercer for g in [(0, 1), (1, 2), (1, -1)]] == [1, 1, 0]
    mixed, none = Quadratic(heads(0, 0.5)), Quadratic(heads(0, 0))
    assert (mixed.feature_dim(3), mixed.square_dim(3)) == (10, 4)
    assert (none.feature_dim(3), none.square_dim(3)) == (6, 3)
    assert np.array_equal(Quadratic(heads(-1, 2)).domain_x.gamma, heads(1, 2))
    assert CappedEDP(heads(1, 3, 2)).logit_spread == 6.0
    assert CappedEDP(of(2.0)).logit_spread == 4.0

    def answers(kernel, *signs):
        c = Scaled(kernel, heads(*signs))
        return c.is_mercer, c.is_symmetric, c.is_positive, c.is_nonnegative, c.feature_dim(2)

    assert answers(TaylorEDP(2), 1, 2) == (True, True, True, True, 6)
    assert answers(TaylorEDP(2), 1, 0) == (True, True, False, True, 6)
    assert answers(TaylorEDP(2), 0, 0) == (True, True, False, True, 0)
    assert answers(TaylorEDP(2), 1, -1) == (False, True, False, False, 6)
    assert answers(TaylorEDP(2), -1, -2) == (False, True, False, False, 6)
    assert answers(Linear(), 1, -1) == (None, True, False, False, 2)
    assert answers(Quadratic(-1.0), 1, -1) == (False, True, False, None, 6)
    both = Scaled(CappedEDP(2.0), heads(1, 3)), Scaled(CappedEDP(2.0), heads(1, -1))
    assert [c.logit_spread for c in both] == [4.0, None]
    assert [c.is_quasiconvex(2) for c in both] == [True, None]
    squares = Scaled(Quadratic(), heads(1, 3)), Scaled(Quadratic(), heads(1, 0))
    assert [c.square_dim(2) for c in squares] == [3, None]
