"""What declared differences say of kernels of infinite dimension against those of finite ones.

Runs can refute a statement about all kernels, or bear out a condition, and not confirm it as it
stands: a difference of an infinite and a finite kernel is a counterexample where the infinite one
is the blunter of the two by attainable self-weight, and belongs to the condition where it is the
sharper one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, least
from verify.studies.declared import digest
from verify.studies.findings import Declared, Found, Runs, differences, rivals
from verify.studies.paired import interval

LOGITS = "8"
"""The largest logit of the self-weights that call a kernel the sharper one: all three agree."""
Rows = Mapping[str, Mapping[str, Any]]
"""Name ↦ what was found of a hypothesis."""


@dataclass(frozen=True)
class Pair:
    """A declared difference of a finite and an infinite kernel: ``worse`` − ``better`` > 0."""

    worse: str
    better: str
    d: int
    infinite_is_sharper: bool
    """Whether the statement and the self-weights say the same of the two."""
    with_uniform: bool
    """Whether one of the two is uniform attention, of one feature."""

    @property
    def name(self) -> str:
        return f"{self.worse} − {self.better}, d = {self.d}"


def pairs(declared: Declared, found: Found) -> list[Pair]:
    """The declared differences of an infinite and a finite kernel of which there are runs."""
    rows = []
    for worse, better, d in declared["differences"]:
        sizes, weights = (declared["feature_dim"][str(d)], declared["self_weight"][str(d)][LOGITS])
        both_there = {(worse, d), (better, d)} <= found.keys()
        if both_there and (sizes[worse] is None) != (sizes[better] is None):
            infinite, finite = (worse, better) if sizes[worse] is None else (better, worse)
            sharper = weights[infinite] > weights[finite]
            rows.append(Pair(worse, better, d, sharper, sizes[finite] == 1))
    return rows


def sign_checks(pair: Pair, found: Found, measure: str) -> tuple[Check, ...]:
    """In each of a few runs: the sign that was said, and no more."""
    smallest = least(differences(found, pair.worse, pair.better, pair.d))
    return (Check(f"{pair.name}: {measure}, the smallest of the seeds", smallest, ">", 0),)


def interval_checks(pair: Pair, rows: Rows, level: float, measure: str) -> tuple[Check, ...]:
    """A difference of the sign that was said, significant among all that were declared.

    Of kernels that the statement and the self-weights order alike, and neither of which is uniform
    attention, it is asked only that the sign is not the other: the condition tells the undecided.
    """
    row = rows[pair.name]
    low, high = row.get("interval", (math.nan, math.nan))
    if pair.infinite_is_sharper and not pair.with_uniform:
        return (Check(f"{pair.name}: {measure}, upper end of the t interval", high, ">", 0),)
    return (
        Check(f"{pair.name}: {measure}, lower end of the t interval", low, ">", 0),
        Check(f"{pair.name}: p, by Holm", row.get("p", math.nan), "<", level),
    )


def condition(alike: Sequence[Pair], rows: Rows) -> str:
    """Where the statement holds, and of which comparisons: those that were found to."""
    undecided = [pair.name for pair in alike if rows and rows[pair.name]["verdict"] == "undecided"]
    found = [pair.name for pair in alike if pair.name not in undecided]
    text = (
        "the kernel of infinite dimension is the sharper of the two as well, of larger attainable "
        f"self-weight, as far as was compared ({'; '.join(found)}"
    )
    text += f"; undecided: {'; '.join(undecided)})" if undecided else ")"
    # Said beforehand to be within the margin: self-weight alone does not tell what was found.
    return text + "".join(
        f"; declared and not so: {name}, the difference is {row['mean']:.3f}"
        for name, row in rows.items()
        if row["verdict"] == "different"
    )


def table(runs: Runs, measured: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """A row for each kernel and d: predictors, the outcome, and how far it is above EDP's, paired.

    ``measured``: what else of the results is told, as a mean over seeds.
    """
    declared, found = runs.declared, runs.found
    for kernel, d in found:
        excess = differences(found, kernel, "EDP", d)
        ends = interval(excess, declared["level"]) if runs.whole else (min(excess), max(excess))
        yield {
            "kernel": kernel,
            "d": d,
            "features": declared["feature_dim"][str(d)][kernel],
            "self_weight": declared["self_weight"][str(d)][LOGITS][kernel],
            "outcome": float(np.mean(list(found[kernel, d].values()))),
            "excess": float(np.mean(excess)),
            "interval": list(ends),
            **{what: float(runs.mean(what, kernel, d)) for what in measured},
        }


def ahead(ranked: Mapping[str, tuple[float, float, float]]) -> str:
    """The predictor of the larger |rank correlation|; neither, where they are level."""
    size = abs(ranked["feature dimension"][0])
    weight = abs(ranked[f"self-weight, logits ±{LOGITS}"][0])
    if size == weight:
        return "neither"
    return "self-weight" if weight > size else "feature dimension"


def evidence(
    runs: Runs,
    sound: Sequence[Check],
    measure: str,
    data: Mapping[str, Any],
    measured: Sequence[str] = (),
) -> Evidence:
    """Of runs that are sound, the declared differences; of others, that they are not.

    ``measure`` names the outcome in checks; ``data`` is told beside what follows from the runs.
    """
    declared = runs.declared
    told = {"declared": digest(declared), "runs": runs.told(), **data}
    told |= {"margin": declared["margin"]} if "margin" in declared else {}
    if not all(check.passed for check in sound):  # what is no pair, or was not declared: no test
        return Evidence(checks=tuple(sound), data=told)
    found, rows = runs.found, {row["name"]: row for row in runs.judged()}
    checks = {
        pair: interval_checks(pair, rows, declared["level"], measure)
        if runs.whole
        else sign_checks(pair, found, measure)
        for pair in pairs(declared, found)
    }
    alike = [pair for pair in checks if pair.infinite_is_sharper]
    ranks = {
        str(d): ranked for d in declared["head_dims"] if (ranked := rivals(declared, found, d))
    }
    told |= {
        "kernels": list(table(runs, measured)),
        "hypotheses": list(rows.values()),
        "rank_correlations": ranks,
        "ahead": {d: ahead(ranked) for d, ranked in ranks.items()},
        "curves": runs.curves(),
    }
    return Evidence(
        checks=(*sound, *(check for pair in alike for check in checks[pair])),
        counterexamples=tuple(
            check for pair in checks if pair not in alike for check in checks[pair]
        ),
        condition=condition(alike, rows),
        data=told,
    )
