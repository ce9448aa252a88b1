"""Sabotages of Proposition 1's claims."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp
from flint import arb

from rkbs import spaces
from rkbs.kernels import EDP, RBF, Linear, Quadratic, TaylorEDP
from rkbs.kernels.algebra import Pullback
from rkbs.kernels.features import PowerFeatures
from rkbs.spaces import Element, RKBSPair
from sabotage import Sabotage, about, attribute, scaled
from verify.claims.prop1 import all_pairs as prop1_all_pairs
from verify.claims.prop1 import features as prop1_features
from verify.claims.prop1 import infinite_dimension as prop1_dimension
from verify.claims.prop1 import linear_space as prop1_linear_space
from verify.claims.prop1 import mercer_in_qk as prop1_mercer_in_qk
from verify.claims.prop1 import non_mercer as prop1_non_mercer
from verify.claims.prop1 import truncation as prop1_truncation
from verify.oracles import exact


def own_weights(wrong):
    """PowerFeatures' squared weights, computed from the right ones."""
    right = PowerFeatures.squared_weights.func
    return lambda patch: patch.setattr(
        PowerFeatures, "squared_weights", property(lambda self: wrong(self, right(self)))
    )


def with_factorial(self, weights):
    return tuple(
        math.factorial(n) * w for n, w in zip(self.indices.sum(1).tolist(), weights, strict=True)
    )


def shifted(self, weights):
    return (*weights[1:], weights[0])


def edp(gram, log=None, coefficients=None):
    """EDP with other values (and coefficients of its series)."""

    def patch(p):
        p.setattr(EDP, "formula", gram)
        if log:
            p.setattr(EDP, "log_formula", log)
        if coefficients:
            p.setattr(EDP, "power_coefficients", coefficients)

    return patch


def logits(x, y):
    return x @ y.mT / math.sqrt(x.shape[-1])


TWICE = edp(
    lambda self, x, y: np.exp(2 * logits(x, y)),
    lambda self, x, y: 2 * logits(x, y),
)
TWICE_IN_FEATURES = attribute(
    EDP,
    "power_coefficients",
    lambda right: lambda self, N: tuple(2**n * c for n, c in enumerate(right(self, N))),
)
OTHER_SCALE = edp(lambda self, x, y: np.exp(x @ y.mT / x.shape[-1]))
ZERO_KERNEL = edp(lambda self, x, y: 0 * logits(x, y))
LINEAR_KERNEL = edp(lambda self, x, y: x @ y.mT)

FEATURES_A_LITTLE_OFF = attribute(
    PowerFeatures, "__call__", lambda right: lambda s, q, **k: right(s, q, **k) * (1 + 1e-11)
)
ZERO_FEATURES = attribute(
    PowerFeatures, "__call__", lambda right: lambda s, q, **k: 0 * right(s, q, **k)
)
FEATURES_SHIFTED = attribute(
    PowerFeatures, "__call__", lambda right: lambda s, q, **k: np.roll(right(s, q, **k), 1, axis=-1)
)
SIGNS_LOST = attribute(
    PowerFeatures, "__call__", lambda right: lambda self, q, signed=False: right(self, q)
)
QUERY_MAP_IGNORED = attribute(
    Pullback, "_mapped", lambda right: lambda self, x, y: (self.map_y(x), self.map_y(y))
)
KEY_MAP_ZERO = attribute(
    Pullback, "_mapped", lambda right: lambda self, x, y: (self.map_x(x), 0 * self.map_y(y))
)
RBF_A_LITTLE_OFF = attribute(
    RBF, "log_formula", lambda right: lambda self, x, y: right(self, x, y) * (1 + 1e-10)
)


def two_infinite_kernels(patch):
    """Two of the five kernels, few polynomial ones, no spectra, which no check reads."""
    some = {name: prop1_dimension.INFINITE[name] for name in ("EDP", "L2 distance")}
    finite = prop1_dimension.finite_kernels()
    few = {name: finite[name] for name in ("linear", "quadratic, γ = 1", "Taylor 3")}
    patch.setattr(prop1_dimension, "INFINITE", some)
    patch.setattr(prop1_dimension, "finite_kernels", lambda: few)
    patch.setattr(prop1_dimension, "_spectra", lambda n, rng: {})


smaller = about("prop1.infinite_dimension", two_infinite_kernels)


def small_bound(patch):
    bound, ratio = exact.remainder_bound, prop1_truncation.ratio
    patch.setattr(exact, "remainder_bound", lambda a, n: bound(a, n) / (n + 2))
    patch.setattr(prop1_truncation, "ratio", lambda a, n: ratio(a, n) * (n + 2))


