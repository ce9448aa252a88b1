"""sec5.recall: its verdict, and what changes it."""

import dataclasses
import math

import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, in_short, returned, swept_once

from rkbs.kernels import CappedEDP, ExponentiatedIntersection, KeyNormBias
from verify.claims.sec5 import recall as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.studies import recall as study

trained_once = swept_once(module)


def rows(change):
    """Rows of the heads, changed."""
    return returned(module, "recalled", lambda found: [row | change(row) for row in found])


def times(factor, column, **where):
    """A column of some rows, multiplied."""

    def change(row):
        mine = all(row[key] == value for key, value in where.items())
        return {column: [factor * value for value in row[column]]} if mine else {}

    return rows(change)


def laws(**changes):
    """Contestants that theory says something else of."""
    others = {
        name: dataclasses.replace(contestant, **changes)
        for name, contestant in study.CONTESTANTS.items()
    }
    return constants(study, CONTESTANTS=others)


SHORT = {3: 2}
broken = Subject("sec5.recall", in_short(SHORT, trained_once))
retrained = Subject("sec5.recall", kind="slow")
SABOTAGES = [
    broken("D = 2 for all", laws(features=lambda d: 2), noticed="R − the least bound"),
    broken("M = d for all", laws(squares=lambda d: d), noticed="Σ A_ii"),
    broken("all are distances", laws(metric=True), noticed="Σ A_ii"),
    broken("logits in an interval of length 1", laws(spread=1.0), noticed="Σ A_ii"),
    broken("accuracies × 0.9", times(0.9, "accuracy"), noticed="enumerated"),
    broken("T4's accuracies × 0.7", times(0.7, "accuracy", kernel="T4"), noticed="T4"),
    broken("EDP's R on the line doubled", times(2, "selected", kernel="EDP", d=1), noticed="d = 1"),
    broken(
        "one key fewer selected",
        rows(lambda r: {"selected": [max(count - 1, 0) for count in r["selected"]]}),
        noticed="T2",
    ),
    broken(
        "self-weights × 1.5",
        times(1.5, "self_weight"),
        noticed="Σ A_ii",
    ),
    broken(
        "EI := exp max",
        constants(
            ExponentiatedIntersection,
            log_formula=lambda self, x, y: -(x[..., :, None, :] - y[..., None, :, :]).amin(-1),
        ),
        noticed="antidiagonal",
    ),
    retrained(
        "no cap on the logits",
        constants(CappedEDP, log_formula=lambda self, x, y: x @ y.mT / math.sqrt(x.shape[-1])),
        noticed="capped",
    ),
    retrained(
        "no key-norm bias",
        attribute(KeyNormBias, "_bias", lambda f: lambda self, x, y: 0 * f(self, x, y)),
        noticed="key-norm",
    ),
    retrained(
        "accuracies of other keys' values",
        returned(study, "exact_accuracy", lambda accuracy: accuracy / 2),
        noticed="enumerated",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_rank_correlation():
    assert module.rank_correlation([1.0, 2.0, 3.0], [1.0, 5.0, 7.0]) == pytest.approx(1)
    assert module.rank_correlation([1.0, 2.0, 3.0], [3.0, 2.0, math.inf]) == pytest.approx(0.5)
    tied = module.rank_correlation([1.0, 2.0, 2.0, 3.0], [1.0, 3.0, 3.0, 2.0])
    assert tied == pytest.approx(1 / 3)


def test_finite():
    assert module.finite(math.inf) is None
    assert module.finite(6.0) == 6


def test_a_full_run_has_all_contestants_in_three_dimensions():
    cells = module.configurations(Run("full"))
    assert len(cells) == 3 * len(study.CONTESTANTS) == 45
    assert {tuple(c["sizes"]) for c in cells} == {(4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 24)}
    assert {c["seeds"] for c in cells} == {5}
