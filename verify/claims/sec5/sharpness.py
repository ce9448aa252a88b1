"""Taylor cuts of EDP on the circle: how many keys T_N selects, and what a search finds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rkbs.kernels.dot_product import TaylorEDP
from verify.harness.evidence import Check, Evidence, Verdict, drawn, greatest
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.oracles.equispaced import capacity, selection, selects
from verify.oracles.exact import lower, upper

CAPACITIES = {2: 5, 4: 7, 8: 11, 16: 17}
"""What theory §5 says of T_N at d = 2."""
MANY = 24
"""Keys far beyond these."""
FEW = 4
"""Keys of the plane for which T4 has a better arrangement: n ≤ N."""
SCALES = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0)
"""Of the starts, in turn."""
SIZES = (3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 24)
"""Where a curve is drawn."""
LEAST, GEOMETRIC, ARITHMETIC = "least", "geometric", "arithmetic"
"""Of the self-weights, what a search ascends."""


def features(order: int) -> int:
    """D for d = 2."""
    return math.comb(2 + order, 2)


def squares(order: int) -> int:
    """M for d = 2."""
    return math.comb(2 + order // 2, 2)


def search(configuration: dict[str, Any], device: str) -> dict[str, Any]:
    """The best of many free heads that ascend one score, for a sweep.

    The least self-weight is not smooth: heads ascend it after the geometric mean.
    ``score`` is in units of a self-weight, ``near`` the share of the starts that come within 1e-3
    of the best, ``mean`` and ``selected`` the best head's mean self-weight and R, ``trace`` and
    ``most`` the largest of these of all heads.
    """
    from verify.studies import free_heads

    objective = {
        LEAST: free_heads.least,
        GEOMETRIC: free_heads.geometric_mean,
        ARITHMETIC: free_heads.arithmetic_mean,
    }[configuration["objective"]]
    kernel, n = TaylorEDP(configuration["order"]), configuration["n"]
    steps = configuration["steps"]
    start = free_heads.starts(configuration["starts"], n, 2, SCALES, configuration["seed"])
    ended = tuple(points.to(device) for points in start)
    if configuration["objective"] == LEAST:
        ended = free_heads.ascend(kernel, *ended, free_heads.geometric_mean, steps, rate=0.1)
    rate = 0.01 if configuration["objective"] == LEAST else 0.1
    ended = free_heads.ascend(kernel, *ended, objective, steps, rate=rate)
    own = free_heads.self_weights(kernel, *ended)
    scores = objective(own).exp() if configuration["objective"] == GEOMETRIC else objective(own)
    best = int(scores.argmax())
    selected = (own > 0.5).sum(-1)
    return {
        "score": float(scores[best]),
        "near": float((scores > scores[best] - 1e-3).double().mean()),
        "mean": float(own[best].mean()),
        "selected": int(selected[best]),
        "trace": float(own.sum(-1).max()),
        "most": int(selected.max()),
    }


def configurations(run: Run) -> list[dict[str, Any]]:
    """Searches at each step and at many keys, from many starts; and a few for the curves."""
    orders = run.pick(quick=(2, 4, 8), full=tuple(CAPACITIES))
    thorough = {
        "starts": run.pick(quick=24, full=204),
        "steps": run.pick(quick=300, full=600),
        "seed": run.seed,
    }
    rough = thorough | {"starts": 12, "steps": 400}
    cells = [
        {"order": order, "n": n, "objective": objective, **thorough}
        for order in orders
        for n in (CAPACITIES[order], CAPACITIES[order] + 1)
        for objective in (GEOMETRIC, LEAST)
    ]
    cells += [
        {"order": 4, "n": FEW, "objective": objective, **thorough}
        for objective in (GEOMETRIC, LEAST)
    ]
    many = run.pick(quick=(ARITHMETIC,), full=(GEOMETRIC, LEAST, ARITHMETIC))
    cells += [
        {"order": order, "n": MANY, "objective": objective, **thorough}
        for order in run.pick(quick=(4,), full=(2, 4, 8))
        for objective in many
    ]
    known = {(cell["order"], cell["n"]) for cell in cells}
    sizes = run.pick(quick=(), full=SIZES)
    cells += [
        {"order": order, "n": n, "objective": GEOMETRIC, **rough}
        for order in orders
        for n in sizes
        if (order, n) not in known
    ]
    return cells


def searched(run: Run) -> list[dict[str, Any]]:
    """The searches, each with what the circle has there."""
    cells = configurations(run)
    results = sweep(run, search, cells, "sec5.sharpness")
    return [
        {name: cell[name] for name in ("order", "n", "objective", "starts")}
        | result
        | {"predicted": float(selection(cell["order"], cell["n"]).weight.mid())}
        for cell, result in zip(cells, results, strict=True)
    ]


def on_the_circle(order: int, n: int) -> float:
    """The least self-weight that the library's attention has on the arrangement itself."""
    import torch

    from verify.studies.free_heads import self_weights

    angles = 2 * np.pi * np.arange(n) / n
    points = np.stack([np.cos(angles), np.sin(angles)], -1)[None]
    scale = float(selection(order, n).scale.mid()) * math.sqrt(2)
    queries, keys = torch.tensor(scale * points), torch.tensor(points)
    return float(self_weights(TaylorEDP(order), queries, keys).min())


