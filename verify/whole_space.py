"""The separable problem solved over the whole feature space, without any expansion.

Shares no solver with ``rkbs``: L-BFGS on all coordinates, then MINPACK on the subgradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.linalg import orth
from scipy.optimize import minimize, root
from scipy.special import expit

from rkbs.losses import DualLoss, EpsilonInsensitive, Hinge
from rkbs.regularizers import Regularizer
from rkbs.separable import SeparableProblem
from rkbs.spaces import conjugate_exponent, duality_map, lp_norm

Slope = Callable[[np.ndarray], np.ndarray]
ATTEMPTS = 12
SOLVED = 1e-11


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

    def residual(self, unknown: np.ndarray, xi: np.ndarray) -> np.ndarray:
        """λ R'(‖v‖) ι(v) − Φᵀξ."""
        left = self.left(unknown) if self.exponent > 2 else unknown
        return left - xi @ self.phi


def blocks_of(problem: SeparableProblem) -> tuple[Block, Block]:
    """The two spaces of a problem."""
    pair, p = problem.pair, problem
    return (
        Block(p.phi_x, pair.p, p.alpha_x, p.regularizer_x),
        Block(p.phi_y, pair.p_conjugate, p.alpha_y, p.regularizer_y),
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
    D = problem.pair.dim

    def objective(vu: np.ndarray) -> tuple[float, np.ndarray]:
        v, u = vu[:D], vu[D:]
        h = problem.values(v, u)
        xi, zeta = problem.expansion(slope(h))
        penalty = x.alpha * x.regularizer.value(lp_norm(v, x.exponent))
        penalty += y.alpha * y.regularizer.value(lp_norm(u, y.exponent))
        gradient = np.concatenate([x.left(v) + xi @ x.phi, y.left(u) + zeta @ y.phi])
        return float(value(h).sum() + penalty), gradient

    options = {"maxiter": 5000, "maxfun": 5000, "ftol": 1e-12, "gtol": 1e-10}
    return minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x


@dataclass(frozen=True, eq=False)
class Subgradient:
    """The equations 0 ∈ ∂(objective) in all 2D coordinates of (v, u).

    ``slope`` is ℓ'(h); at the pairs ``kinks`` h is given and ℓ' = ``near`` + Q r, r unknown. On a
    grid such pairs can form cycles, along which ℓ' moves without moving ξ and ζ; the columns of Q
    span the moves that are seen, so that the equations determine r.
    """

    problem: SeparableProblem
    slope: Slope
    kinks: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    levels: np.ndarray = field(default_factory=lambda: np.empty(0))
    near: np.ndarray = field(default_factory=lambda: np.empty(0))

    @cached_property
    def basis(self) -> np.ndarray:
        """Q: an orthonormal basis of the row space of ℓ' ↦ (ξ, ζ) on the kinks."""
        i, j = self.problem.pairs.i[self.kinks], self.problem.pairs.j[self.kinks]
        rows = i[:, None] == np.arange(len(self.problem.pairs.X))
        columns = j[:, None] == np.arange(len(self.problem.pairs.Y))
        return orth(np.hstack([rows, columns]).astype(float))

    def parts(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """v, u, h and the slopes at the unknowns t."""
        (x, y), D = blocks_of(self.problem), self.problem.pair.dim
        v, u = x.primal(t[:D]), y.primal(t[D : 2 * D])
        h = self.problem.values(v, u)
        slopes = self.slope(h)
        slopes[self.kinks] = self.near + self.basis @ t[2 * D :]
        return v, u, h, slopes

    def __call__(self, t: np.ndarray) -> np.ndarray:
        (x, y), D = blocks_of(self.problem), self.problem.pair.dim
        _, _, h, slopes = self.parts(t)
        xi, zeta = self.problem.expansion(-slopes)
        penalty = x.residual(t[:D], xi), y.residual(t[D : 2 * D], zeta)
        return np.concatenate([*penalty, self.basis.T @ (h[self.kinks] - self.levels)])

    def zero(self, start: np.ndarray) -> np.ndarray:
        """A zero by MINPACK's hybrid method, or where that gave up."""
        return root(self, start, method="hybr", options={"xtol": 1e-14, "maxfev": 100_000}).x


def polish(problem: SeparableProblem, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """v, u and their optimality residual, from unknowns near the minimum.

    A loss with kinks is rounded at a width that shrinks; then the pairs that sit on a kink are
    put there exactly.
    """
    loss, z = problem.loss, problem.z
    equations, unknown = Subgradient(problem, smoothed(loss, z, 0.0)[1]), start
    if not loss.smooth:
        for mu in 0.1 * 0.7 ** np.arange(36):
            rounded = replace(equations, slope=smoothed(loss, z, mu)[1])
            unknown = rounded.zero(unknown)
        equations, unknown = _settle_kinks(rounded, unknown)
    else:
        unknown = equations.zero(unknown)
    v, u, h, slopes = equations.parts(unknown)
    # Fenchel-Young: zero exactly where each slope is a subgradient of the loss at h.
    excess = loss.value(h, z) + loss.conjugate(slopes, z) - slopes * h
    return v, u, max(np.abs(equations(unknown)).max(), excess.sum() / problem.objective(v, u))


def _settle_kinks(rounded: Subgradient, unknown: np.ndarray) -> tuple[Subgradient, np.ndarray]:
    """The exact equations and their zero, with the pairs on a kink where a rounded slope is inside.

    A pair whose slope then is no subgradient is not on its kink after all.
    """
    problem = rounded.problem
    loss, z = problem.loss, problem.z
    slopes = rounded.parts(unknown)[-1]
    sign, size = np.sign(slopes), np.abs(slopes)
    width = loss.epsilon if isinstance(loss, EpsilonInsensitive) else 0.0
    kinks = np.flatnonzero((size > 1e-6) & (size < 1 - 1e-6))
    while True:
        levels = (z + width * sign)[kinks]
        slope = smoothed(loss, z, 0.0)[1]
        equations = Subgradient(problem, slope, kinks, levels, slopes[kinks])
        exact = equations.zero(np.concatenate([unknown, np.zeros(equations.basis.shape[1])]))
        size = equations.parts(exact)[-1][kinks] * sign[kinks]
        inside = (size >= 0) & (size <= 1)
        if inside.all():
            return equations, exact
        kinks = kinks[inside]


def whole_space_minimizer(
    problem: SeparableProblem, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float]:
    """v, u and their optimality residual, over all 2D coordinates from a random start.

    An attempt whose equations MINPACK left unsolved (residual above 1e-11, or NaN) is repeated
    from another start, and the best attempt is returned.
    """
    (x, y), D = blocks_of(problem), problem.pair.dim
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
