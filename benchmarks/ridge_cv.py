"""Choosing α on grids that are not complete: folds of many pairs, and one missing pair.

Bounds, on one thread: 5 folds × 5 α on half of the pairs of 300² take at most 2 s; exact
leave-one-out with one missing pair of 68 × 442 takes less than twice what the complete grid takes,
in the median of runs one after the other. 100,000 pairs of 1000² are reported, and what leaving out
a row and a column at once takes, exactly and in folds. Seconds are those of the process, so that
other processes do not count.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.kernels import RBF
from rkbs.machines import BinaryKernelRidge, BinaryKernelRidgeCV

KERNEL = RBF(0.3)
ALPHAS = tuple(np.geomspace(1e-2, 1e2, 5))


def data(n_x: int, n_y: int, count: int) -> tuple[Pairs, np.ndarray]:
    """A smooth response of random points in 5 dimensions with noise, at some pairs."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((n_x, 5)), rng.standard_normal((n_y, 5))
    i, j = np.divmod(np.sort(rng.choice(n_x * n_y, count, replace=False)), n_y)
    return Pairs(X, Y, i, j), np.sin(X[i, 0] + Y[j, 0]) + 0.1 * rng.standard_normal(count)


def seconds(pairs: Pairs, z: np.ndarray, **params: object) -> tuple[float, BinaryKernelRidgeCV]:
    """Of the process, for one choice of α."""
    start = time.process_time()
    machine = BinaryKernelRidgeCV(KERNEL, KERNEL, alphas=ALPHAS, **params).fit(pairs, z)
    return time.process_time() - start, machine


def report_folds(name: str, pairs: Pairs, z: np.ndarray, runs: int, leave: str = "pair") -> None:
    """The median of some runs, and what was chosen."""
    found = [seconds(pairs, z, leave=leave, cv=5) for _ in range(runs)]
    machine = found[-1][1]
    worst = (machine.leave_out_bound_ / machine.leave_out_rmse_).max()
    print(
        f"{name:42} {np.median([spent for spent, _ in found]):7.2f} s   alpha = "
        f"{machine.alpha_:.3g}, errors right to {worst:.1e}"
    )


def main() -> None:
    """A row for each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs of the small settings")
    parser.add_argument("--large", type=int, default=100_000, help="pairs of 1000², or 0")
    args = parser.parse_args()
    print(f"{len(ALPHAS)} alphas from {ALPHAS[0]:g} to {ALPHAS[-1]:g}, 5 folds")
    half = data(300, 300, 45_000)
    for leave in ("pair", "row", "column", "both"):
        report_folds(f"half of 300², {leave}", *half, args.runs, leave)
    complete, lacking = data(68, 442, 68 * 442), data(68, 442, 68 * 442 - 1)
    for leave in ("pair", "row", "column"):
        pairs = np.array(
            [
                [seconds(*each, leave=leave)[0] for each in (complete, lacking)]
                for _ in range(3 * args.runs)
            ]
        )
        whole, less = np.median(pairs, axis=0)
        print(
            f"{'68 × 442 exactly, ' + leave:42} complete {whole:.3f} s, one missing {less:.3f} s: "
            f"{np.median(pairs[:, 1] / pairs[:, 0]):.2f} × (median of ratios)"
        )
    both = [seconds(*complete, leave="both") for _ in range(args.runs)]
    exact = np.median([spent for spent, _ in both])
    machine, (pairs, z) = BinaryKernelRidge(KERNEL, KERNEL), data(67, 441, 67 * 441)
    start = time.process_time()
    machine.fit(pairs, z)
    refit = time.process_time() - start
    print(
        f"{'68 × 442, a row and a column left out':42} {both[0][1].leave_out_by_} {exact:.2f} s; "
        f"one refit for each pair, at one α, {68 * 442 * refit:.0f} s"
    )
    report_folds("68 × 442, a row and a column, 5 folds", *complete, args.runs, "both")
    if args.large:
        report_folds(f"{args.large} pairs of 1000², pair", *data(1000, 1000, args.large), 1)


if __name__ == "__main__":
    main()
