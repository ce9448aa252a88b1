"""The README says what the records say, and its examples run."""

import re

import pytest

from verify.harness.paths import ROOT
from verify.harness.readme import documents, filled, hero, references

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_documents_are_filled_from_the_records():
    for path, text in documents().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, (
            f"{path} is stale: run python -m verify.harness.readme"
        )


def test_the_opening_figures_caption_follows_from_the_records():
    known = references()
    caption = hero(known)
    assert "thm2_limit.png" in caption
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
    assert len(EXAMPLES) == 5


SMALLER = {2: {"60": "12", "40": "9"}}
"""Numbers of points, in examples that would take long."""


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_run(number, capsys):
    source = EXAMPLES[number]
    for size, less in SMALLER.get(number, {}).items():
        assert source.count(size) > 1
        source = source.replace(size, less)
    exec(compile(source, "README.md", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)#:]+)\)", TEXT))
def test_links_point_to_files(path):
    assert (ROOT / path).exists()
