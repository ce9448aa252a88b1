"""Theorem 2 through exp: which kernels attention's weights can approximate, and how nearly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from rkbs.approximation.constructive import ConstructiveHead, constructive_head
from rkbs.approximation.quadrature import Quadrature, l2_error, sup_error
from rkbs.approximation.surface import Surface, Target
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.studies.positive_heads import (
    DIMS,
    POSITIVE,
    SIGNED,
    TOUCHING,
    bounds,
    by_adam,
    exp_link,
    logarithm,
    through_exp,
    zero,
)
from verify.studies.rows import WIDE
from verify.studies.targets import TARGETS
from verify.studies.yardsticks import FIT, MEASURE

DELTAS = (0.3, 0.1, 0.03, 0.01, 0.003)
"""How sharp the positive part is, relative to sup |κ*|."""


def soft_logarithms(target: Target, delta: float) -> dict[str, Surface]:
    """Logarithms of positive functions that tend to κ*⁺ as δ → 0: log(δ log(1 + e^{κ*/δ})) and
    log(κ*⁺ + δ).
    """
    return {
        "softplus": lambda t, s: np.log(delta * np.logaddexp(0.0, target(t, s) / delta)),
        "cut": lambda t, s: np.log(np.maximum(target(t, s), 0.0) + delta),
    }


def closed_form_heads(target: Target, seed: int) -> dict[tuple[str, float], ConstructiveHead]:
    """Truncated SVDs of the soft logarithms on random hidden layers, by kind and δ."""
    size = sup_error(target, zero)
    return {
        (kind, delta): constructive_head(surface, 1, WIDE, quadrature=FIT, seed=seed)
        for delta in DELTAS
        for kind, surface in soft_logarithms(target, delta * size).items()
    }


def measure(target: Target, approximation: Surface, d: int, points: int, **labels: Any) -> dict:
    """The L² and sup errors of an approximation beside what no positive one goes below."""
    bound, sup_bound = bounds(target, points)
    return {
        "target": target.name,
        "d": d,
        **labels,
        "error": l2_error(target, approximation, MEASURE),
        "bound": bound,
        "sup": sup_error(target, approximation, points),
        "sup_bound": sup_bound,
        "norm": l2_error(target, zero, MEASURE),
    }


def deficits(rows: Iterable[dict[str, Any]]) -> tuple[float, float]:
    """The largest (bound − error)/bound, in L² and in sup: ≤ rounding for positive functions."""
    rows = list(rows)
    return (
        greatest((r["bound"] - r["error"]) / r["bound"] for r in rows),
        greatest((r["sup_bound"] - r["sup"]) / r["sup_bound"] for r in rows),
    )


def frozen_rows(target: Target, seed: int, points: int) -> list[dict[str, Any]]:
    """Heads without training: e^h of each kind at its best δ (on the fit), and linear heads h.

    Beside them e^h − c with c = 2 sup κ*⁻, h of log(κ* + c): exp and one constant.
    """
    heads = closed_form_heads(target, seed)
    linear = constructive_head(target, 1, WIDE, quadrature=FIT, seed=seed)
    c = 2 * bounds(target, points)[1]
    shifted = constructive_head(
        lambda t, s: np.log(target(t, s) + c), 1, WIDE, quadrature=FIT, seed=seed
    )
    rows = []

    def add(approximation: Surface, d: int, kind: str, **labels: Any) -> None:
        rows.append(measure(target, approximation, d, points, kind=kind, seed=seed, **labels))

    for d in DIMS:
        for kind in ("softplus", "cut"):
            found = {
                delta: through_exp(head.at(d)) for (k, delta), head in heads.items() if k == kind
            }
            best = min(found, key=lambda delta: l2_error(target, found[delta], FIT))
            add(found[best], d, f"exp, {kind}", delta=best)
        add(linear.at(d), d, "linear")
        above = through_exp(shifted.at(d))
        add(lambda t, s, above=above: above(t, s) - c, d, "exp less a constant", constant=c)
    return rows


def trained_rows(run: Run, names: Iterable[str], points: int) -> list[dict[str, Any]]:
    """exp heads by Adam from random starts, on ‖κ* − e^h‖² itself."""
    steps, seeds = run.pick(quick=1000, full=3000), run.pick(quick=2, full=3)
    budget = {"width": 16, "steps": steps, "lr": 5e-3}
    cells = [
        (TARGETS[name], d, seed)
        for name in names
        for d in run.pick(quick=(1, 2, 4, 8), full=DIMS)
        for seed in range(run.seed, run.seed + seeds)
    ]
    heads = by_adam(exp_link, cells, device=run.device, **budget)
    return [
        measure(target, through_exp(head), d, points, kind="exp, trained", seed=seed, **budget)
        for (target, d, seed), head in zip(cells, heads, strict=True)
    ]


def positive_rows(seed: int) -> list[dict[str, Any]]:
    """e^h for κ* > 0, h of log κ*, and for κ* ≥ 0 with zeros, h of the soft logarithms."""
    rows = []
    for target in (POSITIVE["edp"], POSITIVE["ridge"], POSITIVE["sine"], TOUCHING):
        norm = l2_error(target, zero, MEASURE)
        surfaces = [logarithm(target)]
        if target is TOUCHING:
            size = sup_error(target, zero)
            surfaces = [soft_logarithms(target, delta * size)["softplus"] for delta in DELTAS]
        heads = [constructive_head(F, 1, WIDE, quadrature=FIT, seed=seed) for F in surfaces]
        for d in DIMS:
            best = min(
                (through_exp(head.at(d)) for head in heads),
                key=lambda G: l2_error(target, G, FIT),
            )
            error = l2_error(target, best, MEASURE)
            rows.append({"target": target.name, "d": d, "seed": seed, "error": error, "norm": norm})
    return rows


def way_left(row: dict[str, Any]) -> float:
    """1 for G = 0, whose error is ‖κ*‖, and 0 at the bound."""
    return (row["error"] - row["bound"]) / (row["norm"] - row["bound"])


def _refutation(rows: list[dict[str, Any]]) -> tuple[Check, ...]:
    """No e^h goes below the bound, which is large and which linear heads of the same d pass."""
    through = [row for row in rows if row["kind"] in ("exp, softplus", "exp, cut", "exp, trained")]
    linear = [row for row in rows if row["kind"] == "linear"]
    shifted = [row for row in rows if row["kind"] == "exp less a constant"]
    l2, sup = deficits(through)
    margin = least(row["bound"] / row["norm"] for row in rows)
    below = greatest(row["error"] / row["bound"] for row in linear if row["d"] == 8)
    repaired = greatest(row["error"] / row["bound"] for row in shifted if row["d"] == 8)
    # Inequalities of the very measure, up to sums of 351² squares. The bound is to be a good part
    # of ‖κ*‖ (½ of it in squares where κ* is odd: 0.7), which linear heads of d = 8, of floors
    # below 1e-2 ‖κ*‖, undercut a hundred times, and e^h less a constant ten times.
    return (
        Check("e^h, signed κ*: (‖κ*⁻‖ − error)/‖κ*⁻‖, largest", l2, "<=", 1e-12),
        Check("e^h, signed κ*: the same in sup", sup, "<=", 1e-12),
        Check("‖κ*⁻‖/‖κ*‖, smallest", margin, ">=", 0.4),
        Check("linear heads of d = 8: error/‖κ*⁻‖, largest", below, "<=", 0.01),
        Check("e^h − 2 sup κ*⁻ of d = 8: error/‖κ*⁻‖, largest", repaired, "<=", 0.1),
        *_bound_checks(),
    )


def _bound_checks() -> tuple[Check, ...]:
    """The bound against its change from finer nodes and, where κ*(−t, −s) = −κ*(t, s), exactly."""
    finer = Quadrature.gauss_legendre(2 * len(MEASURE.x))
    change = greatest(
        abs(bounds(TARGETS[name], 2, finer)[0] / bounds(TARGETS[name], 2)[0] - 1) for name in SIGNED
    )
    sigma = TARGETS["legendre"].singular_values(12)
    exact = np.sqrt(sigma @ sigma / 2)  # half of ‖κ*‖² lies where κ* < 0
    off = abs(bounds(TARGETS["legendre"], 2)[0] / exact - 1)
    # The kink along the zeros costs 1/n² of n = 351 nodes, 1e-5; by symmetry nothing for legendre.
    return (
        Check("‖κ*⁻‖, relative change from twice the nodes, largest", change, "<=", 1e-4),
        Check("legendre: |‖κ*⁻‖/(‖κ*‖/√2) − 1|", off, "<=", 1e-6),
    )


def _confirmation(rows: list[dict[str, Any]], positive: list[dict[str, Any]]) -> tuple[Check, ...]:
    """Positive kernels are approximated, and signed ones as nearly as the bound allows."""

    def ends(rows: list[dict[str, Any]], d: int, scale: str) -> list[float]:
        return [row["error"] / row[scale] for row in rows if row["d"] == d]

    strict = [row for row in positive if row["target"] != TOUCHING.name]
    touching = [row for row in positive if row["target"] == TOUCHING.name]
    soft = [row for row in rows if row["kind"] == "exp, softplus"]
    trained = [row for row in rows if row["kind"] == "exp, trained" and row["d"] == 8]
    nearest = greatest(
        least(way_left(row) for row in trained if row["target"] == name)
        for name in dict.fromkeys(row["target"] for row in trained)
    )
    smooth, zeros = greatest(ends(strict, 16, "norm")), greatest(ends(touching, 16, "norm"))
    signed = greatest(ends(soft, 16, "bound"))
    # Where κ* > 0 at the floor of log κ* for d = 16, 1e-6 of it or less; where it has zeros, and
    # for signed ones, log of the smoothed part has a kink of width δ ≥ 0.003: to a percent or two.
    # Adam, which gets no further than a budget lets it, is to come half of the way.
    return (
        Check("κ* > 0, e^h of d = 16: error/‖κ*‖, largest", smooth, "<=", 1e-5),
        Check("κ* = (t−s)², e^h of d = 16: error/‖κ*‖", zeros, "<=", 0.02),
        Check("signed κ*, e^h of d = 16: error/‖κ*⁻‖, largest", signed, "<=", 1.01),
        Check("trained e^h of d = 8, best seed: way left from 0 to ‖κ*⁻‖", nearest, "<=", 0.5),
    )


@claim(
    title="One head's weights approximate every kernel",
    origin="paper",
    finding={
        Verdict.HOLDS_IF: "Every non-negative one: exp is positive, so negative values of κ* stay "
        "at their distance whatever d and m."
    },
    statement="The weights of one attention head before normalization, exp(q(t)·k(s)), approximate "
    "every continuous kernel κ* as d and m grow (Theorem 2 with exp of the head in place of the "
    "head)",
    source="Theory §4, What exp changes; paper Theorem 2",
    method="‖κ* − G‖ ≥ ‖κ*⁻‖ and sup|κ* − G| ≥ sup κ*⁻ for every G > 0, κ*⁻ the negative part: "
    "heads through exp, by Adam on ‖κ* − e^h‖² and in closed form from log of a smooth positive "
    "part, must not pass either bound, in the very measure in which they are taken, and must come "
    "near it; linear heads of the same d pass it",
    scope="three signed targets, heads of d ≤ 16 (trained ones: d ≤ 8, 2 seeds, m = 16, 1000 "
    "steps; full: d ≤ 16, 3 seeds, 3000 steps), three positive targets and one with zeros. The "
    "bounds hold for every G > 0, pointwise; that they are the distance follows from Theorem 2 for "
    "log of the smoothed positive part, computed for these targets. Sup errors are grid maxima",
    on_device=True,
)
def positive(run: Run) -> Evidence:
    """Signed kernels stay at a distance ‖κ*⁻‖, kernels ≥ 0 at none."""
    points = run.pick(quick=201, full=401)
    rows = trained_rows(run, SIGNED, points)
    for name in run.progress(SIGNED, "heads through exp"):
        for seed in range(run.seed, run.seed + run.pick(quick=1, full=3)):
            rows += frozen_rows(TARGETS[name], seed, points)
    above = positive_rows(run.seed)
    return Evidence(
        checks=_confirmation(rows, above),
        counterexamples=_refutation(rows),
        condition="κ* ≥ 0 everywhere: the L² distance from κ* to the heads through exp is ‖κ*⁻‖ "
        "(not attained where κ* ≤ 0 somewhere: e^h = κ* needs κ* > 0)",
        data={
            "rows": rows,
            "positive": above,
            "signed": list(SIGNED),
            "formulas": {name: TARGETS[name].formula for name in SIGNED},
        },
    )
