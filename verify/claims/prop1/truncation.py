"""Proposition 1: what is lost by cutting EDP's series at order N, over a whole interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from flint import arb, ctx

from rkbs.kernels.dot_product import EDP
from rkbs.kernels.features import PowerFeatures
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.oracles import exact

REACH = 30.0
"""Logits in [−30, 30] are covered."""


def ratio(a: arb, order: int) -> arb:
    """ρ(a) = |Σ_{n>N} aⁿ/n!| / (|a|^{N+1} e^{max(a,0)}/(N+1)!) = e^{−max(a,0)} ₁F₁(1; N+2; a).

    For a ≥ 0 Kummer's transformation makes it ₁F₁(N+1; N+2; −a).
    """
    if a <= 0:
        return a.hypgeom_1f1(1, order + 2)
    return (-a).hypgeom_1f1(order + 1, order + 2)


def fall(a: arb, order: int) -> arb:
    """−ρ'(a) for a ≥ 0: (N+1)/(N+2) ₁F₁(N+2; N+3; −a)."""
    return (-a).hypgeom_1f1(order + 2, order + 3) * (order + 1) / (order + 2)


def rise(a: arb, order: int) -> arb:
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


def slope(a: arb, order: int) -> arb:
    """ρ'(a) another way: R' = R + a^N/N! for R = eᵃ − Σ_{n ≤ N} aⁿ/n! gives it from ρ itself."""
    rho = exact.remainder(a, order) / exact.remainder_bound(a, order)
    if a > 0:
        return ((-a).exp() - rho) * (order + 1) / a
    return rho + (1 - rho) * (order + 1) / a


def _certify(order: int) -> dict[str, float]:
    """ρ rises on [−30, 0] and falls on [0, 30], by balls that cover both."""
    with ctx.workprec(128):
        up, cells_up = exact.certify_positive(lambda a: rise_below(a, order), -REACH, 0.0)
        down, cells_down = exact.certify_positive(lambda a: fall_below(a, order), 0.0, REACH)
        left, top, right = (ratio(arb(a), order) for a in (-REACH, 0, REACH))
        return {
            "order": order,
            "cells": cells_up + cells_down,
            "rise": up,
            "fall": down,
            "left": exact.lower(left),
            "right": exact.lower(right),
            "top_is_one": bool(top == 1),
        }


def _rounding(a: float, order: int) -> float:
    """4u per unit of the terms in the exponent of rkbs's bound (log, product, lgamma, sum), + 4u.

    It computes exp((N+1) log|a| + max(a,0) − log (N+1)!): an absolute error of the exponent is a
    relative error of the bound. Below 1e-13 for |a| ≥ 0.1 and N ≤ 40.
    """
    terms = (order + 1) * abs(math.log(abs(a))) + max(a, 0) + math.lgamma(order + 2)
    return 4 * exact.UNIT * (1 + terms)


def _pointwise(order: int, grid: np.ndarray, near: np.ndarray) -> dict[str, Any]:
    """Remainder, bound and rkbs's float bound at the points of a grid (a ≠ 0) and near 0."""
    a_all = np.concatenate([grid, near])
    floats = PowerFeatures(EDP(), 1, order).remainder_bound(a_all)
    tight, formula, derivative, code, enclosed = [], 0.0, 0.0, 0.0, 0.0
    with ctx.workprec(1024):  # 1e-5 to the power 41, over 41!, is still far above 2^−1024
        for a, value in zip(a_all.tolist(), floats.tolist(), strict=True):
            ball = arb(exact.rational(a))
            rest, limit = exact.remainder(ball, order), exact.remainder_bound(ball, order)
            tight.append(exact.upper(rest / limit))
            formula = greatest(formula, exact.upper(abs(rest / limit - ratio(ball, order))))
            steep = rise(ball, order) if a < 0 else -fall(ball, order)
            derivative = greatest(derivative, exact.upper(abs(slope(ball, order) - steep)))
            code = greatest(code, exact.relative(value, limit, limit) / _rounding(a, order))
            enclosed = greatest(enclosed, exact.upper(rest / arb(exact.rational(value))))
    return {
        "order": order,
        "largest": greatest(tight),
        "tightness": tight[: len(grid)],
        "ratio_mismatch": formula,
        "slope_mismatch": derivative,
        "code_error": code,
        "remainder_over_code": enclosed,
    }


def _allowance(d: int, order: int, dim: int, size: float) -> float:
    """Rounding of Φ(q)·Φ(k): (D + 2(6N + d + 2) + 1) u e^{|q|·|k|/√d}.

    Each feature takes at most 6N + d + 2 rounded operations (prop1.features), the inner product
    D more a term, and Σ_r |φ_r(q) φ_r(k)| ≤ e^{|q|·|k|/√d}; one further u for what is of order u².
    """
    return (dim + 2 * (6 * order + d + 2) + 1) * exact.UNIT * math.exp(size)


