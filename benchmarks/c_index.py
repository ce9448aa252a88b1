"""The concordance index of many samples, by counting in O(n log n) and pair by pair in O(n²).

Claim: the time of ``c_index`` grows as n log n, so that a million samples take about a second.
Beside it stands SciPy's ``kendalltau``, compiled, which counts as much but leaves out ties. Times
are those of the process, the ways alternate in one run, medians are reported.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.stats import kendalltau

from rkbs.data import c_index

QUADRATIC = 20_000
"""The most samples that are compared pair by pair."""


def pair_by_pair(z: np.ndarray, h: np.ndarray) -> float:
    """The definition, a sample against all others at a time."""
    right = ordered = 0.0
    for response, prediction in zip(z, h, strict=True):
        less = h[z < response]
        right += (less < prediction).sum() + (less == prediction).sum() / 2
        ordered += len(less)
    return right / ordered


def seconds(work: Callable[..., object], *arguments: np.ndarray) -> float:
    """Process time of one call."""
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def main() -> None:
    """Time alternately, print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print("      n   c_index, s   ns / (n log₂ n)   × kendalltau   pair by pair ×")
    for n in (1_000, 10_000, QUADRATIC, 100_000, 1_000_000):
        rng = np.random.default_rng(0)
        z = np.round(rng.normal(size=n), 2)  # responses with ties
        h = z + rng.normal(size=n)
        ways = [c_index, kendalltau, *([pair_by_pair] if n <= QUADRATIC else [])]
        times = np.array([[seconds(way, z, h) for way in ways] for _ in range(repeats)])
        own, tau, *rest = np.median(times, axis=0)
        slow = f"{rest[0] / own:8.0f}" if rest else "       –"
        per = 1e9 * own / n / np.log2(n)
        print(f"{n:7d}   {own:10.4f}   {per:15.1f}   {own / tau:12.2f}   {slow}")


if __name__ == "__main__":
    main()
