"""thm1.exponents: its verdict, what changes it, and gaps on random features."""

from dataclasses import replace

import numpy as np
import pytest
from flint import arb, fmpq
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, minimizer, once, returned, scaled, several

from verify.claims.thm1 import exponents as module
from verify.harness.evidence import Verdict
from verify.oracles import segments

CLOSED = {p: np.zeros(20) for both in module.FAR for p in both}
STARTS = {"starts": 20, "residual": 0.0, "spread": 0.0, "DualNewton": 0.0}
# Random starts and random features left out, which most of the sabotages do not concern.
NO_STARTS = several(
    constants(module, spread=lambda case, p, seed: STARTS, gaps_far_from_two=lambda seed: CLOSED),
    once(module, "solve"),
)
TWO_STARTS = constants(module, STARTS=2, gaps_far_from_two=lambda seed: CLOSED)


def segment(change):
    return returned(module, "segment", change)


def longer(found):
    start, end = found.ends
    return replace(
        found, ends=(start, [b + (b - a) / 100 for a, b in zip(start, end, strict=True)])
    )


def factored(factor):
    """Minimizers whose v is multiplied."""

    def wrong(right):
        def minimizers(case):
            for problem, v, u, c in right(case):
                yield problem, v * factor, u, c

        return minimizers

    return attribute(module, "minimizers", wrong)


def untied(patch):
    tie = segments.CASES["tie, p = 1"]
    moved = replace(tie, targets=(tie.targets[0], (fmpq(3, 4), fmpq(11, 8))))
    patch.setitem(segments.CASES, "tie, p = 1", moved)


def of_the_span(patch):
    cases = {case.p: case.problem(2.0).phi_x.sum(0) for case in segments.CASES.values()}
    patch.setattr(module, "unlike_expansion", lambda v, p: cases[p])


broken = Subject("thm1.exponents", NO_STARTS, "slow")
SABOTAGES = [
    broken("segments longer by 1 %", segment(longer), "fast", "balls"),
    broken(
        "segments that are points",
        segment(lambda s: replace(s, ends=(s.ends[0],) * 2)),
        noticed="length",
    ),
    broken(
        "another dual point",
        segment(lambda s: replace(s, gamma=s.gamma * (1 + arb("1e-12")))),
        noticed="balls",
    ),
    broken("g × 2", segment(lambda s: replace(s, u=[2 * value for value in s.u])), noticed="balls"),
    broken(
        "points whose features do not tie",
        untied,
        noticed="worst |primal − dual| on the segments, balls",
    ),
    broken(
        "another point of the segment for the limit",
        returned(module, "limit_point", lambda place: place + 0.01),
        noticed="order of convergence",
    ),
    broken("minimizers × (1 + 1e-6)", factored(1 + 1e-6), noticed="worst residual"),
    broken("minimizers NaN", factored(np.nan), noticed="worst residual"),
    broken(
        "minimizers that depend on the start",
        minimizer(module, lambda v, u, r, rng: (v * (1 + 1e-6 * rng.random()), u, r)),
        noticed="worst spread",
        smaller=TWO_STARTS,
    ),
    broken(
        "the expansion itself for another member of ∂‖f‖",
        of_the_span,
        noticed="their least distance from the span",
    ),
    broken(
        "a vector that is no member of ∂‖f‖",
        scaled(module, "unlike_expansion", 1 + 1e-9),
        noticed="other members of ∂‖f‖: worst error",
    ),
    broken(
        "exponents 1 and ∞ accepted",
        constants(module, RKBSPair=lambda *a: None),
        noticed="refuses",
    ),
    broken(
        "norms of the exponent 1.01 p",
        attribute(segments, "norm", lambda f: lambda v, p: f(v, 1.01 * p)),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def test_the_condition():
    assert broken.evidence().condition == "1 < p < ∞"


@pytest.mark.parametrize(("p", "name"), [(10.0, "p = 1.1, 10"), (1.05, "p = 1.05, 20")])
def test_gaps_that_stay_open_on_random_features(p, name):
    gaps = {q: np.full(20, 1e-11) for q in CLOSED}
    assert all(check.passed for check in module.far_checks(gaps))
    gaps[p] = np.where(np.arange(20) < 3, 0, 1e-8)
    gaps[20.0 if p < 2 else p][5:] = 1e-8
    missing = [c.name for c in module.far_checks(gaps) if not c.passed]
    assert len(missing) == 1
    assert name in missing[0]
