"""Records on disk: written whole by any number of writers, and refused where they contradict."""

import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from checkouts import SWEPT, edit, environment, kept, quick, ran, verify, write_source

from verify import readme
from verify.harness import compare, figures, runner
from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.ledger import Claim
from verify.harness.ledger import settle as settled
from verify.harness.paths import ROOT
from verify.harness.records import RecordError, accepted, load_record, write_atomically
from verify.harness.run import Run

GOOD, MISSED = Check("good", 1.0, "<=", 2.0), Check("missed", 3.0, "<=", 2.0)
NAME = "prop1.fake"


def claim(evidence, name=NAME):
    return Claim(name, "statement", "source", "method", lambda run: evidence)


def saved(folder, evidence, name=NAME):
    return settled(claim(evidence, name), Run()).save(folder)


EVIDENCE = {
    Verdict.HOLDS: Evidence(checks=(GOOD,)),
    Verdict.HOLDS_IF: Evidence(checks=(GOOD,), counterexamples=(GOOD,), condition="x > 0"),
    Verdict.FAILS: Evidence(counterexamples=(GOOD,)),
    Verdict.UNCONFIRMED: Evidence(checks=(MISSED,)),
    Verdict.SKIPPED: Evidence(skipped="no data"),
}


@pytest.mark.parametrize("found", Verdict)
@pytest.mark.parametrize("written", Verdict)
def test_a_verdict_that_the_evidence_does_not_give_is_refused(found, written, tmp_path):
    path = saved(tmp_path, EVIDENCE[found])
    edit(path, verdict=written.value)
    if written is found:
        assert load_record(NAME, tmp_path).verdict is found
        return
    with pytest.raises(RecordError, match="never written by hand") as error:
        load_record(NAME, tmp_path)
    assert str(path) in str(error.value)
    assert f"verdict is {written.value!r}, but its evidence says {found.value!r}" in str(
        error.value
    )


def changed(**entries):
    return lambda raw: raw | entries


def changed_evidence(**entries):
    return lambda raw: raw | {"evidence": raw["evidence"] | entries}


def changed_check(**entries):
    return lambda raw: changed_evidence(checks=[raw["evidence"]["checks"][0] | entries])(raw)


def without(name):
    return lambda raw: {key: value for key, value in raw.items() if key != name}


