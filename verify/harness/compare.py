"""How the verdicts of a run stand to the reference records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from verify.harness.evidence import Verdict
from verify.harness.paths import REFERENCE, reference
from verify.harness.records import Record, accepted


def compare(
    records: Mapping[str, Record], reference: Path = REFERENCE
) -> tuple[dict[str, str], list[str]]:
    """How each verdict stands to its reference record, in words, and the claims that differ.

    A claim skipped for a missing data set, now or then, does not differ.
    """
    notes, differences = {}, []
    references, refused = accepted(records, reference)
    for claim_id, record in records.items():
        recorded = references.get(claim_id)
        if claim_id in refused:
            notes[claim_id] = "record refused"
            differences.append(claim_id)
        elif record.verdict is Verdict.SKIPPED:
            notes[claim_id] = "not compared: skipped"
        elif recorded is None:
            notes[claim_id] = "no record"
            differences.append(claim_id)
        elif recorded.verdict is Verdict.SKIPPED:
            notes[claim_id] = "recorded as skipped"
        elif recorded.verdict is record.verdict:
            notes[claim_id] = "as recorded"
        else:
            notes[claim_id] = f"differs: recorded as {recorded.verdict}"
            differences.append(claim_id)
    return notes, differences


def compare_by_device(records: Mapping[str, Record]) -> tuple[dict[str, str], list[str]]:
    """``compare``, each record with the references of its own device."""
    notes, differences = {}, []
    for claim_id, record in records.items():
        note, differing = compare({claim_id: record}, reference(record.device))
        notes |= note
        differences += differing
    return notes, differences
