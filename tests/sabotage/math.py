"""Sabotages of claims on the mathematics: readings, losses, pairs, several heads, other kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flint import fmpq

from rkbs.kernels import RBF
from rkbs.spaces import RKBSPair, function_spaces
from rkbs.spaces.function_spaces import FunctionSpaces
from sabotage import Patch, Sabotage, attribute, scaled
from verify.claims.prop1 import non_mercer as prop1_non_mercer
from verify.claims.thm1 import literal as thm1_literal
from verify.claims.thm1 import separable_general as thm1_separable_general
from verify.claims.thm1.literal import Separable
from verify.claims.thm2 import kernels_obstruction as thm2_kernels_obstruction
from verify.claims.thm2 import kernels_reach as thm2_kernels_reach
from verify.claims.thm2 import multi_head as thm2_multi_head
from verify.claims.thm2 import multi_head_softmax as thm2_multi_head_softmax
from verify.claims.thm2 import pair as thm2_pair


def several(*patches: Patch) -> Patch:
    """All of the patches."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for one in patches:
            one(monkeypatch)

    return patch


def constants(module: object, **values) -> Patch:
    """Sizes of a claim."""
    return several(*(attribute(module, n, lambda _, v=v: v) for n, v in values.items()))


def loss(name: str, **changes) -> Patch:
    """Another loss of (f, g) under a name; ``changes`` are functions of what is there."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        right = thm1_separable_general.JOINT[name]
        new = {key: change(getattr(right, key)) for key, change in changes.items()}
        monkeypatch.setitem(thm1_separable_general.JOINT, name, replace(right, **new))

    return patch


LITERAL = constants(thm1_literal, EXPONENTS=(1.5,))
GENERAL = constants(thm1_separable_general, EXPONENTS=(1.5,))
PAIR = constants(thm2_pair, EXPONENTS=(1.5, 2.0))
HEADS = constants(thm2_multi_head, SIGNED=("oscillating",), DIMS=(8, 16), BITS_OF_EPSILON=(8, 22))
SOFTMAX = constants(
    thm2_multi_head_softmax, SIGNED=("oscillating",), DIMS=(8, 16), HEADS=(1, 2), DRAWS=1
)
REACH = constants(thm2_kernels_reach, NAMES=("edp",), DIMS=(1, 16), KNOTS=(8, 128))


def main_effects(right):
    """f(x_i) + g(y_j), the control's, in the place of the printed argument."""

    def argument(self, v, u):
        control = self.__dict__.setdefault("control", Separable.__new__(Separable))
        control.__dict__.update(pair=self.pair, pairs=self.pairs)
        return Separable.argument(control, v, u)

    return argument


def with_s_itself(pair, S):
    """SΦ_X and SΦ_Y: another κ."""
    return RKBSPair(
        lambda x: pair.features_x(x) @ S.T, lambda y: pair.features_y(y) @ S.T, pair.dim, pair.p
    )


def shrunk(solution):
    """A solution × 0.9."""
    v, u = solution.value.functions
    return replace(solution, value=solution.value._replace(functions=(0.9 * v, 0.9 * u)))


def without_lengths(a, b, tau):
    """RBF of factors whose lengths differ."""
    scale = np.sqrt(np.sqrt(a.shape[1]) / (2 * tau))
    return (scale * a, scale * b), float((a**2).sum(1).max() + (b**2).sum(1).max()) / 2


def linear_iota(v, p):
    """v/‖v‖_2, ι of the exponent 2."""
    return v / np.linalg.norm(v)


def rolled(right):
    """ξ shifted by one target."""
    return lambda *args: (found := right(*args)) | {"xi": np.roll(found["xi"], 1)}


def unnormalized(q, k, weights=1.0):
    """e^{q·k}."""
    return np.exp(q @ k.T)


def wrong_bound(factor: float):
    """Maps as they are, and the bound of what EI misses multiplied."""

    def change(right):
        def maps(a, b, knots):
            found, below = right(a, b, knots)
            return found, factor * below

        return maps

    return change


