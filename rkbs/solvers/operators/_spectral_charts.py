"""The unknowns in which Newton's method for the operator problem is smooth, and its steps."""

from __future__ import annotations

import abc
from collections.abc import Callable

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg

from rkbs.problems.certificates import GapCertificate
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.operators._spectral_calculus import SpectralDerivative

_CG_STEPS = 2000
_EXACT = 1e-12
_FLAT = 0.01
"""Below this curvature of the loss dual unknowns hardly move, and h follows the linearization."""
_BISECTIONS = 52
_SHIFT = 1e-14
"""Keeps the preconditioner positive where both Hessians vanish, relative to its largest entry."""


class Chart(abc.ABC):
    """A point of the problem by an unknown of its own, with what a Newton step needs.

    Attributes
    ----------
    unknown : array
    M, c, theta : arrays of shape (r_x, r_y), (n,), (0,) or (1,)
        The primal and the dual point that belong to it, with the best constant.
    merit : float
        What the steps decrease.
    """

    problem: SchattenProblem
    unknown: np.ndarray
    M: np.ndarray
    c: np.ndarray
    theta: np.ndarray
    merit: float

    @classmethod
    @abc.abstractmethod
    def of(cls, problem: SchattenProblem, M: np.ndarray) -> Chart:
        """The chart near the point M."""

    @abc.abstractmethod
    def direction(self, forcing: float) -> tuple[np.ndarray, float, int]:
        """Newton's direction, the merit's derivative along it, and inner iterations used."""

    def moved(self, step: np.ndarray) -> Chart:
        """The chart at unknown + step."""
        return type(self)(self.problem, self.unknown + step)

    def certify(self, tol: float) -> GapCertificate:
        """The problem's certificate of the point."""
        return self.problem.certify(self.M, self.c, tol, self.theta)

    def settled(self) -> Chart:
        """The same M and c by the unknown, of all that mean them, whose direction is the safest."""
        return self


class PrimalChart(Chart):
    """The unknown M, for Ω twice differentiable; the merit is the objective."""

    def __init__(self, problem: SchattenProblem, M: np.ndarray) -> None:
        self.problem, self.unknown, self.M = problem, M, M
        self.svd = np.linalg.svd(M)
        self.h, self.theta = _with_constant(problem, problem.at_pairs(M))
        self.c = -problem.loss.gradient(self.h, problem.z)
        loss = problem.loss.value(self.h, problem.z).sum()
        self.merit = float(loss + problem.alpha * problem.penalty.value(self.svd[1]))

    @classmethod
    def of(cls, problem: SchattenProblem, M: np.ndarray) -> PrimalChart:
        return cls(problem, M)

    def direction(self, forcing: float) -> tuple[np.ndarray, float, int]:
        """(A + α Ω''(M)) dM = −F, F the gradient, preconditioned by the diagonals of both."""
        problem, penalty, alpha = self.problem, self.problem.penalty, self.problem.alpha
        F = alpha * _matrix(self.svd, penalty.gradient(self.svd[1])) - problem.pull(self.c)
        bend = SpectralDerivative.of(self.svd, penalty.gradient, penalty.curvature)
        curvature = problem.loss.curvature(self.h, problem.z)
        A = _data_hessian(problem, curvature)
        mean = curvature.sum() / (len(problem.pairs.X) * len(problem.pairs.Y))
        diagonal = mean * problem.factors.products + alpha * bend.diagonal()
        diagonal += _SHIFT * diagonal.max()
        dM, used = _solve(lambda E: A(E) + alpha * bend(E), -F, forcing, diagonal)
        return dM, float((F * dM).sum()), used


