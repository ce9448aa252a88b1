"""Proposition 1: what is lost by cutting EDP's series at order N, over a whole interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flint import acb, arb, ctx

from rkbs.features import PowerFeatures
from rkbs.kernels import EDP
from verify import exact
from verify.ledger import Check, Evidence, Run, claim

REACH = 30.0
"""Logits in [−30, 30] are covered."""

UNIT = 2.0**-53


def ratio(a: arb, order: int) -> arb:
    """ρ(a) = |Σ_{n>N} aⁿ/n!| / (|a|^{N+1} e^{max(a,0)}/(N+1)!) = e^{−max(a,0)} ₁F₁(1; N+2; a).

    For a ≥ 0 Kummer's transformation makes it ₁F₁(N+1; N+2; −a).
    """
    if a <= 0:
        return a.hypgeom_1f1(1, order + 2)
    return (-a).hypgeom_1f1(order + 1, order + 2)


def fall(a: Any, order: int) -> Any:
    """−ρ'(a) for a ≥ 0: (N+1)/(N+2) ₁F₁(N+2; N+3; −a)."""
    return (-a).hypgeom_1f1(order + 2, order + 3) * (order + 1) / (order + 2)


def rise(a: Any, order: int) -> Any:
    """ρ'(a) for a ≤ 0: ₁F₁(2; N+3; a)/(N+2)."""
    return a.hypgeom_1f1(2, order + 3) / (order + 2)


def fall_below(a: arb, order: int) -> arb:
    """A lower bound of ``fall`` on a ball: Kummer makes it c e^{−a} ₁F₁(1; N+3; a)."""
    return (-a).exp() * _partial_sum(1, order + 3, a) * (order + 1) / (order + 2)


def rise_below(a: arb, order: int) -> arb:
    """A lower bound of ``rise`` on a ball: Kummer makes it e^{a} ₁F₁(N+1; N+3; −a)/(N+2)."""
    return a.exp() * _partial_sum(order + 1, order + 3, -a) / (order + 2)


def _partial_sum(alpha: int, beta: int, z: arb, terms: int = 90) -> arb:
    """The first terms of ₁F₁(α; β; z) by Horner's rule: for z ≥ 0 all others are ≥ 0."""
    total = arb(1)
    for j in range(terms - 1, -1, -1):
        total = 1 + z * (alpha + j) / ((beta + j) * (j + 1)) * total
    return total


def remainder(a: arb, order: int) -> arb:
    """|eᵃ − Σ_{n ≤ N} aⁿ/n!|, straight from the definition."""
    return abs(a.exp() - sum((a**n / math.factorial(n) for n in range(order + 1)), arb(0)))


def bound(a: arb, order: int) -> arb:
    """|a|^{N+1} e^{max(a,0)}/(N+1)!."""
    return abs(a) ** (order + 1) * a.max(0).exp() / math.factorial(order + 1)


def _certify(order: int) -> dict[str, float]:
    """ρ rises on [−30, 0] and falls on [0, 30], by balls that cover both."""
    with ctx.workprec(128):
        up, cells_up = exact.certify_positive(lambda a: rise_below(a, order), -REACH, 0.0)
        down, cells_down = exact.certify_positive(lambda a: fall_below(a, order), 0.0, REACH)
        left, top, right = (ratio(arb(a), order) for a in (-REACH, 0, REACH))
        # The derivatives themselves: their integrals are the differences of ρ.
        climb = acb.integral(lambda a, _: rise(a, order), -REACH, 0).real
        drop = acb.integral(lambda a, _: fall(a, order), 0, REACH).real
        mismatch = max(exact.upper(abs(top - left - climb)), exact.upper(abs(top - right - drop)))
        return {
            "order": order,
            "cells": cells_up + cells_down,
            "rise": up,
            "fall": down,
            "left": exact.lower(left),
            "right": exact.lower(right),
            "top_is_one": bool(top == 1),
            "integral_mismatch": mismatch,
        }


def _pointwise(order: int, grid: np.ndarray) -> dict[str, Any]:
    """Remainder, bound and rkbs's float bound at the points of a grid (a ≠ 0)."""
    floats = PowerFeatures(EDP(), 1, order).remainder_bound(grid)
    tight, formula, code, enclosed = [], 0.0, 0.0, 0.0
    with ctx.workprec(512):
        for a, value in zip(grid.tolist(), floats.tolist(), strict=True):
            ball = arb(exact.rational(a))
            rest, limit = remainder(ball, order), bound(ball, order)
            tight.append(exact.upper(rest / limit))
            formula = max(formula, exact.upper(abs(rest / limit - ratio(ball, order))))
            code = max(code, exact.relative(value, limit, limit))
            enclosed = max(enclosed, exact.upper(rest / arb(exact.rational(value))))
    return {
        "order": order,
        "tightness": tight,
        "ratio_mismatch": formula,
        "code_error": code,
        "remainder_over_code": enclosed,
    }


