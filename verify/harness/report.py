"""The report: one HTML file that needs nothing else, neither scripts nor the network."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.figures import Picture
from verify.harness.formulas import in_html
from verify.harness.ledger import ORIGINS, TOPICS, Claim, topic_of
from verify.harness.paths import reference
from verify.harness.records import Record, load_record, write_atomically

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
_TEMPLATES = Path(__file__).with_name("templates")
_MAX_ROWS = 30
_MAX_CELL = 80
_MAX_TEXT = 2000
_COLORS = 96


def counted(evidence: Evidence) -> str:
    """How many checks and witnesses passed, of how many, in words."""
    parts = []
    for checks, words in (
        (evidence.counterexamples, "refuted by {} of {} witnesses"),
        (evidence.checks, "{} of {} checks pass"),
    ):
        if checks:
            parts.append(words.format(sum(check.passed for check in checks), len(checks)))
    if evidence.shortfalls:
        parts.append(f"{len(evidence.shortfalls)} short of what was asked")
    return ", ".join(parts)


def on_a_gpu(claim: Claim) -> str:
    """What became of a claim on a GPU, if its computation uses one."""
    if not claim.on_device:
        return ""
    record = load_record(claim.id, reference("cuda"))
    if record is None:
        return "CUDA record missing"
    return f"{SYMBOLS[record.verdict]} {record.verdict.value} on {record.device}"


def tally(verdicts: Iterable[str]) -> dict[str, int]:
    """How many claims came to each verdict, in the verdicts' order."""
    counts = Counter(verdicts)
    return {str(verdict): counts[verdict] for verdict in SYMBOLS if verdict in counts}


def by_topic(claims: Mapping[str, Claim]) -> dict[str, list[Claim]]:
    """The claims of each topic that has any, topics in the paper's order, by the topic's title."""
    found: dict[str, list[Claim]] = {}
    for name, title in TOPICS.items():
        members = [claim for claim in claims.values() if topic_of(claim.id) == name]
        if members:
            found[title] = members
    return found


def write_report(
    claims: Mapping[str, Claim],
    records: Mapping[str, Record],
    errors: Mapping[str, str],
    path: Path,
    figures: Mapping[str, Picture],
) -> Path:
    """Write a report to ``path``: the claims it is about and what they came to, by claim id.

    Errors by other names (a figure's) are shown at the end. Each picture is embedded once, with
    its caption, at its own claim, or where it is first shown.
    """
    from jinja2 import Environment, FileSystemLoader  # asked for by reports alone

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["formulas"] = in_html
    embedded: dict[str, str] = {}
    topics = [
        {
            "name": topic_of(members[0].id),
            "title": title,
            "entries": [
                _entry(claim, records.get(claim.id), errors.get(claim.id, ""), figures, embedded)
                for claim in members
            ],
        }
        for title, members in by_topic(claims).items()
    ]
    verdicts = [entry["verdict"] for topic in topics for entry in topic["entries"]]
    others = {name: error for name, error in errors.items() if name not in claims}
    counts = tally(verdicts)
    page = environment.get_template("report.html").render(
        css=_css(),
        topics=topics,
        tally=counts,
        legend={name: MEANINGS[name] for name in SYMBOLS if str(name) in counts},
        symbols=SYMBOLS,
        origins=ORIGINS,
        others=others,
        facts=_facts(records),
    )
    write_atomically(path, page)
    return path


def _css() -> Any:
    from markupsafe import Markup

    return Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))


def _facts(records: Mapping[str, Record]) -> dict[str, str]:
    """The circumstances, all of them where records of several runs differ."""
    if not records:
        return {}
    dates = sorted({record.date for record in records.values()})
    return {
        "Profile": _distinct(record.profile for record in records.values()),
        "Device": _distinct(record.device for record in records.values()),
        "Seed": _distinct(record.seed for record in records.values()),
        "Date": dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}",
        "Versions": _distinct(
            ", ".join(f"{name} {number}" for name, number in record.versions.items())
            for record in records.values()
        ),
    }


def _distinct(values: Iterable[Any]) -> str:
    return "; ".join(dict.fromkeys(map(str, values)))


def _entry(
    claim: Claim,
    record: Record | None,
    error: str,
    figures: Mapping[str, Picture],
    embedded: dict[str, str],
) -> dict[str, Any]:
    """What the template shows of one claim."""
    entry: dict[str, Any] = {
        "claim": claim,
        "verdict": ERROR,
        "finding": "",
        "error": error,
        "checks": {},
        "data": [],
        "gpu": on_a_gpu(claim),
    }
    picture = figures.get(claim.figure)
    if picture and claim.figure not in embedded:
        embedded[claim.figure] = claim.id
        entry["picture"] = {"data": _embedded(picture.path), "caption": picture.caption}
    elif picture:
        entry["shown_in"] = embedded[claim.figure]
    if record is None:
        return entry
    evidence = record.evidence
    told = {
        "verdict": record.verdict,
        "finding": claim.finding_of(record.verdict) or evidence.skipped,
        "condition": evidence.condition,
        "reservation": evidence.reservation,
        "computed": f"{record.date}, {record.profile} profile, seed {record.seed}, "
        f"{record.device}, {record.seconds:.1f} s, sources {record.fingerprint}",
        "checks": {
            "Checks": [_row(check) for check in evidence.checks],
            "Counterexamples to the statement as it stands": [
                _row(check) for check in evidence.counterexamples
            ],
        },
        "data": [_piece(name, value) for name, value in evidence.data.items()],
    }
    return entry | told


def _embedded(path: Path) -> str:
    """A picture as text, in as few colors as line drawings need: a third of the bytes."""
    content = path.read_bytes()
    try:
        from PIL import Image  # which matplotlib has brought

        small = io.BytesIO()
        with Image.open(path) as image:
            image.convert("RGB").quantize(_COLORS).save(small, format="png", optimize=True)
        content = min(content, small.getvalue(), key=len)
    except (ImportError, OSError):  # no such package, or nothing that it can read: as it is
        pass
    return base64.b64encode(content).decode("ascii")


def _row(check: Check) -> tuple[str, ...]:
    passed = "✓ passed" if check.passed else "✗ not passed"
    passed += f", ✗ missed the {check.asked:.6g} asked" if check.short else ""
    return check.name, f"{check.value:.6g}", check.relation, f"{check.bound:.6g}", passed


def _piece(name: str, value: Any) -> dict[str, Any]:
    """A piece of evidence; the record holds all of what is cut here."""
    table = _as_table(value)
    if not table:
        text = json.dumps(value, ensure_ascii=False)
        return {"name": name, "text": text[:_MAX_TEXT] + " …" * (len(text) > _MAX_TEXT)}
    heads, rows = table
    cells = [[_text(cell) for cell in row] for row in rows[:_MAX_ROWS]]
    cut = f" ({_MAX_ROWS} of {len(rows)} rows)" if len(rows) > _MAX_ROWS else ""
    return {"name": name, "heads": heads, "rows": cells, "cut": cut}


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


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_CELL else text[:_MAX_CELL] + " …"
