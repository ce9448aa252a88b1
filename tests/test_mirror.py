"""Tests lie where what they test does: a file of a claim has its test file, a folder its folder."""

import ast

import pytest
from modules import TESTS

from verify.harness.ledger import known_ids
from verify.harness.paths import ROOT

FILES = sorted(path.relative_to(TESTS) for path in TESTS.rglob("test_*.py"))
SUPPORT = sorted(path for path in TESTS.rglob("*.py") if path.relative_to(TESTS) not in FILES)


def test_every_claim_has_its_test_file_and_every_such_file_its_claim():
    claims = [path for path in FILES if path.parts[0] == "claims"]
    expected = {f"claims/{claim.replace('.', '/test_')}.py" for claim in known_ids()}
    assert {str(path) for path in claims} == expected


def test_folders_are_those_of_the_library_and_of_the_verification():
    packages = {
        str(path.parent.relative_to(ROOT / package))
        for package in ("rkbs", "verify")
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert {str(path.parent) for path in FILES} <= packages  # "." is their top


def imported_tests(source):
    """The test files that a source imports, by the names that it uses for them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if hasattr(node, "names") else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        elif not isinstance(node, ast.Import):
            continue
        found += [n for n in names if any(part.startswith("test_") for part in n.split("."))]
    return found


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_test_file_imports_another(path):
    assert imported_tests((TESTS / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import test_kernels",
        "from test_kernels import points",
        "from tests.kernels import test_kernels",
        "def f():\n    import tests.kernels.test_kernels as other",
    ],
)
def test_an_import_of_a_test_file_is_seen(source):
    assert len(imported_tests(source)) == 1


def test_what_tests_share_holds_no_tests():
    """pytest would not find them there."""
    for path in SUPPORT:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [n.name for n in tree.body if getattr(n, "name", "").startswith("test_")], path
