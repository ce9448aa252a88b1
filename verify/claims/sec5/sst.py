"""Sentences with a class: does EDP beat uniform attention?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rkbs.data.gdsc import DataNotFoundError
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.declared import digest
from verify.studies.findings import Runs, soundness
from verify.studies.paired import interval
from verify.studies.sst import (
    DECLARED,
    FINE,
    TASKS,
    baselines,
    configurations,
    pilots,
    unpacked,
    work,
)

STEPS = 100
FIRST = 200
"""Seeds of the quick profile begin here: none is among those that were declared."""
DEVIATIONS = 3.0
"""Of chance: more than by as many every run is better than the most frequent class, and not by as
many, in short runs, EDP worse than uniform attention."""


def matrix(run: Run) -> list[dict[str, Any]]:
    """The declared runs; or two short ones of another seed."""
    short = configurations(seeds=[FIRST + run.seed], steps=STEPS)
    return run.pick(quick=short, full=configurations())


def learned(runs: Runs, majority: float) -> tuple[Check, ...]:
    """That every run learned from the sentences, and that kernels are those of their names."""
    cells, results = [*runs.cells, *runs.tried], [*runs.results, *runs.trials]
    deviation = math.sqrt(majority * (100 - majority) / greatest(results, key="judged"))
    ahead = (majority - greatest(results, key="outcome")) / deviation
    left: dict[str, list[float]] = {}
    for cell, result in zip(cells, results, strict=True):
        left.setdefault(cell["kernel"], []).append(1 - result["attended"])
    return (
        Check("fewer errors than of the most frequent class, deviations", ahead, ">", DEVIATIONS),
        # Uniform to rounding in float32; EDP starts with a tenth of the keys left out.
        Check("keys that uniform attention leaves out", greatest(left["uniform"]), "<=", 1e-5),
        Check("keys that EDP leaves out, smallest share", least(left["EDP"]), ">", 1e-2),
    )


Settled = tuple[tuple[Check, ...], tuple[Check, ...]]
"""Checks that bear the statement out, if they pass; and those that refute it."""


def short_checks(runs: Runs) -> Settled:
    """Of two short runs: whether EDP is worse by more than chance, in deviations (McNemar)."""
    wrong = {
        cell["kernel"]: unpacked(result)
        for cell, result in zip(runs.cells, runs.results, strict=True)
    }
    each = wrong["uniform"] - wrong["EDP"]
    ahead = float(each.sum() / math.sqrt(max(np.abs(each).sum(), 1)))
    name = "uniform − EDP: errors, in deviations of chance"
    if ahead > -DEVIATIONS:
        return (Check(name, ahead, ">", -DEVIATIONS),), ()
    return (), (Check(name, ahead, "<=", -DEVIATIONS),)


def settled(rows: Sequence[Mapping[str, Any]]) -> Settled:
    """What the hypotheses say: a difference, none, or nothing.

    A difference comes first: where it holds, so does the statement, however small it is. What is
    reversed, or within the margin, refutes it. Else the statement misses its checks.
    """
    kinds = {row["kind"]: row for row in rows}
    more, same = kinds["differences"], kinds["equivalences"]
    (low, high), level, margin = more["interval"], DECLARED["level"], DECLARED["margin"]
    p = Check("uniform − EDP: p, by Holm", more["p"], "<", level)
    if more["verdict"] == "reversed":
        return (), (Check("uniform − EDP: errors, upper end of the t interval", high, "<", 0), p)
    if more["verdict"] == "undecided" and same["verdict"] == "holds":
        return (), (
            Check("|uniform − EDP|: errors, mean", abs(same["mean"]), "<", margin),
            Check("|uniform − EDP| beyond the margin: p, by Holm", same["p"], "<", level),
            Check("power of the equivalence", same["power"], ">=", DECLARED["power"]),
        )
    return (Check("uniform − EDP: errors, lower end of the t interval", low, ">", 0), p), ()


def over_sentences(runs: Runs) -> list[float]:
    """The t interval over sentences, each a mean over seeds: what others of them might say."""
    by_kernel: dict[str, list[np.ndarray]] = {}
    for cell, result in zip(runs.cells, runs.results, strict=True):
        by_kernel.setdefault(cell["kernel"], []).append(100 * unpacked(result))
    each = np.mean(by_kernel["uniform"], axis=0) - np.mean(by_kernel["EDP"], axis=0)
    return list(interval(each, DECLARED["level"]))


def told(runs: Runs) -> dict[str, Any]:
    """What is told of a task: errors of each run, what was found of its hypotheses, baselines."""
    declared = runs.declared
    return {
        "declared": digest(declared),
        "margin": declared["margin"],
        "published": 100 - declared["published"],
        **baselines(declared["task"]),
        "kernels": [
            {
                "kernel": kernel,
                "errors": [by_seed[seed] for seed in sorted(by_seed)],
                "mean": float(np.mean(list(by_seed.values()))),
                "attended": float(runs.mean("attended", kernel, d)),
            }
            for (kernel, d), by_seed in runs.found.items()
        ],
        "hypotheses": runs.judged(),
        "over_sentences": over_sentences(runs),
        "curves": runs.curves(),
    }


def named(checks: Sequence[Check], task: str) -> tuple[Check, ...]:
    """Checks under names that say of which task they are."""
    return tuple(replace(check, name=f"{task}: {check.name}") for check in checks)


@claim(
    title="Classifying sentences: EDP against uniform attention",
    origin="paper",
    finding={
        Verdict.HOLDS: "On SST-2's test set EDP misjudges fewer film reviews than uniform "
        "attention, over seeds and by less than a point; words and pairs of words, fewer still.",
        Verdict.FAILS: "Not on film reviews, in a small model trained from scratch: uniform "
        "attention misjudges as few as EDP to within a point, or fewer.",
        Verdict.UNCONFIRMED: "Whether EDP misjudges fewer film reviews than uniform attention, or "
        "as many to within a point, the runs do not settle.",
    },
    statement="Attention with the infinite-dimensional kernel EDP classifies sentences better than "
    "uniform attention",
    source="Wright & Gonzalez (2021), section 5, the experiments on SST-2 and SST-5; theory §5, "
    "What infinite dimension buys",
    method="Encoders of 2 layers of 4 heads, trained from scratch on SST-2's sentences, that "
    "differ in the kernel alone: the same initial weights and batches for a seed; outcome: errors "
    "on test, on which nothing was chosen. Declared before the runs: that the errors of uniform "
    "attention − of EDP are above 0 on average (t interval of paired differences), and that they "
    "are within ±1 point (two one-sided tests, undecided where the power, from two pilot seeds, is "
    "below 0.8); Holm over both. The first bears the statement out; its reverse, or the second "
    "alone, refutes it; neither leaves it open. Sound: every run is better than the most frequent "
    "class by 3 deviations of chance, uniform attention leaves out no key, EDP some. Beside them "
    "logistic regression on TF-IDF of words and pairs of words",
    scope="one size of model, one recipe, chosen with both kernels on dev with other seeds; "
    "sentences alone, without the treebank's phrases and without pretraining. Intervals are over "
    "seeds, for this test set; that over sentences is told beside. Points are averaged before the "
    "classifier, so uniform attention is what a bag of words and positions can say, layer by "
    "layer. SST-5, 3 seeds, is told and decides nothing. Quick: two runs of 100 "
    "steps, another seed: that EDP is not worse by more than chance, and no interval",
    on_device=True,
)
def sst(run: Run) -> Evidence:
    """The declared runs with their pilots and those of SST-5, or two short runs."""
    whole, cells = run.pick(quick=False, full=True), matrix(run)
    tasks = run.pick(quick=["SST-2"], full=list(TASKS))
    try:
        majorities = {task: baselines(task)["majority"] for task in tasks}
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    results = sweep(run, work, cells, "sec5.sst")
    tried = pilots() if whole else []
    trials = sweep(run, work, tried, "sec5.sst/pilots") if whole else []
    parts = [Runs(DECLARED, cells, results, tried, trials, whole)]
    if whole:
        finer = configurations(FINE)
        parts.append(Runs(FINE, finer, sweep(run, work, finer, "sec5.sst/fine")))
    sound = tuple(
        check
        for runs, (task, majority) in zip(parts, majorities.items(), strict=True)
        for check in named((*soundness(runs, "sentences"), *learned(runs, majority)), task)
    )
    data: dict[str, Any] = {
        "runs": [{"task": p.declared["task"], **row} for p in parts for row in p.told()]
    }
    if not all(check.passed for check in sound):  # what is no pair, or was not declared: no test
        return Evidence(checks=sound, data=data)
    data["tasks"] = {runs.declared["task"]: told(runs) for runs in parts}
    checks, counterexamples = (
        settled(data["tasks"]["SST-2"]["hypotheses"]) if whole else short_checks(parts[0])
    )
    return Evidence((*sound, *checks), counterexamples, data=data)
