"""README.md, docs/verdicts.md and the gallery from the records: ``python -m verify.readme``."""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from verify.harness.evidence import Verdict
from verify.harness.figures import figures_of, load_script, place
from verify.harness.formulas import in_html
from verify.harness.ledger import ORIGINS, Claim, load_claims
from verify.harness.paths import REFERENCE, ROOT
from verify.harness.records import Record, RecordError, load_record, write_atomically
from verify.harness.report import MEANINGS, SYMBOLS, by_topic, counted, on_a_gpu, tally
from verify.harness.terminal import quiet
from verify.studies.rows import (
    MIDDLE,
    NEGLIGIBLE,
    WIDE,
    at_a_glance,
    best,
    excess,
    like_the_first,
    median_excess,
)

_DIMS = (4, 8, 12, 16)
_REACHED = 1.1
"""How near to the floor a head has reached it, as thm2.limit says."""

_RMSE = "RMSE (ln IC50)"

_GALLERY = Path("claims")
"""The pictures, from where figures/README.md is."""


def references() -> dict[str, tuple[Claim, Record]]:
    """Every claim that has a reference record, with it; ``RecordError`` for one that is refused."""
    found = {}
    for name, claim in load_claims().items():
        record = load_record(name, REFERENCE)
        if record:
            found[name] = claim, record
    return found


def tally_sentence(known: Mapping[str, tuple[Claim, Record]]) -> str:
    """How many claims came to what."""
    counts = tally(record.verdict for _, record in known.values())
    told = {
        Verdict.HOLDS: "hold as stated",
        Verdict.HOLDS_IF: "hold under a condition that had to be added",
        Verdict.FAILS: "fail",
        Verdict.UNCONFIRMED: "are unconfirmed",
        Verdict.SKIPPED: "were not computed",
    }
    parts = [
        f"{counts[verdict]} {words} ({SYMBOLS[verdict]})"
        for verdict, words in told.items()
        if verdict in counts
    ]
    short = sum(bool(record.evidence.reservation) for _, record in known.values())
    reserved = f"; {short} of the verdicts are short of a stricter bound that was asked first"
    return (
        f"**Of {len(known)} claims {', '.join(parts[:-1])} and {parts[-1]}**"
        f"{reserved * bool(short)}. [All verdicts](docs/verdicts.md), each with its evidence."
    )


def verdict_page(known: Mapping[str, tuple[Claim, Record]]) -> str:
    """A section per topic: each claim with its finding, statement, scope and verdict."""
    parts = []
    for title, members in by_topic({name: claim for name, (claim, _) in known.items()}).items():
        parts.append(f"## {title}")
        parts += [_verdict_section(claim, known[claim.id][1]) for claim in members]
    legend = "\n".join(
        f"- {SYMBOLS[verdict]} **{verdict}**: {MEANINGS[verdict]}"
        for verdict in (Verdict.HOLDS, Verdict.HOLDS_IF, Verdict.FAILS)
    )
    return f"{legend}\n\n" + "\n\n".join(parts)


def _verdict_section(claim: Claim, record: Record) -> str:
    evidence = record.evidence
    condition = f" {literal(evidence.condition)}" if evidence.condition else ""
    lines = [
        f"### {literal(claim.title)}",
        f"{SYMBOLS[record.verdict]} **{record.verdict.value}**{condition} · `{claim.id}` · "
        f"{ORIGINS[claim.origin]}",
        literal(claim.finding_of(record.verdict)),
        f"*Statement:* {literal(claim.statement)}",
    ]
    if claim.scope:
        lines.append(f"*Computed for:* {literal(claim.scope)}")
    if evidence.reservation:
        lines.append(f"*Short of what was asked:* {literal(evidence.reservation)}")
    figure = f"[Figure](../figures/README.md#{claim.figure.replace('.', '')})"
    lines.append(
        f"{counted(evidence)} · [record](../verify/results/{claim.id}.json) · "
        + (figure if claim.figure else f"no figure: {literal(claim.no_figure)}")
        + (f" · {gpu}" if (gpu := on_a_gpu(claim)) else "")
    )
    return "\n\n".join(filter(None, lines))


