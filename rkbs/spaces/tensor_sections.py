"""Sections of the exact EDP space, whose norms of even exponent are sums over tuples of points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from rkbs._arrays import as_matrix, check_count, check_same_dimension, short_repr
from rkbs.kernels.features import power_tensor
from rkbs.spaces.lp import conjugate_exponent
from rkbs.spaces.sections import NormJet, Sections

_MAX_TENSOR = 20_000_000


@final
@dataclass(frozen=True, eq=False)
class TensorFunction:
    """f(x) = ℓ Σ ξ_{i_2}…ξ_{i_q} K(x, x_{i_2}, …, x_{i_q}) / ‖w‖_q^{q−1}, the function ℓ·ι(w).

    Parameters
    ----------
    sections : TensorSections
    xi : array of shape (n,)
    length : float
        ℓ = ‖f‖_p.
    """

    sections: TensorSections
    xi: np.ndarray
    length: float

    __repr__ = short_repr

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The function's values: (N, d) → (N,)."""
        points = as_matrix(points, "points")
        s, known = self.sections, self.sections.X
        check_same_dimension(points, known)
        if self.length == 0:
            return np.zeros(len(points))
        scale = self.length / s.dual_norm(self.xi) ** (s.q - 1)
        out = np.empty(len(points))
        for k in range(len(points)):  # a point at a time: the tensor has n^{q−1} entries for each
            tensor = power_tensor(points[k : k + 1], *[known] * (s.q - 1))
            out[k] = scale * _contract(tensor, self.xi, s.q - 1)[0]
        return out


@final
@dataclass(frozen=True, eq=False)
class TensorSections(Sections):
    """The exact EDP space for q = 2m, without truncation: only Σ_r ∏_a φ_r(x_{i_a}) is needed.

    ‖w‖_q^q = Σ ξ_{i_1}…ξ_{i_q} K(x_{i_1}, …, x_{i_q}) with K = ``power_tensor``: n^q entries, in
    any dimension d. A function is a ``TensorFunction``. Smoothing adds one coordinate ε to w.

    The sum cancels where points are close or the penalty is weak, and its rounding enters ‖w‖_q by
    the q-th root. Norms for certificates are therefore counted from above, by four units of
    rounding of the terms' sizes (an estimate of it, tested with mpmath, not a proof): a gap that
    cannot be resolved does not pass. On 4 to 8 points of size
    one in the plane, with responses of size one, ``DualNewton`` reaches 1e-12 for m = 1 and 1e-10
    for m = 2 and 3 at λ ≥ 0.1; at λ = 0.01 m = 2 still does within 3e-10, m = 3 within 2e-7.

    Parameters
    ----------
    X : array of shape (n, d)
        The queries W^Q x (or keys W^K y) themselves.
    m : int
        q = 2m, p = 2m/(2m − 1). The conjugate space has the dual exponent p, which is even only
        for m = 1: of a pair of spaces, one side has a tensor kernel, or both for p = 2.

    Source: Salzo, Rosasco & Suykens (AISTATS 2018); theory §3, Beyond the kernel trick.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import DualNewton, OneSidedProblem, TensorSections, solve
    >>> X, z = np.array([[0.0], [0.5], [1.0]]), np.array([0.0, 1.0, 0.0])
    >>> problem = OneSidedProblem(TensorSections(X, m=2), z, alpha=1e-4)
    >>> solve(problem, DualNewton()).check().f(np.array([[0.5], [0.75]])).round(1)
    array([1. , 0.8])
    """

    X: np.ndarray
    m: int

    __repr__ = short_repr

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", as_matrix(self.X, "X").astype(float))
        entries = len(self.X) ** (2 * check_count(self.m, "m"))
        if entries > _MAX_TENSOR:
            raise ValueError(
                f"m={self.m} on {len(self.X)} points has n^(2m) = {entries} tensor entries, more "
                f"than {_MAX_TENSOR}: take fewer points, or FeatureSections on cut power features"
            )

    @property
    def size(self) -> int:
        return len(self.X)

    @property
    def q(self) -> int:
        """The exponent 2m of w."""
        return 2 * self.m

    @property
    def rough(self) -> bool:
        return False

    @property
    def p(self) -> float:
        """The exponent 2m/(2m − 1) of the functions' norm."""
        return conjugate_exponent(self.q)

    @cached_property
    def _tensor(self) -> np.ndarray:
        return power_tensor(*[self.X] * self.q)

    def _matrix(self, xi: np.ndarray) -> np.ndarray:
        """Σ ξ…ξ K over all but two axes, (n, n)."""
        return _contract(self._tensor, xi, self.q - 2)

    def dual_norm(self, xi: np.ndarray, epsilon: Any = 0.0) -> float:
        # Rounding may push the sum, which is ≥ 0, below zero.
        return float((max(xi @ self._matrix(xi) @ xi, 0.0) + epsilon**self.q) ** (1 / self.q))

    @cached_property
    def _sizes(self) -> np.ndarray:
        return np.abs(self._tensor)

    def dual_norm_above(self, xi: np.ndarray) -> float:
        """(Σ ξ…ξ K + 4ε Σ |ξ|…|ξ| |K|)^{1/q}: a few units of rounding of the terms' sizes."""
        error = 4 * np.finfo(float).eps * _contract(self._sizes, np.abs(xi), self.q)
        return float((max(xi @ self._matrix(xi) @ xi, 0.0) + error) ** (1 / self.q))

    def dual_jet(self, xi: np.ndarray, epsilon: Any) -> NormJet:
        matrix = self._matrix(xi)
        s = float((max(xi @ matrix @ xi, 0.0) + epsilon**self.q) ** (1 / self.q))
        if s == 0:  # w = 0 to rounding, unsmoothed: 0 is a subgradient there
            return 0.0, np.zeros(self.size), np.zeros((self.size, self.size))
        ds = matrix @ xi / s ** (self.q - 1)
        hessian = matrix / s ** (self.q - 1) - np.multiply.outer(ds, ds) / s
        return s, ds, (self.q - 1) * hessian

    def smoothing(self, size: np.ndarray) -> float:
        own = self._tensor[(np.arange(self.size),) * self.q] ** (1 / self.q)  # ‖Φ(x_i)‖_q
        return float((size + size.mean()) @ own)

    def function(self, xi: np.ndarray, length: float) -> TensorFunction:
        return TensorFunction(self, xi, length if self.dual_norm(xi) > 0 else 0.0)

    def at_points(self, function: TensorFunction) -> np.ndarray:
        if function.length == 0:
            return np.zeros(self.size)
        xi = function.xi
        return function.length * (self._matrix(xi) @ xi) / self.dual_norm(xi) ** (self.q - 1)

    def norm(self, function: TensorFunction) -> float:
        """f = a Σ ξ…ξ K has ‖f‖ = a ‖w‖^{q−1}; a was made of ‖w‖ as computed, not from above."""
        if function.length == 0:
            return 0.0
        above, computed = self.dual_norm_above(function.xi), self.dual_norm(function.xi)
        return function.length * (above / computed) ** (self.q - 1)

    def at_new_points(self, function: TensorFunction) -> TensorFunction:
        return function


def _contract(tensor: np.ndarray, xi: np.ndarray, times: int) -> np.ndarray:
    """Σ over the last ``times`` axes with weights ξ."""
    for _ in range(times):
        tensor = tensor @ xi
    return tensor
