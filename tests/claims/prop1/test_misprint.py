"""prop1.misprint: its verdict, what changes it, and the series that the misprint gives."""

import math

import numpy as np
import pytest
from helpers import points
from sabotage import Subject, is_noticed
from sabotage.patches import constants, returned, scaled

from rkbs import laws
from rkbs.kernels import EDP
from rkbs.kernels.features import PowerFeatures
from verify.claims.prop1 import misprint as module
from verify.harness.evidence import Verdict

broken = Subject("prop1.misprint")
SABOTAGES = [
    broken(
        "the right features in place of the misprint",
        constants(module, misprinted_features=lambda q, n: PowerFeatures(EDP(), q.shape[-1], n)(q)),
    ),
    broken("the misprint × 0.9", scaled(module, "misprinted_features", 0.9)),
    broken("the misprint zero", scaled(module, "misprinted_features", 0)),
    broken("indices one too large", returned(module, "multi_indices", lambda r: r + 1)),
]

test_verdict = broken.ends_in(Verdict.FAILS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


@pytest.mark.parametrize(("d", "order"), [(1, 5), (2, 6), (3, 4)])
def test_misprinted_features_give_a_geometric_series(d, order):
    q, k = points((6, d), scale=0.5), points((5, d), 1, scale=0.5)
    found = module.misprinted_features(q, order) @ module.misprinted_features(k, order).T
    series = sum((q @ k.T) ** n for n in range(order + 1)) / math.sqrt(d)
    assert laws.relative(found, series) <= 1e-13
    assert laws.relative(found, np.exp(q @ k.T / math.sqrt(d))) > 0.01
