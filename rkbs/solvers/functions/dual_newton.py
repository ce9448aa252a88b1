"""Newton's method on the Fenchel dual of problems whose solution is an expansion."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, final

import numpy as np

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.problems.expansion import ExpansionPoint, ExpansionProblem
from rkbs.solvers.base import Solution, Solver, State
from rkbs.solvers.functions._optimality import ExpansionSolution, polish
from rkbs.solvers.functions._smoothed_dual import SmoothedDual
from rkbs.solvers.functions._stages import minimize_stage

_MAX_DENSE = 5000
_SHRINK = 0.1
_LAST_STAGE = 1e-20
_WARM_STAGE = {True: 1e-5, False: 1e-3}
"""Where a warm start enters, by ``loss.smooth``: deeper, and with kinks c is too near the walls."""
_NEARLY, _STALLED = 1e-6, 12
"""So many stages that do not halve a gap below this mean that rounding keeps it open."""


class _Stage(NamedTuple):
    """Where a stage starts or ended: c and the lengths τ of its sides, minimal at θ."""

    theta: float
    c: np.ndarray
    lengths: np.ndarray


@final
@dataclass(frozen=True)
class DualNewton(Solver[ExpansionProblem, "_DualNewtonState"]):
    """min_c Σ ℓ*(−c_n; z_n) + Σ_sides λ R*(‖w‖_q/λ) by Newton's method: any ``ExpansionProblem``.

    From afar a smoothed dual is followed: the domain of ℓ* gets a logarithmic barrier, and |w_k|
    becomes (w_k² + ε_k²)^{1/2}, because the second derivative of ‖·‖_q, q < 2, blows up at zero
    coordinates. Both shrink together, tenfold a stage, and each stage is minimized by Newton's
    method with backtracking, which converges from anywhere. After each stage a smooth loss is
    finished by Newton's method on the optimality equations themselves, with nothing smoothed: a
    side of p > 2 with its coefficients v as unknowns, the others through ξ, so that every equation
    is differentiable (semismooth for Huber's loss): mostly after the first stage. The stages are
    followed to the end with a loss that has kinks, and with R(t) = t, which enters as
    min_τ (t²/τ + τ)/2, τ > 0 sought by an outer Newton iteration. The certificate, which knows
    nothing of barrier, smoothing and τ, ends it all, or a gap that no longer falls.

    For smooth losses a step solves a system of the size of the two domains (Woodbury), however
    many pairs there are; a loss with kinks takes an n × n factorization, for up to 5000 pairs.
    Steps are the same in all units of responses and features. Meant for 1.1 ≤ p ≤ 10 and penalties
    that are not lost beside the loss; with R(t) = t, with kinks, and with Huber's loss under a
    penalty so weak that the solution interpolates, for 1.25 ≤ p ≤ 4.
    Farther from 2 powers lose digits, and so do tensor norms of points that are close; a gap that
    stays open is told by the certificate.

    Setup computes the features of the points. Along a path each α starts from an early stage of the
    last one, with fewer steps, and afresh where that misses the certificate.

    Parameters
    ----------
    tol : float, optional
        Tolerance of the relative duality gap; by default 1e-10 for smooth losses and 1e-6 for
        losses with kinks.
    max_iter : int
        Newton steps in all.

    The solution's ``value`` is an ``ExpansionPoint``; ``stats["history"]`` holds the pairs
    (Newton steps, relative gap) after each stage.

    Source: theory §3, reading A.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, DualNewton, Pairs, RKBSPair, SeparableProblem
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
    >>> problem = SeparableProblem(spaces, Pairs.grid(x, y), np.sin(3 * x) + y.T, 0.1, 0.2)
    >>> path = [s.check() for s in DualNewton().setup(problem).path([0.4, 0.2, 0.1])]
    >>> [(s.problem.alpha_x, s.problem.alpha_y) for s in path]  # λ_Y/λ_X stays
    [(0.4, 0.8), (0.2, 0.4), (0.1, 0.2)]
    """

    tol: float | None = None
    max_iter: int = 1000
    handles: ClassVar[type] = ExpansionProblem

    def __post_init__(self) -> None:
        if self.tol is not None:
            check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")

    def _check(self, problem: ExpansionProblem) -> None:
        """Also ``ValueError`` for more pairs than a loss with kinks allows."""
        super()._check(problem)
        if not problem.loss.smooth and len(problem.z) > _MAX_DENSE:
            raise ValueError(
                f"DualNewton is for at most {_MAX_DENSE} pairs with a loss that has kinks, got "
                f"{len(problem.z)}"
            )

    def _setup(self, problem: ExpansionProblem) -> _DualNewtonState:
        _ = problem.sides  # their features, for all α
        return _DualNewtonState(problem, self)

    @np.errstate(all="ignore")  # a trial may overflow: its value or gap is infinite then
    def _from(
        self, problem: ExpansionProblem, start: _Stage | None
    ) -> tuple[ExpansionSolution, _Stage]:
        """The stages, each followed by an attempt to finish, and one for a neighbor to start at."""
        tol = self.tol or (1e-10 if problem.loss.smooth else 1e-6)
        best, steps, stalled, scale = _zero(problem, tol), 0, 0, _scale(problem)
        dual = SmoothedDual.of(problem, scale)
        history = [(0, best.certificate.relative_gap)]
        cold = _Stage(1.0, -scale * problem.loss.interior(problem.z), dual.lengths)
        if start is not None and not np.isfinite(dual.value(start.c, start.theta)):
            start = None  # so far from this α that the penalty overflows
        theta, c, lengths = warm = start or cold
        differentiable = problem.loss.smooth and not dual.seeking.any()
        while theta > _LAST_STAGE and stalled < _STALLED and not best.certificate.passed:
            before = best.certificate.relative_gap
            try:
                c, lengths, used = minimize_stage(dual, c, lengths, theta, self.max_iter - steps)
            except np.linalg.LinAlgError:  # beyond the range of floats
                break
            steps += used
            if theta >= 0.99 * _WARM_STAGE[problem.loss.smooth]:
                warm = _Stage(theta, c, lengths)
            best = _better(_candidate(dual.with_lengths(lengths), c, tol), best, steps, history)
            if differentiable and not best.certificate.passed:
                found, used = polish(dual, c, theta, tol, self.max_iter - steps)
                steps += used
                best = _better(found, best, steps, history)
            if steps >= self.max_iter:
                break
            gap = best.certificate.relative_gap
            stalled = stalled + 1 if before / 2 < gap < _NEARLY else 0
            theta *= _SHRINK
        stats = {"solver": "DualNewton", "iterations": steps, "history": history}
        return replace(best, stats=stats), warm


@final
@dataclass(frozen=True, eq=False)
class _DualNewtonState(State[ExpansionSolution]):
    """A problem whose features are computed."""

    problem: ExpansionProblem
    solver: DualNewton

    __repr__ = short_repr

    def _solve(
        self, problem: ExpansionProblem, last: _Stage | None
    ) -> tuple[ExpansionSolution, _Stage]:
        found = self.solver._from(problem, last)
        if last is None or found[0].certificate.passed:
            return found
        # A start from a far α can lead to where powers have lost their digits.
        afresh = self.solver._from(problem, None)
        best, stage = min(found, afresh, key=lambda pair: pair[0].certificate.relative_gap)
        steps = found[0].stats["iterations"] + afresh[0].stats["iterations"]
        return replace(best, stats=best.stats | {"iterations": steps}), stage


def _better(
    found: ExpansionSolution,
    best: ExpansionSolution,
    steps: int,
    history: list[tuple[int, float]],
) -> ExpansionSolution:
    """The solution of the smaller gap; ``history`` takes down what was found."""
    gap = found.certificate.relative_gap
    history.append((steps, gap))
    return found if gap < best.certificate.relative_gap else best


def _scale(problem: ExpansionProblem) -> float:
    """The t = 1, ½, ¼, … at which −tℓ'(0; z) is best for the dual: the size of c.

    A weak penalty makes c small, and a start of another size costs steps.
    """
    c = -problem.loss.gradient(np.zeros_like(problem.z), problem.z)
    parts = tuple(zip(problem.sides, problem.expansion(c), strict=True))
    best, last = 1.0, -math.inf
    for t in 0.5 ** np.arange(100):
        penalty = sum(side.dual_penalty(t * xi) for side, xi in parts)
        value = float(-problem.loss.conjugate(-t * c, problem.z).sum() - penalty)
        if value < last:  # the dual is concave along a ray
            break
        best, last = float(t), value
    return best


def _zero(problem: ExpansionProblem, tol: float) -> ExpansionSolution:
    """f = 0 on every side with c = −ℓ'(0; z): exact where R(t) = t and λ ≥ ``zero_threshold``."""
    c = -problem.loss.gradient(np.zeros_like(problem.z), problem.z)
    functions = problem.primal(c, (0.0,) * len(problem.sides))
    return Solution(problem, ExpansionPoint(functions, c), problem.certify(functions, c, tol))


def _candidate(dual: SmoothedDual, c: np.ndarray, tol: float) -> ExpansionSolution:
    """The certified primal point of c; a norm that is better zero becomes zero."""
    problem, norms = dual.problem, dual.norms(c)
    choices = itertools.product(*((length, 0.0) for length in norms[:, 1]))
    points = [problem.primal(c, choice) for choice in choices]
    functions = min(points, key=lambda point: problem.objective(*point))
    margin = 1e-15
    # For R(t) = t the dual point must have norms ≤ λ, also as the certificate rounds them.
    while (scale := (dual.norms(c)[:, 0] / dual.weights)[dual.seeking].max(initial=0.0)) > 1:
        c, margin = c / (scale * (1 + margin)), 2 * margin
    return Solution(problem, ExpansionPoint(functions, c), problem.certify(functions, c, tol))
