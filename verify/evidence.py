"""Evidence: measured numbers against their bounds, and the verdict that follows from them."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<=": lambda value, bound: value <= bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    ">": lambda value, bound: value > bound,
    "==": lambda value, bound: value == bound,
}


class Verdict(enum.StrEnum):
    """What the evidence says of a claim."""

    HOLDS = "holds"
    HOLDS_IF = "holds if"
    FAILS = "fails"
    UNCONFIRMED = "unconfirmed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One measured number against its bound: ``value relation bound``. NaN never passes."""

    name: str
    value: float
    relation: str
    bound: float

    def __post_init__(self) -> None:
        if self.relation not in _RELATIONS:
            raise ValueError(f"relation must be one of {list(_RELATIONS)}, got {self.relation!r}")
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "bound", float(self.bound))

    @property
    def passed(self) -> bool:
        """Whether the number keeps its bound."""
        if math.isnan(self.value) or math.isnan(self.bound):
            return False
        return _RELATIONS[self.relation](self.value, self.bound)

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.4g} {self.relation} {self.bound:.4g}"


@dataclass(frozen=True)
class Evidence:
    """What a claim's computation found.

    Parameters
    ----------
    checks : tuple of Check
        What must pass for the claim (under ``condition``, if there is one) to be confirmed.
    counterexamples : tuple of Check
        What must pass for the claim as stated to be refuted; the witnesses go into ``data``.
    condition : str
        The missing condition under which a refuted claim holds.
    data : dict
        Tables, curves and witnesses, JSON-serializable; the figures read them.
    skipped : str
        Why nothing was computed (a missing data set).
    """

    checks: tuple[Check, ...] = ()
    counterexamples: tuple[Check, ...] = ()
    condition: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def verdict(self) -> Verdict:
        """Derived: a claim is confirmed, refuted, repaired by a condition, or none of these."""
        if self.skipped:
            return Verdict.SKIPPED
        confirmed = all(check.passed for check in self.checks)
        refuted = all(check.passed for check in self.counterexamples)
        if not (self.checks or self.counterexamples) or not (confirmed and refuted):
            return Verdict.UNCONFIRMED
        if not self.counterexamples:
            return Verdict.HOLDS
        return Verdict.HOLDS_IF if self.condition and self.checks else Verdict.FAILS
