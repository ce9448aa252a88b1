"""Elements of the two spaces of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from rkbs._arrays import as_matrix, as_real, short_repr
from rkbs.kernels._parameters import is_scalar

if TYPE_CHECKING:
    from rkbs.spaces.banach_pair import RKBSPair


@final
@dataclass(frozen=True, eq=False)
class Element:
    """A function of one space of a pair: f_v = ⟨Φ_X(·), v⟩ ∈ B_X or g_u = ⟨u, Φ_Y(·)⟩ ∈ B_Y.

    Elements of one space add, subtract, and take scalar factors and divisors.

    Parameters
    ----------
    spaces : RKBSPair
    domain : {"x", "y"}
        Where the function lives: "x" for f ∈ B_X, "y" for g ∈ B_Y.
    coefficients : array of shape (D,)
        v for f, u for g.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import Linear
    >>> from rkbs.spaces import RKBSPair
    >>> spaces = RKBSPair.from_kernel(Linear(), d=1, order=1, p=3.0)
    >>> f = 2 * spaces.f(np.ones(1)) - spaces.section_y(np.array([0.5]))
    >>> f.exponent, f(np.array([[1.0], [4.0]]))
    (3.0, array([1.5, 6. ]))
    """

    spaces: RKBSPair
    domain: Literal["x", "y"]
    coefficients: np.ndarray

    __array_ufunc__ = None  # numpy leaves scalar · element to the element

    __repr__ = short_repr

    def __post_init__(self) -> None:
        coefficients = as_real(self.coefficients, "coefficients")
        if coefficients.shape != (self.spaces.dim,):
            raise ValueError(
                f"coefficients must have shape ({self.spaces.dim},), one per feature, got "
                f"{coefficients.shape}"
            )
        object.__setattr__(self, "coefficients", coefficients)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The function's values: (n, d) → (n,)."""
        features = self.spaces.features_x if self.domain == "x" else self.spaces.features_y
        return features(as_matrix(points, self.domain)) @ self.coefficients

    @property
    def exponent(self) -> float:
        """The exponent of the element's norm: p in B_X, p' in B_Y."""
        return self.spaces.p if self.domain == "x" else self.spaces.p_conjugate

    def _same_space(self, other: Element) -> None:
        if not isinstance(other, Element):
            raise TypeError(f"only elements add to elements, got {type(other).__name__}")
        if self.spaces is not other.spaces or self.domain != other.domain:
            raise ValueError("the two elements belong to different spaces and cannot be added")

    def __add__(self, other: Element) -> Element:
        self._same_space(other)
        return replace(self, coefficients=self.coefficients + other.coefficients)

    def __sub__(self, other: Element) -> Element:
        return self + (-1.0) * other

    def __mul__(self, factor: float) -> Element:
        if not is_scalar(factor):
            raise TypeError(f"factor must be a real number, got {factor!r}")
        return replace(self, coefficients=self.coefficients * factor)

    __rmul__ = __mul__

    def __truediv__(self, factor: float) -> Element:
        if not is_scalar(factor) or factor == 0:
            raise TypeError(f"factor must be a real number other than 0, got {factor!r}")
        return self * (1 / factor)

    def __neg__(self) -> Element:
        return self * -1.0
