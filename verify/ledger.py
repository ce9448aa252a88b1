"""The ledger: what is claimed, where in the paper, how it is checked, and what was found.

A claim is a function that computes ``Evidence``; the verdict is derived from the evidence and
never written by hand. A record is a finished claim on disk, as JSON.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import pkgutil
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from verify.evidence import Check, Evidence, Verdict
from verify.records import (
    PROFILES,
    Record,
    RecordError,
    accepted,
    load_record,
    plain,
    write_atomically,
)

__all__ = [  # with what claims and figures need of the modules below
    "CLAIMS",
    "PROFILES",
    "REFERENCE",
    "ROOT",
    "TOPICS",
    "Check",
    "Claim",
    "Evidence",
    "Record",
    "RecordError",
    "Run",
    "Verdict",
    "accepted",
    "claim",
    "describe_device",
    "fingerprint",
    "greatest",
    "least",
    "load_claims",
    "load_record",
    "plain",
    "settle",
    "topic_of",
    "versions",
    "write_atomically",
]

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "verify" / "results"
TOPICS = ("prop1", "thm1", "thm2", "sec5", "data")
_DISPLAY = (
    "__main__",
    "runner",
    "workers",
    "display",
    "report",
    "figures",
    "readme",
    "options",
    "terminal",
)


@dataclass(frozen=True)
class Run:
    """The circumstances in which a claim is computed: size, device, seed; and how.

    ``folder`` keeps what sweeps have finished (None: nothing is kept); they run in ``jobs``
    processes, or at the ``scheduler``, the address of one of dask.distributed.
    """

    profile: str = "quick"
    device: str = "cpu"
    seed: int = 0
    report: Callable[[int, int, str], None] | None = None
    folder: Path | None = None
    jobs: int = 1
    scheduler: str = ""

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise ValueError(f"profile must be one of {PROFILES}, got {self.profile!r}")

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator from the seed: the same numbers each time it is asked for."""
        return np.random.default_rng(self.seed)

    def pick(self, quick: Any, full: Any) -> Any:
        """The size for this profile."""
        return quick if self.profile == "quick" else full

    def progress(self, items: Iterable, label: str) -> Iterator:
        """The items one by one, reporting how many are done of how many."""
        items = list(items)
        for done, item in enumerate(items):
            if self.report:
                self.report(done, len(items), label)
            yield item
        if self.report:
            self.report(len(items), len(items), label)


def greatest(*values: Any, key: str = "") -> float:
    """``max``, except that NaN among the values is the answer: no check passes with it.

    NaN, too, of no values: there was nothing to check. With a ``key``, of what the rows of a table
    have there: numbers, or equally many of them.
    """
    return float(np.max(_numbers(values, key)))


def least(*values: Any, key: str = "") -> float:
    """``min``, except that NaN among the values is the answer; arguments as of ``greatest``."""
    return float(np.min(_numbers(values, key)))


def _numbers(values: tuple, key: str) -> list:
    rows = values[0] if len(values) == 1 else values
    return [row[key] if key else row for row in rows] or [math.nan]


@dataclass(frozen=True)
class Claim:
    """A statement of the paper (in one reading) and the computation that settles it.

    ``figure`` is its own, ``also_in`` are others that show it.
    ``scope`` says, of a universal statement, for what it was computed and what the rest rests on.
    """

    id: str
    statement: str
    source: str
    method: str
    compute: Callable[[Run], Evidence]
    figure: str = ""
    scope: str = ""
    also_in: tuple[str, ...] = ()

    @property
    def figures(self) -> tuple[str, ...]:
        """The stems of all figures that need its record."""
        return tuple(filter(None, (self.figure, *self.also_in)))


CLAIMS: dict[str, Claim] = {}


def claim(
    id: str,
    *,
    statement: str,
    source: str,
    method: str,
    figure: str = "",
    scope: str = "",
    also_in: tuple[str, ...] = (),
) -> Callable[[Callable[[Run], Evidence]], Callable[[Run], Evidence]]:
    """Register the decorated function as the computation of a claim."""
    if topic_of(id) not in TOPICS:
        raise ValueError(f"a claim's id begins with one of {TOPICS}, got {id!r}")
    if not re.fullmatch(r"\w+(\.\w+)+", id):  # the name of its record, and of its sweeps' folder
        raise ValueError(f"a claim's id is words with dots between them, got {id!r}")
    for stem in filter(None, (figure, *also_in)):
        if not re.fullmatch(r"\w+", stem):  # what follows a dot would be taken for a suffix
            raise ValueError(f"the figure of {id!r} must be named by one word, got {stem!r}")

    def register(compute: Callable[[Run], Evidence]) -> Callable[[Run], Evidence]:
        # A file that runs as a script is imported too: the same lines may register again.
        if id in CLAIMS and _place(CLAIMS[id].compute) != _place(compute):
            raise ValueError(f"claim {id!r} is registered twice")
        CLAIMS[id] = Claim(id, statement, source, method, compute, figure, scope, also_in)
        return compute

    return register


def _place(compute: Callable[[Run], Evidence]) -> tuple[Path, int]:
    """Where a computation is written, symbolic links followed."""
    return Path(compute.__code__.co_filename).resolve(), compute.__code__.co_firstlineno


def topic_of(name: str) -> str:
    """The topic of a claim id (``prop1.features``) or of a claim file's stem (``prop1_taylor``)."""
    return name.split(".")[0].split("_")[0]


def load_claims(topic: str = "") -> dict[str, Claim]:
    """Import every claim file (of one topic) and return the claims by id, file by file."""
    import verify

    topics = (topic,) if topic else TOPICS
    for module in sorted(m.name for m in pkgutil.iter_modules(verify.__path__)):
        if topic_of(module) in topics:
            importlib.import_module(f"verify.{module}")
    found = [claim for claim in CLAIMS.values() if topic_of(claim.id) in topics]

    def place(claim: Claim) -> tuple[int, str, int]:
        code = claim.compute.__code__  # of the file itself, whoever imported it first, and as what
        return topics.index(topic_of(claim.id)), code.co_filename, code.co_firstlineno

    return {claim.id: claim for claim in sorted(found, key=place)}


def settle(claim: Claim, run: Run) -> Record:
    """Compute a claim and record what was found."""
    # Before the computation: sources edited while it runs are not the ones that it ran.
    sources = fingerprint()
    start = time.perf_counter()
    evidence = claim.compute(run)
    return Record(
        claim=claim.id,
        verdict=evidence.verdict,
        evidence=evidence,
        profile=run.profile,
        device=describe_device(run.device),
        seed=run.seed,
        seconds=round(time.perf_counter() - start, 3),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        versions=versions(),
        fingerprint=sources,
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that the results depend on."""
    names = ("numpy", "scipy", "scikit-learn", "sympy", "python-flint", "torch")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def fingerprint() -> str:
    """A hash of the sources that results depend on: a record made by other sources is stale.

    The files of ``verify`` that only run and show claims are left out.
    """
    digest = hashlib.sha256()
    for folder in ("rkbs", "verify"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if folder == "verify" and path.stem in _DISPLAY:
                continue
            digest.update(path.relative_to(ROOT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def describe_device(device: str) -> str:
    """The device in words: the GPU's own name where there is one, the processor's kind if not."""
    if device.startswith("cuda"):
        import torch

        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {platform.machine()}, {os.cpu_count()} cores"
