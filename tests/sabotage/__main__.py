"""``make sabotage``: the table of all sabotages, printed and written to docs/sabotage.md."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase

import sabotage
from sabotage import Outcome, Sabotage
from verify.ledger import ROOT, load_claims, write_atomically

PAGE = ROOT / "docs" / "sabotage.md"
HEAD = """# Sabotage

For every claim, what it is about is broken, and its verdict must change: a check that passes
whatever is put in front of it is no check. `make sabotage` computes this table anew;
`make test` runs the rows marked fast. {summary}

| claim | sabotaged: | verdict → with it | missed first (of all) | CPU seconds |
|---|---|---|---|---|
"""


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


def main() -> int:
    """Run all sabotages, or those of some claims; status 1 if one is not noticed."""
    parser = argparse.ArgumentParser("python -m sabotage", description=main.__doc__)
    parser.add_argument("claims", nargs="*", help="claims' ids, globs; default: all, written down")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fast", action="store_true", help="the fast ones only")
    options = parser.parse_args()
    table = [
        (number, entry)
        for number, entry in enumerate(sabotage.entries())
        if not options.claims or any(fnmatchcase(entry.claim, glob) for glob in options.claims)
        if entry.seconds_class == "fast" or not options.fast
    ]
    start, rows, bad = time.perf_counter(), [], 0
    with ProcessPoolExecutor(options.jobs) as pool:
        outcomes = pool.map(attempt, [number for number, _ in table])
        for (_, entry), found in zip(table, outcomes, strict=True):
            rows.append([cell.replace("|", "\\|") for cell in cells(entry, found)])
            print(" | ".join(rows[-1]), flush=True)
            bad += isinstance(found, str) or not (found.skipped or found.bites(entry))
    minutes = (time.perf_counter() - start) / 60
    claims = len({entry.claim for _, entry in table})
    summary = f"{len(rows)} sabotages of {claims} of {len(load_claims())} claims, {bad} not noticed"
    print(f"{summary}; {minutes:.1f} minutes in {options.jobs} processes")
    if not options.claims and not options.fast:
        body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        taken = f"{summary} ({minutes:.0f} minutes in {options.jobs} processes)."
        write_atomically(PAGE, HEAD.format(summary=taken) + body)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
