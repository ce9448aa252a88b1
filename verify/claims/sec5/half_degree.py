"""L1′: a non-negative polynomial of degree 2m selects as a kernel of degree m does, twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from flint import arb, ctx, fmpq

from rkbs.kernels.dot_product import EDP, Quadratic, TaylorEDP
from rkbs.kernels.key_norm import KeyNormBias
from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import weights as plain
from verify.oracles.exact import dyadic, lower, rational, rational_points, upper
from verify.oracles.leverage import cross_polytope, cube, design, exact_law, faults, number

POLYNOMIALS = {"quadratic": (Quadratic(1.0), 1), "T2": (TaylorEDP(2), 1), "T4": (TaylorEDP(4), 2)}
"""Non-negative polynomials of q·k/√d, and half their degrees."""


def random_rows(run: Run) -> list[dict[str, Any]]:
    """Random rational queries, keys and factors: every weight against its key's leverage."""
    rng, rows = run.rng, []
    for (name, (kernel, m)), d in product(
        {**POLYNOMIALS, "T8": (TaylorEDP(8), 4)}.items(), run.pick(quick=(2,), full=(1, 2, 3))
    ):
        n = math.comb(d + m, m) + 4
        keys = rational_points(dyadic(rng, (n, d)))
        queries = rational_points(8 * dyadic(rng, (12, d)))
        for factors in ([fmpq(1)] * n, [fmpq(int(x), 4) for x in rng.integers(1, 17, n)]):
            _, excess, total = exact_law(kernel, m, queries, keys, factors)
            rows.append({"kernel": name, "d": d, "excess": number(excess), "total": number(total)})
    return rows


def certificate_rows(rng: np.random.Generator) -> list[dict[str, int]]:
    """p_{2m} as a sum of squares, and C(q) ⪰ 0 at rational points: what is off, in rationals."""
    rows = []
    for m in (1, 2, 4):
        queries, keys = (rational_points(3 * dyadic(rng, (6, 2))) for _ in range(2))
        rows.append({"order": 2 * m} | faults(m, queries, keys))
    return rows


# ---- heads


def predicted(kernel: str, d: int, n: int) -> float:
    """The self-weight on keys of one norm, mean 0 and a multiple of 1 as their second moment."""
    return (d + 1) / n if kernel == "quadratic" else (d + 1 + math.sqrt(d * d + 1)) / (2 * n)


@dataclass(frozen=True)
class Trial:
    """Heads that are trained: of which kernel, d and n; and the M of their law, if it has one."""

    kernel: str
    d: int
    n: int
    M: int | None


def trials(run: Run) -> list[Trial]:
    """Quadratic and T2 on both sides of 2d + 1; T2 with key norms, T4 and EDP at d = 2."""
    found = []
    for d in run.pick(quick=(2, 3), full=(2, 3, 4)):
        step = 2 * d + 1
        sizes = run.pick(
            quick=(step, step + 1), full=(d + 2, step - 1, step, step + 1, step + 3, step + 6)
        )
        found += [Trial(name, d, n, d + 1) for name in ("quadratic", "T2") for n in sizes]
    return [
        *found,
        Trial("T2, key norms", 2, 6, 3),
        *(Trial("T4", 2, n, 6) for n in run.pick(quick=(6,), full=(6, 7, 8, 12))),
        *(Trial("EDP", 2, n, None) for n in run.pick(quick=(12,), full=(6, 8, 12))),
    ]


KERNELS = {
    **{name: kernel for name, (kernel, _) in POLYNOMIALS.items()},
    "T2, key norms": KeyNormBias(TaylorEDP(2), 0.3),
    "EDP": EDP(),
}


def trained_row(trial: Trial, run: Run) -> dict[str, Any]:
    """The best of its heads; the best two are judged in rationals, too."""
    from verify.studies.free_heads import geometric_mean, soft_count, trained
    from verify.studies.free_heads import least as least_weight

    heads, steps = run.pick(quick=(48, 400), full=(216, 800))
    kernel = KERNELS[trial.kernel]
    objectives = (geometric_mean, least_weight, soft_count)
    q, k = trained(kernel, trial.n, trial.d, heads, steps, seed=run.seed, objectives=objectives)
    A = plain.of_kernel(kernel, q, k)
    R, own = plain.selected(A), np.exp(-plain.mean_log(A))
    row = {
        "kernel": trial.kernel,
        "d": trial.d,
        "n": trial.n,
        "M": trial.M,
        "heads": heads,
        "trace": float(plain.own(A).sum(-1).max()),
        "own": float(own.max()),
        "R": int(R.max()),
        "exact_R": None,
        "excess": None,
    }
    if trial.kernel in POLYNOMIALS and trial.n >= trial.M:
        judged = [exactly(trial, q[i], k[i]) for i in {int(own.argmax()), int(R.argmax())}]
        row |= {
            "exact_R": max(count for count, _ in judged),
            "excess": max(excess for _, excess in judged),
        }
    return row


