"""What runs say of the hypotheses that were declared before them.

A declaration has ``kernels``, ``differences`` and ``equivalences`` (a kernel, another and a head
dimension each), ``margin``, ``level``, ``power``, and, where predictors are ranked, ``self_weight``
and ``feature_dim``. Cells have a kernel, a head dimension d and a seed; results an ``outcome`` that
is the better the smaller it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
    level, margin = declared["level"], declared["margin"]
    rows, p_values = [], {}
    for kind in ("differences", "equivalences"):
        for one, other, d in declared[kind]:
            name = f"{one} − {other}, d = {d}"
            x = differences(found, one, other, d)
            row = {"name": name, "kind": kind, "seeds": len(x), "verdict": "missing"}
            rows.append(row)
            if len(x) < 2:
                continue
            is_difference = kind == "differences"
            p_values[name] = p_difference(x) if is_difference else p_equivalence(x, margin)
            row |= {"mean": float(np.mean(x)), "interval": interval(x, level)}
            tried = differences(pilot, one, other, d)
            if not is_difference and len(tried) > 1:
                deviation = float(np.std(tried, ddof=1))
                row["power"] = equivalence_power(deviation, len(x), margin, level)
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
