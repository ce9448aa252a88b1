"""data.gdsc: its recorded verdict, and what changes it (slow, as its folds are)."""

from sabotage import Subject
from sabotage.gdsc import (
    IDENTITY_FOR_FEATURES,
    SHRUNKEN_PREDICTIONS,
    leaking,
    loaded,
    permuted_cells,
    shuffled_responses,
)
from sabotage.patches import constants

from rkbs.solvers import ADMM
from verify.claims.data import gdsc as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.studies import drug_response

broken = Subject("data.gdsc", kind="slow")
SABOTAGES = [
    broken("responses shuffled over all pairs", loaded(module, shuffled_responses)),
    broken("features permuted among cell lines", loaded(module, permuted_cells)),
    broken("identity for the features", IDENTITY_FOR_FEATURES),
    broken("predictions × 0.9", SHRUNKEN_PREDICTIONS),
    broken("a fold that leaks one pair", leaking(module, "known_pairs")),
    broken(
        "fits to a gap of 1e-4",
        constants(drug_response, ADMM=lambda tol: ADMM(tol=max(tol, 1e-4))),
    ),
]


def test_verdict():
    assert load_record("data.gdsc", REFERENCE).verdict is Verdict.HOLDS
