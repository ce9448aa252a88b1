"""What Theorem 1 needs of κ: the claim holds, and maps that do harm or nothing are noticed."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from verify import thm1_kernel_needs as needs
from verify.ledger import Run, Verdict


def missed(run=None):
    evidence = needs.kernel_needs(run or Run())
    names = [check.name for check in evidence.checks if not check.passed]
    assert (evidence.verdict is Verdict.UNCONFIRMED) == bool(names)
    return " | ".join(names)


@pytest.fixture
def few(monkeypatch):
    """Two of the problems, enough to notice a mutant."""
    monkeypatch.setattr(Run, "pick", lambda self, quick, full: [quick[1], quick[2]])


@pytest.mark.parametrize("seed", [0, 1])
def test_holds(seed):
    assert needs.kernel_needs(Run(seed=seed)).verdict is Verdict.HOLDS


def test_isometries_keep_every_norm_and_no_rotation_does():
    rng = np.random.default_rng(0)
    v = rng.standard_normal(28)
    for p in (1.25, 2.0, 5.0):
        for S in needs.isometries(28, rng).values():
            assert np.linalg.norm(S @ v, p) == pytest.approx(np.linalg.norm(v, p), rel=1e-14)
    turned = ortho_group.rvs(28, random_state=rng) @ v
    assert np.linalg.norm(turned, 5) != pytest.approx(np.linalg.norm(v, 5), rel=1e-3)


@pytest.mark.parametrize(
    ("name", "noticed"),
    [
        ("signs", "κ' (signs): least eigenvalue"),
        ("permutation", "κ' (permutation): asymmetry"),
        ("antisymmetric", "κ' (antisymmetric): diagonal"),
    ],
)
def test_a_kernel_that_stays_symmetric(name, noticed, monkeypatch, few):
    right = needs.isometries
    monkeypatch.setattr(needs, "isometries", lambda D, rng: right(D, rng) | {name: np.eye(D)})
    assert noticed in missed()


def test_maps_that_are_no_isometries(monkeypatch, few):
    right = needs.isometries

    def stretched(D, rng):
        maps = right(D, rng)
        return maps | {"signs": maps["signs"] @ np.diag(1 + 1e-4 * rng.random(D))}

    monkeypatch.setattr(needs, "isometries", stretched)
    assert "worst change of f*, g* at new points" in missed()


def test_a_rotation_that_does_nothing(monkeypatch, few):
    class Identity:
        @staticmethod
        def rvs(D, random_state):
            return np.eye(D)

    monkeypatch.setattr(needs, "ortho_group", Identity)
    assert "p ≠ 2: least change of g*" in missed()


@pytest.mark.parametrize("factor", [1 + 1e-3, 0.0])
def test_wrong_expansions(factor, monkeypatch, few):
    right = needs.solve

    def wrong(problem, solver):
        found = right(problem, solver)
        if isinstance(problem, needs.SeparableProblem):
            (v, u), c = found.value
            return needs.replace(found, value=type(found.value)((v * factor, u), c))
        return found

    monkeypatch.setattr(needs, "solve", wrong)
    assert missed() == "worst difference of DualNewton's expansion"


def test_without_the_duality_map(monkeypatch, few):
    right = needs.blocks_of

    def linear(problem):
        blocks = right(problem)
        return tuple(needs.replace(block, exponent=2.0) for block in blocks)

    monkeypatch.setattr(needs, "blocks_of", linear)
    assert "span of κ'" in missed()


def test_solvers_that_accept_anything(monkeypatch, few):
    right = needs.solve
    operator = needs.OperatorProblem
    monkeypatch.setattr(needs, "OperatorProblem", lambda *args: None)
    monkeypatch.setattr(needs, "solve", lambda problem, solver: problem and right(problem, solver))
    assert operator is not needs.OperatorProblem
    assert "solvers that refuse κ as k_X" in missed()


def test_a_definite_kernel_forced_does_no_harm(monkeypatch, few):
    right = needs.forced
    monkeypatch.setattr(needs, "forced", lambda gram, *args: right(gram @ gram, *args))
    assert "objective far along the eigenvector" in missed()
