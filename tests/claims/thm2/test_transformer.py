"""thm2.transformer: its verdict on recorded rows, what changes it, and the claim at tiny size."""

import json
import math
from functools import cache

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute

from verify.claims.thm2 import transformer as module
from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run

PARTS = {
    "thm2.transformer": "rows",
    "thm2.transformer/yardsticks": "yardsticks",
    "thm2.transformer/obstructed": "obstructed",
    "thm2.transformer/noisy": "noisy",
}


@cache
def recorded():
    """The data of the reference record."""
    return load_record("thm2.transformer", REFERENCE).evidence.data


def as_recorded(patch):
    """The rows of the reference record, in place of the sweeps: all that is trained."""
    patch.setattr(module, "sweep", lambda run, work, c, name: [{"rows": recorded()[PARTS[name]]}])


def rows(part, change):
    """Rows of one sweep, changed."""

    def changed(right):
        def sweep(run, work, configurations, name):
            results = right(run, work, configurations, name)
            if PARTS[name] != part:
                return results
            return [{"rows": [change(row) for row in result["rows"]]} for result in results]

        return sweep

    return attribute(module, "sweep", changed)


def times(factor, **labels):
    """Errors of the rows with these labels multiplied."""

    def change(row):
        if any(row[key] != value for key, value in labels.items()):
            return row
        if "error" in row:
            return row | {"error": factor * row["error"]}
        return row | {"errors": {kind: factor * error for kind, error in row["errors"].items()}}

    return change


broken = Subject("thm2.transformer", as_recorded)
SABOTAGES = [
    broken("four heads × 100", rows("rows", times(100, heads=4)), noticed="heads/1 head"),
    broken("d = 1 as good as d = 8", rows("rows", times(0.1, d=1)), noticed="largest d"),
    broken("all blocks × 10", rows("rows", times(10)), noticed="best block: error"),
    broken("floors ÷ 10", rows("yardsticks", times(0.1, what="floor")), noticed="floor of a logit"),
    broken("ridge × 10⁴", rows("yardsticks", times(1e4, what="ridge")), noticed="best block/ridge"),
    broken("ridge × 2 on noisy pairs", rows("noisy", times(2, what="ridge")), noticed="noisy"),
    broken("softmax below its row means", rows("obstructed", times(0.5))),
]

test_sabotage = is_noticed(SABOTAGES)


def test_verdict():
    assert broken.evidence().verdict is Verdict.HOLDS_IF


@pytest.fixture
def tiny(monkeypatch):
    """One surface, two seeds and few steps."""
    pytest.importorskip("torch")
    original = module.configurations

    def few(run):
        found = [c for c in original(run) if c["seed"] < 2]
        return [c | {"dims": [1, 2], "widths": [4], "steps": 5} for c in found]

    monkeypatch.setattr(module, "configurations", few)
    monkeypatch.setattr(module, "_seeds", lambda run: range(2))
    monkeypatch.setattr(
        module,
        "noisy",
        lambda run: [{"target": "asymmetric", "seeds": [0, 1], "steps": 5, "blocks": [["rbf", 2]]}],
    )


def test_the_claim_at_tiny_size(tiny):
    evidence = module.transformer(Run())
    data = evidence.data
    assert json.loads(json.dumps(data["rows"])) == data["rows"]
    assert len(data["rows"]) == 2 * 2 * 2 * 2  # seeds, forms, numbers of heads, d
    assert {row["what"] for row in data["noisy"]} == {
        "ridge",
        "nuclear norm",
        "two towers",
        "block, rbf, H = 2",
    }
    assert evidence.counterexamples[0].passed  # row means are out of reach at any budget
    # An average that is computed here from the rows.
    one = data["compared"][0]
    cell = {key: one[key] for key in ("target", "kernel", "normalized", "centered")}
    mine = [r for r in data["rows"] if all(r[k] == v for k, v in cell.items())]
    logs = {h: np.mean([math.log(r["error"]) for r in mine if r["heads"] == h]) for h in (1, 4)}
    assert one["heads"]["ratio"] == pytest.approx(math.exp(logs[4] - logs[1]))
