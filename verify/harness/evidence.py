"""Evidence: measured numbers against their bounds, and the verdict that follows from them."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
    """One measured number against its bound: ``value relation bound``. NaN never passes.

    Parameters
    ----------
    name : str
    value : float
    relation : one of ``<=``, ``>=``, ``<``, ``>``, ``==``
    bound : float
        Decides whether the check passes.
    asked : float or None
        The stricter bound that was asked first, where a run missed it. It decides nothing, and
        stays in sight: while the number misses it, the verdict says what was asked.

    Raises
    ------
    ValueError
        For another relation, and for an ``asked`` that is no stricter than ``bound``.
    """

    name: str
    value: float
    relation: str
    bound: float
    asked: float | None = None

    def __post_init__(self) -> None:
        if self.relation not in _RELATIONS:
            raise ValueError(f"relation must be one of {list(_RELATIONS)}, got {self.relation!r}")
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "bound", float(self.bound))
        if self.asked is None:
            return
        object.__setattr__(self, "asked", float(self.asked))
        stricter = self.relation[0] in "<>" and _RELATIONS[self.relation[0]](self.asked, self.bound)
        if not stricter:
            raise ValueError(
                f"asked must be stricter than the bound, {self.relation} {self.bound:g}, "
                f"got {self.asked:g}"
            )

    @property
    def passed(self) -> bool:
        """Whether the number keeps its bound."""
        return self._keeps(self.bound)

    @property
    def short(self) -> bool:
        """Whether the number keeps its bound, and not the one that was asked first."""
        return self.asked is not None and self.passed and not self._keeps(self.asked)

    def _keeps(self, bound: float) -> bool:
        if math.isnan(self.value) or math.isnan(bound):
            return False
        return _RELATIONS[self.relation](self.value, bound)

    def __str__(self) -> str:
        told = f"{self.name}: {self.value:.4g} {self.relation} {self.bound:.4g}"
        return f"{told} ({self.asked:.4g} asked)" if self.short else told


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
    def shortfalls(self) -> tuple[Check, ...]:
        """The checks that keep their bounds, and not the stricter ones that were asked first."""
        return tuple(check for check in (*self.checks, *self.counterexamples) if check.short)

    @property
    def reservation(self) -> str:
        """What a verdict is short of, in words that follow it: "to 1e-05, 1e-06 asked (…)"."""
        return "; ".join(
            f"to {check.bound:g}, {check.asked:g} asked ({check.name}: {check.value:.3g})"
            for check in self.shortfalls
        )

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


def drawn(values: Any, digits: int = 4) -> Any:
    """Numbers that are drawn, and decide nothing: as many digits as a curve can show.

    Arrays become lists; the sizes of records come from curves.
    """
    if isinstance(values, (list, tuple)):
        return [drawn(value, digits) for value in values]
    if hasattr(values, "tolist"):
        return drawn(values.tolist(), digits)
    return float(f"{values:.{digits}g}")
