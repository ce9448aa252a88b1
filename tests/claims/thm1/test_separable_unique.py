"""thm1.separable_unique: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, minimizer, once, several

from rkbs.terms.norm_penalties import HalfSquare
from verify.claims.thm1 import separable_unique as module
from verify.harness.evidence import Verdict

FEW = several(
    constants(module, EXPONENTS=(1.5, 3.0), STARTS=3), once(module, "whole_space_minimizer")
)

broken = Subject("thm1.separable_unique", FEW)
SABOTAGES = [
    broken(
        "minimizers that depend on the start",
        minimizer(module, lambda v, u, r, rng: (v * (1 + 1e-6 * rng.random()), u, r)),
        noticed="spread",
    ),
    broken(
        "starts that end unsolved",
        minimizer(module, lambda v, u, r, rng: (v, u, 1e-9)),
        noticed="residual",
    ),
    broken("R(t) = t²/2 in place of t", constants(module, Norm=HalfSquare)),
    broken(
        "segments with ends × 1.01",
        attribute(module, "_segment", lambda f: lambda p, a, b, *rest: f(p, a, 1.01 * b, *rest)),
        noticed="excess over the dual bound",
    ),
    broken(
        "segments of length 0",
        attribute(module, "_segment", lambda f: lambda p, a, b, *rest: f(p, b, b, *rest)),
        noticed="length",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)
