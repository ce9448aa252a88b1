"""The report: one HTML file that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.figures import Picture
from verify.harness.ledger import Claim
from verify.harness.records import Record, write_atomically

ERROR = "error"
"""In a verdict's place where the computation itself went wrong."""

SYMBOLS = {
    Verdict.HOLDS: "✓",
    Verdict.HOLDS_IF: "◐",
    Verdict.FAILS: "✗",
    Verdict.UNCONFIRMED: "?",
    Verdict.SKIPPED: "–",
    ERROR: "!",
}
MEANINGS = {
    Verdict.HOLDS: "every check of the statement passes",
    Verdict.HOLDS_IF: "false as stated, by a counterexample; true under the condition named",
    Verdict.FAILS: "false as stated, by a counterexample",
    Verdict.UNCONFIRMED: "some check did not pass: nothing is shown",
    Verdict.SKIPPED: "not computed: a data set is missing",
    ERROR: "the computation did not finish",
}
_MAX_ROWS = 50
_MAX_CELL = 80
_MAX_TEXT = 4000

_CSS = """
:root { color-scheme: light dark; --line: #bbb; --soft: #f3f3f1; --good: #00694d; --part: #005a8c;
  --bad: #8a3a6b; --open: #8a5a00; --wrong: #b00020; }
@media (prefers-color-scheme: dark) { :root { --line: #555; --soft: #262626; --good: #4cc9a0;
  --part: #6db8e8; --bad: #e39bc6; --open: #e8b04a; --wrong: #ff8a8a; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem;
  overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; text-align: left;
  vertical-align: top; }
thead th { background: var(--soft); }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .75rem; overflow-x: auto; font-size: .85rem; }
figure { margin: 1rem 0; } figcaption { max-width: 45rem; }
img { max-width: 100%; height: auto; background: #fff; }
.verdict { font-weight: 700; white-space: nowrap; }
.holds { color: var(--good); } .holds-if { color: var(--part); } .fails { color: var(--bad); }
.unconfirmed { color: var(--open); } .error { color: var(--wrong); }
@media print { body { max-width: none; font-size: 10pt; } h2 { break-after: avoid; }
  table, figure, pre { break-inside: avoid; } .wide { overflow: visible; } }
"""


def count_passed(evidence: Evidence) -> tuple[int, int]:
    """How many checks and counterexamples passed, of how many."""
    checks = (*evidence.checks, *evidence.counterexamples)
    return sum(check.passed for check in checks), len(checks)


def write_report(
    claims: Mapping[str, Claim],
    records: Mapping[str, Record],
    errors: Mapping[str, str],
    path: Path,
    figures: Mapping[str, Picture],
) -> Path:
    """Write a report to ``path``: the claims it is about and what they came to, by claim id.

    Errors by other names (a figure's) are shown at the end. Each picture is embedded once, with
    its caption, where a claim first shows it.
    """
    shown: dict[str, str] = {}
    parts = [_header(records), _summary(claims, records)]
    for claim in claims.values():
        parts.append(_section(claim, records.get(claim.id), errors.get(claim.id, "")))
        parts.append(_figure(claim, figures, shown))
    parts += [
        f"<h2>{_verdict(ERROR)}: {escape(name)}</h2><pre>{escape(error)}</pre>"
        for name, error in errors.items()
        if name not in claims
    ]
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>rkbs: verification</title><style>{_CSS}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )
    write_atomically(path, page)
    return path


def _header(records: Mapping[str, Record]) -> str:
    """The circumstances, all of them where records of several runs differ."""
    lines = ["<h1>Verification of the claims</h1>"]
    if records:
        dates = sorted({record.date for record in records.values()})
        facts = {
            "Profile": _distinct(record.profile for record in records.values()),
            "Device": _distinct(record.device for record in records.values()),
            "Seed": _distinct(record.seed for record in records.values()),
            "Date": dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}",
            "Versions": _distinct(
                ", ".join(f"{name} {number}" for name, number in record.versions.items())
                for record in records.values()
            ),
            "Sources": _distinct(record.fingerprint for record in records.values()),
        }
        lines.append(_definitions(facts))
    return "\n".join(lines)


def _distinct(values: Iterable[Any]) -> str:
    return "; ".join(dict.fromkeys(map(str, values)))


def _summary(claims: Mapping[str, Claim], records: Mapping[str, Record]) -> str:
    rows, seen = [], set()
    for claim in claims.values():
        record = records.get(claim.id)
        verdict = record.verdict if record else ERROR
        seen.add(verdict)
        checks = "{}/{}".format(*count_passed(record.evidence)) if record else ""
        short = record.evidence.reservation if record else ""
        told = _verdict(verdict) + (f"<br>{escape(short)}" if short else "")
        link = f'<a href="#{escape(claim.id)}">{escape(claim.id)}</a>'
        seconds = f"{record.seconds:.1f}" if record else ""
        rows.append([link, told, escape(claim.statement), checks, seconds])
    heads = ("Claim", "Verdict", "Statement", "Checks passed", "Seconds")
    legend = [f"{_verdict(name)}: {MEANINGS[name]}" for name in SYMBOLS if name in seen]
    return _table(heads, rows) + f"<p>{'<br>'.join(legend)}</p>"


