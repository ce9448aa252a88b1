"""A small repository with the real harness and claims of our own, to run commands in."""

import atexit
import compileall
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from verify.harness.paths import ROOT

SLOW = (
    *("numpy", "rich.console", "rich.progress", "rich.table", "importlib.metadata"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"),
)
"""What commands would import again."""
PATIENCE = 300
"""Seconds after which a command hangs; however busy the machine is, none takes so long."""

FAKES = """
import os, time
from verify.harness.evidence import Check, Evidence
from verify.harness.paths import ROOT

GOOD, MISSED = Check("good", 1, "<=", 2), Check("missed", 3, "<=", 2)
WORDS = {"statement": "[bold] <i>", "source": "§1", "method": "by <hand>"}

def note(run, name):
    with (ROOT / "ran.txt").open("a") as log:
        print(name, os.environ.get("OMP_NUM_THREADS"), file=log)

def slow(run):
    for _ in run.progress(range(600), "waiting"):
        time.sleep(0.1)

def data(run):
    print("a word from the claim")
    curve = {"x": [run.seed, 2], "y": [3, 4]}
    return Evidence(checks=(GOOD,), data={"curve": curve, "jobs": run.jobs})

def repaired(run):
    return Evidence(checks=(GOOD,), counterexamples=(GOOD,), condition="x > 0")

def crash(run):
    raise RuntimeError("no [such] luck")
"""
CLAIM = """
import os, signal
from verify.harness.evidence import Evidence
from verify.harness.ledger import claim
from verify.studies.fakes import GOOD, MISSED, WORDS, crash, data, note, repaired, slow

@claim(**WORDS, {figure})
def compute(run):
    note(run, {name!r})
    return {found}
"""
CLAIMS = {
    "prop1.holds": "data(run)",
    "prop1.repaired": "repaired(run)",
    "thm1.crash": "crash(run)",
    "thm1.killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "thm1.open": "Evidence(checks=(GOOD, MISSED))",
    "thm2.fast": "Evidence(checks=(GOOD,))",
    "thm2.slow": "slow(run)",
    "sec5.a": "data(run)",
    "sec5.b": "data(run)",
    "data.absent": 'Evidence(skipped="no data set")',
}
FIGURES = {"sec5.a": "", "sec5.b": "shown_in='sec5.a'", "data.absent": ""}
"""What the decorators of some claims say of their figures; the others have none."""
FIGURE = """
from matplotlib.figure import Figure

RECORDS = ("sec5.a", "sec5.b")
CAPTION = "A curve & what to see."

def draw(found):
    curve = found["sec5.a"].data["curve"]
    figure = Figure()
    figure.add_subplot().plot(curve["x"], curve["y"])
    return figure
"""
SWEPT = """
import os, time
from verify.harness.evidence import Check, Evidence
from verify.harness.ledger import claim
from verify.harness.paths import ROOT
from verify.harness.sweep import sweep

def cell(configuration, device):
    with (ROOT / "ran.txt").open("a") as log:
        print(configuration["x"], os.getpid(), file=log)
    while configuration["x"] > 1 and not (ROOT / "go").exists():
        time.sleep(0.02)
    return configuration

@claim(statement="", source="", method="", no_figure="nothing to see")
def swept(run):
    found = sweep(run, cell, [{"x": x} for x in range(5)], "sec5.swept")
    return Evidence(checks=(Check("cells", len(found), "==", 5),), data={"jobs": run.jobs})
"""
"""The claim ``sec5.swept``, whose sweep has five cells; three of them wait for a file."""


def make_checkout(folder):
    """The real harness, fake claims and two figures, in an empty folder."""
    shutil.copytree(compiled().name, folder, symlinks=True, dirs_exist_ok=True)
    return folder


@cache
def compiled():
    """What every checkout starts from; compiled, for the processes that will run in it."""
    made = tempfile.TemporaryDirectory(prefix="rkbs-checkout-")
    folder = Path(made.name)
    ours = shutil.ignore_patterns("results", "__pycache__", "claims", "oracles", "studies")
    shutil.copytree(ROOT / "verify", folder / "verify", ignore=ours)
    (folder / "rkbs").symlink_to(ROOT / "rkbs")  # which figures need
    for topic, name, text in (
        ("sec5", "a", FIGURE),
        ("data", "absent", FIGURE.replace('("sec5.a", "sec5.b")', '("data.absent",)')),
    ):
        script = folder / "figures" / "claims" / topic / f"{name}.py"
        script.parent.mkdir(parents=True)
        script.write_text(text)
    write_source(folder, "studies.fakes", FAKES)
    for name, found in CLAIMS.items():
        text = CLAIM.format(
            name=name, found=found, figure=FIGURES.get(name, "no_figure='nothing to see'")
        )
        write_source(folder, f"claims.{name}", text)
    compileall.compile_dir(folder / "verify", quiet=1)
    return made


def write_source(checkout, module, text):
    """A module of ``verify``, in packages that are made where they are not there."""
    path = checkout / "verify" / f"{module.replace('.', '/')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in path.parents[: module.count(".")]:
        (parent / "__init__.py").touch()
    path.write_text(text)


def environment(checkout):
    """Of a process that finds the checkout first."""
    return {**os.environ, "PYTHONPATH": str(checkout), "PYTHONWARNINGS": "error"}


def verify(checkout, *arguments, status=0):
    """What ``python -m verify`` says, on a CPU."""
    return call(checkout, "verify", "--device", "cpu", *arguments, status=status)


def call(checkout, module, *arguments, status=0):
    """What ``python -m module`` says, on both streams."""
    with tempfile.NamedTemporaryFile() as output:
        request = {
            "module": module,
            "arguments": arguments,
            "folder": str(checkout),
            "environment": environment(checkout),
            "output": output.name,
        }
        found = ask(request)
        shown = Path(output.name).read_text(encoding="utf-8")
    assert found == status, shown
    return shown


def call_anew(checkout, module, *arguments, status=0):
    """As ``call``, in a process of its own that has nothing imported yet."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def ask(request):
    """The exit status of a command that ``warm.py`` runs."""
    process = warm()
    print(json.dumps(request), file=process.stdin, flush=True)
    if not select.select([process.stdout], [], [], PATIENCE)[0]:
        os.killpg(process.pid, signal.SIGKILL)
        raise TimeoutError(f"{request['module']} hangs")
    return int(process.stdout.readline())


@cache
def warm():
    """A process that commands are forked from; it ends with this one."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("warm.py")), *SLOW],
        env={**os.environ, "PYTHONPATH": "", "PYTHONWARNINGS": "error"},
        cwd=tempfile.gettempdir(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    atexit.register(process.communicate)
    return process


def ran(checkout):
    """The claims computed since the last call."""
    log = checkout / "ran.txt"
    names = [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return names


def quick(checkout, claim_id):
    """The path of a record of the quick profile."""
    return checkout / "build" / "verify" / "quick" / f"{claim_id}.json"


def edit(path, **entries):
    """Change entries of a record."""
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def kept(folder, name="thm2.fake"):
    return sorted((folder / "sweeps" / name).glob("*.json"))
