"""A bias for the norms of keys, and the kernel within their domain that comes with it."""

import dataclasses
import math

import numpy as np
import optional
import pytest
from helpers import points
from kernel_helpers import POINT_SETS, assert_structure, every_backend
from optional import torch

from rkbs import laws
from rkbs.kernels import EDP, KERNELS, RBF, KeyNormBias, L2Distance, Laplace, Linear, Quadratic

kernel_attention = optional.module("rkbs.attention").kernel_attention

EVERY = {**KERNELS, "signed quadratic": Quadratic(-0.5), "nested": KeyNormBias(EDP(), 0.25)}


def norms(x):
    return np.square(np.asarray(x, float)).sum(-1) / math.sqrt(x.shape[-1])


@every_backend
@pytest.mark.parametrize("tau", [0.5, -0.25, 0.0])
@pytest.mark.parametrize("name", EVERY)
def test_a_factor_for_each_key(name, tau, backend):
    kernel = EVERY[name]
    x, y = points((6, 3), 0, backend), points((5, 3), 1, backend)
    if name == "identity":
        y[:3] = x[:3]
    biased = KeyNormBias(kernel, tau)
    expected = np.asarray(kernel(x, y)) * np.exp(-tau * norms(y))
    assert laws.relative(np.asarray(biased(x, y)), expected) <= 1e-14
    if kernel.is_positive:
        expected = np.asarray(kernel.log(x, y)) - tau * norms(y)
        assert abs(np.asarray(biased.log(x, y)) - expected).max() <= 1e-13


@pytest.mark.parametrize("tau", [0.5, 0.0])
@pytest.mark.parametrize("name", sorted(set(EVERY) - {"l2"}))
def test_the_kernel_within_the_domain_of_keys(name, tau):
    kernel = KeyNormBias(EVERY[name], tau)
    if name == "capped":
        with pytest.raises(ValueError, match="no known features"):
            kernel.domain_y  # noqa: B018
        return
    x, y = POINT_SETS["random-3"], 0.7 * POINT_SETS["grid-3"]
    y[:3] = x[:3]
    assert laws.domain_kernels_residual(kernel, x, y) <= 1e-12
    inner = EVERY[name].domain_y
    assert kernel.domain_x == EVERY[name].domain_x
    assert (kernel.domain_y.is_mercer, kernel.domain_y.is_symmetric) == (True, True)
    assert kernel.domain_y.is_positive == inner.is_positive
    assert kernel.domain_y.feature_dim(3) == inner.feature_dim(3)
    assert_structure(kernel.domain_y, only=True)
    expected = inner(y, y) * np.exp(-tau * (norms(y)[:, None] + norms(y)))
    assert laws.relative(kernel.domain_y(y, y), expected) <= 1e-13


def test_what_it_says_of_its_structure():
    biased = KeyNormBias(EDP(), 1.0)
    assert (biased.is_mercer, biased.is_symmetric) == (False, False)
    assert laws.symmetry_residual(biased, POINT_SETS["random-3"]) > 0.1
    assert KeyNormBias(RBF(), [0.0, 0.0]).is_mercer is True
    assert KeyNormBias(RBF(), [0.0, 0.5]).is_mercer is False
    assert KeyNormBias(Linear(), 1.0).is_symmetric is None  # 0 is symmetric
    assert KeyNormBias(L2Distance(), 0.0).is_mercer is False
    assert biased.domain_y.domain_y == biased.domain_y
    assert (biased.square_dim(2), biased.is_quasiconvex(2)) == (None, None)
    assert KeyNormBias(Quadratic(), 1.0).square_dim(2) == 3


@pytest.mark.parametrize("tau", [0.3, 2.0])
@pytest.mark.parametrize("shape", [(5, 1), (2, 5, 3)], ids=str)
def test_edp_with_a_key_norm_is_rbf_row_by_row(shape, tau):
    q, k = points(shape), points(shape, 1)
    difference = KeyNormBias(EDP(), tau).log(2 * tau * q, k) - RBF(tau).log(q, k)
    assert abs(difference - tau * norms(q)[..., None]).max() <= 1e-13
    assert abs(KeyNormBias(EDP(), tau).log(q, k) - RBF(tau).log(q, k)).max() > 0.1


def test_edp_with_key_norms_is_rbf_in_every_head():
    tau = torch.tensor([0.2, 1.0, 3.0], dtype=torch.float64)
    q, k, v = (points((2, 3, n, d), s, "torch") for n, d, s in ((5, 4, 0), (7, 4, 1), (7, 2, 2)))
    heads = kernel_attention(2 * tau[:, None, None] * q, k, v, KeyNormBias(EDP(), tau))
    assert (heads - kernel_attention(q, k, v, RBF(tau))).abs().max() <= 1e-13
    assert (heads - kernel_attention(q, k, v, KeyNormBias(EDP(), tau))).abs().max() > 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kernel", [EDP(), Laplace(), Quadratic()], ids=repr)
def test_a_norm_that_overflows_decides(kernel, dtype):
    big = 1e30 if dtype == "float32" else 1e300
    x = torch.tensor([[big, 1.0], [1.0, 2.0]], dtype=getattr(torch, dtype))
    y = torch.tensor([[big, big], [0.5, -1.0]], dtype=x.dtype)
    for tau, value in ((1.0, 0.0), (-1.0, math.inf)):
        parameter = torch.tensor(tau, dtype=x.dtype, requires_grad=True)
        keys = y.clone().requires_grad_()
        out = KeyNormBias(kernel, parameter)(x, keys)
        assert (out[:, 0] == value).all()
        assert out[1, 1].isfinite()
        gradients = torch.autograd.grad(out[1, 1], (keys, parameter))
        assert all(g.isfinite().all() for g in gradients)
        assert (gradients[0][0] == 0).all()
    with pytest.raises(OverflowError, match=r"KeyNormBias.* overflows"):
        KeyNormBias(kernel, -1.0)(x.numpy(), y.numpy())


def test_norms_are_taken_in_the_wider_precision():
    x, y = points((3, 2)), points((4, 2), 1, dtype="float32")
    found = KeyNormBias(EDP(), 1.0).log(x, y)
    assert found.dtype == np.float64
    assert abs(found - KeyNormBias(EDP(), 1.0).log(x, y.astype(float))).max() <= 1e-15


def test_a_kernel_of_entities_is_told_who_they_are():
    kernel = KeyNormBias(KERNELS["identity"], 0.5)
    x = points((3, 2))
    told = kernel._told(lambda: np.ones((3, 3), bool))
    assert type(told) is KeyNormBias
    assert np.allclose(told(x, x), np.exp(-0.5 * norms(x)) * np.ones((3, 1)))
    assert dataclasses.replace(kernel, tau=0.5) == kernel
