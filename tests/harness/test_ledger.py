"""The ledger: verdicts are derived, records survive the disk."""

import itertools
import json
import math

import numpy as np
import pytest

from verify.harness import ledger
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import Claim, settle
from verify.harness.paths import REFERENCE
from verify.harness.provenance import LOADED, describe_device
from verify.harness.records import Record, accepted, load_record
from verify.harness.run import Run

PASSED, MISSED = Check("good", 1.0, "<=", 2.0), Check("bad", 3.0, "<=", 2.0)
NAN = Check("nan", math.nan, "<=", 2.0)

WORDS = {"statement": "s", "source": "s", "method": "m"}


def record(evidence, claim_id="prop1.fake"):
    return settle(Claim(claim_id, "statement", "source", "method", lambda run: evidence), Run())


@pytest.mark.parametrize(
    ("value", "relation", "bound", "passed"),
    [
        (1, "<=", 1, True),
        (1, ">=", 1, True),
        (1, "<", 1, False),
        (1, ">", 1, False),
        (1, "==", 1, True),
        (2, "==", 1, False),
        (2, ">", 1, True),
        (0, "<", 1, True),
        (math.inf, "<=", 1, False),
        (1, "<=", math.inf, True),
    ],
)
def test_check_compares_value_with_bound(value, relation, bound, passed):
    assert Check("c", value, relation, bound).passed is passed


@pytest.mark.parametrize("relation", ["<=", ">=", "<", ">", "=="])
@pytest.mark.parametrize(("value", "bound"), [(math.nan, 1), (1, math.nan), (math.nan, math.nan)])
def test_nan_never_passes(value, relation, bound):
    assert not Check("c", value, relation, bound).passed


def test_check_rejects_an_unknown_relation():
    with pytest.raises(ValueError, match="relation"):
        Check("c", 1, "~", 1)


@pytest.mark.parametrize(
    ("value", "relation", "bound", "asked", "passed", "short"),
    [
        (3e-6, "<", 1e-5, 1e-6, True, True),
        (5e-7, "<", 1e-5, 1e-6, True, False),
        (1e-6, "<", 1e-5, 1e-6, True, True),
        (1e-6, "<=", 1e-5, 1e-6, True, False),
        (2e-5, "<", 1e-5, 1e-6, False, False),
        (2, ">=", 2, 16, True, True),
        (16, ">=", 2, 16, True, False),
        (1, ">=", 2, 16, False, False),
        (math.nan, "<=", 2, 1, False, False),
    ],
)
def test_a_bound_that_was_asked_decides_nothing_and_stays_in_sight(
    value, relation, bound, asked, passed, short
):
    check = Check("c", value, relation, bound, asked=asked)
    assert (check.passed, check.short) == (passed, short)
    assert ("asked" in str(check)) is short
    evidence = Evidence(checks=(check, PASSED))
    assert evidence.verdict is (Verdict.HOLDS if passed else Verdict.UNCONFIRMED)
    told = f"to {bound:g}, {asked:g} asked (c: {value:.3g})"
    assert evidence.reservation == (told if short else "")
    refuted = Evidence(counterexamples=(check,))
    assert refuted.reservation == evidence.reservation


@pytest.mark.parametrize(
    ("relation", "bound", "asked"),
    [("<=", 1, 1), ("<", 1, 2), (">=", 1, 0.5), (">", 1, 1), ("==", 1, 0), ("<", 1, math.nan)],
)
def test_asked_is_stricter_than_the_bound(relation, bound, asked):
    with pytest.raises(ValueError, match="asked must be stricter than the bound"):
        Check("c", 0, relation, bound, asked=asked)


# For checks and counterexamples alike: none, all passed, one missed, one NaN.
GROUPS = {"none": (), "all": (PASSED, PASSED), "missed": (PASSED, MISSED), "nan": (PASSED, NAN)}
DECIDED = {
    ("all", "none", False): Verdict.HOLDS,
    ("all", "none", True): Verdict.HOLDS,
    ("none", "all", False): Verdict.FAILS,
    ("none", "all", True): Verdict.FAILS,  # nothing was checked under the condition
    ("all", "all", False): Verdict.FAILS,
    ("all", "all", True): Verdict.HOLDS_IF,
}


