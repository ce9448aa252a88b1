"""The separable problem solved over the whole feature space, without any expansion.

Shares no solver with ``rkbs``: L-BFGS on all coordinates, then MINPACK on the subgradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import minimize, root
from scipy.special import expit

from rkbs.problems.separable import SeparableProblem
from rkbs.spaces.lp import conjugate_exponent, duality_map, lp_norm
from rkbs.terms.losses import DualLoss
from rkbs.terms.margin_losses import Hinge
from rkbs.terms.norm_penalties import Regularizer
from rkbs.terms.residual_losses import EpsilonInsensitive

Slope = Callable[[np.ndarray], np.ndarray]
ATTEMPTS = 12
SOLVED = 1e-11
WIDTHS = 0.1 * 0.5 ** np.arange(18)
"""Of the rounded kinks, down to 8e-7: where h is off its kink by the square of that."""


@dataclass(frozen=True, eq=False)
class Block:
    """One space of a whole-space solve: λ R'(‖v‖) ι(v) = Φᵀξ in the unknown that is smooth.

    For an exponent ≤ 2 that unknown is the left side a, and v = (R*)'(‖a‖/λ) ι'(a); beyond 2 it is
    v itself. Both are all D coordinates. The equation itself says that a is a combination of
    features: that it holds at a minimizer is the theorem, which the Fenchel bound then confirms.
    """

    phi: np.ndarray
    exponent: float
    alpha: float
    regularizer: Regularizer

    def primal(self, unknown: np.ndarray) -> np.ndarray:
        """v from the unknown."""
        if self.exponent > 2:
            return unknown
        dual = conjugate_exponent(self.exponent)
        length = self.regularizer.length(lp_norm(unknown, dual) / self.alpha)
        return length * duality_map(unknown, dual)

    def left(self, v: np.ndarray) -> np.ndarray:
        """λ R'(‖v‖) ι(v), the derivative of the penalty at v."""
        slope = self.regularizer.derivative(lp_norm(v, self.exponent))
        return self.alpha * slope * duality_map(v, self.exponent)

    def unknown(self, v: np.ndarray) -> np.ndarray:
        """The unknown that belongs to v."""
        return v if self.exponent > 2 else self.left(v)

    def derivatives(self, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives of the left side and of v in the unknown, (D, D) each.

        One of the two is the unknown itself; the other is ∇ψ(‖t‖_r) with r ≥ 2, and so smooth.
        """
        R, one = self.regularizer, np.eye(len(unknown))
        if self.exponent > 2:
            slope = R.derivative(lp_norm(unknown, self.exponent))
            curvature = 1 / R.length_slope(slope)
            return self.alpha * _hessian(unknown, self.exponent, slope, curvature), one
        dual = conjugate_exponent(self.exponent)
        s = lp_norm(unknown, dual) / self.alpha
        return one, _hessian(unknown, dual, R.length(s), R.length_slope(s) / self.alpha)

    def residual(self, unknown: np.ndarray, xi: np.ndarray) -> np.ndarray:
        """λ R'(‖v‖) ι(v) − Φᵀξ."""
        left = self.left(unknown) if self.exponent > 2 else unknown
        return left - xi @ self.phi


def _hessian(t: np.ndarray, r: float, slope: float, curvature: float) -> np.ndarray:
    """The second derivative of ψ(‖t‖_r), r ≥ 2, at t ≠ 0, ψ' and ψ'' given."""
    s, iota = lp_norm(t, r), duality_map(t, r)
    bend = (r - 1) / s * slope
    outer = np.multiply.outer(iota, iota)
    return np.diag(bend * (np.abs(t) / s) ** (r - 2)) + (curvature - bend) * outer


def blocks_of(problem: SeparableProblem) -> tuple[Block, Block]:
    """The two spaces of a problem."""
    spaces, p = problem.spaces, problem
    return (
        Block(p.phi_x, spaces.p, p.alpha_x, p.regularizer_x),
        Block(p.phi_y, spaces.p_conjugate, p.alpha_y, p.regularizer_y),
    )


def smoothed(loss: DualLoss, z: np.ndarray, mu: float) -> tuple[Slope, Slope]:
    """The loss with its kinks rounded at width μ, and its slope; for μ = 0 the loss itself."""
    if mu > 0 and isinstance(loss, Hinge):
        return (
            lambda h: mu * np.logaddexp(0, (1 - z * h) / mu),
            lambda h: -z * expit((1 - z * h) / mu),
        )
    if mu > 0 and isinstance(loss, EpsilonInsensitive):
        width = loss.epsilon

        def value(h: np.ndarray) -> np.ndarray:
            over, under = (h - z - width) / mu, (z - h - width) / mu
            return mu * (np.logaddexp(0, over) + np.logaddexp(0, under))

        return value, lambda h: expit((h - z - width) / mu) - expit((z - h - width) / mu)
    return lambda h: loss.value(h, z), lambda h: loss.gradient(h, z)


def descend(problem: SeparableProblem, start: np.ndarray, value: Slope, slope: Slope) -> np.ndarray:
    """(v, u) from L-BFGS over all 2D coordinates: a rough minimizer, from any start."""
    x, y = blocks_of(problem)
    D = problem.spaces.dim

    def objective(vu: np.ndarray) -> tuple[float, np.ndarray]:
        v, u = vu[:D], vu[D:]
        h = problem.at_pairs(v, u)
        xi, zeta = problem.expansion(slope(h))
        penalty = x.alpha * x.regularizer.value(lp_norm(v, x.exponent))
        penalty += y.alpha * y.regularizer.value(lp_norm(u, y.exponent))
        gradient = np.concatenate([x.left(v) + xi @ x.phi, y.left(u) + zeta @ y.phi])
        return float(value(h).sum() + penalty), gradient

    options = {"maxiter": 5000, "maxfun": 5000, "ftol": 1e-12, "gtol": 1e-10}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x


def _step(x: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray]:
    """min(max(x, 0), 1) with its corners rounded at width μ, and its derivative, both in [0, 1]."""
    r, s = np.hypot(x, 2 * mu), np.hypot(x - 1, 2 * mu)
    return np.clip((1 + (2 * x - 1) / (r + s)) / 2, 0, 1), (x / r - (x - 1) / s) / 2


def slopes_along(
    loss: DualLoss, w: np.ndarray, z: np.ndarray, mu: float
) -> tuple[np.ndarray, np.ndarray]:
    """The slope r(w) with ℓ' = r(w) at h = w − r(w), rounded at width μ > 0, and its derivative.

    The graph of a subdifferential is a curve, and w = h + ℓ' goes along it (Minty): at a kink h
    stands still while r grows. r' lies in [0, 1], so at every μ this is some smooth convex loss.
    """
    if isinstance(loss, Hinge):
        r, slope = _step(1 - z * w, mu)
        return -z * r, slope
    if isinstance(loss, EpsilonInsensitive):
        over, rising = _step(w - z - loss.epsilon, mu)
        under, falling = _step(z - w - loss.epsilon, mu)
        return over - under, rising + falling
    raise TypeError(f"loss must be one whose kinks are known here, got {loss!r}")


@dataclass(frozen=True, eq=False)
class Subgradient:
    """The equations 0 ∈ ∂(objective) in all 2D coordinates of (v, u), with their Jacobian.

    For a loss with kinks the pairs have unknowns of their own: w, which tells h and ℓ' at once
    (``slopes_along``), rounded at width μ.
    """

    problem: SeparableProblem
    mu: float = 0.0

    @cached_property
    def blocks(self) -> tuple[Block, Block]:
        """The two spaces."""
        return blocks_of(self.problem)

    @cached_property
    def rows(self) -> np.ndarray:
        """(Φ_X(x_{i_n}), Φ_Y(y_{j_n})), a row for each pair: the derivative of h in (v, u)."""
        p = self.problem
        return np.hstack([p.phi_x[p.pairs.i], p.phi_y[p.pairs.j]])

    def parts(
        self, t: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """v, u, h, the slopes, and their derivatives in h or, with kinks, in w."""
        (x, y), D, loss = self.blocks, self.problem.spaces.dim, self.problem.loss
        v, u, w = x.primal(t[:D]), y.primal(t[D : 2 * D]), t[2 * D :]
        h, z = self.problem.at_pairs(v, u), self.problem.z
        if loss.smooth:
            return v, u, h, loss.gradient(h, z), loss.curvature(h, z)
        return v, u, h, *slopes_along(loss, w, z, self.mu)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        (x, y), D = self.blocks, self.problem.spaces.dim
        _, _, h, slopes, _ = self.parts(t)
        xi, zeta = self.problem.expansion(-slopes)
        penalty = x.residual(t[:D], xi), y.residual(t[D : 2 * D], zeta)
        w = t[2 * D :]
        return np.concatenate([*penalty, h + slopes - w if w.size else w])

    def jacobian(self, t: np.ndarray) -> np.ndarray:
        """The derivative of the equations."""
        (x, y), D = self.blocks, self.problem.spaces.dim
        along = self.parts(t)[-1]
        lefts, primals = zip(x.derivatives(t[:D]), y.derivatives(t[D : 2 * D]), strict=True)
        penalty, values = block_diag(*lefts), self.rows @ block_diag(*primals)
        if self.problem.loss.smooth:
            return penalty + (self.rows.T * along) @ values
        return np.block([[penalty, self.rows.T * along], [values, np.diag(along - 1)]])

    def zero(self, start: np.ndarray) -> np.ndarray:
        """A zero by MINPACK's hybrid method, or where that gave up."""
        options = {"xtol": 1e-14, "maxfev": 2000}
        return root(self, start, jac=self.jacobian, method="hybr", options=options).x


def polish(problem: SeparableProblem, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """v, u and their optimality residual, from unknowns near the minimum.

    A loss with kinks is rounded at a width that shrinks, each zero the start of the next.
    """
    loss, z = problem.loss, problem.z
    equations, unknown = Subgradient(problem), start
    if loss.smooth:
        unknown = equations.zero(unknown)
    else:
        (x, y), D = blocks_of(problem), problem.spaces.dim
        h = problem.at_pairs(x.primal(start[:D]), y.primal(start[D:]))
        unknown = np.concatenate([start, h + smoothed(loss, z, WIDTHS[0])[1](h)])
        for mu in WIDTHS:
            equations = Subgradient(problem, mu)
            unknown = equations.zero(unknown)
    v, u, h, slopes, _ = equations.parts(unknown)
    # Fenchel-Young: zero exactly where each slope is a subgradient of the loss at h.
    excess = loss.value(h, z) + loss.conjugate(slopes, z) - slopes * h
    return v, u, max(np.abs(equations(unknown)).max(), excess.sum() / problem.objective(v, u))


def whole_space_minimizer(
    problem: SeparableProblem, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """v, u and their optimality residual, over all 2D coordinates from a random start.

    An attempt whose equations MINPACK left unsolved (residual above 1e-11, or NaN) is repeated
    from another start, and the best attempt is returned.
    """
    (x, y), D = blocks_of(problem), problem.spaces.dim
    best = None
    for _ in range(ATTEMPTS):
        start = rng.standard_normal(2 * D)
        vu = descend(problem, start, *smoothed(problem.loss, problem.z, 0.1))
        found = polish(problem, np.concatenate([x.unknown(vu[:D]), y.unknown(vu[D:])]))
        if best is None or found[2] < best[2]:
            best = found
        if best[2] <= SOLVED:
            break
    return best
