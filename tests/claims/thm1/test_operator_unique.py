"""thm1.operator_unique: its verdict, and what changes it; NaN does not pass."""

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import OPERATOR_COEFFICIENTS, constants, of_coefficients

from rkbs.kernels import EDP
from verify.claims.thm1 import operator_unique as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run

broken = Subject("thm1.operator_unique")
SABOTAGES = [
    *(
        broken(what, of_coefficients(module, change))
        for what, change in OPERATOR_COEFFICIENTS.items()
    ),
    broken(
        "a regular Gram matrix",  # more features than points
        constants(
            module,
            PowerFeatures=lambda kernel, d, n, right=module.PowerFeatures: right(EDP(), d, 12),
        ),
        noticed="coefficients moved",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1, 2))
test_sabotage = is_noticed(SABOTAGES)


def test_coefficients_that_are_nan_are_not_confirmed(monkeypatch):
    of_coefficients(module, lambda c: c + np.nan)(monkeypatch)
    try:
        verdict = module.operator_unique(Run()).verdict
    except np.linalg.LinAlgError:  # NaN may not get as far as a check
        return
    assert verdict is Verdict.UNCONFIRMED
