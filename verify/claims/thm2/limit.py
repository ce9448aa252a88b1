"""Theorem 2: what training reaches, by Adam and by variable projection, against the floor."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, Verdict, greatest
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.rows import MIDDLE, NEGLIGIBLE, WIDE, best, excess
from verify.studies.targets import LINE, TARGETS
from verify.studies.trained_heads import configuration, costs, rows_of, train_batch
from verify.studies.yardsticks import floor_checks

STARTS = 4
"""Random starts of a head."""
REACHED = 1.1
"""How near to the floor training is to come."""


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
    title="Training reaches the floor",
    origin="ours",
    finding={
        Verdict.HOLDS: "With the output layer in closed form and Levenberg–Marquardt for the rest, "
        "heads come within 1.1 times the floor on every smooth target."
    },
    statement="Training reaches the limit: with output weights in closed form and hidden ones by "
    "Levenberg–Marquardt (variable projection) heads of d ≤ 8 come within 1.1 × the Schmidt floor, "
    "or 1e-6 ‖F‖ where the floor is below, for every smooth target tried: with the best of a few "
    "constructive starts, and with the best of four random ones",
    source="Theory §4, The floor, The constructive solution",
    method="Batches of two-tower heads in double precision; of the starts, the one with the least "
    "error where it was trained; errors on an independent finer quadrature (in four dimensions an "
    "independent sample), whose own floor no logit may beat",
    scope="seven smooth targets on the line, d in {1, 2, 4, 8}, m = 16, 64, 2 constructive starts "
    "(full: 3), random ones at m = 16; one smooth target in the plane (full: two, and two in four "
    "dimensions), d in {2, 4, 8}, m = 64; d = 12 and 16, m = 8 and 32 and kinked targets are "
    "reported (full). In four dimensions heads see 800 points of "
    "each domain and the floor is a sample's, which is lower than the true one on average: the "
    "bound there is 1.25",
    on_device=True,
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
            "batches": costs(batches, results),
        },
    )
