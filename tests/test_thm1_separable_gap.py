"""The gap's claim holds, and open gaps, untold ones and functions without p are noticed."""

from dataclasses import replace

import numpy as np
import pytest

from rkbs.expansion import Side
from rkbs.losses import Squared
from rkbs.solvers import DualNewton
from verify import thm1_separable_gap as gap
from verify.ledger import Run, Verdict


@pytest.fixture(autouse=True)
def one_draw(monkeypatch):
    """One draw of the data is enough to notice a mutant."""
    monkeypatch.setattr(Run, "pick", lambda self, quick, full: 1)


def missed():
    evidence = gap.separable_gap(Run())
    return " | ".join(check.name for check in evidence.checks if not check.passed)


def test_holds():
    evidence = gap.separable_gap(Run())
    assert evidence.verdict is Verdict.HOLDS
    assert len(evidence.data["table"]) == 25
    assert len(evidence.data["pictures"]) == 5


def test_a_solver_that_stops_early(monkeypatch):
    monkeypatch.setattr(gap, "DualNewton", lambda: DualNewton(tol=1e-3))
    assert "smooth losses: share of gaps closed" in missed()


def test_a_solution_worse_than_its_certificate(monkeypatch):
    right = gap.solve

    def wrong(problem, solver):
        found = right(problem, solver)
        return replace(
            found, value=found.value._replace(functions=(1.01 * found.value.v, found.value.u))
        )

    monkeypatch.setattr(gap, "solve", wrong)
    assert "share whose certificate says what it is" in missed()


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


def test_functions_that_do_not_depend_on_p(monkeypatch):
    right = gap.make_problem
    monkeypatch.setattr(gap, "make_problem", lambda rng, p, loss: right(rng, 2.0, loss))
    assert "least difference between functions of two p" in missed()
