"""The ledger: what is claimed, where in the paper, how it is checked, and what was found.

A claim is a function that computes ``Evidence``; the verdict is derived from the evidence and
never written by hand. A record is a finished claim on disk, as JSON. A claim is one file under
``verify/claims``, and the path of the file is the claim's id.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace

from verify.harness.evidence import Evidence, Verdict
from verify.harness.paths import ROOT
from verify.harness.provenance import LOADED, PACKAGES, describe_device, versions
from verify.harness.records import Record
from verify.harness.run import Run

PACKAGE = "verify.claims"
TOPICS = {
    "prop1": "Proposition 1: attention's kernel and its feature spaces",
    "thm1": "Theorem 1: the representer theorem",
    "thm2": "Theorem 2: what attention can approximate",
    "sec5": "Section 5: kernels in Transformers",
    "deep": "Depth",
    "data": "Real data",
}
"""The folders of ``verify/claims`` in the paper's order, and what they are about."""
ORIGINS = {
    "paper": "the paper's own claim",
    "circulation": "a misstatement in circulation",
    "ours": "our addition",
}
_LONGEST_TITLE = 60
_INSTALLED_AS = {"flint": "python-flint", "sklearn": "scikit-learn"}
"""Packages by what they are imported as, where the two differ."""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper (in one reading) and the computation that settles it.

    ``title`` names it in at most 60 characters; ``finding`` says in one sentence what was found,
    for each verdict that it can have; ``origin`` whose claim it is, one of ``ORIGINS``.
    ``scope`` says, of a universal statement, for what it was computed and what the rest rests on.
    ``on_device``: its computation uses ``run.device``; any other runs on a CPU, wherever that is.
    Its figure is the file of its own path under ``figures/claims``, unless another claim's figure
    shows it (``shown_in``, that claim's id) or none does (``no_figure``, why).
    """

    id: str
    statement: str
    source: str
    method: str
    compute: Callable[[Run], Evidence]
    _: KW_ONLY
    title: str = ""
    finding: Mapping[Verdict, str] = field(default_factory=dict)
    origin: str = "ours"
    scope: str = ""
    shown_in: str = ""
    no_figure: str = ""
    on_device: bool = False

    def __post_init__(self) -> None:
        _check_id(self.id)
        if len(self.title) > _LONGEST_TITLE:
            raise ValueError(
                f"the title of {self.id} must have at most {_LONGEST_TITLE} characters, "
                f"got {len(self.title)}: {self.title!r}"
            )
        if self.origin not in ORIGINS:
            raise ValueError(
                f"the origin of {self.id} must be one of {list(ORIGINS)}, got {self.origin!r}"
            )
        if self.shown_in:
            _check_id(self.shown_in)
        if self.shown_in and self.no_figure:
            raise ValueError(f"{self.id} is shown in {self.shown_in}, and says that no figure does")

    def finding_of(self, verdict: Verdict) -> str:
        """What was found where the verdict is this; empty where it was not to be expected."""
        return self.finding.get(verdict, "")

    @property
    def figure(self) -> str:
        """The id of the claim whose figure shows it: mostly its own; empty if none does."""
        return "" if self.no_figure else self.shown_in or self.id

    @property
    def fingerprint(self) -> str:
        """Of the sources that its record depends on, as this process has loaded them."""
        return LOADED.fingerprint(self.compute.__module__)

    def device(self, asked: str) -> str:
        """The device that it is computed on where ``asked`` is the run's."""
        return asked if self.on_device else "cpu"


def _check_id(claim_id: str) -> None:
    if topic_of(claim_id) not in TOPICS:
        raise ValueError(f"a claim's id begins with one of {list(TOPICS)}, got {claim_id!r}")
    if not re.fullmatch(r"\w+\.\w+", claim_id):  # the name of its file, record and sweeps
        raise ValueError(f"a claim's id is two words with a dot between, got {claim_id!r}")


CLAIMS: dict[str, Claim] = {}


def claim(
    *,
    statement: str,
    source: str,
    method: str,
    title: str = "",
    finding: Mapping[Verdict, str] | None = None,
    origin: str = "ours",
    scope: str = "",
    shown_in: str = "",
    no_figure: str = "",
    on_device: bool = False,
) -> Callable[[Callable[[Run], Evidence]], Callable[[Run], Evidence]]:
    """Register the decorated function as the computation of the claim of its file."""

    def register(compute: Callable[[Run], Evidence]) -> Callable[[Run], Evidence]:
        module = compute.__module__
        if not module.startswith(f"{PACKAGE}."):
            raise ValueError(f"a claim is a file under {PACKAGE}, got one in {module}")
        id = module.removeprefix(f"{PACKAGE}.")
        if id in CLAIMS and CLAIMS[id].compute.__qualname__ != compute.__qualname__:
            raise ValueError(f"{module} has more claims than one: a claim is a file")
        CLAIMS[id] = Claim(
            id=id,
            statement=statement,
            source=source,
            method=method,
            compute=compute,
            title=title,
            finding=finding or {},
            origin=origin,
            scope=scope,
            shown_in=shown_in,
            no_figure=no_figure,
            on_device=on_device,
        )
        return compute

    return register


def topic_of(claim_id: str) -> str:
    """The topic of a claim: ``prop1`` of ``prop1.features``."""
    return claim_id.partition(".")[0]


def known_ids() -> list[str]:
    """The ids of all claims, topic by topic, from the files that are there."""
    files = (ROOT / "verify" / "claims").glob("*/*.py")
    found = [f"{path.parent.name}.{path.stem}" for path in files if path.stem != "__init__"]
    return sorted(found, key=lambda claim_id: ([*TOPICS].index(topic_of(claim_id)), claim_id))


def module_of(claim_id: str) -> str:
    """The name of the module that states a claim."""
    return f"{PACKAGE}.{claim_id}"


def load_claim(claim_id: str) -> Claim:
    """Import the file of a claim, and no other claim's."""
    module = importlib.import_module(module_of(claim_id))
    if claim_id not in CLAIMS:
        raise ValueError(f"{module.__file__} states no claim")
    return CLAIMS[claim_id]


def load_claims(topic: str = "") -> dict[str, Claim]:
    """The claims (of one topic) by id, topic by topic."""
    return {name: load_claim(name) for name in known_ids() if topic in ("", topic_of(name))}


def load_where_possible(claim_ids: Iterable[str]) -> tuple[dict[str, Claim], dict[str, str]]:
    """The claims by id; and of those that cannot be imported here, the package they need."""
    claims, lacking = {}, {}
    for claim_id in claim_ids:
        try:
            claims[claim_id] = load_claim(claim_id)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in ("", *PACKAGES):
                raise  # no package that could be installed: a fault of these sources
            lacking[claim_id] = _INSTALLED_AS.get(package, package)
    return claims, lacking


def settle(claim: Claim, run: Run) -> Record:
    """Compute a claim and record what was found.

    A claim that does not say that it uses the device is given none but the CPU, so that its record
    cannot name another.
    """
    run = replace(run, device=claim.device(run.device))
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
