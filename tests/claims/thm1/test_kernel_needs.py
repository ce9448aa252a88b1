"""thm1.kernel_needs: its verdict, what changes it, and that isometries are isometries."""

from dataclasses import replace

import numpy as np
import pytest
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, first_function, linear_blocks, once, several
from scipy.stats import ortho_group

from rkbs.problems import SeparableProblem
from verify.claims.thm1 import kernel_needs as module
from verify.harness.evidence import Verdict
from verify.harness.run import Run

TWO_PROBLEMS = several(
    constants(Run, pick=lambda self, quick, full: [quick[1], quick[2]]),
    once(module, "whole_space_minimizer", "solve"),
)


def isometry(**wrong):
    """Some of the isometries replaced: name → (right map, D, rng) → map."""
    return attribute(
        module,
        "isometries",
        lambda f: (
            lambda D, rng: (
                lambda maps: maps | {k: change(maps[k], D, rng) for k, change in wrong.items()}
            )(f(D, rng))
        ),
    )


def identity(S, D, rng):
    return np.eye(D)


def of_separable(change):
    """Solutions of the separable problem changed, not those of the operator reading."""

    def wrong(right):
        def solve(problem, solver):
            found = right(problem, solver)
            if isinstance(problem, SeparableProblem):
                return replace(found, value=change(found.value))
            return found

        return solve

    return attribute(module, "solve", wrong)


EXPANSION = "worst difference of DualNewton's expansion"
broken = Subject("thm1.kernel_needs", TWO_PROBLEMS)
SABOTAGES = [
    broken(
        "signs := the identity",
        isometry(signs=identity),
        noticed="κ' (signs): least eigenvalue",
    ),
    broken(
        "the permutation := the identity",
        isometry(permutation=identity),
        noticed="κ' (permutation): asymmetry",
    ),
    broken(
        "the antisymmetric map := the identity",
        isometry(antisymmetric=identity),
        noticed="κ' (antisymmetric): diagonal",
    ),
    broken(
        "signs that stretch by 1e-4",
        isometry(signs=lambda S, D, rng: S @ np.diag(1 + 1e-4 * rng.random(D))),
        "slow",
        "worst change of f*, g* at new points",
    ),
    broken(
        "rotations := the identity",
        constants(module, rotation=lambda D, rng: np.eye(D)),
        "slow",
        "p ≠ 2: least change of g*",
    ),
    broken(
        "rkbs's solution × 1.001",
        of_separable(first_function(lambda v: 1.001 * v)),
        noticed=EXPANSION,
    ),
    broken(
        "rkbs's solution zero", of_separable(first_function(lambda v: 0 * v)), noticed=EXPANSION
    ),
    broken("ι := a multiple of the identity", linear_blocks(module), noticed="span of κ'"),
    broken(
        "solvers that accept any Gram matrix",
        several(
            constants(module, OperatorProblem=lambda *a: None),
            attribute(module, "solve", lambda right: lambda p, s: p and right(p, s)),
        ),
        noticed="solvers that refuse κ as k_X",
    ),
    broken(
        "a definite kernel in place of κ's symmetric part",
        attribute(module, "forced", lambda f: lambda gram, *a: f(gram @ gram, *a)),
        noticed="objective far along the eigenvector",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


def test_isometries_keep_every_norm_and_no_rotation_does():
    rng = np.random.default_rng(0)
    v = rng.standard_normal(28)
    for p in (1.25, 2.0, 5.0):
        for S in module.isometries(28, rng).values():
            assert np.linalg.norm(S @ v, p) == pytest.approx(np.linalg.norm(v, p), rel=1e-14)
    S = module.rotation(28, np.random.default_rng(1))
    np.testing.assert_allclose(S @ S.T, np.eye(28), atol=1e-14)
    assert np.array_equal(S, ortho_group.rvs(28, random_state=np.random.default_rng(1)))
    turned = S @ v
    assert np.linalg.norm(turned, 5) != pytest.approx(np.linalg.norm(v, 5), rel=1e-3)
