"""The rooms: what may import what (.importlinter), and that names come from where they are."""

import ast
import importlib
import shutil
import subprocess
import sys

import pytest

import rkbs
from verify.harness.paths import ROOT
from verify.harness.provenance import PACKAGES, Sources

SOURCES = Sources()
INITS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("__init__.py"))


def contract(folder):
    """The exit status of the contract's tool on the sources in a folder, and what it says."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports({}))"
    how = "config_filename='.importlinter', no_cache=True"
    done = subprocess.run(
        [sys.executable, "-c", code.format(how)], cwd=folder, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_the_contract_is_kept():
    status, said = contract(ROOT)
    assert status == 0, said


WRONG = {
    "rkbs.kernels.base": "import rkbs.spaces.lp",
    "rkbs.kernels.distance": "def f():\n    from torch import nn",
    "rkbs.terms.losses": "from rkbs.data.pairs import Pairs\nfrom rkbs.kernels.base import Kernel",
    "rkbs.data.pairs": "import pandas",
    "rkbs.problems.operator": "from rkbs.solvers.base import solve",
    "rkbs.solvers.functions.alternating": "from rkbs.solvers.operators.admm import ADMM",
    "rkbs.approximation.quadrature": "from rkbs.attention.functional import kernel_attention",
    "rkbs.attention.module": "from rkbs.transformer.model import LanguageModel",
    "rkbs.transformer.losses": "import sklearn",
    "rkbs.laws": "from matplotlib import pyplot",
    "rkbs.plotting.sheet": "from verify.harness.run import Run",
    "verify.harness.run": "from rkbs.kernels.base import Kernel",
    "verify.oracles.exact": "from verify.claims.prop1.span import span",
    "verify.studies.rows": "import matplotlib",
    "verify.claims.prop1.span": "from verify.claims.prop1.features import features",
}
"""Imports that break a rule, by the module they are added to: the last line is the wrong one."""


def test_wrong_imports_are_named(tmp_path):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / ".importlinter", tmp_path)
    (tmp_path / "rkbs" / "misplaced.py").touch()
    for module, lines in WRONG.items():
        with (tmp_path / f"{module.replace('.', '/')}.py").open("a") as source:
            source.write(f"\n{lines}\n")
    status, said = contract(tmp_path)
    assert status == 1
    said = " ".join(said.split())
    assert [module for module in WRONG if f"- {module} -> " not in said] == []
    assert "rkbs.misplaced" in said


@pytest.mark.parametrize("path", INITS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_package_says_what_it_holds_and_defines_nothing(path):
    """But rkbs's own, which imports late, and attention's, which asks for torch."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    defining = [
        node
        for node in nodes[1:]
        if not isinstance(node, (ast.Import, ast.ImportFrom))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]
    assert ast.get_docstring(ast.Module(nodes, []))
    assert not defining or path.parent.name in ("rkbs", "attention")
    modules = {entry.stem for entry in path.parent.iterdir()}
    exported = {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    assert not modules & exported, "a name that is a module's and a function's"


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_imported_from_where_they_are_defined(package):
    found = {
        f"{module}: from {source} import {name}"
        for module in SOURCES.modules
        if module.startswith(f"{package}.") and not SOURCES.passes_on(module)
        for source, name in SOURCES.imports(module)
        if SOURCES.passes_on(source) and f"{source}.{name}" not in SOURCES.modules
    }
    assert found == set()


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_rkbs_imports_no_framework():
    names = ("torch", "matplotlib", "sklearn", "scipy", "rkbs.attention", "rkbs.plotting")
    loaded = run(f"import sys, rkbs; print(*[m for m in {names} if m in sys.modules])")
    assert loaded == []
    everything = (
        "from rkbs import *; import sys; print('torch' in sys.modules, 'scipy' in sys.modules)"
    )
    assert run(everything) == ["False", "True"]


def test_approximation_loads_no_solver():
    loaded = run("import sys, rkbs.approximation; print(*[m for m in sys.modules])")
    assert not [m for m in loaded if m.startswith(("rkbs.solvers", "rkbs.machines", "sklearn"))]


def test_attention_loads_torch_and_no_optimizer_or_statistics():
    importlib.import_module("torch")  # skipped where it is not installed
    names = ("torch", "scipy.optimize", "scipy.stats", "sklearn")
    loaded = run(f"import sys, rkbs.attention; print(*[m for m in {names} if m in sys.modules])")
    assert loaded == ["torch"]


def test_transformers_load_nothing_of_the_extra_text():
    importlib.import_module("torch")  # skipped where it is not installed
    names = ("tokenizers", "sacrebleu", "safetensors", "scipy.optimize", "sklearn")
    loaded = run(
        f"import sys, rkbs.transformer.text; print(*[m for m in {names} if m in sys.modules])"
    )
    assert loaded == []


def test_every_public_name_is_there():
    assert sorted(rkbs.__all__) == sorted(set(rkbs.__all__))
    for name in rkbs.__all__:
        assert getattr(rkbs, name) is not None
        assert name in dir(rkbs)
    assert {name for names in rkbs._LATE.values() for name in names} <= set(rkbs.__all__)
    with pytest.raises(AttributeError, match="module 'rkbs' has no attribute 'Nothing'"):
        rkbs.Nothing  # noqa: B018
