"""thm2.positive: its verdict, what changes it, and its bound, by hand and on dense grids."""

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, fewer_steps, returned, several, without_outputs

from rkbs.approximation import TARGETS
from verify.claims.thm2 import positive as module
from verify.harness.evidence import Verdict
from verify.studies import positive_heads
from verify.studies.positive_heads import SIGNED

FEW = several(constants(module, SIGNED=("asymmetric",), DIMS=(1, 8, 16)), fewer_steps(module, 250))
broken = Subject("thm2.positive", FEW, "slow")
SABOTAGES = [
    broken("exp := the identity", constants(module, through_exp=lambda h: h), "fast", "κ* > 0"),
    broken(
        "exp × 0.9",
        attribute(module, "through_exp", lambda f: lambda h: lambda t, s: 0.9 * f(h)(t, s)),
        noticed="κ* > 0",
    ),
    broken("the bound × 1.1", returned(module, "bounds", lambda found: [1.1 * b for b in found])),
    broken("the bound × 0.9", returned(module, "bounds", lambda found: [0.9 * b for b in found])),
    broken(
        "trained heads zero",
        returned(module, "by_adam", lambda heads: list(map(without_outputs, heads))),
    ),
    broken(
        "the positive part for the negative",
        attribute(
            positive_heads,
            "negative_part",
            lambda f: lambda target: f(lambda t, s: -target(t, s)),
        ),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF)
test_sabotage = is_noticed(SABOTAGES)


def failed(checks):
    return [check.name for check in checks if not check.passed]


@pytest.mark.parametrize("name", SIGNED)
def test_no_positive_function_passes_the_bound(name):
    def positive_part(t, s):
        return np.maximum(TARGETS[name](t, s), 1e-300)

    def wild(t, s):
        return np.exp(rng.normal(scale=3, size=(len(t), len(s))))

    rng = np.random.default_rng(0)
    for function in (positive_part, wild):
        row = module.measure(TARGETS[name], function, 1, 101)
        assert max(module.deficits([row])) <= 1e-12
    nearest = module.measure(TARGETS[name], positive_part, 1, 101)
    assert nearest["error"] == pytest.approx(nearest["bound"], rel=1e-12)


def test_a_linear_head_is_no_exp_head():
    rows = broken.evidence().data["rows"]
    wrong = [{**row, "kind": "exp, cut"} if row["kind"] == "linear" else row for row in rows]
    wrong += [row for row in rows if row["kind"] == "linear"]
    names = failed(module._refutation(wrong))
    assert len(names) == 2
    assert all(name.startswith("e^h, signed κ*") for name in names)


def test_zeros_are_no_trained_heads():
    data = broken.evidence().data
    zero = [
        {**row, "error": row["norm"]} if row["kind"] == "exp, trained" else row
        for row in data["rows"]
    ]
    assert len(failed(module._confirmation(zero, data["positive"]))) == 1
