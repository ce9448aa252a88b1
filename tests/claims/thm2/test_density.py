"""thm2.density: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import APART, NO_FLOOR, constants, frozen, scaled

from verify.claims.thm2 import density as module
from verify.harness.evidence import Verdict

broken = Subject("thm2.density", constants(module, LINE=("kink", "ridge")))
SABOTAGES = [
    broken("sup errors × 0.6", scaled(module, "sup_error", 0.6), noticed="balls"),
    broken("sup errors × 0.95", scaled(module, "sup_error", 0.95), noticed="balls"),
    broken("sup errors × 1.5", scaled(module, "sup_error", 1.5), "slow", "balls"),
    broken("sup errors are 0", scaled(module, "sup_error", 0), "slow"),
    broken("heads of d = 1", frozen(module, lambda head: head.at(1)), noticed="smooth targets"),
    broken("the floor is 0", NO_FLOOR, "slow", APART),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)
