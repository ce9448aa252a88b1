"""prop1.truncation: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import FEATURES_A_LITTLE_OFF, ZERO_FEATURES, attribute, several

from rkbs.kernels.features import PowerFeatures
from verify.claims.prop1 import truncation as module
from verify.harness.evidence import Verdict
from verify.oracles import exact


def own_bound(wrong):
    """PowerFeatures' bound, changed: (the right one, features, a) ↦ what it gives."""
    return attribute(
        PowerFeatures, "remainder_bound", lambda right: lambda self, a: wrong(right, self, a)
    )


broken = Subject("prop1.truncation")
SABOTAGES = [
    broken("rkbs's bound over N + 2", own_bound(lambda f, s, a: f(s, a) / (s.order + 2))),
    broken(
        "rkbs's bound of order N + 1",
        own_bound(lambda f, s, a: f(PowerFeatures(s.kernel, s.d, s.order + 1), a)),
    ),
    broken(
        "the claim's own bound over N + 2",
        several(
            attribute(exact, "remainder_bound", lambda f: lambda a, n: f(a, n) / (n + 2)),
            attribute(module, "ratio", lambda f: lambda a, n: f(a, n) * (n + 2)),
        ),
        "slow",
    ),
    broken("features off by 1e-11", FEATURES_A_LITTLE_OFF, "slow"),
    broken("features zero", ZERO_FEATURES, "slow"),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