class DualChart(Chart):
    """The unknown h, for Ω* twice differentiable: c = −ℓ'(h + b), M = ∇Ω*(R_Xᵀ C R_Y/α).

    h has n values, b is the best constant beside them, 0 where the problem has none.
    The merit is minus the dual objective, convex in c. Unlike c itself h knows no domain, so that
    the kinks of Huber's conjugate need no care. At the solution h = R_X M R_Yᵀ.
    """

    def __init__(self, problem: SchattenProblem, h: np.ndarray) -> None:
        self.problem, self.unknown = problem, h
        self.h, self.theta = _with_constant(problem, h)
        self.c = -problem.loss.gradient(self.h, problem.z)
        self.svd = np.linalg.svd(problem.pull(self.c) / problem.alpha)
        s, penalty = self.svd[1], problem.penalty
        self.M = _matrix(self.svd, penalty.gradient_conjugate(s))
        self.at_pairs = problem.at_pairs(self.M)
        loss = problem.loss.conjugate(-self.c, problem.z).sum()
        self.merit = float(loss + problem.alpha * penalty.conjugate(s))

    @classmethod
    def of(cls, problem: SchattenProblem, M: np.ndarray) -> DualChart:
        return cls(problem, problem.at_pairs(M))

    def settled(self) -> DualChart:
        """h moved towards R_X M R_Yᵀ where ℓ is flat, as far as ℓ' stays, and with it c.

        Where the values lie across the kink of ℓ', h ends on it, on the curved side: so an unknown
        c_n on the edge of ℓ*'s domain is free to leave it if, and only if, the merit wants it to.
        """
        loss, z, h = self.problem.loss, self.problem.z, self.h
        slope, way = loss.gradient(h, z), self.at_pairs - self.unknown
        low, high = np.zeros_like(h), np.ones_like(h)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            stays = loss.gradient(h + middle * way, z) == slope
            low, high = np.where(stays, middle, low), np.where(stays, high, middle)
        flat = loss.curvature(h, z) == 0
        return DualChart(self.problem, self.unknown + np.where(flat, high * way, 0.0))

    def direction(self, forcing: float) -> tuple[np.ndarray, float, int]:
        """(I + KL) dh = r with L = ℓ''(h), K = R B² Rᵀ/α, B² = Ω*''(G), r = R_X M R_Yᵀ − h.

        Solved as (I + L^½ K L^½) w = L^½ r, which the 1 keeps away from singular;
        then dc = −L^½ w, a direction of descent for every iterate of conjugate gradients.
        The best constant takes the mean of what it multiplies from L: L^½ becomes P L^½, P the
        projection off L^½ 1, and dh is known up to a constant, which r − KL dh tells.
        """
        problem, penalty = self.problem, self.problem.penalty
        B2 = SpectralDerivative.of(
            self.svd, penalty.gradient_conjugate, penalty.curvature_conjugate
        )
        r = self.at_pairs - self.unknown
        curvature = problem.loss.curvature(self.h, problem.z)
        root = np.sqrt(curvature)
        project = _off(root) if problem.offsets.constant else lambda v: v

        def smooth(v: np.ndarray) -> np.ndarray:
            return problem.at_pairs(B2(problem.pull(root * project(v)))) / problem.alpha

        def system(v: np.ndarray) -> np.ndarray:
            return v + project(root * smooth(v))

        # dh = w/L^½ inherits the error of w, and dh = r − K L^½ w that of w times K.
        curved = curvature > _FLAT
        used = 0
        while True:
            w, more = _solve(system, project(root * r), forcing)
            used += more
            flat = r - smooth(w)
            along = root * flat - project(root * flat)  # what w does not know of L^½ dh
            dh = np.where(curved, (w + along) / np.where(curved, root, 1.0), flat)
            slope = -float((project(root * r) * project(root * dh)).sum())
            if slope < 0 or forcing < _EXACT:
                return dh, slope, used
            forcing /= 100


def _matrix(svd: tuple[np.ndarray, np.ndarray, np.ndarray], sigma: np.ndarray) -> np.ndarray:
    """The matrix with these singular vectors, and singular values ``sigma``."""
    m = len(sigma)
    return (svd[0][:, :m] * sigma) @ svd[2][:m]


def _data_hessian(
    problem: SchattenProblem, curvature: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """A: E ↦ R_Xᵀ [ℓ''(h) · (R_X E R_Yᵀ)] R_Y; elementwise where ℓ'' is one number.

    The best constant takes from R_X E R_Yᵀ its mean, weighted by ℓ''.
    """
    if problem.offsets.constant:
        root = np.sqrt(curvature)
        project = _off(root)
        return lambda E: problem.pull(root * project(root * problem.at_pairs(E)))
    if problem.pairs.is_complete and (curvature == curvature[0]).all():
        weights = curvature[0] * problem.factors.products
        return lambda E: weights * E
    return lambda E: problem.pull(curvature * problem.at_pairs(E))


def _with_constant(problem: SchattenProblem, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """h with the best constant added, and that as θ."""
    theta = problem.best_theta(h)
    return h + theta[0] if len(theta) else h, theta


def _off(direction: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The orthogonal projection off a direction, if it has one."""
    unit = direction / (np.linalg.norm(direction) or 1.0)
    return lambda v: v - unit * (unit @ v)


def _solve(
    operator: Callable[[np.ndarray], np.ndarray],
    right: np.ndarray,
    forcing: float,
    diagonal: np.ndarray | None = None,
) -> tuple[np.ndarray, int]:
    """Conjugate gradients on arrays, from zero: each iterate is a direction of descent."""
    shape, used = right.shape, 0

    def count(_: np.ndarray) -> None:
        nonlocal used
        used += 1

    def linear(function: Callable[[np.ndarray], np.ndarray]) -> LinearOperator:
        return LinearOperator(
            (right.size, right.size),
            matvec=lambda v: function(v.reshape(shape)).reshape(-1),
            dtype=float,
        )

    precondition = None if diagonal is None else linear(lambda E: E / diagonal)
    solution, _ = cg(
        linear(operator),
        right.reshape(-1),
        rtol=forcing,
        maxiter=_CG_STEPS,
        M=precondition,
        callback=count,
    )
    return solution.reshape(shape), used