def gdsc_table(known: dict[str, tuple[Claim, Record]]) -> str:
    """Held-out errors of the predictors on GDSC, in the settings that have records."""
    settings: dict[str, dict[str, Any]] = {}
    if "data.gdsc" in known and "table" in known["data.gdsc"][1].evidence.data:
        settings["known pairs"] = known["data.gdsc"][1].evidence.data
    if "data.gdsc_cold" in known:
        data = known["data.gdsc_cold"][1].evidence.data
        settings |= {name: part for name, part in data.items() if "table" in part}
    if not settings:
        return ""
    lines = [f"| predictor | {' | '.join(settings)} |", "|---" * (1 + len(settings)) + "|"]
    first = next(iter(settings.values()))["table"]
    for name in (row["predictor"] for row in sorted(first, key=lambda row: row[_RMSE])):
        cells = (_score(part["table"], name) for part in settings.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    folds = len(next(iter(settings.values()))["folds"]["mean"])
    return "\n".join([*lines, "", f"RMSE in ln IC50, mean ± sd over {folds} folds."])


def _score(table: list[dict[str, Any]], predictor: str) -> str:
    """RMSE and its spread over the folds; bold, the least of the setting."""
    row = next(row for row in table if row["predictor"] == predictor)
    shown = f"{row[_RMSE]:.3f} ± {row['sd over folds']:.3f}"
    return f"**{shown}**" if row[_RMSE] == min(each[_RMSE] for each in table) else shown


def limit_table(known: dict[str, tuple[Claim, Record]]) -> str:
    """The floor of each target on the line, and how far above it the best heads of 64 units end."""
    if not {"thm2.limit", "thm2.trained"} <= known.keys():
        return ""
    limit, adam = (known[name][1].evidence.data["rows"] for name in ("thm2.limit", "thm2.trained"))
    projected = _by_cell(row for row in limit if row["start"] == "constructive")
    plain = _by_cell(like_the_first(adam))
    lines = ["| target | " + " | ".join(f"d = {d}" for d in _DIMS) + " |", "|---" * 5 + "|"]
    for name in dict.fromkeys(target for target, _ in plain):
        cells = []
        for row, other in ((projected[name, d], plain[name, d]) for d in _DIMS):
            share = row["floor_there"] / row["norm"]
            floor = f"{share:.0e}" if share >= NEGLIGIBLE else f"< {NEGLIGIBLE:.0e}"
            near = f"{excess(row):.3f}" if excess(row) >= 0.9995 else "< 1"
            cells.append(f"{floor}: {near} × and {excess(other):.3g} ×")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def hero(known: dict[str, tuple[Claim, Record]]) -> str:
    """The figure that opens README, with what its panels show."""
    ids = [f"thm2.{name}" for name in ("floor", "limit", "trained", "constructive")]
    if not known.keys() >= set(ids):
        return ""
    panels = at_a_glance({name: known[name][1].evidence.data for name in ids}).values()
    told = {}
    for method in ("variable projection", "random hidden layers", "plain Adam"):
        found = [median_excess(panel, method) for panel in panels]
        last = max(found[0])
        ends = sorted(ratios[last] for ratios in found)
        told[method] = (_reached(found), f"{ends[0]:.2g} to {ends[-1]:.2g}", last)
    (near, ends, last), (frozen, wide, _), (adam, apart, _) = told.values()
    image = (
        "![L² error of attention logits against the head dimension, beside the Schmidt floor, for "
        f"three targets and {MIDDLE} hidden units](figures/claims/thm2/limit.png)"
    )
    return (
        f"{image}\n\n*How close an attention logit of dimension d can come to a response surface "
        "F(t, s). None can be in the gray: below the Schmidt floor, or rounding. Of heads with "
        f"{MIDDLE} hidden units those trained by variable projection are on the floor up to "
        f"d = {near}, those with random layers up to d = {frozen}, those trained by plain Adam up "
        f"to d = {adam} (medians within {_REACHED} × on all three targets); at d = {last} they end "
        f"{ends}, {wide} and {apart} times above it.*"
    )


def _reached(found: Sequence[dict[int, float]]) -> int:
    """The largest d up to which all medians are within ``_REACHED`` × the floor; 0 if none."""
    reached = 0
    for d in found[0]:
        if any(ratios[d] > _REACHED for ratios in found):
            return reached
        reached = d
    return reached


def _by_cell(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, int], dict[str, Any]]:
    """The best rows of wide heads by target and d."""
    wide = (row for row in rows if row["width"] == WIDE)
    return {(row["target"], row["d"]): row for row in best(wide)}


