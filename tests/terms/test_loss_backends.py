"""Losses on numpy and torch: one body, of which autograd makes the gradient and the curvature."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers import final_below
from torch.nn import functional

from rkbs.terms.losses import Loss
from rkbs.terms.margin_losses import Hinge, Logistic
from rkbs.terms.residual_losses import EpsilonInsensitive, Huber, Squared
from rkbs.terms.weighted import Weighted

LOSSES = (
    Squared(),
    Logistic(),
    Huber(0.5),
    Hinge(),
    EpsilonInsensitive(0.25),
    EpsilonInsensitive(0.0),
)
BACKENDS, DTYPES = ("numpy", "torch"), ("float32", "float64")
CASES = list(product(LOSSES, BACKENDS, DTYPES))
PARTS = ("value", "gradient", "curvature")
EPS = {name: float(np.finfo(name).eps) for name in DTYPES}

every_case = pytest.mark.parametrize(("loss", "backend", "dtype"), CASES)
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)

# Every kink is among them, and exact in both dtypes: |h − z| = 0, 1/4 and 1/2, and zh = 1.
H = np.array([-30.0, -3.0, -1.25, -1.0, -0.75, -0.5, -0.0, 0.0, 0.25, 0.5, 0.625, 1.0, 1.5, 37.0])
EXTREMES = np.array([-1e30, -1e4, -1e3, -100.0, 0.0, 100.0, 1e3, 1e4, 1e30])


def responses(loss):
    return np.array([1.0, -1.0] if loss.labels else [0.0, 1.0, -1.0, 0.75])[:, None]


def given(loss, backend, dtype, h=H):
    """Predictions and responses that broadcast against each other."""
    arrays = h.astype(dtype), responses(loss).astype(dtype)
    return tuple(map(torch.from_numpy, arrays)) if backend == "torch" else arrays


def leaves(loss, dtype, h=H):
    """Predictions that autograd follows, at every response, and these."""
    h, z = torch.broadcast_tensors(*given(loss, "torch", dtype, h))
    return h.clone().requires_grad_(), z.clone()


def derivatives(value, h, z):
    """The value, and its first and second derivatives in h, by autograd; numpy arrays."""
    values = value(h, z)
    (slope,) = torch.autograd.grad(values.sum(), h, create_graph=True)
    bend = torch.zeros_like(h)
    if slope.requires_grad:  # that of the hinge is constant
        (bend,) = torch.autograd.grad(slope.sum(), h)
    return [part.numpy(force=True) for part in (values, slope, bend)]


def test_the_table_has_every_loss_on_every_backend_in_every_dtype():
    found = {(type(loss), backend, dtype) for loss, backend, dtype in CASES}
    assert found == set(
        product(final_below(Loss) - {Weighted}, ("numpy", "torch"), ("float32", "float64"))
    )


@every_case
def test_each_part_is_the_one_of_numpy_in_double_precision(loss, backend, dtype):
    expected = [getattr(loss, part)(*given(loss, "numpy", "float64")) for part in PARTS]
    for part, wanted in zip(PARTS, expected, strict=True):
        h, z = given(loss, backend, dtype)
        found = getattr(loss, part)(h, z)
        assert type(found) is type(h), part
        assert found.dtype == h.dtype, part
        np.testing.assert_allclose(np.asarray(found), wanted, 8 * EPS[dtype], 1e-44, err_msg=part)


@every_loss
@every_dtype
def test_autograd_gives_the_gradient_also_at_kinks(loss, dtype):
    h, z = leaves(loss, dtype)
    _, slope, _ = derivatives(loss.value, h, z)
    wanted = loss.gradient(h.detach(), z).numpy()
    np.testing.assert_allclose(slope, wanted, 8 * EPS[dtype], 1e-44)


@every_loss
@every_dtype
def test_autograd_gives_the_curvature_twice_and_of_the_gradient(loss, dtype):
    h, z = leaves(loss, dtype)
    wanted = loss.curvature(h.detach(), z).numpy()
    _, _, bend = derivatives(loss.value, h, z)
    np.testing.assert_allclose(bend, wanted, 8 * EPS[dtype], EPS[dtype])
    if loss.smooth:
        (bend,) = torch.autograd.grad(loss.gradient(h, z).sum(), h)
        np.testing.assert_allclose(bend, wanted, 8 * EPS[dtype], EPS[dtype])


@every_loss
def test_derivatives_by_finite_differences(loss):
    """At points a tenth from every kink."""
    h, z = leaves(loss, "float64", np.array([-2.1, -0.63, 0.11, 0.37, 0.88, 2.6]))
    assert torch.autograd.gradcheck(loss.value, (h, z), atol=1e-8)
    if loss.smooth:
        assert torch.autograd.gradgradcheck(loss.value, (h, z), atol=1e-8)


@every_loss
@every_dtype
def test_extreme_predictions_have_finite_derivatives(loss, dtype):
    h, z = leaves(loss, dtype, EXTREMES)
    values, slope, bend = derivatives(loss.value, h, z)
    assert np.isfinite(slope).all()
    assert np.isfinite(bend).all()
    assert np.isfinite(values[:, np.abs(EXTREMES) <= 1e4]).all()
    np.testing.assert_allclose(slope, loss.gradient(h.detach(), z), 8 * EPS[dtype], 1e-44)


@every_loss
def test_a_check_of_responses_keeps_the_tensor(loss):
    z = torch.tensor([1.0, -1.0])
    assert loss.check(z) is z
    if loss.labels:
        with pytest.raises(ValueError, match=r"y must be −1 or 1 .*got 0.0: for labels 0 and 1"):
            loss.check(torch.tensor([1.0, 0.0]), "y")
        with pytest.raises(ValueError, match=r"got nan$"):
            loss.check(torch.tensor([1.0, torch.nan]))


MUTANTS = {
    "a slope of one side at the kink": (Hinge(), lambda h, z: (1 - z * h).clip(0, None)),
    "a maximum, with half of it": (Hinge(), lambda h, z: torch.maximum(1 - z * h, 0 * h)),
    "of |r|, flat at 0": (
        Huber(0.5),
        lambda h, z: (h - z).abs().clip(0, 0.5) * ((h - z).abs() - (h - z).abs().clip(0, 0.5) / 2),
    ),
    "torch's softplus": (Logistic(), lambda h, z: functional.softplus(-z * h)),
    "no slope at 0": (
        Logistic(),
        lambda h, z: functional.relu(-z * h) + torch.log1p(torch.exp(-(z * h).abs())),
    ),
    "overflow": (Logistic(), lambda h, z: torch.log1p(torch.exp(-z * h))),
    "no gradient": (Squared(), lambda h, z: (h - z).detach() * (h - z) / 2),
    "no half": (Squared(), lambda h, z: (h - z).square()),
}
"""Values that are those of the loss, some only nearly, and differentiated otherwise."""


def misfit(value, loss):
    """How far value and derivatives by autograd are from the loss's, NaN included; float64."""
    points = np.concatenate([H, [-1e4, -21.0, 21.0, 1e4]])
    h, z = leaves(loss, "float64", points)
    parts = [getattr(loss, part)(h.detach(), z).numpy() for part in PARTS]
    pairs = zip(derivatives(value, h, z), parts, strict=True)
    apart = [(abs(a - b) / (1 + abs(b))).max() for a, b in pairs]
    return np.nan_to_num(apart, nan=np.inf).max()


@pytest.mark.parametrize("name", MUTANTS)
def test_another_way_to_differentiate_is_noticed(name):
    loss, value = MUTANTS[name]
    assert misfit(loss.value, loss) < 1e-15
    assert misfit(value, loss) > 1e-10
