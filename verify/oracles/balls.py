"""Sup errors once more, in ball arithmetic: what ``certified_sup_error`` states, without its code.

Targets are written again from their formulas; a head is summed from its parameters, which are
binary fractions, at 128 bits, so that no cancellation matters. On a cell around (t, s) with
half-widths (h, k), E = F − G is enclosed by its Taylor polynomial and a remainder over the cell,
|E| ≤ Σ_{a+b<p} |E_ab(t, s)| h^a k^b + Σ_{a+b=p} |E_ab(cell)| h^a k^b,
and cells whose bound is too large are quartered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from flint import arb, arb_series, ctx

from rkbs.approximation.sup_bracket import SupBracket
from verify.harness.evidence import greatest
from verify.oracles.exact import lower, upper
from verify.studies.targets import solved

BITS = 128
ORDER = 6
"""p, of the remainder."""
DEPTH = 14
"""Quarterings of a cell before the bound is given up."""
PARTS = 1 << 14
"""Parts of all cells before it is: wide cells with steep units would need millions."""
Interval = tuple[float, float]
Cell = tuple[float, float, float, float]


class Jet:
    """Σ_a x^a f_a(y) with power series f_a, cut after order p: a function of (t + x, s + y)."""

    def __init__(self, terms: list[arb_series]) -> None:
        self.terms = terms + [arb_series([0])] * (ORDER + 1 - len(terms))

    @staticmethod
    def of(value: Any) -> Jet:
        """A number as a constant."""
        return value if isinstance(value, Jet) else Jet([arb_series([arb(value)])])

    def __add__(self, other: Any) -> Jet:
        pairs = zip(self.terms, Jet.of(other).terms, strict=True)
        return Jet([f + g for f, g in pairs])

    def __mul__(self, other: Any) -> Jet:
        return Jet([_cauchy(self.terms, Jet.of(other).terms, n) for n in range(ORDER + 1)])

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Jet:
        return Jet([-f for f in self.terms])

    def __sub__(self, other: Any) -> Jet:
        return self + -Jet.of(other)

    def __rsub__(self, other: Any) -> Jet:
        return -self + other

    def __truediv__(self, other: Any) -> Jet:
        return self * (other.inverse() if isinstance(other, Jet) else 1 / arb(other))

    def inverse(self) -> Jet:
        """1/f, from f·(1/f) = 1."""
        first, out = 1 / self.terms[0], []
        for n in range(ORDER + 1):
            rest = [-f for f in self.terms[1 : n + 1]]
            out.append(first * _cauchy(rest, out, n - 1) if n else first)
        return Jet(out)

    def _rates(self) -> list[arb_series]:
        return [a * self.terms[a] for a in range(1, ORDER + 1)]

    def exp(self) -> Jet:
        """∂_x e^f = f_x e^f."""
        out, rates = [self.terms[0].exp()], self._rates()
        for n in range(ORDER):
            out.append(_cauchy(rates, out, n) / (n + 1))
        return Jet(out)

    def _sin_cos(self) -> tuple[Jet, Jet]:
        rates = self._rates()
        sin, cos = ([part] for part in self.terms[0].sin_cos())
        for n in range(ORDER):
            slopes = [_cauchy(rates, part, n) / (n + 1) for part in (cos, sin)]
            sin.append(slopes[0])
            cos.append(-slopes[1])
        return Jet(sin), Jet(cos)

    def sin(self) -> Jet:
        """With cos f: ∂_x sin f = f_x cos f, ∂_x cos f = −f_x sin f."""
        return self._sin_cos()[0]

    def cos(self) -> Jet:
        """As ``sin``."""
        return self._sin_cos()[1]


def _cauchy(f: list[arb_series], g: list[arb_series], n: int) -> arb_series:
    """Σ_{a+b=n} f_a g_b."""
    return sum((f[a] * g[n - a] for a in range(n + 1)), arb_series([0]))


def _legendre(z: Any) -> list[Any]:
    """P̂_l = √(2l + 1) P_l, l < 12, by (n + 1) P_{n+1} = (2n + 1) z P_n − n P_{n−1}."""
    found = [0 * z + 1, z]
    for n in range(1, 11):
        found.append(((2 * n + 1) * z * found[n] - n * found[n - 1]) / (n + 1))
    return [arb(2 * n + 1).sqrt() * P for n, P in enumerate(found)]


def _solution(t: Any) -> list[Any]:
    return [(arb(2 * x) * t).exp() for x in solved()[0].tolist()]


def _solution_partner(s: Any) -> list[Any]:
    _, y, A = (part.tolist() for part in solved())
    waves = [(arb(2 * b) * s).exp() for b in y]
    return [sum((arb(a) * g for a, g in zip(row, waves, strict=True)), 0 * s) for row in A]


FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "edp": lambda t, s: (2 * t * s).exp(),
    "asymmetric": lambda t, s: (t - s / 2).exp() * (2 * t + s + t * s).sin(),
    "oscillating": lambda t, s: (6 * t * s + 2 * t - s).cos(),
    "ridge": lambda t, s: (1 + t / 2) / (1 + (2 * t - s) * (2 * t - s)),
}
"""Analytic targets in jets, balls or complex balls."""

SEPARABLE: dict[str, tuple[Callable[[Any], list[Any]], Callable[[Any], list[Any]]]] = {
    "legendre": (
        lambda t: [P / 2**n for n, P in enumerate(_legendre(t))],
        lambda s: [_legendre(s)[n ^ 1] for n in range(12)],
    ),
    "low_rank": (
        lambda t: [(3 * t).sin(), t * t / 2, -(5 * t + 1).cos() / 4],
        lambda s: [(2 * s).cos(), s.exp(), s * s * s],
    ),
    "solution": (_solution, _solution_partner),
}
"""Those that are Σ_l f_l(t) g_l(s), in power series, balls or complex balls."""


def value(name: str, t: Any, s: Any) -> Any:
    """F(t, s) of an analytic target, in balls or complex balls."""
    if name in FORMULAS:
        return FORMULAS[name](t, s)
    left, right = (side(z) for side, z in zip(SEPARABLE[name], (t, s), strict=True))
    return sum((f * g for f, g in zip(left, right, strict=True)), 0 * t)


def surface(name: str, t: arb, s: arb) -> Jet:
    """F at (t + x, s + y); for |t − s| across the crease its range, as a constant."""
    if name in SEPARABLE:
        points = (arb_series([t, 1]), arb_series([s, 1]))
        left, right = (side(z) for side, z in zip(SEPARABLE[name], points, strict=True))
        pairs = list(zip(left, right, strict=True))
        return Jet([sum(f[a] * g for f, g in pairs) for a in range(ORDER + 1)])
    if name == "kink":
        gap = t - s
        if gap.contains(0):
            return Jet.of(abs(gap))
        sign = 1 if gap > 0 else -1
        return Jet([arb_series([sign * gap, -sign]), arb_series([sign])])
    return FORMULAS[name](Jet([arb_series([t]), arb_series([1])]), Jet([arb_series([s, 1])]))


def head_series(weights: Mapping[str, np.ndarray]) -> Callable[[str, arb], list[list[arb]]]:
    """(tower, point) → Taylor coefficients of q_l or k_l there, (d, p + 1)."""
    exact = {
        name: np.vectorize(arb, otypes=[object])(np.asarray(array, dtype=float))
        for name, array in weights.items()
    }

    def series(tower: str, point: arb) -> list[list[arb]]:
        slopes, biases = exact[f"{tower}.hidden.weight"][:, 0], exact[f"{tower}.hidden.bias"]
        units = [_tanh_series(a, a * point + b) for a, b in zip(slopes, biases, strict=True)]
        sums = exact[f"{tower}.output.weight"] @ np.array(units, dtype=object)  # (d, p + 1)
        sums[:, 0] += exact[f"{tower}.output.bias"]
        return sums

    return series


def _tanh_series(slope: arb, at: arb) -> list[arb]:
    """tanh(at + slope·x): T' = slope·(1 − T²), the square kept in [0, 1]."""
    out = [at.tanh()]
    for n in range(ORDER):
        square = sum((out[k] * out[n - k] for k in range(n + 1)), arb(0))
        rate = 1 / at.cosh() ** 2 if n == 0 else -square
        out.append(slope * rate / (n + 1))
    return out


