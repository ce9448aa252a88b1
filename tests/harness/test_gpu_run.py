"""Runs on machines that have a GPU, little time and few packages; their records come home."""

import ast
import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from checkouts import PATIENCE, call_anew, environment, ran, write_source

from verify.harness import runner
from verify.harness.evidence import Evidence
from verify.harness.ledger import Claim, known_ids, load_claims, module_of, settle
from verify.harness.paths import ROOT
from verify.harness.provenance import LOADED
from verify.harness.records import load_record
from verify.harness.run import Run

ABSENT = ("flint", "sympy", "rich", "joblib", "matplotlib", "distributed", "pandas", "hypothesis")
"""What a machine lacks that has numpy, scipy, scikit-learn and torch; but see ``BROUGHT``."""
BROUGHT = ("joblib", "sympy")
"""What scikit-learn and torch need themselves: only where these are not used can it be absent."""
BARE = """
import sys
from importlib.machinery import PathFinder

class Bare(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] in {absent!r}
        return None if absent else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, context):
        absent = (context.name or "").removeprefix("python-") in {absent!r}
        return [] if absent else super().find_distributions(context)

sys.meta_path[sys.meta_path.index(PathFinder)] = Bare
"""
TORCH = """
class cuda:
    def is_available():
        return True
    def get_device_name(device):
        return "Fake 1"
"""
CLAIM = """
from verify.harness.evidence import Check, Evidence
from verify.harness.ledger import claim
from verify.harness.paths import ROOT
{first}
@claim(statement="s", source="§", method="m", no_figure="none", on_device={on_device})
def compute(run):
    with (ROOT / "ran.txt").open("a") as log:
        print({name!r}, file=log)
    return Evidence(checks=(Check("good", 1, "<=", 2),), data={{"device": run.device}})
"""
SWEPT = """
import os, signal, time
from verify.harness.evidence import Check, Evidence
from verify.harness.ledger import claim
from verify.harness.paths import ROOT
from verify.harness.sweep import sweep

def cell(configuration, device):
    with (ROOT / "ran.txt").open("a") as log:
        print(configuration["x"], file=log)
    if configuration["x"] == 2 and not (ROOT / "again").exists():
        (ROOT / "again").touch()
        {end}
        time.sleep(600)
    return configuration

@claim(statement="", source="", method="", no_figure="none", on_device=True)
def swept(run):
    found = sweep(run, cell, [{{"x": x}} for x in range(4)], "sec5.swept")
    return Evidence(checks=(Check("cells", len(found), "==", 4),))
"""
CLOCK = """
import os, signal, time
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
late, now = Path(__file__).with_name("late"), time.monotonic
time.monotonic = lambda: now() + 10_000 * late.exists()
"""
"""A clock that is past any limit as soon as a file is there."""


def bare(folder, absent=ABSENT):
    """From now on no process that finds the folder first can import these packages."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(BARE.format(absent=absent))
    return folder


def add_claim(checkout, name, on_device=True, first=""):
    text = CLAIM.format(name=name, on_device=on_device, first=first)
    write_source(checkout, f"claims.{name}", text)


@pytest.fixture
def machine(checkout):
    """A checkout where a GPU is, and few packages are; two claims use the device."""
    bare(checkout)
    (checkout / "torch.py").write_text(TORCH)
    add_claim(checkout, "sec5.a")
    add_claim(checkout, "sec5.b")
    add_claim(checkout, "sec5.exact", first="from flint import arb")
    add_claim(checkout, "thm2.fast", on_device=False)
    return checkout


def verify(machine, *arguments, status=0):
    return call_anew(machine, "verify", *arguments, status=status)


def references(machine):
    folder = machine / "verify" / "results"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))


# ---- who uses the device


def reads_the_device(module):
    """Whether code of a claim's closure asks a parameter that is a Run for its device."""
    for name in LOADED.closure(module):
        for node in ast.walk(LOADED._modules[name].tree):
            if isinstance(node, ast.arg) and node.annotation is not None:
                assert (ast.unparse(node.annotation) == "Run") == (node.arg == "run")
            elif isinstance(node, ast.Attribute) and ast.unparse(node) == "run.device":
                return True
    return False


ON_CPU = {
    "data.davis": "kinase_binding",
    "data.gdsc_weights": "drug_weights",
    "deep.expansion": "deep_training",
    "deep.geometry": "geometry_runs",
    "deep.geometry_errors": "geometry_contest",
    "deep.head_dimension": "deep_growth",
    "deep.non_mercer": "trained_forms",
    "deep.pruning": "resized_heads",
    "sec5.trained_encoder": "encoder",
}
"""Claims whose sweeps run on a CPU wherever that is, and the study whose work makes no use of its
device: they do not say that they use one, and are given the CPU as theirs."""


