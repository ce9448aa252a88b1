"""prop1.all_pairs: its verdict, and what changes it."""

from flint import arb
from sabotage import Subject, is_noticed
from sabotage.patches import TWICE_IN_FEATURES, ZERO_FEATURES, attribute, returned, scaled

from rkbs.kernels.features import PowerFeatures
from verify.claims.prop1 import all_pairs as module
from verify.harness.evidence import Verdict

broken = Subject("prop1.all_pairs")
SABOTAGES = [
    broken("features zero", ZERO_FEATURES),
    broken("features × 0.9", scaled(PowerFeatures, "__call__", 0.9)),
    broken(
        "features of q/d^{1/4}",
        attribute(PowerFeatures, "__call__", lambda f: lambda s, q: f(s, q / s.d**0.25)),
    ),
    broken("features of EDP := exp(2a)", TWICE_IN_FEATURES),
    broken(
        "the series at 1.01 ρ",
        attribute(
            module,
            "axis_series",
            lambda f: lambda s, d, rho, digits=30: f(s, d, rho * 1.01, digits),
        ),
    ),
    broken(
        "the series' rest is 1",
        returned(module, "axis_series", lambda found: module.Series(found.terms, arb(1))),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
