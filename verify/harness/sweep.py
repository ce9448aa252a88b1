"""Sweeps: one function at many configurations, each result on disk the moment it is finished.

A sweep that was interrupted, crashed or changed goes on from the results that are there.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from verify.harness.executors import Answer, executor, here
from verify.harness.provenance import describe_device
from verify.harness.records import plain, write_atomically
from verify.harness.run import Run

_NOT_FINITE = {str(value): value for value in (math.nan, math.inf, -math.inf)}


class SweepError(RuntimeError):
    """Some configurations failed; the results of the others are kept."""


def sweep(
    run: Run,
    work: Callable[[dict[str, Any], str], dict[str, Any]],
    configurations: Sequence[dict[str, Any]],
    name: str,
) -> list[dict[str, Any]]:
    """``[work(c, run.device) for c in configurations]``, in parallel, kept, and resumed.

    Each result is written to ``run.folder/sweeps/name/<key>.json`` when it is finished. The key
    stands for the name, the work, the configuration, the device, the sources that the work's module
    depends on and the versions of packages: a result whose key is there is read, not computed.
    Nothing is written where ``run.folder`` is None.

    Parameters
    ----------
    run : Run
        Its scheduler, or else its number of jobs, says where ``work`` runs.
    work : callable
        Defined at the top of a module of ``rkbs`` or ``verify``, by whose name it travels. It
        returns a dict of what JSON has, and arrays and tensors, which become lists. NaN and
        infinity are kept.
    configurations : sequence of dict
        Of JSON's types, all different; ``work`` gets them as JSON gives them back.
    name : str
        The claim's id; further sweeps of the claim are ``<id>/<what>``.

    Returns
    -------
    list of dict
        In the order of the configurations, the same numbers whether computed or read.

    Raises
    ------
    SweepError
        ``work`` failed somewhere; everything else has been finished and kept before.
    OtherSourcesError
        A worker has other sources or packages than this process.
    """
    tasks = _tasks(run, work, configurations, name)
    folder = run.folder / "sweeps" / name if run.folder else None
    found = {
        key: result for key, task in tasks.items() if (result := _kept(task, folder)) is not None
    }
    waiting = [task for key, task in tasks.items() if key not in found]
    report, failed = _reporter(run, name, len(tasks)), {}
    report(len(found))
    with closing(executor(run).run(waiting)) as answers:
        for done, (number, (text, error)) in enumerate(answers, start=len(found) + 1):
            task = waiting[number]
            if error:
                failed.setdefault(error, []).append(task.configuration)
            else:
                found[task.key] = _result(text)
                if folder:
                    write_atomically(folder / f"{task.key}.json", text + "\n")
            report(done)
    if failed:
        raise SweepError(_in_words(failed, name, len(tasks)))
    return [found[key] for key in tasks]


def _reporter(run: Run, name: str, total: int) -> Callable[[int], None]:
    label = name.partition("/")[2] or "configurations"
    return lambda done: run.report(done, total, label) if run.report else None


@dataclass(frozen=True)
class _Task:
    """The work at one configuration, which is kept as JSON text here and travels as such."""

    name: str
    work: Callable[[dict[str, Any], str], dict[str, Any]]
    text: str
    device: str
    sources: dict[str, str]

    @property
    def module(self) -> str:
        return self.work.__module__

    @property
    def configuration(self) -> dict[str, Any]:
        return _restored(json.loads(self.text))

    @cached_property
    def key(self) -> str:
        """A hash of all that the result depends on."""
        what = [
            self.name,
            _place(self.work),
            self.configuration,
            describe_device(self.device),
            self.sources,
        ]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]

    def compute(self) -> Answer:
        """The result with its circumstances as JSON text, or a traceback."""
        start = time.perf_counter()
        try:
            result = self.work(self.configuration, self.device)
            if not isinstance(result, dict):
                raise TypeError(f"{_place(self.work)} must return a dict, got {result!r}")
            entry = {
                "sweep": self.name,
                "work": _place(self.work),
                "configuration": self.configuration,
                "device": describe_device(self.device),
                "seconds": round(time.perf_counter() - start, 3),
                "sources": self.sources,
                "result": result,
            }
            return _json(entry), ""
        except Exception:
            return "", traceback.format_exc()


def _tasks(run: Run, work: Callable, configurations: Sequence[dict], name: str) -> dict[str, _Task]:
    """The tasks by their keys, in order."""
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)*", name):
        raise ValueError(f"a sweep's name is a claim's id, or <id>/<what>, got {name!r}")
    module = sys.modules.get(getattr(work, "__module__", ""))
    if getattr(module, getattr(work, "__qualname__", ""), None) is not work:
        raise TypeError(f"work must be a function at the top of a module, got {work!r}")
    sources = here(work.__module__)
    tasks = [_Task(name, work, _configuration_text(c), run.device, sources) for c in configurations]
    counts = Counter(task.key for task in tasks)
    if twice := {task.key: task.text for task in tasks if counts[task.key] > 1}:
        raise ValueError(f"{name}: configurations given twice: {', '.join(twice.values())}")
    return {task.key: task for task in tasks}


def _place(work: Callable) -> str:
    return f"{work.__module__}.{work.__qualname__}"


def _configuration_text(configuration: dict[str, Any]) -> str:
    try:
        if not isinstance(configuration, dict):
            raise TypeError("not a dict")
        json.dumps(configuration)  # before ``plain`` makes lists of arrays
        return _json(configuration)
    except (TypeError, ValueError) as error:
        raise TypeError(f"configuration {configuration!r} is not JSON: {error}") from None


def _kept(task: _Task, folder: Path | None) -> dict[str, Any] | None:
    """The result in a folder, or None where there is none that can be read."""
    if folder is None:
        return None
    try:
        text = (folder / f"{task.key}.json").read_text(encoding="utf-8")
        entry = _restored(json.loads(text))
        result = entry["result"]
        mine = (task.name, _place(task.work), task.configuration)
        whole = (entry["sweep"], entry["work"], entry["configuration"]) == mine
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or damaged
    return result if whole and isinstance(result, dict) else None


def _result(text: str) -> dict[str, Any]:
    return _restored(json.loads(text)["result"])


def _json(value: Any) -> str:
    """``value`` as JSON text in which the strings of ``_NOT_FINITE`` stand for numbers."""
    for word in _strings(value):
        if word in _NOT_FINITE:
            raise ValueError(f"the string {word!r} would be read back as a number; rename it")
    return json.dumps(plain(value), allow_nan=False)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (word for entry in value.values() for word in _strings(entry))
    elif isinstance(value, (list, tuple)):
        yield from (word for entry in value for word in _strings(entry))


def _restored(value: Any) -> Any:
    """What ``plain`` made of a value, with the numbers that are not finite again."""
    if isinstance(value, dict):
        return {key: _restored(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_restored(entry) for entry in value]
    return _NOT_FINITE.get(value, value) if isinstance(value, str) else value


def _in_words(failed: dict[str, list[dict[str, Any]]], name: str, total: int) -> str:
    """Each error once, after the configurations that it befell."""
    count = sum(len(configurations) for configurations in failed.values())
    parts = [f"{count} of {total} configurations of {name} failed:"]
    for error, configurations in failed.items():
        parts += [*(f"configuration {c}" for c in configurations), error.strip()]
    return "\n".join(parts)
