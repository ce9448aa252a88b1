"""thm1.separable_expansion: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import (
    constants,
    first_function,
    linear_blocks,
    minimizer,
    once,
    several,
    solved,
)

from rkbs.terms.margin_losses import Hinge
from rkbs.terms.residual_losses import Squared
from verify.claims.thm1 import separable_expansion as module
from verify.harness.evidence import Verdict

FEW = several(
    constants(module, EXPONENTS=(1.5, 3.0), LOSSES=(Squared(), Hinge())),
    once(module, "whole_space_minimizer", "solve"),
)

broken = Subject("thm1.separable_expansion", FEW)
SABOTAGES = [
    broken(
        "minimizers × 1.001",
        minimizer(module, lambda v, u, r, rng: (1.001 * v, u, r)),
        noticed="objective above",
    ),
    broken("minimizers zero", minimizer(module, lambda v, u, r, rng: (0 * v, 0 * u, r))),
    broken(
        "ι := a multiple of the identity",
        linear_blocks(module),
        noticed="distance of ι(f*), ι(g*) from the span",
    ),
    broken(
        "rkbs's solution × 0.9",
        solved(module, first_function(lambda v: 0.9 * v)),
        noticed="expansion at new points",
    ),
    broken(
        "rkbs's solution zero",
        solved(module, first_function(lambda v: 0 * v)),
        noticed="expansion at new points",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)
