"""prop1.features: its verdict, and what changes it."""

import math

import numpy as np
from sabotage import Subject, is_noticed
from sabotage.patches import FEATURES_A_LITTLE_OFF, TWICE_IN_FEATURES, ZERO_FEATURES, returned

from rkbs.kernels.features import PowerFeatures
from verify.harness.evidence import Verdict


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


broken = Subject("prop1.features")
SABOTAGES = [
    broken("weights of the misprint", own_weights(with_factorial)),
    broken("weights shifted by one index", own_weights(shifted)),
    broken("features off by 1e-11", FEATURES_A_LITTLE_OFF),
    broken("features zero", ZERO_FEATURES),
    broken(
        "features shifted by one index",
        returned(PowerFeatures, "__call__", lambda phi: np.roll(phi, 1, axis=-1)),
    ),
    broken("EDP := exp(2a)", TWICE_IN_FEATURES),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
