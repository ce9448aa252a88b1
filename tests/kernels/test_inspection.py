"""inspect() on matrices whose structure is known."""

import math

import numpy as np
import pytest
from optional import torch

from rkbs import EDP, RBF, L2Distance, Precomputed, inspect

ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
KNOWN = [  # matrix, rank, inertia, asymmetry, condition, lowest eigenvalue, usable
    ("diagonal", np.diag([3.0, 1, 0, -2]), 3, (2, 1, 1), 0, 3, -2, False),
    ("rotated", ROTATION @ np.diag([5.0, 2, 0, 0]) @ ROTATION.T, 2, (2, 2, 0), 0, 2.5, 0, True),
    ("identity", np.eye(3), 3, (3, 0, 0), 0, 1, 1, True),
    ("exchange", [[0.0, 1], [1, 0]], 2, (1, 0, 1), 0, 1, -1, False),
    ("rotation", [[0.0, 1], [-1, 0]], 2, (0, 2, 0), 2, 1, 0, False),
    ("triangular", [[1.0, 2], [0, 1]], 2, (1, 1, 0), 2 / math.sqrt(3), 3 + 8**0.5, 0, False),
    ("ones", np.ones((3, 3)), 1, (1, 2, 0), 0, 1, 0, True),
    ("zero", np.zeros((3, 3)), 0, (0, 3, 0), 0, math.inf, 0, True),
]


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e150, 1e-307, 2e307])
@pytest.mark.parametrize(
    ("name", "matrix", "rank", "inertia", "asymmetry", "condition", "lowest", "usable"), KNOWN
)
def test_known_matrices(name, matrix, rank, inertia, asymmetry, condition, lowest, usable, scale):
    matrix = scale * np.asarray(matrix)
    found = inspect(Precomputed(matrix), Precomputed.points(len(matrix)))
    assert (found.shape, found.rank, found.inertia) == (matrix.shape, rank, inertia)
    assert (found.minimum, found.maximum) == (matrix.min(), matrix.max())
    assert found.asymmetry == pytest.approx(asymmetry, abs=1e-15)
    assert found.condition == pytest.approx(condition, rel=1e-12)
    assert found.lowest_eigenvalue == pytest.approx(scale * lowest, abs=1e-15 * scale)
    assert found.is_within_domain_gram is usable
    assert (np.diff(found.singular_values) <= 0).all()
    text = str(found)
    assert f"rank            {rank} of {len(matrix)}" in text
    assert "{} positive, {} zero, {} negative".format(*inertia) in text
    assert ("usable:" in text, "not usable:" in text) == (True, not usable)
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize(("dtype", "usable"), [(np.float32, True), (np.float64, False)])
def test_asymmetry_is_judged_by_the_dtype(dtype, usable):
    one_unit = np.nextafter(np.float32(0.5), np.float32(1))  # the last place in float32
    matrix = np.array([[1, one_unit if usable else 0.5 + 1e-13], [0.5, 1]], dtype)
    found = inspect(Precomputed(matrix), Precomputed.points(2).astype(dtype))
    assert found.asymmetry > 0
    assert found.singular_values.dtype == dtype
    assert found.is_within_domain_gram is usable


@pytest.mark.parametrize("n", [2, 20, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_do_not_make_a_mercer_kernel_asymmetric(n, dtype):
    rng = np.random.default_rng(n)
    x, W = rng.normal(size=(n, 5)).astype(dtype), rng.normal(size=(3, 5))
    assert inspect(EDP().pullback(W, W.copy()), x).is_within_domain_gram


@pytest.mark.parametrize(("spectrum", "expected"), [((1, 1, 1), 3), ((1, 0, 0), 1), ((0, 0, 0), 0)])
def test_effective_rank(spectrum, expected):
    found = inspect(Precomputed(np.diag(np.array(spectrum, float))), Precomputed.points(3))
    assert found.effective_rank == pytest.approx(expected)


def test_two_domains_have_neither_symmetry_nor_inertia():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 2))
    W = rng.normal(size=(3, 2))
    found = inspect(EDP().pullback(None, W), x, y)
    assert found.shape == (5, 4)
    assert (found.asymmetry, found.inertia, found.lowest_eigenvalue) == (None, None, None)
    assert not found.is_within_domain_gram
    assert "inertia" not in str(found)
    assert "4 of 4" in str(found)


def test_a_kernel_that_is_not_mercer_is_seen():
    x = np.random.default_rng(0).normal(size=(8, 3))
    found = inspect(L2Distance(), x)
    assert found.inertia == (1, 0, 7)  # conditionally negative definite
    assert not found.is_within_domain_gram
    assert inspect(EDP(), x).is_within_domain_gram
    assert not inspect(EDP().pullback(np.eye(3), np.eye(3)[[1, 2, 0]]), x).is_within_domain_gram


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_kernels_whose_parameters_are_tensors(dtype):
    """A head's kernel on its tokens, as in training: the same structure as in numpy."""
    rng = np.random.default_rng(0)
    x, W = rng.integers(-8, 9, size=(6, 3)) / 8, rng.integers(-8, 9, size=(2, 3, 3)) / 8
    right = inspect(RBF(0.5).pullback(*W), x)
    maps = [torch.tensor(w, dtype=torch.float32 if dtype.itemsize < 4 else dtype) for w in W]
    tau = torch.tensor(0.5, requires_grad=True)
    found = inspect(RBF(tau).pullback(*maps), torch.tensor(x, dtype=dtype, requires_grad=True))
    assert (found.rank, found.shape) == (right.rank, right.shape)
    assert np.abs(found.singular_values - right.singular_values).max() < 1e-6
    assert found.asymmetry == pytest.approx(right.asymmetry, rel=1e-5)
