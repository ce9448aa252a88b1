"""What the audit of a trained model says of its heads' dimensions, against simpler ways to tell.

``DECLARED`` was written before any run of the models that it names. Seen before were models of
seed 100 of each kind, from which the decays, the sizes and the counts of steps come.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from scipy import stats

from verify.studies.declared import digest
from verify.studies.paired import holm, interval

GROWN = {"grow, 20": ["random directions", "every head", "every head, random directions"]}
DECLARED: dict[str, Any] = {
    "tasks": ["counting", "recall", "reversal"],
    "trainings": ["coupled", "AdamW"],
    "seeds": [0, 1, 2, 3],
    "model": {"d_model": 16, "heads": 2, "d_ff": 32},
    "layers": {"counting": 2, "recall": 2, "reversal": 1},  # of the latter on either side
    # Of a head: what is cut has more than the task needs, what is grown less.
    "head_dim": {"cut": 8, "grow": 1},
    "coupled": {
        "decay": 2e-3,
        "of it, to grow": 0.5,  # so that more heads are starved
        "steps": 200,  # of Adam, then L-BFGS until ‖∂J‖ ≤ rest · ‖λ w‖, or so many iterations
        "lr": 1e-2,
        "iterations": 600,
        "rest": 1e-3,
        "norm eps": 1.0,  # theory §6: of the order of the variance
    },
    "AdamW": {"steps": 600, "lr": 3e-3, "warmup": 40, "weight_decay": 0.01},
    "AdamW batch": 27,
    "AdamW dropout": 0.1,
    # Added to the certified rank of each head, of which AdamW leaves all.
    "slack": {"coupled": [1, 0, -1], "AdamW": [0, -2, -4, -6]},
    "shuffles": 20,
    # Rows a·u, a·v: as many as there are heads. Their slope is measured at the smaller a.
    "lengths": {"slope": 1e-3, "grow": 0.1},
    "after growing": {"coupled": [20, 100], "AdamW": [20, 100]},  # iterations, or steps
    "AdamW after growing": {"lr": 1e-3},
    # What is expected: the loss of the audit minus that of another way is negative. Signed ranks
    # over the models of a training, Holm over all that are named; a tie is below 1e-6.
    "less than": {
        "coupled": {"cut, slack 0": ["even SVD", "rows by size", "ranks shuffled"], **GROWN},
        "AdamW": {"cut, slack -4": ["even SVD", "rows by size", "ranks shuffled"], **GROWN},
    },
    "tie": 1e-6,
    "level": 0.05,
    # And where it is not, by more than what is free: at rest uᵀCv = λ for all singular directions,
    # so that to first order each is worth λ times its size, whatever its head, which SVD over heads
    # knows as well. Least of the coupled models, mean of AdamW's.
    "not less than": {
        "coupled": {
            "cut, slack 0": ["SVD over heads", "weighted SVD over heads", "entries by size"],
        },
        "AdamW": {
            "cut, slack -4": ["SVD over heads", "weighted SVD over heads", "entries by size"],
        },
    },
    # Nats, of losses of about 0.4 after training and 2 before it.
    "free": 1e-2,
    # What is left of the loss that there was before training, at most.
    "learned": 0.5,
    # Of the slope −Σ(σ − λ): a² of the curvature.
    "slope": 0.05,
    # The mean certified rank by d: of AdamW's heads it says that next to none can go.
    "AdamW kept": 0.75,
}


def configurations(short: bool = False, seed: int = 0) -> list[dict[str, Any]]:
    """The models that were declared, or two of a seed of their own, not as near to rest."""
    if short:
        own = {"task": "recall", "training": "coupled", "seed": 100 + seed, "after growing": [20]}
        return [
            {"for": "cut", **own, "iterations": 200},
            {"for": "grow", **own, "iterations": 100},
        ]
    return [
        {"for": purpose, "task": task, "training": training, "seed": seed}
        for training in DECLARED["trainings"]
        for purpose in ("cut", "grow")
        for task in DECLARED["tasks"]
        for seed in DECLARED["seeds"]
    ]


def work(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """Train a model, and cut or grow its heads in all ways, for a sweep."""
    from verify.studies import head_contests as contests  # late: it loads torch

    return {"declared": digest(DECLARED), **contests.measured(configuration, DECLARED)}


def of(results: Sequence[Mapping[str, Any]], purpose: str, training: str) -> list[dict[str, Any]]:
    """The models whose heads are cut, or grown, of one training."""
    return [dict(r) for r in results if (r["for"], r["training"]) == (purpose, training)]


def differences(results: Sequence[Mapping[str, Any]], where: str, other: str) -> list[float]:
    """Of each model, the audit's loss minus that of another way; 0 where they tie."""
    found = [r["losses"][where]["audit"] - r["losses"][where][other] for r in results]
    return [x if abs(x) > DECLARED["tie"] else 0.0 for x in found]


def p_signed_ranks(differences: Sequence[float]) -> float:
    """Wilcoxon's two-sided test of signed ranks, ties left out; 1 where all are."""
    nonzero = [x for x in differences if x]
    return float(stats.wilcoxon(nonzero).pvalue) if nonzero else 1.0


def judged(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each declared comparison: how often the audit is less, and the verdict."""
    rows, p_values = [], {}
    for training in DECLARED["trainings"]:
        for where, others in DECLARED["less than"][training].items():
            mine = of(results, where.partition(",")[0], training)
            for other in others:
                x, name = differences(mine, where, other), f"{training}: {where}: {other}"
                p_values[name] = p_signed_ranks(x)
                rows.append(
                    {
                        "name": name,
                        "less": sum(one < 0 for one in x),
                        "more": sum(one > 0 for one in x),
                        "of": len(x),
                        "median": statistics.median(x),
                        "intervals": by_task(mine, where, other),
                    }
                )
    for name, p in holm(p_values).items():
        row = next(row for row in rows if row["name"] == name)
        told = "holds" if row["less"] > row["more"] else "reversed"
        row |= {"p": p, "verdict": told if p < DECLARED["level"] else "undecided"}
    return rows


def by_task(
    results: Sequence[Mapping[str, Any]], where: str, other: str
) -> dict[str, tuple[float, float]]:
    """The t interval, over seeds, of the mean difference on each task."""
    return {
        task: interval(
            [*differences([r for r in results if r["task"] == task], where, other)], 0.05
        )
        for task in DECLARED["tasks"]
    }