def exactly(trial: Trial, q: np.ndarray, k: np.ndarray) -> tuple[int, float]:
    """R and the largest weight − leverage of one trained head, its floats taken as rationals."""
    kernel, m = POLYNOMIALS[trial.kernel]
    u, v = (rational_points(x / trial.d**0.25) for x in (q, k))
    A, excess, _ = exact_law(kernel, m, u, v, [fmpq(1)] * trial.n)
    return sum(A[i][i] > fmpq(1, 2) for i in range(trial.n)), number(excess)


# ---- where the bounds are attained

DESIGNS = (2, 3, 4, 8, 64)


def tight_frames() -> list[dict[str, Any]]:
    """The quadratic kernel at a = d on rational frames: cross-polytopes and the cube."""
    frames = {f"cross-polytope, d = {d}": cross_polytope(d) for d in (2, 3, 4, 5)}
    frames["cube, d = 3"] = cube(3)
    rows = []
    for name, keys in frames.items():
        d, n = len(keys[0]), len(keys)
        norm = sum((x * x for x in keys[0]), fmpq(0))
        queries = [[d * x / norm for x in k] for k in keys]
        A = exact_law(Quadratic(1.0), 1, queries, keys, [fmpq(1)] * n)[0]
        off = sum(A[i][i] != fmpq(d + 1, n) for i in range(n))
        rows.append({"frame": name, "n": n, "bound": (d + 1) / n, "off": off})
    return rows


@ctx.workprec(128)
def design_rows() -> list[dict[str, Any]]:
    """Self-weights of 2d + 1 keys in balls: T2's and the quadratic kernel's."""
    kernels: dict[str, tuple[Callable[[arb], arb], Callable[[int], arb]]] = {
        "T2": (lambda a: 1 + a + a * a / 2, lambda d: d - 1 + arb(d * d + 1).sqrt()),
        "quadratic": (lambda a: (a + 1) ** 2, arb),
    }
    rows = []
    for d, (name, (value, best)) in product(DESIGNS, kernels.items()):
        table = [[value(best(d) * x) for x in row] for row in design(d)]
        own = [row[i] / sum(row, arb(0)) for i, row in enumerate(table)]
        target = predicted(name, d, 2 * d + 1)
        off = max(upper(abs(a - rational(target))) for a in own)
        rows.append({"kernel": name, "d": d, "least": min(map(lower, own)), "off": off})
    return rows


# ---- checks


def law_checks(
    rows: Sequence[dict[str, Any]], random: Sequence[dict[str, Any]]
) -> tuple[Check, ...]:
    """No weight above its leverage; no trace above M; at most 2M − 1 selected."""
    bound = [row for row in rows if row["M"]]
    judged = [row for row in bound if row["excess"] is not None]
    return (
        # Rationals: nothing is allowed for.
        Check(
            "random keys: weight − leverage, exact, largest",
            greatest(random, key="excess"),
            "<=",
            0,
        ),
        Check(
            "random keys: |Σ leverages − M|, exact",
            greatest(abs(r["total"]) for r in random),
            "==",
            0,
        ),
        Check(
            "trained: weight − leverage, exact, largest", greatest(judged, key="excess"), "<=", 0
        ),
        Check(
            "trained: exact R − (2M − 1), largest",
            greatest(r["exact_R"] - 2 * r["M"] + 1 for r in judged),
            "<=",
            0,
        ),
        # In floats, sums of a dozen weights.
        Check(
            "trained: tr A − M, largest", greatest(r["trace"] - r["M"] for r in bound), "<=", 1e-9
        ),
        Check(
            "trained: R − (2M − 1), largest",
            greatest(r["R"] - 2 * r["M"] + 1 for r in bound),
            "<=",
            0,
        ),
    )


