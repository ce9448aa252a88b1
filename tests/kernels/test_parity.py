"""numpy and torch give the same numbers, to 1e-12 in float64."""

import numpy as np
import pytest
from helpers import meeting, points
from optional import torch

from rkbs import laws
from rkbs.kernels import (
    EDP,
    KERNELS,
    RBF,
    Constant,
    DotProductKernel,
    Identity,
    L2Distance,
    Laplace,
    Linear,
    Precomputed,
    Product,
    Pullback,
    Quadratic,
    Scaled,
    Sum,
    TaylorEDP,
    Transpose,
)
from rkbs.kernels.features import PowerFeatures

NAMED = (
    *("edp", "rbf", "l2", "ei", "quadratic", "taylor-3", "taylor-4", "linear", "laplace"),
    *("identity", "constant", "capped", "key-norm", "cauchy", "tanimoto"),
)
W, V = points((3, 3), 5), points((3, 3), 6)
COMBINED = (
    EDP() + Laplace(0.5),
    RBF(2.0) * TaylorEDP(4),
    -0.5 * Quadratic(-0.5),
    3 * EDP(),
    L2Distance().pullback(W, None).T,
    EDP().pullback(W, V),
    RBF() + 0.5 * Identity() + 0.25 * Constant(),
)
SHAPES = (((6, 3), (4, 3)), ((2, 1, 4, 3), (3, 5, 3)), ((1, 1), (1, 1)))
FEATURES = (EDP(), TaylorEDP(3), Quadratic(-0.5), Quadratic(0.0), Linear())


def both(kernel, x, y):
    """The kernel's values, and its logits where it has them, from numpy and from torch."""
    for name in ("__call__", "log") if kernel.is_positive else ("__call__",):
        function = getattr(kernel, name)
        yield function(x, y), function(torch.tensor(x), torch.tensor(y)).numpy()


def assert_alike(tensor, numpy):
    """To 1e-12; a logit of 0 throughout is that in both."""
    assert np.array_equal(tensor, numpy) or laws.relative(tensor, numpy) <= 1e-12


def test_tables_are_complete():
    assert set(NAMED) == set(KERNELS)
    assert {type(k) for k in COMBINED} == {Sum, Product, Scaled, Transpose, Pullback}
    assert {type(k) for k in KERNELS.values() if isinstance(k, DotProductKernel)} == {
        type(k) for k in FEATURES
    }


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMED)
def test_kernels(name, shapes):
    for numpy, tensor in both(KERNELS[name], *meeting(*shapes)):
        assert_alike(tensor, numpy)


@pytest.mark.parametrize("offset", [0.0, 100.0, 1e4])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["rbf", "l2", "laplace", "cauchy"])
def test_kernels_of_differences_far_from_the_origin(name, shapes, offset):
    """Both subtract the same, already rounded points: exactly, or nearly so (Sterbenz).

    numpy takes differences of points, torch those from the mean of the sources, which moves each
    coordinate by at most ε · offset; an error of both points alike drops out. So the tolerance is
    that of the origin.
    """
    x, y = points(shapes[0]) + offset, points(shapes[1], 1) + offset
    for numpy, tensor in both(KERNELS[name], x, y):
        assert laws.relative(tensor, numpy) <= 1e-12


@pytest.mark.parametrize("kernel", COMBINED, ids=repr)
def test_combined_kernels(kernel):
    for numpy, tensor in both(kernel, *meeting((6, 3), (4, 3))):
        assert_alike(tensor, numpy)


def test_precomputed():
    index = Precomputed.points(2)
    for numpy, tensor in both(Precomputed([[1.0, 0.5], [0.25, 2.0]]), index, index):
        assert np.array_equal(numpy, tensor)


@pytest.mark.parametrize("name", NAMED)
def test_equal_points(name):
    x = points((5, 3))
    for numpy, tensor in both(KERNELS[name], x, x):
        assert_alike(tensor, numpy)
    if name == "l2":
        assert not np.diag(numpy).any()
        assert not np.diag(tensor).any()


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3)], ids=str)
@pytest.mark.parametrize("kernel", FEATURES, ids=repr)
def test_features(kernel, shape, signed):
    features, q = PowerFeatures(kernel, 3, 5), points(shape)
    numpy, tensor = features(q, signed), features(torch.tensor(q), signed)
    assert tensor.dtype == torch.float64
    assert tensor.shape == numpy.shape == (*shape[:-1], features.dim)
    assert laws.relative(tensor, numpy) <= 1e-12
    single = features(torch.tensor(q, dtype=torch.float32), signed)
    assert single.dtype == torch.float32
    assert laws.relative(single, numpy) <= 1e-5
    assert features(q.astype(np.float32), signed).dtype == np.float32
