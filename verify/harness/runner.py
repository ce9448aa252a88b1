"""The command line of the verification: compute or keep what was chosen, show, compare."""

from __future__ import annotations

import argparse
import contextlib
import math
import shlex
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from verify.harness import ledger
from verify.harness.choice import (
    Choice,
    UsageError,
    choose,
    choose_device,
    choose_scheduler,
    select,
)
from verify.harness.compare import compare
from verify.harness.display import Display, make_display
from verify.harness.evidence import Verdict
from verify.harness.figures import draw_figures, figures_of, pictures
from verify.harness.ledger import Claim
from verify.harness.merge import gather, merge
from verify.harness.options import make_parser
from verify.harness.paths import REFERENCE, ROOT, reference
from verify.harness.provenance import describe_device, installed, versions
from verify.harness.records import Record, accepted
from verify.harness.report import write_report
from verify.harness.run import Run
from verify.harness.terminal import quiet
from verify.harness.workers import Outcome, compute

OK, FAILURE, USAGE, OUT_OF_TIME, INTERRUPTED = 0, 1, 2, 3, 130


@quiet
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    start, parser = time.monotonic(), make_parser()
    options = parser.parse_args(argv)
    try:
        if options.merged:
            return _merge(options)
        if options.list:
            return _list(select(ledger.known_ids(), options.claims))
        run = _prepare(options)
        choice = choose(options, run.device)
        _check_places(choice.claims, run, options.record)
    except UsageError as error:
        parser.error(str(error))
    outcome, display = Outcome(), make_display()
    for note in choice.notes:
        display.say(note)
    if not choice.claims:
        display.say("Nothing to compute.")
        return FAILURE if choice.lacks else OK
    words = [word for word in (sys.argv[1:] if argv is None else argv) if word != "--fresh"]
    again = shlex.join(["python", "-m", "verify", *words])
    try:
        until = start + (options.time_limit or math.inf)
        _settle(choice.claims, run, options.fresh, outcome, display, until)
        status = _conclude(choice, run, options, outcome, display)
    except KeyboardInterrupt:
        _keep(choice.claims, run, outcome, lambda _: None)
        _tell_left("Interrupted", choice.claims, outcome, again, display)
        return INTERRUPTED
    if _left(choice.claims, outcome):
        stopped = f"Stopped at the limit of {options.time_limit} s"
        _tell_left(stopped, choice.claims, outcome, again, display)
        return OUT_OF_TIME
    return status


def _merge(options: argparse.Namespace) -> int:
    if options.claims:
        raise UsageError("--import takes all records of its file: name no claims")
    return OK if merge(options.merged, make_display().say) else FAILURE


def _list(claim_ids: Sequence[str]) -> int:
    claims, lacking = ledger.load_where_possible(claim_ids)
    for name in claim_ids:
        print(name)
        if name in lacking:
            print(f"    needs {lacking[name]}, not installed")
        else:
            claim = claims[name]
            print(f"    {claim.title}\n    {claim.statement}\n    {claim.source}")
    return OK


def _prepare(options: argparse.Namespace) -> Run:
    """How the options say to run; the folder of results is made."""
    profile = options.profile or ("full" if options.missing else "quick")
    for name in ("missing", "record"):
        if getattr(options, name) and profile != "full":
            raise UsageError(f"--{name} is about records of --profile full, got {profile}")
    if options.missing and options.compare:
        raise UsageError("--missing leaves out what --compare could compare with")
    folder = (options.results or ROOT / "build" / "verify" / profile).resolve()
    if folder in (REFERENCE, reference("cuda")):
        raise UsageError("--results is a folder to work in; --record writes verify/results")
    _make(folder)
    return Run(
        profile=profile,
        device=choose_device(options.device),
        seed=options.seed,
        folder=folder,
        jobs=options.jobs,
        scheduler=choose_scheduler(options.scheduler or ""),
    )


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


def _check_places(claims: Mapping[str, Claim], run: Run, record: bool) -> None:
    """No folder may stand where a record is to be written."""
    for claim in claims.values():
        for folder in (run.folder, *[reference(claim.device(run.device))] * record):
            path = folder / f"{claim.id}.json"
            if path.is_dir():
                raise UsageError(f"{path} is a folder, where a record belongs: move it away")


def _settle(
    claims: Mapping[str, Claim],
    run: Run,
    fresh: bool,
    outcome: Outcome,
    display: Display,
    until: float,
) -> None:
    """Keep the records that are up to date and compute the others."""
    records, refused = ({}, {}) if fresh else accepted(claims, run.folder)
    for reason in refused.values():
        display.say(f"{reason}; computed again")
    with display.running(len(claims)):
        for claim_id, claim in claims.items():
            record = records.get(claim_id)
            if record and _is_of(record, claim, run):
                outcome.records[claim_id] = record
                display.kept(record)
            else:
                # A record is never older than the last attempt at its claim.
                (run.folder / f"{claim_id}.json").unlink(missing_ok=True)
            if fresh:  # once: what this run's sweeps keep, the next one may read
                _clear(run.folder / "sweeps" / claim_id)
        compute(_left(claims, outcome), run, outcome, display, until)


