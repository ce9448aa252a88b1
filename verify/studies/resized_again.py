"""Heads cut again, of new models: what the first runs suggested, put to the test.

Of the models of ``resized_heads.DECLARED`` one lost by its certified cut: the one furthest from
rest, where C has more in it than λ U Vᵀ + R. ``AGAIN`` was written after those runs, and before any
of the models that it names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from verify.studies.declared import digest
from verify.studies.paired import holm
from verify.studies.resized_heads import DECLARED, differences, p_signed_ranks

AGAIN: dict[str, Any] = {
    "tasks": ["counting", "recall", "reversal"],
    "seeds": [4, 5, 6, 7],
    "iterations": 1200,  # twice as many, to come nearer to rest
    # ‖∂J‖/‖λ w‖: what counts are models below it, and the cut of each of them is free.
    "rest": 0.1,
    "free": 1e-2,
    "less than": ["even SVD", "rows by size", "ranks shuffled"],
    "not less than": ["SVD over heads", "weighted SVD over heads", "entries by size"],
    "level": 0.05,  # Holm, over "less than"
}


def configurations() -> list[dict[str, Any]]:
    """The models that were declared."""
    own = {"for": "cut", "training": "coupled", "iterations": AGAIN["iterations"]}
    return [{**own, "task": task, "seed": s} for task in AGAIN["tasks"] for s in AGAIN["seeds"]]


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """As of ``resized_heads``, under the new declaration."""
    from verify.studies import head_contests as contests  # late: it loads torch

    return {"declared": digest(AGAIN), **contests.measured(configuration, DECLARED)}


def at_rest(results: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that count."""
    return [result for result in results if result["rest"] <= AGAIN["rest"]]


def judged(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each other way that was expected to lose more, by the models at rest."""
    rows, p_values, mine = [], {}, at_rest(results)
    for other in AGAIN["less than"]:
        x = differences(mine, "cut, slack 0", other)
        p_values[other] = p_signed_ranks(x)
        less, more = sum(one < 0 for one in x), sum(one > 0 for one in x)
        rows.append({"name": other, "less": less, "more": more, "of": len(x)})
    adjusted = holm(p_values)
    for row in rows:
        p = adjusted[row["name"]]
        told = "holds" if row["less"] > row["more"] else "reversed"
        row |= {"p": p, "verdict": told if p < AGAIN["level"] else "undecided"}
    return rows
