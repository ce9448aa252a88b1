"""The report shows all of a run, and needs nothing but itself."""

import base64
import io
import re
from dataclasses import replace

from rich.console import Console

from verify.harness import report
from verify.harness.bars import Bars
from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.figures import Picture, draw_figures, pictures, place
from verify.harness.ledger import Claim, settle
from verify.harness.report import on_a_gpu, write_report
from verify.harness.run import Run
from verify.harness.workers import Outcome
from verify.readme import gallery, tally_sentence, verdict_page


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
        name: Claim(name, poison, poison, poison, lambda run: evidence, scope=poison, **figure)
        for name, figure in (
            ("prop1.a", {"shown_in": "prop1.b"}),
            ("prop1.b", {}),
            ("prop1.c", {"no_figure": poison}),
        )
    }
    image = b"\x89PNG fake"
    (tmp_path / "b.png").write_bytes(image)
    drawn = {"prop1.b": Picture(tmp_path / "b.png", poison)}
    records = {"prop1.a": settle(claims["prop1.a"], Run())}
    errors = {"prop1.b": poison, "figure x": poison}
    path = write_report(claims, records, errors, tmp_path / "new" / "report.html", drawn)
    page = path.read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count(base64.b64encode(image).decode()) == 1
    loads = re.findall(r'<(?:link|script|iframe|img)[^>]*?(?:src|href)="([^"]*)"', page)
    assert [load[:22] for load in loads] == ["data:image/png;base64,"]
    assert not re.search(r"url\(|@import", page)
    assert "30 of 60 rows" in page
    assert "? unconfirmed" in page
    assert page.count("<dt>Computed for</dt>") == 3
    assert page.count("! error") == 5  # in the tally and the legend, two claims, the figure
    assert page.count("<figcaption>&lt;script") == 1
    assert page.count('see <a href="#prop1.a">prop1.a</a>') == 1
    assert page.count("No figure: &lt;script") == 1


def test_the_page_of_verdicts_says_what_was_checked():
    claim = Claim("prop1.a", "|s|", "", "", lambda run: Evidence(), title="T", scope="|n| ≤ 2")
    page = verdict_page({"prop1.a": (claim, settle(claim, Run()))})
    assert "## Proposition 1" in page
    assert "### T\n\n? **unconfirmed** · `prop1.a` · our addition" in page
    assert r"*Statement:* \|s\|" in page
    assert r"*Computed for:* \|n\| ≤ 2" in page


def test_what_was_asked_and_missed_is_shown(tmp_path):
    check = Check("sup", 3e-6, "<", 1e-5, asked=1e-6)
    evidence = Evidence(checks=(check,))
    claim = Claim("prop1.a", "s", "", "", lambda run: evidence)
    record = settle(claim, Run())
    told = "to 1e-05, 1e-06 asked (sup: 3e-06)"
    known = {"prop1.a": (claim, record)}
    assert f"*Short of what was asked:* {told}" in verdict_page(known)
    assert "; 1 of the verdicts are short" in tally_sentence(known)
    assert f"`prop1.a`, ✓ holds {told}: s" in gallery(known, {"prop1.a": ""})
    path = write_report({"prop1.a": claim}, {"prop1.a": record}, {}, tmp_path / "r.html", {})
    page = path.read_text(encoding="utf-8")
    assert page.count(told) == 1
    assert "✓ passed, ✗ missed the 1e-06 asked" in page
    console = Console(width=200, file=io.StringIO())
    outcome = Outcome()
    outcome.records["prop1.a"] = record
    Bars(console).table({"prop1.a": claim}, outcome, {})
    assert "1 short of what was asked" in console.file.getvalue()


SCRIPT = "RECORDS = ('prop1.a', 'prop1.b')\nCAPTION = 'κ* and more'\ndraw = None\n"


def test_a_claim_that_uses_a_gpu_says_what_became_of_it_there(tmp_path, monkeypatch):
    check = Check("one", 1.0, "==", 1)
    asks, other = (
        Claim("prop1.a", "s", "", "", lambda run: Evidence(checks=(check,)), on_device=uses)
        for uses in (True, False)
    )
    monkeypatch.setattr(report, "reference", lambda device: tmp_path / device)
    assert (on_a_gpu(asks), on_a_gpu(other)) == ("CUDA record missing", "")
    record = settle(asks, Run())
    assert "CUDA record missing" in verdict_page({"prop1.a": (asks, record)})
    replace(record, device="cuda: H200").save(tmp_path / "cuda")
    assert on_a_gpu(asks) == "✓ holds on cuda: H200"
    path = write_report({"prop1.a": asks}, {"prop1.a": record}, {}, tmp_path / "r.html", {})
    assert "✓ holds on cuda: H200" in path.read_text(encoding="utf-8")


