"""``make sabotage``: the table of all sabotages, printed and written to docs/sabotage.md."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase

import sabotage
from sabotage import Outcome, Sabotage
from verify.harness.ledger import load_claims
from verify.harness.paths import ROOT
from verify.harness.records import write_atomically

PAGE = ROOT / "docs" / "sabotage.md"
HEAD = """# Sabotage

For every claim, what it is about is broken, and its verdict must change: a check that passes
whatever is put in front of it is no check. `make sabotage` computes this table anew;
`make test` runs the rows marked fast. {summary}.

| claim | sabotaged: | verdict → with it | missed first (of all) | CPU seconds |
|---|---|---|---|---|
"""
BAD = ("ERROR", "NOT NOTICED")


def attempt(number: int) -> Outcome | str:
    """The outcome of one entry, or in words what went wrong."""
    try:
        return sabotage.run(sabotage.entries()[number])
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def cells(entry: Sabotage, found: Outcome | str) -> list[str]:
    """A row of the table."""
    if isinstance(found, str):
        return [f"`{entry.claim}`", entry.what, "ERROR", found, ""]
    verdicts = f"{found.before} → {found.after}"
    if not found.skipped and not found.bites(entry):
        verdicts += " (NOT NOTICED)"
    first = f"{found.missed[0]} ({len(found.missed)})" if found.missed else ""
    kind = " fast" if entry.seconds_class == "fast" else ""
    return [f"`{entry.claim}`", entry.what, verdicts, first, f"{found.seconds:.1f}{kind}"]


def known_rows() -> dict[tuple[str, ...], str]:
    """The rows of the page as it is, by claim and sabotage."""
    if not PAGE.exists():
        return {}
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return {key_of(line): line for line in lines if line.startswith("| `")}


def key_of(line: str) -> tuple[str, ...]:
    """Claim and sabotage of a row."""
    return tuple(cell.strip() for cell in line.split(" | ")[:2])


def summary(rows: Iterable[str]) -> str:
    """How many there are, and how many the claims did not notice."""
    rows = list(rows)
    claims = len({key_of(row)[0] for row in rows})
    bad = sum(any(word in row for word in BAD) for row in rows)
    return f"{len(rows)} sabotages of {claims} of {len(load_claims())} claims, {bad} not noticed"


def main() -> int:
    """Run all sabotages, or those of some claims, and fill the page; status 1 if one is missed.

    Rows of claims that are not named stay as they are.
    """
    parser = argparse.ArgumentParser("python -m sabotage", description=main.__doc__)
    parser.add_argument("claims", nargs="*", help="claims' ids, or globs; default: all")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    entries = sabotage.entries()
    chosen = [
        number
        for number, entry in enumerate(entries)
        if not options.claims or any(fnmatchcase(entry.claim, glob) for glob in options.claims)
    ]
    start, found = time.perf_counter(), known_rows()
    with ProcessPoolExecutor(options.jobs) as pool:
        for number, outcome in zip(chosen, pool.map(attempt, chosen), strict=True):
            row = [cell.replace("|", "\\|") for cell in cells(entries[number], outcome)]
            line = f"| {' | '.join(row)} |"
            print(line, flush=True)
            found[key_of(line)] = line
    keys = [key_of(f"| `{e.claim}` | {e.what.replace('|', chr(92) + '|')} | ") for e in entries]
    rows = [found[key] for key in keys if key in found]
    text = HEAD.format(summary=summary(rows)) + "".join(f"{row}\n" for row in rows)
    write_atomically(PAGE, text)
    minutes = (time.perf_counter() - start) / 60
    print(f"{summary(rows)}; {minutes:.1f} minutes in {options.jobs} processes")
    return 1 if any(word in row for row in rows for word in BAD) else 0


if __name__ == "__main__":
    raise SystemExit(main())