def test_the_claims_that_use_the_device_say_so():
    reading = {name for name in known_ids() if reads_the_device(module_of(name))}
    for name, study in ON_CPU.items():
        tree = LOADED._modules[f"verify.studies.{study}"].tree
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "device"]
        reading.remove(name)
    saying = {name for name in known_ids() if LOADED.declares(module_of(name), "on_device")}
    assert saying == reading
    assert "thm2.positive" in saying
    assert saying == {name for name, claim in load_claims().items() if claim.on_device}


@pytest.mark.parametrize(("on_device", "found"), [(True, "cuda: Fake"), (False, "cpu: ")])
def test_a_record_names_the_device_that_was_used(on_device, found, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Fake")
    given = []

    def compute(run):
        given.append(run.device)
        return Evidence()

    fake = Claim("thm2.fake", "", "", "", compute, on_device=on_device)
    record = settle(fake, Run(device="cuda"))
    assert record.device.startswith(found)
    assert given == [found[:4] if on_device else "cpu"]


# ---- without packages


def test_the_harness_imports_only_what_it_must():
    code = "import sys, verify.harness.runner; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {*ABSENT, "torch", "scipy", "sklearn", "rkbs"}


def test_a_run_without_packages(machine):
    add_claim(machine, "sec5.loud", first="print('was loaded')")
    shown = verify(machine, "thm2.fast", "prop1.holds", "--device", "cpu")
    assert "was loaded" not in shown  # of the others none is
    assert [*shown.splitlines()[:4]] == [
        "… prop1.holds",
        f"✓ holds  prop1.holds  {seconds(machine, 'prop1.holds')} s",
        "a word from the claim",
        "… thm2.fast",
    ]
    assert "✓ holds: prop1.holds\n  prop1.holds · 1 of 1 checks pass" in shown
    assert "Figures" not in shown
    found = load_record("prop1.holds", machine / "build" / "verify" / "quick").versions
    assert (found["numpy"], found["python-flint"]) == (np.__version__, "absent")
    shown = verify(machine, "sec5.exact", "thm2.fast", "--device", "cpu", status=1)
    assert "needs python-flint, not installed: sec5.exact" in shown
    assert "thm2.fast  kept from an earlier run" in shown
    assert "Nothing to compute" in verify(machine, "sec5.exact", "--device", "cpu", status=1)
    shown = verify(machine, "data.absent", "--device", "cpu", "--jobs", "2")
    assert "Figures are not drawn: they need matplotlib" in shown
    assert "joblib is not installed" in shown
    assert "sec5.exact\n    needs python-flint, not installed\n" in verify(machine, "--list")


def seconds(machine, name):
    return f"{load_record(name, machine / 'build' / 'verify' / 'quick').seconds:.1f}"


def test_a_fault_of_ours_is_no_package_that_is_absent(machine):
    add_claim(machine, "sec5.wrong", first="import verify.nothing")
    assert "No module named 'verify.nothing'" in verify(machine, "--list", status=1)


def run_here(folder, *arguments):
    """The command line on this repository, with a folder's ``sitecustomize``."""
    done = subprocess.run(
        [sys.executable, "-m", "verify", *arguments],
        cwd=ROOT,
        env={**environment(ROOT), "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_these_claims_run_without_packages(tmp_path):
    bare(tmp_path, {*ABSENT}.difference(BROUGHT))
    shown = run_here(tmp_path, "thm2.positive", "--device", "cpu", "--results", tmp_path)
    assert "◐ holds if  thm2.positive" in shown
    listed = run_here(tmp_path, "--list")
    lacking = dict(re.findall(r"^(\S+)\n    needs (\S+), not installed$", listed, re.MULTILINE))
    assert {*lacking.values()} == {"python-flint"}
    using = {name for name in known_ids() if LOADED.declares(module_of(name), "on_device")}
    exact = {f"sec5.{name}" for name in ("depth", "infinite_dimension", "sharpness")}
    assert using & lacking.keys() == {"thm2.certified", *exact}


# ---- what is missing


def test_missing_records_are_made_and_come_home(machine):
    """Here and there are one checkout: what is recorded does not matter to what is computed."""
    options = ("--device", "cuda", "--missing", "--results", "there")
    shown = verify(machine, *options)
    assert ran(machine) == ["sec5.a", "sec5.b"]
    assert re.search(r"^\d+ claims left out, which do not use the device", shown, re.MULTILINE)
    assert "needs python-flint, not installed: sec5.exact" in shown
    assert "full profile · cuda: Fake 1 · seed 0" in shown
    there = machine / "there" / "records.json"
    assert [r["claim"] for r in json.loads(there.read_text())] == ["sec5.a", "sec5.b"]

    verify(machine, "sec5.a", "--device", "cpu", "--profile", "full", "--record")
    own = (machine / "verify" / "results" / "sec5.a.json").read_text()
    shown = verify(machine, "--import", "there/records.json")
    assert "sec5.b: holds on cuda: Fake 1, saved as " in shown
    assert references(machine) == ["cuda/sec5.a.json", "cuda/sec5.b.json", "sec5.a.json"]
    assert (machine / "verify" / "results" / "sec5.a.json").read_text() == own
    assert ran(machine) == ["sec5.a"]  # --import computes nothing
    assert "Nothing to compute" in verify(machine, *options)

    add_claim(machine, "sec5.b", first="changed = 1")
    shown = verify(machine, "--import", "there/records.json", status=1)
    assert "sec5.b is refused: it is stale" in shown
    assert "sec5.a: holds" in shown
    assert "✓ holds  sec5.b" in verify(machine, "sec5", *options, "--record")
    assert ran(machine) == ["sec5.b"]
    assert "Nothing to compute" in verify(machine, *options)


def test_a_claim_that_does_not_use_the_device_is_never_a_gpus(machine):
    shown = verify(machine, "thm2.fast", "sec5.a", "--device", "cuda", "--missing", "--record")
    assert "left out" not in shown
    assert references(machine) == ["cuda/sec5.a.json", "thm2.fast.json"]
    record = json.loads((machine / "verify" / "results" / "thm2.fast.json").read_text())
    assert record["device"].startswith("cpu: ")
    assert record["evidence"]["data"] == {"device": "cpu"}
    assert "thm2.fast · 1 of 1 checks pass" in verify(machine, "thm2.fast", "sec5.a", "--compare")
    shown = verify(machine, "thm2", "--device", "cuda", status=2)
    assert "--device cuda: no claim that is asked for uses the device" in shown


# ---- the limit

ENDS = {
    "limit": ('(ROOT / "late").touch()', runner.OUT_OF_TIME, "Stopped at the limit of 1000 s"),
    "interrupt": ("os.kill(os.getppid(), signal.SIGINT)", runner.INTERRUPTED, "Interrupted"),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_is_finished_is_kept_in_one_file_and_the_rest_goes_on(name, machine):
    end, status, said = ENDS[name]
    write_source(machine, "claims.sec5.swept", SWEPT.format(end=end))
    (machine / "sitecustomize.py").write_text(BARE.format(absent=ABSENT) + CLOCK)
    given = ("sec5.a", "sec5.swept", "sec5.b", "--missing", "--results", "a folder")
    shown = verify(machine, *given, "--time-limit", "1000", "--fresh", status=status)
    assert f"{said}: 2 of 3 claims finished; left: sec5.swept" in shown
    assert ran(machine) == ["sec5.a", "sec5.b", "0", "1", "2"]
    kept = json.loads((machine / "a folder" / "records.json").read_text())
    assert [record["claim"] for record in kept] == ["sec5.a", "sec5.b"]

    (machine / "late").unlink(missing_ok=True)
    told = re.search(r"^To go on: python -m (.*)$", shown, re.MULTILINE)[1]
    shown = verify(machine, *shlex.split(told)[1:])
    assert ran(machine) == ["2", "3"]
    kept = json.loads((machine / "a folder" / "records.json").read_text())
    assert [record["claim"] for record in kept] == ["sec5.a", "sec5.b", "sec5.swept"]


def test_nothing_is_started_after_the_limit(machine):
    write_source(machine, "claims.sec5.a_sweep", SWEPT.format(end=ENDS["limit"][0]))
    (machine / "sitecustomize.py").write_text(BARE.format(absent=ABSENT) + CLOCK)
    shown = verify(machine, "sec5.a_sweep", "sec5.b", "--time-limit", "1000", status=3)
    assert "0 of 2 claims finished; left: sec5.a_sweep, sec5.b" in shown
    assert ran(machine) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--missing", "--profile", "quick"], "--missing is about records of --profile full"),
        (["--missing", "--compare"], "--missing leaves out what --compare could compare with"),
        (["--time-limit", "0"], "--time-limit: must be a whole number from 1 upwards, got '0'"),
        (["--import", "absent.json"], "argument --import: absent.json is no file"),
        (["--import", "setup.cfg", "thm2"], "--import takes all records of its file"),
        (["--import", "setup.cfg", "--record"], "not allowed with argument"),
    ],
)
def test_usage_errors(arguments, message, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as end:
        runner.main(arguments)
    assert end.value.code == runner.USAGE
    assert message in " ".join(capsys.readouterr().err.split())
