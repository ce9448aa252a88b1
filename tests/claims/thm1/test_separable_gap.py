"""thm1.separable_gap: its verdict, what changes it; its gap by hand trusts no penalty of rkbs."""

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, first_function, once, scaled, several, solved

from rkbs.problems.expansion import Side
from rkbs.solvers import DualNewton
from rkbs.terms.residual_losses import Squared
from verify.claims.thm1 import separable_gap as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run

ONE_DRAW = constants(Run, pick=lambda self, quick, full: 1)

broken = Subject("thm1.separable_gap", several(ONE_DRAW, once(module, "solve")))
SABOTAGES = [
    broken(
        "a solver that stops at 1e-3",
        constants(module, DualNewton=lambda: DualNewton(tol=1e-3)),
        noticed="smooth losses: share of gaps closed",
    ),
    broken(
        "f × 1.01",
        solved(module, first_function(lambda v: 1.01 * v)),
        noticed="share whose certificate says what it is",
    ),
    broken("f zero", solved(module, first_function(lambda v: 0 * v))),
    broken("rkbs's penalty × 0.5", scaled(Side, "penalty", 0.5), "slow", "certificate", ONE_DRAW),
    broken(
        "the same p in every problem",
        attribute(module, "make_problem", lambda f: lambda rng, p, loss: f(rng, 2.0, loss)),
        noticed="least difference between functions of two p",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_what_is_kept_of_one_draw():
    data = broken.evidence().data
    assert len(data["table"]) == 25
    assert len(data["pictures"]) == 5


@pytest.mark.parametrize(
    "mutant",
    [
        lambda right: lambda self, function: 0.5 * right(self, function),
        lambda right: lambda self, function: 0.0,
    ],
)
def test_the_gap_by_hand_does_not_trust_the_penalty_of_rkbs(mutant, monkeypatch):
    problem = module.make_problem(np.random.default_rng(0), 3.0, Squared())
    solution = module.solve(problem, DualNewton())
    before = module.gap_by_hand(problem, *solution.value.functions, solution.value.c)
    monkeypatch.setattr(Side, "penalty", mutant(Side.penalty))
    changed = problem.certify(*solution.value, 1e-10).relative_gap
    assert changed < -0.01 < before
    assert module.gap_by_hand(problem, *solution.value.functions, solution.value.c) == before
