"""The command line of the verification, run on a small copy of the repository."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from checkouts import PATIENCE, call, edit, environment, quick, ran, verify, write_source

from verify.harness import choice, runner, workers


def test_run_then_resume_then_fresh(checkout):
    shown = verify(checkout, "prop1", "data.*")
    assert ran(checkout) == ["prop1.holds", "prop1.repaired", "data.absent"]
    for expected in (
        "✓ holds",
        "◐ holds if",
        "– skipped",
        "by 1 of 1 witnesses",
        "a word from the claim",
    ):
        assert expected in shown
    assert "&lt;i&gt;" in (checkout / "build" / "verify" / "quick" / "report.html").read_text()

    assert verify(checkout, "prop1").count("kept from an earlier run") == 2
    assert ran(checkout) == []
    verify(checkout, "prop1", "--fresh")
    assert ran(checkout) == ["prop1.holds", "prop1.repaired"]
    verify(checkout, "prop1.holds", "--seed", "1")
    assert ran(checkout) == ["prop1.holds"]
    edit(quick(checkout, "prop1.repaired"), device="another")
    verify(checkout, "prop1.r")
    assert ran(checkout) == ["prop1.repaired"]


def test_changed_sources_recompute(checkout):
    verify(checkout, "prop1.holds")
    shown = checkout / "verify" / "harness" / "display.py"
    fakes = checkout / "verify" / "studies" / "fakes.py"
    for harmless in (shown, fakes):  # what does not compute, and what no code is
        harmless.write_text(harmless.read_text() + "# a comment\n")
        assert "kept" in verify(checkout, "prop1.holds")
    write_source(checkout, "studies.unread", "print('none imports this')")
    assert "kept" in verify(checkout, "prop1.holds")
    assert ran(checkout) == ["prop1.holds"]
    fakes.write_text(fakes.read_text() + "another = 1\n")
    assert "kept" not in verify(checkout, "prop1.holds")
    assert ran(checkout) == ["prop1.holds"]


def test_a_crash_and_a_kill_cost_their_own_claims_only(checkout):
    stale = quick(checkout, "thm1.crash")
    stale.parent.mkdir(parents=True)
    stale.write_text("{}")
    shown = verify(checkout, "thm1.crash", "thm1.killed", "thm2.fast", "--jobs", "2", status=1)
    assert "RuntimeError: no [such] luck" in shown
    assert "worker died with exit code -9" in shown
    assert "✓ holds" in shown
    assert shown.count("! error") >= 2
    assert [path.stem for path in stale.parent.glob("*.json")] == ["thm2.fast"]
    page = (stale.parent / "report.html").read_text()
    assert "RuntimeError: no [such] luck" in page
    assert "worker died with exit code -9" in page


CLEARED = """
import atexit
from verify.harness.evidence import Check, Evidence
from verify.harness.ledger import claim
from verify.harness.paths import ROOT

@claim(statement="", source="", method="", no_figure="none")
def compute(run):
    with (ROOT / "ran.txt").open("a") as log:
        print("sec5.cleared", file=log)
    if len((ROOT / "ran.txt").read_text().split()) <= {times}:
        atexit.register((run.folder / "sec5.cleared.json").unlink)
    return Evidence(checks=(Check("good", 1, "<=", 2),))