def _is_of(record: Record, claim: Claim, run: Run) -> bool:
    """Whether a run would make this record again."""
    device = describe_device(claim.device(run.device))
    mine = (claim.fingerprint, versions(), run.profile, run.seed, device)
    its = (record.fingerprint, record.versions, record.profile, record.seed, record.device)
    return mine == its and record.verdict is not Verdict.SKIPPED  # data may be here now


def _clear(folder: Path) -> None:
    """Remove a folder at once: what another run writes there meanwhile is in a new one."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder.rename(folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")))


def _left(claims: Mapping[str, Claim], outcome: Outcome) -> list[str]:
    """The claims that have not come to an end."""
    ended = outcome.records.keys() | outcome.errors.keys()
    return [claim_id for claim_id in claims if claim_id not in ended]


def _tell_left(
    stopped: str, claims: Mapping[str, Claim], outcome: Outcome, again: str, display: Display
) -> None:
    left = _left(claims, outcome)
    count = f"{len(claims) - len(left)} of {len(claims)} claims finished"
    display.say(f"{stopped}: {count}; left: {', '.join(left) or 'nothing'}")
    display.say(f"To go on: {again}")


def _conclude(
    choice: Choice, run: Run, options: argparse.Namespace, outcome: Outcome, display: Display
) -> int:
    """Draw, report and compare what has come to an end; return the exit status."""
    left = _left(choice.claims, outcome)
    claims = {name: claim for name, claim in choice.claims.items() if name not in left}
    failed = {} if left else _draw(claims, run.folder, display.say)
    errors = outcome.errors | {f"figure {name}": text for name, text in failed.items()}
    for name, text in failed.items():
        display.say(f"figure {name}: error\n{text}")
    notes, differences = compare(outcome.records)
    display.table(claims, outcome, notes)
    for record in outcome.records.values():
        _tell_checks(record, display)
        if options.record:
            record.save(reference(record.device))
    known, shown = _keep(claims, run, outcome, display.say)
    reported = {name: claim for name, claim in known.items() if name in shown or name in claims}
    figures = pictures(figures_of(reported.values()), run.folder / "figures")
    report = write_report(reported, shown, errors, run.folder / "report.html", figures)
    display.say(f"Report: {report}")
    if options.compare:
        for name in differences:
            record = outcome.records[name]
            for reason in accepted([name], reference(record.device))[1].values():
                display.say(reason)
            display.say(f"Not as recorded: {name} {record.verdict} here; {notes[name]}")
        return FAILURE if differences or errors or choice.lacks else OK
    verdicts = {record.verdict for record in outcome.records.values()}
    return FAILURE if errors or choice.lacks or Verdict.UNCONFIRMED in verdicts else OK


def _draw(claims: Mapping[str, Claim], folder: Path, tell: Callable[[str], None]) -> dict[str, str]:
    """Draw the figures of claims where all records are there; what went wrong, by figure."""
    figures = figures_of(claims.values())
    if figures and not installed("matplotlib"):
        tell("Figures are not drawn: they need matplotlib")
        return {}
    return draw_figures(figures, folder, folder / "figures")[1]


def _tell_checks(record: Record, display: Display) -> None:
    """Show the checks that make a claim unconfirmed, or short of what was asked."""
    if record.verdict is Verdict.UNCONFIRMED:
        checks = (*record.evidence.checks, *record.evidence.counterexamples)
        missed = "".join(f"\n    {check}" for check in checks if not check.passed)
        display.say(f"{record.claim} is unconfirmed:{missed or ' no checks'}")
    elif record.evidence.shortfalls:
        short = "".join(f"\n    {check}" for check in record.evidence.shortfalls)
        display.say(f"{record.claim} {record.verdict}, short of what was asked:{short}")


def _keep(
    claims: Mapping[str, Claim], run: Run, outcome: Outcome, tell: Callable[[str], None]
) -> tuple[dict[str, Claim], dict[str, Record]]:
    """The claims of a run and of its folder, and their records: full ones go to one file too."""
    there = [
        name
        for name in ledger.known_ids()
        if name in claims or (run.folder / f"{name}.json").exists()
    ]
    known, _ = ledger.load_where_possible(there)
    shown = {**known_records(known, run.folder, run.profile, tell), **outcome.records}
    if run.profile == "full":
        path = gather(shown.values(), run.folder)
        tell(f"Records: {path}; python -m verify --import makes them reference records")
    return known, shown


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
