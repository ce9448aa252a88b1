"""Theorem 2: what training reaches, by Adam and by variable projection, against the floor."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from rkbs.approximation.constructive import ConstructiveHead, constructive_head
from rkbs.approximation.quadrature import l2_error
from rkbs.approximation.targets import LINE, TARGETS
from verify.ledger import Check, Evidence, Run, claim, greatest, least
from verify.sweep import sweep
from verify.trained_heads import (
    ADAM,
    best,
    configuration,
    like_the_first,
    rows_of,
    train_batch,
)
from verify.yardsticks import (
    FIT,
    MEASURE,
    MIDDLE,
    NARROW,
    NEGLIGIBLE,
    WIDE,
    excess,
    floor_checks,
    ratio,
    resolved,
)

RIVALS = 5
"""Random hidden layers that a trained head is compared with."""
WIDE_ENOUGH = 0.01
"""The condition: frozen layers miss at most this share of ‖F‖. It knows nothing of training."""
FEW = ("edp", "oscillating", "kink")
STARTS = 4
"""Random starts of a head."""
REACHED = 1.1
"""How near to the floor training is to come."""


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
    "thm2.trained",
    statement="Floor ≤ constructive head ≤ head trained by plain Adam within the given budget of "
    "steps, at equal d and m; within it, Adam falls further behind the floor as d doubles from 2",
    source="Theory §4, The constructive solution",
    method="Adam with a cosine schedule on the full grid, several seeds, errors on an independent "
    "finer quadrature; the worst of five constructive heads against each trained one wherever "
    "the frozen layers meet the condition, which is computed before training; at m = 4, where "
    "they do not, the best of five",
    figure="thm2_training",
    also_in=("thm2_limit",),
    scope="three targets, d ≤ 8, 2 seeds, 1500 steps (full: eight targets, d ≤ 16, 3000 "
    "steps, also AdamW and constructive starts, on two targets also 20000 steps and other learning "
    "rates) at m = 64; edp, oscillating and kink at m = 16, some of these at m = 4. An observation "
    "about Adam and these budgets, not a theorem: trained to the optimum (thm2.limit), no head is "
    "behind a frozen one of its own width. Ratios to the floor at m = 64 only where it is ten "
    "times its own error; constructive starts are not compared with constructive heads",
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
        data={"rows": rows, "median_ratio": medians, "batches": _costs(batches, results)},
    )


def _costs(batches: list[dict[str, Any]], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Models, seconds and method of each batch; float64 throughout."""
    return [
        {"method": batch["method"], "start": batch["start"], "width": batch["width"]}
        | {key: result[key] for key in ("models", "seconds")}
        for batch, result in zip(batches, results, strict=True)
    ]


def _by_projection(run: Run) -> list[dict[str, Any]]:
    """The batches of variable projection, on the line and in two and four dimensions."""
    method = {"kind": "VariableProjection", "steps": run.pick(quick=60, full=150)}
    seeds = range(run.seed, run.seed + run.pick(quick=2, full=3))
    dims = run.pick(quick=(1, 2, 4, 8), full=(1, 2, 4, 8, 12, 16))
    widths = run.pick(quick=(MIDDLE, WIDE), full=(8, MIDDLE, 32, WIDE))
    batches = [configuration(LINE, dims, width, seeds, method, "constructive") for width in widths]
    starts = range(run.seed, run.seed + STARTS)
    batches.append(configuration(LINE, dims, MIDDLE, starts, method, "random"))
    flatter = method | {"steps": 60, "max_slope": 12.0}
    plane = run.pick(quick=("waves_2d",), full=("edp_2d", "waves_2d", "distance_2d"))
    batches.append(configuration(plane, (2, 4, 8), WIDE, seeds[:2], flatter, "constructive"))
    if run.profile == "full":
        space = ("edp_4d", "waves_4d")
        batches.append(configuration(space, (2, 4, 8), WIDE, seeds[:1], flatter, "constructive"))
    return batches


def _chosen(rows: list[dict[str, Any]], dim: int, width: int, start: str) -> list[dict[str, Any]]:
    """The heads of smooth targets, d ≤ 8, of one kind."""
    return [
        row
        for row in rows
        if TARGETS[row["target"]].smooth
        and (TARGETS[row["target"]].dim, row["width"], row["start"]) == (dim, width, start)
        and row["d"] <= 8
    ]


def _furthest(rows: list[dict[str, Any]], dim: int, width: int, start: str) -> float:
    """The greatest excess over the floor, of the best starts."""
    return greatest(map(excess, best(_chosen(rows, dim, width, start))))


@claim(
    "thm2.limit",
    statement="Training reaches the limit: with output weights in closed form and hidden ones by "
    "Levenberg–Marquardt (variable projection) heads of d ≤ 8 come within 1.1 × the Schmidt floor, "
    "or 1e-6 ‖F‖ where the floor is below, for every smooth target tried: with the best of a few "
    "constructive starts, and with the best of four random ones",
    source="Theory §4, The floor, The constructive solution",
    method="Batches of two-tower heads in double precision; of the starts, the one with the least "
    "error where it was trained; errors on an independent finer quadrature (in four dimensions an "
    "independent sample), whose own floor no logit may beat",
    figure="thm2_limit",
    also_in=("thm2_training",),
    scope="seven smooth targets on the line, d in {1, 2, 4, 8}, m = 16, 64, 2 constructive starts "
    "(full: 3), random ones at m = 16; one smooth target in the plane (full: two, and two in four "
    "dimensions), d in {2, 4, 8}, m = 64; d = 12 and 16, m = 8 and 32 and kinked targets are "
    "reported (full). In four dimensions heads see 800 points of "
    "each domain and the floor is a sample's, which is lower than the true one on average: the "
    "bound there is 1.25",
)
def limit(run: Run) -> Evidence:
    """The same heads that Adam leaves behind the floor by orders of magnitude."""
    batches = _by_projection(run)
    results = sweep(run, train_batch, batches, "thm2.limit")
    rows = rows_of(results)
    told = [
        ("on the line, m = 64", (1, WIDE, "constructive"), REACHED),
        ("on the line, m = 16", (1, MIDDLE, "constructive"), REACHED),
        ("on the line, m = 16, random start", (1, MIDDLE, "random"), REACHED),
        ("in the plane, m = 64", (2, WIDE, "constructive"), REACHED),
    ]
    alone = float(np.mean([excess(row) <= REACHED for row in _chosen(rows, 1, MIDDLE, "random")]))
    if run.profile == "full":
        told.append(("in four dimensions, m = 64", (4, WIDE, "constructive"), 1.25))
    return Evidence(
        checks=(
            *floor_checks(rows, "trained heads"),
            # The 1.1 of the statement; in four dimensions a sample's floor lies lower (scope). One
            # start in ten may end elsewhere.
            *(
                Check(f"{what}: best/floor, d ≤ 8, largest", _furthest(rows, *which), "<=", bound)
                for what, which, bound in told
            ),
            Check("share of single random starts within 1.1 × the floor", alone, ">=", 0.9),
        ),
        data={
            "rows": rows,
            "excess": [
                {key: row[key] for key in ("target", "d", "width", "start", "error")}
                | {"excess": excess(row)}
                for start in ("constructive", "random")
                for row in best(r for r in rows if r["start"] == start)
            ],
            "negligible": NEGLIGIBLE,
            "batches": _costs(batches, results),
        },
    )


if __name__ == "__main__":
    from verify.runner import run_file

    run_file(__file__)
