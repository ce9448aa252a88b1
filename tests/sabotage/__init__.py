"""Sabotage: for every claim, ways to break what it is about, each of which must change its verdict.

The test file of a claim, ``tests/claims/<topic>/test_<claim>.py``, lists them as ``SABOTAGES`` and
runs the fast ones; ``make sabotage`` runs all of them, and writes docs/sabotage.md.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache

import modules
import pytest

from verify.harness.evidence import Evidence, Verdict
from verify.harness.ledger import load_claim
from verify.harness.paths import REFERENCE
from verify.harness.records import load_record, plain
from verify.harness.run import Run

Patch = Callable[[pytest.MonkeyPatch], None]

KINDS = ("fast", "slow")
LONGEST = 300_000
"""Characters of the evidence of the quick profile: a report holds that of all claims."""


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


@dataclass(frozen=True)
class Subject:
    """A claim that is computed as it is, or ``smaller``, and broken: called, it makes an entry.

    All that are made smaller in one way share the run of the claim without a sabotage.
    """

    claim: str
    smaller: Patch | None = None
    kind: str = "fast"

    def __call__(
        self,
        what: str,
        patch: Patch,
        kind: str = "",
        noticed: str = "",
        smaller: Patch | None = None,
    ) -> Sabotage:
        return Sabotage(
            self.claim, what, patch, kind or self.kind, smaller or self.smaller, noticed
        )

    def evidence(self, seed: int = 0) -> Evidence:
        """What it finds unbroken."""
        return unbroken(self.claim, self.smaller, seed)

    def ends_in(self, verdict: Verdict, seeds: tuple[int, ...] = (0,)) -> Callable[[int], None]:
        """A test: the verdict, whatever the seed, of evidence that a record can keep."""

        @pytest.mark.parametrize("seed", seeds)
        def test(seed: int) -> None:
            evidence = self.evidence(seed)
            assert evidence.verdict is verdict, missed(evidence)
            text = json.dumps(plain(asdict(evidence)), allow_nan=False)
            assert len(text) < LONGEST

        return test


def is_noticed(sabotages: list[Sabotage]) -> Callable[[Sabotage], None]:
    """A test of each fast one: the verdict changes, by the check that was to notice."""
    fast = [entry for entry in sabotages if entry.seconds_class == "fast"]

    @pytest.mark.parametrize("entry", fast, ids=lambda entry: entry.what)
    def test(entry: Sabotage) -> None:
        found = run(entry)
        assert found.before is not found.after
        assert found.bites(entry), f"missed: {found.missed}"

    return test


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
        """Whether the verdict changed, and by the check that was to notice.

        What is unconfirmed, and what is refuted, changes to a verdict that no check misses.
        """
        if self.before is Verdict.UNCONFIRMED or self.after is Verdict.FAILS:
            return self.after is not self.before
        return self.before is not self.after and any(
            sabotage.noticed in name for name in self.missed
        )


SLOW_ONLY = {
    "data.gdsc": "its folds take a quarter of a minute, and its data set is not everywhere",
    "data.gdsc_cold": "as data.gdsc",
    "data.gdsc_weights": "as data.gdsc",
    "data.davis": "as data.gdsc",
}
"""Claims without a fast sabotage, and why."""


def entries() -> list[Sabotage]:
    """All sabotages, claim by claim."""
    return [entry for file in files() for entry in modules.load(file).SABOTAGES]


def files() -> list[str]:
    """The test files of the claims, below ``tests``."""
    found = modules.TESTS.glob("claims/*/test_*.py")
    return sorted(str(path.relative_to(modules.TESTS)) for path in found)


def run(sabotage: Sabotage) -> Outcome:
    """Compute the claim at the quick profile, broken."""
    before = verdict_before(sabotage.claim, sabotage.smaller)
    start = time.process_time()  # of the processor's, whatever else it does
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # broken mathematics may warn of NaN and the like
        if sabotage.smaller:
            sabotage.smaller(patch)
        sabotage.patch(patch)
        evidence = load_claim(sabotage.claim).compute(Run())
    return Outcome(before, evidence.verdict, missed(evidence), time.process_time() - start)


def verdict_before(claim: str, smaller: Patch | None) -> Verdict:
    """The recorded verdict; of a shrunken claim, or of one without a record, the computed one."""
    record = load_record(claim, REFERENCE)
    if record and not smaller:
        return record.verdict
    found = unbroken(claim, smaller, 0).verdict
    if record and found is not record.verdict:
        raise AssertionError(
            f"{claim}, made smaller, is {found}: it is recorded as {record.verdict}"
        )
    return found


@cache
def unbroken(claim: str, smaller: Patch | None, seed: int) -> Evidence:
    """The evidence of a claim, as small as its sabotages are; computed once."""
    with pytest.MonkeyPatch.context() as patch:
        if smaller:
            smaller(patch)
        return load_claim(claim).compute(Run(seed=seed))


def missed(evidence: Evidence) -> tuple[str, ...]:
    """The names of the checks that did not pass."""
    checks = (*evidence.checks, *evidence.counterexamples)
    return tuple(check.name for check in checks if not check.passed)
