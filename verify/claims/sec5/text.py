"""Language models of a text: is the kernel of infinite dimension the better one?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rkbs.data.gdsc import DataNotFoundError
from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.declared import digest
from verify.studies.findings import Found, differences, judged, outcomes, rivals
from verify.studies.paired import interval
from verify.studies.soundness import soundness as sound_runs
from verify.studies.text import (
    DECLARED,
    configurations,
    encoded,
    pilots,
    predictors,
    unigram_nll,
    work,
)

QUICK = ("uniform", "L2", "quadratic", "EDP")
"""Kernels that the quick profile trains for ``STEPS``, at d = 16 alone."""
STEPS = 60
FIRST = 200
"""Seeds of the quick profile begin here: none is among those that were declared."""
LOGITS = "8"
"""The largest logit of the self-weights that call a kernel the sharper one: all three agree."""


@dataclass(frozen=True)
class Pair:
    """A declared difference of a finite and an infinite kernel: ``worse`` − ``better`` > 0."""

    worse: str
    better: str
    d: int

    @property
    def name(self) -> str:
        return f"{self.worse} − {self.better}, d = {self.d}"

    @property
    def infinite_is_sharper(self) -> bool:
        """Whether the statement and the self-weights say the same of the two."""
        weights = DECLARED["self_weight"][str(self.d)][LOGITS]
        sizes = DECLARED["feature_dim"][str(self.d)]
        one, other = (self.better, self.worse)
        if sizes[one] is not None:
            one, other = other, one
        return weights[one] > weights[other]

    @property
    def with_uniform(self) -> bool:
        """Whether one of the two is uniform attention, of one feature."""
        sizes = DECLARED["feature_dim"][str(self.d)]
        return 1 in (sizes[self.worse], sizes[self.better])


def pairs(found: Found) -> list[Pair]:
    """The declared differences of an infinite and a finite kernel of which there are runs."""
    sizes = DECLARED["feature_dim"]
    return [
        Pair(worse, better, d)
        for worse, better, d in DECLARED["differences"]
        if (sizes[str(d)][worse] is None) != (sizes[str(d)][better] is None)
        and {(worse, d), (better, d)} <= found.keys()
    ]


def matrix(run: Run) -> list[dict[str, Any]]:
    """The declared runs; or few, short ones of other seeds."""
    short = configurations([FIRST + run.seed], STEPS, QUICK, [16])
    return run.pick(quick=short, full=configurations())


def soundness(
    cells: Sequence[dict[str, Any]],
    results: Sequence[dict[str, Any]],
    whole: bool,
    unigram: float,
) -> tuple[Check, ...]:
    """That all runs count, are pairs, were judged on the same tokens and learned from order."""
    return (
        *sound_runs((DECLARED,), cells, results, whole),
        # What knows no order of the tokens is not below their frequencies.
        Check(
            "NLL of the tokens' frequencies − of the worst run",
            unigram - greatest(result["outcome"] for result in results),
            ">",
            0,
        ),
    )


def sign_checks(pair: Pair, found: Found) -> tuple[Check, ...]:
    """In each of a few runs: the sign that was said, and no more."""
    smallest = least(differences(found, pair.worse, pair.better, pair.d))
    return (Check(f"{pair.name}: NLL, the smallest of the seeds", smallest, ">", 0),)


def interval_checks(pair: Pair, rows: Mapping[str, Mapping[str, Any]]) -> tuple[Check, ...]:
    """A difference of the sign that was said, significant among all that were declared.

    Of kernels that the statement and the self-weights order alike, and neither of which is uniform
    attention, it is asked only that the sign is not the other: the condition tells the undecided.
    """
    row = rows[pair.name]
    low, high = row.get("interval", (math.nan, math.nan))
    if pair.infinite_is_sharper and not pair.with_uniform:
        return (Check(f"{pair.name}: NLL, upper end of the t interval", high, ">", 0),)
    return (
        Check(f"{pair.name}: NLL, lower end of the t interval", low, ">", 0),
        Check(f"{pair.name}: p, by Holm", row.get("p", math.nan), "<", DECLARED["level"]),
    )


def condition(alike: Sequence[Pair], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Where the statement holds, and of which comparisons: those that were found to."""
    undecided = [pair.name for pair in alike if rows and rows[pair.name]["verdict"] == "undecided"]
    found = [pair.name for pair in alike if pair.name not in undecided]
    text = (
        "the kernel of infinite dimension is the sharper of the two as well, of larger attainable "
        f"self-weight, as far as was compared ({'; '.join(found)}"
    )
    text += f"; undecided: {'; '.join(undecided)})" if undecided else ")"
    apart = [row for row in rows.values() if row["verdict"] == "different"]
    # Said beforehand to be within the margin: self-weight alone does not tell what was found.
    return text + "".join(
        f"; {row['name']}, declared to be within ±{DECLARED['margin']:g} of 0, is {row['mean']:.3f}"
        for row in apart
    )


def predictor_checks() -> tuple[Check, ...]:
    """The predictors that were declared, computed anew."""
    weights, sizes = predictors()
    declared = DECLARED["self_weight"]
    off = greatest(
        abs(weight / declared[d][most][kernel] - 1)
        for d, tables in weights.items()
        for most, row in tables.items()
        for kernel, weight in row.items()
    )
    other = sum(
        size != DECLARED["feature_dim"][d][k] for d in sizes for k, size in sizes[d].items()
    )
    return (
        # Four digits were declared, of what is found by search.
        Check("declared self-weights: computed anew/declared − 1, largest", off, "<=", 2e-3),
        Check("declared feature dimensions that are others", other, "==", 0),
    )


