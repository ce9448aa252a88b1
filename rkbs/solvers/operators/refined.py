"""Ridge on some pairs by corrections that another device, or another precision, computes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from rkbs._arrays import Array, check_count, kind_error, short_repr
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.operator import OperatorProblem
from rkbs.solvers.base import Solution, State
from rkbs.solvers.operators._pair_preconditioner import Preconditioner
from rkbs.solvers.operators.backends import Backend, Normal, NumpyBackend, Precision
from rkbs.solvers.operators.base import RidgeSolution, RidgeSolver

_EPS = np.finfo(float).eps
_SINGLE = 10
"""Single precision may take so small a part of all steps."""
_DIGITS = 0.6
"""Residuals are computed afresh when one has fallen by eps to this power."""


@final
@dataclass(frozen=True)
class RefinedConjugateGradient(RidgeSolver["_RefinedState"]):
    """R_Xᵀ S*WS(R_X D R_Yᵀ) R_Y + αD = G by conjugate gradients on a backend, M the sum of the D.

    G is what M leaves of the equations of ``ConjugateGradient``, computed in float64 by the
    problem itself, W = I − 11ᵀ/n with a constant. Each run goes on in the direction where the last
    one ended, so that no step is lost, and ends where single precision has given its digits. The
    preconditioner is that of ``ConjugateGradient``: 1/(ρ_ab s_a t_b + α), and a constant beside it.

    For problems without effects. Where single precision gains nothing more, or has taken a tenth of
    the steps, the backend goes on in float64: it cannot see an α below its rounding of what a
    constant takes away, some 1e-7 · λ_max of the pairs' Gram matrix. Where α is near the rounding
    of float64, ``ConjugateGradient`` has other ways.

    Parameters
    ----------
    tol : float
        Where to stop, as of ``ConjugateGradient``.
    max_iter : int
    backend : Backend
        ``NumpyBackend()``, ``TorchBackend()`` or ``DaskBackend(client)``.

    Source: residual replacement, van der Vorst & Ye (SIAM Journal on Scientific Computing 2000).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, OperatorProblem, Pairs, solve
    >>> from rkbs.solvers import NumpyBackend, RefinedConjugateGradient
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> seen = x > y.T  # some of the pairs
    >>> pairs, z = Pairs.from_mask(x, y, seen), (x - y.T)[seen]
    >>> problem = OperatorProblem(RBF()(x, x), RBF()(y, y), pairs, z, alpha=0.1)
    >>> solution = solve(problem, RefinedConjugateGradient(backend=NumpyBackend("float32")))
    >>> bool(solution.certificate.kkt_residual < 1e-10)
    True
    """

    tol: float = 1e-10
    max_iter: int = 5000
    backend: Backend = field(default_factory=NumpyBackend)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self.max_iter, "max_iter")
        if not isinstance(self.backend, Backend):
            raise kind_error(self.backend, "backend", Backend)

    def _check(self, problem: OperatorProblem) -> None:
        """Also ``ValueError`` for effects."""
        super()._check(problem)
        if problem.offsets.size > int(problem.offsets.constant):
            raise ValueError(f"{self!r} solves problems without effects: use ConjugateGradient()")

    def _setup(self, problem: OperatorProblem) -> _RefinedState:
        ones = problem.pull(np.ones_like(problem.z)) if problem.offsets.size else None
        return _RefinedState(problem, self, self.backend.normal(problem), ones)


@final
@dataclass(frozen=True, eq=False)
class _RefinedState(State[RidgeSolution]):
    """A problem that is decomposed, its operator, and R_Xᵀ S*1 R_Y where it has a constant."""

    problem: OperatorProblem
    solver: RefinedConjugateGradient
    normal: Normal = field(repr=False)
    ones: np.ndarray | None = field(repr=False)

    __repr__ = short_repr

    def _solve(
        self, problem: OperatorProblem, last: np.ndarray | None
    ) -> tuple[RidgeSolution, np.ndarray]:
        solver, backend = self.solver, self.solver.backend
        M = np.zeros_like(problem.factors.products) if last is None else last
        run, left, used, count = _Run(self, problem, self.normal, backend.dtype), np.inf, 0, 0
        single, most = backend.dtype == "float32", solver.max_iter
        while True:
            point, G = _gradient(problem, M)
            before, left = left, _excess(problem, point, G, solver.tol)
            ended = not left < before / 2 or used >= (most / _SINGLE if single else most)
            if left <= 1 or (ended and not single):
                break
            if ended:
                normal, single = replace(backend, dtype="float64").normal(problem), False
                run = _Run(self, problem, normal, "float64")
            D, more = run.correction(G, 1 / left, most // _SINGLE if single else most - used)
            M, used, count = M + D, used + more, count + 1
        certificate = problem.certify(point.M, point.c, solver.tol, point.theta)
        stats = {"solver": type(solver).__name__, "iterations": used, "runs": count}
        return Solution(problem, point, certificate, stats), M


def _gradient(problem: OperatorProblem, M: np.ndarray) -> tuple[OperatorPoint, np.ndarray]:
    """M with its best constant and c = z − h, and R_Xᵀ C R_Y − αM."""
    h = problem.at_pairs(M)
    theta = problem.best_theta(h)
    c = problem.z - h - theta.sum()
    return OperatorPoint(M, c, theta), problem.pull(c) - problem.alpha * M


def _excess(problem: OperatorProblem, point: OperatorPoint, G: np.ndarray, tol: float) -> float:
    """How many times more than the tolerance G leaves, at the pairs and at others."""
    products, alpha = problem.factors.products, problem.alpha
    seen = problem.energy(G) / problem.pull_scale(point.M, point.c)
    size = max(float(np.linalg.norm(problem.feasible(problem.z))), np.finfo(float).tiny)
    other = float(np.linalg.norm(np.sqrt(products) * G)) / alpha / size
    enough = max(tol, 4 * _EPS * products.max(initial=0.0) / alpha)
    return max(seen / tol, other / enough)


class _Run:
    """Conjugate gradients that are stopped for a fresh residual, and go on."""

    def __init__(
        self, state: _RefinedState, problem: OperatorProblem, normal: Normal, dtype: Precision
    ) -> None:
        self.normal, self.alpha, self.pairs = normal, problem.alpha, len(problem.z)
        preconditioner = Preconditioner.of(problem)
        self.inverse = self.normal.array(preconditioner.inverse)
        beside = preconditioner.beside
        self.beside = None if beside is None else self.normal.array(beside)
        self.ones = None if state.ones is None else self.normal.array(state.ones)
        self.digits = float(np.finfo(dtype).eps) ** _DIGITS
        self.step: Array = None
        self.size, self.unit = 1.0, 1.0

    def correction(self, G: np.ndarray, enough: float, most: int) -> tuple[np.ndarray, int]:
        """D of (N + α) D ≈ G, and its steps: left of G is ``enough`` of it, or what digits leave.

        Everything is in units of ‖G‖, which single precision may not hold.
        """
        unit = float(np.linalg.norm(G))
        rest = self.normal.array(G / unit)
        D, goal = 0.0 * rest, max(enough / 10, self.digits)
        direction = self._direction(rest)
        first = size = _dot(rest, direction)
        if self.step is not None:
            old = self.size * (self.unit / unit) ** 2
            direction = direction + (size / old) * (self.unit / unit) * self.step
        step = direction
        steps = 0
        while size > goal**2 * first and steps < most:
            image = self._image(step)
            curvature = _dot(step, image)
            if not curvature > 0:  # this precision cannot see α beside the constant
                break
            length = size / curvature
            D, rest = D + length * step, rest - length * image
            direction = self._direction(rest)
            last, size = size, _dot(rest, direction)
            step = direction + (size / last) * step
            steps += 1
        # The next residual is the last one, computed afresh: it and this direction are conjugate.
        self.step, self.size, self.unit = step - direction, size, unit
        return unit * self.normal.numpy(D), steps

    def _direction(self, rest: Array) -> Array:
        direction = self.inverse * rest
        if self.beside is not None:
            direction = direction + _dot(self.beside, rest) * self.beside
        return direction

    def _image(self, step: Array) -> Array:
        image = self.normal(step) + self.alpha * step
        if self.ones is not None:
            image = image - (_dot(self.ones, step) / self.pairs) * self.ones
        return image


def _dot(a: Any, b: Any) -> float:
    return float((a * b).sum())