def _inner_product(d: int, order: int, q: np.ndarray, k: np.ndarray) -> dict[str, float]:
    """|Φ(q)·Φ(k) − e^{q·k/√d}| of rkbs's features, with the bound and the rounding allowed."""
    phi = PowerFeatures(EDP(), d, order)
    value = float((phi(q[None]) @ phi(k[None]).T)[0, 0])
    with ctx.workprec(256):
        a = exact.logit(*exact.rational_points(np.stack([q, k])))
        error = exact.upper(abs(arb(exact.rational(value)) - a.exp()))
        limit = exact.upper(exact.remainder_bound(a, order))
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
    title="What a cut of the features misses",
    origin="paper",
    finding={
        Verdict.HOLDS: "Features up to order N miss at most |a|^{N+1} e^{max(a,0)}/(N+1)! of the "
        "kernel at the logit a."
    },
    statement="|Σ_{n>N} aⁿ/n!| ≤ |a|^{N+1} e^{max(a,0)}/(N+1)!, and it is the error of the cut "
    "features: |Φ_N(q)·Φ_N(k) − exp(q·k/√d)| keeps this bound at a = q·k/√d",
    source="Paper Proposition 1; theory §2",
    method="For each N listed, over the whole of [−30, 30]: balls without gaps certify that the "
    "remainder over its bound rises to a = 0 and falls after, and at 0 it is 1 exactly; then "
    "points: the remainder by its definition in balls, rkbs's float bound, and rkbs's features",
    scope="the bound: every a in [−30, 30], nine N ≤ 20 (full: every N ≤ 40), certified; every "
    "other a and N by two series of positive terms, on paper. Features: random q, k in "
    "[−1.5, 1.5]^d, d ≤ 3, N ≤ 12",
)
def truncation(run: Run) -> Evidence:
    """A certificate over the continuum in a; orders N are those listed; features are sampled.

    On paper the same two series of positive terms (``fall_below``, ``rise_below``) give the signs
    of ρ' for every a and every N.
    """
    orders = run.pick(quick=[0, 1, 2, 3, 4, 6, 8, 12, 20], full=list(range(41)))
    grid = np.linspace(-REACH, REACH, run.pick(quick=121, full=241))
    grid = grid[grid != 0]
    certificates = [
        _certify(order) for order in run.progress(orders, "certificates over [−30, 30]")
    ]
    near = np.array([-1e-3, -1e-5, 1e-5, 1e-3])  # here the bound is nearly attained
    points = [_pointwise(order, grid, near) for order in run.progress(orders, "points")]
    rng, products = run.rng, []
    for d in (1, 2, 3):
        for order in range(1, 13):
            for q, k in rng.uniform(-1.5, 1.5, size=(run.pick(quick=2, full=20), 2, d)):
                products.append(_inner_product(d, order, q, k))
    shown = [p for p in points if p["order"] in (0, 1, 2, 4, 8, 20)]
    return Evidence(
        checks=(*_certificate_checks(certificates), *_point_checks(points, products)),
        data={
            "certificates": certificates,
            "grid": grid,
            "tightness": {p["order"]: [float(f"{t:.4g}") for t in p["tightness"]] for p in shown},
            "curves": _curves(list(range(31))),
            "products": products[:: run.pick(quick=1, full=10)],
        },
    )


def _certificate_checks(found: list[dict[str, Any]]) -> tuple[Check, ...]:
    """On all of [−30, 30]: 0 < ρ, rising to ρ(0) = 1, falling after; hence ρ ≤ 1."""
    ends = least(least(one["left"], one["right"]) for one in found)
    # Signs, by balls that cover the interval: exact.
    return (
        Check("ρ' on [−30, 0], lower bound", least(found, key="rise"), ">", 0),
        Check("−ρ' on [0, 30], lower bound", least(found, key="fall"), ">", 0),
        Check("orders without ρ(0) = 1", sum(not one["top_is_one"] for one in found), "==", 0),
        Check("ρ at ±30, lower bound", ends, ">", 0),
    )


def _point_checks(
    points: list[dict[str, Any]], products: list[dict[str, Any]]
) -> tuple[Check, ...]:
    """That ρ is the right function, and that rkbs's floats are what was certified."""
    worst = {key: greatest(points, key=key) for key in points[0] if key != "tightness"}
    beyond = greatest((p["error"] - p["rounding"]) / p["bound"] for p in products)
    telling = sum(p["bound"] > 10 * p["rounding"] for p in products) / len(products)
    return (
        Check("remainder/bound, largest", worst["largest"], "<=", 1),
        # e^a less its Taylor sum is 1e-255 at |a| = 1e-5 and N = 40; 1024 bits, 1e-308, leave it 50
        # digits.
        Check("remainder/bound against ρ", worst["ratio_mismatch"], "<=", 1e-30),
        Check("ρ' against its differential equation", worst["slope_mismatch"], "<=", 1e-30),
        Check("rkbs's bound, relative error/rounding", worst["code_error"], "<=", 1),
        # The largest rounding of rkbs's bound (_rounding) over these a and N.
        Check("remainder/rkbs's bound − 1", worst["remainder_over_code"] - 1, "<=", 1e-13),
        Check("features: (error − rounding)/bound", beyond, "<=", 1),
        # Else most cases would compare rounding with rounding.
        Check("features: cases with bound > 10 × rounding", telling, ">=", 0.5),
    )
