"""thm2.finite_data: its verdict on recorded rows, what changes it, and the claim at tiny size."""

import json
from functools import cache

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute
from scipy import stats

from verify.claims.thm2 import finite_data as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run
from verify.studies import contestants
from verify.studies.finite_sample import Fit
from verify.studies.finite_table import Table, comparisons


@cache
def recorded():
    """The rows of the reference record."""
    return load_record("thm2.finite_data", REFERENCE).evidence.data


def as_recorded(patch):
    """The rows of the reference record, in place of the sweep: all that is trained."""
    patch.setattr(
        module,
        "sweep",
        lambda *a: [{"rows": recorded()["rows"], "dtypes": recorded()["dtypes"]}],
    )


def rows(change):
    """Rows of the sweep, changed."""
    return attribute(
        module,
        "sweep",
        lambda f: (
            lambda *a: [
                result | {"rows": [change(row) for row in result["rows"]]} for result in f(*a)
            ]
        ),
    )


def times(factor, *names):
    """Errors of some contestants multiplied."""
    return lambda row: (
        row
        if row["contestant"] not in names
        else row | {"errors": {kind: factor * error for kind, error in row["errors"].items()}}
    )


def useless(training):
    return Fit(lambda X, Y: np.full((len(X), len(Y)), 50.0), {}, 0.0, 1e12)


EVERY = ("means", "ridge", "nuclear norm", "attention", "attention at d", "limit at d")
broken = Subject("thm2.finite_data", as_recorded)
SABOTAGES = [
    broken(
        "recorded: ridge's errors × 2",
        rows(times(2, "ridge")),
        noticed="attention/ridge, low end",
    ),
    broken(
        "recorded: the nuclear norm's errors × 2",
        rows(times(2, "nuclear norm")),
        "slow",
        "attention/nuclear norm, low end",
    ),
    broken(
        "recorded: attention's errors × 0.5",
        rows(times(0.5, "attention", "attention at d", "patient attention")),
    ),
    broken("recorded: heads fitted to the limit × 0.1", rows(times(0.1, "limit at d")), "slow"),
    broken("recorded: all errors zero", rows(times(0, *EVERY)), "slow"),
    broken(
        "recorded: attention's FLOPs × 0.001",
        rows(lambda r: r | {"flops": 0.001 * r["flops"]} if r["contestant"] == "attention" else r),
        noticed="FLOPs",
    ),
    broken(
        "recorded: heads of d = 1 as good as the chosen",
        rows(lambda r: times(0.1, "attention at d")(r) if r["d"] == 1 else r),
        "slow",
    ),
    Subject("thm2.finite_data")(
        "ridge that predicts 50",
        lambda patch: patch.setitem(contestants.KERNEL_MACHINES, "ridge", useless),
        "slow",
        "error of attention/ridge, low end",
    ),
]

test_sabotage = is_noticed(SABOTAGES)


def test_verdict():
    assert broken.evidence().verdict is Verdict.HOLDS


@pytest.fixture
def tiny(monkeypatch):
    """Cells of six points, two seeds and few steps."""
    grid = [("asymmetric", 6, noise, 1.0) for noise in (0.05, 0.3)] + [("kink", 6, 0.3, 0.5)]
    labels = ("target", "n", "noise", "share")
    cells = [dict(zip(labels, c, strict=True)) | {"seeds": [0, 1], "steps": 20} for c in grid]
    cells = [c | {"patience": 4 if c["noise"] < 0.3 else 1} for c in cells]
    monkeypatch.setattr(module, "cells", lambda run: cells)


def test_the_claim_at_tiny_size(tiny):
    evidence = module.finite_data(Run())
    rows = evidence.data["rows"]
    assert len(rows) == 2 * (2 * (4 + 4 + 4) + (4 + 4) + 1)
    assert json.loads(json.dumps(rows)) == rows
    assert evidence.data["dtypes"] == {"attention": "float32", "others": "float64"}
    checks = {check.name: check for check in evidence.checks}
    assert len(checks) == len(evidence.checks) == 14
    assert checks["both new: error/floor of rank d + 1, smallest"].passed
    # An average of ratios against one that is computed here from the rows.
    table, cell = Table(rows), ("asymmetric", 6, 0.3, 1.0)

    def errors(name):
        mine = [r for r in rows if (r["target"], r["noise"], r["contestant"]) == (*cell[::2], name)]
        return np.array([r["errors"]["seen"] for r in mine])

    found = next(
        r
        for r in comparisons(table)
        if (r["machine"], r["cell"], r["kind"]) == ("ridge", cell, "seen")
    )
    expected = stats.gmean(errors("attention") / errors("ridge"))
    assert found["ratio"] == pytest.approx(expected)
