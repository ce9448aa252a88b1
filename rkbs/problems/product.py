"""The product reading of the binary problem: not jointly convex, so certified as stationary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self, final

import numpy as np

from rkbs._arrays import check_number, short_repr
from rkbs.problems.base import Function
from rkbs.problems.binary import BinaryProblem
from rkbs.problems.certificates import StationarityCertificate
from rkbs.problems.expansion import ExpansionPoint, ExpansionProblem, Side
from rkbs.terms.losses import DualLoss


@final
@dataclass(frozen=True, eq=False)
class ProductProblem(BinaryProblem):
    """min_{f, g} Σ_n ℓ(f(x_{i_n}) g(y_{j_n}); z_n) + λ_X R_X(‖f‖) + λ_Y R_Y(‖g‖).

    Convex in f and in g, not in both. At a stationary point with f, g ≠ 0 and ℓ'_n the slope of
    the loss, λ_X R_X'(‖f‖) ι(f) = −Σ_n ℓ'_n g(y_{j_n}) κ(x_{i_n}, ·), and likewise for g. (f, g)
    and (−f, −g) have the same objective; f = 0, g = 0 is always stationary.

    Parameters and errors: as of ``BinaryProblem``.

    Source: paper Theorem 1; theory §3, reading B.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, Alternating, Pairs, ProductProblem, RKBSPair, solve
    >>> x, y = np.linspace(0, 1, 4)[:, None], np.linspace(1, 2, 3)[:, None]
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 4)
    >>> problem = ProductProblem(spaces, Pairs.grid(x, y), (1 + x) * y.T, 1e-3, 1e-3)
    >>> solution = solve(problem, Alternating()).check()
    >>> bool(abs(solution.predict_grid(x, y) - (1 + x) * y.T).max() < 0.01)
    True
    """

    __repr__ = short_repr

    def at_pairs(self, v: np.ndarray, u: np.ndarray) -> np.ndarray:
        """h_n = f_v(x_{i_n}) g_u(y_{j_n}), shape (n,)."""
        f, g = self.both
        return self._joined(f.at_pairs(v), g.at_pairs(u))

    def _joined(self, f: np.ndarray, g: np.ndarray) -> np.ndarray:
        return f * g

    def objective(self, v: np.ndarray, u: np.ndarray) -> float:
        """Σ ℓ(h_n; z_n) + λ_X R_X(‖v‖_p) + λ_Y R_Y(‖u‖_{p'})."""
        f, g = self.both
        penalty = f.penalty(v) + g.penalty(u)
        return float(self.loss.value(self.at_pairs(v, u), self.z).sum() + penalty)

    def given(self, fixed: Literal["f", "g"], coefficients: np.ndarray) -> GivenOther:
        """The convex problem of the other function when f = f_v or g = g_u is fixed."""
        if fixed not in ("f", "g"):
            raise ValueError(f'fixed must be "f" or "g", got {fixed!r}')
        f, g = self.both
        free, other = (f, g) if fixed == "g" else (g, f)
        side = replace(free, factor=other.at_pairs(coefficients))
        return GivenOther(side, self.z, self.loss)

    def left_sides(self, v: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """λ_X R_X'(‖v‖_p) ι(v) and λ_Y R_Y'(‖u‖_{p'}) ι(u), the derivatives of the penalties."""
        f, g = self.both
        return f.penalty_gradient(v), g.penalty_gradient(u)

    def certify(self, v: np.ndarray, u: np.ndarray, tolerance: float) -> StationarityCertificate:
        """‖left side − expansion‖/‖left side‖, the worse of f and g; infinite where one is 0.

        (0, 0) is always stationary, with the residual 0. Only for a smooth loss, whose slopes
        ℓ'(h_n) are determined.
        """
        if not self.loss.smooth:
            raise ValueError(f"loss must be smooth for this certificate, got {self.loss!r}")
        if not v.any() and not u.any():
            return StationarityCertificate(0.0, tolerance)
        c = -self.loss.gradient(self.at_pairs(v, u), self.z)
        free = self.given("g", u).side, self.given("f", v).side
        expansions = [side.gather(c) @ side.sections.phi for side in free]
        residuals = [
            np.linalg.norm(left - expansion) / np.linalg.norm(left) if left.any() else np.inf
            for left, expansion in zip(self.left_sides(v, u), expansions, strict=True)
        ]
        return StationarityCertificate(float(np.max(residuals)), tolerance)


@final
@dataclass(frozen=True, eq=False)
class GivenOther(ExpansionProblem):
    """The product problem in one function, the other fixed: min_f Σ ℓ(b_n f(x_{i_n}); z_n) + λR.

    Parameters
    ----------
    side : Side
        The free function; its ``factor`` b_n is the value of the fixed one.
    z : array of shape (n,)
    loss : DualLoss
    """

    side: Side
    z: np.ndarray
    loss: DualLoss

    __repr__ = short_repr

    @property
    def sides(self) -> tuple[Side]:
        """The free function."""
        return (self.side,)

    @property
    def alpha(self) -> float:
        """λ of the free function."""
        return self.side.alpha

    def with_alpha(self, alpha: float) -> Self:
        """The same problem at another λ of the free function."""
        alpha = check_number(alpha, "alpha", above=0.0)
        return replace(self, side=replace(self.side, alpha=alpha))

    def functions(self, value: ExpansionPoint) -> tuple[Function]:
        """The free function, of the features of points."""
        return (self.side.sections.at_new_points(value.v),)
