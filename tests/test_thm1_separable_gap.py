"""The gap's claim holds, and its gap by hand trusts no penalty of rkbs."""

import numpy as np
import pytest

from rkbs.problems.expansion import Side
from rkbs.solvers import DualNewton
from rkbs.terms.losses import Squared
from verify.claims.thm1 import separable_gap as gap
from verify.harness.evidence import Verdict
from verify.harness.run import Run


@pytest.fixture(autouse=True)
def one_draw(monkeypatch):
    """One draw of the data."""
    monkeypatch.setattr(Run, "pick", lambda self, quick, full: 1)


def test_holds():
    evidence = gap.separable_gap(Run())
    assert evidence.verdict is Verdict.HOLDS
    assert len(evidence.data["table"]) == 25
    assert len(evidence.data["pictures"]) == 5


@pytest.mark.parametrize(
    "mutant",
    [
        lambda right: lambda self, function: 0.5 * right(self, function),
        lambda right: lambda self, function: 0.0,
    ],
)
def test_the_gap_by_hand_does_not_trust_the_penalty_of_rkbs(mutant, monkeypatch):
    problem = gap.make_problem(np.random.default_rng(0), 3.0, Squared())
    solution = gap.solve(problem, DualNewton())
    before = gap.gap_by_hand(problem, *solution.value.functions, solution.value.c)
    monkeypatch.setattr(Side, "penalty", mutant(Side.penalty))
    changed = problem.certify(*solution.value, 1e-10).relative_gap
    assert changed < -0.01 < before
    assert gap.gap_by_hand(problem, *solution.value.functions, solution.value.c) == before
