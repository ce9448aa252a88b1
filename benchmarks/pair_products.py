"""Products at some pairs of a grid by each way, and fits by each route to a solution.

Claim: ``PairProducts`` and ``Routes`` take the cheapest way at any share of pairs, or one that is
little dearer. Times are those of the process, and the ways alternate in one run; of products
reported are ratios to the product of full matrices.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.problems import OperatorProblem
from rkbs.solvers import ConjugateGradient
from rkbs.solvers.operators._pair_products import Pattern
from rkbs.solvers.operators._pair_routes import Route, Routes
from rkbs.solvers.operators.base import RidgeSolution
from rkbs.solvers.operators.incomplete import _ConjugateGradientState

SHARES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.5)


def seconds(work: Callable[[], object]) -> float:
    """Process time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def alternately(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """The least time of each of the calls, which take turns."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, call in work.items():
            times[name].append(seconds(call))
    return {name: min(values) for name, values in times.items()}


def some_pairs(n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of such a share of the pairs of an n × n grid."""
    flat = np.random.default_rng(0).choice(n * n, int(share * n * n), replace=False)
    return np.divmod(np.sort(flat), n)


def products(n: int, repeats: int) -> None:
    """The ways of (A Bᵀ)[i, j] and of C B, on an n × n grid with n columns."""
    A, B = np.random.default_rng(1).standard_normal((2, n, n))
    print(f"\n{n} × {n} grid: time over that of full matrices; * marks the way that is taken")
    print("share    sampled    rows        sparse × dense")
    for share in SHARES:
        i, j = some_pairs(n, share)
        c = np.ones(len(i))
        ways = {
            name: Pattern(i, j, (n, n), name, spread)
            for name, spread in (("sampled", "rows"), ("rows", "rows"), ("dense", "dense"))
        }
        dots = alternately({k: partial(way.dots, A, B) for k, way in ways.items()}, repeats)
        spread = alternately({k: partial(ways[k].spread, c, B) for k in ("rows", "dense")}, repeats)
        taken = Pattern.of(i, j, (n, n))
        row = "".join(
            f"{dots[k] / dots['dense']:8.2f}{'*' if k == taken.dots_by else ' '}  "
            for k in ("sampled", "rows")
        )
        mark = "*" if taken.spread_by == "rows" else " "
        print(f"{share:6.3f} {row}    {spread['rows'] / spread['dense']:8.2f}{mark}")


def fits(n: int, repeats: int) -> None:
    """``ConjugateGradient`` by each of its ways; decompositions and what all α share left out."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, n, 5))
    gram_x, gram_y = RBF(0.3)(X, X), RBF(0.3)(Y, Y)
    print(
        f"\n{n} × {n} grid: seconds and steps of a fit by each way; * marks the one that is taken"
    )
    for share, alpha in itertools.product((0.005, 0.05, 0.2, 0.5), (100.0, 1.0, 0.01)):
        i, j = some_pairs(n, share)
        z = np.sin(X[i, 0] + Y[j, 0]) + 0.1 * rng.standard_normal(len(i))
        solver = ConjugateGradient()
        state = solver.setup(OperatorProblem(gram_x, gram_y, Pairs(X, Y, i, j), z, alpha))
        taken = state.routes.cheapest(state.problem, solver.tol)
        ways = {route.way: route for route in state.routes.by_way(state.problem, solver.tol)}
        work = {way: partial(fit_by, state, route) for way, route in ways.items()}
        steps = {way: call().check().stats["iterations"] for way, call in work.items()}
        times = alternately(work, repeats)
        row = "  ".join(
            f"{way}{'*' if way == taken.way else ''} {times[way]:.2f} s, {steps[way]}"
            for way in ways
        )
        print(f"{share:6.3f}  α = {alpha:<6g} {row}", flush=True)


def fit_by(state: _ConjugateGradientState, route: Route) -> RidgeSolution:
    """The solution at the problem's α by a route, whatever it costs."""
    with patch.object(Routes, "cheapest", return_value=route):
        return state.solve(state.problem.alpha)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="+", default=[300, 1000], help="points per domain")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for n in options.n:
        products(n, options.repeats)
        fits(n, options.repeats)


if __name__ == "__main__":
    main()