"""


@pytest.mark.parametrize("times", [1, 2])
def test_a_record_that_another_run_clears_is_made_once_more(times, checkout):
    """It goes after the worker has left it and before the runner has read it."""
    write_source(checkout, "claims.sec5.cleared", CLEARED.format(times=times))
    shown = verify(checkout, "sec5.cleared", status=times - 1)
    assert ran(checkout) == ["sec5.cleared"] * 2
    assert ("worker died with exit code 0" in shown) == (times == 2)


def test_unconfirmed_fails_and_names_the_check(checkout):
    shown = verify(checkout, "thm1.open", "thm2.fast", status=1)
    assert "thm1.open is unconfirmed" in shown
    assert "missed: 3 <= 2" in shown


@pytest.mark.parametrize("fresh", [False, True])
def test_interrupt_keeps_what_is_finished(checkout, fresh):
    # A shell may start us with SIGINT ignored; a user's terminal does not.
    code = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_module('verify', run_name='__main__', alter_sys=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "thm2", "--device", "cpu", *["--fresh"] * fresh],
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.PIPE,
        text=True,
    )
    log, deadline = checkout / "ran.txt", time.monotonic() + PATIENCE
    while not (log.exists() and "thm2.slow" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == runner.INTERRUPTED
    assert "Interrupted: 1 of 2 claims finished; left: thm2.slow" in shown
    assert re.search(r"To go on: python -m verify thm2 --device cpu$", shown, re.MULTILINE)
    assert quick(checkout, "thm2.fast").exists()
    assert not quick(checkout, "thm2.slow").exists()
    ran(checkout)
    if not fresh:
        assert "kept from an earlier run" in verify(checkout, "thm2.fast")
        assert ran(checkout) == []


def test_workers_end_with_their_parent(checkout):
    arguments = ("thm2.slow", "quick", "cpu", "0", str(checkout), "1", "")
    worker = subprocess.Popen(
        [sys.executable, "-m", "verify.harness.workers", *arguments],
        cwd=checkout,
        env=environment(checkout),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with worker:
        assert json.loads(worker.stdout.readline()) == [0, 600, "waiting"]
        worker.stdin.close()
        assert worker.wait(timeout=PATIENCE) == 1


def test_record_and_compare(checkout):
    results = checkout / "verify" / "results"
    verify(checkout, "prop1", "data", "--profile", "full", "--record")
    assert {path.stem for path in results.iterdir()} == {
        "prop1.holds",
        "prop1.repaired",
        "data.absent",
    }
    assert "as recorded" in verify(checkout, "prop1", "data", "--compare")
    evidence = json.loads((results / "prop1.repaired.json").read_text())["evidence"]
    edit(results / "prop1.repaired.json", verdict="fails", evidence=evidence | {"condition": ""})
    shown = verify(checkout, "prop1", "--compare", status=1)
    assert "Not as recorded: prop1.repaired holds if here; differs: recorded as fails" in shown
    assert "differs" in verify(checkout, "prop1")
    shown = verify(checkout, "thm2.fast", "--compare", status=1)
    assert "Not as recorded: thm2.fast holds here; no record" in shown
    (results / "data.absent.json").unlink()
    assert "not compared: skipped" in verify(checkout, "data", "--compare")


def test_figures_are_drawn_once_and_embedded(checkout):
    (checkout / "Makefile").touch()
    verify(checkout, "sec5", "data", "--profile", "full", "--record")
    folder = checkout / "build" / "verify" / "full"
    drawn = {str(path.relative_to(folder / "figures")) for path in folder.rglob("figures/*/*")}
    assert drawn == {"sec5/a.png", "sec5/a.pdf"}
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert page.count("<figcaption>A curve &amp; what to see.</figcaption>") == 1

    shown = call(checkout, "verify.harness.figures")
    assert "sec5.a: drawn" in shown
    assert "sec5.b" not in shown
    assert "data.absent: not drawn, no record of data.absent" in shown
    assert (checkout / "figures" / "claims" / "sec5" / "a.pdf").exists()
    shown = call(checkout, "verify.harness.figures", "sec5.b", "prop1.holds")
    assert "prop1.holds: has no figure: nothing to see" in shown
    assert "sec5.a: drawn" in shown
    assert "data.absent" not in shown
    unknown = call(checkout, "verify.harness.figures", "nonsense", "sec5.a", "sec5.c", status=2)
    assert "unknown claim: nonsense, sec5.c; known: prop1.holds, prop1.repaired," in unknown
    for option in ("--records", "--out"):
        shown = call(checkout, "verify.harness.figures", option, "Makefile", status=2)
        assert f"argument {option}: Makefile is a file" in shown


def test_a_failing_figure_is_an_error(checkout):
    script = checkout / "figures" / "claims" / "sec5" / "a.py"
    script.write_text("RECORDS, CAPTION = ('sec5.a',), ''\ndef draw(found):\n    found['axis']\n")
    shown = verify(checkout, "sec5", status=1)
    assert "figure sec5.a: error" in shown
    page = (checkout / "build" / "verify" / "quick" / "report.html").read_text()
    assert "KeyError: &#39;axis&#39;" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prop1", "lemma9"], "no claim 'lemma9'; the known claims are"),
        (["--record"], "--profile full"),
        (["--record", "--compare", "--profile", "full"], "not allowed with"),
        (["--jobs", "0"], "--jobs: must be a whole number from 1 upwards, got '0'"),
        (["--jobs", "two"], "--jobs: must be a whole number from 1 upwards, got 'two'"),
        (["--seed", "-1"], "--seed: must be a whole number from 0 upwards, got '-1'"),
        (["--results", "figures/claims/sec5/a.py"], "--results: cannot make a folder at"),
        (["--results", "figures/claims/sec5/a.py/sub"], "--results: cannot make a folder at"),
        (["--results", "verify/results"], "--record writes verify/results"),
        (["--results", ""], "argument --results: must not be empty"),
        (["--scheduler", " "], "argument --scheduler: must not be empty"),
        (["prop1", ""], "argument claim: must not be empty"),
    ],
)
def test_usage_errors(checkout, arguments, message):
    shown = verify(checkout, *arguments, status=2)
    assert message in shown
    assert "Traceback" not in shown
    if "lemma9" in arguments:
        assert all(name in shown for name in ("prop1.holds", "thm1.crash", "data.absent"))


def test_list_and_help(checkout):
    shown = verify(checkout, "--list", "thm2.*", "prop1.holds")
    assert re.findall(r"^\w+\.\w+", shown, re.MULTILINE) == [
        "prop1.holds",
        "thm2.fast",
        "thm2.slow",
    ]
    assert "exit status:" in verify(checkout, "--help")
    assert ran(checkout) == []


def test_results_go_elsewhere_and_workers_share_the_threads(checkout):
    verify(checkout, "prop1", "--jobs", "2", "--results", "elsewhere")
    assert (checkout / "elsewhere" / "prop1.holds.json").exists()
    threads = {line.split()[1] for line in (checkout / "ran.txt").read_text().splitlines()}
    own = os.environ.get("OMP_NUM_THREADS")
    assert threads == {own or str(max(1, os.cpu_count() // 2))}
    assert sorted(ran(checkout)) == ["prop1.holds", "prop1.repaired"]


def test_jobs_are_shared_out(checkout):
    for options, jobs in ((["prop1.holds"], 7), (["prop1", "thm2.fast", "--fresh"], 2)):
        verify(checkout, *options, "--jobs", "7")
        record = json.loads(quick(checkout, "prop1.holds").read_text())
        assert record["evidence"]["data"]["jobs"] == jobs


def test_a_skipped_claim_is_tried_again(checkout):
    verify(checkout, "data")
    assert "kept from an earlier run" not in verify(checkout, "data")
    verify(checkout, "thm2.fast")  # one that was computed is kept
    assert "kept from an earlier run" in verify(checkout, "thm2.fast")


def test_a_partial_run_keeps_the_others_in_the_report(checkout):
    report = checkout / "build" / "verify" / "quick" / "report.html"

    def reported():
        return re.findall(r'<article id="([^"]*)"', report.read_text())

    verify(checkout, "prop1", "sec5.a")
    shown = verify(checkout, "thm2.fast", "--seed", "7")
    assert "prop1.holds" not in shown
    assert reported() == ["prop1.holds", "prop1.repaired", "thm2.fast", "sec5.a"]
    assert "<dt>Seed</dt><dd>0; 7</dd>" in report.read_text()
    source = checkout / "verify" / "claims" / "prop1" / "holds.py"
    source.write_text(source.read_text() + "another = 1\n")
    verify(checkout, "thm2.fast", "--seed", "7")
    assert reported() == ["prop1.repaired", "thm2.fast", "sec5.a"]


def test_select_takes_ids_prefixes_and_globs():
    known = dict.fromkeys(["thm1.a", "thm1.ab", "thm2.a"])
    assert list(choice.select(known, [])) == ["thm1.a", "thm1.ab", "thm2.a"]
    assert list(choice.select(known, ["thm1.a"])) == ["thm1.a"]
    assert list(choice.select(known, ["thm1.a", "thm1.a"])) == ["thm1.a"]
    assert list(choice.select(known, ["thm2", "thm1"])) == ["thm1.a", "thm1.ab", "thm2.a"]
    assert list(choice.select(known, ["*.a"])) == ["thm1.a", "thm2.a"]


def test_device_is_asked_of_torch(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choice.choose_device("auto") == "cpu"
    with pytest.raises(choice.UsageError, match="no CUDA device"):
        choice.choose_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choice.choose_device("auto") == choice.choose_device("cuda") == "cuda"
    assert choice.choose_device("cpu") == "cpu"


def test_cores_are_shared_out(monkeypatch):
    for name in workers.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert "OMP_NUM_THREADS" not in workers.worker_environment(1)
    assert workers.worker_environment(3)["OMP_NUM_THREADS"] == "2"
    assert workers.worker_environment(99)["MKL_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert workers.worker_environment(3)["OMP_NUM_THREADS"] == "5"