SABOTAGES = (
    Sabotage(
        "thm1.literal",
        "⟨f, g⟩ is 0.9 ⟨u, v⟩",
        scaled(RKBSPair, "pairing", 0.9),
        smaller=LITERAL,
        noticed="⟨f_Φ(y), g_Φ(x)⟩ − κ(x, y)",
    ),
    Sabotage(
        "thm1.literal",
        "the data term is a loss of f(x) + g(y)",
        attribute(thm1_literal.Printed, "argument", main_effects),
        smaller=LITERAL,
        noticed="largest ‖(f*, g*)‖",
    ),
    Sabotage(
        "thm1.literal",
        "the control does not see f and g either",
        attribute(thm1_literal.Separable, "argument", lambda _: lambda self, v, u: 0.0 * self.z),
        smaller=LITERAL,
        noticed="least move",
    ),
    Sabotage(
        "thm1.separable_general",
        "∂L/∂f, ∂L/∂g of the distance × 0.9",
        loss("distance", slopes=lambda right: lambda *args: tuple(0.9 * s for s in right(*args))),
        smaller=GENERAL,
        noticed="partial derivatives",
    ),
    Sabotage(
        "thm1.separable_general",
        "∂L/∂f and ∂L/∂g exchanged",
        loss("three labels", slopes=lambda right: lambda *args: right(*args)[::-1]),
        smaller=GENERAL,
        seconds_class="slow",
        noticed="worst error of Σ ξ_i κ(x_i, ·)",
    ),
    Sabotage(
        "thm1.separable_general",
        "a loss of f + g among those of (f, g)",
        loss(
            "three labels",
            value=lambda _: lambda a, b, z: (a + b - z) ** 2,
            slopes=lambda _: lambda a, b, z: (2 * (a + b - z),) * 2,
        ),
        smaller=GENERAL,
        noticed="not of f + g",
    ),
    Sabotage(
        "thm1.separable_general",
        "a loss that is not convex",
        loss(
            "distance",
            value=lambda _: lambda a, b, z: (a * b - z) ** 2,
            slopes=lambda _: lambda a, b, z: (2 * b * (a * b - z), 2 * a * (a * b - z)),
        ),
        smaller=GENERAL,
        seconds_class="slow",
        noticed="(L(a) + L(b))/2",
    ),
    Sabotage(
        "thm1.separable_general",
        "ι of the exponent 2",
        attribute(thm1_separable_general, "duality_map", lambda _: linear_iota),
        smaller=GENERAL,
        noticed="from the span",
    ),
    Sabotage(
        "thm1.separable_general",
        "ξ shifted by one target",
        attribute(thm1_separable_general, "expansions", rolled),
        smaller=GENERAL,
        noticed="worst error of Σ ξ_i κ(x_i, ·)",
    ),
    Sabotage(
        "thm1.separable_general",
        "the inverse duality map × 0.9",
        scaled(RKBSPair, "inverse_duality_map", 0.9),
        smaller=GENERAL,
        seconds_class="slow",
        noticed="rebuilt",
    ),
    Sabotage(
        "thm2.pair",
        "S is an isometry",
        attribute(thm2_pair, "stretch", lambda _: thm2_pair.signed_permutation),
        smaller=PAIR,
        noticed="least change of f*, g*",
    ),
    Sabotage(
        "thm2.pair",
        "Φ_Y → SΦ_Y, which changes κ",
        attribute(thm2_pair, "transformed", lambda _: with_s_itself),
        smaller=PAIR,
        noticed="largest change of κ",
    ),
    Sabotage(
        "thm2.pair",
        "DualNewton's solutions × 0.9",
        attribute(thm2_pair, "solve", lambda right: lambda *args: shrunk(right(*args))),
        smaller=PAIR,
        noticed="two solvers",
    ),
    Sabotage(
        "thm2.pair",
        "the exact S is the identity",
        constants(thm2_pair, DIAGONAL=(fmpq(1), fmpq(1))),
        smaller=PAIR,
        seconds_class="slow",
        noticed="rationals: (change",
    ),
    Sabotage(
        "thm2.multi_head",
        "κ is exp(2a)",
        attribute(thm2_multi_head, "EDP", lambda right: lambda: lambda q, k: right()(2 * q, k)),
        smaller=HEADS,
        noticed="distance to G",
    ),
    Sabotage(
        "thm2.multi_head",
        "one head, e^{εG}/ε",
        attribute(
            thm2_multi_head,
            "two_heads",
            lambda right: lambda head, e: lambda t, s: right(head, e)(t, s) + 1 / e,
        ),
        smaller=HEADS,
        seconds_class="slow",
        noticed="distance to G",
    ),
    Sabotage(
        "thm2.multi_head",
        "the bound × 0.9",
        scaled(thm2_multi_head, "remainder", 0.9),
        smaller=HEADS,
        noticed="distance to G",
    ),
    Sabotage(
        "thm2.multi_head",
        "the floor of one head × 0.1",
        attribute(
            thm2_multi_head, "bounds", lambda right: lambda *args: (0.1 * right(*args)[0], 0)
        ),
        smaller=HEADS,
        noticed="one exp head",
    ),
    Sabotage(
        "thm2.multi_head_softmax",
        "heads are not normalized",
        attribute(thm2_multi_head_softmax, "softmax_rows", lambda _: unnormalized),
        smaller=SOFTMAX,
        noticed="two heads, error",
    ),
    Sabotage(
        "thm2.multi_head_softmax",
        "descents see rows of equal sums",
        attribute(
            thm2_multi_head_softmax,
            "descend",
            lambda right: lambda F, *args: right(F - F.mean(1, keepdims=True), *args),
        ),
        smaller=SOFTMAX,
        seconds_class="slow",
        noticed="descents over the distance, least",
    ),
    Sabotage(
        "thm2.multi_head_softmax",
        "targets have constant row sums",
        attribute(
            thm2_multi_head_softmax,
            "draw",
            lambda right: lambda rng: thm2_multi_head_softmax.nearest(right(rng)),
        ),
        smaller=SOFTMAX,
        noticed="distance/‖F‖",
    ),
    Sabotage(
        "thm2.multi_head_softmax",
        "the mean row sum is 0",
        attribute(
            thm2_multi_head_softmax,
            "nearest",
            lambda _: lambda F: [[a - sum(row, fmpq(0)) / 6 for a in row] for row in F],
        ),
        smaller=SOFTMAX,
        seconds_class="slow",
        noticed="two exact distances",
    ),
    Sabotage(
        "thm2.multi_head_softmax",
        "surfaces keep their row means",
        attribute(thm2_multi_head_softmax, "row_means", lambda _: lambda F: np.zeros(351)),
        smaller=SOFTMAX,
        noticed="out of reach by a tenth",
    ),
    Sabotage(
        "thm2.kernels_reach",
        "RBF of lengths that differ",
        attribute(thm2_kernels_reach, "rbf_maps", lambda _: without_lengths),
        smaller=REACH,
        noticed="RBF: error less its bound",
    ),
    Sabotage(
        "thm2.kernels_reach",
        "row-normalized RBF of keys whose lengths differ",
        attribute(
            thm2_kernels_reach,
            "normalized_rbf_maps",
            lambda _: lambda a, b, tau: without_lengths(a, b, tau)[0],
        ),
        smaller=REACH,
        noticed="RBF, row-normalized: error less its bound",
    ),
    Sabotage(
        "thm2.kernels_reach",
        "queries of the quadratic kernel without √d",
        attribute(thm2_kernels_reach, "quadratic_maps", lambda _: lambda a, b: (a, b)),
        smaller=REACH,
        noticed="quadratic: error less its bound",
    ),
    Sabotage(
        "thm2.kernels_reach",
        "EI's bound × 0.9",
        attribute(thm2_kernels_reach, "intersection_maps", wrong_bound(0.9)),
        smaller=REACH,
        noticed="EI: (G − log κ)",
    ),
    Sabotage(
        "thm2.kernels_reach",
        "EI's bound × 2",
        attribute(thm2_kernels_reach, "intersection_maps", wrong_bound(2.0)),
        smaller=REACH,
        noticed="the same, least",
    ),
    Sabotage(
        "thm2.kernels_reach",
        "EI is an RBF kernel",
        constants(thm2_kernels_reach, EI=RBF()),
        smaller=REACH,
        noticed="6 × 6, EI",
    ),
    Sabotage(
        "thm2.kernels_obstruction",
        "the certified distance × 1.1",
        scaled(thm2_kernels_obstruction, "distance", fmpq(11, 10)),
        noticed="descents on the surface",
    ),
    Sabotage(
        "thm2.kernels_obstruction",
        "the certified distance × 0.9",
        scaled(thm2_kernels_obstruction, "distance", fmpq(9, 10)),
        seconds_class="slow",
        noticed="attained on a line",
    ),
    Sabotage(
        "thm2.kernels_obstruction",
        "targets that nearly keep the inequality",
        constants(
            thm2_kernels_obstruction,
            TARGETS={
                "RBF": [[fmpq(1, 2)] * 2, [fmpq(1, 2), fmpq(1, 1000)]],
                "L2 distance": [[fmpq(1, 2)] * 2, [fmpq(1, 2), fmpq(8, 5)]],
            },
        ),
        noticed="certified sup distance",
    ),
    Sabotage(
        "thm2.kernels_obstruction",
        "two targets too near each other",
        attribute(thm2_kernels_obstruction, "planar", lambda right: lambda rhos: right(0.9 * rhos)),
        seconds_class="slow",
        noticed="2 × 5",
    ),
    Sabotage(
        "thm2.kernels_obstruction",
        "weights −1 and 1 in the inequality of 3 × 3",
        constants(thm2_kernels_obstruction, WEIGHTS=(-1, 1)),
        noticed="negative eigenvalues",
    ),
    Sabotage(
        "thm2.kernels_obstruction",
        "weights −1 and 5 in the inequality of 3 × 3",
        constants(thm2_kernels_obstruction, WEIGHTS=(-1, 5)),
        seconds_class="slow",
        noticed="weighted sum",
    ),
    Sabotage(
        "prop1.non_mercer",
        "the circle's kernel without its turn",
        attribute(prop1_non_mercer, "turned", lambda right: lambda epsilon: right(0.0)),
        noticed="rkbs's least over largest",
    ),
    Sabotage(
        "prop1.non_mercer",
        "two points are predicted for every M",
        attribute(prop1_non_mercer, "predicted", lambda _: lambda epsilon: 2),
        noticed="first negative mode",
    ),
    Sabotage(
        "prop1.non_mercer",
        "the points of ε/2",
        attribute(
            prop1_non_mercer, "fewest", lambda right: lambda epsilon, d: right(epsilon / 2, d)
        ),
        noticed="first negative mode",
    ),
    Sabotage(
        "prop1.reproducing",
        "every RKBSPair calls itself one",
        attribute(FunctionSpaces, "is_pair", lambda _: True),
        noticed="RKBSPair calls it a pair",
    ),
    Sabotage(
        "prop1.reproducing",
        "ranks of maps off by one",
        attribute(function_spaces, "power_rank", lambda right: lambda *args: right(*args) - 1),
        noticed="function_spaces not as found",
    ),
)
