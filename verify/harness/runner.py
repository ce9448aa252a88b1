"""The command line of the verification: choose claims, compute or keep them, show, compare."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from rich.console import Console

from verify.harness import ledger
from verify.harness.display import Display, summary
from verify.harness.display import make_console as standard_output
from verify.harness.evidence import Verdict
from verify.harness.executors import connect
from verify.harness.figures import draw_figures, figures_of, pictures
from verify.harness.ledger import Claim
from verify.harness.options import make_parser
from verify.harness.paths import REFERENCE, ROOT, reference
from verify.harness.provenance import describe_device, versions
from verify.harness.records import Record, accepted
from verify.harness.report import write_report
from verify.harness.run import Run
from verify.harness.terminal import quiet
from verify.harness.workers import Outcome, compute

OK, FAILURE, USAGE, INTERRUPTED = 0, 1, 2, 130


class UsageError(ValueError):
    """The command line asks for what there is not."""


@quiet
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = make_parser()
    options = parser.parse_args(argv)
    try:
        known = ledger.load_claims()
        chosen = select(known, options.claims)
        if options.list:
            for claim in chosen.values():
                print(f"{claim.id}\n    {claim.statement}\n    {claim.source}")
            return OK
        folder = (options.results or ROOT / "build" / "verify" / options.profile).resolve()
        if folder in (REFERENCE, reference("cuda")):
            raise UsageError("--results is a folder to work in; --record writes verify/results")
        if options.record and options.profile != "full":
            raise UsageError("--record keeps results of --profile full only")
        _make(folder)
        device = choose_device(options.device)
        _check_places(chosen, [folder, *[reference(device)] * options.record])
        run = Run(
            profile=options.profile,
            device=device,
            seed=options.seed,
            folder=folder,
            jobs=options.jobs,
            scheduler=choose_scheduler(options.scheduler or ""),
        )
    except UsageError as error:
        parser.error(str(error))
    outcome, console = Outcome(), standard_output()
    try:
        _settle(chosen, run, options, outcome, console)
        return _conclude(chosen, known, run, options, outcome, console)
    except KeyboardInterrupt:
        count = f"{len(outcome.records)} of {len(chosen)} claims finished"
        again = "the same command without --fresh" if options.fresh else "the same command"
        console.print(f"Interrupted: {count}; run {again} to go on.")
        return INTERRUPTED


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        raise UsageError(f"--results: cannot make a folder at {folder} ({reason})") from None
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f"--results: cannot write to {folder} ({error.strerror})") from None


def _check_places(claim_ids: Iterable[str], folders: Iterable[Path]) -> None:
    """No folder may stand where a record is to be written."""
    for path in (folder / f"{claim_id}.json" for folder in folders for claim_id in claim_ids):
        if path.is_dir():
            raise UsageError(f"{path} is a folder, where a record belongs: move it away")


def select(known: Mapping[str, Claim], patterns: Sequence[str]) -> dict[str, Claim]:
    """The claims that the patterns name: an id, the beginning of ids, or a glob; all if none."""
    wanted: set[str] = set()
    for pattern in patterns:
        found = {pattern} & known.keys() or {
            name for name in known if name.startswith(pattern) or fnmatchcase(name, pattern)
        }
        if not found:
            ids = "\n  ".join(known) or "(none)"
            raise UsageError(f"no claim {pattern!r}; the known claims are\n  {ids}")
        wanted |= found
    return {name: claim for name, claim in known.items() if name in wanted or not patterns}


def choose_device(asked: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is cuda where torch finds one."""
    if asked == "cpu":
        return asked
    found = False
    if importlib.util.find_spec("torch"):
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


def _settle(
    claims: Mapping[str, Claim],
    run: Run,
    options: argparse.Namespace,
    outcome: Outcome,
    console: Console,
) -> None:
    """Keep the records that are up to date and compute the others."""
    folder = run.folder
    records, refused = ({}, {}) if options.fresh else accepted(claims, folder)
    for reason in refused.values():
        console.print(f"{reason}; computed again", soft_wrap=True)
    circumstances = (versions(), run.profile, run.seed, describe_device(run.device))
    with Display(console, len(claims)) as display:
        for claim_id in claims:
            record = records.get(claim_id)
            if record and record.verdict is Verdict.SKIPPED:
                record = None  # what was missing then may be here now
            found = record and (record.versions, record.profile, record.seed, record.device)
            if found == circumstances and record.fingerprint == claims[claim_id].fingerprint:
                outcome.records[claim_id] = record
                display.kept(record)
            else:
                # A record is never older than the last attempt at its claim.
                (folder / f"{claim_id}.json").unlink(missing_ok=True)
            if options.fresh:  # once: what this run's sweeps keep, the next one may read
                _clear(folder / "sweeps" / claim_id)
        waiting = [claim_id for claim_id in claims if claim_id not in outcome.records]
        compute(waiting, run, outcome, display)


def _clear(folder: Path) -> None:
    """Remove a folder at once: what another run writes there meanwhile is in a new one."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")))


def _conclude(
    claims: Mapping[str, Claim],
    known: Mapping[str, Claim],
    run: Run,
    options: argparse.Namespace,
    outcome: Outcome,
    console: Console,
) -> int:
    """Draw, report and compare; return the exit status."""
    folder, references = run.folder, reference(run.device)
    drawn = folder / "figures"
    _, failed = draw_figures(figures_of(claims.values()), folder, drawn)
    errors = outcome.errors | {f"figure {name}": text for name, text in failed.items()}
    for name, text in failed.items():
        console.print(f"figure {name}: error\n{text}")
    notes, differences = compare(outcome.records, references)
    console.print(summary(claims, outcome, notes))
    for record in outcome.records.values():
        if record.verdict is Verdict.UNCONFIRMED:
            checks = (*record.evidence.checks, *record.evidence.counterexamples)
            missed = [f"\n    {check}" for check in checks if not check.passed]
            console.print(f"{record.claim} is unconfirmed:{''.join(missed) or ' no checks'}")
        elif record.evidence.shortfalls:
            short = "".join(f"\n    {check}" for check in record.evidence.shortfalls)
            console.print(f"{record.claim} {record.verdict}, short of what was asked:{short}")
        if options.record:
            record.save(references)
    tell = partial(console.print, soft_wrap=True)
    earlier = known_records(known, folder, options.profile, tell)
    shown = {**earlier, **outcome.records}
    reported = {name: claim for name, claim in known.items() if name in shown or name in claims}
    figures = pictures(figures_of(reported.values()), drawn)
    report = write_report(reported, shown, errors, folder / "report.html", figures)
    console.print(f"Report: {report}", soft_wrap=True)
    if options.compare:
        for reason in accepted(outcome.records, references)[1].values():
            console.print(reason, soft_wrap=True)
        for claim_id in differences:
            found = outcome.records[claim_id].verdict
            console.print(f"Not as recorded: {claim_id} {found} here; {notes[claim_id]}")
        return FAILURE if differences or errors else OK
    verdicts = {record.verdict for record in outcome.records.values()}
    return FAILURE if errors or Verdict.UNCONFIRMED in verdicts else OK


def known_records(
    known: Mapping[str, Claim], folder: Path, profile: str, tell: Callable[[str], None]
) -> dict[str, Record]:
    """The records in a folder, of this run and of earlier ones, that these sources have made.

    ``tell`` is told of each that is refused.
    """
    found, refused = accepted(known, folder)
    for reason in refused.values():
        tell(f"{reason}; not in the report")
    return {
        name: record
        for name, record in found.items()
        if (record.profile, record.fingerprint) == (profile, known[name].fingerprint)
    }


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
