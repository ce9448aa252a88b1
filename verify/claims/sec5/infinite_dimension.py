"""The paper's sentence on infinite dimension: laws, recall, and language models of a text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat

from rkbs.data.gdsc import DataNotFoundError
from rkbs.kernels.capped_edp import CappedEDP
from rkbs.kernels.distance import RBF, L2Distance
from rkbs.kernels.dot_product import EDP, Quadratic, TaylorEDP
from rkbs.kernels.entity import Constant
from rkbs.kernels.selection import capacity
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.findings import differences, outcomes
from verify.studies.paired import interval

Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]


def taylor(order: int) -> Formula:
    """Σ_{n ≤ N} aⁿ/n!, a = q·k/√d, term by term."""

    def formula(q: np.ndarray, k: np.ndarray) -> np.ndarray:
        a = q @ k.T / math.sqrt(q.shape[1])
        return sum((a**n / math.factorial(n) for n in range(order + 1)), np.zeros_like(a))

    return formula


def exponential(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """exp(q·k/√d), each row over its largest."""
    a = q @ k.T / math.sqrt(q.shape[1])
    return np.exp(a - a.max(1, keepdims=True))


def apart(q: np.ndarray, k: np.ndarray) -> np.ndarray:
    """‖q − k‖."""
    return np.sqrt(((q[:, None] - k) ** 2).sum(-1))


CUTS = {"T2": 2, "T4": 4, "T8": 8}
FINITE = {"quadratic": Quadratic(), **{name: TaylorEDP(order) for name, order in CUTS.items()}}
FORMULAS: dict[str, Formula] = {"T2": taylor(2), "L2": apart}
"""Written anew, to judge the arrangements that the library finds."""
SHOWN = (
    ("uniform", Constant(), 2),
    ("quadratic", Quadratic(), 2),
    *((f"T{order}", TaylorEDP(order), 2) for order in (2, 4, 8, 16)),
    ("capped ±1", CappedEDP(1.0), 2),
    ("L2", L2Distance(), 2),
    ("EDP", EDP(), 2),
    ("EDP, d = 1", EDP(), 1),
    ("RBF, d = 1", RBF(), 1),
)
KEYS = 16
"""Of the recall at a fixed number, d = 2."""
TEXT = "a text, d = 16: NLL of L2 − of quadratic, lower end of the t interval"
RIVALS = {"T16": "EDP", "T2": "L2", "T4": "capped ±1"}
"""Finite kernels, and infinite ones that they are compared with."""


def circle(n: int) -> np.ndarray:
    """n equispaced points of the unit circle."""
    angles = 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def own(weights: np.ndarray) -> np.ndarray:
    """The A_ii of values of a kernel."""
    return np.diagonal(weights) / weights.sum(1)


def by_edp(n: int) -> float:
    """The least self-weight that EDP gives n keys of the plane, equispaced on a circle.

    A logit of a = β cos at distance 2π/n of its key; β such that neighbors get e^{−8} of it.
    """
    keys = circle(n)
    beta = 8 / (1 - math.cos(2 * math.pi / n)) * math.sqrt(2)
    return float(own(exponential(beta * keys, keys)).min())


def by_features(n: int) -> float:
    """The least self-weight that n positive features Σ_l e^{w_l·q} e^{w_l·k} give n keys.

    Keys and queries on the circle, w_l along the keys; such that another key gets e^{−16} at most.
    """
    keys = circle(n)
    logs = 16 / (1 - math.cos(2 * math.pi / n)) * keys @ keys.T  # w_l·k_j
    exponents = logs[:, None] + logs  # (query, key, feature)
    values = np.exp(exponents - exponents.max((1, 2), keepdims=True)).sum(-1)
    return float(own(values).min())


def recalled(run: Run) -> dict[str, list[float]]:
    """Accuracies of heads trained to recall ``KEYS`` keys of the plane, by contestant."""
    from verify.studies.recall import work

    budget = {
        "seeds": run.pick(quick=3, full=5),
        "steps": run.pick(quick=500, full=2000),
        "examples": run.pick(quick=500, full=2000),
        "seed": run.seed,
    }
    names = [*RIVALS, *RIVALS.values()]
    cells = [{"kernel": name, "d": 2, "sizes": [KEYS], **budget} for name in names]
    results = sweep(run, work, cells, "sec5.infinite_dimension")
    return {
        name: result["found"][0]["accuracy"] for name, result in zip(names, results, strict=True)
    }


def on_text(run: Run) -> list[float]:
    """How much the L2 distance predicts a text worse than 153 features do, run by run.

    Of the runs that were declared in the study on text; none in the quick profile, nor where the
    text is missing.
    """
    from verify.studies.text import DECLARED, configurations, encoded, work

    blunt, sharp = kernels = ("L2", "quadratic")
    try:
        encoded()
    except DataNotFoundError:
        return []
    cells = run.pick(quick=[], full=configurations(None, None, kernels, [16]))
    results = sweep(run, work, cells, "sec5.text") if cells else []
    found = outcomes(DECLARED, cells, results)
    return differences(found, blunt, sharp, 16)


def rank(name: str, d: int, D: int) -> int:
    """The exact rank of the Gram matrix of D + 2 integer points, a for a·√d."""
    rng = np.random.default_rng([d, D])
    points = rng.integers(-50, 51, size=(2, D + 2, d)).tolist()
    a = [[fmpq(sum(map(int.__mul__, q, k))) for k in points[1]] for q in points[0]]
    if name == "quadratic":
        return int(fmpq_mat([[(entry + 1) ** 2 for entry in row] for row in a]).rank())
    factors = [fmpq(1, math.factorial(n)) for n in range(CUTS[name] + 1)]

    def value(entry: fmpq) -> fmpq:
        total = fmpq(0)
        for factor in reversed(factors):
            total = total * entry + factor
        return total

    return int(fmpq_mat([[value(entry) for entry in row] for row in a]).rank())


def capacities() -> list[dict[str, Any]]:
    """Finite kernels: their D, declared and by exact ranks, and EDP on D + 1 keys of the plane."""
    rows = []
    for name, kernel in FINITE.items():
        for d in (2, 3) if name != "T8" else (2,):
            D = kernel.rank_bound(d)
            rows.append({"kernel": name, "d": d, "D": D, "rank": rank(name, d, D)})
            rows[-1]["edp"] = by_edp(D + 1)
    return rows


def shown() -> list[dict[str, Any]]:
    """D and capacity of kernels on both sides, infinity as None: what the figure shows."""
    rows = []
    for name, kernel, d in SHOWN:
        found = capacity(kernel, d)
        row = {"D": kernel.rank_bound(d), "attained": found.attained, "bound": found.bound}
        told = {key: None if math.isinf(value) else int(value) for key, value in row.items()}
        rows.append({"kernel": name, "d": d, "law": found.law, **told})
    return rows


def arranged(kernel: Any, name: str) -> dict[str, Any]:
    """The capacity of a kernel in the plane, its arrangement judged by the formula."""
    found = capacity(kernel, 2)
    weights = own(FORMULAS[name](found.queries, found.keys))
    return {"kernel": name, "n": len(weights), "least": float(weights.min()), "bound": found.bound}


@claim(
    title="What infinite dimension buys: any number of keys",
    origin="paper",
    finding={
        Verdict.HOLDS_IF: "Infinite dimension is needed to single out unboundedly many keys in one "
        "head; for a given number it is neither needed nor enough, nor is it enough on a text.",
    },
    statement="The infinite dimensionality of the standard Transformer kernel is partially "
    "responsible for its performance",
    source="Wright & Gonzalez (2021), section 5; theory §5, What infinite dimension buys",
    method="Necessary: a kernel of D features (exact ranks) selects at most D keys "
    "(sec5.dimension), where EDP in the plane selects D + 1. Not needed for a given number: 16 "
    "positive features, and T16, on 16 keys. Not enough: the L2 distance selects 2 keys (no more: "
    "sec5.metric) where T2 selects 5, and recalls less; so does EDP with capped logits against T4. "
    "Arrangements are judged by formulas written anew, recall by trained heads. On a text: the L2 "
    "distance against the quadratic kernel, of 153 features, by the runs that sec5.text declared",
    scope="one head, free queries and keys, no term per pair (causal mask, position bias), d = 2 "
    "and 3; recall of 16 keys in the plane, 3 seeds (full: 5). The text is that of sec5.text, in "
    "the full profile alone. Whether a text needs infinite dimension is not decided: EDP is better "
    "there than its cuts T2 and T4, also where equality was declared (sec5.text), and level with "
    "T16 (sec5.text_kernels, of which nothing was declared)",
    on_device=True,
)
def infinite_dimension(run: Run) -> Evidence:
    """Laws for every n, recall at n = 16, and language models."""
    text = on_text(run)
    accuracies, rows = recalled(run), capacities()
    finite, infinite = arranged(TaylorEDP(2), "T2"), arranged(L2Distance(), "L2")
    best = {name: greatest(values) for name, values in accuracies.items()}
    worst = {name: least(values) for name, values in accuracies.items()}
    return Evidence(
        checks=(
            # Neighbors get e^{−8} of the own weight: 1/(1 + 2e^{−8}/(1 − e^{−24})) = 0.9993.
            Check(
                "EDP on D + 1 keys, D of each finite kernel: self-weight, smallest",
                least(row["edp"] for row in rows),
                ">=",
                0.999,
            ),
            *(
                Check(f"finite kernels: exact rank on D + 2 points/D, {what}", ratio, "==", 1)
                for what, ratio in (
                    ("smallest", least(row["rank"] / row["D"] for row in rows)),
                    ("largest", greatest(row["rank"] / row["D"] for row in rows)),
                )
            ),
        ),
        counterexamples=(
            Check(
                f"{KEYS} positive features, {KEYS} keys: self-weight", by_features(KEYS), ">=", 0.99
            ),
            # Right but for one in a hundred: a head that singles out its keys is always right.
            Check(f"T16, {KEYS} keys: accuracy, the best head's", best["T16"], ">=", 0.99),
            Check("T2: keys that it selects in the plane", selected(finite), "==", 5),
            Check("L2 distance: keys that it selects there", selected(infinite), "==", 2),
            *(
                # Of 500 examples, if their 16 queries count as one, an accuracy has a standard
                # error of 0.022: 0.05 is more than two.
                Check(
                    f"{KEYS} keys: accuracy of {cut}, worst head, − {blunt}, best head",
                    worst[cut] - best[blunt],
                    ">=",
                    0.05,
                )
                for cut, blunt in (("T2", "L2"), ("T4", "capped ±1"))
            ),
            *((Check(TEXT, interval(text, 0.05)[0], ">", 0),) if text else ()),
        ),
        condition="one head has to single out unboundedly many keys. For a given number of keys "
        "finitely many features do, at least that many, and infinitely many alone do not"
        f"{', nor on a text' if text else ''}: the kernel has to be sharp",
        data={
            "accuracy": accuracies,
            "capacities": rows,
            "arranged": [finite, infinite],
            "shown": shown(),
            "text": text,
        },
    )


def selected(found: dict[str, Any]) -> int:
    """The keys of an arrangement, if all of them have more than half of their query's weight."""
    return found["n"] if found["least"] > 0.5 else 0
