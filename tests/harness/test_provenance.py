"""A record depends on the code that its claim computed with, and on nothing else."""

import subprocess
import sys

import pytest

from verify.harness.ledger import PACKAGE, known_ids
from verify.harness.paths import ROOT
from verify.harness.provenance import COMPUTES, LOADED, PACKAGES, Sources

IDS = known_ids()


class Edited(Sources):
    """The sources with one file's text changed."""

    def __init__(self, module, change):
        source = LOADED._modules[module]
        self._modules = LOADED._modules | {module: type(source)(change(source.text))}
        self._fingerprints = {}


def stale(module, change):
    """The claims whose records an edit makes stale."""
    edited = Edited(module, change)
    names = {name: f"{PACKAGE}.{name}" for name in IDS}
    return {n for n, m in names.items() if edited.fingerprint(m) != LOADED.fingerprint(m)}


def code(text):
    return text + "\n\ndef another():\n    return 1\n"


HARMLESS = {
    "a comment": lambda text: text + "\n# A comment.\n",
    "a module's docstring": lambda text: text.replace('"""', '"""Or: ', 1),
    "a function's docstring": lambda text: text.replace('    """', '    """Or: ', 1),
    "the text after a constant": lambda text: text + '\nLIMIT = 1\n"""What it is."""\n',
    "blank lines": lambda text: text.replace("\n\n", "\n\n\n\n"),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_is_no_code_makes_nothing_stale(change):
    module = "rkbs.kernels.base"
    text = Edited(module, change)._modules[module].text
    plain = change("")
    if plain.strip().startswith("LIMIT"):  # the constant is code, what is said of it is not
        one, other = Edited(module, change), Edited(module, lambda t: t + "\nLIMIT = 1\n")
        assert one._modules[module].digest == other._modules[module].digest
    else:
        assert text != LOADED._modules[module].text
        assert stale(module, change) == set()


def test_what_a_claim_says_of_itself_is_no_code():
    def reworded(text):
        return text.replace("statement=", 'scope="all", statement=').replace("§", "Section ")

    assert stale(f"{PACKAGE}.prop1.span", reworded) == set()
    assert stale(f"{PACKAGE}.prop1.span", code) == {"prop1.span"}


@pytest.mark.parametrize(
    "module", ["rkbs.plotting", "rkbs", "rkbs.kernels", "verify.harness.report", "verify.readme"]
)
def test_what_shows_or_passes_on_makes_nothing_stale(module):
    assert stale(module, code) == set()


def test_an_edit_makes_those_stale_that_use_it():
    machine, base = stale("rkbs.machines.ridge", code), stale("rkbs.kernels.base", code)
    assert machine
    assert not {name for name in machine if name.startswith("prop1.")}
    assert {name for name in IDS if name.startswith("prop1.")} <= base
    unmoved = set(IDS) - base
    assert all("rkbs.kernels.base" not in LOADED.closure(f"{PACKAGE}.{name}") for name in unmoved)
    for name in COMPUTES[:2]:
        assert stale(f"verify.harness.{name}", code) == set(IDS)


def test_an_edit_of_a_study_makes_its_readers_stale():
    readers = stale("verify.studies.separable", code)
    assert "thm1.separable_unique" in readers
    assert "thm1.operator_unique" not in readers


SOURCES = {
    "pack/__init__.py": "from pack.a import f\nfrom pack.b import g as h\n__all__ = ['f', 'h']",
    "pack/a.py": "def f():\n    from pack.late import x\n    return x",
    "pack/b.py": "import pack.c\nfrom typing import TYPE_CHECKING\n"
    "if TYPE_CHECKING:\n    from pack.types import T",
    "pack/c.py": "",
    "pack/late.py": "x = 1",
    "pack/types.py": "T = int",
    "pack/one.py": "from pack import f",
    "pack/two.py": "from pack import h as k",
    "pack/all.py": "import pack",
    "pack/module.py": "from pack import b",
}


@pytest.mark.parametrize(
    ("module", "closure"),
    [
        ("one", {"one", "a", "late"}),
        ("two", {"two", "b", "c"}),
        ("module", {"module", "b", "c"}),
        ("all", {"all", "", "a", "late", "b", "c"}),
    ],
)
def test_names_lead_to_the_modules_that_define_them(module, closure, tmp_path, monkeypatch):
    monkeypatch.setattr("verify.harness.provenance.PACKAGES", ("pack",))
    (tmp_path / "pack").mkdir()
    for path, text in SOURCES.items():
        (tmp_path / path).write_text(text)
    found = Sources(tmp_path).closure(f"pack.{module}")
    assert found == {f"pack.{name}" if name else "pack" for name in closure}


TRACED = """
import sys
from verify.harness.ledger import load_claim
from verify.harness.run import Run

def note(frame, event, _):
    if event == "call":
        ran.add(frame.f_code.co_filename)

for name in {names!r}:
    ran, compute, run = set(), load_claim(name).compute, Run()
    sys.setprofile(note)
    compute(run)
    sys.setprofile(None)
    print(name, *(path for path in ran if path.startswith({root!r})))
"""
QUICK = ("prop1.span", "prop1.linear_space", "prop1.misprint", "thm1.operator_unique")


def test_all_code_that_a_claim_runs_counts():
    """Against what Python says of a run: only the harness that does not compute is left out."""
    text = TRACED.format(names=QUICK, root=f"{ROOT}/")
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        name, *paths = line.split()
        modules = {
            path.removeprefix(f"{ROOT}/")
            .removesuffix(".py")
            .removesuffix("/__init__")
            .replace("/", ".")
            for path in paths
        }
        modules = {m for m in modules if m.split(".")[0] in PACKAGES}
        counted = {m for m in modules if not m.startswith("verify.harness.")}
        closure = LOADED.closure(f"{PACKAGE}.{name}")
        assert f"{PACKAGE}.{name}" in counted
        assert counted - {"rkbs"} <= closure  # rkbs's own __getattr__ finds what it passes on
    assert len(done.stdout.splitlines()) == len(QUICK)


TEXTS = {
    "rkbs/__init__.py": "",
    "rkbs/used.py": "X = 1\n",
    "rkbs/unused.py": "Y = 1\n",
    "verify/__init__.py": "",
    "verify/claim.py": "from rkbs.used import X\n",
}


def fingerprint(folder, module, **texts):
    """Of a module where some files have other texts."""
    for name, text in {**TEXTS, **{key.replace("__", "/"): t for key, t in texts.items()}}.items():
        path = folder / (name if "." in name else f"{name}.py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Sources(folder).fingerprint(module)


@pytest.mark.parametrize(
    ("change", "claim", "stranger"),
    [
        ({"rkbs__used": "X = 2\n"}, True, True),
        ({"rkbs__used": '"""Says X."""\n\nX = 1  # one\n'}, False, True),
        ({"rkbs__unused": "Y = 2\n"}, False, True),
        ({"verify__claim": "from rkbs.unused import Y\n"}, True, True),
        ({}, False, False),
    ],
)
def test_what_changes_a_fingerprint(change, claim, stranger, tmp_path):
    """Of a claim what its imports lead to; of what is none of the sources, as a test, all texts."""
    for module, changes in (("verify.claim", claim), ("elsewhere", stranger)):
        before = fingerprint(tmp_path, module)
        assert (fingerprint(tmp_path, module, **change) != before) == changes
