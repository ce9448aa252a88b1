"""Proposition 1: {exp(q·k/√d) : k} is not a linear space; its span, by Definition 2, is."""

from __future__ import annotations

import numpy as np
import sympy as sp

from rkbs.kernels.dot_product import EDP
from verify.harness.evidence import Check, Evidence, Verdict, greatest
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import exact


def _values_at_zero(d: int) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """At q = 0, symbolically: any member, the sum of any two, and c times any member."""
    q, k, other = (sp.symbols(f"{name}0:{d}", real=True) for name in ("q", "k", "m"))
    factor = sp.Symbol("c", real=True)

    def member(key: tuple[sp.Symbol, ...]) -> sp.Expr:
        return sp.exp(sum(a * b for a, b in zip(q, key, strict=True)) / sp.sqrt(d))

    zero = dict.fromkeys(q, 0)
    both = (member(k) + member(other)).subs(zero)
    return member(k).subs(zero), both, (factor * member(k)).subs(zero)


def _values_error(rng: np.random.Generator, d: int) -> float:
    """rkbs's κ(q, k) at random points against exp(q·k/√d) in balls, relative."""
    q, k = rng.uniform(-1, 1, size=(2, 5, d))
    points = exact.rational_points(q), exact.rational_points(k)
    return exact.gram_error(EDP(), *points, EDP()(q, k))


@claim(
    title="The functions exp(q·k/√d) form a linear space",
    origin="circulation",
    finding={
        Verdict.FAILS: "They do not: each of them is 1 at q = 0, and the sum of two is 2 there."
    },
    statement="B_X = {exp(q·k/√d) : k ∈ R^d} is a linear space",
    source="A form sometimes written for Proposition 1; theory §2",
    method="Exact (sympy): every member is 1 at q = 0, while the sum of any two is 2 there, 0 "
    "times a member is 0 and c times a member is c; the same values from rkbs's EDP, which is "
    "exp(q·k/√d) elsewhere, too (balls)",
    scope="refuted for all k at once in d = 1, 2, 3, 4; rkbs's values at q = 0 for 8 random k in "
    "each d, and at 5 random q and k",
    no_figure="the counterexample is four numbers, all of them in the record",
)
def linear_space(run: Run) -> Evidence:
    """The witness refutes the statement for all k at once, in each d listed."""
    dimensions = (1, 2, 3, 4)
    symbols = [_values_at_zero(d) for d in dimensions]
    factor = sp.Symbol("c", real=True)
    rng = run.rng
    one, two = [], []
    for d in dimensions:
        keys = rng.normal(size=(8, d)) * 3
        row = EDP()(np.zeros((1, d)), keys)[0]
        one.append(float(np.abs(row - 1).max()))
        two.append(float(np.abs(row[:4] + row[4:] - 2).max()))
    count = len(dimensions)
    member, both, scaled = (
        sum(s[i] == wanted for s in symbols) for i, wanted in enumerate((1, 2, factor))
    )
    return Evidence(
        counterexamples=(
            # Exact; at q = 0 the floats are, too. Elsewhere logits of size 2 at most round by 1e-16
            # a few times.
            Check("dimensions: every member is 1 at 0", member, "==", count),
            Check("dimensions: every sum of two is 2 at 0", both, "==", count),
            Check("dimensions: c × member is c at 0", scaled, "==", count),
            Check("rkbs: |κ(0, k) − 1|", greatest(one), "==", 0),
            Check("rkbs: |κ(0, k) + κ(0, k') − 2|", greatest(two), "==", 0),
            Check(
                "rkbs: κ(q, k) against exp(q·k/√d), relative",
                greatest(_values_error(rng, d) for d in dimensions),
                "<=",
                1e-14,
            ),
        ),
        data={"witness": {"q": 0, "member": 1, "sum": 2, "zero": 0}},
    )
