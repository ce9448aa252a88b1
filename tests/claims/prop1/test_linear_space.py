"""prop1.linear_space: its verdict, and what changes it."""

import sympy as sp
from sabotage import Subject, is_noticed
from sabotage.patches import OTHER_SCALE, TWICE, constants, edp, logits, scaled

from rkbs.kernels import EDP
from verify.claims.prop1 import linear_space as module
from verify.harness.evidence import Verdict


def member_with_a_constant(d):
    k, other, c = (sp.Symbol(name, real=True) for name in "kmc")
    return sp.exp(k), sp.exp(k) + sp.exp(other), c * sp.exp(k)


broken = Subject("prop1.linear_space")
SABOTAGES = [
    broken("EDP := q·k", edp(lambda self, x, y: x @ y.mT)),
    broken("EDP := exp(2a)", TWICE, noticed="exp(q·k/√d)"),
    broken("EDP := exp(q·k/d)", OTHER_SCALE, noticed="exp(q·k/√d)"),
    broken("EDP := 0", edp(lambda self, x, y: 0 * logits(x, y))),
    broken("EDP × 0.9", scaled(EDP, "formula", 0.9)),
    broken(
        "members that are not 1 at q = 0", constants(module, _values_at_zero=member_with_a_constant)
    ),
]

test_verdict = broken.ends_in(Verdict.FAILS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