@pytest.mark.parametrize("skipped", [False, True])
@pytest.mark.parametrize("combination", [*itertools.product(GROUPS, GROUPS, [False, True])])
def test_verdict_table(combination, skipped):
    checks, counterexamples, condition = combination
    evidence = Evidence(
        checks=GROUPS[checks],
        counterexamples=GROUPS[counterexamples],
        condition="x > 0" if condition else "",
        skipped="no data" if skipped else "",
    )
    expected = DECIDED.get(combination, Verdict.UNCONFIRMED)
    assert evidence.verdict is (Verdict.SKIPPED if skipped else expected)


def test_evidence_of_nothing_confirms_nothing():
    assert Evidence().verdict is Verdict.UNCONFIRMED


def test_record_round_trip():
    evidence = Evidence(
        checks=(Check("inf", math.inf, ">", 1), Check("numpy", np.float32(0.5), "<", 1), NAN),
        counterexamples=(MISSED, Check("short", 3.0, "<=", 4.0, asked=2.0)),
        condition="μ ≠ 0",
        data={
            "array": np.arange(4.0).reshape(2, 2),
            "scalars": [np.int64(3), np.bool_(True), np.float64(-math.inf), math.nan],
            "nested": {"a": (1, 2), 3: None},
        },
    )
    first = record(evidence)
    again = Record.from_json(first.to_json())
    assert again.to_json() == first.to_json()
    assert again.verdict is Verdict.UNCONFIRMED
    assert again.evidence.checks[:2] == evidence.checks[:2]
    assert math.isnan(again.evidence.checks[2].value)
    assert again.evidence.counterexamples == evidence.counterexamples
    assert again.evidence.data == {
        "array": [[0.0, 1.0], [2.0, 3.0]],
        "scalars": [3, True, "-inf", "nan"],
        "nested": {"a": [1, 2], "3": None},
    }
    json.loads(first.to_json(), parse_constant=pytest.fail)  # strict JSON: no bare NaN


def test_record_keeps_the_circumstances():
    found = record(Evidence(checks=(PASSED,)))
    assert (found.profile, found.seed, found.verdict) == ("quick", 0, Verdict.HOLDS)
    assert found.fingerprint == LOADED.fingerprint(__name__)
    assert found.device == describe_device("cpu")
    assert {"python", "numpy", "torch"} <= found.versions.keys()


def test_save_is_atomic(tmp_path, monkeypatch):
    old, new = record(Evidence(checks=(PASSED,))), record(Evidence(checks=(MISSED,)))
    path = old.save(tmp_path)
    text = path.read_text(encoding="utf-8")

    def cut_short(self, target):
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", cut_short)
        with pytest.raises(OSError, match="power cut"):
            new.save(tmp_path)
    assert path.read_text(encoding="utf-8") == text
    new.save(tmp_path)
    assert load_record("prop1.fake", tmp_path).verdict is Verdict.UNCONFIRMED
    assert [entry.name for entry in tmp_path.iterdir()] == ["prop1.fake.json"]


def test_a_claim_is_the_file_that_it_is_in(monkeypatch):
    monkeypatch.setattr(ledger, "CLAIMS", {})

    def first(run):
        return Evidence()

    def second(run):
        return Evidence()

    for function in (first, second):
        function.__module__ = "verify.claims.prop1.fake"
    ledger.claim(**WORDS, scope="n ≤ 40")(first)
    assert list(ledger.CLAIMS) == ["prop1.fake"]
    assert ledger.CLAIMS["prop1.fake"].scope == "n ≤ 40"
    with pytest.raises(ValueError, match="more claims than one"):
        ledger.claim(**WORDS)(second)
    second.__module__ = "verify.studies.fake"
    with pytest.raises(ValueError, match=r"a file under verify\.claims"):
        ledger.claim(**WORDS)(second)


