"""What a run found: the score, the survivors, and those judged equivalent, with why."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from mutants.operators import Mutant
from mutants.plan import ROOT
from mutants.runner import Verdict

PAGE = ROOT / "docs" / "mutants.md"
JUDGED = Path(__file__).with_name("equivalent.json")
_HEAD = """# Mutants

Seeded faults of the code (another operation, a term dropped, a bound shifted, a statement
removed …), each run against the tests of its own module. `make mutants` draws them anew, the same
ones from the same seed (here {seed}), and runs them; `tests/mutants` is the code. A survivor either
gets a test that kills it, or stands below with the reason why it changes nothing that is promised.

{score}

| module | mutants | drawn | noticed | judged equivalent | survivors | not run |
|---|---|---|---|---|---|---|
"""


def line(mutant: Mutant, verdict: Verdict) -> str:
    """One verdict for the terminal."""
    by = f" by {verdict.by}" if verdict.by else ""
    what = f"{mutant.module} {mutant.where}: {mutant.change}"
    return f"{verdict.seconds:5.1f} s  {verdict.status}{by}  [{mutant.id}] {what}"


def judged() -> dict[tuple[str, str, str, str], str]:
    """(module, function, line, change) ↦ why it is equivalent."""
    return {
        (entry["module"], entry["where"], entry["line"], entry["change"]): entry["why"]
        for entry in json.loads(JUDGED.read_text())
    }


def key(mutant: Mutant) -> tuple[str, str, str, str]:
    """What a judgment is filed under."""
    return mutant.module, mutant.where, mutant.line, mutant.change


def page(
    drawn: dict[str, tuple[list[Mutant], int]], verdicts: dict[str, Verdict | None], seed: int
) -> tuple[str, list[Mutant]]:
    """docs/mutants.md, and the survivors that nobody has judged."""
    why, rows, left, excused, total = judged(), [], [], [], 0
    for module, (sample, size) in drawn.items():
        ran = [m for m in sample if verdicts[m.id]]
        survived = [m for m in ran if not verdicts[m.id].noticed]
        equivalent = [m for m in survived if key(m) in why]
        unjudged = [m for m in survived if key(m) not in why]
        counts = [size, len(sample), len(ran) - len(survived), len(equivalent), len(unjudged)]
        counts.append(len(sample) - len(ran))
        total += len(ran)
        rows.append(f"| `{module}` | " + " | ".join(map(str, counts)) + " |")
        excused, left = excused + equivalent, left + unjudged
    real = total - len(excused)
    score = f"**{real - len(left)} of {real} mutants that change something are noticed** "
    score += f"({total} were run, {len(excused)} judged equivalent)."
    text = _HEAD.format(seed=seed, score=score) + "\n".join(rows) + "\n"
    text += _listed("Survivors", left, dict.fromkeys(map(key, left), "not judged"))
    return text + _listed("Judged equivalent", excused, why), left


def _listed(title: str, found: Iterable[Mutant], why: dict) -> str:
    rows = [
        f"- `{m.module}`, {m.where or 'module'}: `{m.line}`\\\n  `{m.change}`. {why[key(m)]}"
        for m in found
    ]
    return f"\n## {title}\n\n" + ("\n".join(rows) or "None.") + "\n"