def closed_form_error() -> float:
    """T2: |largest self-weight − (3 + √5)/2n|, n = 3, …, 24, as balls know it."""
    with_root = [(n, selection(2, n).weight) for n in range(3, 25)]
    return greatest(abs(upper(2 * n * w - 3) ** 2 - 5) for n, w in with_root)


def _exact_checks() -> tuple[Check, ...]:
    """The circle's capacities, without rounding; in balls; and in the library's floats."""
    checks, mismatches, errors = [], 0, []
    for order, told in CAPACITIES.items():
        most = 2 * squares(order) - 1  # beyond it no arrangement selects all keys: L1′
        found = capacity(order, most)
        later = sum(selects(order, n) for n in range(found + 1, most + 1))
        checks += [
            Check(f"T{order}: capacity of the circle, exactly", found, "==", told),
            Check(f"T{order}: larger n ≤ {most} that it selects", later, "==", 0),
        ]
        for n in range(3, MANY + 1):
            weight = selection(order, n).weight
            certain = lower(weight) > 0.5 if selects(order, n) else upper(weight) <= 0.5
            mismatches += not certain
            errors.append(abs(on_the_circle(order, n) - float(weight.mid())))
    return (
        *checks,
        Check("n ≤ 24: balls on the other side of ½ than rationals", mismatches, "==", 0),
        # Values of TaylorEDP are accurate to 1e-12 relative; the scale is a float, at a maximum.
        Check("|attention on the circle − balls|, largest", greatest(errors), "<=", 1e-11),
        Check("T2: |(2n·self-weight − 3)² − 5|, largest", closed_form_error(), "<=", 1e-12),
    )


