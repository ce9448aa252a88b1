"""data.gdsc_cold: its recorded verdict, and what changes it (slow, as its folds are)."""

import numpy as np
from sabotage import Subject
from sabotage.gdsc import (
    IDENTITY_FOR_FEATURES,
    SHRUNKEN_PREDICTIONS,
    leaking,
    loaded,
    permuted_cells,
    permuted_drugs,
)
from sabotage.patches import constants

from rkbs.data._entities import Entities
from verify.claims.data import gdsc_cold as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record


def by_position(self, known):
    """Row k of any array is row k of the fit."""
    return np.eye(len(self.points), len(known.points), dtype=bool)


broken = Subject("data.gdsc_cold", kind="slow")
SABOTAGES = [
    broken("features permuted among drugs", loaded(module, permuted_drugs)),
    broken("features permuted among cell lines", loaded(module, permuted_cells)),
    broken("identity for the features", IDENTITY_FOR_FEATURES),
    broken("predictions × 0.9", SHRUNKEN_PREDICTIONS),
    broken("a fold that leaks one pair of a new drug", leaking(module, "cold")),
    broken("row numbers taken for ids", constants(Entities, same=by_position)),
]


def test_verdict():
    assert load_record("data.gdsc_cold", REFERENCE).verdict is Verdict.HOLDS
