"""The display of a terminal, by rich: bars while claims are computed, verdicts in color."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.text import Text

from verify.harness.display import Display, mark, rows, summary
from verify.harness.ledger import Claim
from verify.harness.report import ERROR
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


@final
class Bars(Display):
    """Bars in a terminal, and a line for each claim that ends."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _standard_output()
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            Elapsed(),
        )
        live = self._console.is_interactive
        self._bars = Progress(*columns, console=self._console, transient=True, disable=not live)
        self._total: TaskID | None = None
        self._running: dict[str, TaskID] = {}

    def say(self, text: str, aside: bool = False) -> None:
        """Print above the bars."""
        self._console.print(text, style="dim" if aside else None, soft_wrap=True)

    @contextmanager
    def running(self, total: int) -> Iterator[None]:
        """Show the bar of all claims, and those of single ones under it."""
        self._total = self._bars.add_task("all claims", total=total)
        with self._bars:
            yield

    def started(self, claim_id: str) -> None:
        """Open a bar."""
        self._running[claim_id] = self._bars.add_task(claim_id, total=None)

    def progressed(self, claim_id: str, done: int, total: int, label: str) -> None:
        """Move a bar, unless the news come after the end."""
        if claim_id in self._running:
            description = f"{claim_id}: {label}" if label else claim_id
            bar = self._running[claim_id]
            self._bars.update(bar, completed=done, total=total, description=description)

    def ended(self, claim_id: str, verdict: str, note: str) -> None:
        """Close a bar with the verdict."""
        if claim_id in self._running:
            self._bars.remove_task(self._running.pop(claim_id))
        self._bars.advance(self._total)
        line = Text.assemble(_colored(verdict), f"  {claim_id}  ", (note, "dim"))
        self._console.print(line, soft_wrap=True)

    def table(
        self, claims: Mapping[str, Claim], outcome: Outcome, notes: Mapping[str, str]
    ) -> None:
        """A block for each claim, then how many came to which verdict."""
        self._console.print()
        for row in rows(claims, outcome, notes):
            head = Text.assemble(_colored(row.verdict), ": ", (row.title, "bold"))
            self._console.print(head, soft_wrap=True)
            for line in row.lines(min(self._console.width, _LOG_WIDTH)):
                self._console.print(Text(line, style="dim"), soft_wrap=True)
        self._console.print(summary(outcome), soft_wrap=True)


def _standard_output() -> Console:
    """Standard output as a rich console; a log file is wide."""
    # Not rich's own guess: a CI service may ask for colors, and still not be a terminal.
    terminal = sys.stdout.isatty()
    return Console(
        highlight=False,
        markup=False,
        emoji=False,
        force_interactive=terminal,
        width=None if terminal else _LOG_WIDTH,
    )


def _colored(verdict: str) -> Text:
    """A verdict told by its symbol and its word as much as by its color."""
    return Text(mark(verdict), style=STYLES[verdict])
