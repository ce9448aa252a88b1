"""What a command line asks for, looked at before anything runs: claims, device, scheduler."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from verify.harness.evidence import Verdict
from verify.harness.executors import connect
from verify.harness.ledger import Claim, known_ids, load_where_possible, module_of
from verify.harness.paths import reference
from verify.harness.provenance import LOADED, installed
from verify.harness.records import accepted


class UsageError(ValueError):
    """The command line asks for what there is not."""


@dataclass(frozen=True)
class Choice:
    """The claims to compute, by id; in words, what else was asked for; and whether that matters."""

    claims: dict[str, Claim]
    notes: tuple[str, ...]
    lacks: bool
    """A claim was asked for that needs a package which is not here."""


def choose(options: argparse.Namespace, device: str) -> Choice:
    """The claims of a command line, of which no other is imported."""
    ids, named, notes = select(known_ids(), options.claims), {*options.claims}, []
    if options.device == "cuda":
        using = [name for name in ids if _uses_device(name) or name in named]
        if not using:
            raise UsageError("--device cuda: no claim that is asked for uses the device")
        if len(using) < len(ids):
            left = f"{len(ids) - len(using)} claims left out, which do not use the device"
            notes.append(f"{left}; one that is named by its id runs on the CPU")
        ids = using
    if options.missing:
        ids = [name for name in ids if not _recorded(name, device)]
    claims, lacking = load_where_possible(ids)
    notes += _told(lacking)
    if options.jobs > 1 and not installed("joblib"):
        notes.append("joblib is not installed: the sweep of a claim runs in one process")
    lacks = bool(lacking.keys() & named if options.missing else lacking)
    return Choice(claims, tuple(notes), lacks)


def _told(lacking: dict[str, str]) -> list[str]:
    needing: defaultdict[str, list[str]] = defaultdict(list)
    for name, package in lacking.items():
        needing[package].append(name)
    return [f"needs {package}, not installed: {', '.join(ids)}" for package, ids in needing.items()]


def select(known: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The ids that the patterns name: an id, the beginning of ids, or a glob; all if none."""
    ids, wanted = list(known), set()
    for pattern in patterns:
        found = {pattern} & {*ids} or {
            name for name in ids if name.startswith(pattern) or fnmatchcase(name, pattern)
        }
        if not found:
            listed = "\n  ".join(ids) or "(none)"
            raise UsageError(f"no claim {pattern!r}; the known claims are\n  {listed}")
        wanted |= found
    return [name for name in ids if name in wanted or not patterns]


def _uses_device(claim_id: str) -> bool:
    return LOADED.declares(module_of(claim_id), "on_device")


def _recorded(claim_id: str, device: str) -> bool:
    """Whether a claim has a reference record that is of now, full and of this device."""
    place = reference(device if _uses_device(claim_id) else "cpu")
    record = accepted([claim_id], place)[0].get(claim_id)
    return (
        record is not None
        and record.verdict is not Verdict.SKIPPED
        and reference(record.device) == place
        and (record.profile, record.fingerprint)
        == ("full", LOADED.fingerprint(module_of(claim_id)))
    )


def choose_device(asked: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is cuda where torch finds one."""
    if asked == "cpu":
        return asked
    found = False
    if installed("torch"):
        import torch

        found = torch.cuda.is_available()
    if asked == "cuda" and not found:
        raise UsageError("--device cuda: torch finds no CUDA device here")
    return "cuda" if found else "cpu"


def choose_scheduler(address: str) -> str:
    """The address, once a scheduler has answered there; or none."""
    if address:
        try:
            connect(address).close()
        except (ImportError, ConnectionError) as error:
            raise UsageError(str(error)) from None
    return address
