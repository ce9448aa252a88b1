"""What runs say of the hypotheses that were declared before them.

A declaration has ``kernels``, ``differences`` and ``equivalences`` (a kernel, another and a head
dimension each), ``level``, of equivalences ``margin`` and ``power``, and, where predictors are
ranked, ``self_weight`` and ``feature_dim``. Cells have a kernel, a head dimension d and a seed;
results an ``outcome`` that is the better the smaller it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from verify.harness.evidence import Check, drawn, greatest, least
from verify.studies.declared import digest
from verify.studies.paired import (
    equivalence_power,
    holm,
    interval,
    p_difference,
    p_equivalence,
    rank_correlation,
)

Declared = Mapping[str, Any]
Found = dict[tuple[str, int], dict[int, float]]
"""(kernel, d) ↦ seed ↦ outcome."""


@dataclass(frozen=True)
class Runs:
    """Cells with their results, and those of the pilots (``tried``, ``trials``).

    ``whole=False``: of runs that were cut short in place of those that were declared.
    """

    declared: Declared
    cells: Sequence[dict[str, Any]]
    results: Sequence[dict[str, Any]]
    tried: Sequence[dict[str, Any]] = ()
    trials: Sequence[dict[str, Any]] = ()
    whole: bool = True

    @cached_property
    def found(self) -> Found:
        """The outcomes, as of ``outcomes``."""
        return outcomes(self.declared, self.cells, self.results, self.whole)

    def judged(self) -> list[dict[str, Any]]:
        """A row for each hypothesis, as of ``judged``; none where runs were cut short."""
        pilot = outcomes(self.declared, self.tried, self.trials)
        return judged(self.declared, self.found, pilot) if self.whole else []

    def mean(self, what: str, kernel: str, d: int) -> Any:
        """The mean over seeds of what results hold beside the outcome: numbers, or curves."""
        pairs = zip(self.cells, self.results, strict=True)
        mine = [r[what] for cell, r in pairs if (cell["kernel"], cell["d"]) == (kernel, d)]
        return np.mean(mine, axis=0)

    def told(self) -> list[dict[str, Any]]:
        """A row for each run, pilots among them."""
        cells, results = [*self.cells, *self.tried], [*self.results, *self.trials]
        return [
            {key: cell[key] for key in ("kernel", "d", "seed")}
            | {key: result[key] for key in ("declared", "outcome", "batches")}
            for cell, result in zip(cells, results, strict=True)
        ]

    def curves(self) -> list[dict[str, Any]]:
        """Losses in training, a mean over the seeds of each kernel and d."""
        return [
            {"kernel": kernel, "d": d, "loss": drawn(self.mean("curve", kernel, d))}
            for kernel, d in self.found
        ]


def soundness(runs: Runs, judged_on: str) -> tuple[Check, ...]:
    """That all runs count, are pairs, and were judged on the same tokens or sentences."""
    cells, results = [*runs.cells, *runs.tried], [*runs.results, *runs.trials]
    return sound([runs.declared], cells, results, runs.whole, judged_on)


def sound(
    blocks: Iterable[Declared],
    cells: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    whole: bool,
    judged_on: str,
) -> tuple[Check, ...]:
    """The same of runs of several declarations that are compared."""
    digests = {digest(block) for block in blocks}
    stray = sum(r["declared"] not in digests or r["complete"] is not whole for r in results)
    others = len(unpaired(cells, results))
    counts = [result["judged"] for result in results]
    return (
        Check("runs of another declaration, or of another length", stray, "==", 0),
        Check("seeds of which kernels saw different batches", others, "==", 0),
        Check(f"judged {judged_on}, most − fewest", greatest(counts) - least(counts), "==", 0),
    )


def unpaired(cells: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]) -> list[int]:
    """The seeds of which kernels saw different batches: their runs are no pairs."""
    orders: dict[int, set[str]] = {}
    for cell, result in zip(cells, results, strict=True):
        orders.setdefault(cell["seed"], set()).add(result["batches"])
    return sorted(seed for seed, digests in orders.items() if len(digests) > 1)


def outcomes(
    declared: Declared,
    cells: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    complete: bool = True,
) -> Found:
    """(kernel, d) ↦ seed ↦ outcome, of the results that were declared.

    ``complete=False``: of the runs that were cut short in their place.

    Raises
    ------
    ValueError
        Where kernels did not see the same batches of a seed: they are no pairs then.
    """
    pairs = zip(cells, results, strict=True)
    counted = [
        (cell, result)
        for cell, result in pairs
        if result["declared"] == digest(declared) and result["complete"] is complete
    ]
    if seeds := unpaired([cell for cell, _ in counted], [result for _, result in counted]):
        raise ValueError(f"kernels saw different batches of seeds {seeds}: they are no pairs")
    found: Found = {}
    for cell, result in counted:
        found.setdefault((cell["kernel"], cell["d"]), {})[cell["seed"]] = result["outcome"]
    return found


def differences(found: Found, one: str, other: str, d: int) -> list[float]:
    """The outcome of one kernel minus the other's, for each seed that both have."""
    mine, theirs = found.get((one, d), {}), found.get((other, d), {})
    return [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]


