"""``import rkbs`` against ``import numpy``, side by side, each in a fresh process.

Claim: rkbs adds little to the import of numpy, which it cannot avoid, and ``rkbs.attention`` to
that of torch. What they must not import, the tests say; reported here are ratios of wall times of
whole processes, and to one that does nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np

NAMES = ("numpy", "rkbs", "torch", "rkbs.attention")
CODES = {"nothing": "pass"} | {name: f"import {name}" for name in NAMES}


def seconds(code: str) -> float:
    """Wall time of a process that runs the code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Time alternately, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    times = np.array([[seconds(code) for code in CODES.values()] for _ in range(repeats)])
    for name, values in zip(CODES, times.T, strict=True):
        low, middle, high = np.percentile(values / times[:, 1], (25, 50, 75))
        ratio = f"{middle:5.2f} ({low:.2f} … {high:.2f})"
        print(f"import {name:14s} {np.median(values):7.3f} s   ratio to numpy: {ratio}")


if __name__ == "__main__":
    main()
