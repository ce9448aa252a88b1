"""Findings of any declaration: one contrast asked twice, what is told of runs, what is unsound."""

import math

import numpy as np
import pytest

from verify.studies.declared import digest
from verify.studies.findings import Runs, judged, soundness

DECLARED = {
    "kernels": ["a", "b"],
    "differences": [["b", "a", 2]],
    "equivalences": [["b", "a", 2]],
    "margin": 1.0,
    "level": 0.05,
    "power": 0.8,
}


def found(shift, seeds=8):
    """Outcomes of b that are above those of a by a shift ± 0.1."""
    a = np.linspace(-3, 2, seeds)
    b = a + shift + 0.1 * (-1) ** np.arange(seeds)
    return {("a", 2): dict(enumerate(a.tolist())), ("b", 2): dict(enumerate(b.tolist()))}


@pytest.mark.parametrize(
    ("shift", "verdicts"),
    [
        (0.0, ["undecided", "holds"]),
        (0.6, ["holds", "holds"]),  # more, and within the margin
        (3.0, ["holds", "different"]),
        (-3.0, ["reversed", "different"]),
    ],
)
def test_of_the_same_two_a_difference_and_an_equivalence_are_told_apart(shift, verdicts):
    rows = judged(DECLARED, found(shift), found(0, seeds=2))
    assert [row["verdict"] for row in rows] == verdicts
    assert [row["name"] for row in rows] == ["b − a, d = 2", "b ≈ a, d = 2"]
    assert rows[0]["mean"] == rows[1]["mean"]


def test_differences_alone_need_neither_a_margin_nor_pilots():
    declared = {**DECLARED, "equivalences": []}
    del declared["margin"], declared["power"]
    (row,) = judged(declared, found(3.0), {})
    assert (row["verdict"], row["kind"]) == ("holds", "differences")


def cell(kernel, seed, **changes):
    result = {
        "declared": digest(DECLARED),
        "complete": True,
        "outcome": seed + (kernel == "b"),
        "judged": 10,
        "batches": f"{seed}",
        "curve": [seed, 2 * seed],
        "share": 0.5 * seed,
    }
    return {"kernel": kernel, "d": 2, "seed": seed}, result | changes


def runs(*pairs, **options):
    cells, results = zip(*pairs, strict=True)
    return Runs(DECLARED, cells, results, **options)


def test_what_is_told_of_runs():
    some = runs(*(cell(kernel, seed) for kernel in "ab" for seed in (1, 2)))
    assert some.found == {("a", 2): {1: 1, 2: 2}, ("b", 2): {1: 2, 2: 3}}
    assert some.mean("share", "a", 2) == 0.75
    assert some.curves()[0] == {"kernel": "a", "d": 2, "loss": [1.5, 3.0]}
    assert some.told()[3] == {
        "kernel": "b",
        "d": 2,
        "seed": 2,
        "declared": digest(DECLARED),
        "outcome": 3,
        "batches": "2",
    }
    assert [row["kind"] for row in some.judged()] == ["differences", "equivalences"]


def test_runs_that_were_cut_short_are_judged_by_no_hypothesis():
    some = runs(*(cell(k, s, complete=False) for k in "ab" for s in (1, 2)), whole=False)
    assert some.judged() == []
    assert some.found[("b", 2)] == {1: 2, 2: 3}
    assert all(check.passed for check in soundness(some, "tokens"))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"declared": "another"}, "another declaration"),
        ({"complete": False}, "another length"),
        ({"batches": "others"}, "different batches"),
        ({"judged": 9}, "judged tokens"),
        ({"judged": math.nan}, "judged tokens"),
    ],
)
def test_what_is_unsound_is_named_in_runs_and_in_pilots(changes, missed):
    whole = [cell("a", 1), cell("b", 1)]
    cells, results = zip(cell("a", 7), cell("b", 7, **changes), strict=True)
    for some in (
        runs(cell("a", 1), cell("b", 1, **changes)),
        runs(*whole, tried=cells, trials=results),
    ):
        (name,) = [check.name for check in soundness(some, "tokens") if not check.passed]
        assert missed in name
    assert all(check.passed for check in soundness(runs(*whole), "tokens"))
