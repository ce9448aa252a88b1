"""Kernels of pairs: products of a kernel in each domain, and sums of products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from rkbs._arrays import as_real, kind_error
from rkbs.data._entities import Entities
from rkbs.data.pairs import Pairs
from rkbs.kernels.base import Kernel


@final
@dataclass(frozen=True)
class PairwiseProduct:
    """k((x, y), (x', y')) = k_X(x, x') k_Y(y, y'): what is alike in both domains is alike.

    Parameters
    ----------
    kernel_x, kernel_y : Kernel
        Mercer kernels within the two domains.

    Raises
    ------
    TypeError
        For what is no kernel.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Linear, Pairs
    >>> from rkbs.kernels import PairwiseProduct
    >>> pairs = Pairs.grid(np.array([[0.0], [1.0]]), np.array([[2.0]]))
    >>> PairwiseProduct(RBF(), Linear())(pairs).round(2)
    array([[4.  , 1.47],
           [1.47, 4.  ]])
    """

    kernel_x: Kernel
    kernel_y: Kernel

    def __post_init__(self) -> None:
        for name in ("kernel_x", "kernel_y"):
            if not isinstance(getattr(self, name), Kernel):
                raise kind_error(getattr(self, name), name, Kernel)

    def __call__(self, pairs: Pairs, others: Pairs | None = None) -> np.ndarray:
        """The matrix of values, (n, m), with ``others`` or with the pairs themselves."""
        others = pairs if others is None else others
        return (
            _values(self.kernel_x, pairs, others, "X")[np.ix_(pairs.i, others.i)]
            * _values(self.kernel_y, pairs, others, "Y")[np.ix_(pairs.j, others.j)]
        )


@final
@dataclass(frozen=True)
class PairwiseSum:
    """k((x, y), (x', y')) = Σ_l w_l k_X^l(x, x') k_Y^l(y, y'), w_l ≥ 0: several views of both.

    A sum within each domain, ``combine``, multiplies every view of x with every view of y. Here it
    is said which go together: of ``[(k, Constant()), (Constant(), l)]`` functions are sums
    f(x) + g(y), and a third product adds what they miss.

    The weights are one parameter, which a search can set: ``kernel__weights`` of a machine, beside
    those of the kernels, ``kernel__products__0__kernel_x__tau``.

    Parameters
    ----------
    products : sequence of PairwiseProduct or of (Kernel, Kernel)
    weights : sequence of float, optional
        Not negative, and not all 0, one for each product; None: the same for all, of sum 1.

    Raises
    ------
    TypeError, ValueError
        Naming what does not fit.

    Source: several kernels of pairs are those of Cichonska et al., Bioinformatics 34, i509 (2018).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Constant, Linear, Pairs
    >>> from rkbs.kernels import PairwiseSum
    >>> kernel = PairwiseSum([(RBF(), Constant()), (Linear(), Linear())], (1.0, 0.5))
    >>> pairs = Pairs.grid(np.array([[0.0], [1.0]]), np.array([[2.0]]))
    >>> kernel(pairs).round(2)  # the first alone sees x = 0
    array([[1.  , 0.37],
           [0.37, 3.  ]])
    """

    products: Sequence[PairwiseProduct]
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "products", _as_products(self.products))
        object.__setattr__(self, "weights", _as_weights(self.weights, len(self.products)))

    def __call__(self, pairs: Pairs, others: Pairs | None = None) -> np.ndarray:
        """The matrix of values, (n, m), with ``others`` or with the pairs themselves."""
        return sum(weight * product(pairs, others) for weight, product in self.terms)

    @property
    def terms(self) -> list[tuple[float, PairwiseProduct]]:
        """Weights and products, without those of weight 0."""
        pairs = zip(self.weights, self.products, strict=True)
        return [(weight, product) for weight, product in pairs if weight]


def _values(kernel: Kernel, pairs: Pairs, others: Pairs, domain: str) -> np.ndarray:
    """The kernel of all points of a domain, told who is who."""
    new, known = (
        Entities(getattr(part, domain), getattr(part, f"ids_{domain.lower()}"), domain)
        for part in (pairs, others)
    )
    return kernel._told(lambda: new.same(known))(new.points, known.points)


def _as_products(products: Any) -> tuple[PairwiseProduct, ...]:
    if isinstance(products, (Kernel, PairwiseProduct)) or not isinstance(products, Sequence):
        raise TypeError(f"products must be a list or tuple of products, got {products!r:.60}")
    if not products:
        raise ValueError("products must hold at least one product, got none")
    return tuple(map(_as_product, products))


def _as_product(product: Any) -> PairwiseProduct:
    if isinstance(product, PairwiseProduct):
        return product
    if not isinstance(product, (tuple, list)) or len(product) != 2:
        raise TypeError(
            "each of products must be a PairwiseProduct, or a kernel of X and one of Y, got "
            f"{product!r:.60}"
        )
    return PairwiseProduct(*product)


def _as_weights(weights: Any, count: int) -> tuple[float, ...]:
    if weights is None:
        return (1 / count,) * count
    numbers = as_real(weights, "weights")
    if numbers.shape != (count,):
        raise ValueError(
            f"weights must have shape ({count},), one for each product, got {numbers.shape}"
        )
    if (numbers < 0).any() or not numbers.any():
        raise ValueError(f"weights must not be negative, nor all 0, got {numbers.tolist()}")
    return tuple(numbers.tolist())
