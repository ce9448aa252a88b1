"""Alternating directions for the operator problem: any loss, any penalty of singular values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from rkbs._arrays import short_repr
from rkbs.problems.certificates import relative_gap
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import Solution, State
from rkbs.solvers.operators._splitting import Splitting
from rkbs.solvers.operators.base import SchattenSolution, SchattenSolver

_EVERY = 10
"""Iterations between certificates, which cost two singular value decompositions."""
_ADAPT = 400
"""The weights follow the residuals at every certificate for so many iterations, and then at ever
larger distances (each half as long again as the last): finitely often in any run, and rarely."""


@final
@dataclass(frozen=True)
class ADMM(SchattenSolver["_ADMMState"]):
    """min_{M,b} f(M, b) + α Ω(N) subject to M = N, f the data term, by alternating directions.

    In the eigenbases of the Gram matrices the squared loss on a complete grid is diagonal, so f's
    step is elementwise, M = ((s_a t_b)^{1/2} Ẑ_ab + ρ (N − W)_ab) / (s_a t_b + ρ). For other
    losses, or with pairs missing, the values H = R_X M R_Yᵀ are a third variable: f's step keeps
    its form, and the loss enters by its prox, pair by pair. Ω enters by the prox of the singular
    values: one decomposition a step, which dominates the cost. ρ balances the residuals, ever more
    rarely. A constant, where the problem has one, joins M in f's step. The iteration ends on the
    duality gap of the low-rank N; α from ``zero_threshold`` on gives M = 0 exactly.

    A method of the first order: where α is weak, so that the solution nearly fits, it is slow, most
    of all for losses other than the squared one and ill-conditioned Gram matrices. On 60 × 50
    points with a Gaussian kernel 1e-6 takes 1300 steps for the hinge loss at 1e-3 of
    ``zero_threshold``, 7000 at 1e-4, and is not reached in 20,000 at 1e-5: the certificate then
    fails.

    Setup decomposes the Gram matrices and finds ``zero_threshold``. Along a path that decreases the
    variables and weights start where the last α ended; a larger α than the last starts afresh.

    Parameters
    ----------
    tol : float
        Tolerance of the relative duality gap.
    max_iter : int

    Source: theory §3, reading C; Boyd et al. (2011).

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import ADMM, RBF, Pairs, SchattenProblem
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> problem = SchattenProblem(RBF()(x, x), RBF()(y, y), Pairs.grid(x, y), x * y.T, alpha=0.1)
    >>> path = ADMM().setup(problem).path([problem.zero_threshold(), 0.01])
    >>> [solution.check().stats["rank"] for solution in path]
    [0, 1]
    """

    tol: float = 1e-8
    max_iter: int = 20_000

    def _setup(self, problem: SchattenProblem) -> _ADMMState:
        return _ADMMState(problem, self, problem.zero_threshold())

    def _zero(self, problem: SchattenProblem) -> SchattenSolution:
        M = np.zeros(problem.factors.products.shape)
        _, c = problem.bound(problem.without_operator[1])
        return self._solution(problem, M, c, 0)

    def _iterate(self, problem: SchattenProblem, splitting: Splitting) -> SchattenSolution:
        primal, dual, M, c = np.inf, -np.inf, splitting.N, np.zeros_like(problem.z)
        following = _ADAPT
        for iteration in range(1, self.max_iter + 1):
            splitting.step(problem)
            if iteration % _EVERY and iteration < self.max_iter:
                continue
            value = splitting.objective(problem)
            if value < primal:
                primal, M = value, splitting.N
            for candidate in splitting.data.duals(splitting.M, splitting.N):
                bound, scaled = problem.bound(candidate)
                if bound > dual:
                    dual, c = bound, scaled
            if relative_gap(primal, dual) <= self.tol:
                break
            if iteration <= _ADAPT or iteration >= following:
                splitting.balance()
                following = 1.5 * max(iteration, _ADAPT)
        return self._solution(problem, M, c, iteration)

    def _solution(
        self, problem: SchattenProblem, M: np.ndarray, c: np.ndarray, iterations: int
    ) -> SchattenSolution:
        rank = int(np.linalg.matrix_rank(M))
        stats = {"solver": "ADMM", "iterations": iterations, "rank": rank}
        theta = problem.best_theta(problem.at_pairs(M))
        certificate = problem.certify(M, c, self.tol, theta)
        return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)


class _Ended(NamedTuple):
    """Where the iteration ended, and at which α."""

    alpha: float
    splitting: Splitting


@final
@dataclass(frozen=True, eq=False)
class _ADMMState(State[SchattenSolution]):
    """A problem that is decomposed, and the α from which on M = 0."""

    problem: SchattenProblem
    solver: ADMM
    threshold: float

    __repr__ = short_repr

    def _solve(
        self, problem: SchattenProblem, last: _Ended | None
    ) -> tuple[SchattenSolution, _Ended | None]:
        if problem.alpha >= self.threshold:
            return self.solver._zero(problem), last
        # With the weights of a far smaller α the prox leaves N = 0 for ever more steps, and no
        # residual says so: they are relative to N.
        starts = last is None or problem.alpha > last.alpha
        splitting = Splitting.of(problem) if starts else last.splitting
        return self.solver._iterate(problem, splitting), _Ended(problem.alpha, splitting)
