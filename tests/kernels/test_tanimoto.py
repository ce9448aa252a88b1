"""Tanimoto: sets counted by Python, exact quotients, any scale, zeros, and its integral."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.integrate
from optional import torch

from rkbs import BinaryKernelRidge, Pairs, Tanimoto, laws

RNG = np.random.default_rng(0)
BITS = (RNG.random((12, 40)) < np.linspace(0, 0.9, 12)[:, None]).astype(float)  # the first is empty


def jaccard(a, b):
    a, b = ({k for k, bit in enumerate(row) if bit} for row in (a, b))
    return len(a & b) / len(a | b) if a | b else 1.0


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float32, np.float64])
def test_fingerprints_are_sets(dtype):
    assert not BITS[0].any()
    expected = np.array([[jaccard(a, b) for b in BITS] for a in BITS])
    x = BITS.astype(dtype)
    found = Tanimoto()(x, x)
    exact = found.dtype == np.float64
    assert np.array_equal(found, expected.astype(found.dtype)) or not exact
    assert np.abs(found - expected).max() <= 2 * np.finfo(found.dtype).eps
    assert np.array_equal(found, found.T)
    assert (found.diagonal() == 1).all()


def test_counts_are_exact_but_for_the_last_rounding():
    x, y = RNG.integers(-9, 50, size=(8, 16)), RNG.integers(-9, 50, size=(7, 16))

    def value(a, b):
        common = sum(p * q for p, q in zip(a, b, strict=True))
        return float(Fraction(common, sum(p * p for p in a) + sum(q * q for q in b) - common))

    expected = [[value(a, b) for b in y.tolist()] for a in x.tolist()]
    assert Tanimoto()(x, y).tolist() == expected
    assert Tanimoto()(torch.tensor(x).double(), torch.tensor(y).double()).tolist() == expected


@pytest.mark.parametrize("backend", ["numpy", "torch"])
@pytest.mark.parametrize("power", [-1074, -700, -3, 700, 1023])
def test_a_common_scale_does_not_matter(power, backend):
    """To the last bit, for powers of two: others round the points themselves."""
    scale = math.ldexp(1.0, power)
    as_backend = torch.from_numpy if backend == "torch" else np.asarray
    x = as_backend(scale * BITS)
    assert np.array_equal(np.asarray(Tanimoto()(x, x)), Tanimoto()(BITS, BITS))


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_points_of_all_sizes(backend):
    x = np.concatenate([10.0**power * RNG.normal(size=(3, 5)) for power in (-300, -9, 0, 8, 300)])
    as_backend = torch.from_numpy if backend == "torch" else np.asarray
    found = np.asarray(Tanimoto()(as_backend(x), as_backend(x)))
    wide = x.astype(np.longdouble)
    common, square = wide @ wide.T, (wide * wide).sum(1)
    expected = common / (square[:, None] + square - common)
    assert np.abs(found - expected).max() <= 4e-16


def test_nothing_is_like_nothing():
    zero, one = np.zeros((2, 3)), np.eye(3)[:1]
    assert np.array_equal(Tanimoto()(zero, zero), np.ones((2, 2)))
    assert not Tanimoto()(zero, one).any()
    x = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda z: Tanimoto()(z, y)[0], x)[:, 0]
    assert not jacobian[0].any()
    assert (jacobian[1] - y[1] / 25).abs().max() < 1e-15


def test_the_integral_that_makes_it_mercer():
    x, y = np.array([0.5, -1.0, 0.2]), np.array([0.3, -0.4, 0.9])
    integral = scipy.integrate.quad(
        lambda u: np.exp(-u * (x @ x) - u * (y @ y) + u * (x @ y)), 0, np.inf
    )[0]
    assert Tanimoto()(x[None], y[None])[0, 0] == pytest.approx(integral * (x @ y), rel=1e-9)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_mercer_on_signed_points_too(d):
    sizes = np.repeat(np.geomspace(1e-3, 1e3, 6), 10)[:, None]
    x = np.vstack([np.zeros((1, d)), sizes * RNG.normal(size=(60, d))])
    gram = Tanimoto()(x, x)
    assert laws.mercer_residual(Tanimoto(), x) <= 1e-13
    assert gram.max() <= 1 + 1e-15
    assert gram.min() >= -1 / 3 - 1e-15
    assert Tanimoto()(x[1:2], -x[1:2])[0, 0] == pytest.approx(-1 / 3)


def test_a_wrong_denominator_is_seen():
    """With + ⟨x, y⟩ the integrand is no kernel, and points show it."""
    x = RNG.normal(size=(30, 2))
    square = (x * x).sum(1)
    wrong = x @ x.T / (square[:, None] + square + x @ x.T)
    assert np.linalg.eigvalsh(wrong)[0] < -1e-3


def test_a_machine_of_fingerprints():
    X, Y = BITS.astype(bool), RNG.normal(size=(5, 2))
    Z = RNG.normal(size=(12, 5))
    machine = BinaryKernelRidge(Tanimoto(), alpha=1e-10).fit(Pairs.grid(X, Y), Z)
    assert np.abs(machine.predict_grid(X, Y) - Z).max() < 1e-6
