"""Where the tasks of a sweep run: in this process, in processes here, or on a dask cluster.

An executor yields each task's number and answer as soon as the task is finished, in any order. A
task that kills its process is answered by an error, which costs the others nothing.
"""

from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

from verify.harness.provenance import LOADED, installed, versions
from verify.harness.run import Run

if TYPE_CHECKING:
    from distributed import Client, Future

Answer = tuple[str, str]
"""A task's result as text, and in words what went wrong: one of the two is empty."""
Answers = Generator[tuple[int, Answer], None, None]
"""Each task's place among the tasks and its answer, in the order in which they finish."""

STRIKES = 3
"""A task that has been running in this many processes that died is given up."""
PATIENCE = 8.0
"""Seconds in which a scheduler must answer."""
_POLL = 0.5


class OtherSourcesError(RuntimeError):
    """A worker's sources or packages are not those for which its results would be taken."""


class Task(Protocol):
    """What an executor runs. It catches its own errors.

    ``sources`` is what it was made by (``here``), in a process that may have other sources loaded
    than the one that it runs in.
    """

    module: str
    sources: dict[str, str]

    def compute(self) -> Answer:
        """The answer, wherever this is called."""


class Executor(Protocol):
    """Runs tasks."""

    def run(self, tasks: Sequence[Task]) -> Answers:
        """The answers as they come."""


def here(module: str) -> dict[str, str]:
    """What this process has loaded that the results of a module depend on."""
    return {"fingerprint": LOADED.fingerprint(module), **versions()}


def executor(run: Run) -> Executor:
    """The executor that a run asks for: a scheduler's address goes before a number of jobs.

    These need joblib; without it there is one.
    """
    if run.scheduler:
        return Cluster(run.scheduler)
    return Processes(run.jobs) if run.jobs > 1 and installed("joblib") else Serial()


class Serial:
    """One task after the other, in this process."""

    def run(self, tasks: Sequence[Task]) -> Answers:
        """The answers in the order of the tasks."""
        for number, task in enumerate(tasks):
            yield number, task.compute()


@dataclass(frozen=True)
class Processes:
    """``jobs`` processes of this machine, by joblib; a dead one costs the tasks that it ran."""

    jobs: int

    def run(self, tasks: Sequence[Task]) -> Answers:
        """The answers as they come; a pool that broke is made anew for what is left."""
        strikes = dict.fromkeys(range(len(tasks)), 0)
        while strikes:
            unsuspected = [number for number, count in strikes.items() if not count]
            # A suspect runs alone: if its process dies again, no other is to blame, or to suffer.
            order, sent = unsuspected or [min(strikes, key=strikes.get)], []
            try:
                for number, answer in self._pool(_noting(order, sent), tasks):
                    del strikes[number]
                    yield number, answer
            except BrokenProcessPool as error:
                for number in [number for number in sent if number in strikes]:
                    strikes[number] += 1
                    if strikes[number] == STRIKES:
                        del strikes[number]
                        yield number, ("", f"its process died, {STRIKES} times: {error}")

    def _pool(self, order: Iterable[int], tasks: Sequence[Task]) -> Answers:
        from joblib import Parallel, cpu_count, delayed, parallel_config

        own = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(own) if own.isdigit() else cpu_count()
        # Never one process: joblib would run the tasks in this one, which they could kill.
        count = max(2, min(self.jobs, len(tasks)))
        with parallel_config("loky", inner_max_num_threads=max(1, threads // count)):
            pool = Parallel(
                n_jobs=count,
                return_as="generator_unordered",
                batch_size=1,  # a finished answer waits for no other
                pre_dispatch=count,  # so that few are suspected when a process dies
            )
        return pool(delayed(_in_child)(os.getpid(), n, tasks[n]) for n in order)


def _noting(numbers: Iterable[int], noted: list[int]) -> Iterator[int]:
    for number in numbers:
        noted.append(number)
        yield number


def _in_child(parent: int, number: int, task: Task) -> tuple[int, Answer]:
    _end_with(parent)
    return number, _compute(task)


def _compute(task: Task) -> Answer:
    """The answer of a task, where its sources are loaded."""
    mine = here(task.module)
    if task.sources != mine:
        asked = task.sources
        pairs = {what: (asked.get(what), mine.get(what)) for what in {**asked, **mine}}
        found = [
            f"{w} {there} but here {here}" for w, (here, there) in pairs.items() if here != there
        ]
        raise OtherSourcesError(f"bring the worker up to date and restart it: {', '.join(found)}")
    return task.compute()


@cache
def _end_with(parent: int) -> None:
    """From now on end this process when its parent has: joblib's own would wait for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True)
class Cluster:
    """The workers of a running dask.distributed scheduler.

    What a lost worker has not delivered runs again elsewhere. The scheduler gives up a task whose
    workers have died more often than its setting ``distributed.scheduler.allowed-failures``.
    """

    address: str

    def run(self, tasks: Sequence[Task]) -> Answers:
        """The answers as they come."""
        if not tasks:
            return  # and needs no scheduler
        with connect(self.address) as client:
            from distributed import as_completed

            texts = [pickle.dumps(_Computed(task)) for task in tasks]
            futures = client.map(pickle.loads, texts, key="sweep", pure=False)
            numbers = {future.key: number for number, future in enumerate(futures)}
            arriving = as_completed(futures, loop=client.loop)
            del futures  # the cluster may forget an answer once it has been passed on
            for future in arriving:
                yield numbers[future.key], self._answer(future)

    def _answer(self, future: Future) -> Answer:
        from distributed.scheduler import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            return "", str(error)
        except CancelledError as error:
            raise ConnectionError(f"--scheduler {self.address} was lost: {error}") from None
        except (ImportError, AttributeError) as error:
            reason = f"a worker of {self.address} cannot load the sources: {error!r}"
            raise OtherSourcesError(f"{reason}; bring it up to date and restart it") from error


@dataclass(frozen=True)
class _Computed:
    """A task whose unpickling computes it, and gives the answer.

    So dask itself has only bytes to carry: a scheduler need not know these sources, and a worker
    that lacks them fails in the task, where its error is told, and not while it receives it.
    """

    task: Task

    def __reduce__(self) -> tuple:
        return _compute, (self.task,)


def connect(address: str) -> Client:
    """A client of the scheduler at an address.

    Raises
    ------
    ImportError
        dask.distributed is not installed.
    ConnectionError
        No scheduler answers there.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host
    except ImportError as error:
        needed = "--scheduler needs dask.distributed; install rkbs[cluster]"
        raise ImportError(needed) from error
    try:
        get_address_host(address)  # on what is no address, a client would hang half made
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"--scheduler {address}: no scheduler answers ({error})") from None
