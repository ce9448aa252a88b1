"""One word for one thing, as docs/notation.md says it: what names of rkbs promise."""

import ast
from collections import Counter

import pytest

from verify.harness.paths import ROOT

TREES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "rkbs").rglob("*.py"))
}
MEASURES = {"worst", "relative", "negativity"}  # what the laws are measured with
TYPES = {"pairs": "Pairs", "spaces": "RKBSPair"}
TAKEN = {"values", "pair"}


def nodes(trees, *kinds):
    return [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, kinds)]


def shared_names(trees):
    """Names of two classes."""
    names = Counter(node.name for node in nodes(trees, ast.ClassDef))
    return {name for name, count in names.items() if count > 1}


def checks_that_never_raise(trees):
    """``check_*`` and ``_check_*`` that neither raise nor ask another check to, in any class."""
    silent, loud = set(), set()
    for node in nodes(trees, ast.FunctionDef):
        if node.name.lstrip("_").startswith("check_"):
            inner = [part for statement in node.body for part in ast.walk(statement)]
            asked = (ast.unparse(part.func) for part in inner if isinstance(part, ast.Call))
            raises = any(isinstance(part, ast.Raise) for part in inner)
            raises = raises or any("check" in name for name in asked)
            (loud if raises else silent).add(node.name)
    return silent - loud


def other_laws(trees):
    """Functions of ``rkbs.laws`` that are neither measures nor called what they return."""
    public = (node for node in trees["rkbs/laws.py"].body if isinstance(node, ast.FunctionDef))
    return {
        node.name
        for node in public
        if node.name[0] != "_"
        and node.name not in MEASURES
        and not (node.name.endswith("_residual") and ast.unparse(node.returns) == "float")
    }


def misnamed(trees):
    """Parameters and fields of ``TYPES`` under other names, and these names for something else."""
    declared = [
        (node.arg, ast.unparse(node.annotation))
        for node in nodes(trees, ast.arg)
        if node.annotation
    ]
    declared += [
        (ast.unparse(node.target), ast.unparse(node.annotation))
        for node in nodes(trees, ast.AnnAssign)
    ]
    found = {name for name, kind in declared if kind == "RKBSPair" and name != "spaces"}
    return found | {
        name
        for name, kind in declared
        if name in TYPES and kind != "Any" and TYPES[name] not in kind
    }


def members(trees):
    """Fields, methods and properties of classes whose names say too little."""
    found = set()
    for node in nodes(trees, ast.ClassDef):
        for part in node.body:
            name = getattr(part, "name", None) or getattr(getattr(part, "target", 0), "id", None)
            found |= {name} & TAKEN
    return found


RULES = (shared_names, checks_that_never_raise, other_laws, misnamed, members)


@pytest.mark.parametrize("rule", RULES)
def test_a_word_means_one_thing(rule):
    assert rule(TREES) == set()


WRONG = {
    "class Pairs:\n    pass": (shared_names, "Pairs"),
    "def check_size(x) -> float:\n    return abs(x)": (checks_that_never_raise, "check_size"),
    "def f(pair: RKBSPair):\n    pass": (misnamed, "pair"),
    "def f(pairs: list[int]):\n    pass": (misnamed, "pairs"),
    "class A:\n    values: int": (members, "values"),
    "class A:\n    def pair(self):\n        pass": (members, "pair"),
}


@pytest.mark.parametrize("source", WRONG)
def test_a_second_meaning_is_noticed(source):
    rule, name = WRONG[source]
    assert rule(TREES | {"rkbs/new.py": ast.parse(source)}) == {name}


@pytest.mark.parametrize("name", ["check_norm", "norm", "norm_excess"])
def test_a_law_that_is_called_otherwise_is_noticed(name):
    law = ast.parse(f"def {name}(x) -> float:\n    return 0.0")
    assert other_laws(TREES | {"rkbs/laws.py": law}) == {name}
