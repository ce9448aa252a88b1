"""Each claim notices when what it is about is broken: a table without gaps.

Of the entries themselves, the fast ones, the test files of the claims are the tests.
"""

from functools import cache

import pytest
import sabotage
from sabotage import Outcome, Sabotage

from verify.claims.prop1 import linear_space
from verify.harness.evidence import Verdict
from verify.harness.ledger import known_ids
from verify.harness.paths import ROOT

entries = cache(sabotage.entries)


def test_every_claim_is_sabotaged_in_its_own_file():
    fast = {entry.claim for entry in entries() if entry.seconds_class == "fast"}
    assert set(known_ids()) - fast == set(sabotage.SLOW_ONLY)
    assert all(sabotage.SLOW_ONLY.values())
    for file in sabotage.files():
        _, topic, name = file.removesuffix(".py").split("/")
        found = sabotage.modules.load(file)
        assert {entry.claim for entry in found.SABOTAGES} == {f"{topic}.{name[5:]}"}
        assert hasattr(found, "test_verdict"), file
        assert hasattr(found, "test_sabotage") or f"{topic}.{name[5:]}" in sabotage.SLOW_ONLY


def test_no_sabotage_is_listed_twice():
    names = [(entry.claim, entry.what) for entry in entries()]
    assert len(set(names)) == len(names)


def test_the_page_has_a_row_for_each_that_changed_the_verdict():
    page = (ROOT / "docs" / "sabotage.md").read_text(encoding="utf-8")
    assert "0 not noticed" in page
    lacking = [
        (entry.claim, entry.what)
        for entry in entries()
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
    with pytest.raises(AssertionError):
        sabotage.is_noticed([nothing])(nothing)


def test_a_claim_made_so_small_that_it_fails_is_an_error():
    def empty(patch):
        patch.setattr(linear_space, "greatest", lambda *values, key="": float("nan"))

    entry = Sabotage("prop1.linear_space", "no case", lambda patch: None, smaller=empty)
    with pytest.raises(AssertionError, match="made smaller, is unconfirmed"):
        sabotage.run(entry)
    with pytest.raises(AssertionError):
        sabotage.Subject("prop1.linear_space", empty).ends_in(Verdict.FAILS)(0)


def test_classes_are_named():
    with pytest.raises(ValueError, match="seconds_class must be one of"):
        Sabotage("prop1.span", "nothing", lambda patch: None, "quick")
