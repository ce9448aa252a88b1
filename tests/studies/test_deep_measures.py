"""C is −∂F/∂M, anywhere: gradients of the maps are its products, in every form of a head."""

import numpy as np
import pytest
from deep_helpers import network

from verify.studies.deep_heads import off
from verify.studies.deep_measures import (
    by_steps,
    coefficients,
    groups_of,
    heads_of,
    row_of,
    tied_forms,
    with_bias,
    with_norms,
)


def gradients(net, x):
    task = net.task
    return net.plain.gradient(net.weights(x), task.tokens, task.frequencies)[1]


def of_maps(net, x, block):
    return net.maps(gradients(net, x), block)


@pytest.mark.parametrize("kind", ["edp", "quartic", "bias"])
def test_gradients_of_both_maps_are_products_with_c(kind):
    net, x = network(kind)
    for (block, number), head in heads_of(net, x).items():
        by_query, by_key = of_maps(net, x, block)
        assert off(by_query[number], -head.key @ head.pull.T) < 1e-10
        assert (off(by_key[number], -head.query @ head.pull) < 1e-10) == (kind != "bias")


def test_c_by_steps_is_c():
    net, x = network("quartic", "recall")
    stepped, weights = by_steps(net, net.weights(x)), net.weights(x)
    for where, C in coefficients(net, weights).items():
        assert off(C, stepped[where]) < 1e-10


def test_a_bias_is_a_column():
    net, x = network("bias")
    for (block, number), head in with_bias(net, x).items():
        bias = gradients(net, x)[f"{block}.attention.query.bias"].reshape(2, -1)[number]
        by_query, by_key = of_maps(net, x, block)
        full = np.column_stack([by_query[number], bias])
        assert off(full, -head.key @ head.pull.T) < 1e-10
        assert off(by_key[number], -head.query @ head.pull) < 1e-10


def test_heads_with_shared_keys_are_one():
    net, x = network("shared")
    groups = groups_of(net, x)
    assert len(groups) == net.plain.layers
    for (block, _), head in groups.items():
        by_query, by_key = of_maps(net, x, block)
        assert off(np.hstack(by_query), -head.key @ head.pull.T) < 1e-10
        assert off(by_key.sum(0), -head.query @ head.pull) < 1e-10


def test_keys_of_rbf_have_their_norms():
    net, x = network("rbf")
    found = with_norms(net, x)
    for (block, number), head in heads_of(net, x).items():
        by_query, by_key = of_maps(net, x, block)
        assert off(by_query[number], -head.key @ head.pull.T) < 1e-10
        plain = np.linalg.norm(head.decay_key * head.key - head.query @ head.pull)
        whole = np.linalg.norm(head.decay_key * head.key + by_key[number])
        size = np.linalg.norm(head.decay_key * head.key)
        assert found[block, number]["key half with norms"] == pytest.approx(whole / size)
        assert abs(plain - whole) > 1e-3 * whole


def test_tied_maps_have_the_sum_of_both():
    net, x = network("tied")
    for (block, number), found in tied_forms(net, x).items():
        head = heads_of(net, x)[block, number]
        by_query, by_key = of_maps(net, x, block)
        whole = head.decay * head.query + by_query[number] + by_key[number]
        size = np.linalg.norm(head.decay * head.query)
        assert found["tied"] == pytest.approx(np.linalg.norm(whole) / size)


def test_a_row_says_what_a_head_says():
    net, x = network()
    (where, head), *_ = heads_of(net, x).items()
    row = row_of(where, head)
    assert row["expansion"] == max(head.expansion())
    assert row["best"] <= 1
    assert row["ratio"] == head.beyond[1] / head.decay
