"""Claims on readings, losses, heads and kernels: verdicts at other seeds, and values by hand."""

import itertools
import math

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from sabotage import math as sabotages

from rkbs.kernels import EDP, RBF, ExponentiatedIntersection
from rkbs.kernels.features import PowerFeatures
from verify.claims.thm2 import kernels_obstruction as obstruction
from verify.claims.thm2 import multi_head_softmax as softmax
from verify.harness.evidence import Verdict
from verify.harness.ledger import load_claims
from verify.harness.run import Run
from verify.oracles import circle, joint_losses
from verify.studies import kernel_maps

VERDICTS = {
    "thm1.literal": (Verdict.FAILS, sabotages.LITERAL),
    "thm1.separable_general": (Verdict.HOLDS, sabotages.GENERAL),
    "thm2.pair": (Verdict.FAILS, sabotages.PAIR),
    "thm2.multi_head": (Verdict.HOLDS, sabotages.HEADS),
    "thm2.multi_head_softmax": (Verdict.HOLDS_IF, sabotages.SOFTMAX),
    "thm2.kernels_reach": (Verdict.HOLDS, sabotages.REACH),
    "thm2.kernels_obstruction": (Verdict.HOLDS_IF, None),
}


@pytest.mark.parametrize("claim", VERDICTS)
def test_the_verdict_does_not_hang_on_the_seed(claim, monkeypatch):
    verdict, smaller = VERDICTS[claim]
    if smaller:
        smaller(monkeypatch)
    evidence = load_claims()[claim].compute(Run(seed=1))
    missed = [check for check in (*evidence.checks, *evidence.counterexamples) if not check.passed]
    assert (evidence.verdict, missed) == (verdict, [])


# ---- general separable losses


def quadratic(a, b, z):
    return (a - z) ** 2 / 2 + (b + 2 * z) ** 2 / 2 + a * b / 2


def small_problem(p, alpha=0.4, loss=quadratic):
    rng = np.random.default_rng(0)
    phi_x, phi_y, z = rng.normal(size=(4, 6)), rng.normal(size=(3, 6)), rng.normal(size=12)
    i, j = (index.ravel() for index in np.indices((4, 3)))
    return joint_losses.Joint(phi_x, phi_y, i, j, z, loss, p, alpha)


def test_the_oracles_monomials_are_the_features():
    q = np.random.default_rng(0).normal(size=(5, 2))
    own, features = joint_losses.monomials(q, 4), PowerFeatures(EDP(), 2, 4)
    np.testing.assert_allclose(own @ own.T, features(q) @ features(q).T, rtol=1e-13)
    assert own.shape == (5, features.dim)


def test_complex_steps_are_derivatives():
    a, b, z = np.random.default_rng(0).normal(size=(3, 20))
    found = joint_losses.partials(quadratic, a, b, z)
    np.testing.assert_allclose(found[0], a - z + b / 2, rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[1], b + 2 * z + a / 2, rtol=1e-14, atol=1e-15)


def test_the_minimizer_at_p_2_is_that_of_linear_equations():
    problem = small_problem(2.0)
    rows_x = np.hstack([problem.phi_x[problem.i], np.zeros((12, 6))])
    rows_y = np.hstack([np.zeros((12, 6)), problem.phi_y[problem.j]])
    H = rows_x.T @ rows_x + rows_y.T @ rows_y + 0.5 * (rows_x.T @ rows_y + rows_y.T @ rows_x)
    right = rows_x.T @ problem.z - 2 * rows_y.T @ problem.z
    exact = np.linalg.solve(H + 0.4 * np.eye(12), right)
    found = problem.minimizer(problem.descend(np.ones(12)))
    np.testing.assert_allclose(found, exact, rtol=1e-10)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_the_excess_is_a_bound(p):
    problem = small_problem(p)
    best = problem.minimizer(problem.descend(np.ones(12)))
    assert abs(problem.excess(best)) <= 1e-13
    for step in (1e-3, 0.1, 1.0):
        moved = best + step
        assert 0 < problem.objective(moved) - problem.objective(best) <= problem.excess(moved)


# ---- several heads