def test_missing_records_are_named(tmp_path):
    script = place(tmp_path, "prop1.a", ".py")
    script.parent.mkdir()
    script.write_text(SCRIPT, encoding="utf-8")
    claim = Claim("prop1.a", "", "", "", lambda run: Evidence())
    settle(claim, Run()).save(tmp_path)
    lacking, errors = draw_figures(["prop1.a"], tmp_path, tmp_path / "out", tmp_path)
    assert (lacking, errors) == ({"prop1.a": ["prop1.b"]}, {})


def test_a_figure_without_a_script_is_an_error(tmp_path):
    lacking, errors = draw_figures(["prop1.absent"], tmp_path, tmp_path / "out", tmp_path)
    assert lacking == {}
    assert f"{tmp_path / 'prop1' / 'absent.py'} does not exist" in errors["prop1.absent"]
    assert not (tmp_path / "out").exists()


def test_what_was_drawn_has_its_caption_and_no_failing_script_is_shown(tmp_path):
    for name, text in (("a", SCRIPT), ("b", "1 / 0"), ("c", SCRIPT)):
        script = place(tmp_path, f"prop1.{name}", ".py")
        script.parent.mkdir(exist_ok=True)
        script.write_text(text, encoding="utf-8")
    for name in "ab":
        place(tmp_path, f"prop1.{name}", ".png").touch()
    shown = pictures([f"prop1.{name}" for name in "abcd"], tmp_path, tmp_path)
    assert shown == {"prop1.a": Picture(tmp_path / "prop1" / "a.png", "κ* and more")}


def test_the_gallery_shows_each_figure_once_and_says_why_there_is_none():
    claims = [
        Claim("prop1.a", "the κ* of it", "", "", lambda run: Evidence()),
        Claim("prop1.b", "s", "", "", lambda run: Evidence(), shown_in="prop1.a"),
        Claim("prop1.c", "s", "", "", lambda run: Evidence(), no_figure="all is said"),
    ]
    known = {claim.id: (claim, settle(claim, Run())) for claim in claims}
    text = gallery(known, {"prop1.a": "What κ* is."})
    assert text.count("![") == 1
    assert "![prop1.a](claims/prop1/a.png)\n\nWhat κ\\* is.\n\n- `prop1.a`" in text
    assert "the κ\\* of it\n- `prop1.b`, ? unconfirmed: s\n\n[PDF](claims/prop1/a.pdf)" in text
    assert text.endswith("- `prop1.c`, ? unconfirmed: s (No figure: all is said.)")


def test_findings_come_first_and_by_topic(tmp_path):
    def claim(name, verdict, **words):
        finding = {verdict: f"what was found of {name}."}
        return Claim(
            name, "s", "", "", lambda run: None, title=f"T {name}", finding=finding, **words
        )

    holds = Evidence(checks=(Check("a", 1, "<=", 2),))
    fails = Evidence(counterexamples=(Check("a", 1, "<=", 2),))
    claims = {
        "prop1.a": claim("prop1.a", Verdict.HOLDS, origin="paper"),
        "thm2.b": claim("thm2.b", Verdict.FAILS, origin="circulation"),
        "thm2.c": claim("thm2.c", Verdict.FAILS),
    }
    records = {
        name: settle(replace(claims[name], compute=lambda run, found=found: found), Run())
        for name, found in {"prop1.a": holds, "thm2.b": fails, "thm2.c": holds}.items()
    }
    page = write_report(claims, records, {}, tmp_path / "r.html", {}).read_text(encoding="utf-8")
    top = page[: page.index("<article")]
    places = [top.index(text) for text in ("Proposition 1:", "T prop1.a", "Theorem 2:", "T thm2.b")]
    assert places == sorted(places)
    assert "what was found of prop1.a." in top
    assert "what was found of thm2.b." in top
    assert "what was found of thm2.c." not in page  # its verdict is another
    assert "a misstatement in circulation" in page
    assert "✓ holds</span>&nbsp;2" in top


def test_pictures_are_embedded_in_few_colors(tmp_path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3), dpi=150)
    figure.add_subplot().plot([1, 3, 2])
    figure.savefig(tmp_path / "a.png")
    evidence = Evidence(checks=(Check("a", 1, "<=", 2),))
    claims = {"prop1.a": Claim("prop1.a", "s", "", "", lambda run: evidence)}
    records = {"prop1.a": settle(claims["prop1.a"], Run())}
    drawn = {"prop1.a": Picture(tmp_path / "a.png", "What is drawn.")}
    page = write_report(claims, records, {}, tmp_path / "r.html", drawn).read_text()
    (data,) = re.findall(r"base64,([^\"]*)", page)
    assert len(base64.b64decode(data)) < 0.7 * (tmp_path / "a.png").stat().st_size
