"""Points of the tensor claim are apart, it holds where close ones failed it, and f is bounded."""

import numpy as np
import pytest

from rkbs.kernels import EDP
from rkbs.kernels.features import PowerFeatures
from rkbs.spaces.sections import TensorFunction
from rkbs.terms.losses import Huber, Logistic, Squared
from verify.claims.thm1.tensor_limit import REACH, _case, spread_points, tensor_limit
from verify.harness.evidence import Verdict
from verify.harness.run import Run
from verify.oracles import tensor_balls


@pytest.mark.parametrize("d", [1, 2])
def test_points_are_apart_in_every_coordinate(d):
    for seed in range(20):
        points = spread_points(np.random.default_rng(seed), 6, d)
        assert points.shape == (6, d)
        assert np.abs(points).max() < REACH
        assert np.diff(np.sort(points, axis=0), axis=0).min() >= REACH / 6 - 1e-12
    assert np.ptp([spread_points(np.random.default_rng(seed), 6, d)[0] for seed in (0, 1)]) > 0


def test_holds_where_close_points_had_failed():
    assert tensor_limit(Run(seed=4)).verdict is Verdict.HOLDS


def test_functions_that_differ_by_more_than_strong_convexity_allows(monkeypatch):
    right = TensorFunction.__call__
    exact = _case(Run(seed=1), 2, 1, Squared(), 7, [2, 14])
    assert max(cut["difference over its bound"] for cut in exact["cuts"]) <= 1
    monkeypatch.setattr(TensorFunction, "__call__", lambda f, points: 1.01 * right(f, points))
    wrong = _case(Run(seed=1), 2, 1, Squared(), 7, [2, 14])
    assert wrong["cuts"][-1]["difference over its bound"] > 10


@pytest.mark.parametrize("loss", [Squared(), Huber(0.5), Logistic()], ids=repr)
@pytest.mark.parametrize(("m", "d"), [(1, 1), (2, 1), (2, 2), (3, 1)])
def test_the_gap_in_balls_is_that_of_explicit_features(m, d, loss):
    """On features up to an order that leaves nothing out, in floats, at a c that is no optimum."""
    rng = np.random.default_rng(m)
    X, c = spread_points(rng, 4, d), rng.uniform(0.1, 0.4, 4)
    z = np.ones(4) if loss.labels else rng.standard_normal(4)
    phi, q, alpha = PowerFeatures(EDP(), d, 40)(X), 2 * m, 0.1
    w = c @ phi
    size = (np.abs(w) ** q).sum() ** (1 / q)
    v = size ** (2 - q) * np.abs(w) ** (q - 1) * np.sign(w) / alpha
    p = q / (q - 1)
    norm = (np.abs(v) ** p).sum() ** (1 / p)
    primal = loss.value(phi @ v, z).sum() + alpha * norm**2 / 2
    dual = -loss.conjugate(-c, z).sum() - size**2 / (2 * alpha)
    found = tensor_balls.gap(X, m, z, alpha, repr(loss), c)
    assert found > 1e-3
    assert found == pytest.approx((primal - dual) / primal, rel=1e-9)


def test_hypergeometric_series_hold_their_rest():
    from flint import arb, ctx

    with ctx.workprec(tensor_balls.BITS):
        for t in (-11.0, -0.5, 0.0, 3.0, 11.0):
            assert tensor_balls.hypergeometric(arb(t), 1).overlaps(arb(t).exp())
        bessel = arb(2 * arb(3).sqrt()).bessel_i(0)
        assert tensor_balls.hypergeometric(arb(3), 2).overlaps(bessel)
