"""thm1.literal: its verdict, and what changes it."""

from sabotage import Subject, is_noticed
from sabotage.patches import constants, scaled

from rkbs.spaces import RKBSPair
from verify.claims.thm1 import literal as module
from verify.claims.thm1.literal import Separable
from verify.harness.evidence import Verdict


def main_effects(self, v, u):
    """f(x_i) + g(y_j), the control's, in the place of the printed argument."""
    control = self.__dict__.setdefault("control", Separable.__new__(Separable))
    control.__dict__.update(spaces=self.spaces, pairs=self.pairs)
    return Separable.argument(control, v, u)


broken = Subject("thm1.literal", constants(module, EXPONENTS=(1.5,)))
SABOTAGES = [
    broken(
        "⟨f, g⟩ is 0.9 ⟨u, v⟩",
        scaled(RKBSPair, "pairing", 0.9),
        noticed="⟨f_Φ(y), g_Φ(x)⟩ − κ(x, y)",
    ),
    broken(
        "the data term is a loss of f(x) + g(y)",
        constants(module.Printed, argument=main_effects),
        noticed="largest ‖(f*, g*)‖",
    ),
    broken(
        "the control does not see f and g either",
        constants(Separable, argument=lambda self, v, u: 0.0 * self.z),
        noticed="least move",
    ),
]

test_verdict = broken.ends_in(Verdict.FAILS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)
