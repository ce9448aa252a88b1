"""The targets of Theorem 2: rkbs's own, and the solution of a problem in an RKBS pair."""

from __future__ import annotations

from functools import cache

import numpy as np

from rkbs.approximation import targets
from rkbs.approximation.surface import Target
from rkbs.data.pairs import Pairs
from rkbs.problems.schatten import SchattenProblem
from rkbs.solvers.base import solve
from rkbs.solvers.operators.spectral_newton import SpectralNewton
from rkbs.terms.spectral_penalties import Schatten


@cache
def solved() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x (9,), y (8,) and A (9, 8) of ``solution``: data in an RKBS pair, p = 3/2, fitted."""
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.uniform(-1, 1, 9)), np.sort(rng.uniform(-1, 1, 8))
    responses = np.sin(3 * x[:, None] + y) + 0.3 * rng.standard_normal((9, 8))
    grams = (np.exp(2 * np.multiply.outer(points, points)) for points in (x, y))
    pairs = Pairs.grid(x[:, None], y[:, None])
    problem = SchattenProblem(*grams, pairs, responses, 0.3, penalty=Schatten(1.5))
    return x, y, problem.expansion(solve(problem, SpectralNewton()).check().value.M)


def _solution(t: np.ndarray, s: np.ndarray) -> np.ndarray:
    x, y, A = solved()
    return np.exp(2 * t * x) @ A @ np.exp(2 * s * y).T  # (n, m)


def _solution_bound(rho: float) -> float:
    x, y, A = solved()
    sizes = [np.exp(2 * np.abs(points) * targets.semi_axes(rho)[0]) for points in (x, y)]
    return float(sizes[0] @ np.abs(A) @ sizes[1])


SOLUTION = Target(
    "solution",
    r"$\sum_{ij} A_{ij}\, e^{2x_it}\, e^{2y_js}$",
    _solution,
    smooth=True,
    analytic_bound=_solution_bound,
)
"""The solution of a Schatten-3/2 problem, fitted when it is first evaluated."""

_FIRST = ("edp", "asymmetric", "oscillating", "ridge", "legendre", "low_rank")
TARGETS = (
    {name: targets.TARGETS[name] for name in _FIRST}
    | {SOLUTION.name: SOLUTION}
    | {name: target for name, target in targets.TARGETS.items() if name not in _FIRST}
)
"""By name: the analytic ones on the line, the kinked one, those in two and four dimensions."""

LINE = tuple(name for name, target in TARGETS.items() if target.dim == 1)
"""The names of the targets on the line."""
