"""A kernel from a plain function, and one that says nothing of its structure."""

import dataclasses
import math

import numpy as np
import pytest

from rkbs import BinaryKernelRidge, Pairs, inspect
from rkbs.kernels import EDP, KERNELS, Custom, Kernel, Linear, Quadratic

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(4, 3))
STRUCTURE = ("is_mercer", "is_symmetric", "is_positive", "is_nonnegative")


@dataclasses.dataclass(frozen=True)
class Bare(Kernel):
    """Only a formula."""

    def formula(self, x, y):
        return np.tanh(x @ np.swapaxes(y, -1, -2))


class Nothing(Kernel):
    """No formula either."""


def test_a_formula_is_all_that_a_kernel_needs():
    assert [getattr(Bare(), name) for name in STRUCTURE] == [None] * 4
    assert Bare().feature_dim(3) is None
    assert np.array_equal(Bare()(X, Y), np.tanh(X @ Y.T))
    assert np.array_equal((2 * Bare() + EDP()).T(Y, X), (2 * Bare()(X, Y) + EDP()(X, Y)).T)
    with pytest.raises(TypeError, match="is not a positive kernel"):
        Bare().log(X, Y)
    with pytest.raises(TypeError, match=r"abstract method .*formula"):
        Nothing()


@pytest.mark.parametrize("name", sorted(set(KERNELS) - {"identity"}))
def test_a_function_is_as_good_as_the_kernel(name):
    kernel = KERNELS[name]
    custom = Custom(kernel.formula, *(getattr(kernel, s) for s in STRUCTURE), kernel.feature_dim(3))
    assert [getattr(custom, s) for s in STRUCTURE] == [getattr(kernel, s) for s in STRUCTURE]
    assert custom.feature_dim(3) == kernel.feature_dim(3)
    assert np.array_equal(custom(X, Y), kernel(X, Y))
    if kernel.is_positive:
        assert custom.log(X, Y) == pytest.approx(kernel.log(X, Y), rel=1e-13, abs=1e-13)


def test_what_follows_is_known():
    assert Custom(np.add, is_mercer=True).is_symmetric
    assert Custom(np.add, is_positive=True).is_nonnegative
    for contradiction in (
        {"is_mercer": True, "is_symmetric": False},
        {"is_positive": True, "is_nonnegative": False},
    ):
        with pytest.raises(ValueError, match="Custom: a"):
            Custom(np.add, **contradiction)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Custom(3), TypeError, r"Custom\(function=…\) must be callable, got 3"),
        (lambda: Custom(abs, is_mercer="yes"), TypeError, r"Custom\(is_mercer=…\) .* got 'yes'"),
        (
            lambda: Custom(lambda x, y: x)(X, Y),
            ValueError,
            r"shape \(\.\.\., 5, 4\) .* got \(5, 3\)",
        ),
        (lambda: Custom(lambda x, y: 1.0)(X, Y), ValueError, r"got float"),
        (lambda: Custom(lambda x, y: None)(X, Y), ValueError, r"got NoneType"),
        (
            lambda: Custom(lambda x, y: np.full((5, 4), np.inf))(X, Y),
            OverflowError,
            "scale the points",
        ),
    ],
)
def test_bad_functions_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_in_a_machine_as_the_kernel_itself():
    Z = RNG.normal(size=(5, 4))
    custom = Custom(Quadratic().formula)  # a machine looks at the Gram matrix: nothing to declare
    by_function = BinaryKernelRidge(custom, Linear()).fit(Pairs.grid(X, Y), Z)
    by_kernel = BinaryKernelRidge(Quadratic(), Linear()).fit(Pairs.grid(X, Y), Z)
    assert np.array_equal(by_function.predict_grid(X, Y), by_kernel.predict_grid(X, Y))
    wrong = Custom(lambda x, y: x[:, :1] - y[:, 0])
    with pytest.raises(ValueError, match="gram_x must be symmetric"):
        BinaryKernelRidge(wrong, Linear()).fit(Pairs.grid(X, Y), Z)
    assert inspect(custom, X).rank == 5
    assert Custom(np.add, dim=math.inf).feature_dim(2) == math.inf


def test_in_attention_once_it_is_known_to_be_non_negative():
    torch = pytest.importorskip("torch")
    from rkbs.attention import kernel_attention

    q, k, v = torch.randn(3, 2, 6, 4, dtype=torch.float64)
    squares = Custom(lambda q, k: (q @ k.mT).square(), is_nonnegative=True)
    weights = (q @ k.mT).square()
    expected = weights / weights.sum(-1, keepdim=True) @ v
    assert torch.allclose(kernel_attention(q, k, v, squares), expected, rtol=1e-12)
    with pytest.raises(TypeError, match=r"Custom.* does not say: set is_nonnegative"):
        kernel_attention(q, k, v, Custom(squares.function))
    with pytest.raises(TypeError, match=r"Custom.* is not\. Of a kernel"):
        kernel_attention(q, k, v, Custom(squares.function, is_nonnegative=False))
