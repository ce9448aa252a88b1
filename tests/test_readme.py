"""The README says what the records say, and its examples run."""

import re

import pytest
from csv_helpers import write_tables

from verify.harness.paths import ROOT
from verify.readme import documents, filled, hero, references

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = {
    f"{page.name} {number}": found
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for number, found in enumerate(
        re.findall(
            r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?",
            page.read_text(encoding="utf-8"),
            re.DOTALL,
        )
    )
}
"""Each block of code, and what stands under it as its output."""


def test_documents_are_filled_from_the_records():
    for path, text in documents().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"{path} is stale: run python -m verify.readme"
        )


def test_the_opening_figures_caption_follows_from_the_records():
    known = references()
    caption = hero(known)
    assert "figures/claims/thm2/limit.png" in caption
    rows = known["thm2.limit"][1].evidence.data["rows"]
    for row in rows:
        row["error"] *= 1.2
    worse = hero(known)
    assert "variable projection are on the floor up to d = 0," in worse
    for row in rows:
        row["error"] = row["floor"]
    assert "variable projection are on the floor up to d = 16," in hero(known)
    del known["thm2.floor"]
    assert hero(known) == ""


def test_regions_must_exist_and_are_replaced():
    text = "a\n<!-- x -->\nold\n<!-- /x -->\nb"
    assert filled(text, {"x": "new"}) == "a\n<!-- x -->\nnew\n<!-- /x -->\nb"
    with pytest.raises(ValueError, match="no region 'y'"):
        filled(text, {"y": ""})


def test_there_are_examples():
    assert len(EXAMPLES) >= 6
    assert all(output for name, (_, output) in EXAMPLES.items() if name.startswith("README"))


SMALLER = {"two-domains.md 0": {"60": "12", "40": "9"}, "two-domains.md 3": {"60": "12", "40": "9"}}
"""Numbers of points, in examples that would take long."""
SHORTER = {"transformer.md 0": {"steps=250": "steps=50", "(250)": "(205)"}}
"""Training, in examples whose full length another test runs."""
NEEDS = {
    "audit.md 1": ("transformers",),
    "transformer.md 0": ("tokenizers", "sacrebleu"),
    "transformer.md 2": ("safetensors",),
}
"""Packages of extras."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name, capsys, tmp_path, monkeypatch):
    source, output = EXAMPLES[name]
    if ".csv" in source:  # files that a reader has
        write_tables(tmp_path)
        monkeypatch.chdir(tmp_path)
    for package in NEEDS.get(name, ()):
        pytest.importorskip(package, reason="an extra is not installed")
    for long, short in SHORTER.get(name, {}).items():
        assert source.count(long) == 1
        source = source.replace(long, short)
    for size, less in SMALLER.get(name, {}).items():
        assert source.count(size) > 1
        source = source.replace(size, less)
    exec(compile(source, name, "exec"), {})
    printed = capsys.readouterr().out
    assert printed == output if output else printed


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", TEXT))
def test_links_point_to_files(path):
    assert (ROOT / path).exists()


DIGITS = {"sec5.translation": 2, "sec5.text": 3, "sec5.sst": 2}


@pytest.mark.parametrize("claim", DIGITS)
def test_what_selection_is_worth_is_what_the_records_say(claim):
    data = references()[claim][1].evidence.data
    rows = data["tasks"]["SST-2"]["hypotheses"] if "tasks" in data else data["hypotheses"]
    (row,) = (row for row in rows if row["name"] == "uniform − EDP, d = 16")
    mean, low, high = (f"{x:.{DIGITS[claim]}f}" for x in (row["mean"], *row["interval"]))
    page = (ROOT / "docs" / "selection.md").read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.endswith(f"| `{claim}` |"))
    assert f"| {mean} " in line
    assert f"({low} to {high})" in line
