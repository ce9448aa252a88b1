"""prop1.infinite_dimension: its verdict, what changes it, and ranks of single points."""

import math

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import OTHER_SCALE, TWICE, attribute, constants

from rkbs.kernels import RBF, Linear, Quadratic, TaylorEDP
from verify.claims.prop1 import infinite_dimension as module
from verify.harness.evidence import Verdict
from verify.oracles import exact

A_LITTLE_OFF = attribute(
    RBF, "log_formula", lambda right: lambda self, x, y: right(self, x, y) * (1 + 1e-10)
)


def two_infinite_kernels(patch):
    """Two of the five kernels, few polynomial ones, no spectra, which no check reads."""
    some = {name: module.INFINITE[name] for name in ("EDP", "L2 distance")}
    finite = module.finite_kernels()
    few = {name: finite[name] for name in ("linear", "quadratic, γ = 1", "Taylor 3")}
    patch.setattr(module, "INFINITE", some)
    patch.setattr(module, "finite_kernels", lambda: few)
    patch.setattr(module, "_spectra", lambda n, rng: {})


broken = Subject("prop1.infinite_dimension", two_infinite_kernels)
SABOTAGES = [
    broken(
        "EDP := its Taylor cut of order 3",
        lambda patch: patch.setitem(module.INFINITE, "EDP", TaylorEDP(3)),
        "slow",
    ),
    broken("EDP := exp(2a)", TWICE, noticed="Gram"),
    broken("EDP := exp(q·k/d)", OTHER_SCALE, "slow", "Gram"),
    broken(
        "the predicted rank of Taylor cuts, one more",
        attribute(TaylorEDP, "feature_dim", lambda f: lambda self, d: f(self, d) + 1),
    ),
    broken(
        "the linear kernel, in place of the quadratic",
        constants(
            module,
            finite_kernels=lambda: {"quadratic": (Linear(), lambda d: math.comb(d + 2, 2))},
        ),
    ),
    Subject("prop1.infinite_dimension")("RBF off by 1e-10", A_LITTLE_OFF, "slow"),
]

test_verdict = broken.ends_in(Verdict.HOLDS)
test_sabotage = is_noticed(SABOTAGES)


def test_a_single_point_has_rank_0_for_the_l2_distance_only():
    points = exact.rational_points(np.array([[0.5, 1.0], [0, 0]]))
    ranks = {
        name: module._single_point_rank(kernel, points) for name, kernel in module.INFINITE.items()
    }
    assert ranks == dict.fromkeys(ranks, 1) | {"L2 distance": 0}
    assert module._single_point_rank(Quadratic(0.0), points) is None
