"""Records: finished claims on disk, as JSON, believed only where they agree with themselves."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verify.harness import compact
from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.run import PROFILES

_ATTEMPTS = 5
_KINDS = {
    **dict.fromkeys(("claim", "profile", "device", "date", "fingerprint"), str),
    "seed": int,
    "seconds": (int, float),
    "versions": dict,
}
_NOT_A_RECORD = (
    *(ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError),  # of integers beyond float, and of brackets without end
)
_KINDS_OF_EVIDENCE = {"condition": str, "skipped": str, "data": dict}


class RecordError(ValueError):
    """A record is there, and cannot be read or contradicts itself."""


@dataclass(frozen=True)
class Record:
    """A finished claim with the circumstances of its computation."""

    claim: str
    verdict: Verdict
    evidence: Evidence
    profile: str
    device: str
    seed: int
    seconds: float
    date: str
    versions: dict[str, str]
    fingerprint: str

    def to_json(self) -> str:
        """The record as JSON text; NaN and infinity become strings, equal rows a table."""
        entries = plain(asdict(self))
        entries["evidence"]["data"] = compact.tabulated(entries["evidence"]["data"])
        return compact.to_text(entries)

    @staticmethod
    def from_json(text: str) -> Record:
        """The record from its JSON text.

        Raises
        ------
        RecordError
            For what is no record, or has a verdict that its own evidence does not give.
        """
        try:
            raw = json.loads(text)
        except _NOT_A_RECORD as error:
            raise _no_record(error) from error
        return Record.from_entries(raw)

    @staticmethod
    def from_entries(raw: Any) -> Record:
        """The record from what ``json.loads`` gives for its text, which this changes.

        Raises
        ------
        RecordError
            As of ``from_json``.
        """
        try:
            found = raw["evidence"]
            for name in ("checks", "counterexamples"):
                for entry in found[name]:
                    _check_kinds(entry, {"name": str})
                found[name] = tuple(Check(**entry) for entry in found[name])
            _check_kinds(found, _KINDS_OF_EVIDENCE)
            found["data"] = compact.spelled_out(found["data"])
            verdict, evidence = Verdict(raw["verdict"]), Evidence(**found)
            record = Record(**{**raw, "verdict": verdict, "evidence": evidence})
            _check_kinds(raw, _KINDS)
            if record.profile not in PROFILES:
                raise ValueError(f"profile {record.profile!r} is none of {PROFILES}")
        except _NOT_A_RECORD as error:
            raise _no_record(error) from error
        if verdict is not evidence.verdict:
            raise RecordError(
                f"its verdict is {verdict.value!r}, but its evidence says "
                f"{evidence.verdict.value!r}: a verdict is never written by hand"
            )
        return record

    def save(self, folder: Path) -> Path:
        """Write atomically to ``folder/<claim>.json``."""
        path = folder / f"{self.claim}.json"
        write_atomically(path, self.to_json() + "\n")
        return path


def _no_record(error: Exception) -> RecordError:
    return RecordError(f"it is no record of this version ({type(error).__name__}: {error})")


def _check_kinds(entries: dict[str, Any], kinds: dict[str, Any]) -> None:
    for name, kind in kinds.items():
        if not isinstance(entries[name], kind):
            raise TypeError(f"{name} is {entries[name]!r:.50}")


def write_atomically(path: Path, text: str) -> None:
    """Write a file, and its folder: a reader sees all of it or nothing, whoever else writes it."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")  # of no other thread, nor host
    for attempt in range(_ATTEMPTS):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(path)
            return
        except FileNotFoundError:  # another run has just cleared the folder
            if attempt == _ATTEMPTS - 1:
                raise
        finally:
            part.unlink(missing_ok=True)


def load_record(claim_id: str, folder: Path) -> Record | None:
    """The record of a claim in a folder, or None where there is none.

    Raises
    ------
    RecordError
        Where there is something that cannot be read, contradicts itself, or is of another claim.
    """
    path = folder / f"{claim_id}.json"
    try:
        record = Record.from_json(path.read_text(encoding="utf-8"))
        if record.claim != claim_id:
            raise RecordError(f"it is the record of {record.claim!r}")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{path} is refused: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path} is refused: it is not UTF-8 ({error.reason})") from error
    except RecordError as error:
        raise RecordError(f"{path} is refused: {error}") from error.__cause__
    return record


def accepted(claim_ids: Iterable[str], folder: Path) -> tuple[dict[str, Record], dict[str, str]]:
    """The records in a folder, and why the others that are there are refused, by claim id."""
    records, refused = {}, {}
    for claim_id in claim_ids:
        try:
            record = load_record(claim_id, folder)
        except RecordError as error:
            refused[claim_id] = str(error)
        else:
            if record:
                records[claim_id] = record
    return records, refused


def plain(value: Any) -> Any:
    """``value`` in JSON's types; numbers that are not finite become strings."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # arrays and scalars of numpy, tensors of torch
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
