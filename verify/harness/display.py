"""What a run shows: a line for each claim that ends, then all of them; bars where rich is there."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from textwrap import wrap
from typing import NamedTuple, final

from verify.harness.evidence import Evidence, Verdict
from verify.harness.ledger import Claim
from verify.harness.records import Record
from verify.harness.report import ERROR, SYMBOLS, counted, tally
from verify.harness.workers import Outcome

_WIDTH = 80


class Display(ABC):
    """Shows how a run goes on; it is what ``workers.compute`` tells its news."""

    @abstractmethod
    def say(self, text: str, aside: bool = False) -> None:
        """Show a text; what is said aside is of less weight."""

    @abstractmethod
    def running(self, total: int) -> AbstractContextManager:
        """While claims are computed, of ``total``."""

    @abstractmethod
    def started(self, claim_id: str) -> None:
        """A claim has begun."""

    @abstractmethod
    def progressed(self, claim_id: str, done: int, total: int, label: str) -> None:
        """A claim is at ``done`` of ``total``."""

    @abstractmethod
    def ended(self, claim_id: str, verdict: str, note: str) -> None:
        """A claim has ended, in a verdict or an error."""

    @abstractmethod
    def table(
        self, claims: Mapping[str, Claim], outcome: Outcome, notes: Mapping[str, str]
    ) -> None:
        """Show what was found; ``notes`` say how each verdict stands to its reference."""

    def kept(self, record: Record) -> None:
        """Show a claim whose record an earlier run has left."""
        self.ended(record.claim, str(record.verdict), "kept from an earlier run")

    def finished(self, record: Record, printed: str) -> None:
        """Show a claim that was computed, and what it printed."""
        self.ended(record.claim, str(record.verdict), f"{record.seconds:.1f} s")
        if printed:
            self.say(printed, aside=True)

    def failed(self, claim_id: str, error: str) -> None:
        """Show a claim that ended in an error."""
        self.ended(claim_id, ERROR, "")
        self.say(error)


@final
class Lines(Display):
    """Lines of text, which need nothing but Python."""

    def say(self, text: str, aside: bool = False) -> None:
        """Print a text, at once: whoever waits for a machine elsewhere reads a log."""
        print(text, flush=True)

    def running(self, total: int) -> AbstractContextManager:
        """Nothing is shown meanwhile."""
        return nullcontext()

    def started(self, claim_id: str) -> None:
        """Say so."""
        self.say(f"… {claim_id}")

    def progressed(self, claim_id: str, done: int, total: int, label: str) -> None:
        """Say nothing: lines would be many."""

    def ended(self, claim_id: str, verdict: str, note: str) -> None:
        """Print a line."""
        self.say(f"{mark(verdict)}  {claim_id}  {note}".rstrip())

    def table(
        self, claims: Mapping[str, Claim], outcome: Outcome, notes: Mapping[str, str]
    ) -> None:
        """A block for each claim, then how many came to which verdict."""
        for row in rows(claims, outcome, notes):
            self.say(f"{mark(row.verdict)}: {row.title}")
            for line in row.lines(_WIDTH):
                self.say(line)
        self.say(summary(outcome))


class Row(NamedTuple):
    """A claim in the table: its verdict with its title, and lines under these."""

    verdict: str
    title: str
    finding: str
    condition: str
    checks: tuple[str, ...]
    aside: str

    def lines(self, width: int) -> list[str]:
        """What stands under the title, broken at a width and set off by two blanks."""
        texts = [self.condition and f"if {self.condition}", self.finding, *self.checks, self.aside]
        broken = partial(wrap, width=width, initial_indent="  ", subsequent_indent="  ")
        return [line for text in texts for line in broken(text)]


def rows(claims: Mapping[str, Claim], outcome: Outcome, notes: Mapping[str, str]) -> Iterator[Row]:
    """The table of a run; of a single claim with its finding and all of its checks."""
    for claim_id, claim in claims.items():
        found, title = outcome.records.get(claim_id), claim.title or claim_id
        if not found:
            yield Row(ERROR, title, "", "", (), claim_id)
            continue
        told = (claim_id, counted(found.evidence), f"{found.seconds:.1f} s", notes.get(claim_id))
        evidence, alone = found.evidence, len(claims) == 1
        yield Row(
            verdict=str(found.verdict),
            title=title,
            finding=claim.finding_of(found.verdict) if alone else "",
            condition=evidence.condition if found.verdict is Verdict.HOLDS_IF else "",
            checks=tuple(_lines_of_checks(evidence)) if alone else (),
            aside=" · ".join(filter(None, told)),
        )


def _lines_of_checks(evidence: Evidence) -> Iterator[str]:
    for kind, checks in (("witness", evidence.counterexamples), ("check", evidence.checks)):
        for check in checks:
            yield f"{'✓' if check.passed else '✗'} {kind} {check}"


def summary(outcome: Outcome) -> str:
    """How many claims came to which verdict, and in which circumstances."""
    records = outcome.records.values()
    verdicts = [*(record.verdict for record in records), *[ERROR] * len(outcome.errors)]
    counts = ", ".join(f"{mark(verdict)} {count}" for verdict, count in tally(verdicts).items())
    told = ((f"{r.profile} profile", r.device, f"seed {r.seed}") for r in records)
    parts = zip(*dict.fromkeys(told), strict=True)
    return "\n".join(filter(None, (counts, " · ".join("; ".join(dict.fromkeys(p)) for p in parts))))


def mark(verdict: str) -> str:
    """A verdict told by its symbol and its word."""
    return f"{SYMBOLS[verdict]} {verdict}"


def make_display() -> Display:
    """Bars where rich can be imported, lines where not; a log gets ``?`` for what it lacks."""
    sys.stdout.reconfigure(errors="replace")
    try:
        from verify.harness.bars import Bars
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "rich":
            raise
        return Lines()
    return Bars()