def test_the_share_out_of_reach_by_hand():
    F = [[fmpq(1), fmpq(0)], [fmpq(0), fmpq(0)]]  # row sums 1 and 0: each row off by ¼, ¼
    near = [[fmpq(3, 4), fmpq(-1, 4)], [fmpq(1, 4), fmpq(1, 4)]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(softmax, "SIZE", 2)
        assert softmax.nearest(F) == near
        assert softmax.by_least_squares(F) == fmpq(1, 4)


def test_two_softmax_heads_have_the_row_sums_that_they_can_have():
    F = np.random.default_rng(0).normal(size=(6, 6))
    found = softmax.two_heads(F)
    np.testing.assert_allclose(found.sum(1), F.sum(1).mean(), rtol=1e-12)
    level = F + (F.sum(1).mean() - F.sum(1, keepdims=True)) / 6
    np.testing.assert_allclose(softmax.two_heads(level), level, atol=1e-13)


# ---- other kernels


@pytest.mark.parametrize("knots", [1, 2, 5, 40])
def test_intersections_of_products(knots):
    rng = np.random.default_rng(knots)
    a, b = rng.normal(size=(30, 3)), 0.1 * rng.normal(size=(20, 3))
    a[:, 1] = 0  # a term that vanishes
    (q, k), below = kernel_maps.intersection_maps(a, b, knots)
    found = np.minimum(q[:, None], k).sum(-1)
    miss = a @ b.T - found
    assert miss.min() >= -1e-12
    assert miss.max() <= below * (1 + 1e-12)
    assert q.shape == (30, 2 * knots + 2)


def test_intersections_of_a_matrix_are_exact():
    F = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
    q, k = kernel_maps.intersection_of_matrix(F)
    assert (np.minimum(q[:, None], k).sum(-1) == F).all()
    np.testing.assert_allclose(ExponentiatedIntersection()(q, k), np.exp(F), rtol=1e-14)


def test_rbf_of_equal_lengths_is_an_exponential():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
    (q, k), c = kernel_maps.rbf_maps(a, b, 0.7)
    np.testing.assert_allclose(RBF(0.7)(q, k), np.exp(a @ b.T - c), rtol=1e-13)
    assert np.ptp((q**2).sum(1)) <= 1e-13
    assert np.ptp((k**2).sum(1)) <= 1e-13


def test_certified_distances():
    # The L2 distance by hand: (1 − 3/10)/4; RBF: −log(0.1 + δ) = 9·(−log(1 − δ)).
    below = fmpq(7, 40) - obstruction.distance("L2 distance")
    assert 0 <= below <= fmpq(1, 1 << 40)
    delta = obstruction.distance("RBF")
    delta = int(delta.p) / int(delta.q)
    assert 0.1 + delta == pytest.approx((1 - delta) ** 9, rel=1e-10)
    assert not obstruction.certainly_out("L2 distance", fmpq(7, 40))


def test_distances_of_points_keep_the_quadrangle_inequality():
    rng = np.random.default_rng(0)
    for _ in range(20):
        q, k = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
        rhos = np.linalg.norm(q[:, None] - k, axis=-1)
        assert obstruction.quadrangle_slack(rhos) >= 0
        weighted = (np.linalg.norm(q[:3, None] - k, axis=-1) ** 2) * (2 - 3 * np.eye(3))
        assert weighted.sum() >= 0
    assert obstruction.quadrangle_slack(np.array([[0.0, 0.0], [0.0, 1.0]])) == -1


def test_planar_points_have_the_distances():
    rhos = np.array([[1.0, 2.0, 1.5], [2.0, 1.0, 1.2]])
    q, k = obstruction.planar(rhos)
    np.testing.assert_allclose(np.linalg.norm(q[:, None] - k, axis=-1), rhos, rtol=1e-14)


# ---- how many points


@pytest.mark.parametrize(
    ("epsilon", "n", "share"),
    [
        (fmpq(1), 5, -1e-2),
        (fmpq(1, 2), 8, -5e-4),
        (fmpq(1, 4), 14, -4e-8),
        (fmpq(1, 8), 26, -2e-17),
        (fmpq(1, 16), 52, -4e-40),
    ],
)
def test_fewest_points_on_the_circle(epsilon, n, share):
    found = circle.fewest(epsilon, 2)
    assert (found.n, found.definite, found.agree) == (n, True, True)
    assert found.share == pytest.approx(share, rel=0.3)
    assert circle.predicted(epsilon) == n


@pytest.mark.parametrize("d", [1, 2, 4])
def test_circulant_eigenvalues_are_numpys(d):
    n, epsilon = 9, 0.5
    angles = 2 * np.pi * np.arange(n) / n
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    gram = np.exp(points @ np.array([[1, epsilon], [-epsilon, 1]]) @ points.T / math.sqrt(d))
    spectrum = np.linalg.eigvalsh((gram + gram.T) / 2)
    for values in (
        circle.eigenvalues(fmpq(1, 2), d, n),
        circle.eigenvalues_by_modes(fmpq(1, 2), d, n),
    ):
        found = [float(v.mid()) for v in values]
        every = sorted([found[0], *itertools.chain(*zip(found[1:], found[1:], strict=True))])
        np.testing.assert_allclose(every, spectrum, atol=1e-13)


def test_exact_pairs_have_the_rank_of_their_features():
    from verify.claims.thm2 import pair as thm2_pair

    assert fmpq_mat(thm2_pair.PHI_X).rank() == 2
    assert thm2_pair.exact_case()["same κ"]
