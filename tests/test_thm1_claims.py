"""The operator claims hold for several seeds, and NaN does not pass."""

from dataclasses import replace

import numpy as np
import pytest

from rkbs.problems import OperatorPoint
from verify.claims.thm1 import operator_expansion as thm1_operator
from verify.harness.evidence import Verdict
from verify.harness.run import Run

CLAIMS = (thm1_operator.operator_expansion, thm1_operator.operator_unique)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("compute", CLAIMS, ids=lambda f: f.__name__)
def test_holds(compute, seed):
    assert compute(Run(seed=seed)).verdict is Verdict.HOLDS


@pytest.mark.parametrize("compute", CLAIMS, ids=lambda f: f.__name__)
def test_coefficients_that_are_nan_are_not_confirmed(compute, monkeypatch):
    solve = thm1_operator.solve

    def wrong(problem, solver):
        solution = solve(problem, solver)
        return replace(solution, value=OperatorPoint(*(c + np.nan for c in solution.value)))

    monkeypatch.setattr(thm1_operator, "solve", wrong)
    try:
        verdict = compute(Run()).verdict
    except np.linalg.LinAlgError:  # NaN may not get as far as a check
        return
    assert verdict is Verdict.UNCONFIRMED
