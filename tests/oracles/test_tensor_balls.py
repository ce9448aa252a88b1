"""Tensor kernels in balls: gaps against explicit features in floats, and series with their rest."""

import numpy as np
import pytest
from flint import arb, ctx
from helpers import norm

from rkbs.kernels import EDP
from rkbs.kernels.features import PowerFeatures
from rkbs.terms.margin_losses import Logistic
from rkbs.terms.residual_losses import Huber, Squared
from verify.claims.thm1.tensor_limit import spread_points
from verify.oracles import tensor_balls


@pytest.mark.parametrize("loss", [Squared(), Huber(0.5), Logistic()], ids=repr)
@pytest.mark.parametrize(("m", "d"), [(1, 1), (2, 1), (2, 2), (3, 1)])
def test_the_gap_in_balls_is_that_of_explicit_features(m, d, loss):
    """On features up to an order that leaves nothing out, in floats, at a c that is no optimum."""
    rng = np.random.default_rng(m)
    X, c = spread_points(rng, 4, d), rng.uniform(0.1, 0.4, 4)
    z = np.ones(4) if isinstance(loss, Logistic) else rng.standard_normal(4)
    phi, q, alpha = PowerFeatures(EDP(), d, 40)(X), 2 * m, 0.1
    w = c @ phi
    size = norm(w, q)
    v = size ** (2 - q) * np.abs(w) ** (q - 1) * np.sign(w) / alpha
    primal = loss.value(phi @ v, z).sum() + alpha * norm(v, q / (q - 1)) ** 2 / 2
    dual = -loss.conjugate(-c, z).sum() - size**2 / (2 * alpha)
    found = tensor_balls.gap(X, m, z, alpha, repr(loss), c)
    assert found > 1e-3
    assert found == pytest.approx((primal - dual) / primal, rel=1e-9)


def test_hypergeometric_series_hold_their_rest():
    with ctx.workprec(tensor_balls.BITS):
        for t in (-11.0, -0.5, 0.0, 3.0, 11.0):
            assert tensor_balls.hypergeometric(arb(t), 1).overlaps(arb(t).exp())
        bessel = arb(2 * arb(3).sqrt()).bessel_i(0)
        assert tensor_balls.hypergeometric(arb(3), 2).overlaps(bessel)
