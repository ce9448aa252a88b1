"""Documents: links lead somewhere, and what is said of the theory is in it."""

import re
import subprocess
import sys

import pytest

from verify.harness.ledger import load_claims
from verify.harness.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("figures/*.md")])
THEORY = (ROOT / "docs" / "theory.md").read_text(encoding="utf-8")
SOURCES = [path for folder in ("rkbs", "verify") for path in sorted((ROOT / folder).rglob("*.py"))]
SECTION = re.compile(r"[Tt]heory §(\d)(?:\.?([A-C])\b)?")


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def sections():
    """Numbers of theory.md's sections, and those with the letters of their readings."""
    found = set()
    for part in re.split(r"^## ", THEORY, flags=re.MULTILINE)[1:]:
        number = part[0]
        found |= {
            number,
            *(number + letter for letter in re.findall(r"^\*\*([A-C])\. ", part, re.M)),
        }
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text(encoding="utf-8"))
        ):
            broken.append(link)
    assert broken == []


def test_sections_that_docstrings_name_are_there():
    there = sections()
    assert {"0", "1", "2", "3A", "3B", "3C", "4"} <= there
    named = {
        (path.name, number + letter)
        for path in SOURCES
        for number, letter in SECTION.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 30
    assert {entry for entry in named if entry[1] not in there} == set()


def test_what_a_claim_takes_from_the_theory_is_there_by_name():
    """``Theory §4, The floor``: a paragraph of that section opens so."""
    parts = {p[0]: p for p in re.split(r"^## ", THEORY, flags=re.MULTILINE)[1:]}
    missing = []
    for claim in load_claims().values():
        for number, names in re.findall(r"[Tt]heory §(\d), ([^;()]+)", claim.source):
            for name in names.split(", "):
                letters = re.fullmatch(r"readings? ([A-C])(?: and ([A-C]))?", name.strip())
                wanted = [f"**{x}. " for x in letters.groups() if x] if letters else [name.strip()]
                missing += [(claim.id, w) for w in wanted if w.lower() not in parts[number].lower()]
    assert missing == []


def test_the_picture_of_imports_is_current():
    code = (
        "import sys; sys.path.insert(0, 'docs'); import draw_imports as d; print(d.text(), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == (ROOT / "docs" / "imports.svg").read_text(encoding="utf-8"), (
        "docs/imports.svg is stale: python docs/draw_imports.py"
    )


HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_what_a_how_to_adds_is_there(page):
    """Every added line of its diffs stands in the file that the diff is of."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```diff\n(.*?)```", text, re.DOTALL)
    assert blocks or page.stem == "README"
    for block in blocks:
        parts = re.split(r"^--- a/.*\n\+\+\+ b/(.*)\n", block, flags=re.MULTILINE)
        assert not parts[0]
        for name, added in zip(parts[1::2], parts[2::2], strict=True):
            lines = set((ROOT / name).read_text(encoding="utf-8").splitlines())
            assert [line for line in added.splitlines() if line[1:] not in lines] == []
