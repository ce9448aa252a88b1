"""data.davis: its recorded verdict, and what changes it (slow, as its folds are)."""

import numpy as np
import pytest
from sabotage import Subject
from sabotage.patches import attribute, scaled

from rkbs.machines import BinaryKernelMachine
from verify.claims.data import davis as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE, ROOT
from verify.harness.records import load_record
from verify.studies import kinase_binding


def similar(change):
    """What machines are told of drugs and of targets, changed; the splits stay."""

    def wrong(right):
        return lambda data: tuple(map(change, right(data)))

    return attribute(kinase_binding, "similarities", wrong)


def permuted(S):
    order = np.random.default_rng(0).permutation(len(S))
    return S[np.ix_(order, order)]


def leaking(split_of):
    """Cold splits whose first pair to predict is fitted, too."""

    def leak(*given):
        split = split_of(*given)
        cut = split.cut
        return split._replace(cut=cut._replace(train=cut.train | (np.cumsum(cut.test) == 1)))

    return leak


def of_other_splits(recorded):
    def wrong():
        found = recorded()
        return found | {"found": [row | {"split": row["split"][::-1]} for row in found["found"]]}

    return wrong


def better_by(factor):
    """LightGBM's record, whose errors are smaller."""

    def wrong(recorded):
        def better():
            found = recorded()
            rows = [row | {"mse": factor * row["mse"]} for row in found["found"]]
            return found | {"found": rows}

        return better

    return wrong


broken = Subject("data.davis", kind="slow")
SABOTAGES = [
    broken("similarities of other drugs and targets", similar(permuted)),
    broken("no similarities", similar(lambda S: np.eye(len(S)))),
    broken("predictions × 0.9", scaled(BinaryKernelMachine, "predict", 0.9)),
    broken("a split that leaks one pair of a new drug", attribute(kinase_binding, "cold", leaking)),
    broken("LightGBM's record is of other splits", attribute(module, "recorded", of_other_splits)),
    broken("LightGBM's errors × 0.5", attribute(module, "recorded", better_by(0.5))),
]


def test_verdict():
    assert load_record("data.davis", REFERENCE).verdict is Verdict.HOLDS


def test_intervals_are_corrected_for_the_overlap_of_training_sets():
    # Ten splits, of which a fifth is tested: the variance of the mean is 1/10 + 1/4 of one split's.
    values = np.random.default_rng(0).normal(size=10)
    low, high = module.interval(values)
    assert (low + high) / 2 == pytest.approx(values.mean())
    half = 2.2621571628 * values.std(ddof=1) * np.sqrt(0.35)  # t of 9 degrees of freedom
    assert (high - low) / 2 == pytest.approx(half)
    assert module.interval([1.0]) == (-np.inf, np.inf)


PREDICTORS = {
    "means of rows and columns": kinase_binding.MEANS,
    "nuclear norm, no features": kinase_binding.IDENTITY,
    "LightGBM, 30 settings": module.TREES,
    "chosen by error in inner folds": module.CHOSEN,
}


def test_the_pages_table_is_the_records():
    data = load_record("data.davis", REFERENCE).evidence.data
    found = {(row["predictor"], row["setting"]): row["mse"] for row in data["table"]}
    page = (ROOT / "docs" / "two-domains.md").read_text(encoding="utf-8").splitlines()
    settings = ("known pairs", "new drugs", "new targets", "both new")
    for label, predictor in PREDICTORS.items():
        told = " | ".join(f"{found[predictor, setting]:.3f}" for setting in settings)
        assert f"| {label} | {told} |" in page
    first = found[module.TREES, settings[0]] - found[module.CHOSEN, settings[0]]
    leads = [f"{m['mean']:.3f} ({m['low']:.3f}, {m['high']:.3f})" for m in data["margins"]]
    told = " | ".join([f"{first:.3f}", *leads]).replace("-", "−")
    assert f"| lead over LightGBM, paired, 95 % | {told} |" in page
