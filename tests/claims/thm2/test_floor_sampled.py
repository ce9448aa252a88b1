"""thm2.floor_sampled: its verdict, and what changes it."""

from dataclasses import replace

from sabotage import Subject, is_noticed
from sabotage.patches import LOW_FLOOR, constants, returned

from verify.claims.thm2 import floor_sampled as module
from verify.harness.evidence import Verdict


def sampled(change):
    return returned(module, "sampled_floor", change)


def one_too_high(found):
    return replace(found, below=found.below[:, [0, *range(len(found.dims) - 1)]])


broken = Subject("thm2.floor_sampled", constants(module, SPACES=("edp_2d",)))
SABOTAGES = [
    broken("floors of d − 1 below", sampled(one_too_high)),
    broken(
        "floors × 0.9",
        sampled(lambda f: replace(f, below=0.81 * f.below, above=0.81 * f.above)),
    ),
    broken(
        "floors × 0.8 in squares",
        sampled(lambda f: replace(f, below=0.8 * f.below, above=0.8 * f.above)),
    ),
    broken("floors are 0", sampled(lambda f: replace(f, below=0 * f.below, above=0 * f.above))),
    broken("quadrature's floors × 0.9", LOW_FLOOR),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)
