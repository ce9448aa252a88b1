"""Newton's method in two factors of fixed rank, and the steps that change the rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from rkbs._linalg import svd
from rkbs.solvers.operators._factor_points import FactorPoint, FactorTerm
from rkbs.solvers.operators._truncated_svd import Deflated, Triplets, leading

_ARMIJO = 1e-4
_ROUNDING = 1e-14
"""Of the objective, relative to the terms it is made of: what a line search cannot see."""
_SHORTEST = 1e-10
_CG_STEPS = 250
_LOOSE, _TIGHT = 0.1, 1e-4
"""Relative residuals of the first linear systems and of the last."""
_FLAT = 1e-14
"""Curvature that counts as none, relative to α."""
_EDGE = 0.999
"""Singular values of G/α count as so large at most, or the preconditioner would be infinite."""
_AT_ONCE = 6
"""Directions are added so many at once, or as many as there are."""


class Parts(NamedTuple):
    """M = U diag(σ) Vᵀ, and its factors P = U σ^½, Q = V σ^½ above one another."""

    U: np.ndarray
    sigma: np.ndarray
    V: np.ndarray

    @property
    def factors(self) -> np.ndarray:
        """P and Q, above one another."""
        return np.vstack([self.U, self.V]) * np.sqrt(self.sigma)

    @classmethod
    def of(cls, P: np.ndarray, Q: np.ndarray) -> Parts:
        """Of the product of any factors, without its zeros: then ½(‖P‖² + ‖Q‖²) is ‖M‖_*."""
        left, upper = np.linalg.qr(P)
        right, other = np.linalg.qr(Q)
        U, sigma, Vt = svd(upper @ other.T)
        keep = sigma > sigma.max(initial=0.0) * np.finfo(float).eps
        return cls(left @ U[:, keep], sigma[keep], right @ Vt[keep].T)


@final
@dataclass(frozen=True, eq=False)
class Balanced:
    """A point whose factors are balanced, with its objective f + α ‖M‖_*."""

    point: FactorPoint
    parts: Parts
    alpha: float

    @property
    def objective(self) -> float:
        """f(M) + α ‖M‖_*."""
        return self.point.value + self.alpha * float(self.parts.sigma.sum())

    @property
    def allowance(self) -> float:
        """What rounding may add to the objective."""
        return _ROUNDING * (self.point.rounding + self.alpha * float(self.parts.sigma.sum()))

    def fit(self) -> np.ndarray:
        """u_kᵀ G v_k/α, which is 1 at a stationary point."""
        halves = self.point.slope[: self.point.rows] * self.point.left
        return halves.sum(0) / (self.alpha * self.parts.sigma)

    def gap(self) -> float:
        """The relative duality gap of the dual point c/θ, as far as the spans of U and V tell.

        α ‖M‖_* − ⟨M, G⟩ and, with θ = ‖G‖/α for the larger of ‖G V‖ and ‖Gᵀ U‖, (θ − 1)⟨M, G⟩.
        """
        point, sigma = self.point, self.parts.sigma
        if not len(sigma):
            return 0.0
        images = point.slope / (self.alpha * np.sqrt(sigma))
        halves = images[: point.rows], images[point.rows :]
        theta = np.sqrt(max(np.linalg.eigvalsh(half.T @ half)[-1] for half in halves))
        paired = self.alpha * float(sigma @ self.fit())
        excess = max(theta - 1, 0.0) * paired + self.alpha * float(sigma.sum()) - paired
        return float(abs(excess) / max(abs(self.objective), np.finfo(float).tiny))


@final
@dataclass(frozen=True, eq=False)
class Descent:
    """Steps that decrease f(P Qᵀ) + (α/2)(‖P‖² + ‖Q‖²)."""

    term: FactorTerm
    alpha: float

    def at(self, X: np.ndarray) -> Balanced:
        """The point of the factors, balanced."""
        parts = Parts.of(X[: self.term.rows], X[self.term.rows :])
        return Balanced(self.term.at(parts.factors), parts, self.alpha)

    def newton(
        self, start: Balanced, target: float, most: int, edge: Triplets
    ) -> tuple[Balanced, int, bool]:
        """Newton steps until ``gap`` is at most ``target``, how many, and whether that is so.

        ``edge``: what G has beside the spans of the factors, for the preconditioner.
        """
        for step in range(most):
            if (gap := start.gap()) <= target:
                return start, step, True
            forcing = float(np.clip(max(np.sqrt(gap), target / gap / 4), _TIGHT, _LOOSE))
            moved = self._step(start, forcing, edge)
            if moved is None:
                return start, step + 1, False
            start = moved
        return start, most, start.gap() <= target

    def _step(self, start: Balanced, forcing: float, edge: Triplets) -> Balanced | None:
        point = start.point
        gradient = self.alpha * point.X - point.slope
        precondition = FactorPreconditioner.of(start, edge)
        direction = self._direction(point, gradient, precondition, forcing)
        slope, length = float(np.vdot(gradient, direction)), 1.0
        while length > _SHORTEST:
            moved = self.at(point.X + length * direction)
            most = start.objective + _ARMIJO * length * slope + start.allowance
            if moved.objective <= most:
                return moved
            length /= 2
        return None

    def _direction(
        self,
        point: FactorPoint,
        gradient: np.ndarray,
        precondition: FactorPreconditioner,
        forcing: float,
    ) -> np.ndarray:
        """Newton's by conjugate gradients, as far as the second derivative is positive."""
        found, residual = np.zeros_like(gradient), -gradient
        step, some = precondition(residual), np.empty_like(gradient)
        first = size = float(np.vdot(residual, step))
        for _ in range(_CG_STEPS):
            image = point.bend(step)
            image += np.multiply(step, self.alpha, out=some)
            bend = float(np.vdot(step, image))
            if not bend > _FLAT * self.alpha * float(np.vdot(step, step)):
                break
            found += np.multiply(step, size / bend, out=some)
            residual -= np.multiply(image, size / bend, out=some)
            direction = precondition(residual)
            last, size = size, float(np.vdot(residual, direction))
            if size <= forcing**2 * first:
                break
            step *= size / last
            step += direction
        return found if found.any() else step

    def thinned(self, start: Balanced) -> Balanced:
        """Without the components whose best size, by the second-order model, is not positive."""
        parts = start.parts
        bends = np.maximum(start.point.curvatures(parts.U, parts.V), 0.0)
        keep = parts.sigma * bends > self.alpha * (1 - start.fit())
        if keep.all():
            return start
        fewer = Parts(parts.U[:, keep], parts.sigma[keep], parts.V[:, keep])
        thinner = Balanced(self.term.at(fewer.factors), fewer, self.alpha)
        return thinner if thinner.objective <= start.objective + start.allowance else start

    def beyond(self, start: Balanced, tol: float) -> Triplets:
        """The largest singular values of G/α beside the spans of the factors."""
        parts, shape = start.parts, (len(start.parts.U), len(start.parts.V))
        count = min(max(_AT_ONCE, len(parts.sigma)), min(shape) - len(parts.sigma))
        return leading(Deflated(start.point, parts.U, parts.V, self.alpha), count, tol)

    def grown(self, start: Balanced, found: Triplets) -> Balanced | None:
        """With singular vectors of G whose singular values exceed α, or None if they gain nothing.

        Each u vᵀ, orthogonal to M, changes the objective by −(σ − α)t + ℓ''-curvature t²/2: its
        best t is a start, which is halved until the objective decreases by half of what this says.
        """
        gain = self.alpha * (found.sigma - 1)
        bends = np.maximum(start.point.curvatures(found.U, found.V), np.finfo(float).tiny)
        sizes = gain / bends
        while sizes.max() > _SHORTEST * (gain / bends).max():
            more = np.vstack([found.U, found.V]) * np.sqrt(sizes)
            moved = self.at(np.hstack([start.point.X, more]))
            if moved.objective < start.objective - float(gain @ sizes) / 4:
                return moved
            sizes = sizes / 2
        return None


