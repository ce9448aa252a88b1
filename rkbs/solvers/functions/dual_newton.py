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
from rkbs.solvers.functions._smoothed_dual import DualJet, SmoothedDual

_MAX_DENSE = 5000
_SHRINK = 0.1
_LAST_STAGE = 1e-20
_WARM_STAGE = {True: 1e-5, False: 1e-3}
"""Where a warm start enters, by ``loss.smooth``: deeper, and with kinks c is too near the walls."""
_STAGE_STEPS = 60
_NEARLY, _STALLED = 1e-6, 12
"""So many stages that do not halve a gap below this mean that rounding keeps it open."""
_CENTERED = 1e-4
"""A stage ends when Newton's decrement over c is this fraction of the barrier's weight."""
_CENTERED_LENGTH = 1e-2
"""The same for the lengths, which see the minimization over c with that error."""
_ROUNDING = 1e-13
"""Relative rounding of the dual's value, a sum of n + 2 terms of one size."""


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
    >>> pair = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
    >>> problem = SeparableProblem(pair, Pairs.grid(x, y), np.sin(3 * x) + y.T, 0.1, 0.2)
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
                c, lengths, used = _stage(dual, c, lengths, theta, self.max_iter - steps)
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


def _stage(
    dual: SmoothedDual, c: np.ndarray, lengths: np.ndarray, theta: float, max_iter: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """One stage: minimize over c and, by Newton, over the lengths τ of the blocks with R(t) = t.

    φ(τ) = max_c −F_τ(c) + Σ (λτ/2 − μ log τ) is convex, F_τ the smoothed dual.
    """
    c, steps = _minimize(dual.with_lengths(lengths), c, theta, max_iter)
    seeking = dual.seeking
    if not seeking.any():
        return c, lengths, steps
    last = np.inf
    for _ in range(_STAGE_STEPS):
        gradient, hessian = _length_jet(dual, c, lengths, theta)
        direction = np.zeros(len(lengths))
        direction[seeking] = -np.linalg.solve(hessian, gradient)
        slope = float(gradient @ direction[seeking])
        enough = _CENTERED_LENGTH * theta * dual.mu
        if _ended(-slope, last, enough, theta * enough) or steps >= max_iter:
            return c, lengths, steps
        last = -slope
        change = direction / lengths
        length = 1 / max(1.0, -change.min() / 0.9, change.max() / 9)  # from τ/10 to 10 τ
        far = length < 1
        while length > 1e-12:
            trial = lengths + length * direction
            moved, used = _minimize(dual.with_lengths(trial), c, theta, max_iter - steps)
            steps += used
            # φ is convex, so a smaller slope is progress; its value is known less accurately. Where
            # the step was cut, φ may be linear: then it is progress that φ still falls.
            there = _length_jet(dual, moved, trial, theta)[0] @ direction[seeking]
            if abs(there) <= -0.9 * slope or (far and there < 0):
                break
            length /= 2
        else:
            return c, lengths, steps  # only rounding is left
        c, lengths = moved, trial
    return c, lengths, steps


def _length_jet(
    dual: SmoothedDual, c: np.ndarray, lengths: np.ndarray, theta: float
) -> tuple[np.ndarray, np.ndarray]:
    """∇φ = λ/2 − s²/(2λ) − μ/τ and ∇²φ = GᵀH⁻¹G + μ/τ², G = ∂_τ∇F, at F_τ's minimizer c."""
    here, seeking, mu = dual.with_lengths(lengths), dual.seeking, theta * dual.mu
    _, _, hessian, gradients = here.jet(c, theta)
    tau, norms = lengths[seeking], here.norms(c, theta)[seeking, 0]
    weights = dual.weights[seeking]
    columns = gradients[:, seeking] / tau
    gradient = weights / 2 - norms**2 / (2 * weights) - mu / tau
    return gradient, columns.T @ hessian.solve(columns) + np.diag(mu / tau**2)


def _minimize(
    dual: SmoothedDual, c: np.ndarray, theta: float, max_iter: int
) -> tuple[np.ndarray, int]:
    """Newton's method over c at fixed θ and lengths, until the decrement is small enough."""
    jet, last, enough = dual.jet(c, theta), np.inf, _CENTERED * theta * dual.mu
    wanted = theta * enough if dual.seeking.any() else enough
    for step in range(min(max_iter, _STAGE_STEPS)):
        direction = -jet[2].solve(jet[1])
        decrement = float(-jet[1] @ direction)
        if _ended(decrement, last, enough, wanted):
            return c, step
        last = decrement
        found = _line_search(dual, c, theta, direction, jet)
        if found is None:
            return c, step
        c, jet = found
    return c, max(min(max_iter, _STAGE_STEPS), 0)


def _ended(decrement: float, last: float, enough: float, wanted: float) -> bool:
    """Whether the decrement is as wanted, or else enough and no longer falling fast.

    For R(t) = t the gap is of the first order in the error of s = λ, the decrement of the second:
    it is wanted at the square of the barrier's relative weight, where rounding lets it be so.
    """
    return decrement <= wanted or (decrement <= enough and decrement > 0.1 * last)


def _line_search(
    dual: SmoothedDual, c: np.ndarray, theta: float, direction: np.ndarray, jet: DualJet
) -> tuple[np.ndarray, DualJet] | None:
    """Backtracking to Armijo's condition; None where only rounding is left to gain.

    Where the decrease drowns in the value's rounding, the slope decides (Hager & Zhang, 2005).
    """
    value, slope, length = jet[0], float(jet[1] @ direction), 1.0
    while length > 1e-12:
        trial = c + length * direction
        new = dual.value(trial, theta)
        if new <= value + 1e-4 * length * slope:
            return trial, dual.jet(trial, theta)
        if new <= value + _ROUNDING * abs(value):
            there = dual.jet(trial, theta)
            if abs(there[1] @ direction) <= -slope / 2:
                return trial, there
        length /= 2
    return None