def gallery(known: dict[str, tuple[Claim, Record]], captions: Mapping[str, str]) -> str:
    """A section per figure: the picture, its caption, and the claims it is the evidence of.

    Claims without a figure are listed at the end, each with the reason.
    """
    shown: dict[str, list[str]] = defaultdict(list)
    bare = []
    for name, (claim, record) in known.items():
        verdict = f"{SYMBOLS[record.verdict]} {record.verdict.value}"
        if record.evidence.reservation:
            verdict += f" {record.evidence.reservation}"
        line = f"- `{name}`, {verdict}: {literal(claim.statement)}"
        if claim.no_figure:
            bare.append(f"{line} (No figure: {literal(claim.no_figure)}.)")
        else:
            shown[claim.figure].append(line)
    parts = []
    for name, lines in shown.items():
        png, pdf = (place(_GALLERY, name, suffix).as_posix() for suffix in (".png", ".pdf"))
        claims = "\n".join(lines)
        caption = literal(captions[name])
        parts.append(f"## {name}\n\n![{name}]({png})\n\n{caption}\n\n{claims}\n\n[PDF]({pdf})")
    if bare:
        parts.append("## Claims without a figure\n\n" + "\n".join(bare))
    return "\n\n".join(parts)


def literal(text: str) -> str:
    """Text in Markdown, exponents raised and indices lowered as in the report.

    The star of κ* might begin emphasis, a low line too, and |x| a table.
    """
    html = str(in_html(text)).replace("&#39;", "'").replace("&#34;", '"')
    return re.sub(r"([*_|])", r"\\\1", html)


def filled(text: str, regions: dict[str, str]) -> str:
    """The text with each ``<!-- name -->…<!-- /name -->`` region filled anew."""
    for name, content in regions.items():
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"no region {name!r} in the text")
        text = pattern.sub(lambda match, body=content: f"{match[1]}{body}\n{match[2]}", text)
    return text


def documents() -> dict[str, str]:
    """Both documents as the reference records say they should read, by path."""
    known = references()
    figures = figures_of(claim for claim, _ in known.values())
    captions = {name: load_script(name).caption for name in figures}
    regions = {
        "README.md": {"hero": hero(known), "tally": tally_sentence(known)},
        "docs/head-dimension.md": {"limit": limit_table(known)},
        "docs/two-domains.md": {"gdsc": gdsc_table(known)},
        "docs/verdicts.md": {"verdicts": verdict_page(known)},
        "figures/README.md": {"gallery": gallery(known, captions)},
    }
    return {
        path: filled((ROOT / path).read_text(encoding="utf-8"), content)
        for path, content in regions.items()
    }


@quiet
def main(argv: Sequence[str] | None = None) -> int:
    """Fill the documents from the records; status 1, and none touched, if a record is refused."""
    argparse.ArgumentParser("python -m verify.readme", description=main.__doc__).parse_args(argv)
    try:
        found = documents()
    except RecordError as error:
        print(f"nothing was filled: {error}", file=sys.stderr)
        return 1
    for path, text in found.items():
        write_atomically(ROOT / path, text)
        print(f"{path}: filled from verify/results")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
