"""thm2.constructive: its verdict, and what changes it."""

from dataclasses import replace

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import APART, LOW_FLOOR, NO_FLOOR, constants, frozen, scaled

from verify.claims.thm2 import constructive as module
from verify.harness.evidence import Verdict

broken = Subject("thm2.constructive", constants(module, LINE=("kink", "ridge")))
SABOTAGES = [
    broken("the floor is 0", NO_FLOOR, noticed=APART),
    broken("the floor × 0.9", LOW_FLOOR, "slow", APART),
    broken(
        "singular values × 0.9",
        frozen(module, lambda head: replace(head, singular_values=0.9 * head.singular_values)),
        "slow",
    ),
    broken(
        "the width error × 0.9",
        frozen(module, lambda head: replace(head, width_error=0.9 * head.width_error)),
        noticed="√(width² + rank²)",
    ),
    broken(
        "the width error is 0",
        frozen(module, lambda head: replace(head, width_error=0.0)),
        "slow",
        "√(width² + rank²)",
    ),
    broken(
        "singular functions shifted by one index",
        frozen(module, lambda head: replace(head, left=np.roll(head.left, 1, axis=1))),
        "slow",
    ),
    broken(
        "alternating least squares × 0.9",
        scaled(module, "alternating_error", 0.9),
        "slow",
        "smallest",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)
