"""A user's mypy --strict sees arrays and solutions, and what it sees is what there is."""

import importlib.util
import os
import runpy
import subprocess
import sys
import typing
from configparser import ConfigParser
from types import UnionType

import numpy as np
import pytest
from modules import TESTS

import rkbs
from verify.harness.paths import ROOT

SCRIPTS = sorted((TESTS / "user_code").glob("*.py"))
needs_mypy = pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="needs mypy, which is not installed"
)


UNREAD = (
    *(f"torch.{part}" for part in ("_dynamo", "_inductor", "_functorch", "_higher_order_ops")),
    *(f"torch.{part}" for part in ("ao", "cuda", "distributed", "export", "fx", "jit", "onnx")),
    *(f"torch.{part}" for part in ("_prims", "_refs", "_decomp", "profiler", "testing")),
    *("matplotlib", "pandas", "sympy"),
)
"""Packages that no type of rkbs is from: to read them takes mypy as long as all else."""


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What mypy --strict says of files, as of those of a user who has installed rkbs."""
    folder = tmp_path_factory.mktemp("mypy")
    skipped = "".join(f"[mypy-{part}.*]\nfollow_imports = skip\n" for part in UNREAD)
    (folder / "mypy.ini").write_text(
        f"[mypy]\nstrict = True\nfollow_imports = silent\ncache_dir = cache\n{skipped}"
    )

    def check(*files):
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *files],
            cwd=folder,
            env=os.environ | {"MYPYPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    return check


@needs_mypy
def test_a_users_code_has_the_types_it_says(checked):
    assert len(SCRIPTS) >= 4
    status, said = checked(*SCRIPTS)
    assert status == 0, said


WRONG = {
    "kernel": ("assert_type(RBF()(x, x), int)", "assert-type"),
    "solution": ("solve(problem, Spectral()).value.v", "attr-defined"),
    "solver": ("solve(problem, ADMM())", "misc"),
    "attribute": ("BinaryKernelRidge().intercept_ + 'b'", "operator"),
    "name": ("rkbs.Nothing", "attr-defined"),
}
"""Mistakes of a user, and what mypy calls them."""
BEFORE = """\
from typing import assert_type
import numpy as np
import rkbs
from rkbs import ADMM, RBF, BinaryKernelRidge, OperatorProblem, Pairs, Spectral, solve
x = np.zeros((3, 1))
problem = OperatorProblem(RBF()(x, x), RBF()(x, x), Pairs.grid(x, x), x @ x.T, alpha=0.1)
"""


@needs_mypy
def test_mistakes_are_seen(checked, tmp_path):
    for name, (line, _) in WRONG.items():
        (tmp_path / f"{name}.py").write_text(f"{BEFORE}{line}\n")
    _, said = checked(*(tmp_path / f"{name}.py" for name in WRONG))
    number = BEFORE.count("\n") + 1
    for name, (_, kind) in WRONG.items():
        assert [
            line
            for line in said.splitlines()
            if f"{name}.py:{number}:" in line and line.endswith(f"[{kind}]")
        ], f"{name}: {said}"


@pytest.mark.filterwarnings("ignore:the chosen alpha:UserWarning")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_types_are_those_of_the_values(path, monkeypatch):
    seen = []

    def assert_type(value, kind):
        seen.append(kind)
        plain = kind if isinstance(kind, UnionType) else typing.get_origin(kind) or kind
        assert isinstance(value, plain), f"{value!r} is no {kind}"
        return value

    monkeypatch.setattr(typing, "assert_type", assert_type)
    runpy.run_path(str(path))
    assert np.ndarray in seen


def test_the_types_are_shipped():
    """py.typed (PEP 561) is there, and packed."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packed = setup["options.package_data"]["rkbs"].split(", ")
    assert "py.typed" in packed
    assert all((ROOT / "rkbs" / name).is_file() for name in packed)


def test_every_late_name_is_told_to_type_checkers():
    source = (ROOT / "rkbs" / "__init__.py").read_text(encoding="utf-8")
    told = source.partition("if TYPE_CHECKING:")[2].partition("__all__")[0]
    late = [name for names in rkbs._LATE.values() for name in names]
    assert [name for name in late if name not in told] == []
