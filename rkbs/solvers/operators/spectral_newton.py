"""Newton's method for the operator problem with a smooth loss and a smooth penalty."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from rkbs._arrays import short_repr
from rkbs.problems.gram import OperatorPoint
from rkbs.problems.schatten import SchattenProblem, singular_values
from rkbs.solvers.base import Solution, State
from rkbs.solvers.operators._spectral_charts import Chart, DualChart, PrimalChart
from rkbs.solvers.operators.base import SchattenSolution, SchattenSolver
from rkbs.terms.spectral_penalties import Schatten

_ARMIJO = 1e-4
_ROUNDING = 1e-14
"""Relative rounding of the objective: what a line search cannot see."""
_CLOSED = 1e-15
"""A gap that no step can make smaller."""
_SHORTEST = 1e-10
_START_ROUNDS = 8
_START_GAP = 1e-2
_FAR_WORSE = 1e8
"""Times the objective of 0, beyond which a start is shortened."""
_SUITS = 0.1
"""A start is solved for so many weights at most, to this gap, until the weight changes less."""
_LOG_RANGE, _HALVINGS = 60.0, 16
"""Of the ridge weight, in units of the largest eigenvalue: e^±60, to 0.2%."""
_FORCING, _LEAST_FORCING = 0.1, 1e-8
"""Relative residual of the first linear systems, and of the last; between them that of √gap/10."""


@final
@dataclass(frozen=True)
class SpectralNewton(SchattenSolver["_SpectralNewtonState"]):
    """α ∇Ω(M) + R_Xᵀ ℓ'(h) R_Y = 0, h = R_X M R_Yᵀ, by Newton's method with backtracking.

    Where Ω is twice differentiable (p ≥ 2) the unknown is M: (A + α Ω''(M)) dM = −F, F the left
    side and A the second derivative of the data term. Else (1 < p < 2) Ω* is, and the unknown is h
    with c = −ℓ'(h), M = ∇Ω*(R_Xᵀ C R_Y/α), which minimizes minus the dual objective: (I + KL) dh =
    R_X M R_Yᵀ − h with L = ℓ''(h) and K = R Ω*'' Rᵀ/α. Both by conjugate gradients, as accurately
    as the gap asks for. A constant is minimized over at each M or h. Complete and partial grids; no
    matrix of the pairs is formed. With a loss whose ℓ' has kinks, and no curvature far off (Huber),
    it can stall where α is weak, for p near 1 and for p ≥ 6, and then the certificate says so:
    ``ADMM`` is the alternative.

    Setup decomposes the Gram matrices and chooses the unknown. Along a path each α starts from the
    last M or afresh, whichever is nearer.

    Parameters
    ----------
    tol : float
        Tolerance of the relative duality gap.
    max_iter : int
        Newton steps.

    Source: theory §3, reading C; derivatives of matrix functions as in ``SpectralDerivative``.

    Examples
    --------
    >>> import numpy as np
    >>> from rkbs import RBF, Pairs, Schatten, SchattenProblem, SpectralNewton
    >>> x, y = np.linspace(0, 1, 5)[:, None], np.linspace(0, 1, 4)[:, None]
    >>> grams, pairs = (RBF()(x, x), RBF()(y, y)), Pairs.grid(x, y)
    >>> problem = SchattenProblem(*grams, pairs, x * y.T, alpha=0.1, penalty=Schatten(1.5))
    >>> path = list(SpectralNewton().setup(problem).path([1.0, 0.1, 0.01]))
    >>> all(solution.certificate.relative_gap < 1e-10 for solution in path)
    True
    """

    tol: float = 1e-10
    max_iter: int = 200

    def _check(self, problem: SchattenProblem) -> None:
        """Also ``ValueError`` for kinks in the loss, or where neither Ω nor Ω* is smooth."""
        super()._check(problem)
        self._check_smooth(problem)
        penalty = problem.penalty
        if not (penalty.is_twice_differentiable or penalty.is_dual_twice_differentiable):
            raise ValueError(
                f"{self!r} needs a penalty that is twice differentiable, or whose conjugate is, "
                f"got {penalty!r}: use ADMM()"
            )

    def _setup(self, problem: SchattenProblem) -> _SpectralNewtonState:
        _ = problem.factors, problem.without_operator  # for all α, before with_alpha copies them
        twice = problem.penalty.is_twice_differentiable
        return _SpectralNewtonState(problem, self, PrimalChart if twice else DualChart)

    @np.errstate(all="ignore")  # a trial may overflow: its merit is infinite then
    def _from(
        self, problem: SchattenProblem, chart: type[Chart], last: np.ndarray | None
    ) -> SchattenSolution:
        """The solution, started afresh or from the last one, whichever is nearer."""
        if not problem.factors.products.size:  # a Gram matrix is zero, and so is every h
            return self._zero(problem)
        try:
            # A dual point grows with 1/α: the last solution is not always the better start.
            starts = [self._start(problem, chart)] + ([] if last is None else [last])
            charts = [chart.of(problem, M) for M in starts]
            return self._iterate(problem, min(charts, key=lambda point: point.merit))
        except np.linalg.LinAlgError:  # beyond the range of floats
            return self._zero(problem)

    def _zero(self, problem: SchattenProblem) -> SchattenSolution:
        """M = 0 with the best constant's c = −ℓ'(b; z): what is left to say."""
        M, c = np.zeros_like(problem.factors.products), problem.without_operator[1]
        theta = problem.best_theta(np.zeros_like(problem.z))
        stats = {"solver": "SpectralNewton", "iterations": 0, "inner": 0, "rank": 0}
        certificate = problem.certify(M, c, self.tol, theta)
        return Solution(problem, OperatorPoint(M, c, theta), certificate, stats)

    def _start(self, problem: SchattenProblem, chart: type[Chart]) -> np.ndarray:
        """Ridge regression with the weight that suits Ω; for the dual chart of the loss itself.

        The dual chart needs it: where M ∝ s^{q−1}, q > 2, an overshoot of s is magnified.
        """
        weight = _own_weight(problem)
        M = _ridge(problem, weight)
        if chart is PrimalChart:
            return _shortened(problem, M)
        rough = replace(self, tol=_START_GAP)
        for _ in range(_START_ROUNDS):
            near = problem.with_alpha(weight).with_penalty(Schatten(2.0))
            M = rough._iterate(near, PrimalChart(near, M)).value.M
            old, weight = weight, _suiting(problem, M)
            if abs(weight / old - 1) < _SUITS:
                break
        return M

    def _iterate(self, problem: SchattenProblem, chart: Chart) -> SchattenSolution:
        steps, inner, passed = 0, 0, False
        certificate = chart.certify(self.tol)
        # The gap is the square of the error: a last step once it passes squares what M lacks.
        while steps < self.max_iter and not passed and abs(certificate.relative_gap) > _CLOSED:
            passed = certificate.passed
            error = np.sqrt(max(certificate.relative_gap, 0.0))
            forcing = float(np.clip(error / 10, _LEAST_FORCING, _FORCING))
            moved, used = _step(chart, forcing)
            steps, inner = steps + 1, inner + used
            if moved is None:
                moved, used = _step(chart.settled(), forcing)
                inner += used
            if moved is None:
                break
            after = moved.certify(self.tol)
            if passed and not after.passed:
                break
            chart, certificate = moved, after
        stats = {"solver": "SpectralNewton", "iterations": steps, "inner": inner}
        stats["rank"] = int(np.linalg.matrix_rank(chart.M))
        point = OperatorPoint(chart.M, chart.c, chart.theta)
        return Solution(problem, point, certificate, stats)


@final
@dataclass(frozen=True, eq=False)
class _SpectralNewtonState(State[SchattenSolution]):
    """A problem that is decomposed, and the chart of the unknown in which it is smooth."""

    problem: SchattenProblem
    solver: SpectralNewton
    chart: type[Chart]

    __repr__ = short_repr

    def _solve(
        self, problem: SchattenProblem, last: np.ndarray | None
    ) -> tuple[SchattenSolution, np.ndarray]:
        solution = self.solver._from(problem, self.chart, last)
        return solution, solution.value.M


def _step(chart: Chart, forcing: float) -> tuple[Chart | None, int]:
    """Newton's step, as long as ½, ¼, … of it must be for the merit to decrease, and its cost.

    None where no length does: rounding has taken over, or a kink is in the way. The searches of
    ``DualNewton`` ask for other things: slopes where values drown in rounding, or the gap itself.
    """
    used = 0
    with suppress(np.linalg.LinAlgError):  # beyond the range of floats
        direction, slope, used = chart.direction(forcing)
        length, allowance = 1.0, _ROUNDING * abs(chart.merit)
        while length > _SHORTEST:
            trial = chart.moved(length * direction)
            if trial.merit <= chart.merit + _ARMIJO * length * slope + allowance:
                return trial, used
            length /= 2
    return None, used


def _shortened(problem: SchattenProblem, M: np.ndarray) -> np.ndarray:
    """M, ½M, ¼M, …, the first that is not far worse than 0: Ω of large p explodes beyond σ = 1.

    No shorter: where Ω is flat and so is the loss (Huber's, far off), the systems are singular.
    """
    most = _FAR_WORSE * _profiled(problem, np.zeros_like(M))
    while M.any() and not _profiled(problem, M) <= most:
        M = M / 2
    return M


def _profiled(problem: SchattenProblem, M: np.ndarray) -> float:
    """The objective at M and the best constant."""
    return problem.objective(M, problem.best_theta(problem.at_pairs(M)))


def _ridge(problem: SchattenProblem, weight: float) -> np.ndarray:
    """Ridge regression of −ℓ'(b), b the best constant, zero where there is no pair, on the grid."""
    return problem.pull(problem.without_operator[1]) / (problem.factors.products + weight)


def _own_weight(problem: SchattenProblem) -> float:
    """The weight of ridge regression that suits its own M, by bisection in units of the problem.

    The suiting weight over the weight falls for every p > 1, whether σ^{p−2} rises or falls.
    """
    top = float(problem.factors.products.max())
    low, high = -_LOG_RANGE, _LOG_RANGE
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weight = top * np.exp(middle)
        falls_short = weight < _suiting(problem, _ridge(problem, weight))
        low, high = (middle, high) if falls_short else (low, middle)
    return _suiting(problem, _ridge(problem, top * np.exp(low)))


def _suiting(problem: SchattenProblem, M: np.ndarray) -> float:
    """α φ'(σ_1)/σ_1, the ridge weight as strong as α Ω at the largest singular value of M."""
    sigma = singular_values(M)[:1]
    if not sigma.any():
        return problem.alpha
    return problem.alpha * float(problem.penalty.gradient(sigma)[0] / sigma[0])
