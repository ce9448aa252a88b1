"""Which Banach space training chooses: the norm that an optimizer realizes, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.geometry_convex import in_balls, with_barriers
from verify.studies.geometry_runs import (
    CONDITIONS,
    EPSILON,
    MEMORY,
    NARROW,
    RECIPES,
    SEEDS,
    D,
    work,
)

AT_REST = 1e-3
"""The residual below which a gap is evidence."""
Rows = Sequence[Mapping[str, Any]]

QUICK = {
    "gradient descent": 8000,
    "Adam, λW in the objective": 8000,
    "Lion": 16_000,
    "AdamW, β₂ = 0.9": 16_000,
    "Muon": 8000,
    "AdamW, β₂ = 0.999, usual steps": 8000,
    "AdamW, ε = 0.001": 8000,
    "Muon, Newton–Schulz": 4000,
}
"""What the quick profile trains, and for how many steps."""
FIRST = 500
"""Seeds of the quick profile begin here: none is among those that were declared."""


def matrix(run: Run) -> list[dict[str, Any]]:
    """A recipe and a head dimension each."""
    if run.profile == "quick":
        seeds = [FIRST + run.seed]
        cells = [{"recipe": r, "d": D, "steps": n, "seeds": seeds} for r, n in QUICK.items()]
        return [*cells, {"recipe": "Muon", "d": 4, "steps": 4000, "seeds": seeds}]
    wide = (*RECIPES, *MEMORY, *EPSILON, *CONDITIONS)
    return [
        {"recipe": name, "d": d, "steps": None, "seeds": list(SEEDS)}
        for d, names in ((D, wide), (4, NARROW))
        for name in names
    ]


def of(rows: Rows, names: Sequence[str], d: int = D) -> list[Mapping[str, Any]]:
    """The rows of some recipes."""
    return [row for row in rows if row["recipe"] in names and row["d"] == d]


def own_gap(rows: Rows) -> list[float]:
    """The gaps of the norms that the optimizers are to realize, of all seeds."""
    return [gap for row in rows for gap in row["gaps"][row["norm"]]]


def other_gap(rows: Rows) -> list[float]:
    """The gaps of all other norms."""
    return [
        gap
        for row in rows
        for name, gaps in row["gaps"].items()
        for gap in gaps
        if name != row["norm"]
    ]


def all_of(rows: Rows, key: str) -> list[float]:
    """What all seeds of all rows have."""
    return [value for row in rows for value in np.ravel(row[key]).tolist()]


def by_norm(rows: Rows, *names: str) -> list[Mapping[str, Any]]:
    """The rows of the matrix whose optimizers are to realize one of these norms."""
    return [row for row in of(rows, [*RECIPES]) if row["norm"] in names]


def matrix_checks(rows: Rows) -> tuple[Check, ...]:
    """Each optimizer of the matrix is at rest, in its own norm, and in no other."""
    mine = of(rows, [*RECIPES])
    balls = [row for row in mine if RECIPES[row["recipe"]].ball]
    off = greatest(abs(size - 1) for size in all_of(balls, "size"))
    rest = greatest(all_of(mine, "residual"))
    return (
        Check("residual ‖u − λW‖/(λ‖W‖) of the matrix, largest", rest, "<=", AT_REST),
        # A tenth of the residual that counts as rest; others ten times as far as own ones may be.
        Check("gap of the own norm, largest", greatest(own_gap(mine)), "<=", 1e-4),
        Check("gap of any other norm, smallest", least(other_gap(mine)), ">=", 1e-3),
        Check("|λN(W) − 1|, where a ball bounds W, largest", off, "<=", AT_REST),
    )


def memory_checks(rows: Rows) -> tuple[Check, ...]:
    """β₂ = 0.999: not at rest after the usual steps; in ℓ^∞ after slow ones."""
    usual = of(rows, ["AdamW, β₂ = 0.999, usual steps"])
    moving = least(all_of(usual, "residual"))
    # Ten times the residual that counts as rest: no fixed point by any reading.
    checks = [Check("AdamW, β₂ = 0.999: residual, smallest", moving, ">=", 1e-2)]
    if slow := of(rows, [name for name in MEMORY if "slow" in name]):
        rest = greatest(all_of(slow, "residual"))
        gap = greatest(own_gap(slow))
        # v follows g² with a lag: a gap as large as the residual that counts as rest.
        checks += [
            Check("AdamW in slow steps, all β₂: residual, largest", rest, "<=", AT_REST),
            Check("AdamW in slow steps, all β₂: ℓ^∞ gap, largest", gap, "<=", 1e-3),
        ]
    return tuple(checks)


def epsilon_checks(rows: Rows) -> tuple[Check, ...]:
    """The ε law, its barrier by differences of values, its two limits."""
    mine = of(rows, [*EPSILON])
    law, slope, excess, ridge = (
        greatest(all_of(mine, key)) for key in ("law", "slope", "excess", "ridge")
    )
    checks = [
        Check("λW = −g/(|g| + ε): residual, largest", law, "<=", AT_REST),
        # What a residual of 1e-3 leaves of it, and a tenth; differences have errors of 1e-6.
        Check("slope of J + barrier along random directions/‖g‖, largest", slope, "<=", 1e-4),
        Check("|ℓ^∞ gap in J/(ε‖W‖₁) − 1|, largest", excess, "<=", AT_REST),
        # A theorem, up to rounding: gaps are of 1e-16, and δ of a fixed point to 1e-3.
        Check("Frobenius gap − 1 + 2√(1−δ)/(2−δ), δ = λ max|w|, largest", ridge, "<=", 1e-6),
    ]
    if len(mine) > 1:
        # ε‖W‖₁λ/‖g‖₁, at most ε over the mean |g|, which is 1e-2 or more; and δ²/8, δ being
        # 0.005 times the largest |w|, with a margin of a hundred.
        checks += [
            Check("ε = 1e-5: ℓ^∞ gap, largest", greatest(own_gap(mine[:1])), "<=", 1e-3),
            Check(
                "ε = 10, ελ = 0.05: Frobenius gap, largest",
                greatest(mine[-1]["gaps"]["Frobenius"]),
                "<=",
                1e-4,
            ),
        ]
    return tuple(checks)


def consequence_checks(rows: Rows) -> tuple[Check, ...]:
    """Of M, singular values and entries: what each norm says, and what can fail."""
    nuclear, spectral = by_norm(rows, "Frobenius"), by_norm(rows, "spectral")
    signs, narrow = by_norm(rows, "entrywise ℓ^∞"), of(rows, ["Muon"], 4)
    low = greatest(gap for row in nuclear for gap in row["gaps_of_M"]["nuclear"])
    flat = greatest(gap for row in spectral for gap in row["gaps_of_M"]["spectral"])
    apart = greatest(
        abs(gap - rest)
        for row in narrow
        for gap, rest in zip(row["gaps_of_M"]["spectral"], row["beyond"], strict=True)
    )
    values = least(all_of(narrow, "singular_values"))
    many = least(all_of(signs, "at_bound"))
    few = greatest(all_of([*nuclear, *spectral], "at_bound"))
    return (
        # As of maps: M solves a convex problem, and the gap bounds how far J is above its minimum.
        Check("d = D, Frobenius: nuclear gap of M, largest", low, "<=", 1e-4),
        Check("d = D, Muon: spectral gap of M, largest", flat, "<=", 1e-4),
        Check("d = 4, Muon: |spectral gap of M − ‖R‖_*/‖G‖_*|, largest", apart, "<=", 1e-4),
        Check("d = 4, Muon: λσ(W), smallest", values, ">=", 1 - AT_REST),
        # Half, and a twentieth, which are three of 64 entries: 0.9 and 0.02 in the pilot.
        Check("ℓ^∞: share of entries at ±1/λ, smallest", many, ">=", 0.5),
        Check("Frobenius, Muon: share of entries at their largest, largest", few, "<=", 0.05),
    )


def condition_checks(rows: Rows) -> tuple[Check, ...]:
    """Without a condition: no norm, several norms, or no ball."""
    checks = []
    if rough := of(rows, ["Muon, Newton–Schulz"]):
        # Singular values of u lie between 0.68 and 1.13: 0.2 for even ones, and a quarter of it.
        gap = least(own_gap(rough))
        checks.append(Check("Muon by Newton–Schulz: spectral gap, smallest", gap, ">=", 0.05))
    if one := of(rows, ["rank-one descent, λ = 1"]):
        gaps = greatest(
            g
            for row in one
            for name in ("Frobenius", "spectral", "nuclear")
            for g in row["gaps"][name]
        )
        checks.append(Check("M of rank one: all three Schatten gaps, largest", gaps, "<=", 1e-6))
    if inner := of(rows, ["normalized gradient, λ = 0.05"]):
        size = greatest(all_of(inner, "size"))
        checks.append(Check("λ = 0.05, the ball too large: λN(W), largest", size, "<", 0.99))
    return tuple(checks)


def convex(run: Run) -> tuple[Rows, Rows]:
    """Fixed points and minimizers of convex losses."""
    seeds = range(run.seed, run.seed + run.pick(quick=1, full=5))
    steps = run.pick(quick=4000, full=16_000)
    balls = [row for seed in seeds for row in in_balls(seed, steps)]
    return balls, [row for seed in seeds for row in with_barriers(seed, steps)]


def convex_checks(balls: Rows, barriers: Rows) -> tuple[Check, ...]:
    """J's minimum in each ball, and the barrier's minimizer, found without any optimizer."""
    excess = [row["excess"] for row in balls]
    off = greatest(row["off"] for row in barriers)
    return (
        # A gap of 1e-4, the bound of own gaps, is an excess of 1e-4 · N*(g)/λ, of the size of J.
        Check("convex J at the fixed point/minimum in the ball − 1", greatest(excess), "<=", 1e-4),
        # Minima by float64, of problems with condition numbers of 1e4 and less.
        Check("convex J at the fixed point/minimum − 1, smallest", least(excess), ">=", -1e-10),
        Check("convex J, ε > 0: λ|w − the barrier's minimizer|, largest", off, "<=", 1e-9),
    )


def short(value: Any) -> Any:
    """What a record keeps of what was measured: four digits."""
    if isinstance(value, Mapping):
        return {key: short(entry) for key, entry in value.items()}
    return value if isinstance(value, str) else drawn(value)


@claim(
    title="Which Banach space training chooses",
    finding={
        Verdict.HOLDS: "Decoupled decay ends in the optimizer's own norm: gradient descent in "
        "Hilbert space, Lion and slow AdamW in ℓ^∞, Muon in the spectral norm; Adam's ε is a "
        "barrier between the first two."
    },
    statement="With decoupled weight decay optimizers come to rest at the optimality conditions of "
    "min J over the ball of their own norm, and of no other: gradient descent and momentum "
    "Frobenius (so does Adam with the decay in its objective), sign descent, Lion and AdamW "
    "entrywise ℓ^∞, Muon spectral, coordinate descent entrywise ℓ¹, rank-one descent nuclear; AdamW "
    "with ε > 0 at those of J with a log barrier, which is between ℓ^∞ (ε → 0) and Hilbert space (ε → "
    "∞ at fixed ελ)",
    source="Theory, Which space training chooses",
    method="One head, full batch, float64, steps that fall to 0. Gaps 1 − ⟨−g, W⟩/(N*(g) N(W)) "
    "beside the residual of the fixed point, over the last time in which decay shrinks by e: a gap "
    "is evidence where that is below 1e-3. Convex losses against projected gradients and Newton's "
    "method, the barrier by differences of values, certificates of M = W_QᵀW_K in its own norm",
    scope="One head of d = D = 8 (some again at d = 4), 128 queries with 15 % noise, 5 seeds. AdamW "
    "with β₂ = 0.99 and 0.999 does not come to rest in 16 000 steps that do at 0.9; with steps as "
    "small against 1 − β₂ it does. The polar factor is exact: Muon's five steps of Newton–Schulz "
    "are in no norm's space. No minibatches, no further layers. Quick: 9 runs of one seed",
)
def geometry(run: Run) -> Evidence:
    """The matrix of optimizers and norms, β₂, ε, and certificates of M."""
    cells = matrix(run)
    results = sweep(run, work, cells, "deep.geometry")
    rows = [
        {"recipe": cell["recipe"], "d": cell["d"], **result}
        for cell, result in zip(cells, results, strict=True)
    ]
    balls, barriers = convex(run)
    return Evidence(
        checks=(
            *matrix_checks(rows),
            *memory_checks(rows),
            *epsilon_checks(rows),
            *consequence_checks(rows),
            *condition_checks(rows),
            *convex_checks(balls, barriers),
        ),
        data={"rows": [short(row) for row in rows], "convex": balls, "barriers": barriers},
    )
