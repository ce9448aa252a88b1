"""Alternating convex solves for the product reading."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, final

import numpy as np
from scipy.optimize import brentq, root

from rkbs._arrays import check_count, check_number, short_repr
from rkbs.problems.certificates import StationarityCertificate
from rkbs.problems.expansion import Side
from rkbs.problems.product import ProductProblem
from rkbs.solvers.base import Solution, Solver, State, solve
from rkbs.solvers.functions._optimality import ExpansionSolution
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
    >>> pair = RKBSPair.from_kernel(EDP(), 1, 4)
    >>> problem = ProductProblem(pair, Pairs.grid(x, y), (1 + x) * y.T, 1e-3, 1e-3)
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
    >>> pair = RKBSPair.from_kernel(EDP(), 1, 6, p=1.5)
    >>> problem = ProductProblem(pair, Pairs.grid(x, y), np.cos(x) * y.T, 0.01, 0.01)
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
        start = np.random.default_rng(self.seed).standard_normal(problem.pair.dim)
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
                found = self._certified(problem, *_polished(problem, v, u, self.tol))
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
    u = u / (np.abs(problem.sections_y.values(u)).max() or 1.0)
    zero = np.zeros_like(problem.z)
    side = problem.given("g", u).side
    v = side.sections.function(side.gather(-problem.loss.gradient(zero, problem.z)), 1.0)
    reached = np.abs(problem.values(v, u)).max()
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
        f, g = x * np.exp(log_t), y * np.exp(-log_t)
        slope_x = problem.alpha_x * problem.regularizer_x.derivative(f) * f
        return slope_x - problem.alpha_y * problem.regularizer_y.derivative(g) * g

    if slope(-_LOG_RANGE) * slope(_LOG_RANGE) >= 0:
        return v, u  # the balance is beyond floats
    t = np.exp(brentq(slope, -_LOG_RANGE, _LOG_RANGE, xtol=1e-15))
    return t * v, u / t


def _polished(
    problem: ProductProblem, v: np.ndarray, u: np.ndarray, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """A stationary point near (v, u) that is no worse; (v, u) itself where none was found.

    Two kinds of unknowns are tried. The smooth ones fail where the penalties are weak: then ξ is
    small beside the slopes that must cancel in it, and says little of the function.
    """
    objective = problem.objective(v, u)
    smooth = problem.pair.p <= 2, problem.pair.p_conjugate <= 2
    for by_expansion in (smooth, (False, False)):
        new_v, new_u = _Stationarity.near(problem, v, u, by_expansion).solved(v, u)
        if _collapsed(new_v, v) or _collapsed(new_u, u):
            continue  # the equations lead to (0, 0); the rounds will find it if it is best
        no_worse = problem.objective(new_v, new_u) <= objective + 1e-12 * abs(objective)
        if no_worse and problem.certify(new_v, new_u, tol).passed:
            return new_v, new_u
    return v, u


def _collapsed(new: np.ndarray, old: np.ndarray) -> bool:
    """Whether nothing is left of a function but what underflows in the certificate."""
    return bool(np.abs(new).max() <= 1e-9 * np.abs(old).max())


@dataclass(frozen=True, eq=False)
class _Stationarity:
    """The equations of the expansions.

    A function can be known by its coefficients ξ, which must reproduce themselves: for an exponent
    ≤ 2 that is smooth, since ι⁻¹ then is. If R does not tell the length of the function, the length
    is an unknown beside ξ, and ‖w‖ = λ R' its equation. Or the function's own coefficients are
    sought, which is smooth for an exponent ≥ 2.
    """

    problem: ProductProblem
    sides: tuple[Side, Side]
    by_expansion: tuple[bool, bool]

    @classmethod
    def near(
        cls,
        problem: ProductProblem,
        v: np.ndarray,
        u: np.ndarray,
        by_expansion: tuple[bool, bool],
    ) -> _Stationarity:
        sides = problem.given("g", u).sides[0], problem.given("f", v).sides[0]
        return cls(problem, sides, by_expansion)

    def coefficients(self, v: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
        """ξ and ζ that the slopes of the loss at (v, u) make."""
        problem = self.problem
        c = -problem.loss.gradient(problem.values(v, u), problem.z)
        return [
            given.sides[0].gather(c) for given in (problem.given("g", u), problem.given("f", v))
        ]

    def unknowns(self, v: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Where the search starts."""
        parts = zip(self.by_expansion, self.sides, self.coefficients(v, u), (v, u), strict=True)
        return np.concatenate(
            [
                np.append(xi, [side.sections.norm(own)][: _free_length(side)]) if expanded else own
                for expanded, side, xi, own in parts
            ]
        )

    def _split(self, unknowns: np.ndarray) -> list[np.ndarray]:
        side = self.sides[0]
        expanded = side.sections.size + _free_length(side)
        return np.split(
            unknowns, [expanded if self.by_expansion[0] else side.sections.phi.shape[1]]
        )

    def functions(self, unknowns: np.ndarray) -> list[np.ndarray]:
        """v and u."""
        functions = []
        for expanded, side, part in zip(
            self.by_expansion, self.sides, self._split(unknowns), strict=True
        ):
            xi = part[: side.sections.size]
            length = part[-1] if _free_length(side) or not expanded else side.length(xi)
            functions.append(side.sections.function(xi, length) if expanded else part)
        return functions

    def solved(self, v: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
        """v and u where the equations led from there.

        In units in which all unknowns and equations are of the order of one: MINPACK's differences
        at 0 are absolute, and it adds up the squares of all equations.
        """
        start = self.unknowns(v, u)
        units, sizes = self._units(start, v, u)
        options = {"xtol": 1e-14}
        found = root(lambda x: self(x * units) / sizes, start / units, options=options)
        return self.functions(found.x * units)

    def _units(
        self, unknowns: np.ndarray, v: np.ndarray, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The sizes of the unknowns, and of the terms of the equations."""
        units, sizes = [], []
        for expanded, side, part, left in zip(
            self.by_expansion,
            self.sides,
            self._split(unknowns),
            self.problem.left_sides(v, u),
            strict=True,
        ):
            own = part[: side.sections.size] if expanded else part
            size = np.full(len(own), np.abs(own).max())
            free = len(part) - len(own)  # a length, with the equation ‖w‖ = λ R'
            units += [size, part[len(own) :]]
            sizes += [size if expanded else np.full(len(own), np.abs(left).max())]
            sizes += [np.full(free, side.alpha)]
        units, sizes = np.concatenate(units), np.concatenate(sizes)
        return np.where(units > 0, units, 1.0), np.where(sizes > 0, sizes, 1.0)

    def __call__(self, unknowns: np.ndarray) -> np.ndarray:
        v, u = self.functions(unknowns)
        residuals = []
        for expanded, side, part, xi, left in zip(
            self.by_expansion,
            self.sides,
            self._split(unknowns),
            self.coefficients(v, u),
            self.problem.left_sides(v, u),
            strict=True,
        ):
            own = part[: side.sections.size]
            residuals.append(own - xi if expanded else left - xi @ side.sections.phi)
            if expanded and _free_length(side):
                residuals.append([side.sections.dual_norm(own) - side.alpha])
        return np.concatenate(residuals)


def _free_length(side: Side) -> int:
    """1 where ξ does not tell the length of the function, as for R(t) = t, else 0."""
    return int(not side.regularizer.strictly_convex)
