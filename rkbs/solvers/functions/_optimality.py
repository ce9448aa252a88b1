"""Newton's method on the optimality equations of an expansion problem with a smooth loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from rkbs.problems.certificates import GapCertificate
from rkbs.problems.expansion import ExpansionPoint, ExpansionProblem
from rkbs.solvers.base import Solution
from rkbs.solvers.functions._pair_hessian import PairSystem
from rkbs.solvers.functions._smoothed_dual import SmoothedDual, SmoothedPenalty
from rkbs.spaces.lp import duality_map, lp_norm

_FLOOR = 1e-20
"""θ of the smoothing that only keeps second derivatives finite at zero coordinates."""
_DECREASE = 0.01
"""What a full step must take off the gap, as a share of it; a shorter one in proportion."""
_SHORTEST = 1e-4
"""Shorter steps are not worth their price: then the smoothed dual is followed further."""
_SHORT, _SHORT_STEPS = 0.1, 20
"""So many steps shorter than this are."""

ExpansionSolution = Solution[ExpansionProblem, ExpansionPoint, GapCertificate]


class Line(NamedTuple):
    """A function at its points, near the present unknowns: at_points + hessian · dξ − lag."""

    at_points: np.ndarray
    hessian: np.ndarray
    lag: np.ndarray
    """What ``at_points`` changes when the function's own unknowns catch up with ξ."""


class Step(NamedTuple):
    """dh, and to first order dc and dξ of each side."""

    dh: np.ndarray
    dc: np.ndarray
    dxis: tuple[np.ndarray, ...]


@final
@dataclass(frozen=True, eq=False)
class ThroughDual:
    """A function that ξ determines, v = ∇Ω*(w), Ω = λR(‖·‖_p): for p ≤ 2, where ∇²Ω* exists."""

    penalty: SmoothedPenalty

    def function(self, xi: np.ndarray) -> Any:
        """The function as the problem knows it."""
        side = self.penalty.side
        return side.sections.function(xi, side.length(xi))

    def line(self, xi: np.ndarray) -> Line:
        """The function at its points, linearized at ξ."""
        _, values, hessian = self.penalty.jet(xi, _FLOOR)
        return Line(values, hessian, np.zeros_like(values))

    def moved(self, xi: np.ndarray, dxi: np.ndarray, length: float) -> ThroughDual:
        """Itself: there are no unknowns."""
        return self


