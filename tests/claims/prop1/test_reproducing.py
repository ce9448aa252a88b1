"""prop1.reproducing: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import (
    FEATURES_A_LITTLE_OFF,
    TWICE_IN_FEATURES,
    attribute,
    constants,
    returned,
    scaled,
)

from rkbs.kernels.features import PowerFeatures
from rkbs.spaces import RKBSPair, banach_pair, function_spaces
from rkbs.spaces.function_spaces import FunctionSpaces
from verify.claims.prop1 import reproducing as module
from verify.harness.evidence import Verdict


def duality(wrong):
    """Another ι: (the right one, v, p) ↦ what it gives."""
    return attribute(banach_pair, "duality_map", lambda right: lambda v, p: wrong(right, v, p))


broken = Subject("prop1.reproducing", constants(module, EXPONENTS=(1.25, 3.0)))
SABOTAGES = [
    broken("features off by 1e-11", FEATURES_A_LITTLE_OFF),
    broken("ι with p + 1e-9", duality(lambda f, v, p: f(v, p + 1e-9))),
    broken("ι := the identity", duality(lambda f, v, p: v)),
    broken("ι × 0.9", duality(lambda f, v, p: 0.9 * f(v, p))),
    broken(
        "signs of the features lost",
        attribute(PowerFeatures, "__call__", lambda f: lambda self, q, signed=False: f(self, q)),
    ),
    broken("the pairing × 0.9", scaled(RKBSPair, "pairing", 0.9)),
    broken("EDP := exp(2a)", TWICE_IN_FEATURES),
    broken(
        "norms of the other exponent",
        attribute(banach_pair, "lp_norm", lambda f: lambda v, p: f(v, p / (p - 1))),
    ),
    broken(
        "every RKBSPair calls itself one",
        constants(FunctionSpaces, one_to_one=True),
        noticed="RKBSPair calls it a pair",
    ),
    broken(
        "ranks of maps off by one",
        returned(function_spaces, "power_rank", lambda rank: rank - 1),
        noticed="function_spaces not as found",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
