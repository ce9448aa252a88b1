"""``schmidt`` with many nodes against the full singular value decomposition, side by side.

Claim: from 512 nodes on the leading values, by random projections, cost a part of the full
decomposition, and the floors stay within their stated errors. Reported are CPU times of
``schmidt``, of the full decomposition alone, and the floor at d = 8 with what either says of it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from rkbs.approximation import TARGETS, schmidt


def measured(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """CPU time of one call, and what it returns."""
    start = time.process_time()
    found = work(*arguments)
    return time.process_time() - start, found


def main() -> None:
    """Time both for a smooth surface and one with a crease."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for name in ("edp", "kink"):
        ratios = []
        for _ in range(options.repeats):
            new, spectrum = measured(schmidt, TARGETS[name], options.nodes)
            table = spectrum.quadrature.tabulate(TARGETS[name])
            full, (_, sigma, _) = measured(np.linalg.svd, table)
            ratios.append(full / new)
        print(
            f"{name:5s} {options.nodes} nodes, doubled: schmidt {new:.3f} s, full SVD {full:.3f} s "
            f"({np.median(ratios):.1f} ×); floor(8) {spectrum.floor(8):.6e} ± "
            f"{spectrum.floor_error(8):.1e}, full {np.linalg.norm(sigma[8:]):.6e}"
        )


if __name__ == "__main__":
    main()