def table(found: Found, whole: bool) -> Iterator[dict[str, Any]]:
    """A row for each kernel and d: predictors, NLL, and how far it is above EDP, pair by pair."""
    for kernel, d in found:
        excess = differences(found, kernel, "EDP", d)
        ends = interval(excess, DECLARED["level"]) if whole else (min(excess), max(excess))
        weights = DECLARED["self_weight"][str(d)]
        yield {
            "kernel": kernel,
            "d": d,
            "features": DECLARED["feature_dim"][str(d)][kernel],
            "self_weight": weights[LOGITS][kernel],
            "nll": float(np.mean(list(found[kernel, d].values()))),
            "excess": float(np.mean(excess)),
            "interval": list(ends),
        }


def curves(
    cells: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Losses in training, a mean over the seeds of each kernel and d."""
    groups: dict[tuple[str, int], list[list[float]]] = {}
    for cell, result in zip(cells, results, strict=True):
        groups.setdefault((cell["kernel"], cell["d"]), []).append(result["curve"])
    return [
        {"kernel": kernel, "d": d, "loss": drawn(np.mean(some, axis=0))}
        for (kernel, d), some in groups.items()
    ]


def ahead(ranked: Mapping[str, tuple[float, float, float]]) -> str:
    """The predictor of the larger |rank correlation|; neither, where they are level."""
    size = abs(ranked["feature dimension"][0])
    weight = abs(ranked[f"self-weight, logits ±{LOGITS}"][0])
    if size == weight:
        return "neither"
    return "self-weight" if weight > size else "feature dimension"


@claim(
    title="Language models: infinite against finite dimension",
    origin="paper",
    finding={
        Verdict.HOLDS_IF: "A blunt kernel of infinite dimension predicts text worse than a sharp "
        "one of finitely many features; a sharp one better than uniform attention.",
        Verdict.UNCONFIRMED: "The comparisons that were declared do not settle it.",
    },
    statement="Attention with a kernel of infinite dimension predicts a text better than attention "
    "with a kernel of finite dimension",
    source="Wright & Gonzalez (2021), section 5, what its experiments are taken to show; theory "
    "§5, What infinite dimension buys",
    method="Decoders of Multi30k's English, 2 layers of 4 heads, that differ in the kernel alone: "
    "the same initial weights and batches for a seed; outcome: NLL of a token of a split that "
    "nothing was chosen on. Hypotheses, margins, predictors and their values were declared before "
    "the runs; runs of another declaration do not count. t intervals of paired differences, Holm "
    "over all; equivalence by two one-sided tests, undecided where its power, from two pilot "
    "seeds, is below what was declared. Runs can refute a statement about all kernels, or bear out "
    "a condition, and not confirm it as it stands: a difference of an infinite and a finite kernel "
    "is a counterexample where the infinite one is the blunter of the two by attainable "
    "self-weight, and belongs to the condition where it is the sharper one",
    scope="one small text (29 000 captions), one size of model, one recipe, chosen with EDP and "
    "uniform attention on another split with the first of the pilot's seeds; 6 kernels at d = 2 "
    "and 16, 5 seeds, one epoch. Differences are of these kernels at this size; self-weight and "
    "dimension are ranked over six kernels, which suggests and proves nothing. No translation, no "
    "classification. Quick: 60 steps of 4 kernels at d = 16, one other seed: the signs",
    on_device=True,
)
def text(run: Run) -> Evidence:
    """The declared matrix with its pilots, or signs of a few short runs."""
    try:
        encoded()
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    whole, cells = run.pick(quick=False, full=True), matrix(run)
    results = sweep(run, work, cells, "sec5.text")
    tried = pilots() if whole else []
    trials = sweep(run, work, tried, "sec5.text/pilots") if whole else []
    unigram = unigram_nll()
    sound = soundness([*cells, *tried], [*results, *trials], whole, unigram)
    data = {
        "declared": digest(DECLARED),
        "margin": DECLARED["margin"],
        "unigram": unigram,
        "runs": told([*cells, *tried], [*results, *trials]),
    }
    if not all(check.passed for check in sound):  # what is no pair, or was not declared: no test
        return Evidence(checks=sound, data=data)
    found = outcomes(DECLARED, cells, results, complete=whole)
    rows = (
        {row["name"]: row for row in judged(DECLARED, found, outcomes(DECLARED, tried, trials))}
        if whole
        else {}
    )
    checks = {
        pair: interval_checks(pair, rows) if whole else sign_checks(pair, found)
        for pair in pairs(found)
    }
    alike = [pair for pair in checks if pair.infinite_is_sharper]
    ranks = {
        str(d): ranked for d in DECLARED["head_dims"] if (ranked := rivals(DECLARED, found, d))
    }
    data |= {
        "kernels": list(table(found, whole)),
        "hypotheses": list(rows.values()),
        "rank_correlations": ranks,
        "ahead": {d: ahead(ranked) for d, ranked in ranks.items()},
        "curves": curves(cells, results),
    }
    return Evidence(
        checks=(
            *sound,
            *(predictor_checks() if whole else ()),
            *(check for pair in alike for check in checks[pair]),
        ),
        counterexamples=tuple(
            check for pair in checks if pair not in alike for check in checks[pair]
        ),
        condition=condition(alike, rows),
        data=data,
    )


def told(
    cells: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """A row for each run."""
    return [
        {key: cell[key] for key in ("kernel", "d", "seed")}
        | {key: result[key] for key in ("declared", "outcome", "batches")}
        for cell, result in zip(cells, results, strict=True)
    ]
