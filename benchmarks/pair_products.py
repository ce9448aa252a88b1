"""Products at some pairs of a grid by each way, and a fit by the chosen ways and by full matrices.

Claim: ``PairProducts`` takes the cheapest way at any share of pairs, and a step of conjugate
gradients with few pairs is cheaper than one with full matrices. Times are those of the process,
the ways alternate in one run, and reported are ratios to the product of full matrices.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.problems import OperatorProblem
from rkbs.solvers import ConjugateGradient
from rkbs.solvers.operators._pair_products import PairProducts, Pattern

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


def full_matrices(problem: OperatorProblem) -> PairProducts:
    """Products by full matrices alone, whatever would be cheaper."""
    products, pairs = PairProducts.of(problem), problem.pairs
    pattern = Pattern(pairs.i, pairs.j, (len(pairs.X), len(pairs.Y)), "dense", "dense")
    vars(products).update(pattern=pattern, turned=False, few=False)  # where they are cached
    return products


def fits(n: int, repeats: int) -> None:
    """``ConjugateGradient`` as it is and with full matrices alone, decompositions left out."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, n, 5))
    gram_x, gram_y = RBF(0.3)(X, X), RBF(0.3)(Y, Y)
    print(f"\n{n} × {n} grid, α = 1: fit, and the same with full matrices alone")
    for share in (0.005, 0.05, 0.2, 0.5):
        i, j = some_pairs(n, share)
        z = np.sin(X[i, 0] + Y[j, 0]) + 0.1 * rng.standard_normal(len(i))
        state = ConjugateGradient().setup(
            OperatorProblem(gram_x, gram_y, Pairs(X, Y, i, j), z, 1.0)
        )
        plain = replace(state, products=full_matrices(state.problem))
        times = alternately(
            {"chosen": partial(state.solve, 1.0), "full": partial(plain.solve, 1.0)}, repeats
        )
        steps = [each.solve(1.0).check().stats["iterations"] for each in (state, plain)]
        print(
            f"{share:6.3f}  {times['chosen']:7.2f} s in {steps[0]} steps, {times['full']:7.2f} s "
            f"in {steps[1]}: ratio {times['full'] / times['chosen']:.1f}"
        )


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
