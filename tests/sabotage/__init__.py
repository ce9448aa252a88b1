"""Sabotage: for every claim, ways to break what it is about, each of which must change its verdict.

A module of this package holds the entries of a topic as ``SABOTAGES``. ``tests/test_sabotage.py``
runs the fast ones, ``make sabotage`` all of them, and writes docs/sabotage.md.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from verify.harness.evidence import Evidence, Verdict
from verify.harness.ledger import load_claims
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record
from verify.harness.run import Run

Patch = Callable[[pytest.MonkeyPatch], None]

KINDS = ("fast", "slow")


@dataclass(frozen=True)
class Sabotage:
    """One way to break a claim's subject.

    ``smaller`` shrinks the claim for speed; without the sabotage it must then keep its verdict.
    ``noticed`` is a part of the name of a check that is to miss its bound.
    """

    claim: str
    what: str
    patch: Patch
    seconds_class: str = "fast"
    smaller: Patch | None = None
    noticed: str = ""

    def __post_init__(self) -> None:
        if self.seconds_class not in KINDS:
            raise ValueError(f"seconds_class must be one of {KINDS}, got {self.seconds_class!r}")


def about(claim: str, smaller: Patch | None, kind: str = "fast") -> Callable[..., Sabotage]:
    """Entries of one claim: (what, patch, kind, noticed, smaller) ↦ entry.

    All that are made smaller in one way share the run of the claim without a sabotage.
    """

    def entry(
        what: str,
        patch: Patch,
        kind: str = kind,
        noticed: str = "",
        smaller: Patch | None = smaller,
    ) -> Sabotage:
        return Sabotage(claim, what, patch, kind, smaller, noticed)

    return entry


def attribute(owner: Any, name: str, wrong: Callable[[Any], Any]) -> Patch:
    """A patch that replaces ``owner.name`` by ``wrong`` of what it was."""
    return lambda patch: patch.setattr(owner, name, wrong(getattr(owner, name)))


def scaled(owner: Any, name: str, factor: float) -> Patch:
    """A patch that multiplies what a function or method returns."""
    return attribute(owner, name, lambda right: lambda *a, **k: factor * right(*a, **k))


@dataclass(frozen=True)
class Outcome:
    """A claim's verdict before a sabotage and with it, what missed its bound, and how long."""

    before: Verdict
    after: Verdict
    missed: tuple[str, ...]
    seconds: float

    @property
    def skipped(self) -> bool:
        """Whether the claim needs what is not here."""
        return Verdict.SKIPPED in (self.before, self.after)

    def bites(self, sabotage: Sabotage) -> bool:
        """Whether the verdict changed, and by the check that was to notice."""
        return self.before is not self.after and any(
            sabotage.noticed in name for name in self.missed
        )


SLOW_ONLY = {
    "data.gdsc": "its folds take a quarter of a minute, and its data set is not everywhere",
    "data.gdsc_cold": "as data.gdsc",
}
"""Claims without a fast sabotage, and why."""


def entries() -> list[Sabotage]:
    """All sabotages, module by module."""
    modules = sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name != "__main__")
    found = [importlib.import_module(f"{__name__}.{name}") for name in modules]
    return [entry for module in found for entry in module.SABOTAGES]


def run(sabotage: Sabotage) -> Outcome:
    """Compute the claim at the quick profile, broken."""
    before = unbroken(sabotage.claim, sabotage.smaller)
    start = time.process_time()  # of the processor's, whatever else it does
    with pytest.MonkeyPatch.context() as patch:
        if sabotage.smaller:
            sabotage.smaller(patch)
        sabotage.patch(patch)
        evidence = compute(sabotage.claim)
    return Outcome(before, evidence.verdict, missed(evidence), time.process_time() - start)


@cache
def unbroken(claim: str, smaller: Patch | None) -> Verdict:
    """The recorded verdict; of a shrunken claim, or of one without a record, the computed one."""
    record = load_record(claim, REFERENCE)
    if record and not smaller:
        return record.verdict
    with pytest.MonkeyPatch.context() as patch:
        if smaller:
            smaller(patch)
        found = compute(claim).verdict
    if record and found is not record.verdict:
        raise AssertionError(
            f"{claim}, made smaller, is {found}: it is recorded as {record.verdict}"
        )
    return found


def compute(claim: str) -> Evidence:
    """The evidence at the quick profile; broken mathematics may warn of NaN and the like."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_claims()[claim].compute(Run())


def missed(evidence: Evidence) -> tuple[str, ...]:
    """The names of the checks that did not pass."""
    checks = (*evidence.checks, *evidence.counterexamples)
    return tuple(check.name for check in checks if not check.passed)
