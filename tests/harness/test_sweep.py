"""Sweeps: the same results wherever they run, kept one by one, resumed after anything."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checkouts import PATIENCE, SWEPT, environment, kept, quick, ran, verify, write_source
from sweep_work import no_dict, other_work, threads, word, work

from verify.harness import executors, sweep
from verify.harness.run import Run
from verify.harness.sweep import SweepError

ADDRESS = "tcp://127.0.0.1:1"


def lines(log):
    return Path(log).read_text().splitlines() if Path(log).exists() else []


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.txt"


def cells(log, count=5, **special):
    """Configurations; ``special`` gives extra entries to the cell whose number is 2."""
    return [{"x": x, "log": str(log)} | (special if x == 2 else {}) for x in range(count)]


def computed(log):
    """The configurations computed since the last call."""
    numbers = sorted(map(int, lines(log)))
    log.unlink(missing_ok=True)
    return numbers


@pytest.fixture(scope="module")
def cluster():
    """Two workers in processes of their own."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    # What a dead worker has not delivered is asked of it for this long.
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        distributed.LocalCluster(
            n_workers=2, processes=True, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture(scope="module", autouse=True)
def _no_pool_is_left():
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture(params=["serial", "processes", "cluster"])
def where(request):
    """The fields of a run that say where it runs."""
    if request.param == "cluster":
        return {"scheduler": request.getfixturevalue("cluster")}
    return {"jobs": 2 if request.param == "processes" else 1}


def as_text(value):
    return json.dumps(value, sort_keys=True)  # NaN equals NaN


def test_the_same_everywhere_and_read_back(where, log, tmp_path):
    seen = []
    run = Run(folder=tmp_path, report=lambda *news: seen.append(news), **where)
    found = sweep.sweep(run, work, cells(log), "thm2.fake")
    assert computed(log) == [0, 1, 2, 3, 4]
    assert seen == [(done, 5, "configurations") for done in range(6)]
    first = found[0]
    assert first["square"] == 0
    assert [row["square"] for row in found] == [0, 1, 4, 9, 16]
    assert [type(value) for value in first["limits"]] == [float, float, float, dict]
    assert str(first["limits"][:3]) == "[nan, inf, -inf]"
    assert first["limits"][3]["and"] == 0.1 + 0.2
    assert first["array"] == [0, 1 / 7, 2 / 7]
    assert first["device"] == "cpu"

    again = sweep.sweep(run, work, cells(log), "thm2.fake")
    assert computed(log) == []
    assert seen[6:] == [(5, 5, "configurations")]
    assert as_text(again) == as_text(found)
    assert as_text(sweep.sweep(Run(), work, cells(log), "thm2.fake")) == as_text(found)


def test_a_file_tells_its_circumstances(log, tmp_path):
    sweep.sweep(Run(folder=tmp_path), work, cells(log, 1), "thm2.fake/part")
    (path,) = kept(tmp_path, "thm2.fake/part")
    entry = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert entry["configuration"] == {"x": 0, "log": str(log)}
    assert entry["sweep"] == "thm2.fake/part"
    assert entry["work"] == "sweep_work.work"
    assert entry["device"].startswith("cpu: ")
    assert entry["sources"] == executors.here("sweep_work")
    assert entry["sources"]["numpy"] == np.__version__
    assert entry["result"]["limits"][:3] == ["nan", "inf", "-inf"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"result": 3', '{"result": [1]}', "null"])
def test_only_what_is_missing_or_damaged_is_computed(damage, log, tmp_path):
    run = Run(folder=tmp_path)
    sweep.sweep(run, work, cells(log, 3), "thm2.fake")
    computed(log)
    broken, gone = kept(tmp_path)[:2]
    broken.write_text(damage)
    gone.unlink()
    found = sweep.sweep(run, work, cells(log, 4), "thm2.fake")
    assert len(computed(log)) == 3
    assert [row["square"] for row in found] == [0, 1, 4, 9]
    assert len(kept(tmp_path)) == 4


def test_a_result_of_another_configuration_is_not_taken(log, tmp_path):
    run = Run(folder=tmp_path)
    sweep.sweep(run, work, cells(log, 3), "thm2.fake")
    computed(log)
    one, other = kept(tmp_path)[:2]
    other.write_text(one.read_text())
    assert [row["square"] for row in sweep.sweep(run, work, cells(log, 3), "thm2.fake")] == [
        0,
        1,
        4,
    ]
    assert len(computed(log)) == 1


def test_the_key_stands_for_all_circumstances(log, tmp_path, monkeypatch):
    run = Run(folder=tmp_path)

    def count(work=work, name="thm2.fake", **entries):
        sweep.sweep(run, work, [cells(log, 1)[0] | entries], name)
        return len(list((tmp_path / "sweeps").rglob("*.json")))

    assert [count(), count()] == [1, 1]
    assert [count(name="thm2.other"), count(other_work), count(y={"a": 1, "b": 2})] == [2, 3, 4]
    assert count(y={"b": 2, "a": 1}) == 4
    monkeypatch.setattr(sweep, "describe_device", lambda device: "another")
    assert count() == 5
    mine = executors.here("sweep_work")
    monkeypatch.setattr(sweep, "here", lambda module: mine | {"fingerprint": "another"})
    assert count() == 6
    monkeypatch.setattr(sweep, "here", lambda module: mine | {"torch": "another"})
    assert count() == 7


def test_a_failure_costs_itself_only(where, log, tmp_path):
    run = Run(folder=tmp_path, **where)
    with pytest.raises(SweepError, match=r"1 of 5 configurations of thm2.fake failed") as error:
        sweep.sweep(run, work, cells(log, fails=True), "thm2.fake")
    assert "'x': 2" in str(error.value)
    assert "'x': 1" not in str(error.value)
    assert "in work\n" in str(error.value)
    assert "ArithmeticError: no luck with 2" in str(error.value)
    assert computed(log) == [0, 1, 2, 3, 4]
    assert len(kept(tmp_path)) == 4
    assert len(sweep.sweep(run, work, cells(log), "thm2.fake")) == 5
    assert computed(log) == [2]


@pytest.mark.parametrize(
    ("function", "reason"), [(no_dict, "no_dict must return a dict"), (word, "the string 'inf'")]
)
def test_a_result_that_cannot_be_kept_is_a_failure(function, reason):
    with pytest.raises(SweepError, match=reason) as error:
        sweep.sweep(Run(), function, [{"x": 0}, {"x": 1}], "thm2.fake")
    assert str(error.value).count("Traceback") == 1  # the same error is told once


@pytest.mark.parametrize("where", ["processes", "cluster"], indirect=True)
def test_a_killed_process_does_not_matter(where, log, tmp_path):
    run = Run(folder=tmp_path, **where)
    found = sweep.sweep(run, work, cells(log, 12, dies=1), "thm2.fake")
    assert [row["square"] for row in found] == [x**2 for x in range(12)]
    assert computed(log).count(2) == 2
    assert len(kept(tmp_path)) == 12
    sweep.sweep(run, work, cells(log, 12, dies=1), "thm2.fake")
    assert computed(log) == []


@pytest.mark.parametrize("where", ["processes", "cluster"], indirect=True)
def test_who_kills_every_process_is_given_up(where, log, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "STRIKES", 2)
    with pytest.raises(SweepError, match="1 of 12 configurations") as error:
        sweep.sweep(Run(folder=tmp_path, **where), work, cells(log, 12, dies=99), "thm2.fake")
    assert "'x': 2" in str(error.value)
    assert "died" in str(error.value)
    assert len(kept(tmp_path)) == 11


def test_processes_share_out_the_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    configurations = [{"x": x} for x in range(4)]
    found = sweep.sweep(Run(jobs=3), threads, configurations, "thm2.fake")
    assert {row["threads"] for row in found} == {"2"}
    assert os.getpid() not in {row["process"] for row in found}


@pytest.mark.parametrize("where", ["processes", "cluster"], indirect=True)
def test_a_worker_with_other_sources_is_refused(where, log, monkeypatch):
    newer = executors.here("sweep_work") | {"fingerprint": "newer"}
    monkeypatch.setattr(sweep, "here", lambda module: newer)
    with pytest.raises(executors.OtherSourcesError, match=r"fingerprint [0-9a-f]+ but here newer"):
        sweep.sweep(Run(**where), work, cells(log), "thm2.fake")
    assert computed(log) == []


def test_a_worker_without_the_sources_is_told(cluster, monkeypatch):
    module = type(sys)("only_here")
    exec("def work(configuration, device): return {}", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    with pytest.raises(executors.OtherSourcesError, match=r"cannot load the sources.*only_here"):
        sweep.sweep(Run(scheduler=cluster), module.work, [{}], "thm2.fake")


@pytest.mark.parametrize("address", [ADDRESS, "nonsense://nowhere"])
def test_an_unreachable_scheduler_is_named(address, log, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    assert executors.PATIENCE <= 10
    monkeypatch.setattr(executors, "PATIENCE", 0.3)
    with pytest.raises(ConnectionError, match=f"--scheduler {address}: no scheduler answers"):
        sweep.sweep(Run(scheduler=address), work, cells(log), "thm2.fake")
    sweep.sweep(Run(folder=tmp_path), work, cells(log), "thm2.fake")
    sweep.sweep(Run(folder=tmp_path, scheduler=address), work, cells(log), "thm2.fake")  # all kept


def test_a_lost_scheduler_is_told(log, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:

        def report(done, total, label):
            if done == 1:
                cluster.close()

        run = Run(folder=tmp_path, scheduler=cluster.scheduler_address, report=report)
        with pytest.raises(ConnectionError, match="was lost"):
            sweep.sweep(run, work, [c | {"seconds": 0.1} for c in cells(log)], "thm2.fake")
    assert len(kept(tmp_path)) >= 1


def test_without_distributed_the_extra_is_named(log, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"--scheduler .* rkbs\[cluster\]"):
        sweep.sweep(Run(scheduler=ADDRESS), work, cells(log), "thm2.fake")


def test_the_executor_follows_from_the_run():
    assert isinstance(executors.executor(Run()), executors.Serial)
    assert executors.executor(Run(jobs=3)) == executors.Processes(3)
    assert executors.executor(Run(jobs=3, scheduler="a")) == executors.Cluster("a")


@pytest.mark.parametrize(
    ("configurations", "name", "error", "message"),
    [
        ([{"x": 1}, {"y": 2}, {"x": 1}], "a", ValueError, r'given twice: \{"x": 1\}$'),
        ([{"x": {1}}], "a", TypeError, r"configuration \{'x': \{1\}\} is not JSON"),
        ([{"x": np.arange(2)}], "a", TypeError, "is not JSON"),
        ([{"x": ["nan"]}], "a", TypeError, "is not JSON: the string 'nan'"),
        ([[1]], "a", TypeError, r"configuration \[1\] is not JSON: not a dict"),
        ([{}], "../a", ValueError, "name"),
        ([{}], "", ValueError, "name"),
    ],
)
def test_refusals(configurations, name, error, message):
    with pytest.raises(error, match=message):
        sweep.sweep(Run(), work, configurations, name)


def test_work_travels_by_name():
    with pytest.raises(TypeError, match="top of a module"):
        sweep.sweep(Run(), lambda configuration, device: {}, [{}], "a")
    assert sweep.sweep(Run(), work, [], "a") == []


def test_non_finite_configurations_are_given_as_numbers(log):
    (found,) = sweep.sweep(Run(), work, [cells(log, 1)[0] | {"p": math.inf}], "a")
    assert found["given"]["p"] == math.inf


@pytest.fixture
def swept(checkout):
    """A checkout with a claim that sweeps five cells; three of them wait for a file."""
    write_source(checkout, "claims.sec5.swept", SWEPT)
    return checkout


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def start(swept, *command):
    """Run a command until two cells are kept and two more are running; and their processes."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=swept,
        env=environment(swept),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder = quick(swept, "").parent
    until(lambda: len(lines(swept / "ran.txt")) == 4 and len(kept(folder, "sec5.swept")) == 2)
    return process, {int(line.split()[1]) for line in lines(swept / "ran.txt")}


def test_an_interrupted_sweep_goes_on(swept):
    # A shell may start us with SIGINT ignored; a user's terminal does not.
    code = (
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_module('verify', run_name='__main__', alter_sys=True)"
    )
    (swept / "go").touch()
    verify(swept, "sec5.swept")
    assert ran(swept) == list("01234")
    (swept / "go").unlink()
    options = ("sec5.swept", "--device", "cpu", "--jobs", "2", "--fresh")
    process, pids = start(swept, "-c", code, *options)
    process.send_signal(signal.SIGINT)
    assert "0 of 1 claims finished" in process.communicate(timeout=PATIENCE)[0]
    until(lambda: not any(map(alive, pids)))
    assert sorted(ran(swept)) == list("0123")  # what there was before is not read
    (swept / "go").touch()
    verify(swept, "sec5.swept", "--jobs", "2")
    assert sorted(ran(swept)) == list("234")
    record = json.loads(quick(swept, "sec5.swept").read_text())
    assert record["evidence"]["data"] == {"jobs": 2}  # alone, it has all of them


def test_the_processes_of_a_killed_claim_end(swept):
    folder = str(quick(swept, "").parent)
    command = ("-m", "verify.harness.workers", "sec5.swept", "quick", "cpu", "0", folder, "2", "")
    process, pids = start(swept, *command)
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: not any(map(alive, pids)))


def test_the_command_line_names_a_scheduler(swept, cluster):
    shown = verify(swept, "sec5.swept", "--scheduler", cluster, status=1)
    assert "a worker of tcp://" in shown  # it has not the sources of this checkout
    assert "bring it up to date" in shown
    assert ran(swept) == []
    shown = verify(swept, "sec5.swept", "--scheduler", "nonsense://nowhere", status=2)
    assert "--scheduler nonsense://nowhere: no scheduler answers" in shown
    assert "Traceback" not in shown