def _section(claim: Claim, record: Record | None, error: str) -> str:
    """One claim: what is claimed, how it is checked, what was found."""
    parts = [f'<h2 id="{escape(claim.id)}">{escape(claim.id)}</h2>']
    facts = {
        "Statement": claim.statement,
        "Scope": claim.scope,
        "Source": claim.source,
        "Method": claim.method,
    }
    if record:
        facts["Computed"] = f"{record.date}, seed {record.seed}, {record.device}"
    parts.append(_definitions(facts))
    parts.append(f"<p>Verdict: {_verdict(record.verdict if record else ERROR)}")
    if record is None:
        return "\n".join([*parts, f"</p><pre>{escape(error)}</pre>"])
    evidence = record.evidence
    parts.append(f"{escape(evidence.condition or evidence.skipped)}</p>")
    if evidence.reservation:
        parts.append(f"<p>Short of what was asked: {escape(evidence.reservation)}</p>")
    parts.append(_checks("Checks", evidence.checks))
    parts.append(_checks("Counterexamples to the statement as it stands", evidence.counterexamples))
    parts.extend(_data(name, value) for name, value in evidence.data.items())
    return "\n".join(filter(None, parts))


def _checks(title: str, checks: Sequence[Check]) -> str:
    if not checks:
        return ""
    rows = []
    for check in checks:
        passed = "✓ passed" if check.passed else "✗ not passed"
        passed += f", ✗ missed the {check.asked:.6g} asked" if check.short else ""
        numbers = (f"{check.value:.6g}", check.relation, f"{check.bound:.6g}")
        rows.append([escape(cell) for cell in (check.name, *numbers, passed)])
    heads = ("Name", "Value", "Relation", "Bound", "Passed")
    return f"<h3>{title}</h3>{_table(heads, rows)}"


def _data(name: str, value: Any) -> str:
    """A piece of evidence, closed until asked for; the record holds all of what is cut here."""
    table = _as_table(value)
    if table:
        heads, rows = table
        cut = f"<p>{_MAX_ROWS} of {len(rows)} rows</p>" if len(rows) > _MAX_ROWS else ""
        cells = [[escape(_text(cell)) for cell in row] for row in rows[:_MAX_ROWS]]
        body = _table([escape(head) for head in heads], cells) + cut
    else:
        text = json.dumps(value, ensure_ascii=False)
        cut = " …" if len(text) > _MAX_TEXT else ""
        body = f"<pre>{escape(text[:_MAX_TEXT])}{cut}</pre>"
    return f"<details><summary>Data: {escape(name)}</summary>{body}</details>"


def _as_table(value: Any) -> tuple[list[str], list[Sequence[Any]]] | None:
    """Heads and rows of a list of alike dicts or of a dict of equally long columns, else None."""
    if isinstance(value, dict) and value:
        columns = list(value.values())
        if all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
            return list(value), list(zip(*columns, strict=True))
        if not any(isinstance(c, (list, dict)) for c in columns):
            return ["name", "value"], list(value.items())
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        heads = list(value[0])
        if heads and all(list(row) == heads for row in value):
            return heads, [list(row.values()) for row in value]
    return None


def _figure(claim: Claim, figures: Mapping[str, Picture], shown: dict[str, str]) -> str:
    """The claim's figure with its caption, a link to where it is shown already, or why none is."""
    if claim.no_figure:
        return f"<p>No figure: {escape(claim.no_figure)}.</p>"
    if claim.figure not in figures:
        return ""
    if claim.figure in shown:
        first = escape(shown[claim.figure])
        return f'<p>Figure: see <a href="#{first}">{first}</a>.</p>'
    shown[claim.figure] = claim.id
    picture = figures[claim.figure]
    data = base64.b64encode(picture.path.read_bytes()).decode("ascii")
    alt = escape(f"Figure of {claim.figure}: {claim.statement}")
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{alt}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _verdict(verdict: str) -> str:
    kind = verdict.replace(" ", "-")
    return f'<span class="verdict {kind}">{SYMBOLS[verdict]} {verdict}</span>'


def _definitions(facts: Mapping[str, Any]) -> str:
    items = (f"<dt>{escape(k)}</dt><dd>{escape(str(v))}</dd>" for k, v in facts.items() if v != "")
    return f"<dl>{''.join(items)}</dl>"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already; it scrolls by itself on a narrow screen."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_CELL else text[:_MAX_CELL] + " …"
