"""Every kernel × backend × dtype: formula, shapes, structure, logits, gradients."""

import dataclasses
import inspect
import itertools
import math
import pickle
import tracemalloc

import mpmath
import numpy as np
import pytest
from helpers import meeting, points
from kernel_helpers import BACKENDS, answers, assert_rank, assert_structure, every_backend
from optional import torch

from rkbs import laws
from rkbs.kernels import (
    EDP,
    KERNELS,
    PAPER_KERNELS,
    RBF,
    CappedEDP,
    Cauchy,
    Constant,
    Custom,
    DotProductKernel,
    ExponentiatedIntersection,
    Identity,
    Kernel,
    KeyNormBias,
    L2Distance,
    Laplace,
    Linear,
    LowRank,
    PositiveFeatures,
    Precomputed,
    Product,
    Pullback,
    Quadratic,
    Scaled,
    Sum,
    Tanimoto,
    TaylorEDP,
    Transpose,
    WeightedSum,
)
from rkbs.kernels.entity import _ToldIdentity
from rkbs.kernels.key_norm import _BothNormsBias

DTYPES = ("float32", "float64")
TOLERANCE = {"float32": 5e-6, "float64": 1e-12}


def inner(q, k):
    return sum(u * v for u, v in zip(q, k, strict=True))


def a_of(q, k):
    return inner(q, k) / math.sqrt(len(q))


def l1(q, k):
    return sum(abs(u - v) for u, v in zip(q, k, strict=True))


def square(k):
    return sum(v * v for v in k) / math.sqrt(len(k))


def taylor(q, k, c):
    return sum(a_of(q, k) ** n / math.factorial(n) for n in range(c.order + 1))


def log_taylor(order, a):
    with mpmath.workdps(60):
        terms = (mpmath.mpf(a) ** n / mpmath.factorial(n) for n in range(order + 1))
        return float(mpmath.log(mpmath.fsum(terms)))


# Entry by entry, from theory §5. CASES is built from this table, not from KERNELS.
FORMULAS = {
    "edp": lambda q, k, c: math.exp(a_of(q, k)),
    "rbf": lambda q, k, c: math.exp(-c.tau * math.dist(q, k) ** 2 / math.sqrt(len(q))),
    "l2": lambda q, k, c: c.tau * math.dist(q, k) / math.sqrt(len(q)),
    "ei": lambda q, k, c: math.exp(sum(map(min, q, k))),
    "quadratic": lambda q, k, c: (a_of(q, k) + c.gamma) ** 2,
    "taylor-3": taylor,
    "taylor-4": taylor,
    "capped": lambda q, k, c: math.exp(c.cap * math.tanh(a_of(q, k) / c.cap)),
    "key-norm": lambda q, k, c: math.exp(a_of(q, k) - c.tau * square(k)),
    "linear": lambda q, k, c: a_of(q, k),
    "cauchy": lambda q, k, c: 1 / (1 + c.tau * math.dist(q, k) ** 2 / math.sqrt(len(q))),
    "laplace": lambda q, k, c: math.exp(-c.tau * l1(q, k)),
    "identity": lambda q, k, c: float(q == k),
    "constant": lambda q, k, c: 1.0,
    "tanimoto": lambda q, k, c: inner(q, k) / (inner(q, q) + inner(k, k) - inner(q, k)),
}
LOGITS = {  # those of the positive kernels, at default parameters
    "edp": a_of,
    "rbf": lambda q, k: -(math.dist(q, k) ** 2) / math.sqrt(len(q)),
    "ei": lambda q, k: sum(map(min, q, k)),
    "taylor-4": lambda q, k: log_taylor(4, a_of(q, k)),
    "capped": lambda q, k: math.tanh(a_of(q, k)),
    "key-norm": lambda q, k: a_of(q, k) - square(k),
    "cauchy": lambda q, k: -math.log1p(math.dist(q, k) ** 2 / math.sqrt(len(q))),
    "laplace": lambda q, k: -l1(q, k),
    "constant": lambda q, k: 0.0,
}
OTHER_PARAMETERS = {
    "rbf": {"tau": 0.7},
    "l2": {"tau": 1.3},
    "quadratic": {"gamma": -0.5},
    "taylor-3": {"order": 5},
    "taylor-4": {"order": 0},
    "capped": {"cap": 0.6},
    "key-norm": {"tau": -0.3},
    "cauchy": {"tau": 0.7},
    "laplace": {"tau": 0.4},
}
SLOW = {"taylor-4", "capped", "cauchy"}  # logits that grow more slowly than points, or not at all
BOUNDED = {"rbf", "laplace", "identity", "constant", "capped", "cauchy", "tanimoto"}

