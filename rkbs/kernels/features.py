"""Explicit features: power features of dot-product kernels, with a rigorous remainder bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, final, overload

import numpy as np
from numpy.typing import ArrayLike

from rkbs._arrays import (
    Array,
    as_floating,
    as_matrix,
    as_points,
    cast,
    check_count,
    check_finite,
    namespace,
    short_repr,
)
from rkbs.kernels._pairwise import at_least_single, rounded
from rkbs.kernels.dot_product import DotProductKernel

if TYPE_CHECKING:
    from torch import Tensor

MAX_FEATURES = 2_000_000
"""More features than this are refused: the matrix for a few hundred points would fill memory."""


def multi_indices(d: int, order: int) -> np.ndarray:
    """All r ∈ N^d with |r| ≤ order, sorted by degree |r|: shape (C(d + order, order), d)."""
    d, order = _check_size(d, order)
    # Grow by one coordinate at a time: every row with degree s takes the exponents 0 … order − s.
    rows = np.zeros((1, 0), dtype=np.int64)
    for _ in range(d):
        room = order - rows.sum(1)
        repeats = room + 1
        starts = np.repeat(np.cumsum(repeats) - repeats, repeats)
        exponent = np.arange(repeats.sum()) - starts
        rows = np.column_stack([np.repeat(rows, repeats, axis=0), exponent])
    return rows[np.argsort(rows.sum(1), kind="stable")]


def _check_size(d: int, order: int) -> tuple[int, int]:
    """d and order, if their multi-indices fit into memory; else ``ValueError``."""
    d, order = check_count(d, "d"), check_count(order, "order", 0)
    count = math.comb(d + order, order)
    if count > MAX_FEATURES or d * count > 50 * MAX_FEATURES:  # 800 MB of exponents
        raise ValueError(
            f"order={order} in dimension d={d} has C(d + order, order) = {count} features of {d} "
            f"exponents each, more than {MAX_FEATURES} or too many for memory: lower the order"
        )
    return d, order


@final
@dataclass(frozen=True)
class PowerFeatures:
    """φ_r(q) = w_r ∏_l q_l^{r_l} / d^{|r|/4}, w_r² = |c_n| n!/∏_l r_l!, n = |r| ≤ N.

    For a dot-product kernel κ = Σ_n c_n (q·k/√d)ⁿ the multinomial theorem gives
    κ(q, k) = Σ_r s_r φ_r(q) φ_r(k) with signs s_r = sign(c_|r|). For EDP, w_r² = 1/∏ r_l!.
    Exact for a polynomial kernel of degree ≤ N; for EDP the rest is bounded by ``remainder_bound``.

    Parameters
    ----------
    kernel : DotProductKernel
    d : int
        Head dimension.
    order : int
        N, where the series is cut.

    Source: theory §2 (Proposition 1, with the right normalization).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, Linear, PowerFeatures
    >>> q, k = np.array([[1.0, 0.5]]), np.array([[0.5, -1.0], [2.0, 1.0]])
    >>> features = PowerFeatures(EDP(), d=2, order=4)
    >>> missing = abs(EDP()(q, k) - features(q) @ features(k, signed=True).T)
    >>> features.dim, bool((missing <= features.remainder_bound(Linear()(q, k)) + 1e-14).all())
    (15, True)
    """

    kernel: DotProductKernel
    d: int
    order: int

    def __post_init__(self) -> None:
        if not isinstance(self.kernel, DotProductKernel):
            raise TypeError(f"kernel must be a DotProductKernel, got {self.kernel!r}")
        _check_size(self.d, self.order)

    @cached_property
    def indices(self) -> np.ndarray:
        """The multi-indices r, shape (D, d), without those of zero weight."""
        r = multi_indices(self.d, self.order)
        coefficients = self.kernel.power_coefficients(self.order)
        return r[np.array([coefficients[n] != 0 for n in r.sum(1)])]

    @cached_property
    def squared_weights(self) -> tuple[Fraction, ...]:
        """w_r² = |c_n| n!/∏_l r_l!, exact."""
        coefficients = self.kernel.power_coefficients(self.order)
        weights = []
        for r in self.indices.tolist():
            multinomial = math.factorial(sum(r)) // math.prod(map(math.factorial, r))
            weights.append(abs(Fraction(coefficients[sum(r)])) * multinomial)
        return tuple(weights)

    @cached_property
    def signs(self) -> np.ndarray:
        """s_r = sign(c_|r|), shape (D,)."""
        coefficients = self.kernel.power_coefficients(self.order)
        return np.array([math.copysign(1.0, coefficients[n]) for n in self.indices.sum(1)])

    @property
    def dim(self) -> int:
        """The number of features D."""
        return len(self.indices)

    @overload
    def __call__(self, q: np.ndarray, signed: bool = False) -> np.ndarray: ...

    @overload
    def __call__(self, q: Tensor, signed: bool = False) -> Tensor: ...

    @overload
    def __call__(self, q: ArrayLike, signed: bool = False) -> np.ndarray: ...

    def __call__(self, q: Array, signed: bool = False) -> Array:
        """Φ(q), or S Φ(q) with the signs s_r: (..., n, d) → (..., n, D).

        Put ``signed=True`` on one of the two sides: κ(q, k) = Φ(q) · SΦ(k).
        """
        q = as_points(q, "q")
        if q.shape[-1] != self.d:
            raise ValueError(
                f"q must have dimension d={self.d}, got {q.shape[-1]} (shape {tuple(q.shape)})"
            )
        xp, dtype = namespace(q), q.dtype
        q = at_least_single(q)
        # Monomials scaled degree by degree, q^n / (d^{n/4} √n!): no factorial ever overflows.
        powers = [xp.ones_like(q)]
        for n in range(1, self.order + 1):
            powers.append(powers[-1] * q / (self.d**0.25 * math.sqrt(n)))
        table = xp.stack(powers)  # (order + 1, ..., n, d)
        scale = self._degree_scale * (self.signs if signed else 1.0)
        features = xp.asarray(scale, dtype=q.dtype, device=q.device) + 0 * q[..., :1]  # (..., n, D)
        for axis in range(self.d):
            features = features * xp.moveaxis(table[..., axis][self.indices[:, axis]], 0, -1)
        return rounded(features, dtype)

    @cached_property
    def _degree_scale(self) -> np.ndarray:
        """√(|c_n| n!) of each feature's degree n: what EDP has as 1."""
        coefficients = self.kernel.power_coefficients(self.order)
        scale = [math.sqrt(abs(c) * math.factorial(n)) for n, c in enumerate(coefficients)]
        return np.array(scale)[self.indices.sum(1)]

    @overload
    def remainder_bound(self, a: np.ndarray) -> np.ndarray: ...

    @overload
    def remainder_bound(self, a: Tensor) -> Tensor: ...

    @overload
    def remainder_bound(self, a: ArrayLike) -> np.ndarray: ...

    def remainder_bound(self, a: Array) -> Array:
        """|κ − Σ_{n ≤ N} c_n aⁿ| ≤ |a|^{N+1} e^{max(a, 0)} / (N+1)! for EDP; 0 for N ≥ degree.

        A theorem for exact numbers; evaluated in floating point, to about 1e-13 relative.

        Parameters
        ----------
        a : array
            Logits q·k/√d, any shape, numpy or torch.

        Returns
        -------
        array
            Of the shape and kind of ``a``, in float64.

        Raises
        ------
        ValueError
            For a polynomial kernel cut below its degree: such a cut is a mistake, not a limit.
        """
        xp = namespace(a)
        a = cast(check_finite(as_floating(a, "a"), "a"), xp.float64)
        if self.kernel.degree <= self.order:
            return xp.zeros_like(a)
        if self.kernel.degree < math.inf:
            raise ValueError(
                f"{self.kernel!r} has degree {self.kernel.degree}: take order ≥ "
                f"{self.kernel.degree}, got {self.order}"
            )
        n = self.order + 1
        with np.errstate(divide="ignore", over="ignore"):  # log 0 = −inf gives the bound 0
            return xp.exp(n * xp.log(abs(a)) + a.clip(min=0) - math.lgamma(n + 1))


