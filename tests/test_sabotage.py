"""Each claim notices when what it is about is broken: a table without gaps."""

import pytest
import sabotage
from sabotage import Outcome, Sabotage

from verify.harness.evidence import Verdict
from verify.harness.ledger import load_claims
from verify.harness.paths import ROOT

ENTRIES = sabotage.entries()
FAST = [entry for entry in ENTRIES if entry.seconds_class == "fast"]


@pytest.mark.parametrize("entry", FAST, ids=lambda entry: f"{entry.claim}: {entry.what}")
def test_the_verdict_changes(entry):
    found = sabotage.run(entry)
    if found.skipped:
        pytest.skip("the claim's data set is not here")
    assert found.before is not found.after
    assert found.bites(entry), f"missed: {found.missed}"


def test_every_claim_is_sabotaged():
    claims = load_claims()
    assert {entry.claim for entry in ENTRIES} == set(claims)
    fast = {entry.claim for entry in FAST}
    assert set(claims) - fast == set(sabotage.SLOW_ONLY)
    assert all(sabotage.SLOW_ONLY.values())


def test_no_sabotage_is_listed_twice():
    names = [(entry.claim, entry.what) for entry in ENTRIES]
    assert len(set(names)) == len(names)


def test_the_page_has_a_row_for_each_that_changed_the_verdict():
    page = (ROOT / "docs" / "sabotage.md").read_text(encoding="utf-8")
    assert "0 not noticed" in page
    lacking = [
        (entry.claim, entry.what)
        for entry in ENTRIES
        if f"| `{entry.claim}` | {entry.what.replace('|', chr(92) + '|')} |" not in page
    ]
    assert not lacking, "docs/sabotage.md is stale: make sabotage"


@pytest.mark.parametrize(
    ("before", "after", "missed", "bites"),
    [
        (Verdict.HOLDS, Verdict.UNCONFIRMED, ("a check",), True),
        (Verdict.HOLDS, Verdict.UNCONFIRMED, ("another",), False),
        (Verdict.HOLDS, Verdict.HOLDS, (), False),
        (Verdict.UNCONFIRMED, Verdict.UNCONFIRMED, ("a check",), False),
    ],
)
def test_what_bites(before, after, missed, bites):
    entry = Sabotage("prop1.span", "nothing", lambda patch: None, noticed="a check")
    assert Outcome(before, after, missed, 0.0).bites(entry) is bites


def test_a_sabotage_that_breaks_nothing_does_not_bite():
    nothing = Sabotage("prop1.span", "nothing", lambda patch: None)
    assert not sabotage.run(nothing).bites(nothing)


def test_a_claim_made_so_small_that_it_fails_is_an_error():
    from verify.claims.prop1 import linear_space as module

    def empty(patch):
        patch.setattr(module, "greatest", lambda rows, key: float("nan"))

    with pytest.raises(AssertionError, match="made smaller, is unconfirmed"):
        sabotage.run(Sabotage("prop1.span", "no case", lambda patch: None, smaller=empty))


def test_classes_are_named():
    with pytest.raises(ValueError, match="seconds_class must be one of"):
        Sabotage("prop1.span", "nothing", lambda patch: None, "quick")
