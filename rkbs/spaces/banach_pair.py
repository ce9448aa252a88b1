"""Pairs of reproducing kernel Banach spaces over ℓ^p, and their elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, final

import numpy as np

from rkbs._arrays import as_matrix, as_real, check_count, short_repr
from rkbs.kernels._parameters import is_scalar
from rkbs.kernels.algebra import LinearMap, as_map
from rkbs.kernels.dot_product import DotProductKernel
from rkbs.kernels.features import MappedFeatures, PowerFeatures
from rkbs.spaces.function_spaces import FunctionSpaces, column_rank
from rkbs.spaces.lp import conjugate_exponent, duality_map, lp_norm

FeatureMap = Callable[[np.ndarray], np.ndarray]


@final
@dataclass(frozen=True, eq=False)
class Element:
    """A function of one space of a pair: f_v = ⟨Φ_X(·), v⟩ ∈ B_X or g_u = ⟨u, Φ_Y(·)⟩ ∈ B_Y.

    Elements of one space add, subtract, and take scalar factors and divisors.

    Parameters
    ----------
    pair : RKBSPair
    domain : {"x", "y"}
        Where the function lives: "x" for f ∈ B_X, "y" for g ∈ B_Y.
    coefficients : array of shape (D,)
        v for f, u for g.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.kernels import Linear
    >>> from rkbs.spaces import RKBSPair
    >>> pair = RKBSPair.from_kernel(Linear(), d=1, order=1, p=3.0)
    >>> f = 2 * pair.f(np.ones(1)) - pair.section_y(np.array([0.5]))
    >>> f.exponent, f(np.array([[1.0], [4.0]]))
    (3.0, array([1.5, 6. ]))
    """

    pair: RKBSPair
    domain: Literal["x", "y"]
    coefficients: np.ndarray

    __array_ufunc__ = None  # numpy leaves scalar · element to the element

    __repr__ = short_repr

    def __post_init__(self) -> None:
        coefficients = as_real(self.coefficients, "coefficients")
        if coefficients.shape != (self.pair.dim,):
            raise ValueError(
                f"coefficients must have shape ({self.pair.dim},), one per feature, got "
                f"{coefficients.shape}"
            )
        object.__setattr__(self, "coefficients", coefficients)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The function's values: (n, d) → (n,)."""
        features = self.pair.features_x if self.domain == "x" else self.pair.features_y
        return features(as_matrix(points, self.domain)) @ self.coefficients

    @property
    def exponent(self) -> float:
        """The exponent of the element's norm: p in B_X, p' in B_Y."""
        return self.pair.p if self.domain == "x" else self.pair.p_conjugate

    def _same_space(self, other: Element) -> None:
        if not isinstance(other, Element):
            raise TypeError(f"only elements add to elements, got {type(other).__name__}")
        if self.pair is not other.pair or self.domain != other.domain:
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


