"""A file imports only what stands above it in the list; frameworks only where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rkbs

ROOT = Path(rkbs.__file__).parent

# The design's list, top to bottom. Within a package the files are in order, too.
ORDER = [
    "_version",
    "_frames",
    "_arrays",
    "_coordinates",
    "_pairwise",
    "kernels.base",
    "kernels.algebra",
    "kernels.distance",
    "kernels.dot_product",
    "kernels.entity",
    "kernels.precomputed",
    "kernels",
    "features",
    "function_spaces",
    "spaces",
    "_entities",
    "pairs",
    "_groups",
    "datasets",
    "certificates",
    "losses",
    "regularizers",
    "penalties",
    "offsets",
    "_least_pull",
    "eigen",
    "problems",
    "sections",
    "expansion",
    "binary",
    "schatten",
    "separable",
    "product",
    "solvers.base",
    "solvers._leave_out",
    "solvers._offset_system",
    "solvers._grid_offsets",
    "solvers._splitting",
    "solvers.admm",
    "solvers._pair_hessian",
    "solvers._smoothed_dual",
    "solvers._optimality",
    "solvers.dual_newton",
    "solvers.alternating",
    "solvers.dense",
    "solvers.incomplete",
    "solvers.spectral",
    "solvers._spectral_calculus",
    "solvers._spectral_charts",
    "solvers.spectral_newton",
    "solvers",
    "machines._names",
    "machines._within",
    "machines._offsets",
    "machines.base",
    "machines._selection",
    "machines.ridge",
    "machines.schatten",
    "machines.schatten_cv",
    "machines",
    "diagnostics",
    "targets",
    "quadrature",
    "schmidt",
    "approximation",
    "_panels",
    "_cells",
    "_search",
    "certified",
    "attention.functional",
    "attention.two_tower",
    "attention.ensemble",
    "attention.training",
    "attention.variable_projection",
    "attention.linear_heads",
    "attention",
    "laws",
    "plotting",
]
# Imports inside a function, for a reason that the code gives: (importer, imported).
LATE = {("kernels.base", "kernels.algebra")}
# Who may import a framework, by the top-level name of the framework.
FRAMEWORKS = {
    "torch": lambda name: name == "_coordinates" or name.startswith("attention"),
    "matplotlib": lambda name: name == "plotting",
    "sklearn": lambda name: name.startswith("machines"),
    "scipy": lambda name: name in ("_pairwise", "targets") or name.startswith("solvers."),
}
EVERYWHERE = {"numpy", "rkbs"}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    name_of(path): path
    for path in sorted(ROOT.rglob("*.py"))
    if path.parent != ROOT or path.stem != "__init__"
}


def imports(tree, late=False):
    """(module, inside a function) of each import; ``from a import b`` is a.b if that is a file."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                yield (longer if longer.removeprefix("rkbs.") in FILES else node.module, late)
        else:
            inside = late or isinstance(node, (ast.FunctionDef, ast.Lambda))
            yield from imports(node, inside)


def imports_of(name):
    return list(imports(ast.parse(FILES[name].read_text())))


def wrong_imports(name, found):
    above = set(ORDER[: ORDER.index(name)])
    for module, late in found:
        if module.split(".")[0] == "rkbs":
            target = module.removeprefix("rkbs.")
            allowed = target in above or (late and (name, target) in LATE)
        else:
            top = module.split(".")[0]
            standard = top in sys.stdlib_module_names or top in EVERYWHERE
            allowed = standard or FRAMEWORKS.get(top, lambda _: False)(name)
        if not allowed:
            yield module


def test_the_table_has_every_file():
    assert sorted(FILES) == sorted(ORDER)


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_what_stands_above_it(name):
    assert list(wrong_imports(name, imports_of(name))) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("kernels.base", "from rkbs.kernels import algebra"),
        ("kernels.base", "def f():\n    import rkbs.features"),
        ("features", "import torch"),
        ("kernels.distance", "def f():\n    from torch import nn"),
        ("problems", "from rkbs import solvers"),
        ("pairs", "import rkbs"),
        ("losses", "if True:\n    import scipy.linalg"),
        ("diagnostics", "from rkbs.laws import relative"),
        ("laws", "import pandas"),
    ],
)
def test_a_wrong_import_is_seen(name, source):
    assert len(list(wrong_imports(name, imports(ast.parse(source))))) == 1


def test_late_imports_are_still_needed():
    late = {(n, m.removeprefix("rkbs.")) for n in FILES for m, late in imports_of(n) if late}
    assert late >= LATE


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


def test_every_public_name_is_there():
    assert sorted(rkbs.__all__) == sorted(set(rkbs.__all__))
    for name in rkbs.__all__:
        assert getattr(rkbs, name) is not None
        assert name in dir(rkbs)
    assert {name for names in rkbs._LATE.values() for name in names} <= set(rkbs.__all__)
    with pytest.raises(AttributeError, match="module 'rkbs' has no attribute 'Nothing'"):
        rkbs.Nothing  # noqa: B018