def _allowance(d: int, order: int, dim: int, size: float) -> float:
    """Rounding of Φ(q)·Φ(k): (D + 2(6N + d + 2) + 1) u e^{|q|·|k|/√d}.

    Each feature takes at most 6N + d + 2 rounded operations (prop1.features), the inner product
    D more a term, and Σ_r |φ_r(q) φ_r(k)| ≤ e^{|q|·|k|/√d}; one further u for what is of order u².
    """
    return (dim + 2 * (6 * order + d + 2) + 1) * UNIT * math.exp(size)


def _inner_product(d: int, order: int, q: np.ndarray, k: np.ndarray) -> dict[str, float]:
    """|Φ(q)·Φ(k) − e^{q·k/√d}| of rkbs's features, with the bound and the rounding allowed."""
    phi = PowerFeatures(EDP(), d, order)
    value = float((phi(q[None]) @ phi(k[None]).T)[0, 0])
    with ctx.workprec(256):
        a = exact.logit(*exact.rational_points(np.stack([q, k])))
        error = exact.upper(abs(arb(exact.rational(value)) - a.exp()))
        limit = exact.upper(bound(a, order))
        logit = float(a.mid())
    size = float(np.abs(q) @ np.abs(k)) / math.sqrt(d)
    return {
        "d": d,
        "order": order,
        "a": logit,
        "error": error,
        "bound": limit,
        "rounding": _allowance(d, order, phi.dim, size),
    }


def _curves(orders: list[int]) -> list[dict[str, Any]]:
    """Error, bound and rounding against the order, for figures: d = 2, k = ±q."""
    curves = []
    for a in (-8.0, -2.0, 2.0, 8.0):
        q = np.full(2, math.sqrt(abs(a) / math.sqrt(2)))
        rows = [_inner_product(2, order, q, math.copysign(1, a) * q) for order in orders]
        curves.append(
            {"a": a, **{key: [row[key] for row in rows] for key in ("error", "bound", "rounding")}}
        )
    return curves


@claim(
    "prop1.truncation",
    statement="|Σ_{n>N} aⁿ/n!| ≤ |a|^{N+1} e^{max(a,0)}/(N+1)!, and it is the error of the cut "
    "features: |Φ_N(q)·Φ_N(k) − exp(q·k/√d)| keeps this bound at a = q·k/√d",
    source="paper Proposition 1; theory §2",
    method="for each N listed, over the whole of [−30, 30]: balls without gaps certify that the "
    "remainder over its bound rises to a = 0 and falls after, and at 0 it is 1 exactly; then "
    "points: the remainder by its definition in balls, rkbs's float bound, and rkbs's features",
    figure="prop1_truncation",
)
def truncation(run: Run) -> Evidence:
    """A certificate over the continuum in a; orders N are those listed; features are sampled."""
    orders = run.pick(quick=[0, 1, 2, 3, 4, 6, 8, 12, 20], full=list(range(41)))
    grid = np.linspace(-REACH, REACH, run.pick(quick=121, full=241))
    grid = grid[grid != 0]
    certificates = [_certify(order) for order in run.progress(orders, "certificates over [−30, 30]")]
    points = [_pointwise(order, grid) for order in run.progress(orders, "points")]
    rng, products = run.rng, []
    for d in (1, 2, 3):
        for order in range(1, run.pick(quick=13, full=21)):
            q, k = rng.uniform(-1.5, 1.5, size=(2, d))
            products.append(_inner_product(d, order, q, k))
    beyond = max((p["error"] - p["rounding"]) / p["bound"] for p in products)
    telling = sum(p["bound"] > 10 * p["rounding"] for p in products)
    shown = [p for p in points if p["order"] in (0, 1, 2, 4, 8, 20)]
    tightness = {p["order"]: [round(t, 5) for t in p["tightness"]] for p in shown}
    return Evidence(
        checks=(
            Check("ρ' on [−30, 0], lower bound", min(c["rise"] for c in certificates), ">", 0),
            Check("−ρ' on [0, 30], lower bound", min(c["fall"] for c in certificates), ">", 0),
            Check("orders with ρ(0) = 1 exactly", sum(c["top_is_one"] for c in certificates), "==", len(orders)),
            Check("ρ at ±30, lower bound", min(min(c["left"], c["right"]) for c in certificates), ">", 0),
            Check("∫ρ' against ρ's differences", max(c["integral_mismatch"] for c in certificates), "<=", 1e-15),
            Check("remainder/bound at points, largest", max(max(p["tightness"]) for p in points), "<=", 1),
            Check("remainder/bound against ρ at points", max(p["ratio_mismatch"] for p in points), "<=", 1e-30),
            Check("rkbs's bound, relative error", max(p["code_error"] for p in points), "<=", 1e-13),
            Check("remainder/rkbs's bound − 1", max(p["remainder_over_code"] for p in points) - 1, "<=", 1e-13),
            Check("features: (error − rounding)/bound", beyond, "<=", 1),
            Check("features: share of cases where the bound exceeds 10 × rounding", telling / len(products), ">=", 0.5),
        ),
        data={
            "certificates": certificates,
            "grid": grid,
            "tightness": tightness,
            "curves": _curves(list(range(31))),
            "products": products,
        },
    )
