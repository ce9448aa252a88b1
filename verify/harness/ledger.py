"""The ledger: what is claimed, where in the paper, how it is checked, and what was found.

A claim is a function that computes ``Evidence``; the verdict is derived from the evidence and
never written by hand. A record is a finished claim on disk, as JSON. A claim is one file under
``verify/claims``, and the path of the file is the claim's id.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from verify.harness.evidence import Evidence
from verify.harness.provenance import LOADED, describe_device, versions
from verify.harness.records import Record
from verify.harness.run import Run

PACKAGE = "verify.claims"
TOPICS = ("prop1", "thm1", "thm2", "sec5", "deep", "data")
"""The folders of ``verify/claims``, in the paper's order."""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper (in one reading) and the computation that settles it.

    ``scope`` says, of a universal statement, for what it was computed and what the rest rests on.
    Its figure is the file of its own path under ``figures/claims``, unless another claim's figure
    shows it (``shown_in``, that claim's id) or none does (``no_figure``, why).
    """

    id: str
    statement: str
    source: str
    method: str
    compute: Callable[[Run], Evidence]
    scope: str = ""
    shown_in: str = ""
    no_figure: str = ""

    def __post_init__(self) -> None:
        _check_id(self.id)
        if self.shown_in:
            _check_id(self.shown_in)
        if self.shown_in and self.no_figure:
            raise ValueError(f"{self.id} is shown in {self.shown_in}, and says that no figure does")

    @property
    def figure(self) -> str:
        """The id of the claim whose figure shows it: mostly its own; empty if none does."""
        return "" if self.no_figure else self.shown_in or self.id

    @property
    def fingerprint(self) -> str:
        """Of the sources that its record depends on, as this process has loaded them."""
        return LOADED.fingerprint(self.compute.__module__)


def _check_id(claim_id: str) -> None:
    if topic_of(claim_id) not in TOPICS:
        raise ValueError(f"a claim's id begins with one of {TOPICS}, got {claim_id!r}")
    if not re.fullmatch(r"\w+\.\w+", claim_id):  # the name of its file, record and sweeps
        raise ValueError(f"a claim's id is two words with a dot between, got {claim_id!r}")


CLAIMS: dict[str, Claim] = {}


def claim(
    *,
    statement: str,
    source: str,
    method: str,
    scope: str = "",
    shown_in: str = "",
    no_figure: str = "",
) -> Callable[[Callable[[Run], Evidence]], Callable[[Run], Evidence]]:
    """Register the decorated function as the computation of the claim of its file."""

    def register(compute: Callable[[Run], Evidence]) -> Callable[[Run], Evidence]:
        module = compute.__module__
        if not module.startswith(f"{PACKAGE}."):
            raise ValueError(f"a claim is a file under {PACKAGE}, got one in {module}")
        id = module.removeprefix(f"{PACKAGE}.")
        if id in CLAIMS and CLAIMS[id].compute.__qualname__ != compute.__qualname__:
            raise ValueError(f"{module} has more claims than one: a claim is a file")
        CLAIMS[id] = Claim(id, statement, source, method, compute, scope, shown_in, no_figure)
        return compute

    return register


def topic_of(claim_id: str) -> str:
    """The topic of a claim: ``prop1`` of ``prop1.features``."""
    return claim_id.partition(".")[0]


def known_ids() -> list[str]:
    """The ids of all claims, topic by topic, from the files that are there."""
    import verify.claims

    found = [
        f"{topic.name}.{module.name}"
        for topic in pkgutil.iter_modules(verify.claims.__path__)
        for module in pkgutil.iter_modules([f"{verify.claims.__path__[0]}/{topic.name}"])
    ]
    return sorted(found, key=lambda claim_id: (TOPICS.index(topic_of(claim_id)), claim_id))


def load_claim(claim_id: str) -> Claim:
    """Import the file of a claim, and no other claim's."""
    module = importlib.import_module(f"{PACKAGE}.{claim_id}")
    if claim_id not in CLAIMS:
        raise ValueError(f"{module.__file__} states no claim")
    return CLAIMS[claim_id]


def load_claims(topic: str = "") -> dict[str, Claim]:
    """The claims (of one topic) by id, topic by topic."""
    return {name: load_claim(name) for name in known_ids() if topic in ("", topic_of(name))}


def settle(claim: Claim, run: Run) -> Record:
    """Compute a claim and record what was found."""
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
        fingerprint=claim.fingerprint,
    )