@final
@dataclass(frozen=True, eq=False)
class FactorPreconditioner:
    """(ρ_a Γ + αI)⁻¹ on the rows a of each factor, and what couples the two near the edge.

    Of a component whose curvature d is small −G couples P and Q: along (u; v), singular vectors of
    G for a value sα near α, the second derivative is d − sα in place of d.
    """

    rows: int
    vectors: tuple[np.ndarray, np.ndarray]
    divisors: tuple[np.ndarray, np.ndarray]
    edge: np.ndarray
    extra: np.ndarray

    @classmethod
    def of(cls, start: Balanced, edge: Triplets) -> FactorPreconditioner:
        """At a point, whose own singular vectors have the value α, beside those of ``edge``."""
        point, (U, sigma, V), alpha = start.point, start.parts, start.alpha
        lefts, rights = np.hstack([U, edge.U]), np.hstack([V, edge.V])
        values = np.concatenate([np.ones_like(sigma), edge.sigma])
        vectors, divisors, near = [], [], np.zeros(())
        for (rho, gram), W in zip(point.diagonal(), (lefts, rights), strict=True):
            bends, basis = np.linalg.eigh(gram)
            vectors.append(basis)
            divisors.append(np.multiply.outer(rho, np.maximum(bends, 0.0)) + alpha)
            near = near + np.multiply.outer(rho @ W**2, np.diag(gram)) / 2
        full, drop = near + alpha, alpha * np.minimum(values, _EDGE)[:, None]
        extra = 1 / (full - drop) - 1 / full
        both = np.vstack([lefts, rights]) / np.sqrt(2)
        return cls(point.rows, (vectors[0], vectors[1]), (divisors[0], divisors[1]), both, extra)

    def __call__(self, D: np.ndarray) -> np.ndarray:
        halves = zip((D[: self.rows], D[self.rows :]), self.vectors, self.divisors, strict=True)
        apart = np.vstack([((half @ W) / divisor) @ W.T for half, W, divisor in halves])
        return apart + self.edge @ (self.extra * (self.edge.T @ D))
