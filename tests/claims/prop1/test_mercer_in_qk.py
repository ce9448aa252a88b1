"""prop1.mercer_in_qk: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import KEY_MAP_ZERO, QUERY_MAP_IGNORED, attribute, constants

from rkbs.kernels import RBF, Quadratic
from verify.claims.prop1 import mercer_in_qk as module
from verify.harness.evidence import Verdict


def kernel_in(name, kernel):
    """Another kernel under a name."""
    swapped = module.kernels() | {name: kernel}
    return constants(module, kernels=lambda: swapped)


# Ten points, and no pictures.
FEW = constants(module, circle=lambda n, right=module.circle: right(10), _picture=lambda *given: {})
broken = Subject("prop1.mercer_in_qk", FEW, "slow")
SABOTAGES = [
    broken("W^Q := W^K", QUERY_MAP_IGNORED, "fast"),
    broken("W^K := 0", KEY_MAP_ZERO),
    broken(
        "RBF off by 1e-10",
        attribute(RBF, "log_formula", lambda f: lambda self, x, y: f(self, x, y) * (1 + 1e-10)),
    ),
    broken("RBF among those that are not Mercer", kernel_in("l2", RBF())),
    broken("a quadratic kernel with γ < 0 for EDP", kernel_in("edp", Quadratic(-0.5))),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
