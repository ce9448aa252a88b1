"""Proposition 1: {exp(q·k/√d) : k} is not a linear space; its span, by Definition 2, is."""

from __future__ import annotations

import math

import numpy as np
from flint import arb, ctx

from rkbs.kernels.dot_product import EDP
from rkbs.kernels.features import PowerFeatures
from rkbs.spaces.banach_pair import RKBSPair
from rkbs.spaces.element import Element
from verify.harness.evidence import Check, Evidence, Verdict, greatest
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import exact


def _span_error(f: Element, order: int, q: np.ndarray, keys: np.ndarray, c: np.ndarray) -> float:
    """Largest |f(q) − Σ_j c_j κ(q, k_j)| over (remainder bound + rounding), κ in balls.

    The rounding is that of prop1.truncation for each section of the sum, and u more for each of
    the n sections added: (D + 2(6N + d + 2) + 1 + n) u Σ_j |c_j| e^{|q|·|k_j|/√d}.
    """
    n, d = keys.shape
    unit = (f.spaces.dim + 2 * (6 * order + d + 2) + 1 + n) * exact.UNIT
    rounding = unit * (np.exp(np.abs(q) @ np.abs(keys).T / math.sqrt(d)) @ np.abs(c))
    return _error_against_balls(f(q), order, q, keys, c, rounding)


def _error_against_balls(
    values: np.ndarray,
    order: float,
    q: np.ndarray,
    keys: np.ndarray,
    c: np.ndarray,
    rounding: np.ndarray,
) -> float:
    """Largest |values − Σ_j c_j κ(q, k_j)| over (what is cut beyond the order + rounding)."""
    sources = exact.rational_points(keys)
    worst = 0.0
    with ctx.workprec(128):
        factors = [arb(exact.rational(value)) for value in c.tolist()]
        for x, value, allowed in zip(exact.rational_points(q), values, rounding, strict=True):
            truth, rest = arb(0), arb(float(allowed))
            for factor, k in zip(factors, sources, strict=True):
                a = exact.logit(x, k)
                truth += factor * a.exp()
                rest += abs(factor) * exact.remainder_bound(a, order) if order < math.inf else 0
            error = abs(arb(exact.rational(float(value))) - truth)
            worst = greatest(worst, exact.upper(error / rest))
    return worst


def _kernel_error(q: np.ndarray, keys: np.ndarray, c: np.ndarray) -> float:
    """The same for rkbs's own κ: Σ_j c_j κ(q, k_j), without features.

    In units of the rounding: (d + 2) u |q|·|k|/√d in each exponent, 4u in exp and n sums.
    """
    n, d = keys.shape
    logits = np.abs(q) @ np.abs(keys).T / math.sqrt(d)
    rounding = exact.UNIT * (((d + 2) * logits + 4 + n) * np.exp(logits)) @ np.abs(c)
    return _error_against_balls(EDP()(q, keys) @ c, math.inf, q, keys, c, rounding)


def _sum_gap(spaces: RKBSPair, keys: np.ndarray, c: np.ndarray, v: np.ndarray) -> float:
    """Σ_j c_j κ(·,k_j), added as elements of B_X, against f_v with v = Σ_j c_j Φ(k_j).

    The same 5 products and 4 sums in another order: within 10u of Σ_j |c_j Φ(k_j)| each way.
    """
    sections = [spaces.section_y(k) for k in keys]
    total = sum((b * s for b, s in zip(c[1:], sections[1:], strict=True)), c[0] * sections[0])
    size = np.abs(c) @ np.abs([section.coefficients for section in sections])
    return float((np.abs(total.coefficients - v) / (20 * exact.UNIT * size)).max())


@claim(
    title="The span of kernel sections is in the space",
    origin="paper",
    finding={
        Verdict.HOLDS: "Sums and multiples of kernel sections are elements of the pair, with the "
        "summed coefficients."
    },
    statement="The span of {exp(q·k/√d) : k} consists of functions f_v of Definition 2: "
    "κ(·,k_1) + κ(·,k_2) = f_v with v = Φ(k_1) + Φ(k_2), f_v + f_w = f_{v+w}, c f_v = f_{cv}",
    source="Paper Definition 2 and Proposition 1; theory §2",
    method="rkbs.spaces' elements on EDP's features against the kernel in balls, at random "
    "points, within the remainder bound and the rounding of the inner products; rkbs's kernel "
    "against the same balls",
    scope="random sections and coefficients (sums of 2 and of 5) at 10 random points in [−1, 1]^d, "
    "in d ≤ 3 with features cut at orders N from 3 to 12 (full: d ≤ 4, N up to 30); for every "
    "sum by linearity of v ↦ f_v",
    shown_in="prop1.reproducing",
)
def span(run: Run) -> Evidence:
    """Sampled: random sections, coefficients and points in several d and N."""
    rng = run.rng
    more = run.pick(quick=[], full=[(1, 30), (2, 16), (3, 12), (4, 9)])
    rows = []
    for d, order in run.progress([(1, 12), (2, 8), (3, 6), (2, 3), *more], "spans"):
        spaces = RKBSPair.from_kernel(EDP(), d, order)
        keys, q = rng.uniform(-1, 1, size=(5, d)), rng.uniform(-1, 1, size=(10, d))
        phi = PowerFeatures(EDP(), d, order)(keys)
        c = rng.normal(size=5)
        both, mixed = spaces.f(phi[0] + phi[1]), spaces.f(c @ phi)
        rows.append(
            {
                "d": d,
                "order": order,
                "sum": _span_error(both, order, q, keys[:2], np.ones(2)),
                "combination": _span_error(mixed, order, q, keys, c),
                "additive": _sum_gap(spaces, keys, c, mixed.coefficients),
                "kernel": _kernel_error(q, keys, c),
            }
        )
    worst = {key: greatest(rows, key=key) for key in ("sum", "combination", "additive", "kernel")}
    return Evidence(
        checks=(  # in units of what is cut and of the rounding of the operations
            Check("|f_v − κ(·,k_1) − κ(·,k_2)|/(remainder + rounding)", worst["sum"], "<=", 1),
            Check("|f_v − Σ c_j κ(·,k_j)|/(remainder + rounding)", worst["combination"], "<=", 1),
            Check("Σ c_j f_{v_j} against f of Σ c_j v_j, in roundings", worst["additive"], "<=", 1),
            Check("rkbs's Σ c_j κ(·,k_j) against balls, in roundings", worst["kernel"], "<=", 1),
        ),
        data={"cases": rows},
    )
