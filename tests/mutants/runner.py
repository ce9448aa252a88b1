"""One mutant against tests, in a process and a copy of the checkout of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mutants.operators import Mutant, mutated
from mutants.plan import ROOT, suite

RECORDS = ROOT / "build" / "mutants"
_COPIED = ("rkbs", "tests", "verify", "setup.cfg", "pyproject.toml")
_TEST_SECONDS = 40
"""A single test that takes longer has met an endless loop: none takes a tenth of it."""
_HEAVY = [
    "numpy", "scipy.linalg", "scipy.spatial.distance", "scipy.optimize", "scipy.sparse.linalg",
    "sklearn.model_selection", "torch", "flint", "pytest", "pandas",
]  # fmt: skip
"""What every run would import again, and no mutant changes."""


@dataclass(frozen=True)
class Verdict:
    """``killed`` by the test ``by``, ``timeout``, or ``survived``."""

    id: str
    status: str
    by: str
    seconds: float
    digest: str
    """Of the module and of the tests that told: a verdict on other sources is none."""

    @property
    def noticed(self) -> bool:
        return self.status != "survived"


def digest(module: str, by: str, root: Path = ROOT) -> str:
    """Of the module and of the test file that noticed, or of all of its test files."""
    files = suite(module)
    noticed = by.partition("::")[0]
    read = [root / name for name in ([noticed] if noticed in files else files)]
    content = b"".join(file.read_bytes() for file in (root / "rkbs" / module, *read))
    return hashlib.sha256(content).hexdigest()[:16]


def known(mutant: Mutant) -> Verdict | None:
    """What is recorded of a mutant, whatever the sources were."""
    try:
        return Verdict(**json.loads((RECORDS / f"{mutant.id}.json").read_text()))
    except (FileNotFoundError, TypeError, json.JSONDecodeError):
        return None


def record(verdict: Verdict) -> None:
    """Written whole or not at all."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=RECORDS, suffix=".part")
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(verdict), file)
    Path(name).replace(RECORDS / f"{verdict.id}.json")


@contextlib.contextmanager
def copy_of_checkout() -> Iterator[Path]:
    """A folder that may be mutated: the checkout never is."""
    with tempfile.TemporaryDirectory(prefix="rkbs-mutants-") as name:
        for part in _COPIED:
            source, target = ROOT / part, Path(name, part)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        yield Path(name)


def judge(mutant: Mutant, folder: Path, limit: float) -> Verdict:
    """The verdict of the module's tests; the one that noticed before goes first."""
    before, started = known(mutant), time.monotonic()
    path = folder / "rkbs" / mutant.module
    source = path.read_text()
    files = suite(mutant.module)
    batches = [[before.by], files] if before and before.by.partition("::")[0] in files else [files]
    path.write_text(mutated(source, mutant))
    try:
        for tests in batches:
            status, by = run(folder, tests, limit)
            if status != "survived":
                break
    finally:
        path.write_text(source)
    seconds = time.monotonic() - started
    return Verdict(mutant.id, status, by, seconds, digest(mutant.module, by, folder))


def run(folder: Path, tests: list[str], limit: float) -> tuple[str, str]:
    """Status, and the first test that failed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_HEAVY)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(str(folder), tests, theirs))
    process.start()
    theirs.close()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
        return "timeout", ""
    try:
        return ours.recv()
    except EOFError:  # it died: by a signal, or out of memory
        last = Path(folder, "output").read_text().splitlines()[-1:]
        return "killed", " ".join([f"exit code {process.exitcode}", *last])


class _Watch:
    """A plugin: stops endless tests, does not shrink what hypothesis finds, keeps who failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_configure(self, config: Any) -> None:
        from hypothesis import Phase, settings

        settings.register_profile(
            "mutants", settings.get_profile("rkbs"), phases=(Phase.explicit, Phase.generate)
        )
        settings.load_profile("mutants")

    def pytest_runtest_logstart(self, nodeid: str, location: tuple) -> None:
        signal.setitimer(signal.ITIMER_REAL, _TEST_SECONDS)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


def _child(folder: str, tests: list[str], results: Any) -> None:
    """Run pytest on the copy; never writes bytecode, which a later mutant could be taken for."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.environ["PYTHONPATH"] = folder
    sys.dont_write_bytecode = True
    with Path(folder, "output").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.chdir(folder)
    sys.path.insert(0, folder)
    signal.signal(signal.SIGALRM, _stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted run has no verdict

    import pytest

    watch = _Watch()
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    code = pytest.main([*options, *tests], plugins=[watch])
    rkbs = sys.modules.get("rkbs")
    at = getattr(rkbs, "__file__", None) or folder  # none: its import failed
    if not Path(at).is_relative_to(folder):
        raise RuntimeError(f"the tests ran on {at}, not on {folder}")
    results.send(("survived", "") if code == 0 else ("killed", watch.failed or f"pytest: {code!r}"))


def _stop(*_: Any) -> None:
    raise TimeoutError(f"no test takes {_TEST_SECONDS} s")
