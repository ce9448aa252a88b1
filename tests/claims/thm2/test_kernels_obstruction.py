"""thm2.kernels_obstruction: its verdict, what changes it, and its distances by hand."""

import numpy as np
import pytest
from flint import fmpq
from sabotage import Subject, is_noticed
from sabotage.patches import attribute, constants, scaled

from verify.claims.thm2 import kernels_obstruction as module
from verify.harness.evidence import Verdict

NEARLY = {
    "RBF": [[fmpq(1, 2)] * 2, [fmpq(1, 2), fmpq(1, 1000)]],
    "L2 distance": [[fmpq(1, 2)] * 2, [fmpq(1, 2), fmpq(8, 5)]],
}
broken = Subject("thm2.kernels_obstruction")
SABOTAGES = [
    broken(
        "the certified distance × 1.1",
        scaled(module, "distance", fmpq(11, 10)),
        noticed="descents on the surface",
    ),
    broken(
        "the certified distance × 0.9",
        scaled(module, "distance", fmpq(9, 10)),
        "slow",
        "attained on a line",
    ),
    broken(
        "targets that nearly keep the inequality",
        constants(module, TARGETS=NEARLY),
        noticed="certified sup distance",
    ),
    broken(
        "two targets too near each other",
        attribute(module, "planar", lambda right: lambda rhos: right(0.9 * rhos)),
        "slow",
        "2 × 5",
    ),
    broken(
        "weights −1 and 1 in the inequality of 3 × 3",
        constants(module, WEIGHTS=(-1, 1)),
        noticed="negative eigenvalues",
    ),
    broken(
        "weights −1 and 5 in the inequality of 3 × 3",
        constants(module, WEIGHTS=(-1, 5)),
        "slow",
        "weighted sum",
    ),
]

test_verdict = broken.ends_in(Verdict.HOLDS_IF, seeds=(0, 1))
test_sabotage = is_noticed(SABOTAGES)


def test_certified_distances():
    # The L2 distance by hand: (1 − 3/10)/4; RBF: −log(0.1 + δ) = 9·(−log(1 − δ)).
    below = fmpq(7, 40) - module.distance("L2 distance")
    assert 0 <= below <= fmpq(1, 1 << 40)
    delta = module.distance("RBF")
    delta = int(delta.p) / int(delta.q)
    assert 0.1 + delta == pytest.approx((1 - delta) ** 9, rel=1e-10)
    assert not module.certainly_out("L2 distance", fmpq(7, 40))


def test_distances_of_points_keep_the_quadrangle_inequality():
    rng = np.random.default_rng(0)
    for _ in range(20):
        q, k = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
        rhos = np.linalg.norm(q[:, None] - k, axis=-1)
        assert module.quadrangle_slack(rhos) >= 0
        weighted = (np.linalg.norm(q[:3, None] - k, axis=-1) ** 2) * (2 - 3 * np.eye(3))
        assert weighted.sum() >= 0
    assert module.quadrangle_slack(np.array([[0.0, 0.0], [0.0, 1.0]])) == -1


def test_planar_points_have_the_distances():
    rhos = np.array([[1.0, 2.0, 1.5], [2.0, 1.0, 1.2]])
    q, k = module.planar(rhos)
    np.testing.assert_allclose(np.linalg.norm(q[:, None] - k, axis=-1), rhos, rtol=1e-14)