CASES = list(itertools.product(FORMULAS, BACKENDS, DTYPES))

every_case = pytest.mark.parametrize(("name", "backend", "dtype"), CASES)
every_kernel = pytest.mark.parametrize("name", FORMULAS)


def brute(formula, x, y):
    return np.array([[formula(q, k) for k in y.tolist()] for q in x.tolist()])


def functions(kernel):
    return [kernel, kernel.log] if kernel.is_positive else [kernel]


def subclasses(cls):
    return {cls}.union(*map(subclasses, cls.__subclasses__()))


def test_table_reaches_every_kernel_backend_and_dtype():
    assert set(CASES) == set(itertools.product(KERNELS, ("numpy", "torch"), DTYPES))
    assert set(PAPER_KERNELS) <= set(KERNELS)
    assert set(LOGITS) == {name for name, kernel in KERNELS.items() if kernel.is_positive}
    assert set(OTHER_PARAMETERS) == {n for n, k in KERNELS.items() if dataclasses.fields(k)}


def test_every_kernel_class_is_abstract_or_final_and_reached():
    ours = {c for c in subclasses(Kernel) if c.__module__.startswith("rkbs.kernels")}
    final = {c for c in ours if "__final__" in vars(c)}
    others = {Sum, Product, Scaled, Transpose, Pullback, Precomputed}  # test_algebra.py
    others |= {_ToldIdentity, Custom}  # test_entities.py, test_custom.py
    others |= {PositiveFeatures, _BothNormsBias}  # test_positive_features.py, test_key_norm.py
    others |= {LowRank, WeightedSum}  # test_low_rank.py, test_weighted_sum.py
    assert {type(k) for k in KERNELS.values()} | others == final
    assert all(inspect.isabstract(c) for c in ours - final)


# ---- formula, shape, dtype, batches


@pytest.mark.parametrize("parameters", ["default", "other"])
@every_case
def test_formula(name, backend, dtype, parameters):
    other = OTHER_PARAMETERS.get(name, {}) if parameters == "other" else {}
    kernel = dataclasses.replace(KERNELS[name], **other)
    x, y = meeting((6, 3), (4, 3), backend, dtype)
    expected = brute(lambda q, k: FORMULAS[name](q, k, kernel), x, y)
    assert laws.relative(kernel(x, y), expected) <= TOLERANCE[dtype]


@pytest.mark.parametrize(("n", "m", "d"), [(4, 5, 3), (1, 1, 1), (1, 7, 2)])
@every_case
def test_shape_and_dtype(name, backend, dtype, n, m, d):
    x, y = points((n, d), 0, backend, dtype), points((m, d), 1, backend, dtype)
    for function in functions(KERNELS[name]):
        gram = function(x, y)
        assert tuple(gram.shape) == (n, m)
        assert gram.dtype == x.dtype
        assert isinstance(gram, torch.Tensor) == (backend == "torch")
        mixed = function(points((n, d), 0, backend, "float32"), points((m, d), 1, backend))
        assert str(mixed.dtype).endswith("float64")


@pytest.mark.parametrize(
    ("lead_x", "lead_y", "lead"), [((2,), (2,), (2,)), ((2, 1), (3,), (2, 3)), ((), (2,), (2,))]
)
@every_case
def test_batches_are_loops(name, backend, dtype, lead_x, lead_y, lead):
    x, y = meeting((*lead_x, 4, 3), (*lead_y, 5, 3), backend, dtype)
    broadcast = torch.broadcast_to if backend == "torch" else np.broadcast_to
    xs, ys = broadcast(x, (*lead, 4, 3)), broadcast(y, (*lead, 5, 3))
    for function in functions(KERNELS[name]):
        batched = function(x, y)
        assert tuple(batched.shape) == (*lead, 4, 5)
        for index in np.ndindex(lead):
            one = function(xs[index], ys[index])
            if name == "constant" and not np.any(np.asarray(one)):  # its logit
                assert not np.any(np.asarray(batched[index]))
                continue
            assert laws.relative(batched[index], one) <= TOLERANCE[dtype]