def _search_checks(rows: list[dict[str, Any]]) -> tuple[Check, ...]:
    """Trained heads step where the circle does; where n > N no search beats it.

    n > N equispaced points are a design of strength N: a row's sum is the same in all directions.
    """
    geometric = [row for row in rows if row["objective"] == GEOMETRIC]
    design = [row for row in rows if row["n"] > row["order"] and row["objective"] != ARITHMETIC]
    checks = []
    for order in dict.fromkeys(row["order"] for row in geometric):
        for n, told in ((CAPACITIES[order], CAPACITIES[order]), (CAPACITIES[order] + 1, 0)):
            (row,) = [r for r in geometric if (r["order"], r["n"]) == (order, n)]
            checks.append(Check(f"T{order}, trained, n = {n}: R", row["selected"], "==", told))
    # Three digits, as asked. A score above the circle's by more than 1e-9 is no rounding, which
    # is 1e-12 relative in the kernel and a few ε in the rows.
    apart = greatest(abs(_gain(row)) for row in design if row["objective"] == GEOMETRIC)
    gain = greatest(_gain(row) for row in design)
    trace = greatest(row["trace"] - squares(row["order"]) for row in rows)
    most = greatest(row["most"] - 2 * squares(row["order"]) + 1 for row in rows)
    return (
        *checks,
        Check("n > N: |trained geometric mean − circle|, largest", apart, "<=", 0.005),
        Check("n > N: least, geometric mean, best found − circle", gain, "<=", 1e-9),
        # The arithmetic mean gives up some keys for others: pilots found 0.180 against 0.160. And
        # for n ≤ N a first search found 0.853 against 0.835: half of that is no rounding.
        *(
            Check(f"T4, n = {n}: {objective}, best found − circle", _gain(row), ">=", 0.01)
            for row in rows
            for n, objective in ((MANY, ARITHMETIC), (FEW, GEOMETRIC), (FEW, LEAST))
            if (row["order"], row["n"], row["objective"]) == (4, n, objective)
        ),
        Check("Σ A_ii − M, all heads, largest", trace, "<=", 1e-9),
        Check("R − (2M − 1), all heads, largest", most, "<=", 0),
    )


def _gain(row: dict[str, Any]) -> float:
    """Best found − circle."""
    return row["score"] - row["predicted"]


def curves(orders: tuple[int, ...]) -> dict[str, Any]:
    """What is drawn: the circle's self-weights by n, and capacities by N with the laws' bounds."""
    sizes = list(range(2, MANY + 1))
    weights = {
        str(order): drawn([float(selection(order, n).weight.mid()) for n in sizes])
        for order in CAPACITIES
    }
    return {
        "n": sizes,
        "weights": weights,
        "capacity": [
            {
                "order": order,
                "features": features(order),
                "half_degree": 2 * squares(order) - 1,
                "circle": capacity(order, 2 * squares(order) - 1),
            }
            for order in orders
        ],
    }


@claim(
    title="Taylor cuts on the circle: attained, best found",
    origin="ours",
    finding={
        Verdict.HOLDS: "The circle selects 5, 7, 11, 17 keys for N = 2, 4, 8, 16, and no search "
        "found more; for N > 2 the gap to the bound L1′ is open."
    },
    statement="On n equispaced keys of the circle with aligned queries T_N has self-weights above "
    "½ up to n = 5, 7, 11, 17 for N = 2, 4, 8, 16 and for no larger n; trained heads step there; "
    "where n > N searches find no larger least or geometric-mean self-weight; where n ≤ N they do, "
    "and of the arithmetic mean, too",
    source="Theory §5, L2",
    method="Row sums as rational polynomials of β; the sign of 2p_N(β) − Σ_j p_N(β cos 2πj/n) by "
    "Sturm's theorem and at rational points, for all n up to L1′'s bound; maxima in balls, from "
    "the isolated roots of the derivative; Adam from random starts of scales 0.3 to 5 through the "
    "library's attention",
    scope="d = 2. The capacity is that of this arrangement, attained; that it is the largest is "
    "proved for N = 2 alone (L1′: 5), and for N = 4, 8, 16 it is the best found, where L1′ allows "
    "11, 29, 89. Searches: 24 starts, 300 steps, N ≤ 8 (full: 204 starts, 600 steps, N ≤ 16, and "
    "n = 24 for N ≤ 8; for the curves 12 starts); for the least self-weight as many more, after "
    "the geometric mean. A first full run missed the statement for all "
    "n: T4 on 4 keys has 0.854 on a trapezoid, 0.835 on the square, whose antipodes an even cut "
    "weighs; all of them are selected both ways",
    on_device=True,
)
def sharpness(run: Run) -> Evidence:
    """Exact capacities of the circle, then searches for better ones."""
    rows = searched(run)
    orders = run.pick(quick=tuple(CAPACITIES), full=tuple(range(2, 18, 2)))
    return Evidence(
        checks=(*_exact_checks(), *_search_checks(rows)),
        data={"searches": rows, "curves": curves(orders)},
    )
