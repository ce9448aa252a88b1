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

_ROUGH, _FINER, _FINEST = 1e-2, 0.1, 1e-16
"""The gap within a rank at first, before it is asked whether the rank is enough; by how much it
falls where a certificate does not pass, and where it is rounding."""
_VECTORS = 1e-3
"""To which singular vectors that are to be added need be known."""


@final
@dataclass(frozen=True)
class Factorized(SchattenSolver["_FactorizedState"]):
    """min_{P,Q,b} f(P Qᵀ, b) + (α/2)(‖P‖² + ‖Q‖²), whose minimum is that of f(M, b) + α ‖M‖_*.

    f is the data term, M = P Qᵀ of a rank k that is sought: within a rank Newton's method, whose
    systems conjugate gradients solve; then the largest singular value of G = R_Xᵀ C R_Y beside the
    spans of P and Q, c = −ℓ'(h), is asked for. Above α its singular vectors join the factors, in
    the size that the second-order model gives; components whose best size is not positive go. At
    or below α the point is the minimum over all M, whatever the rank, and c, divided by ‖G‖/α where
    that exceeds 1, certifies it. No step decomposes a matrix of the domains' sizes: singular values
    come by Lanczos, products with G from the factors and the pairs. Complete grids with the squared
    loss take k products with R_Xᵀ Z R_Y a step; others the values at the pairs alone.

    The certificate is the problem's, with the singular values of all of M and G. Where it does not
    pass within ``max_iter`` Newton steps, or rounding ends them, ``ADMM`` goes on from there, and
    ``stats["handed_over"]`` has its steps. Ranks of a good part of the domains' sizes are slow:
    they are what ADMM is for.

    Setup decomposes the Gram matrices. Along a path each α starts from the last factors, or from
    none where the objective is lower there.

    Parameters
    ----------
    tol : float
        Tolerance of the relative duality gap.
    max_iter : int
        Newton steps.

    Source: theory §3, reading C; Abernethy et al. (2009) for the factors, Haeffele & Vidal (2015)
    for growing the rank.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Factorized, Pairs, SchattenProblem
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = SchattenProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x * y.T, alpha=1.0)
    >>> path = Factorized().setup(problem).path(problem.zero_threshold() * np.array([1, 0.5, 0.1]))
    >>> [solution.check().stats["rank"] for solution in path]
    [0, 1, 1]
    """

    tol: float = 1e-8
    max_iter: int = 300

    def _check(self, problem: SchattenProblem) -> None:
        """Also ``ValueError`` for kinks in the loss, and for a penalty that is no nuclear norm."""
        super()._check(problem)
        self._check_smooth(problem)
        if problem.penalty != Schatten(1.0):
            raise ValueError(
                f"{self!r} needs the nuclear norm, Schatten(1), got {problem.penalty!r}: use "
                "SpectralNewton() or ADMM()"
            )

    def _setup(self, problem: SchattenProblem) -> _FactorizedState:
        _ = problem.factors, problem.without_operator  # for all α, before with_alpha copies them
        return _FactorizedState(problem, self, FactorTerm.of(problem))

    def _from(
        self, problem: SchattenProblem, descent: Descent, start: Balanced
    ) -> tuple[SchattenSolution, Balanced]:
        """The solution, and the factors that another α may start from."""
        steps, target, at, edge = 0, _ROUGH, start, descent.beyond(start, _VECTORS)
        while True:
            at, used, settled = descent.newton(at, target, self.max_iter - steps, edge)
            at, steps = descent.thinned(at), steps + used
            found = descent.beyond(at, min(_VECTORS, target))
            above = found.sigma > 1 + self.tol / 4
            edge = found.chosen(~above)
            grown = descent.grown(at, found.chosen(above)) if above.any() else None
            if grown is not None and steps < self.max_iter:
                at, steps = grown, steps + 1
                continue
            if at.gap() <= self.tol / 2:
                solution = self._solution(problem, at, steps)
                if solution.certificate.passed:
                    return solution, at
            if not settled or steps >= self.max_iter or target < _FINEST:
                return self._handed_over(problem, at, steps), at
            target = self.tol / 2 if target == _ROUGH else target * _FINER

    def _solution(self, problem: SchattenProblem, at: Balanced, steps: int) -> SchattenSolution:
        M = (at.parts.U * at.parts.sigma) @ at.parts.V.T
        theta = problem.best_theta(problem.at_pairs(M))
        _, c = problem.bound(-problem.loss.gradient(problem.fitted(M, theta), problem.z))
        stats = {"solver": "Factorized", "iterations": steps, "rank": len(at.parts.sigma)}
        certificate = problem.certify(M, c, self.tol, theta)
        return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)

    def _handed_over(self, problem: SchattenProblem, at: Balanced, steps: int) -> SchattenSolution:
        """The solution at hand, if it passes after all, or that of ADMM from there."""
        mine = self._solution(problem, at, steps)
        if mine.certificate.passed:
            return mine
        near = Splitting.near(problem, mine.value.M, mine.value.c)
        other = ADMM(self.tol)._iterate(problem, near)
        best = min(mine, other, key=lambda s: abs(s.certificate.relative_gap))
        more = {"rank": best.stats["rank"], "handed_over": other.stats["iterations"]}
        return replace(best, stats=mine.stats | more)


@final
@dataclass(frozen=True, eq=False)
class _FactorizedState(State[SchattenSolution]):
    """A problem that is decomposed."""

    problem: SchattenProblem
    solver: Factorized
    term: FactorTerm = field(repr=False)

    __repr__ = short_repr

    def _solve(
        self, problem: SchattenProblem, last: np.ndarray | None
    ) -> tuple[SchattenSolution, np.ndarray]:
        descent = Descent(self.term, problem.alpha)
        starts = [np.zeros((sum(problem.factors.products.shape), 0))]
        starts += [] if last is None else [last]
        start = min((descent.at(X) for X in starts), key=lambda at: at.objective)
        solution, at = self.solver._from(problem, descent, start)
        return solution, at.parts.factors
