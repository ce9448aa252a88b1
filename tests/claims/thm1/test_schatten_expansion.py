"""thm1.schatten_expansion: its verdict, what changes it, and its dual at the edge of the domain."""

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants

from rkbs.problems.schatten import SchattenProblem
from rkbs.terms.residual_losses import Squared
from verify.claims.thm1 import schatten_expansion as module
from verify.harness.evidence import Verdict

# Ten features, two exponents, and paths of a sixth of the α.
FEW = constants(module, ORDER=3, EXPONENTS=(1.5, 2.0), PATH=(*module.PATH[:2], *module.PATH[4::6]))


def grown(change):
    """The expansion's coefficients, changed, in their shape."""
    return attribute(
        SchattenProblem,
        "expansion",
        lambda f: (
            lambda self, M: np.resize(change(f(self, M)), (len(self.pairs.X), len(self.pairs.Y)))
        ),
    )


GAP = "worst gap over all D × D operators"
broken = Subject("thm1.schatten_expansion", FEW, "slow")
SABOTAGES = [
    broken("coefficients × 1.01", grown(lambda A: 1.01 * A), "fast", GAP),
    broken("coefficients zero", grown(lambda A: 0 * A)),
    broken(
        "coefficients transposed", grown(lambda A: A.T[: A.shape[0], : A.shape[1]]), noticed=GAP
    ),
    broken(
        "coefficients a row late", grown(lambda A: np.pad(A[1:], ((0, 1), (0, 0)))), noticed=GAP
    ),
    broken(
        "a penalty of the exponent 1.05 p",
        attribute(module, "Schatten", lambda f: lambda p: f(1.05 * p)),
        noticed=GAP,
    ),
    broken(
        "a path that starts below α_max",
        attribute(module, "PATH", lambda _: tuple(0.5 * t for t in module.PATH)),
        noticed="rank at α ≥ α_max",
    ),
    broken(
        "all pairs observed",
        attribute(module, "Setting", lambda f: lambda rng, loss, whole: f(rng, loss, True)),
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


def test_a_dual_point_a_hair_outside_its_domain_is_scaled_into_it():
    setting = module.Setting(np.random.default_rng(0), Squared(), True)
    c = setting.z / 2
    norm = np.linalg.norm(setting.phi_x.T @ setting.pairs.matrix(c) @ setting.phi_y, 2)
    edge = setting.dual(c, 1.0, norm * (1 + 1e-12))
    assert edge == pytest.approx(-setting.loss.conjugate(-c, setting.z).sum(), rel=1e-11)
    # Unscaled, a c that is larger by 5e-10 would give another value.
    slope = abs(((c - setting.z) * c).sum()) / edge
    assert slope > 0.1
    larger = setting.dual((1 + 5e-10) * c, 1.0, norm)
    assert larger == pytest.approx(edge, rel=1e-12)
    assert setting.dual((1 + 1e-8) * c, 1.0, norm) == -np.inf
