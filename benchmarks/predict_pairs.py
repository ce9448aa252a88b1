"""Predictions at some pairs, one by one against whole rows, side by side at several densities.

Claim: one by one is the cheaper way below a few percent of all pairs, where
``rkbs.machines._at_pairs`` changes from one to the other. Reported are ratios of CPU times, above 1
where whole rows are cheaper, and the density at which they are equal. With more BLAS threads whole
rows are faster by the clock, and it is lower.
"""

from __future__ import annotations

import argparse
import time
from unittest import mock

import numpy as np

from rkbs.data.pairs import Pairs
from rkbs.machines import _at_pairs

SIZES = ((300, 300), (1000, 50), (1000, 1000), (3000, 10), (3000, 200))
SHARES = (0.005, 0.03, 0.06, 0.25)


def seconds(dense: float, pairs: Pairs, left: np.ndarray, right: np.ndarray) -> float:
    """CPU time of one call that takes whole rows from the share ``dense`` on."""
    rows, columns = np.zeros(len(left)), np.zeros(len(right))
    with mock.patch.object(_at_pairs, "_DENSE", dense):
        start = time.process_time()
        _at_pairs.values_at_pairs(pairs, left, right, rows, columns)
        return time.process_time() - start


def main() -> None:
    """Time both ways alternately, print medians of ratios and the crossover."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    rng = np.random.default_rng(0)
    print(f"changes at {_at_pairs._DENSE}; one by one over whole rows at densities {SHARES}")
    for n, r in SIZES:
        left, right = rng.standard_normal((2, n, r))
        ratios = []
        for share in SHARES:
            i, j = np.divmod(rng.choice(n * n, int(share * n * n), replace=False), n)
            pairs = Pairs(left, right, i, j)
            both = [[seconds(way, pairs, left, right) for way in (2, 0)] for _ in range(repeats)]
            ratios.append(np.median([few / many for few, many in both]))
        equal = np.interp(0, np.log(ratios), np.log(SHARES))
        print(
            f"{n} × {n}, r = {r:4d}: "
            + "".join(f"{ratio:8.2f}" for ratio in ratios)
            + f"   equal at {np.exp(equal):.3f}"
        )


if __name__ == "__main__":
    main()
