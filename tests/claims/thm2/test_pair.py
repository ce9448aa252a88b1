"""thm2.pair: its verdict, what changes it, and its exact case."""

from dataclasses import replace

from flint import fmpq, fmpq_mat
from sabotage import Subject, is_noticed
from sabotage.patches import constants, returned

from rkbs.spaces import RKBSPair
from verify.claims.thm2 import pair as module
from verify.harness.evidence import Verdict


def with_s_itself(spaces, S):
    """SΦ_X and SΦ_Y: another κ."""
    return RKBSPair(
        lambda x: spaces.features_x(x) @ S.T,
        lambda y: spaces.features_y(y) @ S.T,
        spaces.dim,
        spaces.p,
    )


def shrunk(solution):
    """A solution × 0.9."""
    v, u = solution.value.functions
    return replace(solution, value=solution.value._replace(functions=(0.9 * v, 0.9 * u)))


broken = Subject("thm2.pair", constants(module, EXPONENTS=(1.5, 2.0)))
SABOTAGES = [
    broken(
        "S is an isometry",
        constants(module, stretch=module.signed_permutation),
        noticed="least change of f*, g*",
    ),
    broken(
        "Φ_Y → SΦ_Y, which changes κ",
        constants(module, transformed=with_s_itself),
        noticed="largest change of κ",
    ),
    broken(
        "DualNewton's solutions × 0.9", returned(module, "solve", shrunk), noticed="two solvers"
    ),
    broken(
        "the exact S is the identity",
        constants(module, DIAGONAL=(fmpq(1), fmpq(1))),
        "slow",
        "rationals: (change",
    ),
]

test_verdict = broken.ends_in(Verdict.FAILS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


def test_exact_pairs_have_the_rank_of_their_features():
    assert fmpq_mat(module.PHI_X).rank() == 2
    assert module.exact_case()["same κ"]
