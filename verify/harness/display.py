"""What the terminal shows: bars while claims are computed, then a table."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table
from rich.text import Text

from verify.harness.ledger import Claim
from verify.harness.records import Record
from verify.harness.report import ERROR, SYMBOLS, count_passed
from verify.harness.workers import Outcome

STYLES = {
    "holds": "green",
    "holds if": "cyan",
    "fails": "magenta",
    "unconfirmed": "bold yellow",
    "skipped": "dim",
    ERROR: "bold red",
}
_LOG_WIDTH = 120


def make_console() -> Console:
    """Standard output as a rich console; a log file is wide, and gets ``?`` for what it lacks."""
    sys.stdout.reconfigure(errors="replace")
    # Not rich's own guess: a CI service may ask for colors, and still not be a terminal.
    terminal = sys.stdout.isatty()
    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        force_interactive=terminal,
        width=None if terminal else _LOG_WIDTH,
    )


def mark(verdict: str) -> Text:
    """A verdict told by its symbol and its word as much as by its color."""
    return Text(f"{SYMBOLS[verdict]} {verdict}", style=STYLES[verdict])


class Display:
    """Progress of a run: bars in a terminal, and a line for each claim that ends."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Elapsed(),
        )
        live = console.is_interactive
        self._bars = Progress(*columns, console=console, transient=True, disable=not live)
        self._total = self._bars.add_task("all claims", total=total)
        self._running: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def kept(self, record: Record) -> None:
        """Show a claim whose record an earlier run has left."""
        self._end(record.claim, str(record.verdict), "kept from an earlier run")

    def started(self, claim_id: str) -> None:
        """Open a bar."""
        self._running[claim_id] = self._bars.add_task(claim_id, total=None)

    def progressed(self, claim_id: str, done: int, total: int, label: str) -> None:
        """Move a bar, unless the news come after the end."""
        if claim_id in self._running:
            description = f"{claim_id}: {label}" if label else claim_id
            bar = self._running[claim_id]
            self._bars.update(bar, completed=done, total=total, description=description)

    def finished(self, record: Record, printed: str) -> None:
        """Close a bar with the verdict, and show what the claim printed."""
        self._end(record.claim, str(record.verdict), f"{record.seconds:.1f} s")
        if printed:
            self.console.print(printed, style="dim")

    def failed(self, claim_id: str, error: str) -> None:
        """Close a bar with the error."""
        self._end(claim_id, ERROR, "")
        self.console.print(error)

    def _end(self, claim_id: str, verdict: str, note: str) -> None:
        if claim_id in self._running:
            self._bars.remove_task(self._running.pop(claim_id))
        self._bars.advance(self._total)
        line = Text.assemble(mark(verdict), f"  {claim_id}  ", (note, "dim"))
        self.console.print(line, soft_wrap=True)


def summary(claims: Mapping[str, Claim], outcome: Outcome, notes: Mapping[str, str]) -> Table:
    """All claims of a run with what was found; ``notes`` say how each stands to its reference."""
    some = next(iter(outcome.records.values()), None)
    caption = f"{some.profile} profile · {some.device} · seed {some.seed}" if some else None
    table = Table(title="Claims", caption=caption, expand=True)
    for heading in ("claim", "statement", "verdict", "checks", "seconds", "reference"):
        table.add_column(
            heading,
            no_wrap=True,
            overflow="ellipsis" if heading == "statement" else "fold",
            ratio=1 if heading == "statement" else None,
            justify="right" if heading in ("checks", "seconds") else "left",
        )
    for claim_id, claim in claims.items():
        statement, note = Text(claim.statement), notes.get(claim_id, "")
        record = outcome.records.get(claim_id)
        if record:
            passed, count = count_passed(record.evidence)
            short = len(record.evidence.shortfalls)
            told = f"\n{short} short of asked" if short else ""
            verdict = Text.assemble(mark(str(record.verdict)), (told, "yellow"))
            cells = (verdict, f"{passed}/{count}", f"{record.seconds:.1f}")
        else:
            cells = (mark(ERROR), "", "")
        table.add_row(claim_id, statement, *cells, note)
    return table