class Difference:
    """E = F − G, from the target's name and the head's parameters."""

    def __init__(self, name: str, weights: Mapping[str, np.ndarray]) -> None:
        self.name = name
        series = head_series(weights)
        self.series = cache(lambda tower, low, high: series(tower, _ball(low, high)))

    def coefficients(self, F: Jet, t: Interval, s: Interval) -> list[list[arb]]:
        """E_ab, a + b ≤ p: those of F less Σ_l q_la k_lb."""
        q, k = self.series("query", *t), self.series("key", *s)
        return [
            [F.terms[a][b] - sum(q[:, a] * k[:, b]) for b in range(ORDER + 1 - a)]
            for a in range(ORDER + 1)
        ]

    def at(self, t: float, s: float) -> arb:
        """E(t, s)."""
        return self.coefficients(surface(self.name, arb(t), arb(s)), (t, t), (s, s))[0][0]

    def bound(self, t: Interval, s: Interval) -> float:
        """An upper bound of |E| on a cell."""
        middle = [((low + high) / 2,) * 2 for low, high in (t, s)]
        h, k = ((arb(high) - arb(low)) / 2 for low, high in (t, s))
        over = surface(self.name, _ball(*t), _ball(*s))
        creased = self.name == "kink" and over.terms[0][0].contains(0)
        near = over if creased else surface(self.name, *(arb(low) for low, _ in middle))
        near = self.coefficients(near, *middle)
        over = self.coefficients(over, t, s)
        total = arb(0)
        for a in range(ORDER + 1):
            for b in range(ORDER + 1 - a):
                total += abs((over if a + b == ORDER else near)[a][b]) * h**a * k**b
        return upper(total)


