"""Theorem 2: what training reaches, by Adam and by variable projection, against the floor."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from rkbs.approximation.constructive import ConstructiveHead, constructive_head
from rkbs.approximation.quadrature import l2_error
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.rows import MIDDLE, NARROW, WIDE, like_the_first, ratio, resolved
from verify.studies.targets import LINE, TARGETS
from verify.studies.trained_heads import ADAM, configuration, costs, rows_of, train_batch
from verify.studies.yardsticks import FIT, MEASURE, floor_checks

RIVALS = 5
"""Random hidden layers that a trained head is compared with."""
WIDE_ENOUGH = 0.01
"""The condition: frozen layers miss at most this share of ‖F‖. It knows nothing of training."""
FEW = ("edp", "oscillating", "kink")


def _by_adam(run: Run) -> list[dict[str, Any]]:
    """The batches that Adam trains: plain ones, then those that ask whether something helps."""
    full = run.profile == "full"
    plain = ADAM | {"steps": run.pick(quick=1500, full=3000)}
    seeds = range(run.seed, run.seed + 2)
    names, narrow = (LINE, FEW) if full else (FEW, FEW[1:2])
    dims = run.pick(quick=(1, 2, 4, 8), full=(1, 2, 4, 8, 12, 16))
    middle = run.pick(quick=(1, 4), full=(1, 2, 4, 8, 12, 16))
    batches = [
        configuration(names, dims, WIDE, seeds, plain),
        configuration(narrow, (1, 4), NARROW, seeds, plain),
        configuration(FEW, middle, MIDDLE, seeds, plain),
    ]
    if full:  # does weight decay, a good start, patience or another learning rate help?
        some, first = (("edp", "kink"), (4, 8), WIDE), [run.seed]
        batches += [
            configuration(LINE, dims, WIDE, first, plain | {"weight_decay": 1e-2}),
            configuration(LINE, dims, WIDE, first, plain | {"lr": 1e-3}, "constructive"),
            *(
                configuration(*some, first, plain | change)
                for change in ({"steps": 20000}, {"lr": ADAM["lr"] / 3}, {"lr": ADAM["lr"] * 3})
            ),
        ]
    return batches


@cache
def _rivals(name: str, width: int, first: int) -> tuple[ConstructiveHead, ...]:
    """Constructive heads on five random hidden layers."""
    seeds = range(first, first + RIVALS)
    return tuple(constructive_head(TARGETS[name], 1, width, quadrature=FIT, seed=s) for s in seeds)


@cache
def _rival_errors(name: str, d: int, width: int, first: int) -> tuple[float, ...]:
    return tuple(l2_error(TARGETS[name], r.at(d), MEASURE) for r in _rivals(name, width, first))


def _beside_rivals(row: dict[str, Any], first: int) -> dict[str, Any]:
    """A row with constructive heads of the same d and m."""
    name, width = row["target"], row["width"]
    return row | {
        "constructive": _rival_errors(name, row["d"], width, first),
        "width_error": [rival.width_error for rival in _rivals(name, width, first)],
    }


def _medians(rows: Iterable[dict[str, Any]], name: str) -> dict[int, float]:
    """Median trained/floor by d, for one target."""
    rows = [row for row in rows if row["target"] == name]
    dims = sorted({row["d"] for row in rows})
    return {d: float(np.median([ratio(row) for row in rows if row["d"] == d])) for d in dims}


def _meets(row: dict[str, Any]) -> bool:
    """Whether all frozen layers of a run's rivals are wide enough, before anything is trained."""
    return max(row["width_error"]) <= WIDE_ENOUGH * row["norm"]


@claim(
    title="Adam stays above frozen random layers",
    origin="ours",
    finding={
        Verdict.HOLDS_IF: "Within these budgets, if the random layers are wide enough: Adam falls "
        "further behind the floor as d doubles."
    },
    statement="Floor ≤ constructive head ≤ head trained by plain Adam within the given budget of "
    "steps, at equal d and m; within it, Adam falls further behind the floor as d doubles from 2",
    source="Theory §4, The constructive solution",
    method="Adam with a cosine schedule on the full grid, several seeds, errors on an independent "
    "finer quadrature; the worst of five constructive heads against each trained one wherever "
    "the frozen layers meet the condition, which is computed before training; at m = 4, where "
    "they do not, the best of five",
    scope="three targets, d ≤ 8, 2 seeds, 1500 steps (full: eight targets, d ≤ 16, 3000 "
    "steps, also AdamW and constructive starts, on two targets also 20000 steps and other learning "
    "rates) at m = 64; edp, oscillating and kink at m = 16, some of these at m = 4. An observation "
    "about Adam and these budgets, not a theorem: trained to the optimum (thm2.limit), no head is "
    "behind a frozen one of its own width. Ratios to the floor at m = 64 only where it is ten "
    "times its own error; constructive starts are not compared with constructive heads",
    on_device=True,
)
def trained(run: Run) -> Evidence:
    """At m = 4 frozen layers cannot resolve the target, and learned ones win."""
    batches = _by_adam(run)
    results = sweep(run, train_batch, batches, "thm2.trained")
    rows = [_beside_rivals(row, run.seed) for row in rows_of(results)]
    own = [row for row in rows if row["start"] == "random"]
    narrow = [row for row in own if row["width"] == NARROW]
    plain = [row for row in like_the_first(rows) if row["width"] == WIDE and resolved(row)]
    medians = {name: _medians(plain, name) for name in dict.fromkeys(r["target"] for r in plain)}
    growth = least(m[2 * d] / m[d] for m in medians.values() for d in (2, 4, 8) if 2 * d in m)
    behind = least(m[8] for m in medians.values() if 8 in m)
    lost = least(row["error"] / least(row["constructive"]) for row in narrow)
    enough = [row for row in own if _meets(row)]
    met = {m: sum(row["width"] == m for row in enough) for m in (NARROW, MIDDLE, WIDE)}
    # At d = 1 both are on the floor: a tie.
    worst = greatest(greatest(row["constructive"]) / row["error"] for row in enough if row["d"] > 1)
    return Evidence(
        checks=(
            *floor_checks(rows, "trained heads"),
            # "Floor ≤ constructive ≤ trained", "falls further behind": ratios against 1, and counts
            # of runs. "Left behind" is twice the floor at d = 8, where m = 64 units reach it.
            Check(
                "all runs under the condition, d > 1: worst constructive/trained", worst, "<=", 1
            ),
            *(
                Check(f"m = {m}: runs under the condition", met[m], "==", count)
                for m, count in ((NARROW, 0), (WIDE, sum(row["width"] == WIDE for row in own)))
            ),
            Check(f"m = {MIDDLE}: runs under the condition", met[MIDDLE], ">=", 1),
            Check("median trained/floor at 2d over d (d ≥ 2), smallest", growth, ">", 1),
            Check("median trained/floor at d = 8, smallest", behind, ">=", 2),
        ),
        counterexamples=(
            Check(f"m = {NARROW}: trained/best constructive, smallest", lost, "<", 1),
        ),
        condition=f"the frozen layers are wide enough, width error ≤ {WIDE_ENOUGH} ‖F‖ before any "
        "training: 64 random units are, 4 are not (observed for these targets and budgets)",
        data={"rows": rows, "median_ratio": medians, "batches": costs(batches, results)},
    )
