"""BinaryKernelRidge on a 1000 × 1000 grid against two bare eigendecompositions, side by side.

Claim: the fit, certificate included, costs little more than the two ``numpy.linalg.eigh`` calls
that it cannot avoid. Reported are ratios to the two bare calls, timed alternately in one run
(process time), and the peak of memory, in matrices of n × n doubles, beside what the caller holds.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_info

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF, Precomputed
from rkbs.machines import BinaryKernelRidge
from rkbs.problems import OperatorProblem
from rkbs.solvers import Spectral

PATH = np.logspace(-3, 2, 5)


def seconds(work: Callable[[], object]) -> float:
    """Process time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def peak(work: Callable[[], object], size: int) -> float:
    """What numpy and scipy allocate in one call at the most, LAPACK's workspace too, over size."""
    work()
    tracemalloc.start()
    work()
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return traced / size


def main() -> None:
    """Time alternately, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="points in each domain")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    n, rng = options.n, np.random.default_rng(0)
    X, Y = rng.standard_normal((2, n, 8))
    Z = rng.standard_normal((n, n))
    gram_x, gram_y = RBF()(X, X), RBF()(Y, Y)
    pairs, indices = Pairs.grid(X, Y), Pairs.grid(Precomputed.points(n), Precomputed.points(n))
    state = Spectral().setup(OperatorProblem(gram_x, gram_y, pairs, Z, 0.1))
    precomputed = Precomputed(gram_x), Precomputed(gram_y)
    work: dict[str, Callable[[], object]] = {
        "two bare eigh": lambda: (np.linalg.eigh(gram_x), np.linalg.eigh(gram_y)),
        "one n × n product": lambda: gram_x @ Z,
        "fit, Gram matrices given": lambda: BinaryKernelRidge(*precomputed, 0.1).fit(indices, Z),
        "fit, RBF kernels evaluated": lambda: BinaryKernelRidge(RBF(), RBF(), 0.1).fit(pairs, Z),
        "another α on the path": lambda: state.solve(0.3),
        "leave-one-out residuals, one α": lambda: state.leave_out_residuals(0.3),
        "5 scores, rows left out": lambda: state.leave_out_rmse(PATH, "row"),
        "5 scores, pairs left out": lambda: state.leave_out_rmse(PATH),
        "5 scores, generalized": lambda: state.generalized_rmse(PATH),
    }
    times: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.repeats):
        for name, call in work.items():
            times[name].append(seconds(call))
    threads = max(pool["num_threads"] for pool in threadpool_info())
    base = np.array(times["two bare eigh"])
    print(f"{n} × {n} grid, {options.repeats} alternating runs, {threads} BLAS threads")
    print(f"{'':30s} {'median':>10s} {'best':>10s}   ratio to two bare eigh: median (quartiles)")
    for name, values in times.items():
        low, middle, high = np.percentile(np.array(values) / base, (25, 50, 75))
        ratio = f"{middle:5.2f} ({low:.2f} … {high:.2f})"
        print(f"{name:30s} {np.median(values):8.4f} s {np.min(values):8.4f} s   {ratio}")
    for name in ("fit, Gram matrices given", "fit, RBF kernels evaluated"):
        print(f"{name:30s} peak {peak(work[name], 8 * n * n):.2f} n² doubles")


if __name__ == "__main__":
    main()
