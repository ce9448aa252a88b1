"""Theorem 2: heads of dimension d against the Schmidt floor, with and without training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rkbs.approximation.constructive import ConstructiveHead, constructive_head
from rkbs.approximation.quadrature import l2_error
from rkbs.approximation.surface import Target
from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.studies.rows import MIDDLE, WIDE, excess
from verify.studies.targets import LINE
from verify.studies.yardsticks import FIT, SEEDS, Yardstick, floor_checks


def alternating_error(head: ConstructiveHead, target: Target, rng: np.random.Generator) -> float:
    """The error of alternating least squares over the output weights of the same hidden layers.

    Independent of the truncated SVD: from a random start each tower is solved for in turn.
    """
    F = FIT.tabulate(target)
    layers = (head.hidden_x, head.hidden_y)
    X, Y = (FIT.x.root * layer(FIT.x.nodes) for layer in layers)  # (n, m + 1)
    k = Y @ rng.normal(size=(Y.shape[1], head.d))  # (n, d)
    for _ in range(60):
        k = np.linalg.qr(k)[0]
        q = X @ np.linalg.lstsq(X, F @ k, rcond=1e-12)[0]  # (n, d)
        q = np.linalg.qr(q)[0]
        k = Y @ np.linalg.lstsq(Y, F.T @ q, rcond=1e-12)[0]  # (n, d)
    return float(np.linalg.norm(F - q @ k.T))


@claim(
    title="The best head on random layers, without training",
    origin="ours",
    finding={
        Verdict.HOLDS: "It is a truncated SVD, and its squared error splits into a part for the "
        "width and one for the rank."
    },
    statement="With frozen random hidden layers the best rank-d head is a truncated SVD, found "
    "without training; ‖F − G‖² = width² + rank² exactly, hence floor² ≤ ‖F − G‖² ≤ floor² + "
    "width²; with 64 units it is within 1 % of the floor, or of 1e-6 ‖F‖ where the floor is "
    "below, for d ≤ 8",
    source="Theory §4, The constructive solution",
    method="The identity and both inequalities at the nodes of the fit, over targets, widths and "
    "seeds; the ratio on an independent finer quadrature; alternating least squares from a random "
    "start must neither beat the SVD nor miss it",
    scope="eight targets, m = 8, 16, 64, 2 seeds (full: five m, 5 seeds), d ≤ 16; 1 %: m = 64, "
    "those targets and seeds. The identity and the "
    "inequalities hold for every F by orthogonality; alternating least squares: d ≤ 4, m = 16",
)
def constructive(run: Run) -> Evidence:
    """Every d ≤ 16 at 64 hidden units, a few at fewer; the kinked target included."""
    widths = run.pick(quick=(8, MIDDLE, WIDE), full=(4, 8, 16, 32, WIDE))
    seeds = range(run.seed, run.seed + run.pick(quick=2, full=SEEDS))
    rows, alternating = [], []
    for name in run.progress(LINE, "constructive heads"):
        y = Yardstick.of(name)
        sigma = np.linalg.svd(FIT.tabulate(y.target), compute_uv=False)
        for width, seed in ((w, s) for w in widths for s in seeds):
            base = constructive_head(y.target, 1, width, quadrature=FIT, seed=seed)
            for d in range(1, 17) if width == WIDE else (1, 2, 4, 8, 16):
                head = base.at(d)
                row = y.row(head, d, width=width, seed=seed)
                row |= {
                    "width_error": head.width_error,
                    "rank_error": head.rank_error,
                    "fit_error": l2_error(y.target, head, FIT),
                    "fit_floor": float(np.linalg.norm(sigma[d:])),
                    "evaluation": evaluation_rounding(head),
                }
                rows.append(row)
        for d in (1, 2, 4):
            head = constructive_head(y.target, d, 16, quadrature=FIT, seed=run.seed)
            found = alternating_error(head, y.target, run.rng)
            alternating.append(found / math.hypot(head.width_error, head.rank_error))
    return Evidence(
        checks=(
            *_split_checks(rows),
            # The SVD is the least: below it only by rounding, of errors down to 1e-6 of ‖F‖. Sixty
            # rounds converge as (σ_{d+1}/σ_d)^120, for gaps of a few percent to 1e-3 of the angle,
            # whose square the error has.
            Check(
                "alternating least squares over SVD, smallest", least(alternating), ">=", 1 - 1e-9
            ),
            Check(
                "alternating least squares over SVD, largest", greatest(alternating), "<=", 1 + 1e-6
            ),
            *floor_checks(rows, "heads"),
        ),
        data={"rows": [kept(row) for row in rows], "alternating": alternating},
    )


def kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a record keeps of a head: what tells it apart, and errors to six digits."""
    told = {name: row[name] for name in ("target", "d", "width", "seed")}
    errors = ("error", "norm", "floor_there", "width_error")
    return told | {name: drawn(row[name], 6) for name in errors}


def evaluation_rounding(head: ConstructiveHead) -> float:
    """(m + 1) ε (Σ_l σ_l ‖|Φ_X| |a_l|‖² )^{1/2}, and the same for Y: rounding of G as evaluated.

    q_l = Φ_X a_l is a sum of m + 1 terms that may cancel; the k_l it meets are orthogonal and of
    norm √σ_l.
    """
    sizes = np.sqrt(np.pad(head.singular_values, (0, head.d))[: head.d])  # (d,)
    layers, total = (head.hidden_x, head.hidden_y), 0.0
    for layer, output in zip(layers, (head.head.output_x, head.head.output_y), strict=True):
        sums = np.abs(layer(FIT.x.nodes)) @ np.abs(output)  # (n, d)
        terms = np.linalg.norm(FIT.x.root * sums, axis=0)  # (d,)
        total += float(np.linalg.norm(sizes * terms))
    return (len(head.hidden_x.slopes) + 1) * np.finfo(float).eps * total


def _split_checks(rows: list[dict[str, Any]]) -> tuple[Check, ...]:
    """The identity, what follows from it, and how near the floor the wide heads come."""
    split, over, under = (
        greatest(difference(row) / row["evaluation"] for row in rows)
        for difference in (
            lambda r: abs(r["fit_error"] - math.hypot(r["width_error"], r["rank_error"])),
            lambda r: r["fit_error"] - math.hypot(r["fit_floor"], r["width_error"]),
            lambda r: r["fit_floor"] - r["fit_error"],
        )
    )
    sharp = sum(row["evaluation"] < 1e-6 * row["fit_error"] for row in rows) / len(rows)
    near = greatest(excess(r) for r in rows if r["width"] == WIDE and r["d"] <= 8)
    # In units of the rounding with which heads are evaluated, which is to be far below the errors
    # in at least half of the cells; and the 1 % of the statement.
    return (
        Check("|error − √(width² + rank²)|/rounding, largest", split, "<=", 1),
        Check("(error − √(floor² + width²))/rounding, largest", over, "<=", 1),
        Check("(floor − error)/rounding, largest", under, "<=", 1),
        Check("share of cells with rounding under 1e-6 × error", sharp, ">=", 0.5),
        Check(f"error/(floor or 1e-6 ‖F‖) at m = {WIDE}, d ≤ 8, largest", near, "<=", 1.01),
    )
