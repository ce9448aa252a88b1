"""The operator claims hold, and wrong solutions do not pass."""

from dataclasses import replace

import numpy as np
import pytest

from rkbs.problems import OperatorPoint
from verify import thm1_operator
from verify.ledger import Run, Verdict

CLAIMS = (thm1_operator.operator_expansion, thm1_operator.operator_unique)
MUTANTS = {
    "1 % too large": lambda c: 1.01 * c,
    "1e-6 too large": lambda c: c * (1 + 1e-6),
    "zero": lambda c: 0 * c,
    "NaN": lambda c: c + np.nan,
}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("compute", CLAIMS, ids=lambda f: f.__name__)
def test_holds(compute, seed):
    assert compute(Run(seed=seed)).verdict is Verdict.HOLDS


@pytest.mark.parametrize("mutate", MUTANTS.values(), ids=MUTANTS)
@pytest.mark.parametrize("compute", CLAIMS, ids=lambda f: f.__name__)
def test_wrong_coefficients_are_not_confirmed(compute, mutate, monkeypatch):
    solve = thm1_operator.solve

    def wrong(problem, solver):
        solution = solve(problem, solver)
        return replace(solution, value=OperatorPoint(*map(mutate, solution.value)))

    monkeypatch.setattr(thm1_operator, "solve", wrong)
    try:
        verdict = compute(Run()).verdict
    except np.linalg.LinAlgError:  # NaN may not get as far as a check
        return
    assert verdict is Verdict.UNCONFIRMED


def test_a_cut_feature_space_is_noticed(monkeypatch):
    kernel, d, _ = thm1_operator.SPACES["EDP, d = 1"]
    monkeypatch.setitem(thm1_operator.SPACES, "EDP, d = 1", (kernel, d, 8))
    evidence = thm1_operator.operator_expansion(Run())
    assert evidence.verdict is Verdict.UNCONFIRMED
    assert not evidence.checks[0].passed
