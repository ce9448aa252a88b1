"""Which Banach space training chooses: the norm that an optimizer realizes, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
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


def own_gap(row: Mapping[str, Any]) -> np.ndarray:
    """Of the norm that the optimizer is to realize, for each seed."""
    return np.array(row["gaps"][row["norm"]])


def other_gap(row: Mapping[str, Any]) -> np.ndarray:
    """The least of the other norms', for each seed."""
    return np.min([gap for name, gap in row["gaps"].items() if name != row["norm"]], axis=0)


def all_of(rows: Rows, key: str) -> list[float]:
    """What all seeds of all rows have."""
    return [value for row in rows for value in np.ravel(row[key]).tolist()]


def matrix_checks(rows: Rows) -> tuple[Check, ...]:
    """Each optimizer of the matrix is at rest, in its own norm, and in no other."""
    mine = of(rows, [*RECIPES])
    balls = [row for row in mine if row["decay"] >= 0.1]  # the others decay in the objective's way
    rest = greatest(all_of(mine, "residual"))
    own = greatest(gap for row in mine for gap in own_gap(row))
    other = least(gap for row in mine for gap in other_gap(row))
    bound = greatest(abs(size - 1) for size in all_of(balls, "size"))
    return (
        Check("residual ‖u − λW‖/(λ‖W‖) of the matrix, largest", rest, "<=", AT_REST),
        # A tenth of the residual that counts as rest; other norms ten times as far as own ones may.
        Check("gap of the own norm, largest", own, "<=", 1e-4),
        Check("gap of any other norm, smallest", other, ">=", 1e-3),
        Check("|λN(W) − 1|, where a ball bounds W, largest", bound, "<=", AT_REST),
    )


def memory_checks(rows: Rows) -> tuple[Check, ...]:
    """β₂ = 0.999: not at rest after the usual steps; in ℓ^∞ after slow ones."""
    usual = of(rows, ["AdamW, β₂ = 0.999, usual steps"])
    checks = [
        # Ten times the residual that counts as rest: no fixed point by any reading.
        Check("AdamW, β₂ = 0.999: residual, smallest", least(all_of(usual, "residual")), ">=", 1e-2)
    ]
    if slow := of(rows, [name for name in MEMORY if "slow" in name]):
        rest = greatest(all_of(slow, "residual"))
        gap = greatest(gap for row in slow for gap in own_gap(row))
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
    return (
        # Fixed points of a smooth map, to rounding where steps ended in time; 1e-3 is rest.
        Check("λW = −g/(|g| + ε): residual, largest", law, "<=", AT_REST),
        # Differences of 2e-7: 1e-9 of rounding, beside gradients of 1e-2 to 1e-1.
        Check("slope of J + barrier along random directions/‖g‖, largest", slope, "<=", 1e-4),
        Check("|ℓ^∞ gap in J/(ε‖W‖₁) − 1|, largest", excess, "<=", AT_REST),
        Check("Frobenius gap − 1 + 2√(1−δ)/(2−δ), δ = λ max|w|, largest", ridge, "<=", 1e-9),
    )


def limit_checks(rows: Rows) -> tuple[Check, ...]:
    """ε → 0 is ℓ^∞, ε → ∞ with ελ fixed the Hilbert space: both gaps fall by the factor of ε."""
    mine = of(rows, [*EPSILON])
    if len(mine) < 2:
        return ()
    near = greatest(own_gap(mine[0]))
    far = greatest(mine[-1]["gaps"]["Frobenius"])
    # ε‖W‖₁λ/‖g‖₁ is 1e-5 · 64/0.1 or less, where |g| is 1e-2 at 64 entries of λ|w| ≤ 1: 1e-3; and
    # δ is 0.02/10 times the largest |w|, so that δ²/8 is below 1e-4 for all |w| ≤ 10.
    return (
        Check("ε = 1e-5: ℓ^∞ gap, largest", near, "<=", 1e-3),
        Check("ε = 10, λ = 0.002: Frobenius gap, largest", far, "<=", 1e-4),
    )


def consequence_checks(rows: Rows) -> tuple[Check, ...]:
    """Of M, singular values and entries: what each norm says, and what can fail."""
    nuclear = of(rows, [n for n, recipe in RECIPES.items() if recipe.norm.name == "Frobenius"])
    spectral = of(rows, [n for n, recipe in RECIPES.items() if recipe.norm.name == "spectral"])
    signs = of(rows, [n for n, recipe in RECIPES.items() if recipe.norm.name == "entrywise ℓ^∞"])
    narrow = of(rows, ["Muon"], 4)
    gaps = {
        name: greatest(gap for row in some for gap in row["gaps_of_M"][name])
        for name, some in (("nuclear", nuclear), ("spectral", spectral))
    }
    apart = greatest(
        abs(gap - rest)
        for row in narrow
        for gap, rest in zip(row["gaps_of_M"]["spectral"], row["beyond"], strict=True)
    )
    values = least(np.min(row["singular_values"]) for row in narrow)
    few = greatest(all_of([*nuclear, *spectral], "at_bound"))
    rough = of(rows, ["Muon, Newton–Schulz"])
    return (
        # As for maps: M solves a convex problem, and the gap bounds how far J is above its minimum.
        Check("d = D, Frobenius: nuclear gap of M, largest", gaps["nuclear"], "<=", 1e-4),
        Check("d = D, Muon: spectral gap of M, largest", gaps["spectral"], "<=", 1e-4),
        Check("d = 4, Muon: |spectral gap of M − ‖R‖_*/‖G‖_*|, largest", apart, "<=", 1e-4),
        Check("d = 4, Muon: λσ(W), smallest", values, ">=", 1 - AT_REST),
        # Half and a twentieth: 0.9 and 0.02 in the pilot.
        Check("ℓ^∞: share of entries at ±1/λ, smallest", least(all_of(signs, "at_bound")), ">=", 0.5),
        Check("Frobenius, Muon: share of entries at their largest, largest", few, "<=", 0.05),
        # Singular values of its direction lie between 0.68 and 1.13: a tenth, and half of that.
        Check(
            "Muon by Newton–Schulz: spectral gap, smallest",
            least(gap for row in rough for gap in own_gap(row)),
            ">=",
            0.05,
        ),
    )


def convex(run: Run) -> tuple[Rows, Rows]:
    """Fixed points and minimizers of convex losses."""
    seeds = range(run.seed, run.seed + run.pick(quick=1, full=5))
    steps = run.pick(quick=4000, full=16_000)
    balls = [row for seed in seeds for row in in_balls(seed, steps)]
    return balls, [row for seed in seeds for row in with_barriers(seed, 4000)]


def convex_checks(balls: Rows, barriers: Rows) -> tuple[Check, ...]:
    """J's minimum in each ball, and the barrier's minimizer, found without any optimizer."""
    excess = [row["excess"] for row in balls]
    return (
        # A gap of 1e-4 is an excess of 1e-4 · N*(g)/λ, about J: the bound of own gaps.
        Check("convex loss: J at the fixed point/minimum in the ball − 1", greatest(excess), "<=", 1e-4),
        # Both by float64, of problems with condition numbers of 1e4 and less.
        Check("the same − 1, smallest", least(excess), ">=", -1e-10),
        Check(
            "convex loss, AdamW with ε: λ|w − minimizer with the barrier|, largest",
            greatest(row["off"] for row in barriers),
            "<=",
            1e-9,
        ),
    )


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
            *limit_checks(rows),
            *consequence_checks(rows),
            *convex_checks(balls, barriers),
        ),
        data={"rows": [short(row) for row in rows], "convex": balls, "barriers": barriers},
    )