def _ball(low: float, high: float) -> arb:
    return arb(low).union(arb(high))


def error_at(name: str, weights: Mapping[str, np.ndarray], t: float, s: float) -> float:
    """|F(t, s) − G(t, s)|, a lower bound of it; name and weights as of ``recheck``."""
    cap = ctx.cap
    ctx.cap = ORDER + 1
    try:
        with ctx.workprec(BITS):
            return lower(abs(Difference(name, weights).at(t, s)))
    finally:
        ctx.cap = cap


def recheck(
    name: str, weights: Mapping[str, np.ndarray], bracket: SupBracket, cells: int = 32
) -> dict[str, Any]:
    """Check a bracket: |E| ≤ upper on all of its worst cells, and |E(where)| ≥ lower.

    Parameters
    ----------
    name : str
        Of a target on the line.
    weights : mapping
        The head's parameters by name, as ``Head.weights`` gives them.
    bracket : SupBracket
    cells : int
        How many of the worst cells.

    Returns
    -------
    dict
        ``lower_holds``, ``upper_holds`` (False, too, where the bound was given up); ``at_where`` ≤
        |E(where)|; ``largest``, the largest bound of a cell; ``cells`` and ``parts``, how many were
        given and into how many they were cut.
    """
    cap = ctx.cap
    ctx.cap = ORDER + 1
    try:
        with ctx.workprec(BITS):
            E = Difference(name, weights)
            at_where = lower(abs(E.at(*bracket.where)))
            given = [tuple(cell) for cell in bracket.worst[:cells].tolist()]
            largest, parts = _cover(E, given, bracket.upper)
    finally:
        ctx.cap = cap
    return {
        "lower_holds": at_where >= bracket.lower,
        "upper_holds": largest <= bracket.upper,
        "at_where": at_where,
        "largest": largest,
        "cells": len(given),
        "parts": parts,
    }


def _cover(E: Difference, cells: list[Cell], goal: float) -> tuple[float, int]:
    """The largest bound on cells that are quartered until it is ≤ ``goal``, and their number."""
    stack = [(cell, 0) for cell in cells]
    largest, parts = 0.0, 0
    while stack:
        (t0, t1, s0, s1), depth = stack.pop()
        found = E.bound((t0, t1), (s0, s1))
        if found <= goal or depth == DEPTH or parts >= PARTS:
            largest, parts = greatest(largest, found), parts + 1
            if not found <= goal:
                break
        else:
            t, s = (t0 + t1) / 2, (s0 + s1) / 2
            quarters = product(((t0, t), (t, t1)), ((s0, s), (s, s1)))
            stack += [((*x, *y), depth + 1) for x, y in quarters]
    return largest, parts
