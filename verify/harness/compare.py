"""How the verdicts of a run stand to the reference records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from verify.harness.evidence import Verdict
from verify.harness.paths import reference
from verify.harness.records import Record, accepted


def compare(
    records: Mapping[str, Record], references: Callable[[str], Path] = reference
) -> tuple[dict[str, str], list[str]]:
    """How each verdict stands to its reference record, in words, and the claims that differ.

    ``references`` gives the folder of a device's: each record is compared with its own device's. A
    claim skipped for a missing data set, now or then, does not differ.
    """
    notes, differences = {}, []
    for claim_id, record in records.items():
        found, refused = accepted([claim_id], references(record.device))
        recorded = found.get(claim_id)
        if refused:
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