@final
@dataclass(frozen=True, eq=False)
class RKBSPair:
    """The pair (B_X, B_Y) of Definition 2 over F_Y = ℓ^p and F_X = ℓ^{p'}, ⟨u, v⟩ = Σ u_k v_k.

    κ(x, y) = ⟨Φ_X(x), Φ_Y(y)⟩; f_v ∈ B_X has ‖f_v‖ = ‖v‖_p, g_u ∈ B_Y has ‖g_u‖ = ‖u‖_{p'}, and
    each space is the other's dual. Norms and pairings are of coefficients. They are those of the
    functions if v ↦ f_v and u ↦ g_u are one-to-one: ``function_spaces`` says whether they are, and
    with rank-deficient W^Q or W^K they are not.

    Parameters
    ----------
    features_x, features_y : callable
        Φ_X and Φ_Y: points (n, d) → features (n, D).
    dim : int
        The number of features D.
    p : float
        1 < p < ∞.

    Source: paper Definitions 1 and 2; theory §1.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, RKBSPair
    >>> pair = RKBSPair.from_kernel(EDP(), d=2, order=3, p=1.5)
    >>> f, x = pair.f(np.linspace(-1, 1, pair.dim)), np.array([0.3, -0.8])
    >>> bool(np.isclose(pair.pairing(f, pair.section_x(x)), f(x[None])[0]))  # reproducing
    True
    >>> bool(np.isclose(pair.pairing(f, pair.duality_map(f)), pair.norm(f)))
    True
    """

    features_x: FeatureMap
    features_y: FeatureMap
    dim: int
    p: float = 2.0

    __repr__ = short_repr

    def __post_init__(self) -> None:
        conjugate_exponent(self.p)
        for name in ("features_x", "features_y"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} must be callable, got {getattr(self, name)!r}")
        check_count(self.dim, "dim")
        object.__setattr__(self, "p", float(self.p))

    @classmethod
    def from_kernel(
        cls,
        kernel: DotProductKernel,
        d: int,
        order: int,
        p: float = 2.0,
        map_x: object = None,
        map_y: object = None,
    ) -> RKBSPair:
        """The pair of κ(map_x(x), map_y(y)) = Φ(map_x(x))·SΦ(map_y(y)), Φ the power features.

        Exact for a polynomial kernel of degree ≤ ``order``, cut there for others.

        Parameters
        ----------
        kernel : DotProductKernel
            κ.
        d : int
            Head dimension: that of what the maps give.
        order : int
            The highest degree of a feature.
        p : float
            1 < p < ∞, the exponent of B_X.
        map_x, map_y : array of shape (d, d_in), callable or None
            W^Q and W^K; None is the identity. The pair pickles if a callable does.

        Raises
        ------
        TypeError, ValueError
            Naming the argument that does not fit, a matrix that has not d rows included.
        """
        features = PowerFeatures(kernel, d, order)
        query, key = _map_to(map_x, "map_x", d), _map_to(map_y, "map_y", d)
        on_x, on_y = MappedFeatures(features, query, False), MappedFeatures(features, key, True)
        return cls(on_x, on_y, features.dim, p)

    @property
    def p_conjugate(self) -> float:
        """p' with 1/p + 1/p' = 1."""
        return conjugate_exponent(self.p)

    def f(self, v: np.ndarray) -> Element:
        """f_v = ⟨Φ_X(·), v⟩ ∈ B_X."""
        return Element(self, "x", v)

    def g(self, u: np.ndarray) -> Element:
        """g_u = ⟨u, Φ_Y(·)⟩ ∈ B_Y."""
        return Element(self, "y", u)

    def section_x(self, x: np.ndarray) -> Element:
        """κ(x, ·) ∈ B_Y for one point x of shape (d_x,): the g_u with u = Φ_X(x)."""
        return self.g(self.features_x(_one_point(x, "x"))[0])

    def section_y(self, y: np.ndarray) -> Element:
        """κ(·, y) ∈ B_X for one point y of shape (d_y,): the f_v with v = Φ_Y(y)."""
        return self.f(self.features_y(_one_point(y, "y"))[0])

    def pairing(self, f: Element, g: Element) -> float:
        """⟨f_v, g_u⟩ = ⟨u, v⟩ = Σ_k u_k v_k, of the coefficients (``function_spaces``)."""
        for element, domain, name in ((f, "x", "f"), (g, "y", "g")):
            if element.pair is not self or element.domain != domain:
                raise ValueError(f"{name} must be an element of this pair's B_{domain.upper()}")
        return float(f.coefficients @ g.coefficients)

    def norm(self, element: Element) -> float:
        """‖f_v‖ = ‖v‖_p or ‖g_u‖ = ‖u‖_{p'}."""
        self._check_own(element)
        return lp_norm(element.coefficients, element.exponent)

    def duality_map(self, element: Element) -> Element:
        """ι(f) ∈ B_Y for f ∈ B_X, ι(g) ∈ B_X for g ∈ B_Y: of norm 1, ⟨ι(f), f⟩ = ‖f‖; ι(0) = 0."""
        self._check_own(element)
        image = duality_map(element.coefficients, element.exponent)
        return Element(self, "y" if element.domain == "x" else "x", image)

    def inverse_duality_map(self, element: Element, norm: float = 1.0) -> Element:
        """The element of norm ``norm`` whose ι is ``element``/‖element‖: ι of the other exponent.

        ι forgets the length of its argument, so the length is asked for; the element 0 is the ι of
        0 only.
        """
        self._check_own(element)
        if not (math.isfinite(norm) and norm >= 0):
            raise ValueError(f"norm must be finite and ≥ 0, got {norm!r}")
        if norm > 0 and not element.coefficients.any():
            raise ValueError(f"element is 0, the ι of 0 only: norm must be 0, got {norm!r}")
        return self.duality_map(element) * norm

    def _check_own(self, element: Element) -> None:
        if not isinstance(element, Element):
            raise TypeError(f"element must be an Element, got {type(element).__name__}")
        if element.pair is not self:
            raise ValueError("element must be an element of this pair's B_X or B_Y")

    def separates(self, domain: Literal["x", "y"], points: np.ndarray) -> bool:
        """Whether the features of ``points`` span the feature space (numerically).

        Then a function that vanishes on the points has zero coefficients, the map v ↦ f_v is
        one-to-one and ‖f_v‖ = ‖v‖ needs no quotient.
        """
        return column_rank(self._features(domain, points)) == self.dim

    def evaluation_norms(self, domain: Literal["x", "y"], points: np.ndarray) -> np.ndarray:
        """‖δ_x‖ = ‖Φ_X(x)‖_{p'} at each point, or ‖Φ_Y(y)‖_p: (n, d) → (n,).

        |f(x)| ≤ ‖δ_x‖ ‖f‖ for all f, and no smaller number does: the continuous evaluation that
        makes a Banach space of functions an RKBS. Finite for EDP without a cut, too
        (prop1.all_pairs).

        >>> import numpy as np
        >>> from rkbs import EDP, RKBSPair
        >>> pair = RKBSPair.from_kernel(EDP(), 2, 12)  # at p = 2 that is √κ(x, x)
        >>> pair.evaluation_norms("x", np.zeros((1, 2)))
        array([1.])
        """
        features = self._features(domain, points)
        exponent = self.p_conjugate if domain == "x" else self.p
        return np.array([lp_norm(row, exponent) for row in features])

    def function_spaces(
        self, X: np.ndarray | None = None, Y: np.ndarray | None = None
    ) -> FunctionSpaces:
        """Whether v ↦ f_v and u ↦ g_u are one-to-one, so that this is a pair of function spaces.

        Without points, for a pair ``from_kernel`` whose maps are matrices or the identity: on all
        domains with interior. With points: of the functions on these, numerically.

        Parameters
        ----------
        X, Y : arrays of shape (n, d_x), (m, d_y), or None
            Both or neither.

        Raises
        ------
        ValueError, TypeError
            Where points are needed, or only one set is given. ``.check()`` of what is returned
            raises where it is no pair of function spaces.

        >>> import numpy as np
        >>> from rkbs import EDP, RKBSPair
        >>> W = np.array([[1.0, 0.0], [0.0, 0.0]])  # rank 1
        >>> RKBSPair.from_kernel(EDP(), 2, 2, map_x=W).function_spaces()
        FunctionSpaces(dim=6, rank_x=3, rank_y=6, rank_kernel=3, on_points=False)
        """
        if X is None and Y is None:
            return FunctionSpaces.of_maps(self.features_x, self.features_y)
        if X is None or Y is None:
            raise ValueError(
                f"X and Y must be given both, or neither, got {'Y' if X is None else 'X'} alone"
            )
        return FunctionSpaces.on_points_of(self._features("x", X), self._features("y", Y))

    def _features(self, domain: Literal["x", "y"], points: np.ndarray) -> np.ndarray:
        if domain not in ("x", "y"):
            raise ValueError(f'domain must be "x" or "y", got {domain!r}')
        features = self.features_x if domain == "x" else self.features_y
        return features(as_matrix(points, domain).astype(float))


def _map_to(value: object, name: str, d: int) -> Callable | None:
    """``as_map``, with a ``ValueError`` for a matrix that has not d rows."""
    found = as_map(value, name)
    if isinstance(found, LinearMap) and len(found.matrix) != d:
        shape = tuple(found.matrix.shape)
        raise ValueError(f"{name} must have d={d} rows, the head dimension, got shape {shape}")
    return found


def _one_point(point: np.ndarray, name: str) -> np.ndarray:
    point = as_real(point, name)
    if point.ndim != 1:
        raise ValueError(f"{name} must be one point of shape (d,), got shape {point.shape}")
    return point[None, :]
