"""The algebra of kernels: sums, products, multiples and transposes."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable
from typing import final

import numpy as np

from rkbs._arrays import Array, is_tensor, namespace
from rkbs.kernels._composite import Combination, Wrapper
from rkbs.kernels._pairwise import log_sum, logarithm, product, saturated
from rkbs.kernels._parameters import (
    REAL,
    Parameter,
    Parametric,
    absolute,
    numbers,
    per_head,
)
from rkbs.kernels.base import Kernel
from rkbs.kernels.structure import FeatureDimension


def _both(
    a: FeatureDimension, b: FeatureDimension, combine: Callable[[float, float], float]
) -> FeatureDimension:
    """Two dimensions combined; unknown where one is. Nothing times infinity is nothing."""
    if a is None or b is None:
        return None
    return combine(a, b) if 0 not in (a, b) or combine is operator.add else 0


@final
@dataclasses.dataclass(frozen=True)
class Sum(Combination):
    """(a + b)(x, y) = a(x, y) + b(x, y); positive where one is and the other is not negative.

    Examples
    --------
    >>> from rkbs import RBF, Constant
    >>> kernel = RBF() + 0.5 * Constant()
    >>> kernel([[0.0]], [[0.0], [9.0]]), kernel.is_mercer
    (array([[1.5, 0.5]]), True)
    """

    @property
    def is_positive(self) -> bool | None:
        some = self.a.is_positive or self.b.is_positive
        return True if some and self.is_nonnegative else None

    def formula(self, x: Array, y: Array) -> Array:
        return saturated(self.a.formula(x, y) + self.b.formula(x, y))

    def log_formula(self, x: Array, y: Array) -> Array:
        return log_sum(self.a.log_formula(x, y), self.b.log_formula(x, y))

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite for two Mercer kernels of which one is: ranks of PSD matrices cannot cancel."""
        if self.is_mercer and math.inf in (self.a.feature_dim(d), self.b.feature_dim(d)):
            return math.inf
        return None

    def rank_bound(self, d: int) -> FeatureDimension:
        """The sum of the two."""
        return _both(self.a.rank_bound(d), self.b.rank_bound(d), operator.add)

    def square_dim(self, d: int) -> FeatureDimension:
        """The sum of the two: the functions of both."""
        return _both(self.a.square_dim(d), self.b.square_dim(d), operator.add)

    @property
    def logit_spread(self) -> float | None:
        """The larger of the two: of a quotient of sums, terms ≥ 0, neither exceeds both."""
        spreads = self.a.logit_spread, self.b.logit_spread
        return None if None in spreads else max(spreads)

    @property
    def domain_x(self) -> Kernel:
        """k_X of the direct sum of the two feature spaces."""
        return self.a.domain_x + self.b.domain_x

    @property
    def domain_y(self) -> Kernel:
        """k_Y of the direct sum of the two feature spaces."""
        return self.a.domain_y + self.b.domain_y


