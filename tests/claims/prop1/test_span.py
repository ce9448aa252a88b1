"""prop1.span: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import (
    FEATURES_A_LITTLE_OFF,
    TWICE,
    TWICE_IN_FEATURES,
    ZERO_FEATURES,
    attribute,
    scaled,
)

from rkbs.spaces import Element, RKBSPair
from verify.harness.evidence import Verdict

broken = Subject("prop1.span")
SABOTAGES = [
    broken("EDP := exp(2a)", TWICE, noticed="rkbs's Σ"),
    broken("features of EDP := exp(2a)", TWICE_IN_FEATURES),
    broken("features off by 1e-11", FEATURES_A_LITTLE_OFF),
    broken("features zero", ZERO_FEATURES),
    broken("elements × 0.9 at points", scaled(Element, "__call__", 0.9)),
    broken(
        "sections of −k", attribute(RKBSPair, "section_y", lambda f: lambda self, k: f(self, -k))
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
