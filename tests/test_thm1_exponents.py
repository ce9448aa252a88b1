"""The ends p = 1 and p = ∞: the claim's verdict, and gaps on random features."""

import numpy as np
import pytest

from verify.claims.thm1 import exponents as thm1_exponents
from verify.claims.thm1 import separable_gap as thm1_separable_gap
from verify.harness.evidence import Verdict
from verify.harness.run import Run


def test_holds_if():
    evidence = thm1_exponents.exponents(Run())
    assert evidence.verdict is Verdict.HOLDS_IF
    assert evidence.condition == "1 < p < ∞"


@pytest.mark.parametrize(("p", "name"), [(10.0, "p = 1.1, 10"), (1.05, "p = 1.05, 20")])
def test_gaps_that_stay_open_on_random_features(p, name):
    gaps = {q: np.full(20, 1e-11) for both in thm1_separable_gap.FAR for q in both}
    assert all(check.passed for check in thm1_separable_gap.far_checks(gaps))
    gaps[p] = np.where(np.arange(20) < 3, 0, 1e-8)
    gaps[20.0 if p < 2 else p][5:] = 1e-8
    missing = [c.name for c in thm1_separable_gap.far_checks(gaps) if not c.passed]
    assert len(missing) == 1
    assert name in missing[0]