@final
@dataclasses.dataclass(frozen=True)
class Product(Combination):
    """(a · b)(x, y) = a(x, y) b(x, y); Mercer when both are (Schur).

    Examples
    --------
    >>> from rkbs import Laplace, Linear
    >>> kernel = Laplace() * Linear()
    >>> kernel([[1.0]], [[1.0], [2.0]]).round(3), kernel.is_mercer
    (array([[1.   , 0.736]]), True)
    """

    def formula(self, x: Array, y: Array) -> Array:
        return product(self.a.formula(x, y), self.b.formula(x, y))

    def log_formula(self, x: Array, y: Array) -> Array:
        return saturated(self.a.log_formula(x, y) + self.b.log_formula(x, y))

    def feature_dim(self, d: int) -> FeatureDimension:
        """Infinite if one factor is, both are Mercer and the other has a positive diagonal.

        A positive definite principal block of A stays one in A ∘ B when B is PSD with a positive
        diagonal (Oppenheim), so rank(A ∘ B) ≥ rank A.
        """
        pairs = ((self.a, self.b), (self.b, self.a))
        if self.is_mercer and any(
            one.feature_dim(d) == math.inf and other.is_positive for one, other in pairs
        ):
            return math.inf
        return None

    def rank_bound(self, d: int) -> FeatureDimension:
        """The product of the two."""
        return _both(self.a.rank_bound(d), self.b.rank_bound(d), operator.mul)

    def square_dim(self, d: int) -> FeatureDimension:
        """The product of the two: products of functions of both."""
        return _both(self.a.square_dim(d), self.b.square_dim(d), operator.mul)

    @property
    def logit_spread(self) -> float | None:
        """The sum of the two."""
        spreads = self.a.logit_spread, self.b.logit_spread
        return None if None in spreads else sum(spreads)

    @property
    def domain_x(self) -> Kernel:
        """k_X of the tensor product of the two feature spaces."""
        return self.a.domain_x * self.b.domain_x

    @property
    def domain_y(self) -> Kernel:
        """k_Y of the tensor product of the two feature spaces."""
        return self.a.domain_y * self.b.domain_y


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Scaled(Parametric, Wrapper):
    """(c κ)(x, y) = c κ(x, y), c any finite number; with heads, one for each.

    Numbers and 0-d tensors multiply: ``2.0 * RBF()``. A factor for each of H heads is written
    ``Scaled(RBF(), c)``, c an array or tensor of shape (H,), for points (..., H, n, d).

    Under ``torch.compile`` a c that is a tensor is taken to be positive, since a graph cannot
    branch on it; logits of a negative one are NaN. There write ``Scaled(kernel, c)``: a compiler
    takes ``c * kernel`` for a product of tensors.

    Examples
    --------
    >>> from rkbs import RBF
    >>> kernel = -2.0 * RBF()
    >>> kernel([[0.0]], [[0.0]]), kernel.is_mercer, kernel.domain_x.is_mercer
    (array([[-2.]]), False, True)
    """

    factor: Parameter = dataclasses.field(metadata=REAL)

    def formula(self, x: Array, y: Array) -> Array:
        return product(self.kernel.formula(x, y), per_head(self, "factor", x, y))

    def log_formula(self, x: Array, y: Array) -> Array:
        factor = per_head(self, "factor", x, y)
        if isinstance(factor, (int, float)):
            log = math.log(factor) if factor else -math.inf
        else:
            log = logarithm(factor)
        return saturated(log + self.kernel.log_formula(x, y))

    @property
    def _signs(self) -> set[int]:
        """Those of all heads."""
        if is_tensor(self.factor) and namespace(self.factor).compiler.is_compiling():
            return {1}
        return {int(factor > 0) - int(factor < 0) for factor in numbers(self.factor)}

    def _each(self, *answers: bool | None) -> bool | None:
        """True if it is of every head, False if not of one; the answers for signs 0, 1, −1."""
        found = {answers[sign] for sign in self._signs}
        return False if False in found else (True if found == {True} else None)

    @property
    def is_mercer(self) -> bool | None:
        opposite = False if self.kernel.is_mercer and self.kernel.is_positive else None
        return self._each(True, self.kernel.is_mercer, opposite)

    @property
    def is_symmetric(self) -> bool | None:
        return self._each(True, self.kernel.is_symmetric, self.kernel.is_symmetric)

    @property
    def is_positive(self) -> bool | None:
        opposite = False if self.kernel.is_nonnegative else None
        return self._each(False, self.kernel.is_positive, opposite)

    @property
    def is_nonnegative(self) -> bool | None:
        opposite = False if self.kernel.is_positive else None
        return self._each(True, self.kernel.is_nonnegative, opposite)

    def feature_dim(self, d: int) -> FeatureDimension:
        """That of the kernel, or 0 for the factor 0."""
        return 0 if self._signs == {0} else self.kernel.feature_dim(d)

    def rank_bound(self, d: int) -> FeatureDimension:
        """As ``feature_dim``."""
        return 0 if self._signs == {0} else self.kernel.rank_bound(d)

    def square_dim(self, d: int) -> FeatureDimension:
        """That of the kernel, for positive factors."""
        return self.kernel.square_dim(d) if self._signs == {1} else None

    def is_quasiconvex(self, d: int) -> bool | None:
        """As the kernel, for positive factors."""
        return self.kernel.is_quasiconvex(d) if self._signs == {1} else None

    @property
    def is_increasing(self) -> bool | None:
        """As the kernel, for positive factors."""
        return self.kernel.is_increasing if self._signs == {1} else None

    def selects_any(self, d: int) -> bool | None:
        """As the kernel, for positive factors."""
        return self.kernel.selects_any(d) if self._signs == {1} else None

    @property
    def is_metric(self) -> bool | None:
        """As the kernel, for positive factors."""
        return self.kernel.is_metric if self._signs == {1} else None

    @property
    def logit_spread(self) -> float | None:
        """That of the kernel, for positive factors."""
        return self.kernel.logit_spread if self._signs == {1} else None

    @property
    def domain_x(self) -> Kernel:
        """|c| k_X: half of the factor, and its sign, sit with each feature map."""
        return Scaled(self.kernel.domain_x, absolute(self.factor))

    @property
    def domain_y(self) -> Kernel:
        """|c| k_Y."""
        return Scaled(self.kernel.domain_y, absolute(self.factor))


@final
@dataclasses.dataclass(frozen=True)
class Transpose(Wrapper):
    """κᵀ(y, x) = κ(x, y): sources and targets change places.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP
    >>> x, y = np.array([[1.0], [2.0]]), np.array([[3.0, 0.0], [4.0, 1.0], [5.0, 2.0]])
    >>> kernel = EDP().pullback(None, np.array([[0.1, 0.2]]))
    >>> np.array_equal(kernel.T(y, x), kernel(x, y).T)
    True
    """

    def formula(self, x: Array, y: Array) -> Array:
        return self.kernel.formula(y, x).mT

    def log_formula(self, x: Array, y: Array) -> Array:
        return self.kernel.log_formula(y, x).mT

    def _told(self, same: Callable[[], np.ndarray]) -> Kernel:
        return super()._told(lambda: same().T)

    def square_dim(self, d: int) -> FeatureDimension:
        """That of the kernel where it is symmetric; so for the other laws of keys below."""
        return self.kernel.square_dim(d) if self.is_symmetric else None

    def is_quasiconvex(self, d: int) -> bool | None:
        return self.kernel.is_quasiconvex(d) if self.is_symmetric else None

    def selects_any(self, d: int) -> bool | None:
        return self.kernel.selects_any(d) if self.is_symmetric else None

    @property
    def logit_spread(self) -> float | None:
        return self.kernel.logit_spread if self.is_symmetric else None

    @property
    def is_metric(self) -> bool | None:
        """As the kernel: distances of mapped points too do not change with their order."""
        return self.kernel.is_metric

    @property
    def domain_x(self) -> Kernel:
        """The kernel's own k_Y."""
        return self.kernel.domain_y

    @property
    def domain_y(self) -> Kernel:
        """The kernel's own k_X."""
        return self.kernel.domain_x

    @property
    def T(self) -> Kernel:  # noqa: N802
        """The kernel itself."""
        return self.kernel