def kernel_in(name, kernel):
    """Another kernel under a name of prop1.mercer_in_qk."""
    swapped = prop1_mercer_in_qk.kernels() | {name: kernel}
    return lambda patch: patch.setattr(prop1_mercer_in_qk, "kernels", lambda: swapped)


def duality(wrong):
    right = spaces.duality_map
    return lambda patch: patch.setattr(spaces, "duality_map", lambda v, p: wrong(right, v, p))


def member_with_a_constant(right):
    del right

    def values(d):
        k, other, c = (sp.Symbol(name, real=True) for name in "kmc")
        return sp.exp(k), sp.exp(k) + sp.exp(other), c * sp.exp(k)

    return values


SABOTAGES = (
    # prop1.all_pairs
    Sabotage("prop1.all_pairs", "features zero", ZERO_FEATURES),
    Sabotage("prop1.all_pairs", "features × 0.9", scaled(PowerFeatures, "__call__", 0.9)),
    Sabotage(
        "prop1.all_pairs",
        "features of q/d^{1/4}",
        attribute(PowerFeatures, "__call__", lambda f: lambda s, q: f(s, q / s.d**0.25)),
    ),
    Sabotage("prop1.all_pairs", "features of EDP := exp(2a)", TWICE_IN_FEATURES),
    Sabotage(
        "prop1.all_pairs",
        "the series at 1.01 ρ",
        attribute(
            prop1_all_pairs,
            "axis_series",
            lambda f: lambda s, d, rho, digits=30: f(s, d, rho * 1.01, digits),
        ),
    ),
    Sabotage(
        "prop1.all_pairs",
        "the series' rest is 1",
        attribute(
            prop1_all_pairs,
            "axis_series",
            lambda f: lambda *a, **k: prop1_all_pairs.Series(f(*a, **k).terms, arb(1)),
        ),
    ),
    # prop1.infinite_dimension
    smaller(
        "EDP := its Taylor cut of order 3",
        lambda patch: patch.setitem(prop1_dimension.INFINITE, "EDP", TaylorEDP(3)),
        "slow",
    ),
    smaller("EDP := exp(2a)", TWICE, noticed="Gram"),
    smaller("EDP := exp(q·k/d)", OTHER_SCALE, "slow", "Gram"),
    smaller(
        "the predicted rank of Taylor cuts, one more",
        attribute(TaylorEDP, "feature_dim", lambda f: lambda self, d: f(self, d) + 1),
    ),
    smaller(
        "the linear kernel, in place of the quadratic",
        lambda patch: patch.setattr(
            prop1_dimension,
            "finite_kernels",
            lambda: {"quadratic": (Linear(), lambda d: math.comb(d + 2, 2))},
        ),
    ),
    Sabotage("prop1.infinite_dimension", "RBF off by 1e-10", RBF_A_LITTLE_OFF, "slow"),
    # prop1.features
    Sabotage("prop1.features", "weights of the misprint", own_weights(with_factorial)),
    Sabotage("prop1.features", "weights shifted by one index", own_weights(shifted)),
    Sabotage("prop1.features", "features off by 1e-11", FEATURES_A_LITTLE_OFF),
    Sabotage("prop1.features", "features zero", ZERO_FEATURES),
    Sabotage("prop1.features", "features shifted by one index", FEATURES_SHIFTED),
    Sabotage("prop1.features", "EDP := exp(2a)", TWICE_IN_FEATURES),
    # prop1.misprint
    Sabotage(
        "prop1.misprint",
        "the right features in place of the misprint",
        lambda patch: patch.setattr(
            prop1_features,
            "misprinted_features",
            lambda q, n: PowerFeatures(EDP(), q.shape[-1], n)(q),
        ),
    ),
    Sabotage(
        "prop1.misprint", "the misprint × 0.9", scaled(prop1_features, "misprinted_features", 0.9)
    ),
    Sabotage(
        "prop1.misprint", "the misprint zero", scaled(prop1_features, "misprinted_features", 0)
    ),
    Sabotage(
        "prop1.misprint",
        "indices one too large",
        attribute(prop1_features, "multi_indices", lambda f: lambda d, n: f(d, n) + 1),
    ),
    # prop1.linear_space
    Sabotage("prop1.linear_space", "EDP := q·k", LINEAR_KERNEL),
    Sabotage("prop1.linear_space", "EDP := exp(2a)", TWICE, noticed="exp(q·k/√d)"),
    Sabotage("prop1.linear_space", "EDP := exp(q·k/d)", OTHER_SCALE, noticed="exp(q·k/√d)"),
    Sabotage("prop1.linear_space", "EDP := 0", ZERO_KERNEL),
    Sabotage("prop1.linear_space", "EDP × 0.9", scaled(EDP, "formula", 0.9)),
    Sabotage(
        "prop1.linear_space",
        "members that are not 1 at q = 0",
        attribute(prop1_linear_space, "_values_at_zero", member_with_a_constant),
    ),
    # prop1.span
    Sabotage("prop1.span", "EDP := exp(2a)", TWICE, noticed="rkbs's Σ"),
    Sabotage("prop1.span", "features of EDP := exp(2a)", TWICE_IN_FEATURES),
    Sabotage("prop1.span", "features off by 1e-11", FEATURES_A_LITTLE_OFF),
    Sabotage("prop1.span", "features zero", ZERO_FEATURES),
    Sabotage("prop1.span", "elements × 0.9 at points", scaled(Element, "__call__", 0.9)),
    Sabotage(
        "prop1.span",
        "sections of −k",
        attribute(RKBSPair, "section_y", lambda f: lambda self, k: f(self, -k)),
    ),
    # prop1.mercer_in_qk
    Sabotage("prop1.mercer_in_qk", "W^Q := W^K", QUERY_MAP_IGNORED),
    Sabotage("prop1.mercer_in_qk", "W^K := 0", KEY_MAP_ZERO, "slow"),
    Sabotage("prop1.mercer_in_qk", "RBF off by 1e-10", RBF_A_LITTLE_OFF, "slow"),
    Sabotage(
        "prop1.mercer_in_qk", "RBF among those that are not Mercer", kernel_in("l2", RBF()), "slow"
    ),
    Sabotage(
        "prop1.mercer_in_qk",
        "a quadratic kernel with γ < 0 for EDP",
        kernel_in("edp", Quadratic(-0.5)),
        "slow",
    ),
    # prop1.non_mercer
    Sabotage("prop1.non_mercer", "W^Q := W^K", QUERY_MAP_IGNORED),
    Sabotage("prop1.non_mercer", "W^K := 0", KEY_MAP_ZERO),
    Sabotage("prop1.non_mercer", "EDP := exp(2a)", TWICE),
    Sabotage("prop1.non_mercer", "EDP × 0.9", scaled(EDP, "formula", 0.9)),
    Sabotage(
        "prop1.non_mercer",
        "counterexamples with W^Q = W^K",
        lambda patch: patch.setattr(
            prop1_non_mercer,
            "mercer_pairs",
            lambda rng: dict.fromkeys("ab", (np.eye(4)[:, :2],) * 2),
        ),
    ),
    Sabotage(
        "prop1.non_mercer",
        "Mercer pairs for the others",
        lambda patch: patch.setattr(
            prop1_non_mercer, "other_pairs", lambda rng, n: prop1_non_mercer.mercer_pairs(rng)
        ),
    ),
    # prop1.reproducing
    Sabotage("prop1.reproducing", "features off by 1e-11", FEATURES_A_LITTLE_OFF),
    Sabotage("prop1.reproducing", "ι with p + 1e-9", duality(lambda f, v, p: f(v, p + 1e-9))),
    Sabotage("prop1.reproducing", "ι := the identity", duality(lambda f, v, p: v)),
    Sabotage("prop1.reproducing", "ι × 0.9", duality(lambda f, v, p: 0.9 * f(v, p))),
    Sabotage("prop1.reproducing", "signs of the features lost", SIGNS_LOST),
    Sabotage("prop1.reproducing", "the pairing × 0.9", scaled(RKBSPair, "pairing", 0.9)),
    Sabotage("prop1.reproducing", "EDP := exp(2a)", TWICE_IN_FEATURES),
    Sabotage(
        "prop1.reproducing",
        "norms of the other exponent",
        attribute(spaces, "lp_norm", lambda f: lambda v, p: f(v, p / (p - 1))),
    ),
    # prop1.truncation
    Sabotage(
        "prop1.truncation",
        "rkbs's bound over N + 2",
        attribute(
            PowerFeatures,
            "remainder_bound",
            lambda f: lambda self, a: f(self, a) / (self.order + 2),
        ),
    ),
    Sabotage(
        "prop1.truncation",
        "rkbs's bound of order N + 1",
        attribute(
            PowerFeatures,
            "remainder_bound",
            lambda f: lambda s, a: f(PowerFeatures(s.kernel, s.d, s.order + 1), a),
        ),
    ),
    Sabotage("prop1.truncation", "the claim's own bound over N + 2", small_bound, "slow"),
    Sabotage("prop1.truncation", "features off by 1e-11", FEATURES_A_LITTLE_OFF, "slow"),
    Sabotage("prop1.truncation", "features zero", ZERO_FEATURES, "slow"),
)
