"""The nuclear norm in two factors, whose rank grows where the certificate says so."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from rkbs._arrays import short_repr
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import Solution, State
from rkbs.solvers.operators._factor_descent import Balanced, Descent
from rkbs.solvers.operators._factor_points import FactorTerm
from rkbs.solvers.operators._splitting import Splitting
from rkbs.solvers.operators.admm import ADMM
from rkbs.solvers.operators.base import SchattenSolution, SchattenSolver
from rkbs.terms.spectral_penalties import Schatten

_ROUGH = 1e-2
"""Gap within a rank, before it is asked whether that is enough."""
_FINER = 0.1
_FINEST = 1e-16


@final
@dataclass(frozen=True)
class Factorized(SchattenSolver["_FactorizedState"]):
    tol: float = 1e-8
    max_iter: int = 300

    def _check(self, problem: SchattenProblem) -> None:
        """Also ``ValueError`` for kinks in the loss, and for a penalty that is no nuclear norm."""
        super()._check(problem)
        if not problem.loss.smooth:
            raise ValueError(f"{self!r} needs a smooth loss, got {problem.loss!r}: use ADMM()")
        if problem.penalty != Schatten(1.0):
            raise ValueError(
                f"{self!r} needs the nuclear norm, Schatten(1), got {problem.penalty!r}: use "
                "SpectralNewton() or ADMM()"
            )

    def _setup(self, problem: SchattenProblem) -> _FactorizedState:
        _ = problem.factors, problem.without_operator  # for all α, before with_alpha copies them
        return _FactorizedState(problem, self, FactorTerm.of(problem))

    def _from(self, problem: SchattenProblem, descent: Descent, start: Balanced):
        steps, target, at, edge = 0, _ROUGH, start, descent.beyond(start, _ROUGH)
        while True:
            at, used, settled = descent.newton(at, target, self.max_iter - steps, edge)
            at, steps = descent.thinned(at), steps + used
            found = descent.beyond(at, min(1e-3, target))
            above = found.sigma > 1 + self.tol / 4
            edge = found.chosen(~above)
            if above.any() and steps < self.max_iter:
                grown = descent.grown(at, found.chosen(above))
                if grown is not None:
                    at, steps = grown, steps + 1
                    continue
            if at.gap() <= self.tol / 2:
                solution = self._solution(problem, at, steps)
                if solution.certificate.passed:
                    return solution, at
            if not settled or steps >= self.max_iter or target < _FINEST:
                break
            target = min(self.tol / 2, target) if target == _ROUGH else target * _FINER
        return self._handed_over(problem, at, steps), at

    def _solution(self, problem, at: Balanced, steps: int) -> SchattenSolution:
        M = (at.parts.U * at.parts.sigma) @ at.parts.V.T
        h = problem.at_pairs(M)
        theta = problem.best_theta(h)
        slopes = problem.loss.gradient(h + theta[0] if len(theta) else h, problem.z)
        _, c = problem.bound(-slopes)
        stats = {"solver": "Factorized", "iterations": steps, "rank": len(at.parts.sigma)}
        certificate = problem.certify(M, c, self.tol, theta)
        return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)

    def _handed_over(self, problem, at, steps):
        mine = self._solution(problem, at, steps)
        if mine.certificate.passed:
            return mine
        print('handover', mine)
        return mine


@final
@dataclass(frozen=True, eq=False)
class _FactorizedState(State[SchattenSolution]):
    """A problem that is decomposed."""

    problem: SchattenProblem
    solver: Factorized
    term: FactorTerm = field(repr=False)

    __repr__ = short_repr

    def _solve(self, problem, last):
        descent, shape = Descent(self.term, problem.alpha), problem.factors.products.shape
        start = descent.at(np.zeros((sum(shape), 0)))
        if last is not None:
            other = descent.at(last)
            start = min(start, other, key=lambda at: at.objective)
        solution, at = self.solver._from(problem, descent, start)
        return solution, at.parts.X
