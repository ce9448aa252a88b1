"""Response surfaces to be approximated (Theorem 2), on the domains t, s ∈ [−1, 1]^d."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from rkbs._arrays import as_real, check_count

Surface = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A function of both domains, tabulated as a kernel is: t (n, d_x), s (m, d_y) → values (n, m)."""


@final
@dataclass(frozen=True)
class Target:
    """A response surface F(t, s) on [−1, 1]^d × [−1, 1]^d, tabulated: (n, d), (m, d) → (n, m).

    Parameters
    ----------
    name, formula : str
        The name in ``TARGETS``, and the formula in mathtext.
    function : callable
        (n, d), (m, d) → (n, m).
    smooth : bool
        Analytic, so that its singular values fall geometrically or faster.
    dim : int
        d, of both domains.
    singular_values : callable or None
        Where they are known otherwise than from the surface: count → the largest ``count``.
    analytic_bound : callable or None
        ρ → a bound of |F| on E_ρ × E_ρ, the Bernstein ellipses with foci ±1 and semi-axes
        (ρ ± 1/ρ)/2, infinite where F has singularities; d = 1 only. It bounds what polynomials
        miss of F, as a certified sup error needs.
    pieces : (callable, callable) or None
        For a crease on the diagonal: F where t ≥ s and F where t ≤ s, tabulated as F is, both
        analytic on the whole square; ``analytic_bound`` then bounds both.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs.approximation import Target, schmidt
    >>> waves = Target("waves", "$cos(t-s)$", lambda t, s: np.cos(t - s.T), smooth=True)
    >>> waves([0.0, 0.5], [0.5]).round(3)
    array([[0.878],
           [1.   ]])
    >>> schmidt(waves, nodes=16).rank  # cos t cos s + sin t sin s
    2
    """

    name: str
    formula: str = field(repr=False)
    function: Surface = field(repr=False)
    smooth: bool
    dim: int = 1
    singular_values: Callable[[int], np.ndarray] | None = field(default=None, repr=False)
    analytic_bound: Callable[[float], float] | None = field(default=None, repr=False)
    pieces: tuple[Surface, Surface] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_count(self.dim, "dim")
        if not callable(self.function):
            raise TypeError(f"function must be a surface, got {self.function!r}")

    def __call__(self, t: ArrayLike, s: ArrayLike) -> np.ndarray:
        """F(t_i, s_j), shape (n, m); points of a line may have shape (n,)."""
        return self.function(domain_points(t, "t", self.dim), domain_points(s, "s", self.dim))


def domain_points(x: ArrayLike, name: str, dim: int) -> np.ndarray:
    """Points of a domain in float64, (n, d) with n ≥ 1, real and finite; for d = 1 also (n,)."""
    x = as_real(x, name)
    if x.ndim == 1 and dim == 1:
        x = x[:, None]
    if x.ndim != 2 or x.shape[1] != dim or x.size == 0:
        line = " or (n,)" if dim == 1 else ""
        raise ValueError(f"{name} must have shape (n, {dim}){line} with n ≥ 1, got {x.shape}")
    return x