@pytest.mark.parametrize(
    ("name", "figures", "message"),
    [
        ("lemma9.fake", {}, "begins with"),
        *((f"prop1{end}", {}, "two words") for end in ("", ".", ".a/b", ".a b", "..a", ".a.b")),
        ("prop1.fake", {"shown_in": "lemma9.fake"}, "begins with"),
        ("prop1.fake", {"shown_in": "prop1.a/b"}, "two words"),
        ("prop1.fake", {"shown_in": "thm2.a", "no_figure": "why"}, "says that no figure does"),
    ],
)
def test_names_that_are_none_of_a_file(name, figures, message):
    with pytest.raises(ValueError, match=message):
        Claim(name, **WORDS, compute=lambda run: Evidence(), **figures)


def test_every_universal_claim_says_what_was_checked():
    checked = [c for c in ledger.load_claims().values() if c.id.startswith(("prop1", "thm2"))]
    assert [c.id for c in checked if not c.scope] == []


def test_every_claim_has_a_title_and_a_finding_for_what_was_found():
    claims = ledger.load_claims()
    assert len({claim.title for claim in claims.values()} - {""}) == len(claims)
    assert [name for name, claim in claims.items() if set(claim.finding) - set(Verdict)] == []
    records, refused = accepted(claims, REFERENCE)
    assert not refused
    computed = {n: r.verdict for n, r in records.items() if r.verdict is not Verdict.SKIPPED}
    assert [
        name for name, verdict in computed.items() if not claims[name].finding_of(verdict)
    ] == []
    for claim in claims.values():
        for finding in claim.finding.values():
            assert finding.endswith(".")
            assert len(finding) <= 160


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"title": "x" * 61}, "title of prop1.fake must have at most 60 characters, got 61"),
        ({"origin": "folklore"}, "origin of prop1.fake must be one of .* got 'folklore'"),
    ],
)
def test_titles_and_origins_that_are_none(words, message):
    with pytest.raises(ValueError, match=message):
        Claim("prop1.fake", **WORDS, compute=lambda run: Evidence(), **words)


def test_every_claim_is_found_under_its_topic():
    claims = ledger.load_claims()
    for topic in {ledger.topic_of(claim_id) for claim_id in claims}:
        expected = [claim_id for claim_id in claims if ledger.topic_of(claim_id) == topic]
        assert list(ledger.load_claims(topic)) == expected


@pytest.mark.parametrize("extreme", [greatest, least])
@pytest.mark.parametrize("where", [0, 1, 2])
def test_nan_is_the_extreme_wherever_it_stands(extreme, where):
    numbers = [1.0, 2.0, 3.0]
    numbers[where] = math.nan
    rows = [{"a": number, "b": (0.0, number)} for number in numbers]
    for found in (
        extreme(numbers),
        extreme(*numbers),
        extreme(iter(numbers)),
        extreme(rows, key="a"),
        extreme(rows, key="b"),
    ):
        assert math.isnan(found)


def test_nothing_to_check_is_not_met():
    for reduced in (greatest, least):
        assert np.isnan(reduced([]))
        assert np.isnan(reduced((row for row in ()), key="value"))
        assert not Check("", reduced([]), "<=", 1.0).passed
        assert not Check("", reduced([]), ">=", 1.0).passed


def test_the_greatest_and_the_least_number():
    rows = [{"a": 2, "b": np.array([0.0, 5.0])}, {"a": -1.0, "b": [3.0, -4.0]}]
    assert (greatest(1, 3.0, 2), least([1, 3.0, 2])) == (3.0, 1.0)
    assert (greatest(rows, key="a"), least(rows, key="a")) == (2.0, -1.0)
    assert (greatest(rows, key="b"), least(rows, key="b")) == (5.0, -4.0)


def test_run_is_reproducible_and_reports_progress():
    seen = []
    run = Run(seed=3, report=lambda *step: seen.append(step))
    assert run.rng.random() == Run(seed=3).rng.random()
    assert run.pick(1, 2) == 1
    assert Run("full").pick(1, 2) == 2
    assert list(run.progress("ab", "letters")) == ["a", "b"]
    assert seen == [(0, 2, "letters"), (1, 2, "letters"), (2, 2, "letters")]
    with pytest.raises(ValueError, match="profile"):
        Run("huge")
