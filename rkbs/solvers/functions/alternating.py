"""Alternating convex solves for the product reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, final

import numpy as np
from scipy.optimize import brentq

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.problems.certificates import StationarityCertificate
from rkbs.problems.product import ProductProblem
from rkbs.solvers.base import Solution, Solver, State, solve
from rkbs.solvers.functions._optimality import ExpansionSolution
from rkbs.solvers.functions._stationarity import Stationarity
from rkbs.solvers.functions.dual_newton import DualNewton

_INNER = DualNewton(tol=1e-14)
_POLISH = 1e-2
_EARLY = 4
"""The first round after which the equations are tried whatever the residual, then at its doubles:
a weak penalty is below the rounding of the objective long before its equations hold."""
_STALLED = 20
"""After so many rounds without a lower objective only rounding is left."""
_PROGRESS = 1e-13
_SAME = 1e-12
"""Objectives that differ by less are told apart by the residual."""
_TELLS = 0.01
"""The share of the loss of h = 0 that the penalty of the first f is at least."""
_LOG_RANGE = 30.0
"""Of log t, for norms of f and g within a factor e^60 of each other."""


class ProductPoint(NamedTuple):
    """The coefficients v of f and u of g.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, Alternating, Pairs, ProductProblem, RKBSPair, solve
    >>> x, y = np.linspace(0, 1, 4)[:, None], np.linspace(1, 2, 3)[:, None]
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 4)
    >>> problem = ProductProblem(spaces, Pairs.grid(x, y), (1 + x) * y.T, 1e-3, 1e-3)
    >>> v, u = solve(problem, Alternating()).value
    >>> bool(np.isclose(problem.objective(v, u), problem.objective(-v, -u)))
    True
    """

    v: np.ndarray
    u: np.ndarray


ProductSolution = Solution[ProductProblem, ProductPoint, StationarityCertificate]


@final
@dataclass(frozen=True)
class Alternating(Solver[ProductProblem, "_AlternatingState"]):
    """f given g, then g given f, each globally by ``DualNewton``: a stationary point of a product.

    Every solve lowers the objective, and so does balancing ‖f‖ against ‖g‖ after each round; the
    values converge, but the last digits are slow. Near the end, and now and then before, the
    equations of the expansions are solved by MINPACK's hybrid method, and the result is taken if it
    is stationary and no worse.
    Which stationary point is reached depends on the start, a random g of a size that is the same in
    all units: the problem is not convex. (0, 0) always is one, and is returned where the rounds
    find nothing better.

    Setup computes the features and draws the start. Along a path each α starts from it anew: which
    point is found must not depend on the α before, and from (0, 0), that of a strong penalty, no
    round would lead away.

    Parameters
    ----------
    tol : float
        Tolerance of the relative stationarity residual.
    max_iter : int
        Rounds.
    seed : int
        Of the random start of g.

    The solution's ``value`` is a ``ProductPoint``; ``stats["objectives"]`` holds the objective
    after each round.

    Source: theory §3, reading B.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import EDP, Alternating, Pairs, RKBSPair, solve
    >>> from rkbs.problems import ProductProblem
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> spaces = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
    >>> problem = ProductProblem(spaces, Pairs.grid(x, y), np.cos(x) * y.T, 0.01, 0.01)
    >>> solution = solve(problem, Alternating()).check()
    >>> bool(np.all(solution.predict_grid(x, y) == np.outer(solution.f(x), solution.g(y))))
    True
    """

    tol: float = 1e-8
    max_iter: int = 2000
    seed: int = 0
    handles: ClassVar[type] = ProductProblem

    def __post_init__(self) -> None:
        check_number(self.tol, "tol", above=0.0)
        check_count(self.max_iter, "max_iter")
        check_count(self.seed, "seed", 0)

    def _check(self, problem: ProductProblem) -> None:
        """Also ``ValueError`` for a loss with kinks, whose slopes leave stationarity open."""
        super()._check(problem)
        if not problem.loss.smooth:
            raise ValueError(f"loss must be smooth for Alternating, got {problem.loss!r}")

    def _setup(self, problem: ProductProblem) -> _AlternatingState:
        _ = problem.both  # their features, for all α
        start = np.random.default_rng(self.seed).standard_normal(problem.spaces.dim)
        return _AlternatingState(problem, self, start)

    def _rounds(self, problem: ProductProblem, start: np.ndarray) -> ProductSolution:
        u = _start(problem, start)
        objectives, polish_at, early, best = [], _POLISH, _EARLY, None
        for _ in range(self.max_iter):
            v, u, proof = _round(problem, u, balance=not objectives)
            if not v.any() or not u.any():
                if proof.certificate.passed:  # a failed solve may return zero for want of better
                    v, u = np.zeros_like(v), np.zeros_like(u)  # the other is best zero, too
                best = self._certified(problem, v, u)
                objectives.append(problem.objective(v, u))
                break
            found = self._certified(problem, v, u)
            residual = found.certificate.residual
            if residual > self.tol and (residual <= polish_at or len(objectives) + 1 >= early):
                polish_at, early = min(polish_at, residual / 3), 2 * (len(objectives) + 1)
                found = self._certified(problem, *_polish(problem, v, u, self.tol))
                v, u = found.value
            objectives.append(problem.objective(v, u))
            fell = len(objectives) == 1 or objectives[-1] < objectives[-2] * (1 - _SAME)
            if fell or found.certificate.residual < best.certificate.residual:
                best = found
            stalled = len(objectives) > _STALLED and objectives[-1] >= (
                objectives[-1 - _STALLED] * (1 - _PROGRESS)
            )
            if best.certificate.passed or stalled:
                best = best if best.certificate.passed else self._or_zero(problem, best)
                break
        stats = {"solver": "Alternating", "iterations": len(objectives), "objectives": objectives}
        return replace(best, stats=stats)

    def _or_zero(self, problem: ProductProblem, best: ProductSolution) -> ProductSolution:
        """(0, 0) where the rounds tend to it, or to nothing better: they shrink without end."""
        zero = self._certified(problem, *(np.zeros_like(f) for f in best.value))
        least = problem.objective(*zero.value) * (1 - _SAME)
        return zero if problem.objective(*best.value) >= least else best

    def _certified(self, problem: ProductProblem, v: np.ndarray, u: np.ndarray) -> ProductSolution:
        return Solution(problem, ProductPoint(v, u), problem.certify(v, u, self.tol))


@final
@dataclass(frozen=True, eq=False)
class _AlternatingState(State[ProductSolution]):
    """A problem whose features are computed, and coefficients of g to start from, of any size."""

    problem: ProductProblem
    solver: Alternating
    start: np.ndarray

    __repr__ = short_repr

    def _solve(self, problem: ProductProblem, last: None) -> tuple[ProductSolution, None]:
        return self.solver._rounds(problem, self.start), None


def _start(problem: ProductProblem, u: np.ndarray) -> np.ndarray:
    """A multiple of u, the same in all units, and with it the stationary point found.

    Beside g an f with products f g of the size of z has the penalty of g, or a heavier one that
    tells beside the loss of h = 0: else the first f fits noise, and weak penalties never undo it.
    """
    u = u / (np.abs(problem.sections_y.at_points(u)).max() or 1.0)
    zero = np.zeros_like(problem.z)
    side = problem.given("g", u).side
    v = side.sections.function(side.gather(-problem.loss.gradient(zero, problem.z)), 1.0)
    reached = np.abs(problem.at_pairs(v, u)).max()
    v, u = _balanced(problem, v * (np.abs(problem.z).max() / (reached or 1.0)), u)
    enough = _TELLS * float(problem.loss.value(zero, problem.z).sum())
    while v.any() and problem.both[0].penalty(v) < enough:
        v, u = 2 * v, u / 2
    return u


def _round(
    problem: ProductProblem, u: np.ndarray, balance: bool
) -> tuple[np.ndarray, np.ndarray, ExpansionSolution]:
    """f given g, then g given f; and the solve behind a function that is zero, if one is.

    ``balance`` is for the start, which is of another size: a far heavier penalty of g would win.
    """
    for_f = solve(problem.given("g", u), _INNER)
    v = for_f.value.v
    if balance:
        v, u = _balanced(problem, v, u)
    for_g = solve(problem.given("f", v), _INNER)
    v, u = _balanced(problem, v, for_g.value.v)
    return v, u, for_g if v.any() else for_f


def _balanced(
    problem: ProductProblem, v: np.ndarray, u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(tv, u/t) with the least penalty: the data term does not see t, so rounds hardly move it."""
    x, y = (sections.norm(f) for sections, f in ((problem.sections_x, v), (problem.sections_y, u)))
    if x == 0 or y == 0:
        return v, u

    def slope(log_t: float) -> float:
        f, g = x * float(np.exp(log_t)), y * float(np.exp(-log_t))  # whose powers may overflow
        slope_x = problem.alpha_x * problem.regularizer_x.derivative(f) * f
        return slope_x - problem.alpha_y * problem.regularizer_y.derivative(g) * g

    if slope(-_LOG_RANGE) * slope(_LOG_RANGE) >= 0:
        return v, u  # the balance is beyond floats
    t = np.exp(brentq(slope, -_LOG_RANGE, _LOG_RANGE, xtol=1e-15))
    return t * v, u / t


def _polish(
    problem: ProductProblem, v: np.ndarray, u: np.ndarray, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """A stationary point near (v, u) that is no worse; (v, u) itself where none was found.

    Two kinds of unknowns are tried. The smooth ones fail where the penalties are weak: then ξ is
    small beside the slopes that must cancel in it, and says little of the function.
    """
    objective = problem.objective(v, u)
    smooth = problem.spaces.p <= 2, problem.spaces.p_conjugate <= 2
    for by_expansion in (smooth, (False, False)):
        new_v, new_u = Stationarity.near(problem, v, u, by_expansion).solved(v, u)
        if _collapsed(new_v, v) or _collapsed(new_u, u):
            continue  # the equations lead to (0, 0); the rounds will find it if it is best
        no_worse = problem.objective(new_v, new_u) <= objective + 1e-12 * abs(objective)
        if no_worse and problem.certify(new_v, new_u, tol).passed:
            return new_v, new_u
    return v, u


def _collapsed(new: np.ndarray, old: np.ndarray) -> bool:
    """Whether nothing is left of a function but what underflows in the certificate."""
    return bool(np.abs(new).max() <= 1e-9 * np.abs(old).max())
