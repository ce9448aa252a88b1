"""Proposition 1: the features of EDP, and a misprinted normalization of them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from flint import arb, ctx
from sympy import QQ

from rkbs.kernels.dot_product import EDP
from rkbs.kernels.features import PowerFeatures, multi_indices
from verify.harness.evidence import Check, Evidence, Verdict
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import exact
from verify.oracles.exact import polynomial_ring


def misprinted_features(q: np.ndarray, order: int) -> np.ndarray:
    """√(n!/∏ r_l!) ∏ q_l^{r_l} / d^{1/4}: a normalization often printed for EDP, which is wrong.

    Its inner product is Σ_{n ≤ N} (q·k)ⁿ/√d, the geometric series of 1/(√d (1 − q·k)), not EDP.
    """
    d = q.shape[-1]
    r = multi_indices(d, order)
    weights = [
        math.sqrt(math.factorial(sum(k)) // math.prod(map(math.factorial, k))) for k in r.tolist()
    ]
    return np.prod(q[..., None, :] ** r, axis=-1) * np.array(weights) / d**0.25


def _misprint_orders(max_d: int, max_order: int) -> tuple[int, int, int]:
    """How many orders were read, how many sum to (q·k)ⁿ/√d, and to (q·k/√d)ⁿ/n! with n ≥ 2."""
    read = geometric = right = 0
    for d in range(1, max_d + 1):
        polynomials = polynomial_ring(d)
        s = polynomials.gens[-1]
        gens = polynomials.gens
        product = sum((gens[i] * gens[d + i] for i in range(d)), polynomials.zero)
        all_r = multi_indices(d, max_order).tolist()
        for n in range(max_order + 1):
            terms = {
                (*r, *r, 1): QQ(math.factorial(n), math.prod(map(math.factorial, r)))
                for r in all_r
                if sum(r) == n
            }
            read += 1
            geometric += polynomials.from_dict(terms) == s * product**n
            # s (q·k)ⁿ = sⁿ (q·k)ⁿ/n! with s² = 1/d, both positive: compare the squares. Order 1
            # is right in every d, order 0 in d = 1.
            right += n >= 2 and Fraction(1, d) == Fraction(1, d**n * math.factorial(n) ** 2)
    return read, geometric, right


@claim(
    title="Features with √(n!/∏ r_l!)/d^{1/4}",
    origin="circulation",
    finding={
        Verdict.FAILS: "This common form of the features sums to 1/(√d (1 − q·k)), which is "
        "another kernel and diverges for |q·k| ≥ 1."
    },
    statement="√(n!/∏ r_l!) ∏ q_l^{r_l} / d^{1/4} (all orders n = |r|) are features of EDP",
    source="A form often printed for Proposition 1; theory §2",
    method="Polynomial identity over the rationals for its sum at each order; the sum of "
    "these features at points with q·k = 3/4 and 3/2 against EDP in balls",
    scope="orders n ≤ 8 in d ≤ 3 (full: n ≤ 12, d ≤ 4), exactly; values at one q with q·k = 3/4 "
    "and one with 3/2, in d = 2",
)
def misprint(run: Run) -> Evidence:
    """Refuted exactly at each order n ≥ 2 read, and by value."""
    max_d, max_order = run.pick(quick=(3, 8), full=(4, 12))
    read, geometric, right = _misprint_orders(max_d, max_order)
    orders, d = list(range(61)), 2
    degree = multi_indices(d, orders[-1]).sum(1)
    curves = []
    for product in (0.75, 1.5):
        q = np.full((1, d), math.sqrt(product / d))
        sums = {
            name: [float((phi[0] ** 2)[degree <= n].sum()) for n in orders]
            for name, phi in (
                ("misprint", misprinted_features(q, orders[-1])),
                ("right", PowerFeatures(EDP(), d, orders[-1])(q)),
            )
        }
        with ctx.workprec(128):
            edp = exact.lower((arb(product) / arb(d).sqrt()).exp())
        curves.append({"product": product, "edp": edp, **sums})
    inside, outside = curves
    limit = 1 / (math.sqrt(d) * (1 - inside["product"]))
    tail = limit * inside["product"] ** (orders[-1] + 1)
    last, large = inside["misprint"][-1], outside["misprint"]
    growth = large[60] / large[30] if large[30] else math.nan
    return Evidence(
        counterexamples=(
            Check("orders read that sum to (q·k)ⁿ/√d exactly", geometric, "==", read),
            Check("orders n ≥ 2 that sum to EDP's (q·k/√d)ⁿ/n!", right, "==", 0),
            # The rest of a geometric series, and 61 sums of size 3 with 1e-16 each. EDP is below
            # e^{0.54} = 1.7, the misprint's limit 2.83; and (3/2)^30 is 1.9e5.
            Check("q·k = 3/4, d = 2: |Σ − 1/(√d(1 − q·k))|", abs(last - limit), "<=", tail + 1e-12),
            Check("q·k = 3/4, d = 2: |Σ − EDP|", abs(last - inside["edp"]), ">=", 1),
            Check("q·k = 3/2, d = 2: growth S_60/S_30", growth, ">=", 1e5),
        ),
        data={"d": d, "orders": orders, "curves": curves},
    )
