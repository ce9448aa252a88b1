"""thm1.separable_general: its verdict, and what changes it."""

from dataclasses import replace

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import constants, returned, scaled

from rkbs.spaces import RKBSPair
from verify.claims.thm1 import separable_general as module
from verify.harness.evidence import Verdict


def loss(name, **changes):
    """Another loss of (f, g) under a name; ``changes`` are functions of what is there."""

    def patch(monkeypatch):
        right = module.JOINT[name]
        new = {key: change(getattr(right, key)) for key, change in changes.items()}
        monkeypatch.setitem(module.JOINT, name, replace(right, **new))

    return patch


def linear_iota(v, p):
    """v/‖v‖_2, ι of the exponent 2."""
    return v / np.linalg.norm(v)


broken = Subject("thm1.separable_general", constants(module, EXPONENTS=(1.5,)))
SABOTAGES = [
    broken(
        "∂L/∂f, ∂L/∂g of the distance × 0.9",
        loss("distance", slopes=lambda right: lambda *args: tuple(0.9 * s for s in right(*args))),
        noticed="partial derivatives",
    ),
    broken(
        "∂L/∂f and ∂L/∂g exchanged",
        loss("three labels", slopes=lambda right: lambda *args: right(*args)[::-1]),
        "slow",
        "worst error of Σ ξ_i κ(x_i, ·)",
    ),
    broken(
        "a loss of f + g among those of (f, g)",
        loss(
            "three labels",
            value=lambda _: lambda a, b, z: (a + b - z) ** 2,
            slopes=lambda _: lambda a, b, z: (2 * (a + b - z),) * 2,
        ),
        noticed="not of f + g",
    ),
    broken(
        "a loss that is not convex",
        loss(
            "distance",
            value=lambda _: lambda a, b, z: (a * b - z) ** 2,
            slopes=lambda _: lambda a, b, z: (2 * b * (a * b - z), 2 * a * (a * b - z)),
        ),
        "slow",
        "(L(a) + L(b))/2",
    ),
    broken(
        "ι of the exponent 2", constants(module, duality_map=linear_iota), noticed="from the span"
    ),
    broken(
        "ξ shifted by one target",
        returned(module, "expansions", lambda found: found | {"xi": np.roll(found["xi"], 1)}),
        noticed="worst error of Σ ξ_i κ(x_i, ·)",
    ),
    broken(
        "the inverse duality map × 0.9",
        scaled(RKBSPair, "inverse_duality_map", 0.9),
        "slow",
        "rebuilt",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