@final
@dataclass(frozen=True, eq=False)
class MappedFeatures:
    """Φ(map(x)), with the kernel's signs on one of the two sides; a callable that pickles.

    Parameters
    ----------
    features : PowerFeatures
    map : callable or None
        None is the identity.
    signed : bool
    """

    features: PowerFeatures
    map: Callable | None
    signed: bool = field(repr=False)

    __repr__ = short_repr

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Points (n, d_in) → features (n, D)."""
        mapped = points if self.map is None else self.map(points)
        return self.features(mapped, signed=self.signed)


def power_tensor(*points: np.ndarray) -> np.ndarray:
    """K(u¹, …, u^{2m}) = Σ_r ∏_a φ_r(u^a) for EDP's power features φ_r: all of them, no cut.

    The sum over multi-indices factors, K = ∏_l F_m(∏_a u^a_l / d^{m/2}) with
    F_m(t) = Σ_n tⁿ/(n!)^m = 0F_{m−1}(; 1, …, 1; t): F_1 = exp gives EDP itself, and
    F_2(t) = I_0(2√t), J_0(2√−t) for t < 0.

    Parameters
    ----------
    *points : arrays of shape (n_a, d)
        An even number 2m of point sets.

    Returns
    -------
    array of shape (n_1, …, n_{2m})
        Accurate to about 1e-15 of the K of the absolute values.

    Raises
    ------
    ValueError
        For an odd number of point sets, points of different dimension, or so large that K
        overflows.

    Source: Salzo, Rosasco & Suykens (AISTATS 2018); theory §3, Beyond the kernel trick.
    """
    if not points or len(points) % 2:
        raise ValueError(f"points must be an even number of point sets, got {len(points)}")
    points = tuple(as_matrix(x, f"points[{a}]").astype(float) for a, x in enumerate(points))
    dimensions = {x.shape[1] for x in points}
    if len(dimensions) > 1:
        raise ValueError(f"points must share their dimension d, got {sorted(dimensions)}")
    d, m = dimensions.pop(), len(points) // 2
    tensor = np.ones(tuple(map(len, points)))
    with np.errstate(over="ignore", invalid="ignore"):
        for axis in range(d):
            product = np.array(d ** (-m / 2))
            for x in points:
                product = np.multiply.outer(product, x[:, axis])
            tensor *= _factorial_series(product, m)
    if not np.isfinite(tensor).all():
        raise ValueError("points are too large: K of their absolute values overflows")
    return tensor


def _factorial_series(t: np.ndarray, m: int) -> np.ndarray:
    """F_m(t) = Σ_n tⁿ/(n!)^m, summed until a term cannot change the sum."""
    if m == 1:
        return np.exp(t)
    total, term, n = np.ones_like(t), np.ones_like(t), 0
    largest = np.abs(t).max()
    bound = sum_bound = 1.0
    while bound > 1e-17 * sum_bound:  # at the largest |t|; elsewhere terms fall faster
        n += 1
        bound *= largest / n**m
        sum_bound += bound
        term = term * t / n**m
        total += term
    return total if np.isfinite(sum_bound) else np.full_like(t, np.inf)
