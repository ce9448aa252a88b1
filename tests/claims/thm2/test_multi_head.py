"""thm2.multi_head: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, returned, scaled

from verify.claims.thm2 import multi_head as module
from verify.harness.evidence import Verdict

broken = Subject(
    "thm2.multi_head",
    constants(module, SIGNED=("oscillating",), DIMS=(8, 16), BITS_OF_EPSILON=(8, 22)),
)
SABOTAGES = [
    broken(
        "κ is exp(2a)",
        attribute(module, "EDP", lambda right: lambda: lambda q, k: right()(2 * q, k)),
        noticed="distance to G",
    ),
    broken(
        "one head, e^{εG}/ε",
        attribute(
            module,
            "two_heads",
            lambda right: lambda head, e: lambda t, s: right(head, e)(t, s) + 1 / e,
        ),
        "slow",
        "distance to G",
    ),
    broken("the bound × 0.9", scaled(module, "remainder", 0.9), noticed="distance to G"),
    broken(
        "the floor of one head × 0.1",
        returned(module, "bounds", lambda found: (0.1 * found[0], 0)),
        noticed="one exp head",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
