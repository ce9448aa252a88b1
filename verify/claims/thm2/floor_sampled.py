"""Theorem 2 beyond the line: the Schmidt floor in two and four dimensions, with its error."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from rkbs.approximation.spectrum import sampled_floor, schmidt
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.studies.targets import TARGETS
from verify.studies.yardsticks import FLOOR_NODES

DIMS = (1, 2, 4, 8, 12, 16)
CONFIDENCE = 0.999
"""Of each estimate, two-sided: some sixty are compared."""
SPACES = tuple(name for name, target in TARGETS.items() if target.dim > 1)


def _row(run: Run, name: str) -> dict[str, Any]:
    """A target's floors: sampled, by quadrature in the plane, and known where they are."""
    target = TARGETS[name]
    samples, replicates = run.pick(quick=(300, 12), full=(600, 12))
    sampled = sampled_floor(target, DIMS, samples=samples, replicates=replicates, rng=run.rng)
    lower, upper = sampled.floors(float(stdtrit(replicates - 1, (1 + CONFIDENCE) / 2)))
    row: dict[str, Any] = {
        "target": name,
        "d": DIMS,
        "lower": lower,
        "upper": upper,
        "samples": samples,
        "replicates": replicates,
    }
    if target.singular_values is not None:
        sigma = target.singular_values(5000)
        row["known"] = [float(np.linalg.norm(sigma[d:])) for d in DIMS]
    if target.dim in FLOOR_NODES:
        spectrum = schmidt(target, FLOOR_NODES[target.dim], target.dim)
        row["quadrature"] = [spectrum.floor(d) for d in DIMS]
        row["quadrature_error"] = [spectrum.floor_error(d) for d in DIMS]
    return row


def _outside(row: dict[str, Any], name: str) -> float:
    """How far the floors of another method lie outside the interval, in units of its width.

    Not counting the other method's own error.
    """
    lower, upper, other = (np.array(row[key]) for key in ("lower", "upper", name))
    off = np.maximum(lower - other, other - upper) - np.array(row.get(f"{name}_error", 0.0))
    return greatest(off / (upper - lower))


@claim(
    title="The floor in more dimensions, between brackets",
    origin="ours",
    finding={
        Verdict.HOLDS: "Samples bracket the floor where no quadrature reaches: a matrix's own tail "
        "below, a held-out error above."
    },
    statement="In more dimensions the Schmidt floor is bracketed by samples: the tail of a sampled "
    "matrix lies below it on average, the held-out error of its Nyström head above",
    source="Theory §4, The floor",
    method="Independent samples of the two domains, 99.9 % intervals by Student's t over "
    "replicates, against products of one-dimensional singular values (EDP) and against tensor "
    "Gauss–Legendre quadrature with doubled nodes (in the plane)",
    scope="five targets in two and four dimensions, d ≤ 16, 300 points of each domain (full: "
    "600), 12 replicates",
)
def floor_sampled(run: Run) -> Evidence:
    """Brackets must hold what is known otherwise, and be narrow enough to say something."""
    rows = [_row(run, name) for name in run.progress(SPACES, "sampled floors")]
    known, quadrature = ([row for row in rows if name in row] for name in ("known", "quadrature"))
    wide = greatest(np.max(np.array(row["upper"]) / np.array(row["lower"])) for row in rows)
    agree = greatest(
        np.max(
            np.abs(np.array(row["quadrature"]) - row["known"]) / np.array(row["quadrature_error"])
        )
        for row in quadrature
        if "known" in row
    )
    falls = least(np.min(np.array(row["lower"])[:-1] / np.array(row["lower"])[1:]) for row in rows)
    return Evidence(
        checks=(
            # Intervals hold what is known, and quadratures differ by their claimed error: as said.
            Check(
                "known floors outside the interval, in its widths, largest",
                greatest(_outside(row, "known") for row in known),
                "<=",
                0,
            ),
            Check(
                "floors by quadrature outside the interval, in its widths, largest",
                greatest(_outside(row, "quadrature") for row in quadrature),
                "<=",
                0,
            ),
            Check("|quadrature − known|/quadrature error, largest", agree, "<=", 1),
            # Narrow enough to say something: a factor that is less than a doubling of d changes
            # most floors by. Half as many samples may leave a wider one.
            Check("upper/lower, largest", wide, "<=", run.pick(quick=2.5, full=1.5)),
            Check("floor at d over floor at the next d, smallest", falls, ">", 1),
        ),
        data={"rows": rows, "confidence": CONFIDENCE},
    )
