"""The report shows all of a run, and needs nothing but itself."""

import base64
import io
import re

import pytest
from rich.console import Console

from verify.harness import figures
from verify.harness.display import summary
from verify.harness.evidence import Check, Evidence
from verify.harness.figures import SCRIPTS
from verify.harness.ledger import Claim, load_claims, settle
from verify.harness.readme import gallery, verdict_table
from verify.harness.report import write_report
from verify.harness.run import Run
from verify.harness.workers import Outcome


def test_report_is_escaped_and_self_contained(tmp_path):
    poison = '<script src="https://example.org/x.js">&'
    rows = [{poison: poison, "value": number} for number in range(60)]
    evidence = Evidence(
        checks=(Check(poison, 1, "<=", 2), Check("open", 3, "<=", 2)),
        counterexamples=(Check(poison, 1, "<", 2),),
        condition=poison,
        data={poison: poison, "rows": rows, "curve": {"x": [1.0], poison: [2]}, "long": [0] * 9999},
    )
    claims = {
        name: Claim(name, poison, poison, poison, lambda run: evidence, "shared", poison)
        for name in ("prop1.a", "prop1.b")
    }
    image = b"\x89PNG fake"
    (tmp_path / "shared.png").write_bytes(image)
    records = {"prop1.a": settle(claims["prop1.a"], Run())}
    errors = {"prop1.b": poison, "figure x": poison}
    path = write_report(claims, records, errors, tmp_path / "new" / "report.html", tmp_path)
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count(base64.b64encode(image).decode()) == 1
    loads = re.findall(r'<(?:link|script|iframe|img)[^>]*?(?:src|href)="([^"]*)"', page)
    assert [load[:22] for load in loads] == ["data:image/png;base64,"]
    assert not re.search(r"url\(|@import", page)
    assert "50 of 60 rows" in page
    assert "? unconfirmed" in page
    assert page.count("<dt>Scope</dt>") == 2
    assert page.count("! error") == 4  # in the summary and its legend, the claim, the figure


def test_the_readme_says_what_was_checked():
    claim = Claim("prop1.a", "|s|", "", "", lambda run: Evidence(), scope="|n| ≤ 2")
    table = verdict_table({"prop1.a": (claim, settle(claim, Run()))})
    assert r"| \|s\|<br>*Checked for:* \|n\| ≤ 2 | ? **unconfirmed** |" in table


def test_what_was_asked_and_missed_is_shown(tmp_path):
    check = Check("sup", 3e-6, "<", 1e-5, asked=1e-6)
    evidence = Evidence(checks=(check,))
    claim = Claim("prop1.a", "s", "", "", lambda run: evidence, "shared")
    record = settle(claim, Run())
    told = "to 1e-05, 1e-06 asked (sup: 3e-06)"
    known = {"prop1.a": (claim, record)}
    assert f"✓ **holds**<br>*Short of what was asked:* {told} |" in verdict_table(known)
    assert f"`prop1.a`, ✓ holds {told}: s" in gallery(known)
    path = write_report({"prop1.a": claim}, {"prop1.a": record}, {}, tmp_path / "r.html", tmp_path)
    page = path.read_text(encoding="utf-8")
    assert page.count(told) == 2  # in the summary and the claim's own section
    assert "✓ passed, ✗ missed the 1e-06 asked" in page
    console = Console(width=200, file=io.StringIO())
    outcome = Outcome()
    outcome.records["prop1.a"] = record
    console.print(summary({"prop1.a": claim}, outcome, {}))
    assert "1 short of asked" in console.file.getvalue()


def test_missing_records_are_named(tmp_path):
    found, absent = (
        Claim(name, "", "", "", lambda run: Evidence(), "shared") for name in ("prop1.a", "prop1.b")
    )
    settle(found, Run()).save(tmp_path)
    known = {"prop1.a": found, "prop1.b": absent}
    assert figures.missing_records(known, tmp_path) == {"shared": ["prop1.b"]}


def test_a_figure_without_a_script_is_an_error(tmp_path):
    errors = figures.draw_figures(["absent"], tmp_path, tmp_path / "out", scripts=tmp_path)
    assert errors == {"absent": f"{tmp_path / 'absent.py'} does not exist"}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_a_figure_is_not_drawn_without_a_record_that_it_reads(script):
    """The claims that a script names declare the figure."""
    claims = load_claims()
    read = {name for name in claims if f'"{name}"' in script.read_text(encoding="utf-8")}
    assert read
    assert read <= {name for name, claim in claims.items() if script.stem in claim.figures}
