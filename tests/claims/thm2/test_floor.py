"""thm2.floor: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import APART, LOW_FLOOR, NO_FLOOR, attribute, constants, scaled, zero

from rkbs.approximation import SchmidtSpectrum
from verify.claims.thm2 import floor as module
from verify.harness.evidence import Verdict
from verify.studies import yardsticks


def of_floors(wrong):
    """(the right floor, spectrum, d) ↦ another."""
    return attribute(SchmidtSpectrum, "floor", lambda f: lambda self, d: wrong(f, self, d))


broken = Subject("thm2.floor", constants(module, LINE=("edp", "kink")))
SABOTAGES = [
    broken("the floor is 0", NO_FLOOR, noticed=APART),
    broken("the floor × 0.9", LOW_FLOOR, "slow", APART),
    broken("the floor of d − 1", of_floors(lambda f, s, d: f(s, max(d - 1, 0))), "slow"),
    broken("the floor of d + 1", of_floors(lambda f, s, d: f(s, d + 1)), "slow", APART),
    broken("errors × 0.9", scaled(yardsticks, "l2_error", 0.9), noticed="(floor − error)"),
    broken(
        "Schmidt's functions × 0.9",
        attribute(
            SchmidtSpectrum, "head", lambda f: lambda self, d: lambda t, s: 0.9 * f(self, d)(t, s)
        ),
        noticed="(error − floor)/allowance",
    ),
    broken(
        "Schmidt's functions zero",
        constants(SchmidtSpectrum, head=lambda self, d: zero),
        "slow",
        "(error − floor)/allowance",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)
