"""data.gdsc_weights: its recorded verdict, and what changes it (slow, as its folds are)."""

import numpy as np
import pytest
from sabotage import Subject
from sabotage.gdsc import SHRUNKEN_PREDICTIONS, leaking, loaded, shuffled_responses

from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.studies import drug_weights

broken = Subject("data.gdsc_weights", kind="slow")
SABOTAGES = [
    broken("responses permuted", loaded(drug_weights, shuffled_responses)),
    broken("predictions × 0.9", SHRUNKEN_PREDICTIONS),
    broken("a fold that leaks one pair", leaking(drug_weights, "known_pairs")),
]


def test_verdict():
    assert load_record("data.gdsc_weights", REFERENCE).verdict is Verdict.HOLDS


def test_weights_are_equal_aligned_or_between_of_one_mean_variance():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(3, 12, 4))
    kernels = factors @ factors.transpose(0, 2, 1)
    Z = kernels[1] @ rng.normal(size=(12, 5))
    Z[8:] = np.nan
    equal, aligned, between = (drug_weights.weights_of(kernels, Z, share) for share in (0, 1, 0.5))
    assert np.ptp(equal) == 0
    assert aligned.argmax() == 1  # of which the responses are
    assert between == pytest.approx((equal + aligned) / 2)
    for weights in (equal, aligned):
        seen = np.tensordot(weights, kernels[:, :8, :8], 1)
        assert (np.trace(seen) - 8 * seen.mean()) / 7 == pytest.approx(1)