def judged(declared: Declared, found: Found, pilot: Found) -> list[dict[str, Any]]:
    """A row for each hypothesis: the mean, its interval, Holm's p, and "holds" or "undecided".

    A difference holds where it is significant and of the sign that was said; one of the other sign
    is "reversed". An equivalence is "different" where the interval lies beyond the margin;
    otherwise it is undecided, whatever was found, where its power, at the deviation of the pilot's
    differences, is below what was declared. Hypotheses without two seeds
    are "missing" and do not count among those that Holm corrects for.
    """
    level, rows, p_values = declared["level"], [], {}
    for kind, sign in (("differences", "−"), ("equivalences", "≈")):
        for one, other, d in declared[kind]:
            name = f"{one} {sign} {other}, d = {d}"
            x = differences(found, one, other, d)
            row = {"name": name, "kind": kind, "seeds": len(x), "verdict": "missing"}
            rows.append(row)
            if len(x) < 2:
                continue
            row |= {"mean": float(np.mean(x)), "interval": interval(x, level)}
            if kind == "differences":
                p_values[name] = p_difference(x)
                continue
            p_values[name] = p_equivalence(x, declared["margin"])
            tried = differences(pilot, one, other, d)
            if len(tried) > 1:
                deviation = float(np.std(tried, ddof=1))
                row["power"] = equivalence_power(deviation, len(x), declared["margin"], level)
    adjusted = holm(p_values)
    for row in rows:
        if row["name"] in adjusted:
            row["p"] = adjusted[row["name"]]
            row["verdict"] = _verdict(declared, row)
    return rows


def _verdict(declared: Declared, row: dict[str, Any]) -> str:
    if row["kind"] == "equivalences":
        low, high = row["interval"]
        if max(low, -high) > declared["margin"]:
            return "different"
        powerful = row.get("power", 0.0) >= declared["power"]
        return "holds" if row["p"] < declared["level"] and powerful else "undecided"
    if row["p"] >= declared["level"]:
        return "undecided"
    return "holds" if row["mean"] > 0 else "reversed"


def rivals(declared: Declared, found: Found, d: int) -> dict[str, tuple[float, float, float]]:
    """Predictor ↦ rank correlation with the outcome over kernels: all seeds, least, largest.

    Of the means over seeds; least and largest of those of each seed alone. A predictor that says
    right is at −1: more of it, less NLL.
    """
    names = [name for name in declared["kernels"] if (name, d) in found]
    seeds = sorted(set.intersection(*(set(found[name, d]) for name in names))) if names else []
    if len(names) < 3 or not seeds:
        return {}
    each = [[found[name, d][seed] for name in names] for seed in seeds]
    return {
        label: (
            rank_correlation(predicted, np.mean(each, axis=0).tolist()),
            min(ones := [rank_correlation(predicted, outcome) for outcome in each]),
            max(ones),
        )
        for label, predicted in predicted_by(declared, names, d).items()
    }


def predicted_by(declared: Declared, names: Sequence[str], d: int) -> dict[str, list[float]]:
    """Predictor ↦ its values for some kernels, as they were declared."""
    sizes = [declared["feature_dim"][str(d)][name] for name in names]
    return {"feature dimension": [math.inf if size is None else size for size in sizes]} | {
        f"self-weight, logits ±{most}": [weights[name] for name in names]
        for most, weights in declared["self_weight"][str(d)].items()
    }
