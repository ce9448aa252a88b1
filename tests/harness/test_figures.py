"""Figures draw what records hold, and compute nothing."""

import ast
import importlib.util
import sys

import numpy as np
import pytest

from rkbs import plotting
from verify.harness.figures import SCRIPTS
from verify.harness.ledger import load_claim
from verify.harness.paths import REFERENCE, ROOT
from verify.harness.records import load_record
from verify.studies import rows

FIGURES = sorted(SCRIPTS.glob("*.py"))
ALLOWED = {
    "rkbs": {"plotting"},
    "verify.harness.records": {"load_record"},
    "verify.harness.figures": {"main"},
}
"""What a script may take from the project; of ``verify.studies.rows`` anything."""
LIBRARIES = ("numpy", "matplotlib")
HEAVY = ("svd", "eigh", "eigvalsh", "eig", "eigvals", "solve", "lstsq", "qr", "inv", "cholesky")
COMPUTING = ("approximation", "solvers", "spaces", "kernels", "attention", "machines")


def imports(path):
    """(module, name) of every import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module, alias.name) for alias in node.names)


def computes(path):
    """The imports of a figure's script that are neither a library nor plotting nor records."""
    return [
        (module, name)
        for module, name in imports(path)
        if module.split(".")[0] not in (*LIBRARIES, *sys.stdlib_module_names)
        and module != "verify.studies.rows"
        and name not in ALLOWED.get(module, ())
    ]


@pytest.mark.parametrize("script", FIGURES, ids=lambda path: path.stem)
def test_a_script_imports_plotting_and_records_only(script):
    assert computes(script) == []


@pytest.mark.parametrize(
    "line",
    [
        "from rkbs.approximation import schmidt",
        "from verify.harness.ledger import load_claims",
        "import rkbs",
        "def draw(folder):\n    from scipy.linalg import svd",
        "from verify.studies.yardsticks import Yardstick",
    ],
)
def test_a_script_that_computes_is_seen(line, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import numpy as np\nfrom verify.harness.records import load_record\n{line}\n"
    )
    assert len(computes(script)) == 1


def test_rows_know_nothing_but_dictionaries():
    found = {module.split(".")[0] for module, _ in imports(ROOT / "verify" / "studies" / "rows.py")}
    assert found <= sys.stdlib_module_names


def refuse(*arguments, **options):
    raise AssertionError("a figure computes")


@pytest.mark.parametrize("script", FIGURES, ids=lambda path: path.stem)
def test_a_figure_is_drawn_without_solvers(script, monkeypatch):
    for name in HEAVY:
        monkeypatch.setattr(np.linalg, name, refuse)
    for name in COMPUTING:
        monkeypatch.setitem(sys.modules, f"rkbs.{name}", None)
    read = []

    def load(claim, folder):
        read.append(load_record(claim, folder))
        return read[-1]

    spec = importlib.util.spec_from_file_location(f"figures.{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "load_record", load)
    try:
        with plotting.style():
            figure = module.draw(REFERENCE)
    except KeyError as error:
        if all(record.fingerprint == load_claim(record.claim).fingerprint for record in read):
            raise
        pytest.skip(f"the records are of other sources, and lack {error}")
    assert figure.axes


def test_the_excess_at_a_glance_by_hand():
    panel = {
        "curve": {"d": [1, 2], "floor": [0.5, 1e-9], "rounding": 1e-3},
        "heads": {"plain Adam": {1: [0.5, 2.0, 1.0], 2: [0.004]}},
    }
    assert rows.median_excess(panel, "plain Adam") == {1: 2.0, 2: pytest.approx(4.0)}