@final
@dataclass(frozen=True, eq=False)
class InCoordinates:
    """A function with unknowns of its own, its active coordinates v, tied by ∇Ω(v) = w: for p > 2.

    There ∇²Ω exists and ∇²Ω* does not, and v would lose digits in fractional powers of w.
    """

    penalty: SmoothedPenalty
    v: np.ndarray

    @classmethod
    def of(cls, penalty: SmoothedPenalty, xi: np.ndarray, theta: float) -> InCoordinates:
        """v = ∇Ω*(w), smoothed by θε."""
        side, sections = penalty.side, penalty.side.sections
        s, slope, _, _ = sections.dual_curve(xi @ sections.active, theta * penalty.epsilon)
        return cls(penalty, side.regularizer.length(s / side.alpha) * slope)

    def function(self, xi: np.ndarray) -> np.ndarray:
        """The function as the problem knows it."""
        return self.penalty.side.sections.lifted(self.v)

    def line(self, xi: np.ndarray) -> Line:
        """The function at its points, linearized at v and ξ."""
        active = self.penalty.side.sections.active
        residual, diagonal, slope, weight = self._tie(xi)
        along = active @ slope
        hessian = (active * diagonal) @ active.T + weight * np.multiply.outer(along, along)
        lag = active @ (diagonal * residual) + weight * (slope @ residual) * along
        return Line(active @ self.v, hessian, lag)

    def moved(self, xi: np.ndarray, dxi: np.ndarray, length: float) -> InCoordinates:
        """v + length · ∇²Ω*(∇Ω(v)) (w + dw − ∇Ω(v))."""
        residual, diagonal, slope, weight = self._tie(xi)
        right = dxi @ self.penalty.side.sections.active - residual
        step = diagonal * right + weight * (slope @ right) * slope
        return replace(self, v=self.v + length * step)

    def _tie(self, xi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """∇Ω(v) − w, and a, g, b of ∇²Ω*(∇Ω(v)) = (∇²Ω(v))⁻¹ = diag(a) + b g gᵀ."""
        side, sections = self.penalty.side, self.penalty.side.sections
        norm = lp_norm(self.v, sections.p)
        own = side.alpha * side.regularizer.derivative(norm) * duality_map(self.v, sections.p)
        s, slope, a, b = sections.dual_curve(own, _FLOOR * self.penalty.epsilon)
        length = side.regularizer.length(s / side.alpha)
        curvature = side.regularizer.length_slope(s / side.alpha) / side.alpha
        return own - xi @ sections.active, length * a, slope, curvature - length * b


Chart = ThroughDual | InCoordinates


@final
@dataclass(frozen=True, eq=False)
class Optimality:
    """h_n = Σ_sides b_n f(x_{i_n}), c = −ℓ'(h), λ∇R(‖f‖) = Σ ξ_i Φ(x_i), with their Newton step.

    The unknowns are h and those of the charts. Each side has the chart in which its equation is
    differentiable, so nothing is smoothed.
    """

    problem: ExpansionProblem
    h: np.ndarray
    charts: tuple[Chart, ...]

    @classmethod
    def of(cls, dual: SmoothedDual, c: np.ndarray, theta: float) -> Optimality:
        """The unknowns at a point c of the smoothed dual."""
        problem, charts = dual.problem, []
        for penalty, xi in zip(dual.penalties, problem.expansion(c), strict=True):
            rough = penalty.side.sections.rough
            charts.append(InCoordinates.of(penalty, xi, theta) if rough else ThroughDual(penalty))
        h = problem.loss.barrier(-c, problem.z, theta * dual.mu)[1]
        return cls(problem, h, tuple(charts))

    @cached_property
    def c(self) -> np.ndarray:
        """The dual unknowns that belong to h."""
        return -self.problem.loss.gradient(self.h, self.problem.z)

    @cached_property
    def xis(self) -> tuple[np.ndarray, ...]:
        """Their coefficients ξ of the kernel sections, for each side."""
        return self.problem.expansion(self.c)

    def solution(self, tol: float) -> ExpansionSolution:
        """The functions of the charts and c, certified."""
        moves = zip(self.charts, self.xis, strict=True)
        return self._certified(tuple(chart.function(xi) for chart, xi in moves), tol)

    def recovered(self, tol: float) -> ExpansionSolution:
        """The functions that c determines, and c, certified."""
        return self._certified(self.problem.primal(self.c), tol)

    def _certified(self, functions: tuple[Any, ...], tol: float) -> ExpansionSolution:
        certificate = self.problem.certify(functions, self.c, tol)
        return Solution(self.problem, ExpansionPoint(functions, self.c), certificate)

    def newton(self) -> Step:
        """All equations linearized: dh = Σ b line(dξ) − h, dξ = −P ℓ'' dh."""
        problem, sides = self.problem, self.problem.sides
        lines = [chart.line(xi) for chart, xi in zip(self.charts, self.xis, strict=True)]
        target = sum(
            side.factor * (line.at_points - line.lag)[side.index]
            for side, line in zip(sides, lines, strict=True)
        )
        weights = problem.loss.curvature(self.h, problem.z)
        system = PairSystem(weights, sides, tuple(line.hessian for line in lines))
        dh = system.solve(target - self.h)
        dc = -weights * dh
        return Step(dh, dc, problem.expansion(dc))

    def after(self, step: Step, length: float) -> Iterator[Optimality]:
        """Where a part of the step leads: straight in h, or straight in c.

        With a weak penalty c is known well and h is not; at the ends of ℓ*'s domain, conversely.
        """
        moves = zip(self.charts, self.xis, step.dxis, strict=True)
        charts = tuple(chart.moved(xi, dxi, length) for chart, xi, dxi in moves)
        yield replace(self, h=self.h + length * step.dh, charts=charts)
        u = -(self.c + length * step.dc)
        value, h, curvature = self.problem.loss.barrier(u, self.problem.z, 0.0)
        if np.isfinite(value).all() and np.ptp(curvature) > 0:  # else ℓ' is linear, and h the same
            yield replace(self, h=h, charts=charts)


def polish(
    dual: SmoothedDual, c: np.ndarray, theta: float, tol: float, max_iter: int
) -> tuple[ExpansionSolution, int]:
    """The best point found from a point of the smoothed dual, and the Newton steps taken.

    Steps are accepted while the duality gap of the iterate falls. They end when the functions that
    c alone determines keep the tolerance, too, or with the best iterate when the gap stalls.
    """
    with np.errstate(all="ignore"):  # a trial may overflow: its gap is infinite then
        here = Optimality.of(dual, c, theta)
        best, steps, short = here.solution(tol), 0, 0
        while steps < max_iter and short <= _SHORT_STEPS:
            if best.certificate.passed and (exact := here.recovered(tol)).certificate.passed:
                return exact, steps
            steps += 1
            found = _advance(here, best)
            if found is None:
                break
            here, best, length = found
            short += length < _SHORT
    return best, steps


def _advance(
    here: Optimality, reached: ExpansionSolution
) -> tuple[Optimality, ExpansionSolution, float] | None:
    """A Newton step, cut until the gap falls: the iterate, its solution, and the step's length."""
    length, before = 1.0, reached.certificate
    try:
        step = here.newton()
    except np.linalg.LinAlgError:  # unknowns beyond the range of floats
        return None
    while length > _SHORTEST:
        trials = [(trial, trial.solution(before.tolerance)) for trial in here.after(step, length)]
        there, found = min(trials, key=lambda trial: trial[1].certificate.relative_gap)
        if found.certificate.relative_gap <= (1 - _DECREASE * length) * before.relative_gap:
            return there, found, length
        length /= 2
    return None
