"""Networks as functions of a vector: rkbs's own models agree, and training comes to rest."""

import numpy as np
import pytest
from deep_helpers import KINDS, network

from verify.studies.deep_models import judged
from verify.studies.deep_networks import adam, settle


@pytest.mark.parametrize("task", ["counting", "recall"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("rbf", "quartic")])
def test_rkbs_models_have_the_same_loss_and_gradient(kind, task):
    net, x = network(kind, task)
    loss, gradient, audit = judged(net, x)
    own_loss, own_gradient = net.slope(x)
    assert loss == pytest.approx(own_loss, rel=1e-13)
    np.testing.assert_allclose(gradient, own_gradient, atol=1e-13)
    assert len(audit.heads) == net.plain.layers * net.plain.heads


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_becomes_weights_and_a_vector(kind):
    net, x = network(kind)
    np.testing.assert_array_equal(net.vector(net.weights(x)), x)
    query, key = net.maps(net.weights(x), net.plain.blocks[0])
    assert (query == key).all() == (kind == "tied")
    assert (key[0] == key[1]).all() == (kind == "shared")


def test_a_product_is_a_difference_of_gradients():
    net, x = network()
    along = np.random.default_rng(0).standard_normal(len(x))
    ahead, behind = (net.objective(x + step * along)[1] for step in (1e-5, -1e-5))
    np.testing.assert_allclose(net.product(x, along), (ahead - behind) / 2e-5, atol=1e-7)
    assert not net.product(x, 0 * along).any()


def test_rows_of_zeros_change_nothing_and_have_no_gradient():
    net, x = network(dimension=2)
    rows = {block: np.zeros((2, 2, 6)) for block in net.plain.blocks}
    longer = net.grown(x, rows)
    value, gradient = longer.objective(longer.vector(longer.start))
    assert value == pytest.approx(net.objective(x)[0], rel=1e-14)
    assert np.count_nonzero(gradient) <= len(x)
    assert len(gradient) == len(x) + 2 * 2 * 2 * 6


def test_training_comes_to_rest_where_its_gradient_vanishes():
    net, x = network(layers=1, dimension=1, gains=False)
    start = net.objective(x)[0]
    x = adam(x, lambda y: net.objective(y)[1], 100, 1e-2)
    middle = net.objective(x)[0]
    x = settle(net, x, [1000, 1000], 50, 1e-7)
    assert net.objective(x)[0] < middle < start
    assert net.off(x) <= 1e-6


def test_newton_goes_on_where_lbfgs_stops():
    net, x = network(layers=1, dimension=1, gains=False)
    x = settle(net, x, [120], 0, 1e-9)
    assert net.off(settle(net, x, [2], 60, 1e-9)) < 0.1 * net.off(x)


def test_adamw_ends_where_steps_and_decay_cancel():
    x = adam(np.array([3.0]), lambda y: y - 1, 4000, 1e-2, decoupled=0.5, eps=1.0)
    g = x - 1
    assert -g / (np.abs(g) + 1.0) == pytest.approx(0.5 * x, abs=5e-3)
