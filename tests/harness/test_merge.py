"""Which reference records are missing, and which of another machine are taken."""

import argparse
import json
from dataclasses import replace

import pytest

from verify.harness import choice, merge
from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.ledger import Claim, module_of, settle
from verify.harness.provenance import LOADED
from verify.harness.records import Record
from verify.harness.run import Run

NAME, OTHER = "thm2.positive", "thm1.separable_gap"
"""Of this repository: one uses the device, one does not."""
GOOD = Check("good", 1.0, "<=", 2.0)
FINE = Evidence(checks=(GOOD,))


def record_of(name=NAME, **changes):
    """A record as these sources make it."""
    fake = Claim(name, "", "", "", lambda run: FINE)
    fingerprint = LOADED.fingerprint(module_of(name))
    made = replace(settle(fake, Run("full")), fingerprint=fingerprint, device="cuda: Fake")
    return replace(made, **changes)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Reference records that are nobody's, where these functions look for them."""

    def place(device):
        return tmp_path / ("cuda" if device.startswith("cuda") else "cpu")

    monkeypatch.setattr(choice, "reference", place)
    monkeypatch.setattr(merge, "reference", place)
    return tmp_path


def chosen(*claims):
    options = argparse.Namespace(claims=claims, device="cuda", missing=True, jobs=1)
    return [*choice.choose(options, "cuda").claims]


NOT_CURRENT = {
    "quick": {"profile": "quick"},
    "stale": {"fingerprint": "0" * 16},
    "skipped": {"evidence": Evidence(skipped="no data"), "verdict": Verdict.SKIPPED},
    "refused": {"verdict": Verdict.FAILS},
    "another device": {"device": "cpu: x86_64"},
}


@pytest.mark.parametrize("name", NOT_CURRENT)
def test_what_is_no_current_record_is_missing(name, places):
    assert chosen(NAME) == [NAME]
    record_of().save(places / "cpu")  # of another device
    assert chosen(NAME) == [NAME]
    record_of().save(places / "cuda")
    assert chosen(NAME) == []
    record_of(**NOT_CURRENT[name]).save(places / "cuda")
    assert chosen(NAME) == [NAME]


def test_missing_is_asked_of_each_device(places):
    record_of(OTHER, device="cpu: x86_64").save(places / "cuda")
    assert chosen(OTHER, NAME) == [OTHER, NAME]
    record_of(OTHER, device="cpu: x86_64").save(places / "cpu")
    assert chosen(OTHER, NAME) == [NAME]


# ---- what comes home


def entries_of(record):
    return json.loads(record.to_json())


REFUSED = {
    **{
        f"{word}": (entries_of(record_of(**NOT_CURRENT[word])), said)
        for word, said in {
            "quick": "of --profile quick; reference records are full",
            "stale": "it is stale",
            "skipped": "nothing was computed: no data",
            "refused": "a verdict is never written by hand",
        }.items()
    },
    "unknown": (entries_of(record_of()) | {"claim": "thm2.unknown"}, "no such claim here"),
    "another machine": (entries_of(record_of(device="tpu: v4")), "its device is 'tpu: v4'"),
    "not on a GPU": (entries_of(record_of(OTHER)), "does not use the device, which was 'cuda"),
    "twice": (entries_of(record_of()), "the file has one of cuda: Fake already"),
    "cut": ({"claim": NAME}, "it is no record of this version (KeyError: 'evidence')"),
    "a word": ("record", "entry 2 of the file is refused: it is no record"),
    "no text": (
        entries_of(record_of(OTHER, device="cpu: \ud800")),
        "cannot be written ('utf-8' codec can't encode",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_belong_is_refused_and_the_others_merged(name, places):
    entry, message = REFUSED[name]
    told, path = [], places / "records.json"
    good = record_of("thm2.limit") if name != "twice" else record_of()
    also = record_of(OTHER, device="cpu: x86_64")
    path.write_text(json.dumps([entries_of(good), entry, entries_of(also)]))
    assert not merge.merge(path, told.append)
    assert message in told[1]
    if isinstance(entry, dict):
        assert told[1].startswith(f"{entry['claim']} is refused: ")
    saved = {p.relative_to(places) for p in places.glob("*/*")}
    assert {str(p) for p in saved} == {f"cuda/{good.claim}.json", f"cpu/{OTHER}.json"}
    home = (places / "cuda" / f"{good.claim}.json").read_text()
    assert Record.from_json(home) == good


DAMAGED = {
    "cut": (b'[{"claim": "thm2', "it is no JSON"),
    "not UTF-8": (b"\xff\xfe", "it is no JSON"),
    "brackets without end": (b"[" * 200_000, "it is no JSON"),
    "a number": (b"3", "entry 1 of the file is refused: it is no record"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_file_that_holds_no_records_is_refused(name, places):
    content, message = DAMAGED[name]
    told = []
    (places / "records.json").write_bytes(content)
    assert not merge.merge(places / "records.json", told.append)
    assert message in "".join(told)
    assert not list(places.glob("*/*"))


def test_one_record_and_none_are_merged_too(places):
    path, told = record_of().save(places / "there"), []
    assert merge.merge(path, told.append)
    assert (places / "cuda" / path.name).read_text() == path.read_text()
    none = merge.gather([record_of(**NOT_CURRENT["skipped"])], places / "there")
    assert merge.merge(none, told.append)
    assert len(told) == 1
    (places / "cuda" / path.name).unlink()
    (places / "cuda" / path.name).mkdir()
    assert not merge.merge(path, told.append)
    assert "cannot be written" in told[-1]
