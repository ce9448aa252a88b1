"""What a run shows: a line for each claim that ends, then a table; bars where rich is installed."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, final

from verify.harness.ledger import Claim
from verify.harness.records import Record
from verify.harness.report import ERROR, SYMBOLS, count_passed
from verify.harness.workers import Outcome

HEADINGS = ("claim", "statement", "verdict", "checks", "seconds", "reference")


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
        """A line for each claim, without its statement, which is longer than the others."""
        lines = [HEADINGS]
        for row in rows(claims, outcome, notes):
            verdict = f"{mark(row.verdict)}{row.short and f', {row.short}'}"
            lines.append((row.claim, row.statement, verdict, *row[4:]))
        shown = [(*line[:1], *line[2:]) for line in lines]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for line in shown:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.say("  ".join(cells).rstrip())
        self.say(caption(outcome))


class Row(NamedTuple):
    """A claim in the table; ``short`` says how many checks missed what was asked first."""

    claim: str
    statement: str
    verdict: str
    short: str
    checks: str
    seconds: str
    reference: str


def rows(claims: Mapping[str, Claim], outcome: Outcome, notes: Mapping[str, str]) -> Iterator[Row]:
    """The table of a run."""
    for claim_id, claim in claims.items():
        found, cells = outcome.records.get(claim_id), (ERROR, "", "", "")
        if found:
            passed, count = count_passed(found.evidence)
            short = len(found.evidence.shortfalls)
            told = f"{short} short of asked" if short else ""
            cells = (str(found.verdict), told, f"{passed}/{count}", f"{found.seconds:.1f}")
        yield Row(claim_id, claim.statement, *cells, notes.get(claim_id, ""))


def caption(outcome: Outcome) -> str:
    """The circumstances of a run's records."""
    records = outcome.records.values()
    told = ((f"{r.profile} profile", r.device, f"seed {r.seed}") for r in records)
    parts = zip(*dict.fromkeys(told), strict=True)
    return " · ".join("; ".join(dict.fromkeys(part)) for part in parts)


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
