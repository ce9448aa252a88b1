"""Newton's method in two factors of fixed rank, and the steps that change the rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from rkbs._linalg import svd
from rkbs.solvers.operators._factor_points import FactorPoint, FactorTerm
from rkbs.solvers.operators._truncated_svd import Deflated, leading

_ARMIJO = 1e-4
_ROUNDING = 1e-14
"""Of the objective, relative to the terms it is made of: what a line search cannot see."""
_SHORTEST = 1e-10
_CG_STEPS = 250
_LOOSE, _TIGHT = 0.1, 1e-4
"""Relative residuals of the first linear systems and of the last."""
_FLAT = 1e-14
"""Curvature that counts as none, relative to that of the preconditioner."""
_AT_ONCE = 6
"""Directions are added so many at once, or as many as there are."""


class Parts(NamedTuple):
    """M = U diag(σ) Vᵀ, and its factors P = U σ^½, Q = V σ^½ above one another."""

    U: np.ndarray
    sigma: np.ndarray
    V: np.ndarray

    @property
    def X(self) -> np.ndarray:
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
        halves = self.point.slope[: self.point.rows] * self.point.P
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
    """Steps that decrease f(P Qᵀ) + (α/2)(‖P‖² + ‖Q‖²).

    ``curvature`` is that of ℓ by its units: where ℓ'' vanishes some of it stands in for ℓ'' in what
    only scales steps.
    """

    term: FactorTerm
    alpha: float

    def at(self, X: np.ndarray, rows: int) -> Balanced:
        """The point of the factors, balanced."""
        parts = Parts.of(X[:rows], X[rows:])
        return Balanced(self.term.at(parts.X), parts, self.alpha)

    def newton(self, start: Balanced, target: float, most: int) -> tuple[Balanced, int, bool]:
        """Newton steps until ``gap`` is at most ``target``, how many, and whether that is so."""
        for step in range(most):
            if (gap := start.gap()) <= target:
                return start, step, True
            moved = self._step(start, float(np.clip(np.sqrt(gap), _TIGHT, _LOOSE)))
            if moved is None:
                return start, step + 1, False
            start = moved
        return start, most, start.gap() <= target

    def _step(self, start: Balanced, forcing: float) -> Balanced | None:
        point = start.point
        gradient = self.alpha * point.X - point.slope
        direction = self._direction(point, gradient, forcing)
        slope, length = float(np.vdot(gradient, direction)), 1.0
        while length > _SHORTEST:
            moved = self.at(point.X + length * direction, point.rows)
            most = start.objective + _ARMIJO * length * slope + start.allowance
            if moved.objective <= most:
                return moved
            length /= 2
        return None

    def _direction(self, point: FactorPoint, gradient: np.ndarray, forcing: float) -> np.ndarray:
        """Newton's by conjugate gradients, as far as the second derivative is positive."""
        precondition = Preconditioner.of(point, self.alpha)
        found, residual = np.zeros_like(gradient), -gradient
        step = direction = precondition(residual)
        first = size = float(np.vdot(residual, direction))
        for _ in range(_CG_STEPS):
            image = point.bend(step) + self.alpha * step
            bend = float(np.vdot(step, image))
            if not bend > _FLAT * precondition.size(step):
                break
            found = found + size / bend * step
            residual = residual - size / bend * image
            direction = precondition(residual)
            last, size = size, float(np.vdot(residual, direction))
            if size <= forcing**2 * first:
                break
            step = direction + size / last * step
        return found if found.any() else step

    def thinned(self, start: Balanced) -> Balanced:
        """Without the components whose best size, by the second-order model, is not positive."""
        parts = start.parts
        bends = np.maximum(start.point.curvatures(parts.U, parts.V), 0.0)
        keep = parts.sigma * bends > self.alpha * (1 - start.fit())
        if keep.all():
            return start
        fewer = Parts(parts.U[:, keep], parts.sigma[keep], parts.V[:, keep])
        thinner = Balanced(self.term.at(fewer.X), fewer, self.alpha)
        return thinner if thinner.objective <= start.objective + start.allowance else start

    def grown(self, start: Balanced, slack: float, tol: float) -> Balanced | None:
        """With the singular vectors of G whose singular values exceed α, or None if none does.

        Each u vᵀ, orthogonal to M, changes the objective by −(σ − α)t + ℓ''-curvature t²/2: its
        best t is a start, which is halved until the objective decreases by half of what this says.
        """
        parts, shape = start.parts, (len(start.parts.U), len(start.parts.V))
        count = min(max(_AT_ONCE, len(parts.sigma)), min(shape) - len(parts.sigma))
        if count <= 0:
            return None
        U, s, V = leading(Deflated(start.point, parts.U, parts.V, self.alpha), count, tol)
        above = s > 1 + slack
        if not above.any():
            return None
        U, gain, V = U[:, above], self.alpha * (s[above] - 1), V[:, above]
        bends = self._floored(start.point, U, V)
        sizes = gain / bends
        while sizes.max() > _SHORTEST * (gain / bends).max():
            more = np.vstack([U, V]) * np.sqrt(sizes)
            moved = self.at(np.hstack([start.point.X, more]), len(U))
            if moved.objective < start.objective - float(gain @ sizes) / 4:
                return moved
            sizes = sizes / 2
        return None

    def _floored(self, point: FactorPoint, U: np.ndarray, V: np.ndarray) -> np.ndarray:
        return np.maximum(point.curvatures(U, V), np.finfo(float).tiny)


@final
@dataclass(frozen=True, eq=False)
class Preconditioner:
    """(ρ_a Γ + αI)⁻¹ on the rows a of each factor, by the eigenvectors of Γ."""

    rows: int
    alpha: float
    vectors: tuple[np.ndarray, np.ndarray]
    divisors: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, point: FactorPoint, alpha: float) -> Preconditioner:
        vectors, divisors = [], []
        for rho, gram in point.diagonal():
            values, basis = np.linalg.eigh(gram)
            vectors.append(basis)
            divisors.append(np.multiply.outer(rho, np.maximum(values, 0.0)) + alpha)
        return cls(point.rows, alpha, (vectors[0], vectors[1]), (divisors[0], divisors[1]))

    def __call__(self, D: np.ndarray) -> np.ndarray:
        halves = zip((D[: self.rows], D[self.rows :]), self.vectors, self.divisors, strict=True)
        return np.vstack([((half @ W) / divisor) @ W.T for half, W, divisor in halves])

    def size(self, D: np.ndarray) -> float:
        """The square of the norm in which D is steepest."""
        halves = zip((D[: self.rows], D[self.rows :]), self.vectors, self.divisors, strict=True)
        return float(sum(((half @ W) ** 2 * divisor).sum() for half, W, divisor in halves))