@every_kernel
def test_lists_and_integers_are_float64(name):
    gram = KERNELS[name]([[1, 2], [3, -1]], np.array([[0, 1]]))
    assert gram.dtype == np.float64
    assert np.array_equal(gram, KERNELS[name](np.array([[1.0, 2], [3, -1]]), np.array([[0.0, 1]])))


@every_kernel
def test_kernels_are_values(name):
    kernel = KERNELS[name]
    assert pickle.loads(pickle.dumps(kernel)) == kernel
    assert hash(dataclasses.replace(kernel)) == hash(kernel)


@pytest.mark.parametrize(
    "kernel", [RBF(np.float64(2)), L2Distance(np.float32(2)), np.float64(2) * Linear()], ids=repr
)
def test_numpy_scalars_as_parameters_leave_the_dtype_alone(kernel):
    x = points((2, 3), dtype="float32")
    assert kernel(x, x).dtype == np.float32


def test_intersection_needs_no_array_of_all_differences():
    x, y = points((1000, 64), 0, scale=0.1), points((1000, 64), 1, scale=0.1)
    tracemalloc.start()
    gram = ExponentiatedIntersection()(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * gram.nbytes  # n × m × d would be 64 times the Gram matrix
    assert laws.relative(gram[:50], np.exp(np.minimum(x[:50, None], y).sum(-1))) <= 1e-12


@every_backend
def test_intersection_is_laplace_between_two_diagonal_scalings(backend):
    x, y = points((7, 3), 0, backend), points((5, 3), 1, backend)
    logit = x.sum(1)[:, None] / 2 + y.sum(1) / 2 + Laplace(0.5).log(x, y)
    assert laws.relative(ExponentiatedIntersection().log(x, y), logit) <= 1e-13


# ---- logits and overflow


@pytest.mark.parametrize("size", [1.0, 1e2, 1e4])  # 1e2 gives logits of 1e4 where they are squares
@pytest.mark.parametrize("dtype", DTYPES)
@every_backend
@pytest.mark.parametrize("name", LOGITS)
def test_logits_are_exact_up_to_ten_thousand_and_beyond(name, backend, dtype, size):
    x = points((3, 2), 0, backend, dtype)
    x = x * (size / abs(x).max())
    y = (torch.cat if backend == "torch" else np.concatenate)([x, -x])
    expected = brute(LOGITS[name], x, y)
    if name == "constant":
        assert not np.asarray(KERNELS[name].log(x, y)).any()
        return
    assert laws.relative(KERNELS[name].log(x, y), expected) <= TOLERANCE[dtype]
    assert np.abs(expected).max() >= (0 if name in SLOW else size / 2)


@every_backend
@pytest.mark.parametrize("name", LOGITS)
def test_exponential_of_the_logit_is_the_kernel(name, backend):
    x, y = points((6, 3), 0, backend), points((4, 3), 1, backend)
    assert laws.relative(np.exp(np.asarray(KERNELS[name].log(x, y))), KERNELS[name](x, y)) <= 1e-13
    assert laws.logit_residual(KERNELS[name], np.asarray(x), np.asarray(y)) <= 1e-12


@pytest.mark.parametrize("name", sorted(FORMULAS.keys() - LOGITS.keys()))
def test_kernels_that_are_not_positive_have_no_logit(name):
    with pytest.raises(TypeError, match="not a positive kernel and has no logarithm"):
        KERNELS[name].log(points((2, 2)), points((2, 2)))


@every_case
def test_overflow_is_an_error_with_advice_in_numpy_and_inf_in_torch(name, backend, dtype):
    kernel, bounded = KERNELS[name], name in BOUNDED
    x = points((2, 3), 0, backend, dtype) * 0 + (3e38 if dtype == "float32" else 1e308)
    if bounded or backend == "torch":
        values = [np.asarray(kernel(x, y)) for y in ([-x] if bounded else [x, -x])]
        assert np.isfinite(values).all() == (bounded or name == "key-norm")
        assert name != "key-norm" or not np.any(values)  # the norm decides
        return
    # where there is no logit, none may be advised
    advice = r"use kernel\.log\(x, y\), or scale" if kernel.is_positive else "scale"
    with pytest.raises(OverflowError, match=f"{dtype} on these x, y: {advice} the points"):
        kernel(x, np.concatenate([x, -x]))


@pytest.mark.parametrize("order", [0, 2, 4, 8, 36])
@pytest.mark.parametrize("dtype", DTYPES)
@every_backend
def test_even_taylor_kernels_are_positive_and_have_a_logit(backend, dtype, order):
    a = [-1e4, -200, -40, -5, -1.5, -1, -1e-3, 0, 1e-3, 1, 1.01, 5, 40, 200, 1e4]
    x = np.array(a, dtype=dtype)[:, None]
    one = np.ones((1, 1), dtype=dtype)
    as_backend = torch.from_numpy if backend == "torch" else np.asarray
    logit = TaylorEDP(order).log(as_backend(x), as_backend(one))[:, 0]
    exact = [log_taylor(order, v) for v in x[:, 0].tolist()]
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(logit, exact, rtol=tolerance, atol=tolerance)
    assert (TaylorEDP(order).is_positive, TaylorEDP(order + 1).is_positive) == (True, False)


@pytest.mark.parametrize("order", [2, 4, 8, 16, 24, 40])
@pytest.mark.parametrize("dtype", DTYPES)
@every_backend
def test_taylor_values_and_logits_are_accurate_where_the_sum_cancels(backend, dtype, order):
    a = np.append(np.linspace(-2 * order, 2 * order, 81), [-1e4, 1e4]).astype(dtype)
    x, one = a[:, None], np.ones((1, 1), dtype)
    if backend == "torch":
        x, one = torch.from_numpy(x), torch.from_numpy(one)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    logit = np.array([log_taylor(order, v) for v in a.tolist()])
    found = np.asarray(TaylorEDP(order).log(x, one))[:, 0]
    assert (abs(found - logit) <= tolerance * np.maximum(abs(logit), 1)).all()
    values = np.asarray(TaylorEDP(order)(x[:-2], one))[:, 0].astype(float)
    np.testing.assert_allclose(values, np.exp(logit[:-2]), rtol=tolerance)
    if backend == "torch":
        x.requires_grad_()
        TaylorEDP(order).log(x, one).sum().backward()  # p' = p_{N−1} = p_N − aᴺ/N!
        size = order * np.log(abs(a) + (a == 0)) - math.lgamma(order + 1)
        slope = 1 - np.where(a == 0, 0, np.exp(size - logit))
        assert abs(x.grad[:, 0].numpy() - slope).max() <= 3 * tolerance


@pytest.mark.parametrize("order", [16, 24])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_taylor_logits_of_half_precision(dtype, order):
    x = torch.tensor([-24.0, -16, -9, -4, -1, 0, 1, 8, 30], dtype=getattr(torch, dtype))[:, None]
    logit = TaylorEDP(order).log(x, torch.ones_like(x[:1]))
    assert logit.dtype == x.dtype
    exact = [log_taylor(order, v) for v in x[:, 0].tolist()]
    eps = torch.finfo(x.dtype).eps
    np.testing.assert_allclose(logit[:, 0].float(), exact, rtol=eps, atol=eps)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@every_kernel
def test_half_precision_tensors(name, dtype):
    x, y = (z.to(getattr(torch, dtype)) for z in meeting((6, 3), (4, 3), "torch"))
    for function in functions(KERNELS[name]):
        found, exact = function(x, y), function(x.double(), y.double())
        assert found.dtype == x.dtype
        if not exact.any():
            assert name == "constant"
            assert not found.any()
            continue
        assert laws.relative(found.float(), exact) <= 8 * torch.finfo(x.dtype).eps


@every_kernel
def test_nan_in_a_tensor_is_not_lost(name):
    x = points((3, 2), 0, "torch")
    x[1, 0] = math.nan
    for function in functions(KERNELS[name]):
        gram = function(x, x)
        assert gram[1].isnan().all()
        assert gram[0, 0].isfinite()


@pytest.mark.parametrize("dtype", DTYPES)
@every_backend
def test_no_point_is_nearer_to_another_than_to_itself(backend, dtype):
    x = points((40, 64), 0, backend, dtype) + 100  # far out, where squares round off
    assert (RBF().log(x, x) <= 0).all()
    assert (RBF()(x, x) <= 1).all()


# ---- declared structure, against the laws


C = math.comb
# kernel: (is_mercer, is_symmetric, is_positive, is_nonnegative, feature_dim in R^3)
STRUCTURE = {
    EDP(): (True, True, True, True, math.inf),
    RBF(0.5): (True, True, True, True, math.inf),
    L2Distance(): (False, True, False, True, math.inf),
    Laplace(): (True, True, True, True, math.inf),
    ExponentiatedIntersection(): (True, True, True, True, math.inf),
    Linear(): (True, True, False, False, 3),
    Quadratic(): (True, True, False, True, C(5, 2)),
    Quadratic(0.0): (True, True, False, True, C(4, 2)),
    Quadratic(-0.5): (False, True, False, True, C(5, 2)),
    TaylorEDP(0): (True, True, True, True, 1),
    TaylorEDP(1): (True, True, False, False, 4),
    TaylorEDP(3): (True, True, False, False, C(6, 3)),
    TaylorEDP(4): (True, True, True, True, C(7, 3)),
    CappedEDP(): (False, True, True, True, math.inf),
    CappedEDP(0.5): (False, True, True, True, math.inf),
    KeyNormBias(EDP()): (False, False, True, True, math.inf),
    KeyNormBias(EDP(), 0.0): (True, True, True, True, math.inf),
    KeyNormBias(Quadratic(), 0.5): (None, None, False, True, C(5, 2)),
    KeyNormBias(Linear(), 0.5): (None, None, False, False, 3),
    Cauchy(0.5): (True, True, True, True, math.inf),
    Identity(): (True, True, False, True, math.inf),
    Constant(): (True, True, True, True, 1),
    Tanimoto(): (True, True, False, False, math.inf),
}


def test_structure_table_has_every_class():
    assert {type(k) for k in STRUCTURE} == {type(k) for k in KERNELS.values()}


@pytest.mark.parametrize(("kernel", "expected"), STRUCTURE.items(), ids=map(repr, STRUCTURE))
def test_declared_structure_is_honest(kernel, expected):
    assert answers(kernel) == expected
    assert_structure(kernel)
    for d in (2, 3):
        assert_rank(kernel, d)


def test_quadratic_with_negative_gamma_has_a_witness():
    x = np.array([[0.1], [-0.1]])  # (xy − ½)² has the odd part −xy, with eigenvalue −2 · 0.01
    assert np.linalg.eigvalsh(Quadratic(-0.5)(x, x))[0] == pytest.approx(-0.02)


@pytest.mark.parametrize(
    "kernel", [k for k in STRUCTURE if isinstance(k, DotProductKernel)], ids=repr
)
def test_dot_product_kernels_are_their_power_series(kernel):
    x, y = points((6, 3), 0, scale=0.5), points((5, 3), 1, scale=0.5)
    series = kernel.power_coefficients(30)
    values = sum(float(c) * (x @ y.T / math.sqrt(3)) ** n for n, c in enumerate(series))
    assert laws.relative(kernel(x, y), values) <= 1e-13
    top = max(n for n, c in enumerate(series) if c != 0)
    assert kernel.degree == (math.inf if top == 30 else top)


# ---- gradients

LEARNABLE = {
    name: [f.name for f in dataclasses.fields(kernel) if f.name not in ("order", "kernel")]
    for name, kernel in KERNELS.items()
}


@pytest.mark.parametrize(("name", "parameters"), LEARNABLE.items())
def test_gradients_by_points_and_parameters(name, parameters):
    x, y = points((4, 3), 0, "torch").requires_grad_(), points((3, 3), 1, "torch").requires_grad_()
    values = [torch.tensor(0.7, dtype=torch.float64, requires_grad=True) for _ in parameters]

    def rebuilt(values):
        return dataclasses.replace(KERNELS[name], **dict(zip(parameters, values, strict=True)))

    check = torch.autograd.gradcheck
    assert check(lambda x, y, *values: rebuilt(values)(x, y), (x, y, *values))
    if name in LOGITS:
        assert check(lambda x, y, *values: rebuilt(values).log(x, y), (x, y, *values))


@pytest.mark.parametrize("size", [1.0, 1e2])
@every_kernel
def test_gradients_are_finite_at_equal_points_and_huge_logits(name, size):
    x = points((3, 2), 0, "torch", scale=size).requires_grad_()
    functions(KERNELS[name])[-1](x, x).sum().backward()
    assert x.grad.isfinite().all()