EDITS = {
    "another claim": (changed(claim="prop1.other"), "it is the record of 'prop1.other'"),
    "no verdict there is": (changed(verdict="proved"), "'proved' is not a valid Verdict"),
    "a value that misses": (changed_check(value=3.0), "evidence says 'unconfirmed'"),
    "a bound that is missed": (changed_check(bound=0.5), "evidence says 'unconfirmed'"),
    "NaN": (changed_check(value="nan"), "evidence says 'unconfirmed'"),
    "another relation": (changed_check(relation=">"), "evidence says 'unconfirmed'"),
    "asked for less": (changed_check(asked=5.0), "asked must be stricter than the bound"),
    "asked for a word": (changed_check(asked="little"), "could not convert"),
    "no relation": (changed_check(relation="~"), "relation must be one of"),
    "a number beyond float": (changed_check(value=10**400), "OverflowError"),
    "a name that is none": (changed_check(name=5), "name is 5"),
    "no number": (changed_check(value="small"), "could not convert"),
    "a pass by hand": (changed_check(passed=True), "unexpected keyword argument 'passed'"),
    "no checks": (changed_evidence(checks=[]), "evidence says 'unconfirmed'"),
    "skipped": (changed_evidence(skipped="no data"), "evidence says 'skipped'"),
    "data of another kind": (changed_evidence(data=[1]), r"data is \[1\]"),
    "no such profile": (changed(profile="huge"), "profile 'huge' is none of"),
    "seconds in words": (changed(seconds="few"), "seconds is 'few'"),
    "one entry more": (changed(note="checked"), "unexpected keyword argument 'note'"),
    "one entry less": (without("seed"), "required positional argument: 'seed'"),
    "no evidence": (without("evidence"), "KeyError: 'evidence'"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_record_is_refused(name, tmp_path):
    change, message = EDITS[name]
    path = saved(tmp_path, Evidence(checks=(GOOD,)))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(RecordError, match=message):
        load_record(NAME, tmp_path)


BYTES = {
    "empty": (b"", "JSONDecodeError"),
    "cut": (b'{"claim": "prop1', "JSONDecodeError"),
    "a list": (b"[]", "TypeError"),
    "a number": (b"3", "TypeError"),
    "brackets without end": (b"[" * 200_000, "RecursionError"),
    "not UTF-8": ('{"claim": "ä"}'.encode("latin-1"), "is not UTF-8"),
    "UTF-16": ("{}".encode("utf-16"), "is not UTF-8"),
}


@pytest.mark.parametrize("name", BYTES)
def test_what_is_no_record_is_refused(name, tmp_path):
    content, message = BYTES[name]
    (tmp_path / f"{NAME}.json").write_bytes(content)
    with pytest.raises(RecordError, match=message):
        load_record(NAME, tmp_path)


def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch):
    assert load_record(NAME, tmp_path) is None
    assert accepted([NAME], tmp_path) == ({}, {})
    (tmp_path / f"{NAME}.json").mkdir()
    with pytest.raises(RecordError, match=r"prop1.fake.json is refused: Is a directory"):
        load_record(NAME, tmp_path)

    def forbidden(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", forbidden)
    with pytest.raises(RecordError, match="Permission denied"):
        load_record(NAME, tmp_path)


def test_nothing_shows_a_refused_record(tmp_path, monkeypatch, capsys):
    """Neither --compare, nor the report, nor figures, nor the README."""
    claims = {name: claim(Evidence(checks=(MISSED,)), name) for name in (NAME, "prop1.other")}
    right = settled(claims[NAME], Run())
    for name in claims:
        saved(tmp_path, Evidence(checks=(MISSED,)), name)
    edit(tmp_path / f"{NAME}.json", verdict="holds")
    found = compare.compare({NAME: right}, lambda device: tmp_path)
    assert found == ({NAME: "record refused"}, [NAME])
    told = []
    assert set(runner.known_records(claims, tmp_path, "quick", told.append)) == {"prop1.other"}
    assert "its verdict is 'holds'" in told[0]
    script = figures.Script((NAME, "prop1.other"), "", lambda found: pytest.fail("drawn"))
    monkeypatch.setattr(figures, "load_script", lambda *_: script)
    drawn = figures.draw_figures(["prop1.other"], tmp_path, tmp_path / "out")
    assert drawn == ({"prop1.other": [NAME]}, {})
    monkeypatch.setattr(figures, "load_claims", lambda: claims)
    assert figures.main(["--records", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr()
    assert "prop1.other: not drawn, no record of prop1.fake" in shown.out
    assert "its verdict is 'holds'" in shown.err
    monkeypatch.setattr(readme, "load_claims", lambda: claims)
    monkeypatch.setattr(readme, "REFERENCE", tmp_path)
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    assert readme.main([]) == 1
    assert "nothing was filled: " in capsys.readouterr().err


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--records=elsewhere", 2)])
def test_asking_for_help_fills_nothing(argument, status, monkeypatch):
    monkeypatch.setattr(readme, "write_atomically", lambda *_: pytest.fail("written"))
    with pytest.raises(SystemExit) as end:
        readme.main([argument])
    assert end.value.code == status


def test_the_command_line_refuses_and_goes_on(checkout):
    full, results = ("--profile", "full"), checkout / "verify" / "results"
    folder = checkout / "build" / "verify" / "full"
    verify(checkout, "prop1", *full, "--record")
    assert ran(checkout) == ["prop1.holds", "prop1.repaired"]
    edit(folder / "prop1.holds.json", verdict="fails")
    (folder / "prop1.repaired.json").write_bytes(b"\xff\xfe")
    edit(results / "prop1.holds.json", verdict="skipped")
    shown = verify(checkout, "prop1.holds", *full, "--compare", status=1)
    assert "prop1.holds.json is refused: its verdict is 'fails', but its evidence" in shown
    assert "computed again" in shown
    assert ran(checkout) == ["prop1.holds"]
    assert "prop1.repaired.json is refused: it is not UTF-8" in shown
    assert "Not as recorded: prop1.holds holds here; record refused" in shown
    assert "its verdict is 'skipped', but its evidence says 'holds'" in shown
    (results / "prop1.repaired.json").unlink()
    (results / "prop1.repaired.json").mkdir()
    shown = verify(checkout, "prop1", *full, "--record", status=2)
    assert "prop1.repaired.json is a folder, where a record belongs" in shown
    assert "Traceback" not in shown


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    def forbidden(dir):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(runner.tempfile, "TemporaryFile", forbidden)
    with pytest.raises(runner.UsageError, match=r"--results: cannot write to .* \(Permission"):
        runner._make(tmp_path)


# ---- many writers


def test_writers_in_threads_and_processes_leave_one_whole_file(tmp_path):
    path, count = tmp_path / "sweeps" / "a.b.json", 60
    code = (
        "import sys; from pathlib import Path\n"
        "from verify.harness.records import write_atomically\n"
        f"for n in range({count}): write_atomically(Path(sys.argv[1]), sys.argv[2] * 40000)"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter], cwd=ROOT)
        for letter in "xy"
    ]
    seen, ended = set(), threading.Event()

    def read():
        while not ended.is_set():
            text = path.read_text() if path.exists() else ""
            seen.add((len(text), len(set(text))))

    with ThreadPoolExecutor(5) as pool:
        reader = pool.submit(read)
        writers = [
            pool.submit(lambda k=k: [write_atomically(path, k * 40000) for _ in range(count)])
            for k in "abcd"
        ]
        try:
            for writer in writers:
                writer.result()
            assert [other.wait() for other in others] == [0, 0]
        finally:
            ended.set()
        reader.result()
    assert seen <= {(0, 0), (40000, 1)}
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_folder_that_vanishes_is_made_again(tmp_path, monkeypatch):
    """Another run clears it between the writer's two steps."""
    path, write, cleared = tmp_path / "sweeps" / "a.json", Path.write_text, []

    def clears(part, *args, **how):
        if not cleared:
            cleared.append(part)
            part.parent.rmdir()
        return write(part, *args, **how)

    monkeypatch.setattr(Path, "write_text", clears)
    write_atomically(path, "text")
    assert path.read_text() == "text"
    assert len(cleared) == 1
    monkeypatch.setattr(Path, "write_text", lambda part, *_, **__: part.parent.rmdir() or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "new" / "b.json", "text")
    assert not list(tmp_path.rglob("*.part"))


def test_two_runs_of_one_sweep_in_one_folder(checkout):
    write_source(checkout, "claims.sec5.swept", SWEPT)
    (checkout / "go").touch()
    command = [sys.executable, "-m", "verify", "sec5.swept", "--device", "cpu"]
    runs = [
        subprocess.Popen(
            [*command, *options],
            cwd=checkout,
            env=environment(checkout),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for options in ([], ["--fresh"])
    ]
    shown = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(shown)
    folder = quick(checkout, "").parent
    assert load_record_of(checkout)["verdict"] == "holds"
    assert all(json.loads(path.read_text())["result"] for path in kept(folder, "sec5.swept"))
    assert not list(folder.rglob("*.part"))


def load_record_of(checkout):
    return json.loads(quick(checkout, "sec5.swept").read_text())


def test_clearing_is_at_once(tmp_path):
    runner._clear(tmp_path / "absent")
    (tmp_path / "sweeps" / "a" / "part").mkdir(parents=True)
    (tmp_path / "sweeps" / "a" / "part" / "x.json").touch()
    runner._clear(tmp_path / "sweeps" / "a")
    assert list((tmp_path / "sweeps").iterdir()) == []


# ---- a reader that has gone

COMMANDS = {
    "list": ["-m", "verify", "--list"],
    "run": ["-m", "verify", "prop1", "--device", "cpu"],
    "figures": ["-m", "verify.harness.figures"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_gone_is_no_error(name, checkout):
    run = subprocess.Popen(
        [sys.executable, *COMMANDS[name]],
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run.stdout.close()  # before anything is written
    with run.stderr:
        assert run.stderr.read() == ""
    status = run.wait()
    assert status == 128 + signal.SIGPIPE or name == "run"  # which rich ends