def step_checks(rows: Sequence[dict[str, Any]]) -> tuple[Check, ...]:
    """All of 2d + 1 keys, not all of 2d + 2, at the predicted self-weights; controls pass."""
    two = [row for row in rows if row["kernel"] in ("quadratic", "T2")]
    at = {extra: [row for row in two if row["n"] == 2 * row["d"] + 1 + extra] for extra in (0, 1)}
    # 0.005 is the distance to which the pilot's three digits hold.
    apart = greatest(
        abs(row["own"] - predicted(row["kernel"], row["d"], row["n"])) for row in at[0] + at[1]
    )
    passing = {name: [r for r in rows if r["kernel"] == name] for name in ("T4", "EDP")}
    return (
        Check(
            "trained, n = 2d + 1: n − R, largest", greatest(r["n"] - r["R"] for r in at[0]), "==", 0
        ),
        Check("trained, n = 2d + 2: n − R, least", least(r["n"] - r["R"] for r in at[1]), ">=", 1),
        Check("trained: |self-weight − predicted|, n = 2d + 1 and 2d + 2", apart, "<=", 0.005),
        Check("T4, d = 2: R, above T2's 5", greatest(passing["T4"], key="R"), ">=", 6),
        Check("EDP, d = 2: n − R", greatest(r["n"] - r["R"] for r in passing["EDP"]), "==", 0),
    )


def exact_checks(data: dict[str, list[dict[str, Any]]]) -> tuple[Check, ...]:
    """Squares, frames and designs."""
    squares, designs = data["squares"], data["designs"]
    bad = sum(value for row in squares for key, value in row.items() if key != "order")
    t2 = [row for row in designs if row["kernel"] == "T2"]
    return (
        Check("p_2, p_4, p_8 = Σ G a^{r+s}, G ≻ 0, C(q) ⪰ 0: what is off, exact", bad, "==", 0),
        Check(
            "quadratic on rational tight frames: self-weights ≠ (d+1)/n",
            greatest(data["frames"], key="off"),
            "==",
            0,
        ),
        Check("T2 on 2d + 1 keys, in balls: least self-weight", least(t2, key="least"), ">", 0.5),
        Check(
            "designs: |self-weight − predicted|, in balls",
            greatest(designs, key="off"),
            "<=",
            1e-15,
        ),
    )


@claim(
    title="Polynomials of degree 2m select as degree m does",
    origin="ours",
    finding={
        Verdict.HOLDS: "Quadratic attention and T2 select 2d + 1 keys, reached at n = 2d + 1 and "
        "by no head beyond: half the degree decides, not D."
    },
    statement="If κ(q, k) = ψ(k)ᵀ C(q) ψ(k) with C(q) ⪰ 0 and M functions ψ, also with factors "
    "per key, no weight exceeds its key's leverage score, so tr A ≤ M and R ≤ 2M − 1; "
    "non-negative polynomials of degree 2m in q·k are such with M = C(d + m, m): quadratic "
    "attention and T2 select 2d + 1 keys at most, and do for d ≥ 2",
    source="Theory §5, L1′",
    method="leverage scores, weights and R of random and trained heads in rationals; p_2, p_4, p_8 "
    "as sums of squares with a rational moment matrix, C(q) by its inertia; self-weights on "
    "rational tight frames exactly, on 2d + 1 keys to d = 64 in balls; free heads trained on both "
    "sides of the step. T4 and EDP, in the same training, pass T2's law",
    scope="d ≤ 4, n ≤ 15, 48 starts a size, d ≤ 3 (full: 216 starts, d ≤ 4); for all heads the "
    "proof in theory §5. The predicted self-weight of T2 is attained, and the best that was found",
)
def half_degree(run: Run) -> Evidence:
    """Trained heads step where the law says; everything else in rationals and balls."""
    rows = [trained_row(trial, run) for trial in run.progress(trials(run), "trained")]
    random = random_rows(run)
    data = {
        "squares": certificate_rows(run.rng),
        "frames": tight_frames(),
        "designs": design_rows(),
    }
    told = ("trace", "own")
    return Evidence(
        checks=(*law_checks(rows, random), *step_checks(rows), *exact_checks(data)),
        data={"rows": [row | {key: drawn(row[key]) for key in told} for row in rows], **data},
    )
