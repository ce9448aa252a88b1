"""prop1.non_mercer: its verdict, and what changes it."""

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import KEY_MAP_ZERO, QUERY_MAP_IGNORED, TWICE, attribute, constants, scaled

from rkbs.kernels import EDP
from verify.claims.prop1 import non_mercer as module
from verify.harness.evidence import Verdict

broken = Subject("prop1.non_mercer")
SABOTAGES = [
    broken("W^Q := W^K", QUERY_MAP_IGNORED),
    broken("W^K := 0", KEY_MAP_ZERO),
    broken("EDP := exp(2a)", TWICE),
    broken("EDP × 0.9", scaled(EDP, "formula", 0.9)),
    broken(
        "counterexamples with W^Q = W^K",
        constants(module, mercer_pairs=lambda rng: dict.fromkeys("ab", (np.eye(4)[:, :2],) * 2)),
    ),
    broken(
        "Mercer pairs for the others",
        constants(module, other_pairs=lambda rng, n: module.mercer_pairs(rng)),
    ),
    broken(
        "the circle's kernel without its turn",
        attribute(module, "turned", lambda right: lambda epsilon: right(0.0)),
        noticed="rkbs's least over largest",
    ),
    broken(
        "two points are predicted for every M",
        constants(module, predicted=lambda epsilon: 2),
        noticed="first negative mode",
    ),
    broken(
        "the points of ε/2",
        attribute(module, "fewest", lambda right: lambda epsilon, d: right(epsilon / 2, d)),
        noticed="first negative mode",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
