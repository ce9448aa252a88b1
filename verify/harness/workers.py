"""Claims in processes of their own: a crash, a kill or an exhausted memory costs one claim only.

A worker is ``python -m verify.harness.workers CLAIM PROFILE DEVICE SEED FOLDER JOBS SCHEDULER``.
It writes its record to the folder and nothing else counts: a claim whose record is there is
finished, any other is an error. Progress comes as JSON lines through the worker's standard output;
all that the claim prints, tracebacks included, goes to a log that is shown when the worker ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from verify.harness.ledger import load_claim, settle
from verify.harness.paths import ROOT
from verify.harness.records import Record, accepted
from verify.harness.run import Run

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",  # torch reads this one too
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_POLL = 0.05
_GRACE = 2.0
_REPORT_EVERY = 0.1


class Watch(Protocol):
    """What is told while claims are computed."""

    def started(self, claim_id: str) -> None:
        """A worker has begun."""

    def progressed(self, claim_id: str, done: int, total: int, label: str) -> None:
        """A worker is at ``done`` of ``total``."""

    def finished(self, record: Record, printed: str) -> None:
        """A worker has left its record, and printed this."""

    def failed(self, claim_id: str, error: str) -> None:
        """A worker has ended without a record."""


@dataclass
class Outcome:
    """What a run of several claims came to, so far: records, and errors in words, by claim id."""

    records: dict[str, Record] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def compute(
    claim_ids: Sequence[str], run: Run, outcome: Outcome, watch: Watch, until: float = math.inf
) -> None:
    """Compute claims, ``run.jobs`` at once, into ``outcome``; when interrupted, stop the workers.

    So too at ``until`` on the clock ``time.monotonic``: claims that are not finished then are in
    neither part of the outcome. ``run.folder`` must hold no record of these claims yet: what is
    there afterwards is new. A record that another run clears from there before it is read is made
    once more. Fewer claims than jobs share these out for their sweeps.
    """
    waiting, running, again = deque(claim_ids), [], set()
    news: queue.SimpleQueue[tuple[str, int, int, str]] = queue.SimpleQueue()
    jobs = max(1, min(run.jobs, len(waiting)))
    share = replace(run, jobs=max(1, run.jobs // jobs))
    try:
        while (waiting or running) and time.monotonic() < until:
            while waiting and len(running) < jobs:
                running.append(_Worker(waiting.popleft(), share, jobs, news.put))
                watch.started(running[-1].claim_id)
            with contextlib.suppress(queue.Empty):
                watch.progressed(*news.get(timeout=_POLL))
            for worker in [w for w in running if w.process.poll() is not None]:
                running.remove(worker)
                if not _collect(worker, run.folder, outcome, watch, worker.claim_id in again):
                    again.add(worker.claim_id)
                    waiting.append(worker.claim_id)
    finally:
        for worker in running:
            worker.stop()


def _collect(worker: _Worker, folder: Path, outcome: Outcome, watch: Watch, last: bool) -> bool:
    """Take what an ended worker has left; False where that was cleared, and this is not the last.

    A worker that ended well had left its record: where none is there, another run has cleared it.
    """
    printed, claim_id = worker.close(), worker.claim_id
    records, refused = accepted([claim_id], folder)
    record = records.get(claim_id)
    if record:
        outcome.records[claim_id] = record
        watch.finished(record, printed)
    elif worker.process.returncode == 0 and not refused and not last:
        return False
    else:
        code = worker.process.returncode
        # Status 1 is Python's own after an exception, whose traceback says all.
        death = "" if code == 1 and printed else f"\nworker died with exit code {code}"
        reason = f"\n{refused[claim_id]}" if refused else ""
        outcome.errors[claim_id] = f"{printed}{reason}{death}".strip()
        watch.failed(claim_id, outcome.errors[claim_id])
    return True


class _Worker:
    """The parent's handle on a worker process."""

    def __init__(
        self,
        claim_id: str,
        run: Run,
        at_once: int,
        tell: Callable[[tuple[str, int, int, str]], None],
    ) -> None:
        self.claim_id = claim_id
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        numbers = (run.seed, run.folder, run.jobs)
        arguments = (claim_id, run.profile, run.device, *map(str, numbers), run.scheduler)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-X", "utf8", "-m", __name__, *arguments],
            # The worker ends when this pipe closes, so even a killed parent leaves no orphans.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=worker_environment(at_once),
            # Away from the terminal's Ctrl-C: the parent alone decides when workers stop.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(tell,), daemon=True)
        self._reader.start()

    def _read(self, tell: Callable[[tuple[str, int, int, str]], None]) -> None:
        for line in self.process.stdout:
            done, total, label = json.loads(line)
            tell((self.claim_id, done, total, label))

    def stop(self) -> None:
        """Kill the worker and whatever it has started."""
        # SIGTERM ends all but the trackers of semaphores, which clear up after the others first.
        for number in (signal.SIGTERM, signal.SIGKILL):
            # Not yet waited for, so the process id, hence the group's, is still its own.
            if self.process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_GRACE)
        self.close()

    def close(self) -> str:
        """Release what belongs to an ended worker, and return what it printed."""
        # A process that the claim left behind may hold the pipe open: then do not wait for it.
        self._reader.join(timeout=1)
        self.process.stdin.close()
        if not self._reader.is_alive():
            self.process.stdout.close()
        with self._log:
            self._log.seek(0)
            return self._log.read().decode(errors="replace").strip()


def worker_environment(jobs: int) -> dict[str, str]:
    """The environment of a worker: this repository importable, the cores shared out among jobs."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if jobs > 1:
        threads = str(max(1, (os.cpu_count() or 1) // jobs))
        environment = dict.fromkeys(THREAD_VARIABLES, threads) | environment
    return environment


def _end_with_parent() -> None:
    """Wait for the end of standard input, which is the parent's end."""
    os.read(0, 1)
    os._exit(1)


def _reporter() -> Callable[[int, int, str], None]:
    """A progress callback onto the real standard output, which nothing else writes to any more."""
    channel = os.dup(1)
    os.dup2(2, 1)
    last = -_REPORT_EVERY

    def report(done: int, total: int, label: str) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= _REPORT_EVERY:
            last = time.monotonic()
            os.write(channel, f"{json.dumps([int(done), int(total), label])}\n".encode())

    return report


def work(
    claim_id: str, profile: str, device: str, seed: str, folder: str, jobs: str, scheduler: str
) -> None:
    """Compute one claim in this process and save its record."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run = Run(profile, device, int(seed), _reporter(), Path(folder), int(jobs), scheduler)
    settle(load_claim(claim_id), run).save(run.folder)


if __name__ == "__main__":
    work(*sys.argv[1:])
