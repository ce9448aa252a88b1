"""thm2.kernels_reach: its verdict, and what changes it."""

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import constants, returned

from rkbs.kernels import RBF
from verify.claims.thm2 import kernels_reach as module
from verify.harness.evidence import Verdict


def without_lengths(a, b, tau):
    """RBF of factors whose lengths differ."""
    scale = np.sqrt(np.sqrt(a.shape[1]) / (2 * tau))
    return (scale * a, scale * b), float((a**2).sum(1).max() + (b**2).sum(1).max()) / 2


def wrong_bound(factor):
    """Maps as they are, and the bound of what EI misses multiplied."""
    return returned(module, "intersection_maps", lambda found: (found[0], factor * found[1]))


broken = Subject(
    "thm2.kernels_reach", constants(module, NAMES=("edp",), DIMS=(1, 16), KNOTS=(8, 128))
)
SABOTAGES = [
    broken(
        "RBF of lengths that differ",
        constants(module, rbf_maps=without_lengths),
        noticed="RBF: error less its bound",
    ),
    broken(
        "row-normalized RBF of keys whose lengths differ",
        constants(module, normalized_rbf_maps=lambda a, b, tau: without_lengths(a, b, tau)[0]),
        noticed="RBF, row-normalized: error less its bound",
    ),
    broken(
        "queries of the quadratic kernel without √d",
        constants(module, quadratic_maps=lambda a, b: (a, b)),
        noticed="quadratic: error less its bound",
    ),
    broken("EI's bound × 0.9", wrong_bound(0.9), noticed="EI: (G − log κ)"),
    broken("EI's bound × 2", wrong_bound(2.0), noticed="the same, least"),
    broken("EI is an RBF kernel", constants(module, EI=RBF()), noticed="6 × 6, EI"),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
