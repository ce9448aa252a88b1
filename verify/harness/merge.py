"""Records that travel: all of a run in one file, and into the reference records elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from verify.harness.evidence import Verdict
from verify.harness.ledger import known_ids, module_of
from verify.harness.paths import reference
from verify.harness.provenance import LOADED
from verify.harness.records import Record, RecordError, write_atomically

FILE = "records.json"
"""The name of the file in a folder of results: no claim's, whose ids have a dot."""


def gather(records: Iterable[Record], folder: Path) -> Path:
    """Write the records that ``merge`` would take to one file in a folder, as a JSON list."""
    texts = [record.to_json() for record in records if record.verdict is not Verdict.SKIPPED]
    write_atomically(folder / FILE, "[{}]\n".format(",\n".join(texts)))
    return folder / FILE


def merge(path: Path, tell: Callable[[str], None]) -> bool:
    """Save the records of a file as reference records, each of its device; whether all were.

    A file holds a list of records, or one. ``tell`` is told of each what became of it.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        tell(f"{path} is refused: {error.strerror or error}")
        return False
    except (ValueError, RecursionError) as error:
        tell(f"{path} is refused: it is no JSON ({error})")
        return False
    entries = found if isinstance(found, list) else [found]
    saved: set[Path] = set()
    for number, entry in enumerate(entries):
        try:
            record = Record.from_entries(entry)
            place = _place(record)
            if place in saved:
                raise RecordError(f"the file has one of {record.device} already")
            _save(record, place)
        except RecordError as error:
            tell(f"{_name(entry, number)} is refused: {error}")
        else:
            saved.add(place)
            tell(f"{record.claim}: {record.verdict} on {record.device}, saved as {place}")
    return len(saved) == len(entries)


def _place(record: Record) -> Path:
    """Where a reference record belongs; RecordError for what is none of these sources."""
    if record.claim not in known_ids():
        raise RecordError("there is no such claim here")
    module = module_of(record.claim)
    kind = record.device.partition(":")[0]
    if record.profile != "full":
        raise RecordError(f"it is of --profile {record.profile}; reference records are full")
    if record.fingerprint != LOADED.fingerprint(module):
        raise RecordError("it is stale: other sources than the present ones made it")
    if record.verdict is Verdict.SKIPPED:
        raise RecordError(f"nothing was computed: {record.evidence.skipped}")
    if kind not in ("cpu", "cuda"):
        raise RecordError(f"its device is {record.device!r}, neither a CPU nor a CUDA device")
    if kind == "cuda" and not LOADED.declares(module, "on_device"):
        raise RecordError(f"the claim does not use the device, which was {record.device!r}")
    return reference(kind) / f"{record.claim}.json"


def _save(record: Record, place: Path) -> None:
    try:
        record.save(place.parent)
    except (OSError, ValueError) as error:  # text that is no UTF-8 is a ValueError
        raise RecordError(f"{place} cannot be written ({error})") from error


def _name(entry: Any, number: int) -> str:
    named = isinstance(entry, dict) and isinstance(entry.get("claim"), str)
    return entry["claim"] if named else f"entry {number + 1} of the file"
